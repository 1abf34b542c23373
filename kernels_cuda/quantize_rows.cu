#include "common.cuh"
// x: T [rows, depth], float or half; centered: short [rows, depth], the values as int8 less their
// zero point; scales: float [rows]. One block a row. core/ops/hybrid.py is the definition.

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
  if (!is_tail) return truncf(exact_add(v, v < 0.0f ? -0.5f : 0.5f));
  float whole = truncf(v);
  return whole + (fabsf(v - whole) >= 0.5f ? copysignf(1.0f, v) : 0.0f);
}

KERNEL quantize_rows(const T* RESTRICT x, short* RESTRICT centered, float* RESTRICT scales,
                     int depth) {
  LOCAL float lows[BLOCK / WARP];
  LOCAL float highs[BLOCK / WARP];
  int row = BLOCK_X, lane = LANE_X;
  x += row * depth;
  centered += row * depth;
  float low = 0.0f, high = 0.0f;
  for (int k = lane; k < depth; k += BLOCK) {
    low = fminf(low, LOAD(T, x, k));
    high = fmaxf(high, LOAD(T, x, k));
  }
  low = warp_min(low);
  high = warp_max(high);
  if (lane % WARP == 0) {
    lows[lane / WARP] = low;
    highs[lane / WARP] = high;
  }
  BARRIER;
  for (int n = 0; n < BLOCK / WARP; n++) {
    low = fminf(low, lows[n]);
    high = fmaxf(high, highs[n]);
  }
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
  float bound = fmaxf(fabsf(low), fabsf(high));
  scale = bound == 0.0f ? 1.0f : quotient(bound, 127.0f);
  inverse = bound != 0.0f ? quotient(127.0f, bound) : 0.0f;
  float bottom = -127.0f;
#endif
  int tail = depth - depth % 8;
  for (int k = lane; k < depth; k += BLOCK) {
    float scaled = exact_multiply(LOAD(T, x, k), inverse);
    float q = round_scaled(scaled, k >= tail) + (float)zero_point;
    centered[k] = (short)((int)fminf(fmaxf(q, bottom), 127.0f) - zero_point);
  }
  if (lane == 0) scales[row] = scale;
}
