"""Between real and stored values: QUANTIZE, DEQUANTIZE, and from one quantisation to another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..dtypes import INTEGER_RANGE
from ..errors import OpError
from ..graph import Array, Blocks, Shape, Tensor
from ..schema.enums import TensorType as T
from .context import OpContext
from .lookup import TILE, pointwise, tiles_of
from .quantized import (
    ALMOST_HALF,
    multiply_by_quantized_multiplier,
    per_tensor,
    quantize_multiplier,
)
from .registry import Step, op

EIGHT_BITS = (T.UINT8, T.INT8)
TARGETS = {
    T.FLOAT32: (*EIGHT_BITS, T.INT16, T.INT4, T.UINT4),
    T.INT32: (T.INT8, T.INT16),
    T.INT16: (T.INT8, T.INT16, T.INT32),
    T.INT8: (*EIGHT_BITS, T.INT16),
    T.UINT8: (*EIGHT_BITS, T.INT16),
}
SMALL_FLOATS = (T.FLOAT16, T.BFLOAT16, T.FLOAT8_E4M3FN, T.FLOAT8_E5M2)
STORED = (T.INT2, T.INT4, T.UINT4, T.UINT8, T.INT8, T.INT16)

SIGN_BIT = np.uint32(1 << 31)


def parameters(tensor: Tensor, shape: Shape) -> tuple[Array, Array]:
    """(scale, zero point) of a tensor of `shape`, float32, shaped to broadcast against it."""
    quant = tensor.quant
    if quant is None or not quant.scale.size:
        raise OpError(f"tensor {tensor.name!r} must be quantised with scale and zero point")
    if quant.scale.size == 1:
        scale, zero_point = per_tensor(tensor)
        return np.float32(scale), np.float32(zero_point)  # type: ignore[return-value]
    if not 0 <= quant.axis < len(shape) or shape[quant.axis] != quant.scale.size:
        raise OpError(
            f"tensor {tensor.name!r} of shape {shape} has {quant.scale.size} scales "
            f"along axis {quant.axis}; expected one per index"
        )
    if quant.zero_point.size not in (1, quant.scale.size):
        raise OpError(f"tensor {tensor.name!r} has {quant.zero_point.size} zero points")
    along = [-1 if i == quant.axis else 1 for i in range(len(shape))]
    zero_points = np.broadcast_to(quant.zero_point, quant.scale.shape)
    return quant.scale.reshape(along), zero_points.astype(np.float32).reshape(along)


def prepare_quantize(ctx: OpContext) -> list[Shape]:
    given, wanted = ctx.require_dtype(0, *TARGETS), ctx.output_dtype()
    ctx.require(
        wanted in TARGETS[given],
        lambda: (
            f"{given.name} to {wanted.name} is not supported; "
            f"{given.name} goes to {', '.join(t.name for t in TARGETS[given])}"
        ),
    )
    scale = parameters(ctx.output_tensor(), ctx.shape())[0]
    ctx.require(bool(np.all(scale > 0)), "the output's scales must be positive")
    if given != T.FLOAT32:
        in_zero, out_zero = per_tensor(ctx.tensor(0))[1], per_tensor(ctx.output_tensor())[1]
        ctx.require(
            not given == wanted == T.INT16 or in_zero == out_zero == 0,
            lambda: f"zero points of int16 are {in_zero} and {out_zero}; expected 0",
        )
    return [ctx.shape()]


@op("QUANTIZE", prepare=prepare_quantize, versions=(1, 6))
def quantize(ctx: OpContext) -> Step:
    if ctx.dtype() == T.FLOAT32:
        return quantize_floats(ctx)
    return pointwise(ctx.input(), ctx.output(), requantizer(ctx))


def quantize_floats(ctx: OpContext) -> Step:
    """round(x / scale) + zero point, saturated; NaN gives the lowest stored value.

    Beyond int32 the reference's cast is undefined: it may give either end for any sign.
    """
    x, y = ctx.input(), ctx.output()
    scale, zero_point = parameters(ctx.output_tensor(), x.shape)
    if scale.ndim == 0:
        x, y = x.reshape(-1), y.reshape(-1)
    scales, zero_points = (np.broadcast_to(v, x.shape) for v in (scale, zero_point))
    room = (min(TILE, x.size),)
    memory = ctx.scratch(room, np.float32), ctx.scratch(room, np.float32)
    # Whole arrays: NumPy takes extremes with a scalar at a third of the speed.
    bounds = [np.full(room, bound, np.float32) for bound in INTEGER_RANGE[ctx.output_dtype()]]
    tiles = []
    for t in tiles_of(x.shape):
        views = [m[: y[t].size].reshape(y[t].shape) for m in (*memory, *bounds)]
        tiles.append((x[t], y[t], scales[t], zero_points[t], *views))

    def step() -> None:
        for source, target, by, shift, real, half, low, high in tiles:
            np.divide(source, by, out=real)
            copy_sign(ALMOST_HALF, real, half)
            np.add(real, half, out=real)
            np.trunc(real, out=real)
            np.add(real, shift, out=real)
            np.fmax(real, low, out=real)
            np.minimum(real, high, out=real)
            np.copyto(target, real, casting="unsafe")

    return step


def copy_sign(magnitude: np.float32, real: Array, out: Array) -> None:
    """np.copysign of a positive scalar by its bits, which is twice as fast."""
    bits = out.view(np.uint32)
    np.bitwise_and(real.view(np.uint32), SIGN_BIT, out=bits)
    np.bitwise_or(bits, magnitude.view(np.uint32), out=bits)


def requantizer(ctx: OpContext) -> Callable[[Array], Array]:
    """From stored values of the input to stored values of the output, both int64."""
    in_scale, in_zero = per_tensor(ctx.tensor(0))
    out_scale, out_zero = per_tensor(ctx.output_tensor())
    multiplier, shift = quantize_multiplier(in_scale / out_scale)
    limits = INTEGER_RANGE[ctx.output_dtype()]

    def requantize(x: Array) -> Array:
        real = multiply_by_quantized_multiplier(x - in_zero, multiplier, shift)
        return np.clip(real + out_zero, *limits)

    return requantize


def prepare_dequantize(ctx: OpContext) -> list[Shape]:
    dtype = ctx.require_dtype(0, *STORED, *SMALL_FLOATS)
    ctx.require(
        ctx.output_dtype() == T.FLOAT32,
        lambda: f"the output is {ctx.output_dtype().name}; expected FLOAT32",
    )
    quant = ctx.tensor(0).quant
    if dtype in STORED and (quant is None or quant.blocks is None):
        zero_point = parameters(ctx.tensor(0), ctx.shape())[1]
        ctx.require(
            dtype != T.INT16 or not np.any(zero_point),
            lambda: f"the zero point of int16 is {zero_point}; expected 0",
        )
    return [ctx.shape()]


@op("DEQUANTIZE", prepare=prepare_dequantize, versions=(1, 9))
def dequantize(ctx: OpContext) -> Step:
    x, y = ctx.input(), ctx.output()
    if ctx.dtype() in SMALL_FLOATS:
        return partial(np.copyto, y, x, casting="unsafe")
    quant = ctx.tensor(0).quant
    if quant is not None and quant.blocks is not None:
        return dequantize_blocks(ctx, quant.blocks)
    scale, zero_point = parameters(ctx.tensor(0), x.shape)
    shifted = bool(np.any(zero_point))

    def step() -> None:
        if shifted:
            np.subtract(x, zero_point, out=y, dtype=np.float32)
        np.multiply(y if shifted else x, scale, out=y, dtype=np.float32)

    return step


def dequantize_blocks(ctx: OpContext, blocks: Blocks) -> Step:
    """Each run of `blocks.size` elements of the last dimension has a scale of its own."""
    x, y = ctx.input(), ctx.output()

    def per_block(tensor: int) -> Array:
        values = ctx.frame.value(tensor).astype(np.float32).reshape(-1, 1)
        if blocks.size <= 0 or x.shape[-1] % blocks.size or values.size * blocks.size != x.size:
            raise OpError(
                f"{values.size} blocks of {blocks.size} do not make a tensor of shape {x.shape}"
            )
        return values

    ctx.require(x.ndim > 0, "a scalar has no blocks")
    scale = per_block(blocks.scales)
    zero_point: Any = per_block(blocks.zero_points) if blocks.zero_points >= 0 else 0
    source, target = x.reshape(-1, blocks.size), y.reshape(-1, blocks.size)

    def step() -> None:
        np.subtract(source, zero_point, out=target, dtype=np.float32)
        np.multiply(target, scale, out=target)

    return step
