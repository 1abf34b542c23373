#include "common.clh"
#pragma OPENCL FP_CONTRACT OFF
// x: [batch, height, width, channels]; y: [batch, out_height, out_width, channels]. rows, columns:
// int [3, outputs]: lower and upper neighbour, and the weight of the upper one (float or units of
// 1 / 1024, as the bits of int); nearest: int [outputs]. One work item makes TILE channels of a pixel.

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

// Four neighbours weighed down, then across; the order of the sums is the reference's.
INLINE REGISTER(T) blend(REGISTER(T) a, REGISTER(T) b, REGISTER(T) c, REGISTER(T) d,
                         WEIGHT_T down, WEIGHT_T across) {
  WEIGHT_T up = ONE - down, before = ONE - across;
#if KIND == FLOATS
  return (a * up + c * down) * before + (b * up + d * down) * across;
#elif KIND == BYTES
  float sum = a * up * before + c * down * before + b * up * across + d * down * across;
  return (REGISTER(T))(sum + 0.5f);
#else
  ACC sum = (a * up + c * down) * before + (b * up + d * down) * across;
  ACC size = ((sum < 0 ? -sum : sum) + (1 << 19)) >> 20;
  return (REGISTER(T))(sum < 0 ? -size : size);
#endif
}

KERNEL resize_bilinear(GLOBAL const T* RESTRICT x, GLOBAL T* RESTRICT y,
                       GLOBAL const int* RESTRICT rows, GLOBAL const int* RESTRICT columns,
                       int pixels, int height, int width, int channels, int out_height,
                       int out_width) {
  int tiles = (channels + TILE - 1) / TILE;
  int pixel = THREAD_X / tiles, channel = THREAD_X % tiles * TILE;
  if (pixel >= pixels) return;
  int row = pixel / out_width, column = pixel % out_width;
  int image = row / out_height * height;
  row %= out_height;
  WEIGHT_T down = WEIGHT(rows[2 * out_height + row]);
  WEIGHT_T across = WEIGHT(columns[2 * out_width + column]);
  GLOBAL const T* upper = x + (image + rows[row]) * width * channels + channel;
  GLOBAL const T* lower = x + (image + rows[out_height + row]) * width * channels + channel;
  int left = columns[column] * channels, right = columns[out_width + column] * channels;
  y += pixel * channels + channel;
  int count = min(channels - channel, TILE);
  for (int c = 0; c < count; c++) {
    REGISTER(T) v = blend(LOAD(T, upper, left + c), LOAD(T, upper, right + c),
                          LOAD(T, lower, left + c), LOAD(T, lower, right + c), down, across);
    STORE(T, y, c, v);
  }
}

KERNEL resize_nearest(GLOBAL const T* RESTRICT x, GLOBAL T* RESTRICT y,
                      GLOBAL const int* RESTRICT rows, GLOBAL const int* RESTRICT columns,
                      int pixels, int height, int width, int channels, int out_height,
                      int out_width) {
  int tiles = (channels + TILE - 1) / TILE;
  int pixel = THREAD_X / tiles, channel = THREAD_X % tiles * TILE;
  if (pixel >= pixels) return;
  int row = pixel / out_width, column = pixel % out_width;
  int from_row = row / out_height * height + rows[row % out_height];
  x += (from_row * width + columns[column]) * channels + channel;
  y += pixel * channels + channel;
  int count = min(channels - channel, TILE);
  for (int c = 0; c < count; c++) STORE(T, y, c, LOAD(T, x, c));
}
