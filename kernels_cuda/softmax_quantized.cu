#include "common.cuh"
// x: [rows, cols] of T; y: [rows, cols] of Y. One warp a row. Integer for integer what
// core/ops/softmax_quantized.py computes, which also fills the tables.

#ifndef T
#define T char
#endif
#ifndef Y
#define Y char
#endif

INLINE long shift_rounding(long x, int exponent) {
  long mask = (1LL << exponent) - 1;
  return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0));
}

INLINE int bit_length(ulong x) { return 64 - (int)clz(x); }

// x * 2^exponent, saturated.
INLINE int shift_left(int x, int exponent) {
  long wide = (long)x << exponent;
  return (int)clamp(wide, (long)INT_MIN, (long)INT_MAX);
}

// 1 / (1 + a) for 0 <= a <= 1: three Newton steps (gemmlowp).
INLINE int one_over_one_plus(int a) {
  long sum = (long)a + INT_MAX;
  int half_sum = (int)((sum >= 0 ? sum + 1 : sum) >> 1);
  int x = 1515870810 + doubling_high_multiply(half_sum, -1010580540);
  for (int k = 0; k < 3; k++) {
    int error = (1 << 29) - doubling_high_multiply(half_sum, x);
    x += shift_left(doubling_high_multiply(x, error), 2);
  }
  return shift_left(x, 1);
}

// Of a row, by all threads of its warp.
INLINE int largest(const T* x, int cols, int lane) {
  int top = INT_MIN;
  for (int i = lane; i < cols; i += WARP) top = max(top, (int)x[i]);
  return warp_max(top);
}

INLINE long sum_of(const T* x, int cols, int lane, int top, const int* table) {
  long total = 0;
  for (int i = lane; i < cols; i += WARP) total += table[top - x[i]];
  return warp_sum(total);
}

// powers, addends: [256], by the difference to the row's largest.
KERNEL softmax_bytes(const T* RESTRICT x, Y* RESTRICT y,
                     const int* RESTRICT powers, const int* RESTRICT addends,
                     int rows, int cols, int result_bits, int low, int high) {
  int row = THREAD_X / WARP, lane = THREAD_X % WARP;
  if (row >= rows) return;
  x += row * cols;
  y += row * cols;
  int top = largest(x, cols, lane);
  ulong total = (ulong)sum_of(x, cols, lane, top, addends);
  int headroom = 32 - bit_length(total);
  long shifted = headroom >= 0 ? (long)(total << headroom) : (long)(total >> -headroom);
  int inverse = one_over_one_plus((int)(shifted - (1LL << 31)));
  int exponent = 12 - headroom + 31 - result_bits;
  for (int i = lane; i < cols; i += WARP) {
    int product = doubling_high_multiply(powers[top - x[i]], inverse);
    y[i] = (Y)clamp(shift_rounding(product, exponent) + low, (long)low, (long)high);
  }
}

// log(x) with 5 integer bits, for x >= 1 of 32 bits with 12 (TFLite's internal/common.h).
INLINE int log_of_at_least_one(int x) {
  const int root = 1518500250, center = 1805811301, quarter = 1 << 23;
  int headroom = 31 - bit_length((ulong)x);
  int r_a = shift_left(doubling_high_multiply(shift_left(x, headroom), root), 1);
  int k_a = shift_left(11 - headroom, 25) + quarter;
  int other = doubling_high_multiply(x, root);
  headroom = 31 - bit_length((ulong)other);
  int r_b = shift_left(x, headroom);
  int k_b = shift_left(12 - headroom, 25) - quarter;
  int r = min(r_a, r_b), k = max(k_a, k_b);
  int p = (int)(((long)r + center + 1) >> 1);
  int q = 2 * (r - center);
  int squared = doubling_high_multiply(q, q);
  int above = doubling_high_multiply(q, r) +
              doubling_high_multiply(doubling_high_multiply(q, squared), 117049297);
  int inner = 1057819769 + q + doubling_high_multiply(squared, 127690142);
  int below = doubling_high_multiply(p, inner) + doubling_high_multiply(q, 638450708);
  int rational = doubling_high_multiply(rounding_right_shift(above, 6), one_over_one_plus(below));
  return shift_left(doubling_high_multiply(k, 1488522236) + rational, 1);
}

// scaled, addends: [256]; multiplier and shift give the least difference that is kept, which is at
// least `least`.
KERNEL log_softmax_bytes(const T* RESTRICT x, Y* RESTRICT y,
                         const int* RESTRICT scaled, const int* RESTRICT addends,
                         int rows, int cols, int multiplier, int shift, int least, int low,
                         int high) {
  int row = THREAD_X / WARP, lane = THREAD_X % WARP;
  if (row >= rows) return;
  x += row * cols;
  y += row * cols;
  int top = largest(x, cols, lane);
  int log_sum = log_of_at_least_one((int)sum_of(x, cols, lane, top, addends));
  int kept = max(rescale((int)((long)log_sum - (1LL << 31)), multiplier, shift), least);
  for (int i = lane; i < cols; i += WARP) {
    int difference = x[i] - top;
    long result = shift_rounding((long)scaled[-difference] - log_sum, 22) + high;
    y[i] = (Y)(difference > kept ? clamp(result, (long)low, (long)high) : low);
  }
}

// A function of int16 by 513 samples, between which it runs straight.
INLINE int interpolated(int x, const int* table) {
  int index = 256 + (x >> 7), base = table[index];
  int slope = (short)(table[index + 1] - base);
  return (short)(base + ((slope * (x & 0x7F) + 64) >> 7));
}

INLINE int power_of(int difference, int multiplier, int shift, const int* powers) {
  int scaled = rescale(difference, multiplier, shift);
  long centered = clamp((long)scaled + 32767, (long)-32768, (long)32767);
  return interpolated((int)centered, powers);
}

// powers: exp over [-10, 0]; inverses: 1 / (1 + x) over [0, 1]; 513 samples each.
KERNEL softmax_shorts(const T* RESTRICT x, Y* RESTRICT y,
                      const int* RESTRICT powers, const int* RESTRICT inverses,
                      int rows, int cols, int multiplier, int shift) {
  int row = THREAD_X / WARP, lane = THREAD_X % WARP;
  if (row >= rows) return;
  x += row * cols;
  y += row * cols;
  int top = largest(x, cols, lane);
  long total = 0;
  for (int i = lane; i < cols; i += WARP) total += power_of(x[i] - top, multiplier, shift, powers);
  total = warp_sum(total);
  int length = bit_length((ulong)total);
  long mantissa = ((total << max(31 - length, 0)) >> max(length - 31, 0)) + (1 << 13);
  long centered = clamp((mantissa >> 14) - (1 << 15) - (1 << 16), (long)-32768, (long)32767);
  long inverse = interpolated((int)centered, inverses);
  int right = length - 1;
  long half_unit = (1LL << right) >> 1;
  for (int i = lane; i < cols; i += WARP) {
    long power = power_of(x[i] - top, multiplier, shift, powers);
    y[i] = (Y)clamp((power * inverse + half_unit) >> right, (long)0, (long)32767);
  }
}
