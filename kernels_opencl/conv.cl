#include "common.clh"
// Convolutions of floats and integers, grouped or not; one phase of a transposed convolution.
// x: [batch, height, width, channels]; y: [batch, y_rows, y_cols, filters], of which this launch
// writes the rows first_row, first_row + row_step, ... (`rows` of them), and columns likewise.
// w: [blocks, taps_y * taps_x * depth, WIDTH]: filters of a group, padded to blocks of WIDTH. Bias,
// multipliers and shifts: [blocks, WIDTH]. padding: what a tap reads outside of the image.
// CPU_DEVICE: one work item PIXELS outputs of one block of filters, in registers; integer weights
// lie in pairs of channels, [..., depth / 2, WIDTH, 2], an odd last channel paired with zeros.
// Otherwise: implicit matrix product, one block of 16 x 16 work items 64 outputs of one block of
// filters, through tiles in local memory.
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
#ifndef EACH
#define EACH 2
#endif
#ifndef PIXELS
#define PIXELS 4
#endif
#ifndef PATCH
#define PATCH 0
#endif

#define GEOMETRY \
  int height, int width, int channels, int depth, int group_filters, int group_blocks, \
      int filters, int rows, int cols, int count, int taps_y, int taps_x, int stride_y, \
      int stride_x, int dilation_y, int dilation_x, int top, int left, int y_rows, int y_cols, \
      int row_step, int col_step, int first_row, int first_col

// Where output n of `count` lies in y, in pixels.
#define PLACE(n) \
  (((n) / (rows * cols) * y_rows + (n) / cols % rows * row_step + first_row) * y_cols + \
   (n) % cols * col_step + first_col)

#if CPU_DEVICE

#define WIDTH (8 * EACH)

#define EIGHT(T, p, n) LOAD_PACKED(GLOBAL, T, 8, (p) + 8 * (n))

// Eight finished sums, but for what LAST still does to each.
#if QUANTIZED && WIDE
#define FINISH_EIGHT(sum, n) (sum)
#define LAST(v, f) CHANNEL_RESULT(v, f)
#elif QUANTIZED
#define FINISH_EIGHT(sum, n) \
  saturate_eight(rescale_eight((sum) + EIGHT(int, bias, n), EIGHT(int, multipliers, n), \
                               EIGHT(int, shifts, n)) + \
                     zero_point, \
                 low, high)
#define LAST(v, f) (v)
#else
#define FINISH_EIGHT(sum, n) ((sum) + EIGHT(float, bias, n))
#define LAST(v, f) limit(v, low, high)
#endif

#if QUANTIZED
#define STEP 2
#define SUM int8
#define VALUE short16
#define WEIGHTS short16
#define LOAD_WEIGHTS(i) LOAD_PACKED(GLOBAL, short, 16, w + 16 * (i))
#ifdef __AVX2__
#if __has_builtin(__builtin_ia32_pmaddwd256)
// LLVM does not find the instruction by itself.
#define MULTIPLY_ADD(sum, v, weights) sum += __builtin_ia32_pmaddwd256(v, weights)
#endif
#endif
#ifndef MULTIPLY_ADD
#define MULTIPLY_ADD(sum, v, weights) \
  sum += convert_int8(v.even) * convert_int8(weights.even) + \
         convert_int8(v.odd) * convert_int8(weights.odd)
#endif
#define FETCH(p, c) as_short16((int8)as_int(LOAD_PACKED(, short, 2, p + c)))
#else
#define STEP 1
#define SUM float8
#define VALUE float
#define WEIGHTS float8
#define LOAD_WEIGHTS(i) LOAD_VECTOR(W_T, float, 8, w, i)
#define MULTIPLY_ADD(sum, v, weights) sum += v * weights
#define FETCH(p, c) LOAD(SOURCE_T, p, c)
#endif

#define ACCUMULATE(fetch, c) \
  { \
    WEIGHTS weights[EACH]; \
    for (int e = 0; e < EACH; e++) weights[e] = LOAD_WEIGHTS(e); \
    w += WIDTH * STEP; \
    _Pragma("unroll") for (int p = 0; p < PIXELS; p++) { \
      const VALUE v = fetch(from[p], c); \
      _Pragma("unroll") for (int e = 0; e < EACH; e++) MULTIPLY_ADD(sums[p][e], v, weights[e]); \
    } \
  }

// PATCH: the most elements that the windows of an output hold, which are then gathered first.
// CHUNK: so many elements of a pixel are widened at a time, where they are integers.
#ifndef CHUNK
#define CHUNK 128
#endif
#if QUANTIZED
#define SOURCE_T short
#elif PATCH
#define SOURCE_T float
#else
#define SOURCE_T IN_T
#endif

KERNEL conv(GLOBAL const IN_T* RESTRICT x, GLOBAL const W_T* RESTRICT w,
            GLOBAL const IN_T* RESTRICT padding, GLOBAL OUT_T* RESTRICT y, CHANNEL_ARGS,
            GEOMETRY EPILOGUE_ARGS) {
  int start = THREAD_X * PIXELS, block = THREAD_Y, group = block / group_blocks;
  if (start >= count) return;
  int up[PIXELS], across[PIXELS], places[PIXELS];
  GLOBAL const IN_T* images[PIXELS];
  SUM sums[PIXELS][EACH];
  int col = start % cols, row = start / cols % rows, image = start / (rows * cols);
  for (int p = 0; p < PIXELS; p++) {
    up[p] = row * stride_y - top;
    across[p] = col * stride_x - left;
    images[p] = x + image * height * width * channels + group * depth;
    places[p] = (image * y_rows + row * row_step + first_row) * y_cols + col * col_step + first_col;
    // Past the last output, that one again.
    if (start + p + 1 < count && ++col == cols) {
      col = 0;
      if (++row == rows) {
        row = 0;
        image++;
      }
    }
    for (int e = 0; e < EACH; e++) sums[p][e] = 0;
  }
#if PATCH
  SOURCE_T patches[PIXELS][PATCH];
  SOURCE_T* from[PIXELS];
  int whole = taps_y * taps_x * depth;
  w += block * (whole + whole % STEP) * WIDTH;
  for (int p = 0; p < PIXELS; p++) {
    SOURCE_T* to = from[p] = patches[p];
    for (int ty = 0; ty < taps_y; ty++)
      for (int tx = 0; tx < taps_x; tx++, to += depth) {
        int row = up[p] + ty * dilation_y, col = across[p] + tx * dilation_x;
        bool inside = (uint)row < (uint)height && (uint)col < (uint)width;
        GLOBAL const IN_T* it = inside ? images[p] + (row * width + col) * channels : padding;
        for (int c = 0; c < depth; c++) to[c] = LOAD(IN_T, it, c);
      }
    if (STEP > 1) *to = 0;
  }
  for (int c = 0; c < whole; c += STEP) ACCUMULATE(FETCH, c)
#else
#if QUANTIZED
  SOURCE_T* from[PIXELS];
  GLOBAL const IN_T* pixels[PIXELS];
#else
  GLOBAL const IN_T* from[PIXELS];
#define pixels from
#endif
  w += block * taps_y * taps_x * (depth + depth % STEP) * WIDTH;
  for (int ty = 0; ty < taps_y; ty++)
    for (int tx = 0; tx < taps_x; tx++) {
      for (int p = 0; p < PIXELS; p++) {
        int row = up[p] + ty * dilation_y, col = across[p] + tx * dilation_x;
        bool inside = (uint)row < (uint)height && (uint)col < (uint)width;
        pixels[p] = inside ? images[p] + (row * width + col) * channels : padding;
      }
#if QUANTIZED
      for (int first = 0; first < depth; first += CHUNK) {
        int left = depth - first, width = left < CHUNK ? left : CHUNK;
        SOURCE_T widened[PIXELS][CHUNK];
        for (int p = 0; p < PIXELS; p++) {
          for (int c = 0; c < width; c++) widened[p][c] = pixels[p][first + c];
          if (width % 2) widened[p][width] = 0;
          from[p] = widened[p];
        }
        for (int c = 0; c < width; c += STEP) ACCUMULATE(FETCH, c)
      }
#else
      for (int c = 0; c < depth; c++) ACCUMULATE(FETCH, c)
#endif
    }
#endif
  int within = (block - group * group_blocks) * WIDTH;
  int rest = group_filters - within, live = rest < WIDTH ? rest : WIDTH;
  for (int p = 0; p < PIXELS; p++) {
    if (start + p >= count) return;
    ACC_T lanes[WIDTH];
    for (int e = 0; e < EACH; e++)
      STORE_PACKED(, ACC_T, 8, FINISH_EIGHT(sums[p][e], block * EACH + e), lanes + 8 * e);
    int first = places[p] * filters + group * group_filters + within;
    if (live == WIDTH) {
      for (int l = 0; l < WIDTH; l++) {
        int i = first + l;
        STORE(OUT_T, y, i, EPILOGUE(LAST(lanes[l], block * WIDTH + l), i));
      }
    } else {
      for (int l = 0; l < live; l++) {
        int i = first + l;
        STORE(OUT_T, y, i, EPILOGUE(LAST(lanes[l], block * WIDTH + l), i));
      }
    }
  }
}

#else

#define SIDE 16
#define WIDTH (SIDE * EACH)
#define TILE_PIXELS (SIDE * PIXELS)

KERNEL conv(GLOBAL const IN_T* RESTRICT x, GLOBAL const W_T* RESTRICT w,
            GLOBAL const IN_T* RESTRICT padding, GLOBAL OUT_T* RESTRICT y, CHANNEL_ARGS,
            GEOMETRY EPILOGUE_ARGS) {
  LOCAL ACC_T tile_x[SIDE][TILE_PIXELS + 1];
  LOCAL ACC_T tile_w[SIDE][WIDTH];
  int block = BLOCK_Y, group = block / group_blocks, lane = LANE_Y * SIDE + LANE_X;
  int whole = taps_y * taps_x * depth;
  ACC_T sums[PIXELS][EACH];
  for (int p = 0; p < PIXELS; p++)
    for (int e = 0; e < EACH; e++) sums[p][e] = 0;
  // This work item brings element k of PIXELS windows to each tile.
  int column = lane / SIDE, k = lane % SIDE;
  GLOBAL const IN_T* images[PIXELS];
  int up[PIXELS], across[PIXELS];
  for (int p = 0; p < PIXELS; p++) {
    int n = min(BLOCK_X * TILE_PIXELS + column + p * SIDE, count - 1);
    up[p] = n / cols % rows * stride_y - top;
    across[p] = n % cols * stride_x - left;
    images[p] = x + n / (rows * cols) * height * width * channels + group * depth;
  }
  w += block * whole * WIDTH;
  for (int start = 0; start < whole; start += SIDE) {
    int c = (start + k) % depth, tap = (start + k) / depth;
    int down = tap / taps_x * dilation_y, along = tap % taps_x * dilation_x;
    bool live = start + k < whole;
    for (int p = 0; p < PIXELS; p++) {
      int row = up[p] + down, col = across[p] + along;
      bool inside = (uint)row < (uint)height && (uint)col < (uint)width;
      tile_x[k][column + p * SIDE] =
          !live ? 0
                : (inside ? LOAD(IN_T, images[p], (row * width + col) * channels + c)
                          : LOAD(IN_T, padding, c));
    }
    for (int e = 0; e < EACH; e++) {
      int at = lane + e * SIDE * SIDE;
      tile_w[at / WIDTH][at % WIDTH] = start + at / WIDTH < whole ? LOAD(W_T, w, start * WIDTH + at) : 0;
    }
    BARRIER;
    for (int s = 0; s < SIDE; s++) {
      ACC_T weights[EACH];
      for (int e = 0; e < EACH; e++) weights[e] = tile_w[s][LANE_X + e * SIDE];
      for (int p = 0; p < PIXELS; p++) {
        ACC_T v = tile_x[s][LANE_Y + p * SIDE];
        for (int e = 0; e < EACH; e++) sums[p][e] += v * weights[e];
      }
    }
    BARRIER;
  }
  int within = (block - group * group_blocks) * WIDTH;
  for (int p = 0; p < PIXELS; p++) {
    int n = BLOCK_X * TILE_PIXELS + LANE_Y + p * SIDE;
    if (n >= count) return;
    int first = PLACE(n) * filters + group * group_filters + within;
    for (int e = 0; e < EACH; e++) {
      int f = LANE_X + e * SIDE;
      if (within + f < group_filters) {
        int i = first + f;
        STORE(OUT_T, y, i, EPILOGUE(CHANNEL_RESULT(sums[p][e], block * WIDTH + f), i));
      }
    }
  }
}

#endif
