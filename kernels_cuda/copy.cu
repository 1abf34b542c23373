#include "common.cuh"
// x, y: elements of type T. geometry: int [3, rank]: sizes, strides in x, strides in y, of the axes
// of the copy. copy_strided, copy_by_table: one thread an element, the last axis across threads.

#ifndef T
#define T uint
#endif
#ifndef TILE
#define TILE 32
#endif
#ifndef LINES
#define LINES 8
#endif

// Moves *from and *to to element i of the first `axes` axes.
INLINE void seek(const int* RESTRICT geometry, int rank, int axes, int i, int* from, int* to) {
  for (int d = axes - 1; d >= 0; d--) {
    int size = geometry[d], rest = i / size, at = i - rest * size;
    *from += at * geometry[rank + d];
    *to += at * geometry[2 * rank + d];
    i = rest;
  }
}

KERNEL copy_strided(const T* RESTRICT x, T* RESTRICT y, const int* RESTRICT geometry, int rank,
                    int from, int to, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  seek(geometry, rank, rank, i, &from, &to);
  y[to] = x[from];
}

// Beside the axes of geometry there are `rows`, contiguous in x and step_y apart in y, and `cols`,
// contiguous in y and step_x apart in x. A block of TILE x LINES threads moves TILE x TILE of them
// through shared memory, so that both sides are read and written along their own axis.
KERNEL copy_tiles(const T* RESTRICT x, T* RESTRICT y, const int* RESTRICT geometry, int rank,
                  int from, int to, int rows, int cols, int step_x, int step_y) {
  LOCAL T tile[TILE][TILE + 1];
  seek(geometry, rank, rank, THREAD_Z, &from, &to);
  x += from;
  y += to;
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
}

// Bytes, each replaced by its entry of table [256].
KERNEL copy_by_table(const uchar* RESTRICT x, uchar* RESTRICT y, const int* RESTRICT geometry,
                     int rank, int from, int to, const uchar* RESTRICT table, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  seek(geometry, rank, rank, i, &from, &to);
  y[to] = table[x[from]];
}
