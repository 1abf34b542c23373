#include "common.cuh"
// SVDF. x: [batch, depth]; features: [filters, depth]; state: [batch, filters, memory];
// time: [filters, memory]; filtered: [batch, filters]; y: [batch, units], units * rank = filters.
// x, y: X_T; features: W_T; time: TIME_T; state: STATE_T; filtered, bias: SUM_T. INTEGER: int8 with
// states of int8 or int16 and sums of int32; otherwise states and sums are float.
//
// LSTM, one step. x: [batch, stride_x] at the step; weights: [4 * units, depth], recurrent:
// [4 * units, units], bias: [4 * units], gates in the order input, forget, cell, output;
// h, h_next, cell: [batch, units]; y: the output at the step. x, y: X_T; weights, recurrent: W_T.

#ifndef STATE_T
#define STATE_T float
#endif
#ifndef X_T
#define X_T float
#endif
#ifndef W_T
#define W_T float
#endif
#ifndef TIME_T
#define TIME_T float
#endif
#ifndef SUM_T
#define SUM_T float
#endif
#ifndef ACTIVATION
#define ACTIVATION(x) (x)
#endif

// One warp a filter of a batch row: its state moves on, and is filtered over time.
KERNEL svdf_filter(const X_T* RESTRICT x, const W_T* RESTRICT features,
                   const TIME_T* RESTRICT time, STATE_T* RESTRICT state, SUM_T* RESTRICT filtered,
                   int batch, int filters, int depth, int memory, int zero_point, int multiplier,
                   int shift, int rest) {
  int i = THREAD_X / WARP, lane = THREAD_X % WARP;
  if (i >= batch * filters) return;
  int row = i / filters, filter = i % filters;
  x += row * depth;
  features += filter * depth;
  time += filter * memory;
  state += i * memory;
  SUM_T newest = 0, sum = 0;
  for (int k = lane; k < depth; k += WARP)
    newest += (LOAD(X_T, x, k) - zero_point) * LOAD(W_T, features, k);
  newest = warp_sum(newest);
#if INTEGER
  int top = sizeof(STATE_T) == 2 ? 32767 : 127;
  newest = saturate(rescale(newest, multiplier, shift) + rest, -top - 1, top);
#endif
  for (int first = 0; first < memory; first += WARP) {
    int k = first + lane;
    SUM_T next = k + 1 < memory ? (SUM_T)state[k + 1] : newest;
    __syncwarp();
    if (k < memory) {
      state[k] = (STATE_T)next;
      sum += (next - rest) * LOAD(TIME_T, time, k);
    }
  }
  sum = warp_sum(sum);
  if (lane == 0) filtered[i] = sum;
}

// One thread an output unit: the sum of its filters, the bias, the activation.
KERNEL svdf_reduce(const SUM_T* RESTRICT filtered, const SUM_T* RESTRICT bias,
                   X_T* RESTRICT y, int count, int units, int rank, int biased,
                   int multiplier, int shift, int zero_point) {
  int i = THREAD_X;
  if (i >= count) return;
  SUM_T sum = biased ? bias[i % units] : (SUM_T)0;
  for (int k = 0; k < rank; k++) sum += filtered[i * rank + k];
#if INTEGER
  STORE(X_T, y, i, saturate(rescale(sum, multiplier, shift) + zero_point, -128, 127));
#else
  STORE(X_T, y, i, ACTIVATION(sum));
#endif
}

#if !INTEGER
INLINE float logistic(float x) { return 1.0f / (1.0f + expf(-x)); }

KERNEL copy_state(const float* RESTRICT x, float* RESTRICT y, int count) {
  int i = THREAD_X;
  if (i < count) y[i] = x[i];
}

// One warp a unit of a batch row.
KERNEL lstm_step(const X_T* RESTRICT x, const W_T* RESTRICT weights,
                 const W_T* RESTRICT recurrent, const float* RESTRICT bias,
                 const float* RESTRICT h, float* RESTRICT h_next,
                 float* RESTRICT cell, X_T* RESTRICT y, int batch, int units,
                 int depth, int offset_x, int stride_x, int offset_y, int stride_y, float clip) {
  int i = THREAD_X / WARP, lane = THREAD_X % WARP;
  if (i >= batch * units) return;
  int row = i / units, unit = i % units;
  x += offset_x + row * stride_x;
  h += row * units;
  float gate[4];
  for (int g = 0; g < 4; g++) {
    const W_T* w = weights + (g * units + unit) * depth;
    const W_T* r = recurrent + (g * units + unit) * units;
    float sum = 0.0f;
    for (int k = lane; k < depth; k += WARP) sum += LOAD(X_T, x, k) * LOAD(W_T, w, k);
    for (int k = lane; k < units; k += WARP) sum += h[k] * LOAD(W_T, r, k);
    gate[g] = warp_sum(sum) + bias[g * units + unit];
  }
  if (lane > 0) return;
  float value = logistic(gate[1]) * cell[i] + logistic(gate[0]) * ACTIVATION(gate[2]);
  if (clip > 0.0f) value = limit(value, -clip, clip);
  cell[i] = value;
  value = logistic(gate[3]) * ACTIVATION(value);
  h_next[i] = value;
  STORE(X_T, y, offset_y + row * stride_y + unit, value);
}
#endif
