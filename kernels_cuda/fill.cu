#include "common.cuh"

#ifndef T
#define T uint
#endif
#ifndef INDEX
#define INDEX int
#endif

// indices: [outer, inner], y: [outer, depth, inner]: on[0] where the place along depth is the
// index, else off[0]. One thread an element of y.
KERNEL one_hot(const INDEX* RESTRICT indices, const T* RESTRICT on, const T* RESTRICT off,
               T* RESTRICT y, int depth, int inner, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  int rest = i / inner, outer = rest / depth;
  int place = rest % depth;
  y[i] = indices[outer * inner + i % inner] == place ? on[0] : off[0];
}
