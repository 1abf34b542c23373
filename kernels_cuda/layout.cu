#include "common.cuh"
// x, y: [n0, middle, n1, inner], row-major. lengths: [n0 or n1], one for each place of the batch.
// One thread an element.

#ifndef T
#define T uint
#endif
#ifndef INDEX
#define INDEX int
#endif
#ifndef SEQUENCE_FIRST
#define SEQUENCE_FIRST 0
#endif

// The first `length` places of the sequence axis, n0 if SEQUENCE_FIRST, are reversed.
KERNEL reverse_sequence(const T* RESTRICT x, const INDEX* RESTRICT lengths, T* RESTRICT y,
                        int* flag, int n0, int middle, int n1, int inner, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  int k = i % inner, rest = i / inner;
  int b = rest % n1;
  rest /= n1;
  int m = rest % middle, a = rest / middle;
  int size = SEQUENCE_FIRST ? n0 : n1;
  INDEX length = lengths[SEQUENCE_FIRST ? b : a];
  if (length < 0 || length > size) {
    RAISE(flag);
    return;
  }
  if (SEQUENCE_FIRST) {
    if (a < length) a = (int)length - 1 - a;
  } else {
    if (b < length) b = (int)length - 1 - b;
  }
  y[i] = x[((a * middle + m) * n1 + b) * inner + k];
}
