// y: [batches, rows, columns] = a [rows, depth] times b [depth, columns], rescaled. a and b lie at
// any strides; batches: int [batches, 2]: offset of the batch in a, number of its matrix in b.
// PACKED: b as words [matrices, steps, columns in whole tiles, TILE_WORDS].
// A block makes a tile, or a warp ROWS elements of a column.

#define PLAIN 0
#define HYBRID 1
#define REAL 2
#define FIXED 3
#define FIXED_WIDE 4
#define STORED 5

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
// Tiles: how many words of a (b) are copied at a time, 0 where its elements are gathered; whether
// its rows (columns) are neighbours in memory.
#ifndef PACKED
#define PACKED 0
#endif
#ifndef A_UNIT
#define A_UNIT 1
#endif
#ifndef B_UNIT
#define B_UNIT 1
#endif
#ifndef A_ALONG_ROWS
#define A_ALONG_ROWS 0
#endif
#ifndef B_ALONG_COLUMNS
#define B_ALONG_COLUMNS 0
#endif
// Whether sums are made in parts, by several blocks each.
#ifndef SPLIT
#define SPLIT 0
#endif
// One element at a time: threads of a block, rows of a warp, elements of a load; A_VECTORS: whether
// those of a are neighbours.
#ifndef BLOCK
#define BLOCK 128
#endif
#ifndef ROWS
#define ROWS 1
#endif
#ifndef VECTOR
#define VECTOR 1
#endif
#ifndef A_VECTORS
#define A_VECTORS 0
#endif

#define ACC_T ACC
#define RIGHT_ROUNDED PACKED
#include "tiles.cuh"

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
struct Finish {
  const BIAS_T* bias;
  const SCALE_T* scales;
  const int* shifts;
  const float* row_scales;
  int zero_point;
  BOUND low, high;
};

#define FINISH_ARGS                                                                        \
  const BIAS_T *RESTRICT bias, const SCALE_T *RESTRICT scales, const int *RESTRICT shifts, \
      const float *RESTRICT row_scales, int zero_point, BOUND low, BOUND high
#define FINISH_OF {bias, scales, shifts, row_scales, zero_point, low, high}

INLINE BOUND finish(const Finish& f, ACC acc, int row, int column) {
#if RESCALE == PLAIN
  return limit(exact_add((float)acc, f.bias[column]), f.low, f.high);
#elif RESCALE == HYBRID
  float scale = exact_multiply(f.row_scales[row], f.scales[column]);
  return limit(exact_add(exact_multiply((float)acc, scale), f.bias[column]), f.low, f.high);
#elif RESCALE == STORED
  return (int)acc;
#else
  ACC total = acc + (ACC)f.bias[column];
#if RESCALE == REAL
  double real = exact_multiply((double)total, f.scales[column]);
  double rounded = trunc(exact_add(real, copysign(0.49999999999999994, real)));
  int stored = fabs(rounded) < 2147483648.0 ? (int)rounded : INT_MIN;
#elif RESCALE == FIXED
  int stored = rescale((int)total, f.scales[column], f.shifts[column]);
#else
  int stored = (int)rescale_wide(total, f.scales[column], f.shifts[column]);
#endif
  return (int)clamp((long)stored + f.zero_point, (long)f.low, (long)f.high);
#endif
}

INLINE float centered(float v, int zero) { return v; }
INLINE int centered(int v, int zero) { return v - zero; }

// An operand at strides: rows from number `first` of `rows`, COPIED words at a time, or gathered.
template <class Type, int TILE_ROWS, int COPIED, bool ALONG_ROWS, bool IS_RIGHT> struct Strided {
  typedef Pieces<TILE_ROWS, COPIED ? COPIED : 1, ALONG_ROWS> Mine;
  const Type* from;
  int at[Mine::COUNT];
  int depth, step, zero, k;
  uint held[Mine::COUNT];

  METHOD Strided(const Type* operand, int first, int rows, int row_step, int depth_step, int depth,
                 int zero, int first_step)
      : from(operand), depth(depth), step(depth_step), zero(zero), k(first_step * STEP) {
#pragma unroll
    for (int p = 0; p < Mine::COUNT; p++) at[p] = min(first + Mine::row(p), rows - 1) * row_step;
  }
  METHOD uint* place(Row* to, int p) const {
    int row = Mine::row(p);
    return to[IS_RIGHT ? row_of_column(row) : row].words + Mine::word(p);
  }
  METHOD uint gathered(int p, int first) const {
    uint word = 0;
#pragma unroll
    for (int e = 0; e < PACK; e++) {
      if (first + e >= depth) break;
      const Type* element = from + at[p] + (first + e) * step;
#if PACK == 1
      word = word_of(centered((Element)loaded(*element), zero));
#else
      word |= bits_of(*element) << (32 / PACK * e);
#endif
    }
    return word;
  }
  METHOD void fetch(Row* to) {
#pragma unroll
    for (int p = 0; p < Mine::COUNT; p++) {
      if (!Mine::has(p)) continue;
      int first = k + Mine::word(p) * PACK;
      if (COPIED) {
        bool live = first < depth;
        const Type* source = from + at[p] + (live ? first * step : 0);
        copy_async<COPIED ? COPIED : 1>(place(to, p), source, live);
      } else {
        held[p] = gathered(p, first);
      }
    }
    k += STEP;
  }
  METHOD void keep(Row* to) {
#pragma unroll
    for (int p = 0; p < Mine::COUNT; p++)
      if (!COPIED && Mine::has(p)) *place(to, p) = held[p];
  }
};

// The sums of this block over `steps` tiles from number `first_step`.
INLINE void sum_operands(ACC (&sums)[HELD][RUN], Row (*tiles)[TILE_M + TILE_N],
                         const A_T* RESTRICT a, const B_T* RESTRICT b, int first_step, int steps,
                         int rows, int columns, int depth, int a_row, int a_depth, int a_zero,
                         int b_depth, int b_column, int b_zero) {
  Strided<A_T, TILE_M, A_UNIT, A_ALONG_ROWS, false> left(a, BLOCK_X * TILE_M, rows, a_row, a_depth,
                                                         depth, a_zero, first_step);
#if PACKED
  int wide = (columns + TILE_N - 1) / TILE_N * TILE_N;
  Packed right(b, wide, BLOCK_Y * TILE_N, first_step);
#else
  Strided<B_T, TILE_N, B_UNIT, B_ALONG_COLUMNS, true> right(
      b, BLOCK_Y * TILE_N, columns, b_column, b_depth, depth, b_zero, first_step);
#endif
  sum_products(sums, left, right, steps, tiles);
}

#define OPERANDS                                                                               \
  int rows, int columns, int depth, int a_row, int a_depth, int a_zero, int b_matrix, int b_depth, \
      int b_column, int b_zero

#if !SPLIT

KERNEL BOUNDS matmul_tiles(const A_T* RESTRICT a, const B_T* RESTRICT b, OUT_T* RESTRICT y,
                    const int* RESTRICT batches, OPERANDS, FINISH_ARGS EPILOGUE_ARGS) {
  LOCAL Row tiles[STAGES][TILE_M + TILE_N];
  int batch = BLOCK_Z, a_at = batches[2 * batch], steps = (depth + STEP - 1) / STEP;
  b += batches[2 * batch + 1] * (long)b_matrix;
  ACC sums[HELD][RUN];
  sum_operands(sums, tiles, a + a_at, b, 0, steps, rows, columns, depth, a_row, a_depth, a_zero,
               b_depth, b_column, b_zero);
  Finish f = FINISH_OF;
#if RESCALE == HYBRID
  f.row_scales += a_at / depth;
#endif
  int column = BLOCK_Y * TILE_N + SUM_COLUMN, live = min(RUN, columns - column);
  if (live <= 0) return;
#pragma unroll
  for (int i = 0; i < HELD; i++) {
    int row = BLOCK_X * TILE_M + SUM_ROW(i);
    if (row >= rows) return;
    int first = (batch * rows + row) * columns + column;
    BOUND results[RUN];
#pragma unroll
    for (int j = 0; j < RUN; j++)
      if (j < live) results[j] = finish(f, sums[i][j], row, column + j);
    store_run(y, first, live, results, [&](BOUND v, auto at) { return (OUT_T)(EPILOGUE(v, at)); });
  }
}

#else

// One of `splits` parts of the sums: BLOCK_Z is batch * splits + part.
// partial: [splits, batches, rows, columns].
KERNEL BOUNDS matmul_part(const A_T* RESTRICT a, const B_T* RESTRICT b, ACC* RESTRICT partial,
                   const int* RESTRICT batches, int splits, int count, OPERANDS) {
  LOCAL Row tiles[STAGES][TILE_M + TILE_N];
  int batch = BLOCK_Z / splits, part = BLOCK_Z % splits, all_steps = (depth + STEP - 1) / STEP;
  int first_step = (int)((long)all_steps * part / splits);
  int steps = (int)((long)all_steps * (part + 1) / splits) - first_step;
  a += batches[2 * batch];
  b += batches[2 * batch + 1] * (long)b_matrix;
  ACC sums[HELD][RUN];
  sum_operands(sums, tiles, a, b, first_step, steps, rows, columns, depth, a_row, a_depth, a_zero,
               b_depth, b_column, b_zero);
  int column = BLOCK_Y * TILE_N + SUM_COLUMN, live = min(RUN, columns - column);
  if (live <= 0) return;
#pragma unroll
  for (int i = 0; i < HELD; i++) {
    int row = BLOCK_X * TILE_M + SUM_ROW(i);
    if (row >= rows) return;
    int first = ((part * count + batch) * rows + row) * columns + column;
    store_run(partial, first, live, sums[i], [](ACC sum, int) { return sum; });
  }
}

// Adds the parts in their order. One thread a result of `count` batches.
KERNEL matmul_whole(const ACC* RESTRICT partial, OUT_T* RESTRICT y, const int* RESTRICT batches,
                    int splits, int count, int rows, int columns, int depth,
                    FINISH_ARGS EPILOGUE_ARGS) {
  int to = THREAD_X, all = count * rows * columns;
  if (to >= all) return;
  ACC sum = 0;
  for (int s = 0; s < splits; s++) sum += partial[s * all + to];
  Finish f = FINISH_OF;
#if RESCALE == HYBRID
  f.row_scales += batches[2 * (to / (rows * columns))] / depth;
#endif
  STORE(OUT_T, y, to, EPILOGUE(finish(f, sum, to / columns % rows, to % columns), to));
}

#endif

// For few rows and b contiguous along its depth: a warp makes ROWS elements of a column.
KERNEL matmul_dot(const A_T* RESTRICT a, const B_T* RESTRICT b, OUT_T* RESTRICT y,
                  const int* RESTRICT batches, OPERANDS, FINISH_ARGS EPILOGUE_ARGS) {
  int column = BLOCK_X * (BLOCK / WARP) + WARP_X, first = BLOCK_Y * ROWS, batch = BLOCK_Z;
  if (column >= columns || first >= rows) return;
  int a_at = batches[2 * batch];
  a += a_at;
  b += batches[2 * batch + 1] * (long)b_matrix + column * b_column;
  ACC sums[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; r++) sums[r] = 0;
#pragma unroll 2
  for (int k = LANE * VECTOR; k < depth; k += WARP * VECTOR) {
    auto right = load_pack<VECTOR>(b + k);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      const A_T* row = a + min(first + r, rows - 1) * a_row + k * a_depth;
#if A_VECTORS
      auto left = load_pack<VECTOR>(row);
#else
      Pack<A_T, VECTOR> left;
#pragma unroll
      for (int e = 0; e < VECTOR; e++) left.v[e] = row[e * a_depth];
#endif
#pragma unroll
      for (int e = 0; e < VECTOR; e++) {
        Element v = centered((Element)loaded(left.v[e]), a_zero);
        sums[r] += (ACC)v * centered((Element)loaded(right.v[e]), b_zero);
      }
    }
  }
  Finish f = FINISH_OF;
#if RESCALE == HYBRID
  f.row_scales += a_at / depth;
#endif
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    ACC sum = warp_sum(sums[r]);
    if (LANE == r && first + r < rows) {
      int to = (batch * rows + first + r) * columns + column;
      STORE(OUT_T, y, to, EPILOGUE(finish(f, sum, first + r, column), to));
    }
  }
}
