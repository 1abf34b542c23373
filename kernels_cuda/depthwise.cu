#include "common.cuh"
// Depthwise convolutions of floats and integers: channels do not mix.
// x: [batch, height, width, channels]; y: [batch, rows, cols, filters], filter f reads channel
// f / multiplier; w: [taps_y * taps_x, filters]; bias, multipliers, shifts: [filters].
// One thread: LANES neighbouring filters (more than one only with a multiplier of 1) of LINES
// rows by PIXELS columns. TAPS_Y, TAPS_X, STRIDE_Y, STRIDE_X: those of the launch, with dilations
// of 1, by which a thread reads each element of its windows once; all 0 where they are not known.
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
#ifndef LINES
#define LINES 1
#endif
#ifndef PIXELS
#define PIXELS 2
#endif
#ifndef TAPS_X
#define TAPS_Y 0
#define TAPS_X 0
#define STRIDE_Y 0
#define STRIDE_X 0
#endif

// Sums of so few products are rounded as the reference rounds them, but for those of half.
INLINE void add_product(float& sum, float v, float weight) {
  sum = sizeof(IN_T) < sizeof(float) ? fmaf(v, weight, sum)
                                     : exact_add(sum, exact_multiply(v, weight));
}
INLINE void add_product(int& sum, int v, int weight) { sum += v * weight; }
INLINE void add_product(long& sum, long v, long weight) { sum += v * weight; }

// One element of each lane, less what padding reads.
struct Lanes {
  ACC_T v[LANES];
};
template <class Stored> INLINE Lanes load_lanes(const Stored* p, ACC_T zero) {
  Pack<Stored, LANES> stored = load_pack<LANES>(p);
  Lanes lanes;
#pragma unroll
  for (int l = 0; l < LANES; l++) lanes.v[l] = (ACC_T)loaded(stored.v[l]) - zero;
  return lanes;
}
INLINE void add_products(Lanes& sums, const Lanes& v, const Lanes& weights) {
#pragma unroll
  for (int l = 0; l < LANES; l++) add_product(sums.v[l], v.v[l], weights.v[l]);
}

// The images' rows that a thread reads, and its part of the weights.
struct Source {
  const IN_T* x;
  const W_T* w;
  int height, width, channels, filters, up, across;
  ACC_T zero;

  METHOD bool has_row(int r) const { return (uint)(up + r) < (uint)height; }
  METHOD Lanes element(int r, int c) const {
    int col = across + c;
    Lanes none = {};
    if ((uint)col >= (uint)width) return none;
    return load_lanes(x + ((up + r) * width + col) * channels, zero);
  }
  METHOD Lanes weights(int tap) const { return load_lanes(w + tap * filters, (ACC_T)0); }
};

#if TAPS_X
INLINE void add_windows(Lanes (&sums)[LINES][PIXELS], const Source& from) {
#pragma unroll
  for (int r = 0; r < (LINES - 1) * STRIDE_Y + TAPS_Y; r++) {
    if (!from.has_row(r)) continue;
    Lanes row[(PIXELS - 1) * STRIDE_X + TAPS_X];
#pragma unroll
    for (int c = 0; c < (PIXELS - 1) * STRIDE_X + TAPS_X; c++) row[c] = from.element(r, c);
#pragma unroll
    for (int l = 0; l < LINES; l++) {
      const int ty = r - l * STRIDE_Y;
      if (ty < 0 || ty >= TAPS_Y) continue;
#pragma unroll
      for (int tx = 0; tx < TAPS_X; tx++) {
        Lanes weights = from.weights(ty * TAPS_X + tx);
#pragma unroll
        for (int p = 0; p < PIXELS; p++) add_products(sums[l][p], row[p * STRIDE_X + tx], weights);
      }
    }
  }
}
#endif

KERNEL depthwise(const IN_T* RESTRICT x, const W_T* RESTRICT w, OUT_T* RESTRICT y, CHANNEL_ARGS,
                 int padding, int height, int width, int channels, int multiplier, int rows,
                 int cols, int count, int taps_y, int taps_x, int stride_y, int stride_x,
                 int dilation_y, int dilation_x, int top, int left, int run EPILOGUE_ARGS) {
  int filters = channels * multiplier;
  int across_lanes = filters / LANES, tiles = (cols + PIXELS - 1) / PIXELS;
  int bands = (rows + LINES - 1) / LINES;
  int f = THREAD_X % across_lanes * LANES, tile = THREAD_X / across_lanes;
  int start = tile % tiles * PIXELS, band = tile / tiles, image = band / bands;
  int line = band % bands * LINES;
  if (image >= count / rows) return;
  Source from = {x + image * height * width * channels + f / multiplier,
                 w + f,
                 height,
                 width,
                 channels,
                 filters,
                 line * stride_y - top,
                 start * stride_x - left,
                 (ACC_T)(QUANTIZED ? padding : 0)};
  Lanes sums[LINES][PIXELS] = {};
#if TAPS_X
  add_windows(sums, from);
#else
  for (int ty = 0; ty < taps_y; ty++) {
    for (int tx = 0; tx < taps_x; tx++) {
      Lanes weights = from.weights(ty * taps_x + tx);
#pragma unroll
      for (int l = 0; l < LINES; l++) {
        int r = l * stride_y + ty * dilation_y;
        if (!from.has_row(r)) continue;
#pragma unroll
        for (int p = 0; p < PIXELS; p++)
          add_products(sums[l][p], from.element(r, p * stride_x + tx * dilation_x), weights);
      }
    }
  }
#endif
  typedef decltype(CHANNEL_RESULT(sums[0][0].v[0], 0)) Result;
  Result results[LINES][PIXELS][LANES];
#pragma unroll
  for (int n = 0; n < LINES * PIXELS * LANES; n++) {
    const int l = n / LANES / PIXELS, p = n / LANES % PIXELS, e = n % LANES;
    results[l][p][e] = CHANNEL_RESULT(sums[l][p].v[e], f + e);
  }
  auto finish = [&](Result v, auto at) { return (OUT_T)(EPILOGUE(v, at)); };
#pragma unroll
  for (int l = 0; l < LINES; l++) {
#pragma unroll
    for (int p = 0; p < PIXELS; p++) {
      if (line + l >= rows || start + p >= cols) continue;
      int first = ((image * rows + line + l) * cols + start + p) * filters + f;
      Pack<OUT_T, LANES> stored;
#pragma unroll
      for (int e = 0; e < LANES; e++)
        stored.v[e] = finish(results[l][p][e], RunIndex<LANES>{first, e});
      store_pack<LANES>(y + first, stored);
    }
  }
}
