#include "common.clh"
// Depthwise convolutions of floats and integers: channels do not mix.
// x: [batch, height, width, channels]; y: [batch, rows, cols, filters], filter f reads channel
// f / multiplier; w: [taps_y * taps_x, filters]; bias, multipliers, shifts: [filters].
// One work item: LANES neighbouring filters (more than one only on CPUs and with a multiplier
// of 1), PIXELS neighbouring columns, `run` times along a row.
#ifndef CPU_DEVICE
#define CPU_DEVICE 0
#endif
#ifndef QUANTIZED
#define QUANTIZED 0
#endif
#ifndef WIDE
#define WIDE 0
#endif
#ifndef IN_T
#define IN_T float
#define W_T float
#define ACC_T float
#endif
#ifndef LANES
#define LANES 1
#endif
#ifndef PIXELS
#define PIXELS 4
#endif

#if CPU_DEVICE && LANES > 1
#define SUM JOIN(ACC_T, LANES)
#define FETCH(T, p) LOAD_VECTOR(T, ACC_T, LANES, p, 0)
#define KEEP(v, p) STORE_PACKED(, ACC_T, LANES, v, p)
#else
#define SUM ACC_T
#define FETCH(T, p) ((ACC_T)LOAD(T, p, 0))
#define KEEP(v, p) *(p) = v
#endif

// Finished sums, but for what LAST still does to each.
#if QUANTIZED && !WIDE && CPU_DEVICE && LANES == 8
#define FINISH_LANES(sum) \
  saturate_eight(rescale_eight((sum) + LOAD_PACKED(GLOBAL, int, 8, bias + f), \
                               LOAD_PACKED(GLOBAL, int, 8, multipliers + f), \
                               LOAD_PACKED(GLOBAL, int, 8, shifts + f)) + \
                     zero_point, \
                 low, high)
#define LAST(v, f) (v)
#else
#define FINISH_LANES(sum) (sum)
#define LAST(v, f) CHANNEL_RESULT(v, f)
#endif

#if QUANTIZED
#define CENTERED(v) ((v) - (ACC_T)padding)
#else
#define CENTERED(v) (v)
#endif

KERNEL depthwise(GLOBAL const IN_T* RESTRICT x, GLOBAL const W_T* RESTRICT w,
                 GLOBAL OUT_T* RESTRICT y, CHANNEL_ARGS, int padding, int height, int width,
                 int channels, int multiplier, int rows, int cols, int count, int taps_y,
                 int taps_x, int stride_y, int stride_x, int dilation_y, int dilation_x, int top,
                 int left, int run EPILOGUE_ARGS) {
  // Sums of so few products are rounded as the reference rounds them.
#pragma OPENCL FP_CONTRACT OFF
  int f = THREAD_X * LANES, line = THREAD_Z, filters = channels * multiplier;
  if (f >= filters || line >= count) return;
  x += line / rows * height * width * channels + f / multiplier;
  int up = line % rows * stride_y - top;
  int end = min((THREAD_Y + 1) * run * PIXELS, cols);
  for (int start = THREAD_Y * run * PIXELS; start < end; start += PIXELS) {
    SUM sums[PIXELS];
    for (int p = 0; p < PIXELS; p++) sums[p] = 0;
    int across = start * stride_x - left;
    bool inner = across >= 0 && start + PIXELS <= cols &&
                 across + (PIXELS - 1) * stride_x + (taps_x - 1) * dilation_x < width;
    for (int ty = 0; ty < taps_y; ty++) {
      int row = up + ty * dilation_y;
      if ((uint)row >= (uint)height) continue;
      GLOBAL const W_T* weights = w + ty * taps_x * filters + f;
      GLOBAL const IN_T* line_x = x + row * width * channels;
      for (int tx = 0; tx < taps_x; tx++, weights += filters) {
        SUM weight = FETCH(W_T, weights);
        int col = across + tx * dilation_x;
        if (inner) {
          GLOBAL const IN_T* from = line_x + col * channels;
#pragma unroll
          for (int p = 0; p < PIXELS; p++)
            sums[p] += CENTERED(FETCH(IN_T, from + p * stride_x * channels)) * weight;
        } else {
#pragma unroll
          for (int p = 0; p < PIXELS; p++) {
            int at = col + p * stride_x;
            if ((uint)at < (uint)width)
              sums[p] += CENTERED(FETCH(IN_T, line_x + at * channels)) * weight;
          }
        }
      }
    }
    for (int p = 0; p < PIXELS; p++) {
      if (start + p >= cols) break;
      ACC_T lanes[LANES];
      KEEP(FINISH_LANES(sums[p]), lanes);
      int first = (line * cols + start + p) * filters + f;
      for (int l = 0; l < LANES; l++) {
        int i = first + l;
        STORE(OUT_T, y, i, EPILOGUE(LAST(lanes[l], f + l), i));
      }
    }
  }
}
