#include "common.cuh"
// x, y: row-major. geometry: int [3, rank]: sizes of y, sizes of x, width of the border before x.
// One thread an element of y.

#ifndef T
#define T uint
#endif

// The border is value[0].
KERNEL pad_constant(const T* RESTRICT x, T* RESTRICT y, const T* RESTRICT value,
                    const int* RESTRICT geometry, int rank, int count) {
  int to = THREAD_X;
  if (to >= count) return;
  int i = to, from = 0, stride = 1, inside = 1;
  for (int d = rank - 1; d >= 0; d--) {
    int at = i % geometry[d] - geometry[2 * rank + d], size = geometry[rank + d];
    if (at < 0 || at >= size) inside = 0;
    from += at * stride;
    stride *= size;
    i /= geometry[d];
  }
  y[to] = inside ? x[from] : value[0];
}

// The border is x mirrored; edge is 1 where its outermost elements are not repeated, else 0.
KERNEL pad_mirror(const T* RESTRICT x, T* RESTRICT y, const int* RESTRICT geometry, int rank,
                  int edge, int count) {
  int to = THREAD_X;
  if (to >= count) return;
  int i = to, from = 0, stride = 1;
  for (int d = rank - 1; d >= 0; d--) {
    int at = i % geometry[d] - geometry[2 * rank + d], size = geometry[rank + d];
    if (at < 0) at = edge - 1 - at;
    if (at >= size) at = 2 * size - 1 - edge - at;
    from += at * stride;
    stride *= size;
    i /= geometry[d];
  }
  y[to] = x[from];
}
