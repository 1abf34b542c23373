#include "common.clh"
// Rows of x, `inner` elements each, by index. One work item an element of y; on CPUs gather_rows has
// one a row.

#ifndef T
#define T uint
#endif
#ifndef INDEX
#define INDEX int
#endif
#ifndef CPU_DEVICE
#define CPU_DEVICE 0
#endif

// x: [batches, outer, rows, inner], indices: [batches, k], y: [batches, outer, k, inner].
KERNEL gather_rows(GLOBAL const T* RESTRICT x, GLOBAL const INDEX* RESTRICT indices,
                   GLOBAL T* RESTRICT y, GLOBAL int* flag, int outer, int rows, int k, int inner,
                   int count) {
  int i = THREAD_X;
  if (i >= count) return;
#if CPU_DEVICE
  int row = i;
#else
  int row = i / inner;
#endif
  int slab = row / k;
  INDEX at = indices[slab / outer * k + row % k];
  if (at < 0 || at >= rows) {
    RAISE(flag);
    return;
  }
  x += (slab * rows + (int)at) * inner;
#if CPU_DEVICE
  y += row * inner;
  for (int c = 0; c < inner; c++) y[c] = x[c];
#else
  y[i] = x[i % inner];
#endif
}

// indices: [count, depth] into dims [2, depth]: sizes and strides.
KERNEL flat_positions(GLOBAL const INDEX* RESTRICT indices, GLOBAL const int* RESTRICT dims,
                      GLOBAL int* RESTRICT positions, GLOBAL int* flag, int depth, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  int position = 0, outside = 0;
  for (int d = 0; d < depth; d++) {
    INDEX at = indices[i * depth + d];
    if (at < 0 || at >= dims[d])
      outside = 1;
    else
      position += (int)at * dims[depth + d];
  }
  if (outside) RAISE(flag);
  positions[i] = outside ? -1 : position;
}

// y: [rows, inner], positions: rows of x.
KERNEL take_rows(GLOBAL const T* RESTRICT x, GLOBAL const int* RESTRICT positions,
                 GLOBAL T* RESTRICT y, int inner, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  int row = positions[i / inner];
  if (row >= 0) y[i] = x[row * inner + i % inner];
}

// table: int8 [rows, width], each `size` elements of a row times one scale; scales lie `per_row`
// apart from row to row.
KERNEL embed_scaled(GLOBAL const int* RESTRICT ids, GLOBAL const char* RESTRICT table,
                    GLOBAL const float* RESTRICT scales, GLOBAL OUT_T* RESTRICT y,
                    GLOBAL int* flag, int rows, int width, int size, int per_row, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  int row = ids[i / width], c = i % width;
  if (row < 0 || row >= rows)
    RAISE(flag);
  else
    STORE(OUT_T, y, i, (float)table[row * width + c] * scales[row * per_row + c / size]);
}
