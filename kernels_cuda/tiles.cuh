#include "common.cuh"
// Sums of products by tiles: rows of a left operand times rows of a right one, along their depth.
// In shared memory both are rows of TILE_WORDS words of 32 bits, PACK elements a word: float or int
// (1), half (2), int8 (4). A block makes TILE_M x TILE_N sums, a warp WARP_M x WARP_N of them, on
// tensor cores if TENSOR. The tiles of STAGES steps are there or on their way at a time. RESIDENT
// blocks are to fit a multiprocessor. RIGHT_ROUNDED: the host has rounded the right operand.
#ifndef PACK
#define PACK 1
#endif
#ifndef TENSOR
#define TENSOR 0
#endif
#ifndef WARPS_M
#define WARPS_M 2
#define WARPS_N 2
#define WARP_M 32
#define WARP_N 32
#endif
#ifndef TILE_WORDS
#define TILE_WORDS 16
#endif
#ifndef STAGES
#define STAGES 2
#endif
#if !defined(RESIDENT) || __CUDA_ARCH__ < 800
#undef RESIDENT
#define RESIDENT 1
#endif
#ifndef RIGHT_ROUNDED
#define RIGHT_ROUNDED 0
#endif

#define THREADS (WARP * WARPS_M * WARPS_N)
#define TILE_M (WARPS_M * WARP_M)
#define TILE_N (WARPS_N * WARP_N)
#define STEP (TILE_WORDS * PACK)
#define BOUNDS __launch_bounds__(WARP* WARPS_M* WARPS_N, RESIDENT)
#define WARP_X (LANE_X / WARP)
#define LANE (LANE_X % WARP)

// A thread holds the sums of HELD rows and RUN neighbouring columns.
#if TENSOR
#define HELD (WARP_M / 8)
#define RUN (WARP_N / 4)
#define RUN_LANE (LANE % 4)
#define HELD_ROW(i) (LANE / 4 + (i) * 8)
#else
#define HELD (WARP_M / 4)
#define RUN (WARP_N / 8)
#define RUN_LANE (LANE % 8)
#define HELD_ROW(i) (LANE / 8 + (i) * 4)
#endif
#define SUM_ROW(i) (WARP_X / WARPS_N * WARP_M + HELD_ROW(i))
#define SUM_COLUMN (WARP_X % WARPS_N * WARP_N + RUN_LANE * RUN)

// Four words more than are used, so that neighbouring rows lie in different banks.
struct alignas(16) Row {
  uint words[TILE_WORDS + 4];
};

// Where column n of a tile lies, so that what a thread reads for its RUN is in different banks.
INLINE int row_of_column(int n) {
  int run = n % WARP_N / RUN, j = n % RUN;
#if TENSOR
  return n / WARP_N * WARP_N + j / 2 * 8 + run * 2 + j % 2;
#else
  return n / WARP_N * WARP_N + j * 8 + run;
#endif
}

// Asynchronous copies to shared memory, in groups; zeros where nothing is live. Where there are
// none, the copies are done at once.
#if !defined(__CUDA_ON_CPU__) && __CUDA_ARCH__ >= 800
template <int WORDS> INLINE void copy_async(uint* to, const void* from, bool live) {
  uint at = (uint)__cvta_generic_to_shared(to);
  int size = live ? WORDS * 4 : 0;
  if (WORDS == 4) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(size));
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(at), "l"(from),
                 "n"(WORDS * 4), "r"(size));
  }
}
INLINE void commit_async() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int PENDING> INLINE void wait_async() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}
#else
template <int WORDS> INLINE void copy_async(uint* to, const void* from, bool live) {
  Pack<uint, WORDS> words = {};
  if (live) words = load_pack<WORDS>(static_cast<const uint*>(from));
  store_pack<WORDS>(to, words);
}
INLINE void commit_async() {}
template <int PENDING> INLINE void wait_async() {}
#endif

// What a register holds of an element, by the type of its sums; its word where that holds one
// alone, the bits of one of several.
INLINE float element_of(float sum) { return sum; }
INLINE int element_of(int sum) { return sum; }
INLINE int element_of(long sum) { return (int)sum; }
typedef decltype(element_of((ACC_T)0)) Element;
INLINE uint word_of(float v) { return (uint)as_int(v); }
INLINE uint word_of(int v) { return (uint)v; }
INLINE uint bits_of(const half& v) { return *reinterpret_cast<const ushort*>(&v); }
INLINE uint bits_of(char v) { return (uchar)v; }
INLINE half half_of(uint bits) {
  ushort low = (ushort)bits;
  return *reinterpret_cast<half*>(&low);
}

// Adds the products of two words.
#if PACK == 4
INLINE void add_products(int& sum, uint a, uint b) { sum = __dp4a((int)a, (int)b, sum); }
#elif PACK == 2
INLINE void add_products(float& sum, uint a, uint b) {
  sum = fmaf(half_of(a), half_of(b), sum);
  sum = fmaf(half_of(a >> 16), half_of(b >> 16), sum);
}
#else
INLINE void add_products(float& sum, uint a, uint b) {
  sum = fmaf(as_float((int)a), as_float((int)b), sum);
}
INLINE void add_products(int& sum, uint a, uint b) { sum += (int)a * (int)b; }
INLINE void add_products(long& sum, uint a, uint b) { sum += (long)(int)a * (int)b; }
#endif

#if TENSOR

// c += a b, 16 x 8 words times 8 words x 8: of a warp, c0 and c1 are columns 2 * (lane % 4) and the
// next one of row lane / 4, c2 and c3 of 8 rows below.
#ifdef __CUDA_ON_CPU__
INLINE void multiply_fragments(ACC_T& c0, ACC_T& c1, ACC_T& c2, ACC_T& c3, const uint (&a)[4],
                               uint b0, uint b1) {
  LOCAL uint left[WARPS_M * WARPS_N][16][8], right[WARPS_M * WARPS_N][8][8];
  int row = LANE / 4, word = LANE % 4;
  for (int i = 0; i < 4; i++) left[WARP_X][row + i % 2 * 8][word + i / 2 * 4] = a[i];
  right[WARP_X][row][word] = b0;
  right[WARP_X][row][word + 4] = b1;
  __syncwarp();
  for (int k = 0; k < 8; k++) {
    uint first = right[WARP_X][word * 2][k], second = right[WARP_X][word * 2 + 1][k];
    add_products(c0, left[WARP_X][row][k], first);
    add_products(c1, left[WARP_X][row][k], second);
    add_products(c2, left[WARP_X][row + 8][k], first);
    add_products(c3, left[WARP_X][row + 8][k], second);
  }
  __syncwarp();
}
#else
#if PACK == 4
#define SUM_REGISTER "+r"
#else
#define SUM_REGISTER "+f"
#endif
#define MULTIPLY_FRAGMENTS(instruction)                                                       \
  asm volatile(instruction " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"           \
               : SUM_REGISTER(c0), SUM_REGISTER(c1), SUM_REGISTER(c2), SUM_REGISTER(c3)       \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1))
#define MULTIPLY_HALF(instruction, left0, left1, right)                                       \
  asm volatile(instruction " {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"                    \
               : "+f"(c0), "+f"(c1), "+f"(c2), "+f"(c3)                                       \
               : "r"(left0), "r"(left1), "r"(right))
#define MULTIPLY_QUARTER(instruction, first, second, left, right)                             \
  asm volatile(instruction " {%0,%1}, {%2}, {%3}, {%0,%1};"                                   \
               : "+r"(first), "+r"(second)                                                    \
               : "r"(left), "r"(right))
INLINE void multiply_fragments(ACC_T& c0, ACC_T& c1, ACC_T& c2, ACC_T& c3, const uint (&a)[4],
                               uint b0, uint b1) {
#if PACK == 1
  MULTIPLY_FRAGMENTS("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32");
#elif PACK == 2 && __CUDA_ARCH__ >= 800
  MULTIPLY_FRAGMENTS("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32");
#elif PACK == 2
  MULTIPLY_HALF("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", a[0], a[1], b0);
  MULTIPLY_HALF("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", a[2], a[3], b1);
#elif __CUDA_ARCH__ >= 800
  MULTIPLY_FRAGMENTS("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32");
#else
  MULTIPLY_QUARTER("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32", c0, c1, a[0], b0);
  MULTIPLY_QUARTER("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32", c0, c1, a[2], b1);
  MULTIPLY_QUARTER("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32", c2, c3, a[1], b0);
  MULTIPLY_QUARTER("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32", c2, c3, a[3], b1);
#endif
}
#endif

// The nearest TF32, ties away from zero; words of other types as they are.
INLINE uint rounded(uint word) {
#if PACK > 1
  return word;
#elif defined(__CUDA_ON_CPU__)
  return (word + 0x1000) & ~0x1FFFu;
#else
  uint tf32;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(tf32) : "f"(as_float((int)word)));
  return tf32;
#endif
}

// 16 rows by 8 words from word k, in the order in which fragments take them: of a warp, words
// lane % 4 and lane % 4 + 4 of rows lane / 4 and lane / 4 + 8; the row changes first if !IS_RIGHT.
template <bool IS_RIGHT> INLINE void load_fragment(uint (&words)[4], const Row* rows, int k) {
#ifdef __CUDA_ON_CPU__
  for (int i = 0; i < 4; i++) {
    int row = IS_RIGHT ? i / 2 : i % 2, word = IS_RIGHT ? i % 2 : i / 2;
    words[i] = rows[LANE / 4 + row * 8].words[k + LANE % 4 + word * 4];
  }
#else
  int row = IS_RIGHT ? LANE / 16 * 8 + LANE % 8 : LANE % 16;
  int word = LANE / (IS_RIGHT ? 8 : 16) % 2;
  uint at = (uint)__cvta_generic_to_shared(&rows[row].words[k + word * 4]);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(at));
#endif
#pragma unroll
  for (int i = 0; i < 4; i++)
    if (!IS_RIGHT || !RIGHT_ROUNDED) words[i] = rounded(words[i]);
}

INLINE void add_tile(ACC_T (&sums)[HELD][RUN], const Row* left, const Row* right) {
#pragma unroll
  for (int k = 0; k < TILE_WORDS; k += 8) {
    uint b[WARP_N / 16][4];
#pragma unroll
    for (int j = 0; j < WARP_N / 16; j++) load_fragment<true>(b[j], right + j * 16, k);
#pragma unroll
    for (int i = 0; i < HELD; i += 2) {
      uint a[4];
      load_fragment<false>(a, left + i * 8, k);
#pragma unroll
      for (int j = 0; j < RUN; j += 2)
        multiply_fragments(sums[i][j], sums[i][j + 1], sums[i + 1][j], sums[i + 1][j + 1], a,
                           b[j / 4][j % 4], b[j / 4][j % 4 + 1]);
    }
  }
}

#else

INLINE void add_tile(ACC_T (&sums)[HELD][RUN], const Row* left, const Row* right) {
#pragma unroll
  for (int k = 0; k < TILE_WORDS; k += 4) {
    Pack<uint, 4> b[RUN];
#pragma unroll
    for (int j = 0; j < RUN; j++) b[j] = load_pack<4>(right[RUN_LANE + j * 8].words + k);
#pragma unroll
    for (int i = 0; i < HELD; i++) {
      Pack<uint, 4> a = load_pack<4>(left[HELD_ROW(i)].words + k);
#pragma unroll
      for (int e = 0; e < 4; e++)
#pragma unroll
        for (int j = 0; j < RUN; j++) add_products(sums[i][j], a.v[e], b[j].v[e]);
    }
  }
}

#endif

// The pieces of WORDS words that this thread brings of a tile of SIDE rows, COUNT of them.
// Neighbouring threads bring neighbouring words of a row, or of neighbouring rows if ALONG_ROWS.
template <int SIDE, int WORDS, bool ALONG_ROWS = false> struct Pieces {
  static constexpr int PER_ROW = TILE_WORDS / WORDS;
  static constexpr int ALL = SIDE * PER_ROW;
  static constexpr int COUNT = (ALL + THREADS - 1) / THREADS;
  INLINE int word(int p) {
    return (ALONG_ROWS ? (LANE_X + p * THREADS) / SIDE : LANE_X % PER_ROW) * WORDS;
  }
  INLINE int row(int p) {
    return ALONG_ROWS ? (LANE_X + p * THREADS) % SIDE : LANE_X / PER_ROW + p * (THREADS / PER_ROW);
  }
  INLINE bool has(int p) { return ALL % THREADS == 0 || LANE_X + p * THREADS < ALL; }
};

// A right operand that the host has packed: [steps, columns, TILE_WORDS], `columns` in whole tiles.
struct Packed {
  typedef Pieces<TILE_N, 4> Mine;
  const uint* from;
  int step_words;
  METHOD Packed(const void* words, int columns, int first_column, int first_step)
      : step_words(columns * TILE_WORDS) {
    from = static_cast<const uint*>(words) + (long)first_step * step_words;
    from += (first_column + Mine::row(0)) * TILE_WORDS + Mine::word(0);
  }
  METHOD void fetch(Row* to) {
#pragma unroll
    for (int p = 0; p < Mine::COUNT; p++) {
      if (!Mine::has(p)) continue;
      uint* word = to[row_of_column(Mine::row(p))].words + Mine::word(p);
      copy_async<4>(word, from + p * THREADS * 4, true);
    }
    from += step_words;
  }
  METHOD void keep(Row* to) {}
};

// The sums over `steps` tiles. An operand's `fetch` begins to bring its next tile, `keep` puts
// there what is in registers yet.
template <class Left, class Right>
INLINE void sum_products(ACC_T (&sums)[HELD][RUN], Left& left, Right& right, int steps,
                         Row (*tiles)[TILE_M + TILE_N]) {
#pragma unroll
  for (int i = 0; i < HELD; i++)
#pragma unroll
    for (int j = 0; j < RUN; j++) sums[i][j] = 0;
#pragma unroll
  for (int s = 0; s < STAGES - 1; s++) {
    if (s < steps) {
      left.fetch(tiles[s]);
      right.fetch(tiles[s] + TILE_M);
      left.keep(tiles[s]);
      right.keep(tiles[s] + TILE_M);
    }
    commit_async();
  }
  const int first_row = WARP_X / WARPS_N * WARP_M, first_column = WARP_X % WARPS_N * WARP_N;
  for (int s = 0; s < steps; s++) {
    wait_async<STAGES - 2>();
    BARRIER;
    Row* ahead = tiles[(s + STAGES - 1) % STAGES];
    bool more = s + STAGES - 1 < steps;
    if (more) {
      left.fetch(ahead);
      right.fetch(ahead + TILE_M);
    }
    commit_async();
    Row* now = tiles[s % STAGES];
    add_tile(sums, now + first_row, now + TILE_M + first_column);
    if (more) {
      left.keep(ahead);
      right.keep(ahead + TILE_M);
    }
  }
}

// Writes the first `live` of RUN values that lie one after the other from element `first` of y:
// finish(values[j], index), where the index is one of a run if all are live and y's are aligned.
template <class Type, class Value, class Finish>
INLINE void store_run(Type* y, int first, int live, const Value (&values)[RUN], Finish finish) {
  if (live >= RUN && first % RUN == 0) {
    Pack<Type, RUN> results;
#pragma unroll
    for (int j = 0; j < RUN; j++) results.v[j] = finish(values[j], RunIndex<RUN>{first, j});
    store_pack<RUN>(y + first, results);
    return;
  }
#pragma unroll
  for (int j = 0; j < RUN; j++)
    if (j < live) y[first + j] = finish(values[j], first + j);
}
