"""Functions of one quantised tensor: for a node, its function of stored integers (int64 arrays).

Real functions of bytes are tables; those of int16 are 513 samples with straight lines between.
"""

from __future__ import annotations

import math

import numpy as np

from ..dtypes import INTEGER_RANGE
from ..graph import Array
from ..schema.enums import TensorType as T
from .context import OpContext
from .elementwise_quantized import require_centered, rescaling, saturated
from .fixed_point import inverse_square_root
from .lookup import Unary, dequantized, real_byte_function, real_int16_function
from .quantized import (
    multiply_by_quantized_multiplier,
    per_tensor,
    quantize_multiplier,
)


def in_double(function: Unary) -> Unary:
    """A function of float32 evaluated in float64, as accurate as the C library's."""
    return lambda x: np.asarray(function(x.astype(np.float64)), np.float32)


def of_reals(ctx: OpContext, function: Unary) -> Unary:
    """The stored result of a function float32 -> float32; of int16, zero points must be 0."""
    source, target = ctx.tensor(0), ctx.output_tensor()
    if ctx.dtype() != T.INT16:
        return real_byte_function(function, source, target)
    require_centered(source, target)
    return real_int16_function(function, source, target)


def absolute(ctx: OpContext) -> Unary:
    source, target = ctx.tensor(0), ctx.output_tensor()
    require_centered(source, target)
    (scale_x, zero_x), (scale_y, zero_y) = per_tensor(source), per_tensor(target)
    low, high = INTEGER_RANGE[target.dtype]
    if scale_x == scale_y:
        return lambda x: saturated(np.abs(x - zero_x) + zero_y, low, high)
    rescale = rescaling(float(np.float32(scale_x) / np.float32(scale_y)))
    return lambda x: saturated(rescale(np.abs(x - zero_x)) + zero_y, low, high)


def exp(ctx: OpContext) -> Unary:
    return of_reals(ctx, in_double(np.exp))


def log(ctx: OpContext) -> Unary:
    """Of what is not above 0 the result is the smallest that the output can hold."""
    scale, zero_point = per_tensor(ctx.output_tensor())
    least = np.float32(INTEGER_RANGE[ctx.dtype()][0] - zero_point) * np.float32(scale)
    natural = in_double(np.log)
    return of_reals(ctx, lambda x: np.where(x > 0, natural(x), least))


def sqrt(ctx: OpContext) -> Unary:
    """The root truncated to a multiple of the output's scale."""
    source, target = ctx.tensor(0), ctx.output_tensor()
    require_centered(source, target)
    scale, zero_point = per_tensor(target)
    low, high = INTEGER_RANGE[target.dtype]

    def stored(x: Array) -> Array:
        root = np.sqrt(np.maximum(dequantized(x, source), np.float32(0)))
        steps = np.minimum(root / np.float32(scale), np.float32(2**30))
        return saturated(steps.astype(np.int64) + zero_point, low, high)

    return stored


def reciprocal_sqrt8(ctx: OpContext) -> Unary:
    """By a fixed-point reciprocal root; that of 0 is the largest value."""
    (scale_x, zero_x), (scale_y, zero_y) = (
        per_tensor(ctx.tensor(0)),
        per_tensor(ctx.output_tensor()),
    )
    real = 1 / np.float64(np.float32(math.sqrt(scale_x)) * np.float32(scale_y))
    multiplier, shift = quantize_multiplier(float(real))
    low, high = INTEGER_RANGE[T.INT8]
    kept_bits = 20

    def stored(x: Array) -> Array:
        value = np.maximum(x - zero_x, 0)
        inverse, right = inverse_square_root(value)
        root = multiply_by_quantized_multiplier(np.ones_like(value), inverse, kept_bits - right)
        scaled = multiply_by_quantized_multiplier(root, multiplier, shift - kept_bits)
        return np.where(value == 0, high, saturated(scaled + zero_y, low, high))

    return stored


def reciprocal_sqrt16(ctx: OpContext) -> Unary:
    largest = np.float32(2**15 - 1) * np.float32(per_tensor(ctx.output_tensor())[0])

    def real(x: Array) -> Array:
        root = np.sqrt(np.maximum(x, np.float32(0)))
        return np.where(x > 0, np.float32(1) / root, largest)

    return of_reals(ctx, real)
