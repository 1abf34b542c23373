#include "common.clh"
// x, y: [rows, cols] of T, row-major. CPU: one work item a row. GPU: one block a row, which may be longer
// than the block. LOG: x - max - log(sum) in place of the quotient.

#ifndef T
#define T float
#endif
#ifndef CPU_DEVICE
#define CPU_DEVICE 0
#endif
#ifndef BLOCK
#define BLOCK 128
#endif
#ifndef LOG
#define LOG 0
#endif

#if CPU_DEVICE
// A vector at a time; the last one is padded with what changes nothing.
INLINE float8 load_part(GLOBAL const T* x, int left, float filler) {
  float part[8];
  for (int k = 0; k < 8; k++) part[k] = k < left ? LOAD(T, x, k) : filler;
  return vload8(0, part);
}

INLINE void store_part(float8 v, GLOBAL T* y, int left) {
  float part[8];
  vstore8(v, 0, part);
  for (int k = 0; k < left; k++) STORE(T, y, k, part[k]);
}

KERNEL softmax_rows(GLOBAL const T* RESTRICT x, GLOBAL T* RESTRICT y, int rows, int cols,
                    float beta) {
  int row = THREAD_X;
  if (row >= rows) return;
  x += row * cols;
  y += row * cols;
  int whole = cols & ~7, left = cols - whole;
  float8 wide = (float8)(-INFINITY);
  for (int i = 0; i < whole; i += 8) wide = fmax(wide, LOAD_VECTOR(T, float, 8, x + i, 0));
  if (left) wide = fmax(wide, load_part(x + whole, left, -INFINITY));
  float4 four = fmax(wide.lo, wide.hi);
  float2 two = fmax(four.lo, four.hi);
  float top = fmax(two.x, two.y);
  float8 sums = (float8)(0.0f);
  for (int i = 0; i < whole; i += 8) {
    float8 power = (LOAD_VECTOR(T, float, 8, x + i, 0) - top) * beta;
    float8 part = exp(power);
    sums += part;
    store_part(LOG ? power : part, y + i, 8);
  }
  if (left) {
    float8 power = (load_part(x + whole, left, -INFINITY) - top) * beta;
    float8 part = exp(power);
    for (int k = 0; k < left; k++) sums.s0 += ((float*)&part)[k];
    store_part(LOG ? power : part, y + whole, left);
  }
  four = sums.lo + sums.hi;
  two = four.lo + four.hi;
  float sum = two.x + two.y;
#if LOG
  float offset = log(sum);
  for (int i = 0; i < cols; i++) STORE(T, y, i, LOAD(T, y, i) - offset);
#else
  for (int i = 0; i < cols; i++) STORE(T, y, i, LOAD(T, y, i) / sum);
#endif
}
#else
INLINE float largest_of_block(LOCAL float* part, int lane) {
  for (int step = BLOCK / 2; step > 0; step /= 2) {
    BARRIER;
    if (lane < step) part[lane] = fmax(part[lane], part[lane + step]);
  }
  BARRIER;
  return part[0];
}

INLINE float sum_of_block(LOCAL float* part, int lane) {
  for (int step = BLOCK / 2; step > 0; step /= 2) {
    BARRIER;
    if (lane < step) part[lane] += part[lane + step];
  }
  BARRIER;
  return part[0];
}

KERNEL softmax_rows(GLOBAL const T* RESTRICT x, GLOBAL T* RESTRICT y, int rows, int cols,
                    float beta) {
  LOCAL float tops[BLOCK];
  LOCAL float sums[BLOCK];
  int row = BLOCK_X, lane = LANE_X;
  x += row * cols;
  y += row * cols;
  float top = -INFINITY;
  for (int i = lane; i < cols; i += BLOCK) top = fmax(top, LOAD(T, x, i));
  tops[lane] = top;
  top = largest_of_block(tops, lane);
  float sum = 0.0f;
  for (int i = lane; i < cols; i += BLOCK) sum += exp((LOAD(T, x, i) - top) * beta);
  sums[lane] = sum;
  sum = sum_of_block(sums, lane);
  float offset = log(sum);
  for (int i = lane; i < cols; i += BLOCK) {
    float power = (LOAD(T, x, i) - top) * beta;
    STORE(T, y, i, LOG ? power - offset : exp(power) / sum);
  }
}
#endif
