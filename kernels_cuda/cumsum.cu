#include "common.cuh"
// x, y: [outer, size, inner], row-major. One thread a column, of count = outer * inner.

#ifndef T
#define T float
#endif

// Sums along size: from the end where `reverse`, without the element itself where `exclusive`.
KERNEL cumsum(const T* RESTRICT x, T* RESTRICT y, int size, int inner, int exclusive, int reverse,
              int count) {
  int i = THREAD_X;
  if (i >= count) return;
  int step = reverse ? -inner : inner;
  int at = i / inner * size * inner + i % inner + (reverse ? (size - 1) * inner : 0);
  REGISTER(T) sum = 0;
  for (int k = 0; k < size; k++, at += step) {
    REGISTER(T) value = LOAD(T, x, at);
    if (exclusive) STORE(T, y, at, sum);
    // The first element as it is: 0 + -0 would be 0.
    sum = k == 0 ? value : sum + value;
    if (!exclusive) STORE(T, y, at, sum);
  }
}
