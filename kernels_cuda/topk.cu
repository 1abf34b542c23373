#include "common.cuh"
// Order along one axis. NaN comes last; of equal values the first comes first.

#ifndef T
#define T float
#endif
#ifndef OUT
#define OUT int
#endif
#ifndef PLACE
#define PLACE int
#endif
#ifndef IS_MAX
#define IS_MAX 1
#endif
#ifndef BLOCK
#define BLOCK 256
#endif

#define IS_NAN(v) ((v) != (v))
#define EXCEEDS(a, b) (IS_MAX ? (a) > (b) : (a) < (b))

// x: [outer, size, inner], y: [outer, inner]: where along size the extreme is. One thread an
// element of y, of which there are count.
KERNEL arg_extreme(const T* RESTRICT x, OUT* RESTRICT y, int size, int inner, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  x += i / inner * size * inner + i % inner;
  REGISTER(T) best = LOAD(T, x, 0);
  int place = IS_NAN(best) ? -1 : 0;
  for (int k = 1; k < size; k++) {
    REGISTER(T) value = LOAD(T, x, k * inner);
    if (IS_NAN(value) || (place >= 0 && !EXCEEDS(value, best))) continue;
    best = value;
    place = k;
  }
  y[i] = max(place, 0);
}

// The same; one block an element of y.
KERNEL arg_extreme_of_block(const T* RESTRICT x, OUT* RESTRICT y, int size, int inner,
                            int count) {
  LOCAL REGISTER(T) values[BLOCK];
  LOCAL int places[BLOCK];
  int i = BLOCK_X, lane = LANE_X;
  x += i / inner * size * inner + i % inner;
  REGISTER(T) best = 0;
  int place = -1;
  for (int k = lane; k < size; k += BLOCK) {
    REGISTER(T) value = LOAD(T, x, k * inner);
    if (IS_NAN(value) || (place >= 0 && !EXCEEDS(value, best))) continue;
    best = value;
    place = k;
  }
  values[lane] = best;
  places[lane] = place;
  BARRIER;
  for (int width = BLOCK / 2; width > 0; width /= 2) {
    if (lane < width) {
      REGISTER(T) value = values[lane + width];
      int other = places[lane + width], own = places[lane];
      int better = own < 0 || EXCEEDS(value, values[lane]) ||
                   (value == values[lane] && other < own);
      if (other >= 0 && better) {
        values[lane] = value;
        places[lane] = other;
      }
    }
    BARRIER;
  }
  if (lane == 0) y[i] = max(places[0], 0);
}

// Whether a, at place i, comes before b, at place j.
INLINE int precedes(REGISTER(T) a, int i, REGISTER(T) b, int j) {
  if (IS_NAN(a) || IS_NAN(b)) return IS_NAN(a) == IS_NAN(b) ? i < j : IS_NAN(b);
  return a > b || (a == b && i < j);
}

// x: [rows, size]; values, places: [rows, k]. One thread an element of x, of which there are count:
// it counts those before it.
KERNEL top_k_by_rank(const T* RESTRICT x, T* RESTRICT values, PLACE* RESTRICT places, int size,
                     int k, int count) {
  int i = THREAD_X;
  if (i >= count) return;
  int row = i / size, own = i % size, before = 0;
  x += row * size;
  REGISTER(T) value = LOAD(T, x, own);
  for (int j = 0; j < size && before < k; j++) before += precedes(LOAD(T, x, j), j, value, own);
  if (before < k) {
    STORE(T, values, row * k + before, value);
    places[row * k + before] = own;
  }
}
