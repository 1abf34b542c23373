#include "common.clh"
// x, y: row-major. geometry: int [3, rank]: sizes of y, sizes of x, width of the border before x.
// One work item an element of y; on CPUs pad_constant has one a row.

#ifndef T
#define T uint
#endif
#ifndef CPU_DEVICE
#define CPU_DEVICE 0
#endif

// The border is value[0].
#if CPU_DEVICE
KERNEL pad_constant(GLOBAL const T* RESTRICT x, GLOBAL T* RESTRICT y,
                    GLOBAL const T* RESTRICT value, GLOBAL const int* RESTRICT geometry, int rank,
                    int rows) {
  int row = THREAD_X;
  if (row >= rows) return;
  int width = geometry[rank - 1], inside = geometry[2 * rank - 1];
  int first = geometry[3 * rank - 1], i = row, from = 0, stride = inside;
  for (int d = rank - 2; d >= 0; d--) {
    int at = i % geometry[d] - geometry[2 * rank + d], size = geometry[rank + d];
    if (at < 0 || at >= size) inside = 0;
    from += at * stride;
    stride *= size;
    i /= geometry[d];
  }
  T border = value[0];
  y += row * width;
  if (inside == 0) first = width;
  for (int k = 0; k < first; k++) y[k] = border;
  for (int k = 0; k < inside; k++) y[first + k] = x[from + k];
  for (int k = first + inside; k < width; k++) y[k] = border;
}
#else
KERNEL pad_constant(GLOBAL const T* RESTRICT x, GLOBAL T* RESTRICT y,
                    GLOBAL const T* RESTRICT value, GLOBAL const int* RESTRICT geometry, int rank,
                    int count) {
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
#endif

// The border is x mirrored; edge is 1 where its outermost elements are not repeated, else 0.
KERNEL pad_mirror(GLOBAL const T* RESTRICT x, GLOBAL T* RESTRICT y,
                  GLOBAL const int* RESTRICT geometry, int rank, int edge, int count) {
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
