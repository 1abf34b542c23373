"""Fixed-point arithmetic of quantised operators, as the reference kernels define it, in one place.

A real multiplier m is held as an int32 `multiplier` in [2^30, 2^31) and a `shift`:
m = multiplier * 2^(shift - 31).
The reference rounds twice: a saturating doubling high multiply, then a rounding right shift
(Jacob et al. 2017, arXiv:1712.05877, section 2.2, as in gemmlowp's fixedpoint.h).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..dtypes import INTEGER_RANGE
from ..errors import OpError
from ..graph import Array, Tensor
from ..schema.enums import ActivationFunctionType, TensorType
from .fused import float_clamp

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]

# Not a half itself, which would carry 0.49999997 to 1.
ALMOST_HALF = np.nextafter(np.float32(0.5), np.float32(0))


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) with real = multiplier * 2^(shift - 31); (0, 0) where it underflows."""
    if real == 0.0:
        return 0, 0
    if not math.isfinite(real):
        raise OpError(f"the scales give the multiplier {real}; expected a finite one")
    mantissa, shift = math.frexp(real)
    # Rounds half away from zero; round() rounds half to even.
    multiplier = math.floor(abs(mantissa) * 2**31 + 0.5) * (1 if mantissa > 0 else -1)
    if abs(multiplier) == 2**31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    return multiplier, shift


def quantize_multipliers(real: Array) -> tuple[Int32s, Int32s]:
    """`quantize_multiplier` of each element: (multipliers, shifts), both int32."""
    values = np.asarray(real, np.float64).reshape(-1)
    if not np.isfinite(values).all():
        found = values[~np.isfinite(values)][0]
        raise OpError(f"the scales give the multiplier {found}; expected a finite one")
    mantissas, shifts = np.frexp(values)
    multipliers = np.copysign(np.floor(np.abs(mantissas) * 2**31 + 0.5), mantissas)
    carried = np.abs(multipliers) == 2**31
    multipliers = np.where(carried, multipliers / 2, multipliers)
    shifts = shifts + carried
    vanish = shifts < -31
    multipliers, shifts = np.where(vanish, 0, multipliers), np.where(vanish, 0, shifts)
    return multipliers.astype(np.int32), shifts.astype(np.int32)


def doubling_high_multiply(a: Array, b: Array | int) -> Int64s:
    """round(a * b / 2^31) of int32 values held as int64; half rounds up, overflow saturates."""
    product = np.multiply(a, b, dtype=np.int64)
    product += 1 << 30
    product >>= 31
    return np.minimum(product, 2**31 - 1)


def rounding_right_shift(x: Array, exponent: Array | int) -> Int64s:
    """x / 2^exponent rounded to nearest, half away from zero."""
    mask = (np.int64(1) << np.asarray(exponent, np.int64)) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    shifted: Int64s = np.add(x >> exponent, remainder > threshold, dtype=np.int64)
    return shifted


def multiply_by_quantized_multiplier(
    x: Array, multiplier: Array | int, shift: Array | int
) -> Int64s:
    """x * multiplier * 2^(shift - 31) with the reference's two roundings, as int64.

    `x` is int32-valued; `multiplier` and `shift` broadcast against it. The left shift wraps in 32
    bits, as in the reference.
    """
    left = np.maximum(shift, 0) & 31
    right = np.maximum(np.negative(shift), 0)
    shifted = (np.asarray(x, np.int64) << left).astype(np.int32)
    return rounding_right_shift(doubling_high_multiply(shifted, multiplier), right)


def multiply_int64_by_quantized_multiplier(
    x: Array, multiplier: Array | int, shift: Array | int
) -> Int64s:
    """The form for int64 accumulators of int16 operators: 16 bits of the multiplier, one rounding.

    |x| < 2^47; half rounds up; the result wraps in 32 bits.
    """
    reduced = reduced_multiplier(multiplier)
    total = np.maximum(15 - np.asarray(shift, np.int64), 1)
    product = (np.asarray(x, np.int64) * reduced + (np.int64(1) << (total - 1))) >> total
    return product.astype(np.int32).astype(np.int64)


def reduced_multiplier(multiplier: Array | int) -> Int64s:
    """The upper 16 bits of multipliers, rounded, at most 0x7FFF."""
    wide = np.asarray(multiplier, np.int64)
    return np.where(wide < 0x7FFF0000, (wide + (1 << 15)) >> 16, 0x7FFF)


def per_tensor(tensor: Tensor) -> tuple[float, int]:
    """(scale, zero point) of a tensor quantised as a whole; raises OpError where it is not."""
    quant = tensor.quant
    if quant is None or quant.scale.size != 1:
        found = "none" if quant is None else f"{quant.scale.size} scales"
        raise OpError(f"tensor {tensor.name!r} must be quantised per tensor; found {found}")
    scale = float(quant.scale[0])
    if not (scale > 0 and math.isfinite(scale)):
        raise OpError(f"tensor {tensor.name!r} has scale {scale}; expected a finite one above 0")
    return scale, int(quant.zero_point[0]) if quant.zero_point.size else 0


def round_half_away(x: Array) -> Array:
    """Floats rounded to the nearest integer in their own precision, half away from zero."""
    almost_half = np.nextafter(x.dtype.type(0.5), x.dtype.type(0))
    rounded: Array = np.trunc(x + np.copysign(almost_half, x))
    return rounded


def quantize(real: Array, scale: float, zero_point: int, dtype: TensorType) -> Array:
    """round(real / scale) + zero_point saturated to `dtype`, in float32; NaN gives the lowest."""
    low, high = INTEGER_RANGE[dtype]
    rounded = round_half_away(np.asarray(real, np.float32) / np.float32(scale))
    return np.fmin(np.fmax(rounded.astype(np.float64) + zero_point, low), high).astype(np.int64)


def activation_range(activation: ActivationFunctionType, output: Tensor) -> tuple[int, int]:
    """The smallest and largest stored value of `output` under a fused activation.

    The reference knows RELU, RELU6 and RELU_N1_TO_1 and takes every other value for none.
    """
    scale, zero_point = per_tensor(output)
    low, high = INTEGER_RANGE[output.dtype]

    def stored(real: float) -> int:
        return int(quantize(np.asarray(real), scale, zero_point, TensorType.INT32))

    real_low, real_high = float_clamp(activation)
    if real_low != -math.inf:
        low = max(low, stored(real_low))
    if real_high != math.inf:
        high = min(high, stored(real_high))
    return low, high
