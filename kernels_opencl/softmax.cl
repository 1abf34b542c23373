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
// A vector at a time; what the last one lacks is a value that changes nothing.
INLINE float8 load_part(GLOBAL const T* x, int left) {
  if (left >= 8) return LOAD_VECTOR(T, float, 8, x, 0);
  float part[8];
  for (int k = 0; k < 8; k++) part[k] = k < left ? LOAD(T, x, k) : -INFINITY;
  return vload8(0, part);
}

KERNEL softmax_rows(GLOBAL const T* RESTRICT x, GLOBAL T* RESTRICT y, int rows, int cols,
                    float beta) {
  int row = THREAD_X;
  if (row >= rows) return;
  x += row * cols;
  y += row * cols;
  float8 wide = (float8)(-INFINITY);
  for (int i = 0; i < cols; i += 8) wide = fmax(wide, load_part(x + i, cols - i));
  float4 four = fmax(wide.lo, wide.hi);
  float2 two = fmax(four.lo, four.hi);
  float top = fmax(two.x, two.y);
  float8 sums = (float8)(0.0f);
  for (int i = 0; i < cols; i += 8) {
    float8 part = exp((load_part(x + i, cols - i) - top) * beta);
    int left = cols - i;
    sums += left >= 8 ? part : select(part, (float8)(0.0f), (int8)(0, 1, 2, 3, 4, 5, 6, 7) >= left);
  }
  four = sums.lo + sums.hi;
  two = four.lo + four.hi;
  float sum = two.x + two.y, offset = log(sum);
  for (int i = 0; i < cols; i += 8) {
    float part[8];
    float8 power = (load_part(x + i, cols - i) - top) * beta;
    vstore8(LOG ? power - offset : exp(power) / sum, 0, part);
    if (cols - i >= 8) {
      for (int k = 0; k < 8; k++) STORE(T, y, i + k, part[k]);
    } else {
      for (int k = 0; k < cols - i; k++) STORE(T, y, i + k, part[k]);
    }
  }
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
