#include "common.cuh"
// Rows of x, `inner` elements each, by index. One thread an element of y.

#ifndef T
#define T uint
#endif
#ifndef INDEX
#define INDEX int
#endif

// x: [batches, outer, rows, inner], indices: [batches, k], y: [batches, outer, k, inner].
KERNEL gather_rows(const T* RESTRICT x, const INDEX* RESTRICT indices, T* RESTRICT y, int* flag,
                   int outer, int rows, int k, int inner, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  int row = i / inner, slab = row / k;
  INDEX at = indices[slab / outer * k + row % k];
  if (at < 0 || at >= rows)
    RAISE(flag);
  else
    y[i] = x[(slab * rows + (int)at) * inner + i % inner];
}

// indices: [count, depth] into dims [2, depth]: sizes and strides.
KERNEL flat_positions(const INDEX* RESTRICT indices, const int* RESTRICT dims,
                      int* RESTRICT positions, int* flag, int depth, int count) {
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
KERNEL take_rows(const T* RESTRICT x, const int* RESTRICT positions, T* RESTRICT y, int inner,
                 int count) {
  int i = THREAD_X;
  if (i >= count) return;
  int row = positions[i / inner];
  if (row >= 0) y[i] = x[row * inner + i % inner];
}

// table: int8 [rows, width], each `size` elements of a row times one scale; scales lie `per_row`
// apart from row to row.
KERNEL embed_scaled(const int* RESTRICT ids, const char* RESTRICT table,
                    const float* RESTRICT scales, OUT_T* RESTRICT y, int* flag, int rows, int width,
                    int size, int per_row, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  int row = ids[i / width], c = i % width;
  if (row < 0 || row >= rows)
    RAISE(flag);
  else
    STORE(OUT_T, y, i, (float)table[row * width + c] * scales[row * per_row + c / size]);
}
