#include "common.cuh"
// x, y: [rows, cols] of T, row-major. BLOCK threads a row, which may be longer: a whole block, or
// where BLOCK is a warp one of those in it. LOG: x - max - log(sum) in place of the quotient.

#ifndef T
#define T float
#endif
#ifndef BLOCK
#define BLOCK 128
#endif
#ifndef LOG
#define LOG 0
#endif

#define WARPS (BLOCK / WARP)

INLINE float largest_of_row(float v) {
  v = warp_max(v);
  if (WARPS == 1) return v;
  LOCAL float parts[WARPS];
  if (LANE_X % WARP == 0) parts[LANE_X / WARP] = v;
  BARRIER;
  for (int k = 0; k < WARPS; k++) v = fmaxf(v, parts[k]);
  return v;
}

INLINE float sum_of_row(float v) {
  v = warp_sum(v);
  if (WARPS == 1) return v;
  LOCAL float parts[WARPS];
  if (LANE_X % WARP == 0) parts[LANE_X / WARP] = v;
  BARRIER;
  v = parts[0];
  for (int k = 1; k < WARPS; k++) v += parts[k];
  return v;
}

KERNEL softmax_rows(const T* RESTRICT x, T* RESTRICT y, int rows, int cols, float beta) {
  int row = THREAD_X / BLOCK, lane = THREAD_X % BLOCK;
  if (row >= rows) return;
  x += row * cols;
  y += row * cols;
  float top = -INFINITY;
  for (int i = lane; i < cols; i += BLOCK) top = fmaxf(top, LOAD(T, x, i));
  top = largest_of_row(top);
  float sum = 0.0f;
  for (int i = lane; i < cols; i += BLOCK) sum += expf((LOAD(T, x, i) - top) * beta);
  sum = sum_of_row(sum);
  float offset = logf(sum), inverse = 1.0f / sum;
  for (int i = lane; i < cols; i += BLOCK) {
    float power = (LOAD(T, x, i) - top) * beta;
    STORE(T, y, i, LOG ? power - offset : expf(power) * inverse);
  }
}
