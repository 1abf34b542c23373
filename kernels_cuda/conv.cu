// Convolutions of floats and integers, grouped or not; one phase of a transposed convolution.
// x: [batch, height, width, channels]; y: [batch, y_rows, y_cols, filters], of which this launch
// writes the rows first_row, first_row + row_step, ... (`rows` of them), and columns likewise.
// w: words [group, steps, filters of the group in whole tiles, TILE_WORDS], windows along the
// depth. Bias, multipliers and shifts: [blocks, TILE_N]. padding: what a tap reads outside.
// Implicit matrix product: one block TILE_M outputs of TILE_N filters.
#ifndef QUANTIZED
#define QUANTIZED 0
#endif
#ifndef WIDE
#define WIDE 0
#endif
#ifndef IN_T
#define IN_T float
#define W_T uint
#define ACC_T float
#endif
// How many words the image is copied by at a time, 0 where its elements are gathered; whether
// windows are single pixels, all of the image's; whether this launch writes all of y.
#ifndef UNIT
#define UNIT 1
#endif
#ifndef POINTWISE
#define POINTWISE 0
#endif
#ifndef DENSE
#define DENSE 0
#endif
// Whether sums are made in parts, by several blocks each.
#ifndef SPLIT
#define SPLIT 0
#endif
#define RIGHT_ROUNDED 1
#include "tiles.cuh"

#define GEOMETRY \
  int height, int width, int channels, int depth, int group_filters, int group_blocks, \
      int filters, int rows, int cols, int count, int taps_y, int taps_x, int stride_y, \
      int stride_x, int dilation_y, int dilation_x, int top, int left, int y_rows, int y_cols, \
      int row_step, int col_step, int first_row, int first_col

// Where output n of `count` lies in y, in pixels.
#if DENSE
#define PLACE(n) (n)
#else
#define PLACE(n) \
  (((n) / (rows * cols) * y_rows + (n) / cols % rows * row_step + first_row) * y_cols + \
   (n) % cols * col_step + first_col)
#endif

// An element of windows: its tap and channel.
struct Position {
  int ty, tx, c;
};

// The left operand: windows of TILE_M outputs. Of a pixel, `images` is the present element.
struct Windows {
#if UNIT
  typedef Pieces<TILE_M, UNIT> Mine;
#else
  typedef Pieces<TILE_M, 1> Mine;
  uint held[Mine::COUNT];
#endif
  const IN_T* images[Mine::COUNT];
  const IN_T* padding;
#if !POINTWISE
  int up[Mine::COUNT], across[Mine::COUNT];
  int height, width, taps_y, taps_x, dilation_y, dilation_x;
#endif
  int channels, depth;
  Position at;

  METHOD void seek(int k) {
#if POINTWISE
    at = {0, 0, k};
#else
    int tap = taps_x ? k / depth : 0;
    at.c = k - tap * depth;
    at.ty = taps_x ? tap / taps_x : 0;
    at.tx = tap - at.ty * taps_x;
#endif
  }
  METHOD void advance(Position& position, int n) const {
    position.c += n;
#if !POINTWISE
    while (position.c >= depth && position.ty < taps_y) {
      position.c -= depth;
      if (++position.tx == taps_x) {
        position.tx = 0;
        position.ty++;
      }
    }
#endif
  }
  METHOD void next_tile() {
    advance(at, STEP);
#if POINTWISE
#pragma unroll
    for (int p = 0; p < Mine::COUNT; p++) images[p] += STEP;
#endif
  }
  METHOD bool is_live(const Position& position) const {
#if POINTWISE
    return position.c < depth;
#else
    return position.ty < taps_y;
#endif
  }
  METHOD const IN_T* find(const Position& position, int p) const {
#if POINTWISE
    return images[p] + (position.c - at.c);
#else
    int row = up[p] + position.ty * dilation_y, col = across[p] + position.tx * dilation_x;
    bool inside = (uint)row < (uint)height && (uint)col < (uint)width;
    return (inside ? images[p] + (row * width + col) * channels : padding) + position.c;
#endif
  }
#if UNIT
  METHOD void fetch(Row* to) {
    bool live = is_live(at);
#pragma unroll
    for (int p = 0; p < Mine::COUNT; p++) {
      if (!Mine::has(p)) continue;
      const IN_T* from = live ? find(at, p) : padding;
      copy_async<UNIT>(to[Mine::row(p)].words + Mine::word(0), from, live);
    }
    next_tile();
  }
  METHOD void keep(Row* to) {}
#else
  METHOD void fetch(Row* to) {
#pragma unroll
    for (int p = 0; p < Mine::COUNT; p++) held[p] = 0;
    Position position = at;
#pragma unroll
    for (int e = 0; e < PACK; e++) {
      if (is_live(position)) {
#pragma unroll
        for (int p = 0; p < Mine::COUNT; p++)
#if PACK == 1
          held[p] = word_of((Element)LOAD(IN_T, find(position, p), 0));
#else
          held[p] |= bits_of(*find(position, p)) << (32 / PACK * e);
#endif
      }
      advance(position, 1);
    }
    next_tile();
  }
  METHOD void keep(Row* to) {
#pragma unroll
    for (int p = 0; p < Mine::COUNT; p++)
      if (Mine::has(p)) to[Mine::row(p)].words[Mine::word(0)] = held[p];
  }
#endif
};

// The sums of this block over `steps` tiles from number `first_step`.
INLINE void sum_windows(ACC_T (&sums)[HELD][RUN], Row (*tiles)[TILE_M + TILE_N],
                        const IN_T* RESTRICT x, const W_T* RESTRICT w,
                        const IN_T* RESTRICT padding, int first_step, int steps, GEOMETRY) {
  int group = BLOCK_Y / group_blocks, group_columns = group_blocks * TILE_N;
  Windows windows;
  windows.padding = padding;
#if !POINTWISE
  windows.height = height, windows.width = width;
  windows.taps_y = taps_y, windows.taps_x = taps_x;
  windows.dilation_y = dilation_y, windows.dilation_x = dilation_x;
#endif
  windows.channels = channels, windows.depth = depth;
  windows.seek(first_step * STEP + Windows::Mine::word(0) * PACK);
#pragma unroll
  for (int p = 0; p < Windows::Mine::COUNT; p++) {
    int n = min(BLOCK_X * TILE_M + Windows::Mine::row(p), count - 1);
#if POINTWISE
    windows.images[p] = x + n * channels + group * depth + windows.at.c;
#else
    windows.up[p] = n / cols % rows * stride_y - top;
    windows.across[p] = n % cols * stride_x - left;
    windows.images[p] = x + n / (rows * cols) * height * width * channels + group * depth;
#endif
  }
  int all_steps = (taps_y * taps_x * depth + STEP - 1) / STEP;
  w += (long)group * all_steps * group_columns * TILE_WORDS;
  Packed weights(w, group_columns, (BLOCK_Y - group * group_blocks) * TILE_N, first_step);
  sum_products(sums, windows, weights, steps, tiles);
}

#define GEOMETRY_OF \
  height, width, channels, depth, group_filters, group_blocks, filters, rows, cols, count, taps_y, \
      taps_x, stride_y, stride_x, dilation_y, dilation_x, top, left, y_rows, y_cols, row_step, \
      col_step, first_row, first_col

#if !SPLIT

KERNEL BOUNDS conv(const IN_T* RESTRICT x, const W_T* RESTRICT w, const IN_T* RESTRICT padding,
            OUT_T* RESTRICT y, CHANNEL_ARGS, GEOMETRY EPILOGUE_ARGS) {
  LOCAL Row tiles[STAGES][TILE_M + TILE_N];
  ACC_T sums[HELD][RUN];
  int steps = (taps_y * taps_x * depth + STEP - 1) / STEP;
  sum_windows(sums, tiles, x, w, padding, 0, steps, GEOMETRY_OF);
  typedef decltype(CHANNEL_RESULT(sums[0][0], 0)) Result;
  int group = BLOCK_Y / group_blocks, channel = BLOCK_Y * TILE_N + SUM_COLUMN;
  int within = channel - group * group_blocks * TILE_N, live = min(RUN, group_filters - within);
  if (live <= 0) return;
#pragma unroll
  for (int i = 0; i < HELD; i++) {
    int n = BLOCK_X * TILE_M + SUM_ROW(i);
    if (n >= count) return;
    int first = PLACE(n) * filters + group * group_filters + within;
    Result results[RUN];
#pragma unroll
    for (int j = 0; j < RUN; j++) results[j] = CHANNEL_RESULT(sums[i][j], channel + j);
    store_run(y, first, live, results,
              [&](Result v, auto at) { return (OUT_T)(EPILOGUE(v, at)); });
  }
}

#else

// The part of the sums that layer BLOCK_Z of `splits` makes. partial: [splits, count, filters].
KERNEL BOUNDS conv_part(const IN_T* RESTRICT x, const W_T* RESTRICT w, const IN_T* RESTRICT padding,
                 ACC_T* RESTRICT partial, int splits, GEOMETRY) {
  LOCAL Row tiles[STAGES][TILE_M + TILE_N];
  ACC_T sums[HELD][RUN];
  int all_steps = (taps_y * taps_x * depth + STEP - 1) / STEP;
  int first = (int)((long)all_steps * BLOCK_Z / splits);
  int steps = (int)((long)all_steps * (BLOCK_Z + 1) / splits) - first;
  sum_windows(sums, tiles, x, w, padding, first, steps, GEOMETRY_OF);
  int group = BLOCK_Y / group_blocks;
  int within = (BLOCK_Y - group * group_blocks) * TILE_N + SUM_COLUMN;
  int live = min(RUN, group_filters - within);
  if (live <= 0) return;
#pragma unroll
  for (int i = 0; i < HELD; i++) {
    int n = BLOCK_X * TILE_M + SUM_ROW(i);
    if (n >= count) return;
    int first = (BLOCK_Z * count + n) * filters + group * group_filters + within;
    store_run(partial, first, live, sums[i], [](ACC_T sum, int) { return sum; });
  }
}

// Adds the parts in their order. One thread a result.
KERNEL conv_whole(const ACC_T* RESTRICT partial, OUT_T* RESTRICT y, CHANNEL_ARGS, int splits,
                  GEOMETRY EPILOGUE_ARGS) {
  int n = THREAD_X / filters, filter = THREAD_X % filters;
  if (n >= count) return;
  ACC_T sum = 0;
  for (int s = 0; s < splits; s++) sum += partial[(s * count + n) * filters + filter];
  int group = filter / group_filters;
  int channel = filter + group * (group_blocks * TILE_N - group_filters);
  int to = PLACE(n) * filters + filter;
  STORE(OUT_T, y, to, EPILOGUE(CHANNEL_RESULT(sum, channel), to));
}

#endif
