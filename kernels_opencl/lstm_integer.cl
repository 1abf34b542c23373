#include "common.clh"
// One step of an integer LSTM, int8 but for cells and gates of int16 (core/ops/lstm_integer.py).
// x: [batch, stride_x] at the step; weights: [GATES * units, depth]; recurrent: [GATES * units,
// units]; from_input, from_state: [GATES * units], what is added to the sums of both; scales:
// [GATES, 4], multiplier and shift of both sums; gates in the order input (where there are four),
// forget, cell, output. logistic, tanhs, outer: [65536], functions of int16 by its bits. h, h_next,
// cell: [batch, units]; y: the output at the step. One work item a unit of a batch row.

#ifndef GATES
#define GATES 4
#endif

INLINE int saturate_short(int x) { return saturate(x, -32768, 32767); }

KERNEL lstm_integer_step(GLOBAL const char* RESTRICT x, GLOBAL const char* RESTRICT weights,
                         GLOBAL const char* RESTRICT recurrent,
                         GLOBAL const int* RESTRICT from_input,
                         GLOBAL const int* RESTRICT from_state, GLOBAL const int* RESTRICT scales,
                         GLOBAL const short* RESTRICT logistic, GLOBAL const short* RESTRICT tanhs,
                         GLOBAL const short* RESTRICT outer, GLOBAL const char* RESTRICT h,
                         GLOBAL char* RESTRICT h_next, GLOBAL short* RESTRICT cell,
                         GLOBAL char* RESTRICT y, int batch, int units, int depth, int offset_x,
                         int stride_x, int offset_y, int stride_y, int cell_bits, int limit_cell,
                         int multiplier, int shift, int zero_point) {
  int i = THREAD_X;
  if (i >= batch * units) return;
  int row = i / units, unit = i % units;
  x += offset_x + row * stride_x;
  h += row * units;
  int gate[GATES];
  for (int g = 0; g < GATES; g++) {
    GLOBAL const char* w = weights + (g * units + unit) * depth;
    GLOBAL const char* r = recurrent + (g * units + unit) * units;
    GLOBAL const int* scale = scales + 4 * g;
    int given = from_input[g * units + unit], kept = from_state[g * units + unit];
    for (int k = 0; k < depth; k++) given += (int)x[k] * (int)w[k];
    for (int k = 0; k < units; k++) kept += (int)h[k] * (int)r[k];
    given = saturate_short(rescale(given, scale[0], scale[1]));
    gate[g] = saturate_short(given + rescale(kept, scale[2], scale[3]));
  }
  int forget = logistic[(ushort)gate[GATES - 3]], entry = 32767 - forget;
  if (GATES == 4) entry = logistic[(ushort)gate[0]];
  int candidate = tanhs[(ushort)gate[GATES - 2]];
  int value = rounding_right_shift(forget * cell[i], 15) +
              rounding_right_shift(entry * candidate, cell_bits);
  value = saturate_short(value);
  if (limit_cell > 0) value = saturate(value, -limit_cell, limit_cell);
  cell[i] = (short)value;
  int product = logistic[(ushort)gate[GATES - 1]] * outer[(ushort)value];
  value = saturate(rescale(product, multiplier, shift) + zero_point, -128, 127);
  h_next[i] = (char)value;
  y[offset_y + row * stride_y + unit] = (char)value;
}

KERNEL copy_state(GLOBAL const char* RESTRICT x, GLOBAL char* RESTRICT y, int count) {
  int i = THREAD_X;
  if (i < count) y[i] = x[i];
}
