#include "common.clh"
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

// One work item a filter of a batch row: its state moves on, and is filtered over time.
KERNEL svdf_filter(GLOBAL const X_T* RESTRICT x, GLOBAL const W_T* RESTRICT features,
                   GLOBAL const TIME_T* RESTRICT time, GLOBAL STATE_T* RESTRICT state,
                   GLOBAL SUM_T* RESTRICT filtered, int batch, int filters, int depth, int memory,
                   int zero_point, int multiplier, int shift, int rest) {
  int i = THREAD_X;
  if (i >= batch * filters) return;
  int row = i / filters, filter = i % filters;
  x += row * depth;
  features += filter * depth;
  time += filter * memory;
  state += i * memory;
  for (int k = 1; k < memory; k++) state[k - 1] = state[k];
#if INTEGER
  int product = 0;
  for (int k = 0; k < depth; k++) product += ((int)LOAD(X_T, x, k) - zero_point) * (int)LOAD(W_T, features, k);
  product = rescale(product, multiplier, shift) + rest;
  int top = sizeof(STATE_T) == 2 ? 32767 : 127;
  state[memory - 1] = (STATE_T)saturate(product, -top - 1, top);
  int sum = 0;
  for (int k = 0; k < memory; k++) sum += ((int)state[k] - rest) * (int)LOAD(TIME_T, time, k);
#else
  float product = 0.0f;
  for (int k = 0; k < depth; k++) product += LOAD(X_T, x, k) * LOAD(W_T, features, k);
  state[memory - 1] = product;
  float sum = 0.0f;
  for (int k = 0; k < memory; k++) sum += state[k] * LOAD(TIME_T, time, k);
#endif
  filtered[i] = sum;
}

// One work item an output unit: the sum of its filters, the bias, the activation.
KERNEL svdf_reduce(GLOBAL const SUM_T* RESTRICT filtered, GLOBAL const SUM_T* RESTRICT bias,
                   GLOBAL X_T* RESTRICT y, int count, int units, int rank, int biased,
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
INLINE float logistic(float x) { return 1.0f / (1.0f + exp(-x)); }

KERNEL copy_state(GLOBAL const float* RESTRICT x, GLOBAL float* RESTRICT y, int count) {
  int i = THREAD_X;
  if (i < count) y[i] = x[i];
}

// One work item a unit of a batch row.
KERNEL lstm_step(GLOBAL const X_T* RESTRICT x, GLOBAL const W_T* RESTRICT weights,
                 GLOBAL const W_T* RESTRICT recurrent, GLOBAL const float* RESTRICT bias,
                 GLOBAL const float* RESTRICT h, GLOBAL float* RESTRICT h_next,
                 GLOBAL float* RESTRICT cell, GLOBAL X_T* RESTRICT y, int batch, int units,
                 int depth, int offset_x, int stride_x, int offset_y, int stride_y, float clip) {
  int i = THREAD_X;
  if (i >= batch * units) return;
  int row = i / units, unit = i % units;
  x += offset_x + row * stride_x;
  h += row * units;
  float gate[4];
  for (int g = 0; g < 4; g++) {
    GLOBAL const W_T* w = weights + (g * units + unit) * depth;
    GLOBAL const W_T* r = recurrent + (g * units + unit) * units;
    float sum = bias[g * units + unit];
    for (int k = 0; k < depth; k++) sum += LOAD(X_T, x, k) * LOAD(W_T, w, k);
    for (int k = 0; k < units; k++) sum += h[k] * LOAD(W_T, r, k);
    gate[g] = sum;
  }
  float value = logistic(gate[1]) * cell[i] + logistic(gate[0]) * ACTIVATION(gate[2]);
  if (clip > 0.0f) value = limit(value, -clip, clip);
  cell[i] = value;
  value = logistic(gate[3]) * ACTIVATION(value);
  h_next[i] = value;
  STORE(X_T, y, offset_y + row * stride_y + unit, value);
}
#endif
