#include "common.clh"
// x, y: [rows, cols], row-major. One work item a row.

KERNEL softmax_rows(GLOBAL const float* RESTRICT x, GLOBAL float* RESTRICT y, int rows, int cols,
                    float beta) {
  int row = THREAD_X;
  if (row >= rows) return;
  x += (long)row * cols;
  y += (long)row * cols;
  float top = x[0];
  for (int i = 1; i < cols; i++) top = fmax(top, x[i]);
  float sum = 0.0f;
  for (int i = 0; i < cols; i++) {
    y[i] = exp((x[i] - top) * beta);
    sum += y[i];
  }
  for (int i = 0; i < cols; i++) y[i] /= sum;
}
