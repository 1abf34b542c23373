#include "common.clh"
// positions: int [n], rows of y, -1 for none.

#ifndef T
#define T float
#endif
#ifndef IS_BOOL
#define IS_BOOL 0
#endif

// y: [rows, inner], zeros; x: [n, inner]. One work item an element of x: the first of those that
// share a position adds them all, in order.
KERNEL scatter_add(GLOBAL const T* RESTRICT x, GLOBAL const int* RESTRICT positions,
                   GLOBAL T* RESTRICT y, int inner, int n) {
  int thread = THREAD_X, i = thread / inner, c = thread % inner;
  if (i >= n) return;
  int position = positions[i];
  if (position < 0) return;
  for (int j = 0; j < i; j++)
    if (positions[j] == position) return;
  REGISTER(T) sum = 0;
  for (int j = i; j < n; j++)
    if (positions[j] == position)
      sum = IS_BOOL ? sum || LOAD(T, x, j * inner + c) : sum + LOAD(T, x, j * inner + c);
  STORE(T, y, position * inner + c, sum);
}

// y: [rows], x: [n], or one for all where step is 0. One work item an element of x: the last of
// those that share a position is kept.
KERNEL scatter_last(GLOBAL const T* RESTRICT x, GLOBAL const int* RESTRICT positions,
                    GLOBAL T* RESTRICT y, int step, int n) {
  int i = THREAD_X;
  if (i >= n) return;
  int position = positions[i];
  if (position < 0) return;
  for (int j = i + 1; j < n; j++)
    if (positions[j] == position) return;
  STORE(T, y, position, LOAD(T, x, i * step));
}
