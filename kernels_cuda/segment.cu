#include "common.cuh"
// x: [n, inner], ids: int [n], y: [segments, inner]: the reduction of the rows of x with its id;
// negative ids are passed over. One thread an element of y.

#ifndef T
#define T float
#endif
#ifndef START
#define START 0
#endif
#ifndef REDUCE
#define REDUCE(a, b) ((a) + (b))
#endif

KERNEL reduce_segments(const T* RESTRICT x, const int* RESTRICT ids, T* RESTRICT y, int* flag,
                       int n, int segments, int inner, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  int segment = i / inner, c = i % inner;
  REGISTER(T) result = START;
  for (int j = 0; j < n; j++) {
    if (ids[j] >= segments) RAISE(flag);
    if (ids[j] == segment) result = REDUCE(result, LOAD(T, x, j * inner + c));
  }
  STORE(T, y, i, result);
}
