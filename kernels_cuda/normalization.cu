#include "common.cuh"
// x, y: [rows, cols] of T, row-major. One warp a row; local_response_normalization: one thread an
// element.

#ifndef T
#define T char
#endif

KERNEL l2_normalization(const T* RESTRICT x, T* RESTRICT y, int rows, int cols) {
  int row = THREAD_X / WARP, lane = THREAD_X % WARP;
  if (row >= rows) return;
  x += row * cols;
  y += row * cols;
  float sum = 0.0f;
  for (int i = lane; i < cols; i += WARP) sum += square(LOAD(T, x, i));
  float norm = larger(sqrtf(warp_sum(sum)), 1e-6f);
  for (int i = lane; i < cols; i += WARP) STORE(T, y, i, LOAD(T, x, i) / norm);
}

INLINE int fixed_left(int x, int exponent) {
  return (int)clamp((long)x << exponent, (long)INT_MIN, (long)INT_MAX);
}

// 1 / sqrt(x) = *multiplier * 2^(-31 - *right): five Newton steps
// (core/ops/fixed_point.py, inverse_square_root).
INLINE void inverse_square_root(int x, int* multiplier, int* right) {
  *multiplier = INT_MAX;
  *right = 0;
  if (x <= 1) return;
  int shift = 11;
  while (x >= 1 << 29) {
    x >>= 2;
    shift++;
  }
  int pairs = (clz((uint)x) - 1) / 2 - 1;
  shift -= pairs;
  x = (int)((uint)x << 2 * pairs) >> 1;
  int halved = rounding_right_shift(x, 1), y = 1 << 28;
  for (int k = 0; k < 5; k++) {
    int cube = fixed_left(doubling_high_multiply(doubling_high_multiply(y, y), y), 6);
    int step = doubling_high_multiply(y, (1 << 28) + (1 << 27)) -
               doubling_high_multiply(halved, cube);
    y = fixed_left(step, 3);
  }
  y = doubling_high_multiply(y, 1518500250);
  *multiplier = shift < 0 ? (int)((uint)y << -shift) : y;
  *right = max(shift, 0);
}

// left: the bits by which values are scaled up before; else the multiplier is.
KERNEL l2_normalization_bytes(const T* RESTRICT x, T* RESTRICT y, int rows, int cols,
                              int zero_in, int zero_out, int left, int low, int high) {
  int row = THREAD_X / WARP, lane = THREAD_X % WARP;
  if (row >= rows) return;
  x += row * cols;
  y += row * cols;
  uint sum = 0;
  for (int i = lane; i < cols; i += WARP) {
    int v = (int)LOAD(T, x, i) - zero_in;
    sum += (uint)(v * v);
  }
  int multiplier, right;
  inverse_square_root((int)warp_sum(sum), &multiplier, &right);
  for (int i = lane; i < cols; i += WARP) {
    int v = ((int)LOAD(T, x, i) - zero_in) * (1 << left);
    int scaled = rescale(v, multiplier, 7 - left - right);
    STORE(T, y, i, clamp((long)scaled + zero_out, (long)low, (long)high));
  }
}

// x * (bias + alpha * sum of the squares of the nearest channels)^-beta
KERNEL local_response_normalization(const T* RESTRICT x, T* RESTRICT y,
                                    int count, int channels, int radius, float bias, float alpha,
                                    float beta) {
  int i = THREAD_X;
  if (i >= count) return;
  int channel = i % channels;
  int first = max(channel - radius, 0), last = min(channel + radius, channels - 1);
  float sum = 0.0f;
  for (int c = first; c <= last; c++) sum += square(LOAD(T, x, i - channel + c));
  STORE(T, y, i, LOAD(T, x, i) * powf(sum * alpha + bias, -beta));
}
