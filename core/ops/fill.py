"""Tensors made of few values: constants, ranges, diagonals, one-hot rows."""

from __future__ import annotations

import math

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType
from ..schema.options import OneHotOptions
from .checks import (
    options_of,
    require_inputs,
    require_one,
    require_rank,
    require_same_dtype,
    require_same_scale,
    require_zero_point_zero,
    scalar,
    valid_shape,
    vector,
)
from .context import OpContext
from .registry import Step, op
from .shapes import normalize_axis


def fill_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 1)
    require_rank(ctx, 1, 0)
    require_same_scale(ctx.tensor(1), ctx.output_tensor())
    require_zero_point_zero(ctx.tensor(1))
    return [valid_shape(vector(ctx, 0))]


@op("FILL", prepare=fill_shape, versions=(1, 5))
def fill(ctx: OpContext) -> Step:
    value, y = ctx.input(1), ctx.output()
    return lambda: np.copyto(y, value)


def zeros_like_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    require_same_dtype(ctx, 0)
    ctx.require(
        ctx.output_tensor().quant is None, "the output is quantised; expected an unquantised tensor"
    )
    return [ctx.shape(0)]


@op("ZEROS_LIKE", prepare=zeros_like_shape, of_shapes=True)
def zeros_like(ctx: OpContext) -> Step:
    y = ctx.output()
    zero = b"" if ctx.output_dtype() == TensorType.STRING else 0
    return lambda: y.fill(zero)


def range_size(start: Array, limit: Array, delta: Array) -> int:
    """How many values lie between `start` and `limit`, these excluded, at steps of `delta`.

    Float sizes are computed in float32, as in the reference.
    """
    forward, backward = bool(delta > 0), bool(delta < 0)
    if not ((start <= limit and forward) or (start >= limit and backward)):
        raise OpError(f"a range from {start} to {limit} by {delta} has no end")
    if start.dtype.kind == "i":
        return -(-abs(int(limit) - int(start)) // abs(int(delta)))
    with np.errstate(all="ignore"):
        size = float(np.ceil(np.abs((limit - start) / delta)))
    if not math.isfinite(size):
        raise OpError(f"a range from {start} to {limit} by {delta} is too long")
    return int(size)


def range_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    require_same_dtype(ctx, 0, 1, 2)
    ctx.require_dtype(0, TensorType.INT32, TensorType.INT64, TensorType.FLOAT32)
    for i in range(3):
        require_rank(ctx, i, 0)
    return [valid_shape([range_size(ctx.value(0), ctx.value(1), ctx.value(2))])]


@op("RANGE", prepare=range_shape, versions=(1, 2))
def range_(ctx: OpContext) -> Step:
    """Adds delta again and again, as the reference does: float32 errors add up."""
    start, delta, y = ctx.value(0), ctx.value(2), ctx.output()

    def step() -> None:
        y.fill(delta)
        y[:1] = start
        np.add.accumulate(y, out=y)

    return step


def one_hot_axis(ctx: OpContext) -> int:
    axis, rank = options_of(ctx, OneHotOptions).axis, ctx.rank(0) + 1
    ctx.require(axis >= -1, f"axis {axis} is out of range for rank {rank}")
    return normalize_axis(axis, rank)


def one_hot_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 4)
    ctx.require_dtype(0, TensorType.INT32, TensorType.INT64)
    require_same_dtype(ctx, 2, 3)
    require_one(ctx, 2)
    require_one(ctx, 3)
    shape, axis = ctx.shape(0), one_hot_axis(ctx)
    return [valid_shape([*shape[:axis], scalar(ctx, 1), *shape[axis:]])]


@op("ONE_HOT", prepare=one_hot_shape)
def one_hot(ctx: OpContext) -> Step:
    y, axis = ctx.output(), one_hot_axis(ctx)
    indices = np.expand_dims(ctx.input(0), axis)
    on, off = ctx.input(2).reshape(()), ctx.input(3).reshape(())
    if not y.size:
        return lambda: None
    hits = ctx.scratch(y.shape, np.bool_)
    classes = np.arange(y.shape[axis], dtype=indices.dtype)
    classes = classes.reshape(-1, *[1] * (y.ndim - axis - 1))

    def step() -> None:
        np.equal(indices, classes, out=hits)
        np.copyto(y, off)
        np.copyto(y, on, where=hits)

    return step
