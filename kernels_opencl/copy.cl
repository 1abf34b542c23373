#include "common.clh"
// x, y: elements of type T. geometry: int [3, rank]: sizes, strides in x, strides in y, of the axes
// of the copy. GPU: one work item an element. CPU: one work item a tile, or rows_each places of the
// last axis but one and run_each of the last.

#ifndef T
#define T uint
#endif
#ifndef CPU_DEVICE
#define CPU_DEVICE 0
#endif
#ifndef TILE
#define TILE 16
#endif
#ifndef LINES
#define LINES 8
#endif

// Moves *from and *to to element i of the first `axes` axes.
INLINE void seek(GLOBAL const int* RESTRICT geometry, int rank, int axes, int i, int* from,
                 int* to) {
  for (int d = axes - 1; d >= 0; d--) {
    int size = geometry[d], rest = i / size, at = i - rest * size;
    *from += at * geometry[rank + d];
    *to += at * geometry[2 * rank + d];
    i = rest;
  }
}

#if CPU_DEVICE
KERNEL copy_strided(GLOBAL const T* RESTRICT x, GLOBAL T* RESTRICT y,
                    GLOBAL const int* RESTRICT geometry, int rank, int from, int to, int run_each,
                    int rows_each) {
  seek(geometry, rank, rank - 2, THREAD_Z, &from, &to);
  int row = THREAD_Y * rows_each, start = THREAD_X * run_each;
  int last_row = min(row + rows_each, geometry[rank - 2]);
  int count = min(geometry[rank - 1] - start, run_each);
  int row_x = geometry[2 * rank - 2], row_y = geometry[3 * rank - 2];
  int step_x = geometry[2 * rank - 1], step_y = geometry[3 * rank - 1];
  x += from + start * step_x;
  y += to + start * step_y;
  for (; row < last_row; row++) {
    GLOBAL const T* source = x + row * row_x;
    GLOBAL T* target = y + row * row_y;
    if (step_y == 1 && step_x == 1) {
      for (int i = 0; i < count; i++) target[i] = source[i];
    } else if (step_y == 1 && step_x == 0) {
      T value = source[0];
      for (int i = 0; i < count; i++) target[i] = value;
    } else {
      for (int i = 0; i < count; i++) target[i * step_y] = source[i * step_x];
    }
  }
}
#else
KERNEL copy_strided(GLOBAL const T* RESTRICT x, GLOBAL T* RESTRICT y,
                    GLOBAL const int* RESTRICT geometry, int rank, int from, int to, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  seek(geometry, rank, rank, i, &from, &to);
  y[to] = x[from];
}
#endif

// Beside the axes of geometry there are `rows`, contiguous in x and step_y apart in y, and `cols`,
// contiguous in y and step_x apart in x. A block moves TILE x TILE of them; on GPUs it is one of
// TILE x LINES work items.
KERNEL copy_tiles(GLOBAL const T* RESTRICT x, GLOBAL T* RESTRICT y,
                  GLOBAL const int* RESTRICT geometry, int rank, int from, int to, int rows,
                  int cols, int step_x, int step_y) {
  seek(geometry, rank, rank, THREAD_Z, &from, &to);
  x += from;
  y += to;
#if CPU_DEVICE
  int first_row = THREAD_Y * TILE, first_col = THREAD_X * TILE;
  if (first_row >= rows || first_col >= cols) return;
  int last_row = min(first_row + TILE, rows), last_col = min(first_col + TILE, cols);
  for (int row = first_row; row < last_row; row++)
    for (int col = first_col; col < last_col; col++) y[row * step_y + col] = x[col * step_x + row];
#else
  LOCAL T tile[TILE][TILE + 1];
  int row = BLOCK_Y * TILE + LANE_X, col = BLOCK_X * TILE + LANE_Y;
  for (int k = 0; k < TILE; k += LINES) {
    if (row < rows && col + k < cols) tile[LANE_Y + k][LANE_X] = x[(col + k) * step_x + row];
  }
  BARRIER;
  row = BLOCK_Y * TILE + LANE_Y;
  col = BLOCK_X * TILE + LANE_X;
  for (int k = 0; k < TILE; k += LINES) {
    if (row + k < rows && col < cols) y[(row + k) * step_y + col] = tile[LANE_X][LANE_Y + k];
  }
#endif
}

// Bytes, each replaced by its entry of table [256].
KERNEL copy_by_table(GLOBAL const uchar* RESTRICT x, GLOBAL uchar* RESTRICT y,
                     GLOBAL const int* RESTRICT geometry, int rank, int from, int to,
                     GLOBAL const uchar* RESTRICT table, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  seek(geometry, rank, rank, i, &from, &to);
  y[to] = table[x[from]];
}
