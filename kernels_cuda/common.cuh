// What every kernel may use, by the names of common.clh. Needs no header: NVRTC alone compiles it.

// OpenCL's names of types. `long` has 64 bits on every system; such literals are written 1LL. `char`
// is signed, which C++ leaves to the host.
#define long long long
#define ulong unsigned long
typedef unsigned char uchar;
#define char signed char
typedef unsigned short ushort;
typedef unsigned int uint;

#ifndef INT_MAX
#define INT_MAX 0x7FFFFFFF
#define INT_MIN (-INT_MAX - 1)
#endif
#ifndef UINT_MAX
#define UINT_MAX 0xFFFFFFFFu
#endif
#ifndef LONG_MAX
#define LONG_MAX 0x7FFFFFFFFFFFFFFFLL
#define LONG_MIN (-LONG_MAX - 1)
#endif
#ifndef FLT_MAX
#define FLT_MAX 3.402823466e+38f
#endif
#ifndef INFINITY
#define INFINITY __int_as_float(0x7F800000)
#define NAN __int_as_float(0x7FC00000)
#endif

#define KERNEL extern "C" __global__ void
#define GLOBAL
#define LOCAL __shared__
#define METHOD __device__ __forceinline__
#define INLINE static METHOD
#define RESTRICT __restrict__
#define THREAD_X ((int)(blockIdx.x * blockDim.x + threadIdx.x))
#define THREAD_Y ((int)(blockIdx.y * blockDim.y + threadIdx.y))
#define THREAD_Z ((int)(blockIdx.z * blockDim.z + threadIdx.z))
#define LANE_X ((int)threadIdx.x)
#define LANE_Y ((int)threadIdx.y)
#define BLOCK_X ((int)blockIdx.x)
#define BLOCK_Y ((int)blockIdx.y)
#define BLOCK_Z ((int)blockIdx.z)
#define BARRIER __syncthreads()

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

// `half` is a type of storage: it converts to and from float (to nearest even), and does no
// arithmetic of its own. The test device that runs kernels on the CPU has its own.
#ifndef __CUDA_ON_CPU__
struct half {
  ushort bits;
  half() = default;
  __device__ __forceinline__ half(float v) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(v)); }
  __device__ __forceinline__ operator float() const {
    float v;
    asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"(bits));
    return v;
  }
};
#endif

// Elements of type T: half is read as float; what is stored is converted to T. A register holds
// REGISTER(T).
template <class Type> INLINE Type loaded(Type x) { return x; }
INLINE float loaded(half x) { return x; }
#define REGISTER(T) decltype(loaded(*(const T*)0))
#define LOAD(T, p, i) element(p, i)
#define STORE(T, p, i, v) ((p)[i] = (T)(v))
#define LOAD_HALF(p, i) ((float)reinterpret_cast<const half*>(p)[i])

// N elements at once, at an address that is a multiple of their size: 16 bytes are one access.
template <class Type, int Count> struct alignas(sizeof(Type) * Count) Pack {
  Type v[Count];
};
template <int Count, class Type> INLINE Pack<Type, Count> load_pack(const Type* p) {
  return *reinterpret_cast<const Pack<Type, Count>*>(p);
}
template <int Count, class Type> INLINE void store_pack(Type* p, const Pack<Type, Count>& pack) {
  *reinterpret_cast<Pack<Type, Count>*>(p) = pack;
}

// An index of a run of elements that begins at a multiple of its length, of which element j is
// meant: where all of them are loaded, that is one access.
template <int Count> struct RunIndex {
  int first, j;
  METHOD operator int() const { return first + j; }
};
template <class Type, class Index> INLINE auto element(const Type* p, Index i) {
  return loaded(p[i]);
}
template <class Type, int Count> INLINE auto element(const Type* p, RunIndex<Count> i) {
  return loaded(load_pack<Count>(p + i.first).v[i.j]);
}

template <class Type> INLINE Type clamp(Type x, Type low, Type high) {
  return min(max(x, low), high);
}
INLINE float as_float(int x) { return __int_as_float(x); }
INLINE int as_int(float x) { return __float_as_int(x); }
INLINE int clz(int x) { return __clz(x); }
INLINE int clz(uint x) { return __clz((int)x); }
INLINE int clz(long x) { return __clzll(x); }
INLINE int clz(ulong x) { return __clzll((long)x); }

// Tells the program, whose flag it is, that its data are wrong.
#define RAISE(flag) atomicOr(flag, 1)

// One rounding each, never contracted to a fused multiply-add.
INLINE float exact_add(float a, float b) { return __fadd_rn(a, b); }
INLINE float exact_subtract(float a, float b) { return __fsub_rn(a, b); }
INLINE float exact_multiply(float a, float b) { return __fmul_rn(a, b); }
INLINE double exact_add(double a, double b) { return __dadd_rn(a, b); }
INLINE double exact_subtract(double a, double b) { return __dsub_rn(a, b); }
INLINE double exact_multiply(double a, double b) { return __dmul_rn(a, b); }

// Over the 32 threads of a warp, all of which take part; every one gets the result, in one order.
#define WARP 32
#define ALL_LANES 0xFFFFFFFFu
template <class Type> INLINE Type warp_sum(Type v) {
  for (int step = 16; step; step /= 2) v += __shfl_xor_sync(ALL_LANES, v, step);
  return v;
}
template <class Type> INLINE Type warp_max(Type v) {
  for (int step = 16; step; step /= 2) v = max(v, __shfl_xor_sync(ALL_LANES, v, step));
  return v;
}
template <class Type> INLINE Type warp_min(Type v) {
  for (int step = 16; step; step /= 2) v = min(v, __shfl_xor_sync(ALL_LANES, v, step));
  return v;
}

// Fixed-point arithmetic of the reference: core/ops/quantized.py is its definition.

// round(a * b / 2^31), half up; the one overflow saturates.
INLINE int doubling_high_multiply(int a, int b) {
  long wide = ((long)a * b + (1LL << 30)) >> 31;
  return wide > INT_MAX ? INT_MAX : (int)wide;
}

// x / 2^exponent, half away from zero.
INLINE int rounding_right_shift(int x, int exponent) {
  int mask = (int)((1LL << exponent) - 1);
  int threshold = (mask >> 1) + (x < 0);
  return (x >> exponent) + ((x & mask) > threshold);
}

// x * multiplier * 2^(shift - 31) with two roundings. Multipliers are greater than INT_MIN, so that
// nothing saturates.
INLINE int rescale(int x, int multiplier, int shift) {
  int left = max(shift, 0), right = max(-shift, 0);
  long wide = (long)(int)((uint)x << left) * multiplier + (1LL << 30);
  return rounding_right_shift((int)(wide >> 31), right);
}

// The form for 64-bit accumulators of int16 operators: a 16-bit multiplier, one rounding.
INLINE long rescale_wide(long x, int multiplier, int shift) {
  long reduced = multiplier < 0x7FFF0000 ? ((long)multiplier + (1 << 15)) >> 16 : 0x7FFF;
  int total = max(15 - shift, 1);
  return (x * reduced + (1LL << (total - 1))) >> total;
}

INLINE int saturate(int x, int low, int high) { return min(max(x, low), high); }

INLINE float real_exp(float x) { return expf(x); }
INLINE float real_tanh(float x) { return tanhf(x); }

// Elementwise functions of floats. Comparisons are written so that NaN stays NaN.

INLINE float limit_below(float x, float low) { return x < low ? low : x; }
INLINE float limit(float x, float low, float high) { return x < low ? low : (x > high ? high : x); }
INLINE float larger(float a, float b) { return a > b || a != a ? a : b; }
INLINE float smaller(float a, float b) { return a < b || a != a ? a : b; }
INLINE float square(float x) { return x * x; }
INLINE int square_int(int x) { return (int)((uint)x * (uint)x); }
INLINE long square_long(long x) { return (long)((ulong)x * (ulong)x); }
INLINE float sign_of(float x) { return x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : x); }
INLINE float hard_swish(float x) { return x * limit(x + 3.0f, 0.0f, 6.0f) / 6.0f; }
INLINE float elu(float x) { return x < 0.0f ? expm1f(x) : x; }
INLINE float leaky_relu(float x, float alpha) { return x > 0.0f ? x : x * alpha; }
INLINE float gelu_erf(float x) { return 0.5f * x * erfcf(-x * 0.70710678118654752f); }
INLINE float gelu_tanh(float x) {
  return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * x * (1.0f + 0.044715f * x * x)));
}
INLINE float floor_modulo(float a, float b) {
  float r = fmodf(a, b);
  return r != 0.0f && (r < 0.0f) != (b < 0.0f) ? r + b : r;
}

// Truncates; beyond the type its nearest value, NaN the largest.
INLINE int int_of(float x) {
  return x >= 2147483648.0f || x != x ? INT_MAX : (x <= -2147483648.0f ? INT_MIN : (int)x);
}

// Beyond the type its nearest value, NaN the largest.
INLINE uint uint_of(float x) {
  return x >= 4294967296.0f || x != x ? UINT_MAX : (x <= 0.0f ? 0u : (uint)x);
}
INLINE long long_of(float x) {
  return x >= 9223372036854775808.0f || x != x ? LONG_MAX
         : (x <= -9223372036854775808.0f ? LONG_MIN : (long)x);
}

// Division of integers; divisors of 0 raise the flag.
INLINE long divisor(long b, GLOBAL int* flag) {
  if (b == 0) RAISE(flag);
  return b == 0 ? 1 : b;
}
INLINE float real_divisor(float b, GLOBAL int* flag) {
  if (b == 0.0f) RAISE(flag);
  return b;
}
INLINE long whole_quotient(long a, long b) { return b == -1 ? (long)(0 - (ulong)a) : a / b; }
INLINE long floor_remainder(long a, long b) {
  long r = b == -1 ? 0 : a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
INLINE long floor_quotient(long a, long b) {
  bool inexact = b != -1 && a % b != 0;
  return whole_quotient(a, b) - (inexact && (a < 0) != (b < 0) ? 1 : 0);
}

// round(x / scale) + zero_point within [low, high], half away from zero; NaN gives low.
INLINE int quantize(float x, float scale, int zero_point, int low, int high) {
  float real = x / scale;
  float rounded = truncf(real + copysignf(0.49999997f, real)) + (float)zero_point;
  return !(rounded > (float)low) ? low : (rounded >= (float)high ? high : (int)rounded);
}

// A sum of quantised products as a real number, rounded after every step.
INLINE float scaled_back(int sum, float scale, float offset) {
  return exact_add(exact_multiply((float)sum, scale), offset);
}

// The index of a broadcast input's element for element i of the output. `sizes` are the output's
// dimensions, then the input's strides (0 where it is broadcast), `rank` of each.
INLINE int broadcast_index(int i, const int* sizes, int rank) {
  int index = 0;
  for (int k = rank - 1; k >= 0; k--) {
    index += i % sizes[k] * sizes[rank + k];
    i /= sizes[k];
  }
  return index;
}

// What a kernel does to a value before it stores it: nothing, unless the delegate fused nodes in.
#ifndef EPILOGUE
#define EPILOGUE(v, i) (v)
#define EPILOGUE_ARGS
#endif
#ifndef OUT_T
#define OUT_T float
#endif

// What makes the result of channel f of a convolution from its sum, and the arguments for it.
#if QUANTIZED && WIDE
#define CHANNEL_ARGS \
  const long *RESTRICT bias, const int *RESTRICT multipliers, const int *RESTRICT shifts, \
      int zero_point, int low, int high
#define CHANNEL_RESULT(sum, f) \
  saturate((int)rescale_wide((long)(sum) + bias[f], multipliers[f], shifts[f]) + zero_point, low, \
           high)
#elif QUANTIZED
#define CHANNEL_ARGS \
  const int *RESTRICT bias, const int *RESTRICT multipliers, const int *RESTRICT shifts, \
      int zero_point, int low, int high
#define CHANNEL_RESULT(sum, f) \
  saturate(rescale((int)(sum) + bias[f], multipliers[f], shifts[f]) + zero_point, low, high)
#else
#define CHANNEL_ARGS const float *RESTRICT bias, float low, float high
#define CHANNEL_RESULT(sum, f) limit((sum) + bias[f], low, high)
#endif
