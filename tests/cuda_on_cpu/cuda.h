// CUDA C++ as far as the kernels use it, for a compiler of the CPU. Includes nothing of the system,
// as each kernel is compiled by itself.
#pragma once
#include "place.h"

#define __CUDA_ON_CPU__ 1
#define __CUDA_ARCH__ 900
#define __host__
#define __device__
#define __global__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __constant__ static const
#define __restrict__ __restrict
#define __align__(n) alignas(n)
#define __launch_bounds__(...)
// One copy is enough, as one block runs at a time. Filled with NaN before each.
#define __shared__ static __attribute__((section("shared_memory")))

#define threadIdx (cuda_on_cpu_place.thread)
#define blockIdx (cuda_on_cpu_place.block)
#define blockDim (cuda_on_cpu_place.block_size)
#define gridDim (cuda_on_cpu_place.grid)
#define warpSize 32

using size_t = decltype(sizeof(0));

// Vectors.

#define VECTORS(T, name)                                                              \
  struct alignas(2 * sizeof(T)) name##2 { T x, y; };                                  \
  struct name##3 { T x, y, z; };                                                      \
  struct alignas(sizeof(T) < 8 ? 4 * sizeof(T) : 16) name##4 { T x, y, z, w; };       \
  static inline name##2 make_##name##2(T x, T y) { return {x, y}; }                   \
  static inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }           \
  static inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
VECTORS(signed char, char)
VECTORS(unsigned char, uchar)
VECTORS(short, short)
VECTORS(unsigned short, ushort)
VECTORS(int, int)
VECTORS(unsigned, uint)
VECTORS(long long, longlong)
VECTORS(unsigned long long, ulonglong)
VECTORS(float, float)
VECTORS(double, double)
#undef VECTORS

// Arithmetic.

#define SMALLER_LARGER(T)                                   \
  static inline T min(T a, T b) { return b < a ? b : a; }   \
  static inline T max(T a, T b) { return a < b ? b : a; }
SMALLER_LARGER(int)
SMALLER_LARGER(unsigned)
SMALLER_LARGER(long long)
SMALLER_LARGER(unsigned long long)
#undef SMALLER_LARGER

#define OF_ONE(name)                                                        \
  static inline float name##f(float x) { return __builtin_##name##f(x); }   \
  static inline float name(float x) { return __builtin_##name##f(x); }      \
  static inline double name(double x) { return __builtin_##name(x); }
#define OF_TWO(name)                                                                     \
  static inline float name##f(float a, float b) { return __builtin_##name##f(a, b); }    \
  static inline float name(float a, float b) { return __builtin_##name##f(a, b); }       \
  static inline double name(double a, double b) { return __builtin_##name(a, b); }
OF_ONE(acos) OF_ONE(acosh) OF_ONE(asin) OF_ONE(asinh) OF_ONE(atan) OF_ONE(atanh) OF_ONE(cbrt)
OF_ONE(ceil) OF_ONE(cos) OF_ONE(cosh) OF_ONE(erf) OF_ONE(erfc) OF_ONE(exp) OF_ONE(exp2)
OF_ONE(expm1) OF_ONE(fabs) OF_ONE(floor) OF_ONE(lgamma) OF_ONE(log) OF_ONE(log10) OF_ONE(log1p)
OF_ONE(log2) OF_ONE(nearbyint) OF_ONE(rint) OF_ONE(round) OF_ONE(sin) OF_ONE(sinh) OF_ONE(sqrt)
OF_ONE(tan) OF_ONE(tanh) OF_ONE(tgamma) OF_ONE(trunc)
OF_TWO(atan2) OF_TWO(copysign) OF_TWO(fmax) OF_TWO(fmin) OF_TWO(fmod) OF_TWO(hypot) OF_TWO(pow)
OF_TWO(remainder)
#undef OF_ONE
#undef OF_TWO
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline float min(float a, float b) { return fminf(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline int abs(int x) { return x < 0 ? -x : x; }
static inline long long abs(long long x) { return x < 0 ? -x : x; }
static inline float abs(float x) { return fabsf(x); }
static inline double abs(double x) { return fabs(x); }
static inline float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
static inline float ldexpf(float x, int n) { return __builtin_ldexpf(x, n); }
static inline float ldexp(float x, int n) { return __builtin_ldexpf(x, n); }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline float rsqrt(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
template <class T> static inline bool isnan(T x) { return x != x; }
template <class T> static inline bool isinf(T x) { return __builtin_isinf(x); }
template <class T> static inline bool isfinite(T x) { return __builtin_isfinite(x); }
template <class T> static inline bool signbit(T x) { return __builtin_signbit(x); }

template <class To, class From> static inline To bits_as(From x) {
  static_assert(sizeof(To) == sizeof(From), "");
  To y;
  __builtin_memcpy(&y, &x, sizeof y);
  return y;
}
static inline float __int_as_float(int x) { return bits_as<float>(x); }
static inline float __uint_as_float(unsigned x) { return bits_as<float>(x); }
static inline int __float_as_int(float x) { return bits_as<int>(x); }
static inline unsigned __float_as_uint(float x) { return bits_as<unsigned>(x); }
static inline double __longlong_as_double(long long x) { return bits_as<double>(x); }
static inline long long __double_as_longlong(double x) { return bits_as<long long>(x); }

// Keeps the compiler from contracting what makes a value with what uses it.
#ifdef __x86_64__
#define IN_REGISTER "+x"
#else
#define IN_REGISTER "+w"
#endif
template <class T> static inline T apart(T x) {
  asm volatile("" : IN_REGISTER(x));
  return x;
}
static inline float __fadd_rn(float a, float b) { return apart(apart(a) + apart(b)); }
static inline float __fsub_rn(float a, float b) { return apart(apart(a) - apart(b)); }
static inline float __fmul_rn(float a, float b) { return apart(a * b); }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __dadd_rn(double a, double b) { return apart(apart(a) + apart(b)); }
static inline double __dsub_rn(double a, double b) { return apart(apart(a) - apart(b)); }
static inline double __dmul_rn(double a, double b) { return apart(a * b); }
static inline long long clock64() {
#ifdef __x86_64__
  return (long long)__builtin_ia32_rdtsc();
#else
  long long ticks;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#endif
}
static inline float __expf(float x) { return expf(x); }
static inline float __logf(float x) { return logf(x); }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
static inline int __float2int_rn(float x) { return (int)rintf(x); }
static inline int __float2int_rz(float x) { return (int)x; }
static inline int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
static inline unsigned __umulhi(unsigned a, unsigned b) {
  return (unsigned)((unsigned long long)a * b >> 32);
}
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) {
  return x ? __builtin_clzll((unsigned long long)x) : 64;
}
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selectors) {
  unsigned long long both = (unsigned long long)b << 32 | a;
  unsigned result = 0;
  for (int i = 0; i < 4; i++) {
    unsigned selector = selectors >> 4 * i & 15;
    unsigned byte = (unsigned)(both >> 8 * (selector & 7)) & 255;
    if (selector & 8) byte = byte & 128 ? 255 : 0;
    result |= byte << 8 * i;
  }
  return result;
}
static inline int __dp4a(int a, int b, int sum) {
  for (int i = 0; i < 4; i++) sum += (int)(signed char)(a >> 8 * i) * (signed char)(b >> 8 * i);
  return sum;
}
static inline unsigned __dp4a(unsigned a, unsigned b, unsigned sum) {
  for (int i = 0; i < 4; i++) sum += (a >> 8 * i & 255) * (b >> 8 * i & 255);
  return sum;
}

// `half` is a type of storage, as in common.cuh.
struct half {
  _Float16 value;
  half() = default;
  half(float v) : value((_Float16)v) {}
  operator float() const { return (float)value; }
};

// Memory.

template <class T> static inline T __ldg(const T* p) { return *p; }
template <class T> static inline T __ldcs(const T* p) { return *p; }
template <class T> static inline void __stcs(T* p, T v) { *p = v; }
static inline void __threadfence() {}
static inline void __threadfence_block() {}

#define ATOMIC(name, expression)                                \
  template <class T> static inline T name(T* p, T v) {          \
    T old = *p;                                                 \
    *p = expression;                                            \
    return old;                                                 \
  }
ATOMIC(atomicAdd, old + v)
ATOMIC(atomicSub, old - v)
ATOMIC(atomicMax, old < v ? v : old)
ATOMIC(atomicMin, v < old ? v : old)
ATOMIC(atomicAnd, old& v)
ATOMIC(atomicOr, old | v)
ATOMIC(atomicXor, old ^ v)
ATOMIC(atomicExch, v)
#undef ATOMIC
template <class T> static inline T atomicCAS(T* p, T expected, T v) {
  T old = *p;
  if (old == expected) *p = v;
  return old;
}

// Waiting for others.

#define __syncthreads() ((void)cuda_on_cpu_barrier(__LINE__, 0))
#define __syncthreads_count(v) cuda_on_cpu_barrier(__LINE__, v)
#define __syncthreads_or(v) (cuda_on_cpu_barrier(__LINE__, v) != 0)
#define __syncthreads_and(v) \
  (cuda_on_cpu_barrier(__LINE__, v) == int(blockDim.x * blockDim.y * blockDim.z))

static inline void __syncwarp(unsigned mask = ~0u) { cuda_on_cpu_exchange(mask, 0); }

// The value of the lane at `from`; the lane's own where `from` is outside of its group of `width`.
template <class T>
static inline T shuffled(unsigned mask, T v, int from, int width) {
  static_assert(sizeof(T) <= 8, "");
  unsigned long long given = 0;
  __builtin_memcpy(&given, &v, sizeof v);
  int lane = (int)cuda_on_cpu_place.lane;
  bool inside = from >= 0 && (from & ~(width - 1)) == (lane & ~(width - 1));
  const unsigned long long* lanes = cuda_on_cpu_exchange(mask, given);
  int source = inside ? from : lane;
  if (!(mask >> source & 1)) cuda_on_cpu_fail("a shuffle reads a lane that is not in its mask");
  T found;
  __builtin_memcpy(&found, &lanes[source], sizeof found);
  return found;
}
#define LANE ((int)cuda_on_cpu_place.lane)
template <class T> static inline T __shfl_sync(unsigned mask, T v, int from, int width = 32) {
  return shuffled(mask, v, (LANE & ~(width - 1)) | (from & (width - 1)), width);
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32) {
  return shuffled(mask, v, LANE ^ bits, width);
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T v, unsigned n, int width = 32) {
  return shuffled(mask, v, LANE + (int)n, width);
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T v, unsigned n, int width = 32) {
  return shuffled(mask, v, LANE - (int)n, width);
}
#undef LANE

static inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const unsigned long long* lanes = cuda_on_cpu_exchange(mask, predicate != 0);
  unsigned found = 0;
  for (int k = 0; k < 32; k++) found |= (unsigned)((mask >> k & 1) && lanes[k]) << k;
  return found;
}
static inline int __any_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) != 0;
}
static inline int __all_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) == mask;
}

// The entry of a library: calls a kernel with arguments that lie at `args`.

namespace cuda_on_cpu {
template <int... I> struct Numbers {};
template <int N, int... I> struct UpTo : UpTo<N - 1, N - 1, I...> {};
template <int... I> struct UpTo<0, I...> { using type = Numbers<I...>; };
template <class T> struct Plain { using type = T; };
template <class T> struct Plain<const T> { using type = T; };

template <class... A, int... I>
static inline void spread(void (*kernel)(A...), void** args, Numbers<I...>) {
  kernel(*static_cast<typename Plain<A>::type*>(args[I])...);
}
template <class... A> static inline void call(void (*kernel)(A...), void** args) {
  spread(kernel, args, typename UpTo<sizeof...(A)>::type());
}
// The bytes of each parameter, and 0.
template <class... A> static inline const unsigned* sizes(void (*)(A...)) {
  static const unsigned found[] = {sizeof(A)..., 0};
  return found;
}
}  // namespace cuda_on_cpu

using PlainChar = char;  // Kernels give `char` another meaning.
extern PlainChar __start_shared_memory[] __attribute__((weak, visibility("hidden")));
extern PlainChar __stop_shared_memory[] __attribute__((weak, visibility("hidden")));

#define CUDA_ON_CPU_ENTRY(kernel)                                                            \
  extern "C" void cuda_on_cpu_entry(void** args) { cuda_on_cpu::call(&kernel, args); }       \
  extern "C" const unsigned* cuda_on_cpu_sizes() { return cuda_on_cpu::sizes(&kernel); }     \
  extern "C" PlainChar* cuda_on_cpu_shared(size_t* size) {                                   \
    *size = __stop_shared_memory - __start_shared_memory;                                    \
    return __start_shared_memory;                                                            \
  }
