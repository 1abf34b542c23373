#include "common.cuh"
// x: [batch, height, width, channels]; y: [batch, out_height, out_width, channels]. rows, columns:
// int [3, outputs]: lower and upper neighbour, and the weight of the upper one (float or units of
// 1 / 1024, as the bits of int); nearest: int [outputs]. One thread makes TILE channels of a pixel;
// TILE divides channels.

#define FLOATS 0
#define BYTES 1
#define UNITS 2

#ifndef T
#define T float
#endif
#ifndef KIND
#define KIND FLOATS
#endif
#ifndef ACC
#define ACC int
#endif
#ifndef TILE
#define TILE 1
#endif

#if KIND == UNITS
#define WEIGHT(bits) (bits)
#define WEIGHT_T ACC
#define ONE 1024
#else
#define WEIGHT(bits) as_float(bits)
#define WEIGHT_T float
#define ONE 1.0f
#endif

#if KIND != UNITS
// v * weight * other, rounded after each.
INLINE float weighed(float v, float weight, float other) {
  return exact_multiply(exact_multiply(v, weight), other);
}
#endif

// Four neighbours weighed down, then across; the order of the sums is the reference's.
INLINE REGISTER(T) blend(REGISTER(T) a, REGISTER(T) b, REGISTER(T) c, REGISTER(T) d, WEIGHT_T down,
                         WEIGHT_T across) {
  WEIGHT_T up = ONE - down, before = ONE - across;
#if KIND == FLOATS
  float left = exact_add(exact_multiply(a, up), exact_multiply(c, down));
  float right = exact_add(exact_multiply(b, up), exact_multiply(d, down));
  return exact_add(exact_multiply(left, before), exact_multiply(right, across));
#elif KIND == BYTES
  float sum = exact_add(weighed(a, up, before), weighed(c, down, before));
  sum = exact_add(sum, weighed(b, up, across));
  sum = exact_add(sum, weighed(d, down, across));
  return (REGISTER(T))(sum + 0.5f);
#else
  ACC sum = (a * up + c * down) * before + (b * up + d * down) * across;
  ACC size = ((sum < 0 ? -sum : sum) + (1 << 19)) >> 20;
  return (REGISTER(T))(sum < 0 ? -size : size);
#endif
}

KERNEL resize_bilinear(const T* RESTRICT x, T* RESTRICT y, const int* RESTRICT rows,
                       const int* RESTRICT columns, int pixels, int height, int width, int channels,
                       int out_height, int out_width) {
  int tiles = channels / TILE;
  int pixel = THREAD_X / tiles, channel = THREAD_X % tiles * TILE;
  if (pixel >= pixels) return;
  int row = pixel / out_width, column = pixel % out_width;
  int image = row / out_height * height;
  row %= out_height;
  WEIGHT_T down = WEIGHT(rows[2 * out_height + row]);
  WEIGHT_T across = WEIGHT(columns[2 * out_width + column]);
  const T* upper = x + (image + rows[row]) * width * channels + channel;
  const T* lower = x + (image + rows[out_height + row]) * width * channels + channel;
  int left = columns[column] * channels, right = columns[out_width + column] * channels;
  Pack<T, TILE> a = load_pack<TILE>(upper + left), b = load_pack<TILE>(upper + right);
  Pack<T, TILE> c = load_pack<TILE>(lower + left), d = load_pack<TILE>(lower + right);
  Pack<T, TILE> made;
  for (int k = 0; k < TILE; k++) {
    STORE(T, made.v, k,
          blend(LOAD(T, a.v, k), LOAD(T, b.v, k), LOAD(T, c.v, k), LOAD(T, d.v, k), down, across));
  }
  store_pack(y + pixel * channels + channel, made);
}

KERNEL resize_nearest(const T* RESTRICT x, T* RESTRICT y, const int* RESTRICT rows,
                      const int* RESTRICT columns, int pixels, int height, int width, int channels,
                      int out_height, int out_width) {
  int tiles = channels / TILE;
  int pixel = THREAD_X / tiles, channel = THREAD_X % tiles * TILE;
  if (pixel >= pixels) return;
  int row = pixel / out_width, column = pixel % out_width;
  int from_row = row / out_height * height + rows[row % out_height];
  x += (from_row * width + columns[column]) * channels + channel;
  store_pack(y + pixel * channels + channel, load_pack<TILE>(x));
}
