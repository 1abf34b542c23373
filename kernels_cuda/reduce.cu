#include "common.cuh"
// x: elements of T, seen as kept and reduced axes; y: one element for each index of the kept axes,
// row-major. geometry: int: sizes and strides of the kept axes, then of the reduced ones.
// reduce: one thread an output. reduce_columns: a column of SLICES threads an output, 32 outputs a
// block. reduce_block: one block of BLOCK threads an output. The order of the sums is always the
// same.

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
#ifndef BLOCK
#define BLOCK 128
#endif
#ifndef SLICES
#define SLICES 8
#endif

#define RUN 64

#if KIND == SUM
#define COMBINE(a, b) ((a) + (b))
#elif KIND == PRODUCT
#define COMBINE(a, b) ((a) * (b))
#elif KIND == MAXIMUM && IS_FLOAT
#define COMBINE(a, b) fmaxf(a, b)
#elif KIND == MAXIMUM
#define COMBINE(a, b) max(a, b)
#elif KIND == MINIMUM && IS_FLOAT
#define COMBINE(a, b) fminf(a, b)
#elif KIND == MINIMUM
#define COMBINE(a, b) min(a, b)
#elif KIND == ANY
#define COMBINE(a, b) ((a) | (b))
#else
#define COMBINE(a, b) ((a) & (b))
#endif

// The offset in x of index i of some axes.
INLINE int seek(const int* sizes, int rank, int i) {
  int offset = 0;
  for (int d = rank - 1; d >= 0; d--) {
    int rest = i / sizes[d];
    offset += (i - rest * sizes[d]) * sizes[rank + d];
    i = rest;
  }
  return offset;
}

// FIXED: multiplier and shift; `offset` is the zero point's part. SCALED: scale and bias.
struct Result {
  int count, multiplier, shift, offset, zero_point, low, high;
  float scale, bias;
};

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
  float real = exact_add(exact_multiply((float)(int)acc, r.scale), r.bias);
  float rounded = truncf(real + copysignf(0.49999997f, real));
  return (int)limit(rounded, (float)(r.low - r.zero_point), (float)(r.high - r.zero_point)) +
         r.zero_point;
#else
  return (VALUE)acc;
#endif
}

KERNEL reduce(const T* RESTRICT x, OUT_T* RESTRICT y, const int* RESTRICT geometry, int kept_rank,
              int reduced_rank, int outer, int inner, int count, RESULT_ARGS EPILOGUE_ARGS) {
  int at = THREAD_X;
  if (at >= outer * inner) return;
  const int* reduced = geometry + 2 * kept_rank;
  const T* from = x + seek(geometry, kept_rank, at);
  int size = reduced[reduced_rank - 1], stride = reduced[2 * reduced_rank - 1];
  ACC total = START;
  for (int i = 0; i < count; i += size) {
    const T* run = from + seek(reduced, reduced_rank, i);
    // Sums of RUN elements are added up, which keeps them precise.
    for (int first = 0; first < size; first += RUN) {
      int last = min(first + RUN, size);
      ACC part = START;
      for (int k = first; k < last; k++) part = COMBINE(part, (ACC)LOAD(T, run, k * stride));
      total = COMBINE(total, part);
    }
  }
  Result r = RESULT_OF(count);
  STORE(OUT_T, y, at, EPILOGUE(finish(total, r), at));
}

KERNEL reduce_columns(const T* RESTRICT x, OUT_T* RESTRICT y, const int* RESTRICT geometry,
                      int kept_rank, int reduced_rank, int outer, int inner, int count,
                      RESULT_ARGS EPILOGUE_ARGS) {
  LOCAL ACC parts[SLICES][32];
  int at = THREAD_X, slice = LANE_Y;
  const int* reduced = geometry + 2 * kept_rank;
  ACC total = START;
  if (at < outer * inner) {
    const T* from = x + seek(geometry, kept_rank, at);
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

// What a thread combines of the `count` elements of a block: of a row 16 bytes at once.
INLINE ACC combine_share(const T* from, const int* reduced, int rank, int count, int lane) {
  const int WIDTH = 16 / sizeof(T);
  bool is_row = rank == 1 && reduced[1] == 1 && (ulong)from % 16 == 0;
  int packed = is_row ? count - count % WIDTH : 0;
  ACC total = START;
  for (int i = lane * WIDTH; i < packed; i += BLOCK * WIDTH) {
    Pack<T, WIDTH> pack = load_pack<WIDTH>(from + i);
    for (int c = 0; c < WIDTH; c++) total = COMBINE(total, (ACC)LOAD(T, pack.v, c));
  }
  for (int i = packed + lane; i < count; i += BLOCK) {
    total = COMBINE(total, (ACC)LOAD(T, from, seek(reduced, rank, i)));
  }
  return total;
}

KERNEL reduce_block(const T* RESTRICT x, OUT_T* RESTRICT y, const int* RESTRICT geometry,
                    int kept_rank, int reduced_rank, int outer, int inner, int count,
                    RESULT_ARGS EPILOGUE_ARGS) {
  LOCAL ACC parts[BLOCK / WARP];
  int at = BLOCK_X, lane = LANE_X;
  const T* from = x + seek(geometry, kept_rank, at);
  ACC total = combine_share(from, geometry + 2 * kept_rank, reduced_rank, count, lane);
  for (int step = WARP / 2; step; step /= 2) {
    total = COMBINE(total, __shfl_xor_sync(ALL_LANES, total, step));
  }
  if (lane % WARP == 0) parts[lane / WARP] = total;
  BARRIER;
  if (lane > 0) return;
  for (int k = 1; k < BLOCK / WARP; k++) total = COMBINE(total, parts[k]);
  Result r = RESULT_OF(count);
  STORE(OUT_T, y, at, EPILOGUE(finish(total, r), at));
}

// Products of stored integers less `zero_in`, rescaled after every factor, in order. One thread an
// output.
KERNEL reduce_product(const T* RESTRICT x, OUT_T* RESTRICT y, const int* RESTRICT geometry,
                      int kept_rank, int reduced_rank, int outer, int inner, int count,
                      int multiplier, int shift, int zero_in, int zero_point, int low,
                      int high EPILOGUE_ARGS) {
  int at = THREAD_X;
  if (at >= outer * inner) return;
  const int* reduced = geometry + 2 * kept_rank;
  const T* from = x + seek(geometry, kept_rank, at);
  int current = (int)LOAD(T, from, 0) - zero_in;
  for (int i = 1; i < count; i++) {
    long factor = (int)LOAD(T, from, seek(reduced, reduced_rank, i)) - zero_in;
    current = (int)rescale_wide(current * factor, multiplier, shift);
  }
  current = (int)rescale_wide(current, multiplier, shift);
  int v = (int)clamp((long)current + zero_point, (long)low, (long)high);
  STORE(OUT_T, y, at, EPILOGUE(v, at));
}
