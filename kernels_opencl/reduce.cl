#include "common.clh"
#pragma OPENCL FP_CONTRACT OFF
// x: elements of T, seen as kept and reduced axes; y: one element for each index of the kept axes,
// row-major. geometry: int: sizes and strides of the kept axes, then of the reduced ones.
// reduce: one work item makes TILE outputs that are neighbours in x, or one, of ROWS that are
// contiguous. reduce_columns: SLICES work items an output, 32 outputs a block. reduce_block: one
// block an output. The order of the sums is always the same.

#define SUM 0
#define PRODUCT 1
#define MAXIMUM 2
#define MINIMUM 3
#define ANY 4
#define ALL 5

#define PLAIN 0
#define MEAN 1
#define FIXED 2
#define SCALED 3

#ifndef KIND
#define KIND SUM
#endif
#ifndef RESULT
#define RESULT PLAIN
#endif
#ifndef T
#define T float
#endif
#ifndef ACC
#define ACC float
#endif
#ifndef START
#define START 0
#endif
#ifndef IS_FLOAT
#define IS_FLOAT 1
#endif
#ifndef TILE
#define TILE 1
#endif
#ifndef ROWS
#define ROWS 0
#endif
#ifndef BLOCK
#define BLOCK 128
#endif
#ifndef SLICES
#define SLICES 8
#endif

#define LANES 16
#define RUN 64

#if KIND == SUM
#define COMBINE(a, b) ((a) + (b))
#elif KIND == PRODUCT
#define COMBINE(a, b) ((a) * (b))
#elif KIND == MAXIMUM
#define COMBINE(a, b) LARGEST(a, b)
#elif KIND == MINIMUM
#define COMBINE(a, b) LEAST(a, b)
#elif KIND == ANY
#define COMBINE(a, b) ((a) | (b))
#else
#define COMBINE(a, b) ((a) & (b))
#endif

// The offset in x of index i of some axes.
INLINE int seek(GLOBAL const int* sizes, int rank, int i) {
  int offset = 0;
  for (int d = rank - 1; d >= 0; d--) {
    int rest = i / sizes[d];
    offset += (i - rest * sizes[d]) * sizes[rank + d];
    i = rest;
  }
  return offset;
}

// FIXED: multiplier and shift; `offset` is the zero point's part. SCALED: scale and bias.
typedef struct {
  int count, multiplier, shift, offset, zero_point, low, high;
  float scale, bias;
} Result;

#define RESULT_ARGS                                                                     \
  int multiplier, int shift, int offset, int zero_point, int low, int high, float scale, \
      float bias
#define RESULT_OF(count) {count, multiplier, shift, offset, zero_point, low, high, scale, bias}

#if RESULT == FIXED || RESULT == SCALED
#define VALUE int
#elif IS_FLOAT
#define VALUE float
#else
#define VALUE T
#endif

INLINE VALUE finish(ACC acc, Result r) {
#if RESULT == MEAN
  return (VALUE)(acc / r.count);
#elif RESULT == FIXED
  int real = rescale((int)((uint)acc - (uint)r.offset), r.multiplier, r.shift);
  return (int)clamp((long)real + r.zero_point, (long)r.low, (long)r.high);
#elif RESULT == SCALED
  float real = (float)(int)acc * r.scale + r.bias;
  float rounded = trunc(real + copysign(0.49999997f, real));
  return (int)limit(rounded, (float)(r.low - r.zero_point), (float)(r.high - r.zero_point)) +
         r.zero_point;
#else
  return (VALUE)acc;
#endif
}

// Sums of RUN elements are added up, which keeps them precise.
INLINE void combine(GLOBAL const T* x, ACC* total, int size, int stride, int width) {
  for (int first = 0; first < size; first += RUN) {
    int last = min(first + RUN, size);
    ACC part[TILE];
    for (int c = 0; c < width; c++) part[c] = START;
    for (int i = first; i < last; i++) {
      for (int c = 0; c < width; c++) part[c] = COMBINE(part[c], (ACC)LOAD(T, x, i * stride + c));
    }
    for (int c = 0; c < width; c++) total[c] = COMBINE(total[c], part[c]);
  }
}

INLINE ACC combine_row(GLOBAL const T* x, int size) {
  ACC part[LANES];
  for (int c = 0; c < LANES; c++) part[c] = START;
  int whole = size - size % LANES;
  for (int i = 0; i < whole; i += LANES) {
    for (int c = 0; c < LANES; c++) part[c] = COMBINE(part[c], (ACC)LOAD(T, x, i + c));
  }
  for (int c = 0; c < size - whole; c++) part[c] = COMBINE(part[c], (ACC)LOAD(T, x, whole + c));
  for (int n = LANES / 2; n > 0; n /= 2) {
    for (int c = 0; c < n; c++) part[c] = COMBINE(part[c], part[c + n]);
  }
  return part[0];
}

KERNEL reduce(GLOBAL const T* RESTRICT x, GLOBAL OUT_T* RESTRICT y,
              GLOBAL const int* RESTRICT geometry, int kept_rank, int reduced_rank, int outer,
              int inner, int count, RESULT_ARGS EPILOGUE_ARGS) {
  int tiles = (inner + TILE - 1) / TILE;
  int row = THREAD_X / tiles, column = THREAD_X % tiles * TILE;
  if (row >= outer) return;
  int at = row * inner + column;
  GLOBAL const int* reduced = geometry + 2 * kept_rank;
  GLOBAL const T* from = x + seek(geometry, kept_rank, at);
  int size = reduced[reduced_rank - 1], stride = reduced[2 * reduced_rank - 1];
  int width = min(inner - column, TILE);
  ACC total[TILE];
  for (int c = 0; c < TILE; c++) total[c] = START;
  for (int i = 0; i < count; i += size) {
    GLOBAL const T* run = from + seek(reduced, reduced_rank, i);
#if ROWS
    total[0] = COMBINE(total[0], combine_row(run, size));
#else
    if (width == TILE) {
      combine(run, total, size, stride, TILE);
    } else {
      combine(run, total, size, stride, width);
    }
#endif
  }
  Result r = RESULT_OF(count);
  for (int c = 0; c < width; c++)
    STORE(OUT_T, y, at + c, EPILOGUE(finish(total[c], r), at + c));
}

KERNEL reduce_columns(GLOBAL const T* RESTRICT x, GLOBAL OUT_T* RESTRICT y,
                      GLOBAL const int* RESTRICT geometry, int kept_rank, int reduced_rank,
                      int outer, int inner, int count, RESULT_ARGS EPILOGUE_ARGS) {
  LOCAL ACC parts[SLICES][32];
  int at = THREAD_X, slice = LANE_Y;
  GLOBAL const int* reduced = geometry + 2 * kept_rank;
  ACC total = START;
  if (at < outer * inner) {
    GLOBAL const T* from = x + seek(geometry, kept_rank, at);
    for (int i = slice; i < count; i += SLICES) {
      total = COMBINE(total, (ACC)LOAD(T, from, seek(reduced, reduced_rank, i)));
    }
  }
  parts[slice][LANE_X] = total;
  BARRIER;
  if (slice > 0 || at >= outer * inner) return;
  for (int k = 1; k < SLICES; k++) total = COMBINE(total, parts[k][LANE_X]);
  Result r = RESULT_OF(count);
  STORE(OUT_T, y, at, EPILOGUE(finish(total, r), at));
}

KERNEL reduce_block(GLOBAL const T* RESTRICT x, GLOBAL OUT_T* RESTRICT y,
                    GLOBAL const int* RESTRICT geometry, int kept_rank, int reduced_rank, int outer,
                    int inner, int count, RESULT_ARGS EPILOGUE_ARGS) {
  LOCAL ACC part[BLOCK];
  int at = BLOCK_X, lane = LANE_X;
  GLOBAL const int* reduced = geometry + 2 * kept_rank;
  GLOBAL const T* from = x + seek(geometry, kept_rank, at);
  ACC total = START;
  for (int i = lane; i < count; i += BLOCK) {
    total = COMBINE(total, (ACC)LOAD(T, from, seek(reduced, reduced_rank, i)));
  }
  part[lane] = total;
  for (int n = BLOCK / 2; n > 0; n /= 2) {
    BARRIER;
    if (lane < n) part[lane] = COMBINE(part[lane], part[lane + n]);
  }
  if (lane == 0) {
    Result r = RESULT_OF(count);
    STORE(OUT_T, y, at, EPILOGUE(finish(part[0], r), at));
  }
}

// Products of stored integers less `zero_in`, rescaled after every factor, in order. One work item
// an output.
KERNEL reduce_product(GLOBAL const T* RESTRICT x, GLOBAL OUT_T* RESTRICT y,
                      GLOBAL const int* RESTRICT geometry, int kept_rank, int reduced_rank,
                      int outer, int inner, int count, int multiplier, int shift, int zero_in,
                      int zero_point, int low, int high EPILOGUE_ARGS) {
  int at = THREAD_X;
  if (at >= outer * inner) return;
  GLOBAL const int* reduced = geometry + 2 * kept_rank;
  GLOBAL const T* from = x + seek(geometry, kept_rank, at);
  int current = (int)LOAD(T, from, 0) - zero_in;
  for (int i = 1; i < count; i++) {
    long factor = (int)LOAD(T, from, seek(reduced, reduced_rank, i)) - zero_in;
    current = (int)rescale_wide(current * factor, multiplier, shift);
  }
  current = (int)rescale_wide(current, multiplier, shift);
  int v = (int)clamp((long)current + zero_point, (long)low, (long)high);
  STORE(OUT_T, y, at, EPILOGUE(v, at));
}
