"""Arithmetic on quantised tensors: for a node, its function of stored integers (int64 arrays).

Every function checks the node's scales and returns f(a, b) -> results within the output's range.
Scales are multiplied and divided in float32 where the reference does so.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..errors import OpError
from ..graph import Array, Tensor
from ..schema.enums import ActivationFunctionType
from ..schema.enums import TensorType as T
from . import fixed_point
from .context import OpContext
from .lookup import Binary, Unary
from .quantized import (
    Int64s,
    activation_range,
    doubling_high_multiply,
    multiply_by_quantized_multiplier,
    per_tensor,
    quantize_multiplier,
    rounding_right_shift,
)


def rescaling(real: float) -> Unary:
    """x * real in fixed point."""
    multiplier, shift = quantize_multiplier(real)
    return lambda x: multiply_by_quantized_multiplier(x, multiplier, shift)


def saturated(x: Array, low: int, high: int) -> Array:
    limited: Array = np.clip(x, low, high)
    return limited


def output_range(ctx: OpContext) -> tuple[int, int]:
    """The range of the stored output under the node's fused activation."""
    activation = getattr(ctx.options, "fused_activation_function", ActivationFunctionType.NONE)
    return activation_range(activation, ctx.output_tensor())


def require_centered(*tensors: Tensor) -> None:
    for tensor in tensors:
        zero_point = per_tensor(tensor)[1]
        if tensor.dtype == T.INT16 and zero_point != 0:
            raise OpError(f"int16 tensor {tensor.name!r} has zero point {zero_point}; expected 0")


def operands(ctx: OpContext) -> tuple[Tensor, Tensor, Tensor]:
    tensors = ctx.tensor(0), ctx.tensor(1), ctx.output_tensor()
    require_centered(*tensors)
    return tensors


def on_common_scale(
    ctx: OpContext, combine: Callable[[Array, Array], Array], left_shift: int, degree: int
) -> Binary:
    """combine(a, b) of operands brought to twice the larger scale, with `left_shift` bits more.

    `combine` is homogeneous of `degree`: 1 for sums, 2 for squares.
    """
    first, second, target = operands(ctx)
    (scale_a, zero_a), (scale_b, zero_b) = per_tensor(first), per_tensor(second)
    scale_y, zero_y = per_tensor(target)
    twice = float(2 * np.float32(max(scale_a, scale_b)))
    rescale_a, rescale_b = rescaling(scale_a / twice), rescaling(scale_b / twice)
    unit = float(np.float32(1 << (degree * left_shift)) * np.float32(scale_y))
    rescale_y = rescaling(twice**degree / unit)
    low, high = output_range(ctx)

    def stored(a: Array, b: Array) -> Array:
        left = rescale_a((a - zero_a) << left_shift)
        right = rescale_b((b - zero_b) << left_shift)
        return saturated(rescale_y(combine(left, right)) + zero_y, low, high)

    return stored


def rounded_log2(scale: float) -> int | None:
    """log2 of a scale that is a power of two within the reference's tolerance, else None."""
    log2 = np.float32(math.log(scale)) * np.float32(1 / np.float32(math.log(2)))
    rounded = math.floor(float(log2) + 0.5)
    return rounded if abs(float(log2) - rounded) < 1e-3 else None


def power_of_two_shifts(ctx: OpContext) -> tuple[int, int] | None:
    """How far int16 operands are shifted right where every scale is a power of two, else None."""
    if ctx.dtype(0) != T.INT16 or not getattr(ctx.options, "pot_scale_int16", False):
        return None
    logs = [rounded_log2(per_tensor(t)[0]) for t in operands(ctx)]
    if any(log is None for log in logs):
        return None
    a, b, y = (int(log) for log in logs if log is not None)
    if not (a <= y and b <= y and y in (a, b)):
        raise OpError(
            f"scales are 2^{a}, 2^{b} and 2^{y}; "
            "expected one input on the output's scale and the other not above it"
        )
    return y - a, y - b


def sum_or_difference(ctx: OpContext, combine: Callable[[Array, Array], Array]) -> Binary:
    shifts = power_of_two_shifts(ctx)
    if shifts is None:
        return on_common_scale(ctx, combine, 15 if ctx.dtype(0) == T.INT16 else 20, degree=1)
    shift_a, shift_b = shifts
    low, high = output_range(ctx)

    def stored(a: Array, b: Array) -> Array:
        exact = combine(rounding_right_shift(a, shift_a), rounding_right_shift(b, shift_b))
        return saturated(exact, low, high)

    return stored


def add(ctx: OpContext) -> Binary:
    return sum_or_difference(ctx, np.add)


def subtract(ctx: OpContext) -> Binary:
    return sum_or_difference(ctx, np.subtract)


def squared_difference(ctx: OpContext) -> Binary:
    def squared(a: Array, b: Array) -> Array:
        square: Array = np.square(a - b)
        return square

    return on_common_scale(ctx, squared, 7, degree=2)


def narrows(ctx: OpContext) -> bool:
    """Whether the node is MUL of int16 with a result of 8 bits, both inputs in units of 2^-15."""
    return ctx.dtype(0) == ctx.dtype(1) == T.INT16 and ctx.output_dtype() in (T.INT8, T.UINT8)


def multiply(ctx: OpContext) -> Binary:
    low, high = output_range(ctx)
    if narrows(ctx):
        offset = per_tensor(ctx.output_tensor())[1]

        def narrowed(a: Array, b: Array) -> Array:
            product = rounding_right_shift(fixed_point.multiply(a, b, 16), 8)
            return saturated(product + offset, low, high)

        return narrowed
    first, second, target = operands(ctx)
    (scale_a, zero_a), (scale_b, zero_b) = per_tensor(first), per_tensor(second)
    scale_y, zero_y = per_tensor(target)
    rescale = rescaling(float(np.float32(scale_a) * np.float32(scale_b) / np.float32(scale_y)))
    return lambda a, b: saturated(rescale((a - zero_a) * (b - zero_b)) + zero_y, low, high)


def divide(ctx: OpContext) -> Binary:
    """The quotient by the divisor's fixed-point reciprocal; a divisor of 0 counts as 1."""
    first, second, target = (ctx.tensor(0), ctx.tensor(1), ctx.output_tensor())
    (scale_a, zero_a), (scale_b, zero_b) = per_tensor(first), per_tensor(second)
    scale_y, zero_y = per_tensor(target)
    real = np.float32(scale_a) / (np.float32(scale_b) * np.float32(scale_y))
    multiplier, shift = quantize_multiplier(float(real))
    low, high = output_range(ctx)

    def stored(a: Array, b: Array) -> Array:
        divisor = b - zero_b
        dividend = np.where(divisor < 0, zero_a - a, a - zero_a)
        inverse, bits = fixed_point.reciprocal(np.maximum(np.abs(divisor), 1), 31)
        headroom = leading_sign_bits(dividend)
        quotient = doubling_high_multiply(dividend << headroom, inverse)
        scaled = x86_rounding_right_shift(
            doubling_high_multiply(quotient, multiplier), bits + headroom - shift
        )
        return saturated(scaled + zero_y, low, high)

    return stored


def leading_sign_bits(x: Array) -> Int64s:
    """By how much each int32 value can be shifted left."""
    return 31 - fixed_point.bit_length(np.where(x < 0, ~x, x))


def x86_rounding_right_shift(x: Array, exponent: Array) -> Int64s:
    """The reference's x / 2^exponent of int32 x, counts past 31 included.

    Division makes such counts of dividends near 0; x86 takes them modulo the word's size.
    """
    mask = ((np.int64(1) << (exponent & 63)) - 1).astype(np.int32).astype(np.int64)
    up = (x & mask) > (mask >> 1) + (x < 0)
    shifted: Int64s = (x >> (exponent & 31)) + up
    return shifted
