"""SOFTMAX and LOG_SOFTMAX over the last axis."""

from __future__ import annotations

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType as T
from ..schema.options import SoftmaxOptions
from . import softmax_quantized as quantized
from .checks import options_of, require_inputs
from .context import OpContext
from .registry import Step, op
from .unary import REALS

TILE = 16384
"""Elements that are worked on at once."""


def prepare_softmax(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    ctx.require(ctx.rank() >= 1, "the input is a scalar; expected rank 1 or more")
    dtype, result = ctx.dtype(), ctx.output_dtype()
    ctx.require_dtype(0, *REALS, T.INT8, T.UINT8, T.INT16)
    if result != dtype and not (dtype in (T.INT8, T.UINT8) and result == T.INT16):
        raise OpError(f"the output is {result.name} for an input of {dtype.name}")
    options_of(ctx, SoftmaxOptions)
    if dtype not in REALS:
        quantized.softmax(ctx)
    return [ctx.shape()]


def prepare_log_softmax(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    ctx.require(ctx.rank() >= 1, "the input is a scalar; expected rank 1 or more")
    dtype = ctx.require_dtype(0, *REALS, T.INT8, T.UINT8)
    ctx.require(ctx.output_dtype() == dtype, "input and output must be of one type")
    if dtype not in REALS:
        quantized.log_softmax(ctx)
    return [ctx.shape()]


def by_rows(x: Array, y: Array, function: quantized.OfRows) -> Step:
    """The step y = function(x) on pieces of whole rows."""
    if x.size == 0:
        return lambda: None
    depth = x.shape[-1]
    rows, results = x.reshape(-1, depth), y.reshape(-1, depth)
    height = max(1, TILE // depth)
    starts = range(0, len(rows), height)
    tiles = [(rows[i : i + height], results[i : i + height]) for i in starts]

    def step() -> None:
        for piece, result in tiles:
            function(piece, result)

    return step


def real_softmax(beta: float) -> quantized.OfRows:
    """exp(beta * (x - max)) over its sum; 16-bit results are rounded before they are divided."""

    def softmax(x: Array, y: Array) -> None:
        wide = x if x.dtype == np.float64 else x.astype(np.float32, copy=False)
        power = np.subtract(wide, wide.max(axis=-1, keepdims=True))
        if beta != 1:
            power *= wide.dtype.type(beta)
        np.exp(power, out=power)
        total = power.sum(axis=-1, keepdims=True)
        if y.dtype.itemsize == 2:
            power = power.astype(y.dtype).astype(np.float32)
        np.divide(power, total, out=y, casting="unsafe")

    return softmax


def real_log_softmax(x: Array, y: Array) -> None:
    """(x - max) - log(sum(exp(x - max)))."""
    wide = x if x.dtype == np.float64 else x.astype(np.float32, copy=False)
    shifted = wide - wide.max(axis=-1, keepdims=True)
    total = np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    np.subtract(shifted, total, out=y, casting="unsafe")


@op("SOFTMAX", prepare=prepare_softmax, versions=(1, 4))
def softmax(ctx: OpContext) -> Step:
    if ctx.dtype() in REALS:
        function = real_softmax(options_of(ctx, SoftmaxOptions).beta)
    else:
        function = quantized.softmax(ctx)
    return by_rows(ctx.input(), ctx.output(), function)


@op("LOG_SOFTMAX", prepare=prepare_log_softmax, versions=(1, 2))
def log_softmax(ctx: OpContext) -> Step:
    real = ctx.dtype() in REALS
    return by_rows(
        ctx.input(), ctx.output(), real_log_softmax if real else quantized.log_softmax(ctx)
    )
