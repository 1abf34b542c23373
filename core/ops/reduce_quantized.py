"""Sums, means and products of quantised tensors, with the reference's roundings."""

from __future__ import annotations

import math

import numpy as np

from ..dtypes import INTEGER_RANGE
from ..graph import Array, Shape, Tensor
from ..schema.enums import TensorType as T
from .context import OpContext
from .quantized import (
    multiply_by_quantized_multiplier,
    multiply_int64_by_quantized_multiplier,
    per_tensor,
    quantize_multiplier,
    round_half_away,
)
from .reduce_blocks import add_up_integers
from .registry import Step

DTYPES = (T.UINT8, T.INT8, T.INT16)


def parameters(tensor: Tensor) -> tuple[float, int]:
    """(scale, zero point); (0, 0) for a tensor that is not quantised as a whole."""
    if tensor.quant is None or tensor.quant.scale.size != 1:
        return 0.0, 0
    return per_tensor(tensor)


def mean(ctx: OpContext, axes: tuple[int, ...], shape: Shape) -> Step:
    """The mean with 1 / count folded into the multiplier of the rescaling."""
    x, y = ctx.input(), ctx.output().reshape(shape)
    count = math.prod(x.shape[a] for a in axes)
    return rescaled_sum(ctx, x, y, axes, count, count)


def rescaled_sum(
    ctx: OpContext, x: Array, y: Array, axes: tuple[int, ...], count: int, divisor: int
) -> Step:
    in_scale, in_zero = per_tensor(ctx.tensor(0))
    out_scale, out_zero = per_tensor(ctx.output_tensor())
    ctx.require(out_scale > 0, lambda: f"the output's scale is {out_scale}; expected positive")
    multiplier, shift = quantize_multiplier(in_scale / out_scale)
    spare = max(0, min(divisor.bit_length() - 1, 32, 31 + shift))
    multiplier, shift = (multiplier << spare) // divisor, shift - spare
    low, high = INTEGER_RANGE[ctx.output_dtype()]

    def step() -> None:
        shifted = (add_up_integers(x, axes).astype(np.int64) - in_zero * count).astype(np.int32)
        real = multiply_by_quantized_multiplier(shifted, multiplier, shift) + out_zero
        np.copyto(y, np.clip(real, low, high), casting="unsafe")

    return step


def total(ctx: OpContext, axes: tuple[int, ...], shape: Shape) -> Step:
    """Sums of uint8 by fixed point; of int8 and int16 in float32, as the optimised kernel has it.

    The reference kernel takes int8 and int16 for uint8.
    """
    x, y = ctx.input(), ctx.output().reshape(shape)
    if x.size == 0:
        return lambda: y.fill(0)
    count = math.prod(x.shape[a] for a in axes)
    if ctx.dtype() == T.UINT8:
        return rescaled_sum(ctx, x, y, axes, count, 1)
    in_scale, in_zero = per_tensor(ctx.tensor(0))
    out_scale, out_zero = per_tensor(ctx.output_tensor())
    ctx.require(out_scale > 0, lambda: f"the output's scale is {out_scale}; expected positive")
    scale = np.float32(in_scale) / np.float32(out_scale)
    bias = np.float32(-in_zero) * scale * np.float32(count)
    low, high = INTEGER_RANGE[ctx.output_dtype()]

    def step() -> None:
        real = add_up_integers(x, axes).astype(np.float32) * scale + bias
        stored = round_half_away(real).astype(np.float64) + out_zero
        np.copyto(y, np.clip(stored, low, high), casting="unsafe")

    return step


def product(ctx: OpContext, axes: tuple[int, ...], shape: Shape) -> Step:
    """Products rescaled after every factor by in_scale / out_scale^(1 / count), in 16-bit steps."""
    x, y = ctx.input(), ctx.output()
    if x.size == 0:
        return lambda: y.fill(0)
    count = x.size // y.size
    in_scale, in_zero = per_tensor(ctx.tensor(0))
    out_scale, out_zero = per_tensor(ctx.output_tensor())
    ctx.require(out_scale > 0, lambda: f"the output's scale is {out_scale}; expected positive")
    multiplier, shift = quantize_multiplier(in_scale / out_scale ** (1.0 / count))
    kept = [i for i in range(x.ndim) if i not in axes]
    in_order = x.transpose(*axes, *kept)
    low, high = INTEGER_RANGE[ctx.output_dtype()]

    def rescale(values: Array) -> Array:
        scaled = multiply_int64_by_quantized_multiplier(values, multiplier, shift)
        return scaled.astype(np.int32).astype(np.int64)

    def step() -> None:
        factors = in_order.reshape(count, y.size)
        current = factors[0].astype(np.int64) - in_zero
        for row in factors[1:]:
            if not current.any():
                break
            current = rescale(current * (row.astype(np.int64) - in_zero))
        stored = np.clip(rescale(current) + out_zero, low, high)
        np.copyto(y, stored.reshape(y.shape), casting="unsafe")

    return step
