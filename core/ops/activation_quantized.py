"""Quantised activations: for a node, its function of stored integers (int64 arrays)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..dtypes import INTEGER_RANGE
from ..errors import OpError
from ..graph import Array
from ..schema.enums import TensorType as T
from ..schema.options import GeluOptions, LeakyReluOptions
from . import fixed_point
from .checks import options_of
from .context import OpContext
from .elementwise_quantized import require_centered, rescaling, rounded_log2, saturated
from .erf import exact_erfc
from .lookup import Binary, Unary
from .quantized import (
    Int64s,
    per_tensor,
    quantize,
    quantize_multiplier,
    rounding_right_shift,
)
from .unary_quantized import in_double, of_reals


def ratio(*scales: float) -> float:
    """The product of all scales but the last, over the last, in float32 from left to right."""
    product = np.float32(scales[0])
    for scale in scales[1:-1]:
        product = product * np.float32(scale)
    return float(product / np.float32(scales[-1]))


def rectifier(ctx: OpContext, *, low: float, high: float) -> Unary:
    source, target = ctx.tensor(0), ctx.output_tensor()
    require_centered(source, target)
    (scale_x, zero_x), (scale_y, zero_y) = per_tensor(source), per_tensor(target)
    smallest, largest = INTEGER_RANGE[target.dtype]

    def stored_limit(real: float) -> int:
        return int(quantize(np.asarray(real), scale_y, zero_y, T.INT32))

    smallest = max(smallest, stored_limit(low))
    largest = largest if high == math.inf else min(largest, stored_limit(high))
    rescale = rescaling(ratio(scale_x, scale_y))

    def stored(x: Array) -> Array:
        limited: Array = np.minimum(np.maximum(rescale(x - zero_x) + zero_y, smallest), largest)
        return limited

    return stored


def leaky_relu(ctx: OpContext) -> Unary:
    source, target = ctx.tensor(0), ctx.output_tensor()
    require_centered(source, target)
    (scale_x, zero_x), (scale_y, zero_y) = per_tensor(source), per_tensor(target)
    low, high = INTEGER_RANGE[target.dtype]
    alpha = options_of(ctx, LeakyReluOptions).alpha
    above = rescaling(ratio(scale_x, scale_y))
    below = rescaling(ratio(scale_x, abs(alpha), scale_y))
    sign = -1 if alpha < 0 else 1

    def stored(x: Array) -> Array:
        value = x - zero_x
        scaled = np.where(value >= 0, above(value), sign * below(value))
        return saturated(scaled + zero_y, low, high)

    return stored


def prelu(ctx: OpContext) -> Binary:
    source, slope, target = ctx.tensor(0), ctx.tensor(1), ctx.output_tensor()
    (scale_x, zero_x), (scale_a, zero_a) = per_tensor(source), per_tensor(slope)
    scale_y, zero_y = per_tensor(target)
    low, high = INTEGER_RANGE[target.dtype]
    above = rescaling(ratio(scale_x, scale_y))
    below = rescaling(ratio(scale_x, scale_a, scale_y))

    def stored(x: Array, alpha: Array) -> Array:
        value = x - zero_x
        scaled = np.where(value >= 0, above(value), below(value * (alpha - zero_a)))
        return saturated(scaled + zero_y, low, high)

    return stored


def hard_swish(ctx: OpContext) -> Unary:
    """x * relu6(x + 3) / 6 in 16-bit fixed point: x on 2^7 finer steps, the factor in [0, 1]."""
    (scale_x, zero_x), (scale_y, zero_y) = (
        per_tensor(ctx.tensor(0)),
        per_tensor(ctx.output_tensor()),
    )
    low, high = INTEGER_RANGE[ctx.dtype()]
    fine_scale = np.float32(1 / 128) * np.float32(scale_x)
    output_multiplier, output_shift = quantize_multiplier16(float(fine_scale / np.float32(scale_y)))
    if output_shift > 0:
        raise OpError(f"the input's scale {scale_x} is too large for the output's {scale_y}")
    factor_scale = np.float32(3) / np.float32(32768)
    factor_multiplier, factor_shift = quantize_multiplier16(float(fine_scale / factor_scale))

    def stored(x: Array) -> Array:
        fine = (x - zero_x) << 7
        value = fixed_point.multiply(fine, output_multiplier, 16)
        factor = fine
        if factor_shift > 0:
            factor = fixed_point.rescale(factor, min(factor_shift, 32) - 1, 16)
        factor = fixed_point.multiply(factor, factor_multiplier, 16)
        factor = fixed_point.rescale(factor, min(factor_shift, 1), 16)
        factor = (factor + (1 << 15)) >> 1
        product = factor * value
        truncated = np.sign(product) * (np.abs(product) >> 15)
        return saturated(rounding_right_shift(truncated, -output_shift) + zero_y, low, high)

    return stored


def quantize_multiplier16(real: float) -> tuple[int, int]:
    """`quantize_multiplier` with the multiplier rounded to 16 bits."""
    multiplier, shift = quantize_multiplier(real)
    return min((multiplier + (1 << 15)) >> 16, 2**15 - 1), shift


def elu(ctx: OpContext) -> Unary:
    below = in_double(np.expm1)
    return of_reals(ctx, lambda x: np.where(x < 0, below(x), x))


def gelu(ctx: OpContext) -> Unary:
    tanh, half = in_double(np.tanh), np.float32(0.5)
    scale, cubic = np.float32((2 / math.pi) ** 0.5), np.float32(0.044715)

    def by_tanh(x: Array) -> Array:
        return half * x * (np.float32(1) + tanh(scale * (x + cubic * x * x * x)))

    def by_erfc(x: Array) -> Array:
        tail = exact_erfc(x * np.float32(-math.sqrt(0.5))).astype(np.float32)
        return half * x * tail

    return of_reals(ctx, by_tanh if options_of(ctx, GeluOptions).approximate else by_erfc)


def logistic8(ctx: OpContext) -> Unary:
    scale = per_tensor(ctx.output_tensor())[0]
    ctx.require(scale == 1 / 256, lambda: f"the output's scale is {scale}; expected 1/256")
    decay, one = in_double(np.exp), np.float32(1)
    return of_reals(ctx, lambda x: one / (one + decay(-x)))


def tanh8(ctx: OpContext) -> Unary:
    return of_reals(ctx, in_double(np.tanh))


def sigmoid_samples() -> Int64s:
    """sigmoid(i / 24) * 2^16, each sample half as far above the curve as chords lie below it."""
    s = 1 / (1 + np.exp(-np.arange(256) / 24))
    curvature = s * (1 - s) * (2 * s - 1)
    samples = np.floor(2**16 * (s + curvature / (16 * 24**2)) + 0.5).astype(np.int64)
    samples[-1] = 2**16 - 1
    return samples


SIGMOID = sigmoid_samples()


def sigmoid_of(size: Array, step_bits: int) -> Int64s:
    """The sigmoid in units of 2^-(16 + step_bits) at size >= 0, in units of 2^-step_bits / 24."""
    index = np.minimum(size >> step_bits, 254)
    low, high = SIGMOID[index], SIGMOID[index + 1]
    rest = size & ((1 << step_bits) - 1)
    value: Int64s = (low << step_bits) + rest * (high - low)
    return value


def on_sigmoid_grid(ctx: OpContext, power_of_two_shifts: tuple[int, ...]) -> Unary:
    """int16 inputs in units of 1 / (3 * 2^12): shifted for a power of two, else multiplied."""
    source, target = ctx.tensor(0), ctx.output_tensor()
    require_centered(source, target)
    scale = per_tensor(target)[0]
    if rounded_log2(scale) != -15:
        raise OpError(f"the output's scale is {scale}; expected 1/32768")
    scale = per_tensor(source)[0]
    log2 = rounded_log2(scale)
    if log2 is not None and 12 + log2 in power_of_two_shifts:
        return lambda x: x * (3 << (12 + log2))
    multiplier, shift = scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        shift += 1
        multiplier *= 2.0
    factor = int(min(multiplier, 2.0**31 - 1))
    if factor == 0:
        return lambda x: x * 3 << shift
    half = (1 << shift) >> 1
    return lambda x: (x * factor + half).astype(np.int32).astype(np.int64) >> shift


def logistic16(ctx: OpContext) -> Unary:
    scale = per_tensor(ctx.output_tensor())[0]
    ctx.require(scale == 1 / 32768, lambda: f"the output's scale is {scale}; expected 1/32768")
    grid = on_sigmoid_grid(ctx, (0,))

    def stored(x: Array) -> Array:
        value = grid(x)
        size = np.abs(value)
        result = np.where(size >> 9 >= 255, 0x7FFF << 10, sigmoid_of(size, 9))
        half = 1 << 9
        return np.where(value >= 0, result + half, (1 << 25) - result + half - 1) >> 10

    return stored


def tanh16(ctx: OpContext) -> Unary:
    """2 * sigmoid(2 x) - 1."""
    grid = on_sigmoid_grid(ctx, (0, 1))

    def stored(x: Array) -> Array:
        value = grid(x)
        size = np.abs(value)
        result = np.where(size >> 8 >= 255, 0xFFFF << 8, sigmoid_of(size, 8)) - (1 << 23)
        half = 1 << 7
        return np.where(value >= 0, result + half, -result + half - 1) >> 8

    return stored


LOGISTIC: dict[T, Callable[[OpContext], Unary]] = {
    T.INT8: logistic8,
    T.UINT8: logistic8,
    T.INT16: logistic16,
}
TANH: dict[T, Callable[[OpContext], Unary]] = {T.INT8: tanh8, T.UINT8: tanh8, T.INT16: tanh16}
