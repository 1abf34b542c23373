"""Quantised softmax: for a node, its function of rows of stored integers.

Exponentials of bytes have 5 integer bits, their sums 12, in 32 bits; int16 goes by tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import INTEGER_RANGE, NUMPY
from ..errors import OpError
from ..graph import Array
from ..schema.enums import TensorType as T
from ..schema.options import SoftmaxOptions
from .checks import options_of
from .context import OpContext
from .elementwise_quantized import require_centered
from .fixed_point import (
    bit_length,
    exp_on_negative_values,
    log_of_at_least_one,
    multiply,
    reciprocal,
)
from .lookup import int16_table, interpolated
from .quantized import (
    Int64s,
    multiply_by_quantized_multiplier,
    per_tensor,
    quantize_multiplier,
    rounding_right_shift,
)

OfRows = Callable[[Array, Array], None]
"""f(x, y) writes the result for each row of x into y."""

INTEGER_BITS = 5
SUM_BITS = 12


class Differences:
    """For every difference of a byte to its row's largest, 0 to -255: it scaled, its exponential.

    `kept` tells which are above the reference's threshold, beyond which it takes the result for 0.
    """

    def __init__(self, beta: float, scale: float) -> None:
        real = min(beta * scale * 2 ** (31 - INTEGER_BITS), 2.0**31 - 1)
        if not real > 1:
            raise OpError(f"scale {scale} times beta {beta} is outside of what softmax can scale")
        self.multiplier, self.shift = quantize_multiplier(real)
        radius = ((1 << INTEGER_BITS) - 1) * (1 << (31 - INTEGER_BITS)) / (1 << self.shift)
        self.least = -math.floor(radius)
        difference = -np.arange(256)
        self.kept = difference >= self.least
        scaled = multiply_by_quantized_multiplier(difference, self.multiplier, self.shift)
        self.scaled = np.where(self.kept, scaled, 0)
        self.exp = np.where(self.kept, exp_on_negative_values(self.scaled, INTEGER_BITS, 32), 0)
        self.addend = rounding_right_shift(self.exp, SUM_BITS)


def below_largest(x: Array) -> Array:
    """By how much each element is below the largest of its row."""
    wide = x.astype(np.intp)
    difference: Array = wide.max(axis=-1, keepdims=True) - wide
    return difference


def softmax(ctx: OpContext) -> OfRows:
    if ctx.dtype() == T.INT16:
        return softmax16(ctx)
    target = ctx.output_tensor()
    scale, zero_point = per_tensor(target)
    low, high = INTEGER_RANGE[target.dtype]
    if ctx.dtype() == target.dtype == T.INT8:
        near = abs(scale - 1 / 256) <= 0.001 / 256
        ctx.require(
            zero_point == low and near,
            lambda: (
                f"the output has scale {scale} and zero point {zero_point}; expected 1/256 and -128"
            ),
        )
    table = Differences(options_of(ctx, SoftmaxOptions).beta, per_tensor(ctx.tensor(0))[0])
    result_bits = 8 * NUMPY[target.dtype].itemsize

    def rows(x: Array, y: Array) -> None:
        difference = below_largest(x)
        total = table.addend[difference].sum(axis=-1, keepdims=True)
        inverse, bits = reciprocal(total, SUM_BITS)
        product = multiply(table.exp[difference], inverse, 32)
        scaled = rounding_right_shift(product, bits + 31 - result_bits) + low
        np.copyto(y, np.clip(scaled, low, high), casting="unsafe")

    return rows


def log_softmax(ctx: OpContext) -> OfRows:
    scale, zero_point = per_tensor(ctx.output_tensor())
    low, high = INTEGER_RANGE[ctx.dtype()]
    ctx.require(
        scale == 16 / 256 and zero_point == high,
        lambda: (
            f"the output has scale {scale} and zero point {zero_point}; expected 1/16 and {high}"
        ),
    )
    table = Differences(1.0, per_tensor(ctx.tensor(0))[0])
    inverse = quantize_multiplier((1 << (31 - table.shift)) / table.multiplier)

    def rows(x: Array, y: Array) -> None:
        difference = below_largest(x)
        log = log_of_sum(table.addend[difference].sum(axis=-1, keepdims=True))
        least = multiply_by_quantized_multiplier(log - 2**31, *inverse)
        least = np.maximum(least, table.least - 1)
        bits = 31 - INTEGER_BITS - 4
        result = rounding_right_shift(table.scaled[difference] - log, bits) + high
        np.copyto(
            y, np.where(-difference > least, np.clip(result, low, high), low), casting="unsafe"
        )

    return rows


def log_of_sum(total: Int64s) -> Int64s:
    """log(total) in 5 integer bits; by float64 past 32 bits, where the reference overflows."""
    fixed = log_of_at_least_one(np.minimum(total, 2**31 - 1), SUM_BITS)
    if np.all(total < 2**31):
        return fixed
    real = np.log(total / 2.0 ** (31 - SUM_BITS)) * 2.0 ** (31 - INTEGER_BITS)
    return np.where(total < 2**31, fixed, np.rint(real).astype(np.int64))


def softmax16(ctx: OpContext) -> OfRows:
    """By tables of exp over [-10, 0] and of 1 / (1 + x) over [0, 1]."""
    source, target = ctx.tensor(0), ctx.output_tensor()
    require_centered(source, target)
    scale = per_tensor(target)[0]
    near = abs(scale - 1 / 32768) <= 0.001 / 32768
    ctx.require(near, lambda: f"the output has scale {scale}; expected 1/32768")
    beta = np.float32(options_of(ctx, SoftmaxOptions).beta)
    real = float(np.float32(per_tensor(source)[0]) * beta) / (10.0 / 65535.0)
    multiplier, shift = quantize_multiplier(real)

    def rows(x: Array, y: Array) -> None:
        wide = x.astype(np.int64)
        difference = wide - wide.max(axis=-1, keepdims=True)
        scaled = multiply_by_quantized_multiplier(difference, multiplier, shift)
        exp = interpolated(np.clip(scaled + 32767, -32768, 32767), EXP)
        total = exp.sum(axis=-1, keepdims=True)
        length = bit_length(total)
        mantissa = ((total << np.maximum(31 - length, 0)) >> np.maximum(length - 31, 0)) + (1 << 13)
        centered = np.clip((mantissa >> 14) - (1 << 15) - (1 << 16), -32768, 32767)
        inverse = interpolated(centered, INVERSE)
        shift_right = length - 1
        half = (np.int64(1) << shift_right) >> 1
        result = (exp * inverse + half) >> shift_right
        np.copyto(y, np.clip(result, 0, 32767), casting="unsafe")

    return rows


def sampled(function: Callable[[Array], Any], scale: float, zero_point: int) -> Int64s:
    """`function` over int16 inputs of this quantisation, its results in units of 2 / 65535."""
    return int16_table(function, (scale, zero_point), (2.0 / 65535, 0), np.float64)


EXP = sampled(np.exp, 10.0 / 65535, 32767)
INVERSE = sampled(lambda x: 1.0 / (1.0 + x), 1.0 / 65535, -32768)
