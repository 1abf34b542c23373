#include "common.clh"
// y: [batches, rows, columns] = a [rows, depth] times b [depth, columns], rescaled. a and b lie at
// any strides; batches: int [batches, 2]: offset of the batch in a, number of its matrix in b.
// panels: b as [matrices, panels, depth, 16], of 16 columns each, less its zero point.
// CPU: one work item makes MR rows of a panel. GPU: one block makes a tile, or one element.

#define PLAIN 0
#define HYBRID 1
#define REAL 2
#define FIXED 3
#define FIXED_WIDE 4
#define STORED 5

#ifndef CPU_DEVICE
#define CPU_DEVICE 0
#endif
#ifndef A_T
#define A_T float
#endif
#ifndef B_T
#define B_T float
#endif
#ifndef ACC
#define ACC float
#endif
#ifndef RESCALE
#define RESCALE PLAIN
#endif
#ifndef BIAS_T
#define BIAS_T float
#endif
#ifndef MR
#define MR 1
#endif
#ifndef UNROLL
#define UNROLL 1
#endif
#ifndef MICRO
#define MICRO 1
#endif
#ifndef BLOCK
#define BLOCK 64
#endif

#if RESCALE == PLAIN || RESCALE == HYBRID
#define SCALE_T float
#define BOUND float
#elif RESCALE == REAL
#define SCALE_T double
#define BOUND int
#else
#define SCALE_T int
#define BOUND int
#endif

// What makes results of sums. scales, shifts: of each column; row_scales: of each row of a.
typedef struct {
  GLOBAL const BIAS_T* bias;
  GLOBAL const SCALE_T* scales;
  GLOBAL const int* shifts;
  GLOBAL const float* row_scales;
  int zero_point;
  BOUND low, high;
} Finish;

#define FINISH_ARGS                                                                      \
  GLOBAL const BIAS_T *RESTRICT bias, GLOBAL const SCALE_T *RESTRICT scales,             \
      GLOBAL const int *RESTRICT shifts, GLOBAL const float *RESTRICT row_scales,        \
      int zero_point, BOUND low, BOUND high
#define FINISH_OF {bias, scales, shifts, row_scales, zero_point, low, high}

INLINE BOUND finish(Finish f, ACC acc, int row, int column) {
#pragma OPENCL FP_CONTRACT OFF
#if RESCALE == PLAIN
  return limit(acc + f.bias[column], f.low, f.high);
#elif RESCALE == HYBRID
  float scale = f.row_scales[row] * f.scales[column];
  return limit((float)acc * scale + f.bias[column], f.low, f.high);
#elif RESCALE == STORED
  return (int)acc;
#else
  ACC total = acc + (ACC)f.bias[column];
#if RESCALE == REAL
  double real = (double)total * f.scales[column];
  double rounded = trunc(real + copysign(0.49999999999999994, real));
  int stored = fabs(rounded) < 2147483648.0 ? (int)rounded : INT_MIN;
#elif RESCALE == FIXED
  int stored = rescale((int)total, f.scales[column], f.shifts[column]);
#else
  int stored = (int)rescale_wide(total, f.scales[column], f.shifts[column]);
#endif
  return (int)clamp((long)stored + f.zero_point, (long)f.low, (long)f.high);
#endif
}

#if CPU_DEVICE

#define PANEL 16
#ifndef WIDTH
#define WIDTH 8
#endif
#define PARTS (PANEL / WIDTH)
#define SUMS JOIN(ACC, WIDTH)
#define KEEP(v, p) STORE_PACKED(, ACC, WIDTH, v, p)

// b: T at strides b_depth and b_column, b_matrix apart. One work item packs one panel.
KERNEL pack_panels(GLOBAL const A_T* RESTRICT b, GLOBAL B_T* RESTRICT panels, int depth,
                   int columns, int matrices, int b_matrix, int b_depth, int b_column, int b_zero) {
  int panel = THREAD_X, matrix = THREAD_Y, count = (columns + PANEL - 1) / PANEL;
  if (panel >= count || matrix >= matrices) return;
  b += matrix * b_matrix + panel * PANEL * b_column;
  panels += (matrix * count + panel) * depth * PANEL;
  int width = min(columns - panel * PANEL, PANEL);
  for (int k = 0; k < depth; k++) {
    for (int c = 0; c < PANEL; c++) {
      REGISTER(B_T) v = 0;
      if (c < width) v = LOAD(A_T, b, k * b_depth + c * b_column) - b_zero;
      STORE(B_T, panels, k * PANEL + c, v);
    }
  }
}

INLINE void add_products(SUMS sums[MR][UNROLL][PARTS], int u, GLOBAL const A_T* from[MR], int at,
                         int a_zero, GLOBAL const B_T* b) {
#pragma unroll
  for (int p = 0; p < PARTS; p++) {
    SUMS right = LOAD_VECTOR(B_T, ACC, WIDTH, b, p);
#pragma unroll
    for (int r = 0; r < MR; r++) {
      SUMS left = (SUMS)((ACC)LOAD(A_T, from[r], at) - (ACC)a_zero);
      sums[r][u][p] += left * right;
    }
  }
}

KERNEL matmul_panels(GLOBAL const A_T* RESTRICT a, GLOBAL const B_T* RESTRICT panels,
                     GLOBAL OUT_T* RESTRICT y, GLOBAL const int* RESTRICT batches, int rows,
                     int columns, int depth, int a_row, int a_depth, int a_zero,
                     FINISH_ARGS EPILOGUE_ARGS) {
  int tiles = (rows + MR - 1) / MR, count = (columns + PANEL - 1) / PANEL;
  int row = THREAD_X % tiles * MR, panel = THREAD_X / tiles, batch = THREAD_Y;
  if (panel >= count) return;
  int a_at = batches[2 * batch];
  GLOBAL const B_T* b = panels + (batches[2 * batch + 1] * count + panel) * depth * PANEL;
  GLOBAL const A_T* from[MR];
#pragma unroll
  for (int r = 0; r < MR; r++) from[r] = a + a_at + min(row + r, rows - 1) * a_row;
  SUMS sums[MR][UNROLL][PARTS];
#pragma unroll
  for (int r = 0; r < MR; r++) {
#pragma unroll
    for (int u = 0; u < UNROLL * PARTS; u++) sums[r][u / PARTS][u % PARTS] = (SUMS)(0);
  }
  for (int k = 0; k + UNROLL <= depth; k += UNROLL) {
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      add_products(sums, u, from, (k + u) * a_depth, a_zero, b + (k + u) * PANEL);
    }
  }
  for (int k = depth - depth % UNROLL; k < depth; k++) {
    add_products(sums, 0, from, k * a_depth, a_zero, b + k * PANEL);
  }
  Finish f = FINISH_OF;
#if RESCALE == HYBRID
  f.row_scales += a_at / depth;
#endif
  int first = panel * PANEL, width = min(columns - first, PANEL);
#pragma unroll
  for (int r = 0; r < MR; r++) {
    if (row + r < rows) {
      ACC found[PANEL];
#pragma unroll
      for (int p = 0; p < PARTS; p++) {
#pragma unroll
        for (int u = 1; u < UNROLL; u++) sums[r][0][p] += sums[r][u][p];
        KEEP(sums[r][0][p], found + WIDTH * p);
      }
      int to = (batch * rows + row + r) * columns + first;
      for (int c = 0; c < width; c++) {
        STORE(OUT_T, y, to + c, EPILOGUE(finish(f, found[c], row + r, first + c), to + c));
      }
    }
  }
}

#else

#define SIDE 16
#define TILE (SIDE * MICRO)

// A block of SIDE x SIDE makes TILE x TILE results, TILE rows and columns of SIDE at a time from
// local memory. Neighbouring lanes load what is contiguous.
KERNEL matmul_tiles(GLOBAL const A_T* RESTRICT a, GLOBAL const B_T* RESTRICT b,
                    GLOBAL OUT_T* RESTRICT y, GLOBAL const int* RESTRICT batches, int rows,
                    int columns, int depth, int a_row, int a_depth, int a_zero, int b_matrix,
                    int b_depth, int b_column, int b_zero, FINISH_ARGS EPILOGUE_ARGS) {
  LOCAL ACC left[SIDE][TILE + 1];
  LOCAL ACC right[SIDE][TILE + 1];
  int lane = LANE_Y * SIDE + LANE_X, batch = BLOCK_Z;
  int row = BLOCK_Y * TILE, column = BLOCK_X * TILE;
  int a_at = batches[2 * batch];
  a += a_at;
  b += batches[2 * batch + 1] * b_matrix;
  ACC sums[MICRO][MICRO];
  for (int i = 0; i < MICRO; i++) {
    for (int j = 0; j < MICRO; j++) sums[i][j] = 0;
  }
  for (int first = 0; first < depth; first += SIDE) {
    for (int e = lane; e < SIDE * TILE; e += SIDE * SIDE) {
      int k = a_depth == 1 ? e % SIDE : e / TILE, m = a_depth == 1 ? e / SIDE : e % TILE;
      bool inside = first + k < depth && row + m < rows;
      left[k][m] =
          inside ? (ACC)LOAD(A_T, a, (row + m) * a_row + (first + k) * a_depth) - (ACC)a_zero
                 : (ACC)0;
      k = b_depth == 1 ? e % SIDE : e / TILE, m = b_depth == 1 ? e / SIDE : e % TILE;
      inside = first + k < depth && column + m < columns;
      right[k][m] =
          inside ? (ACC)LOAD(B_T, b, (column + m) * b_column + (first + k) * b_depth) - (ACC)b_zero
                 : (ACC)0;
    }
    BARRIER;
    for (int k = 0; k < SIDE; k++) {
      for (int i = 0; i < MICRO; i++) {
        for (int j = 0; j < MICRO; j++) {
          sums[i][j] += left[k][LANE_Y + i * SIDE] * right[k][LANE_X + j * SIDE];
        }
      }
    }
    BARRIER;
  }
  Finish f = FINISH_OF;
#if RESCALE == HYBRID
  f.row_scales += a_at / depth;
#endif
  for (int i = 0; i < MICRO; i++) {
    for (int j = 0; j < MICRO; j++) {
      int m = row + LANE_Y + i * SIDE, n = column + LANE_X + j * SIDE;
      if (m < rows && n < columns) {
        int to = (batch * rows + m) * columns + n;
        STORE(OUT_T, y, to, EPILOGUE(finish(f, sums[i][j], m, n), to));
      }
    }
  }
}

// For few rows and b contiguous along its depth: a block makes one element.
KERNEL matmul_dot(GLOBAL const A_T* RESTRICT a, GLOBAL const B_T* RESTRICT b,
                  GLOBAL OUT_T* RESTRICT y, GLOBAL const int* RESTRICT batches, int rows,
                  int columns, int depth, int a_row, int a_depth, int a_zero, int b_matrix,
                  int b_depth, int b_column, int b_zero, FINISH_ARGS EPILOGUE_ARGS) {
  LOCAL ACC part[BLOCK];
  int column = BLOCK_X, row = BLOCK_Y, batch = BLOCK_Z, lane = LANE_X;
  int a_at = batches[2 * batch];
  a += a_at + row * a_row;
  b += batches[2 * batch + 1] * b_matrix + column * b_column;
  ACC sum = 0;
  for (int k = lane; k < depth; k += BLOCK) {
    ACC left = (ACC)LOAD(A_T, a, k * a_depth) - (ACC)a_zero;
    sum += left * ((ACC)LOAD(B_T, b, k * b_depth) - (ACC)b_zero);
  }
  part[lane] = sum;
  for (int n = BLOCK / 2; n > 0; n /= 2) {
    BARRIER;
    if (lane < n) part[lane] += part[lane + n];
  }
  if (lane == 0) {
    Finish f = FINISH_OF;
#if RESCALE == HYBRID
    f.row_scales += a_at / depth;
#endif
    int to = (batch * rows + row) * columns + column;
    STORE(OUT_T, y, to, EPILOGUE(finish(f, part[0], row, column), to));
  }
}

#endif
