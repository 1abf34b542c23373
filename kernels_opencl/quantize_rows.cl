#include "common.clh"
#pragma OPENCL FP_CONTRACT OFF
// x: T [rows, depth], float or half; centered: short [rows, depth], the values as int8 less their zero point;
// scales: float [rows]. One block a row. core/ops/hybrid.py is the definition.

#ifndef T
#define T float
#endif
#ifndef BLOCK
#define BLOCK 64
#endif
#ifndef ASYMMETRIC
#define ASYMMETRIC 0
#endif

// Correctly rounded, whatever the device's own division is.
INLINE float quotient(float a, float b) { return (float)((double)a / (double)b); }

// Whole blocks of eight add a half and truncate; the rest rounds half away from zero.
INLINE float round_scaled(float v, bool is_tail) {
  if (!is_tail) return trunc(v + (v < 0.0f ? -0.5f : 0.5f));
  float whole = trunc(v);
  return whole + (fabs(v - whole) >= 0.5f ? copysign(1.0f, v) : 0.0f);
}

KERNEL quantize_rows(GLOBAL const T* RESTRICT x, GLOBAL short* RESTRICT centered,
                     GLOBAL float* RESTRICT scales, int depth) {
  LOCAL float lows[BLOCK];
  LOCAL float highs[BLOCK];
  int row = BLOCK_X, lane = LANE_X;
  x += row * depth;
  centered += row * depth;
  float low = 0.0f, high = 0.0f;
  for (int k = lane; k < depth; k += BLOCK) {
    low = fmin(low, LOAD(T, x, k));
    high = fmax(high, LOAD(T, x, k));
  }
  lows[lane] = low;
  highs[lane] = high;
  for (int n = BLOCK / 2; n > 0; n /= 2) {
    BARRIER;
    if (lane < n) {
      lows[lane] = fmin(lows[lane], lows[lane + n]);
      highs[lane] = fmax(highs[lane], highs[lane + n]);
    }
  }
  BARRIER;
  low = lows[0];
  high = highs[0];
  float scale, inverse;
  int zero_point = 0;
#if ASYMMETRIC
  bool is_empty = low == high;
  double step = is_empty ? 1.0 : (double)(high - low) / 255;
  double from_low = -128 - low / step, from_high = 127 - high / step;
  double low_error = 128 + fabs(low / step), high_error = 127 + fabs(high / step);
  double zero = low_error < high_error ? from_low : from_high;
  if (!is_empty && zero == zero) {
    zero = clamp(zero, -128.0, 127.0);
    zero_point = (int)trunc(zero + copysign(0.5, zero));
  }
  scale = (float)step;
  inverse = scale != 0.0f ? quotient(1.0f, scale) : 0.0f;
  float bottom = -128.0f;
#else
  float bound = fmax(fabs(low), fabs(high));
  scale = bound == 0.0f ? 1.0f : quotient(bound, 127.0f);
  inverse = bound != 0.0f ? quotient(127.0f, bound) : 0.0f;
  float bottom = -127.0f;
#endif
  int tail = depth - depth % 8;
  for (int k = lane; k < depth; k += BLOCK) {
    float q = round_scaled(LOAD(T, x, k) * inverse, k >= tail) + (float)zero_point;
    centered[k] = (short)((int)fmin(fmax(q, bottom), 127.0f) - zero_point);
  }
  if (lane == 0) scales[row] = scale;
}
