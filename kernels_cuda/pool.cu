#include "common.cuh"
// x: [batch, height, width, channels]; y: [batch, out_height, out_width, channels]; elements of
// type T. One thread makes TILE neighbouring channels of one output pixel; TILE divides channels.

#define MAX_POOL 0
#define AVERAGE_POOL 1
#define L2_POOL 2

#ifndef KIND
#define KIND MAX_POOL
#endif
#ifndef T
#define T float
#endif
#ifndef ACC
#define ACC float
#endif
#ifndef IS_FLOAT
#define IS_FLOAT 1
#endif
#ifndef TILE
#define TILE 1
#endif
#ifndef START
#define START 0
#endif

#if KIND == AVERAGE_POOL
#define COMBINE(a, b) ((a) + (b))
#elif KIND == L2_POOL
#define COMBINE(a, b) ((a) + (b) * (b))
#elif IS_FLOAT
#define COMBINE(a, b) fmaxf(a, b)
#else
#define COMBINE(a, b) max(a, b)
#endif

INLINE ACC finish(ACC acc, int count) {
#if KIND == MAX_POOL
  return acc;
#elif KIND == L2_POOL
  return sqrtf(acc / count);
#elif IS_FLOAT
  return acc / count;
#else
  // Halves away from zero.
  return (acc < 0 ? acc - count / 2 : acc + count / 2) / count;
#endif
}

#if IS_FLOAT
#define BOUND float
#define LIMIT(v) limit(v, low, high)
#else
#define BOUND int
#define LIMIT(v) saturate((int)(v), low, high)
#endif

KERNEL pool(const T* RESTRICT x, OUT_T* RESTRICT y, int pixels, int height, int width, int channels,
            int out_height, int out_width, int filter_height, int filter_width, int stride_height,
            int stride_width, int pad_top, int pad_left, BOUND low, BOUND high EPILOGUE_ARGS) {
  int tiles = channels / TILE;
  int pixel = THREAD_X / tiles, channel = THREAD_X % tiles * TILE;
  if (pixel >= pixels) return;
  int row = pixel / out_width, column = pixel % out_width;
  int batch = row / out_height;
  int first_row = row % out_height * stride_height - pad_top;
  int first_column = column * stride_width - pad_left;
  int top = max(first_row, 0), bottom = min(first_row + filter_height, height);
  int left = max(first_column, 0), right = min(first_column + filter_width, width);
  x += batch * height * width * channels + channel;
  ACC acc[TILE];
  for (int c = 0; c < TILE; c++) acc[c] = START;
  for (int i = top; i < bottom; i++) {
    for (int j = left; j < right; j++) {
      Pack<T, TILE> tap = load_pack<TILE>(x + (i * width + j) * channels);
      for (int c = 0; c < TILE; c++) acc[c] = COMBINE(acc[c], (ACC)LOAD(T, tap.v, c));
    }
  }
  int taps = max((bottom - top) * (right - left), 1);
  int to = pixel * channels + channel;
  Pack<OUT_T, TILE> made;
  for (int c = 0; c < TILE; c++) {
    STORE(OUT_T, made.v, c,
          EPILOGUE(LIMIT(finish(acc[c], taps)), (RunIndex<TILE>{to, c})));
  }
  store_pack(y + to, made);
}
