#include "common.cuh"
// whole: row-major, of the sizes sizes[rank .. 2 * rank]; part: row-major, of sizes[0 .. rank].
// starts: where the part begins in the whole, one for each axis. One thread an element of part.

#ifndef T
#define T uint
#endif
#ifndef INDEX
#define INDEX int
#endif

// Where element i of the part lies in the whole, starts moved so that the part lies inside; -1
// where `strict` and they would have to be moved.
INLINE int place(const INDEX* RESTRICT starts, const int* RESTRICT sizes, int rank, int i,
                 int strict) {
  int place = 0, stride = 1, outside = 0;
  for (int d = rank - 1; d >= 0; d--) {
    int size = sizes[d], whole = sizes[rank + d];
    INDEX start = starts[d], last = whole - size;
    outside |= start < 0 || start > last;
    start = start < 0 ? 0 : start > last ? last : start;
    place += (i % size + (int)start) * stride;
    stride *= whole;
    i /= size;
  }
  return strict && outside ? -1 : place;
}

// y is the part of x.
KERNEL slice_at(const T* RESTRICT x, T* RESTRICT y, const INDEX* RESTRICT starts, int* flag,
                const int* RESTRICT sizes, int rank, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  int from = place(starts, sizes, rank, i, 1);
  if (from < 0)
    RAISE(flag);
  else
    y[i] = x[from];
}

// x is written over the part of y.
KERNEL update_at(const T* RESTRICT x, T* RESTRICT y, const INDEX* RESTRICT starts, int* flag,
                 const int* RESTRICT sizes, int rank, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  y[place(starts, sizes, rank, i, 0)] = x[i];
}
