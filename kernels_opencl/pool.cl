#include "common.clh"
// x: [batch, height, width, channels]; y: [batch, out_height, out_width, channels]; elements of
// type T. One work item makes TILE neighbouring channels of one output pixel.

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
#else
#define COMBINE(a, b) LARGEST(a, b)
#endif

typedef struct {
  int top, bottom, left, right;
} Window;

INLINE void combine_window(GLOBAL const T* RESTRICT x, ACC* acc, Window w, int width, int channels,
                           int count) {
  for (int c = 0; c < count; c++) acc[c] = START;
  for (int i = w.top; i < w.bottom; i++) {
    for (int j = w.left; j < w.right; j++) {
      GLOBAL const T* pixel = x + (i * width + j) * channels;
      for (int c = 0; c < count; c++) acc[c] = COMBINE(acc[c], (ACC)LOAD(T, pixel, c));
    }
  }
}

INLINE ACC finish(ACC acc, int count) {
#if KIND == MAX_POOL
  return acc;
#elif KIND == L2_POOL
  return sqrt(acc / count);
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

KERNEL pool(GLOBAL const T* RESTRICT x, GLOBAL OUT_T* RESTRICT y, int pixels, int height, int width,
            int channels, int out_height, int out_width, int filter_height, int filter_width,
            int stride_height, int stride_width, int pad_top, int pad_left, BOUND low,
            BOUND high EPILOGUE_ARGS) {
  int tiles = (channels + TILE - 1) / TILE;
  int pixel = THREAD_X / tiles, channel = THREAD_X % tiles * TILE;
  if (pixel >= pixels) return;
  int row = pixel / out_width, column = pixel % out_width;
  int batch = row / out_height;
  int first_row = row % out_height * stride_height - pad_top;
  int first_column = column * stride_width - pad_left;
  Window w;
  w.top = max(first_row, 0);
  w.bottom = min(first_row + filter_height, height);
  w.left = max(first_column, 0);
  w.right = min(first_column + filter_width, width);
  int taps = max((w.bottom - w.top) * (w.right - w.left), 1);
  x += batch * height * width * channels + channel;
  ACC acc[TILE];
  int count = min(channels - channel, TILE);
  if (count == TILE) {
    combine_window(x, acc, w, width, channels, TILE);
  } else {
    combine_window(x, acc, w, width, channels, count);
  }
  int to = pixel * channels + channel;
  for (int c = 0; c < count; c++) {
    STORE(OUT_T, y, to + c, EPILOGUE(LIMIT(finish(acc[c], taps)), to + c));
  }
}
