"""Slices of a tensor looked up by index: GATHER along an axis, GATHER_ND by index tuples."""

from __future__ import annotations

import math

import numpy as np

from ..graph import Array, Shape
from ..schema.enums import TensorType
from ..schema.options import GatherOptions
from .checks import options_of, require_inputs, require_same_dtype
from .context import OpContext
from .positions import flat_positions, require_within
from .registry import Step, op
from .shapes import normalize_axis

INDEX_TYPES = (TensorType.INT16, TensorType.INT32, TensorType.INT64)


def gather_axes(ctx: OpContext) -> tuple[int, int]:
    """(axis, number of batch dimensions), both counted from the front."""
    options = options_of(ctx, GatherOptions)
    axis = normalize_axis(options.axis, ctx.rank(0))
    batch = options.batch_dims + (ctx.rank(1) if options.batch_dims < 0 else 0)
    most = min(axis, ctx.rank(1))
    ctx.require(
        0 <= batch <= most,
        f"batch_dims is {options.batch_dims}; expected at most {most} for axis {axis} and "
        f"indices of shape {list(ctx.shape(1))}",
    )
    return axis, batch


def gather_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 0)
    ctx.require_dtype(1, *INDEX_TYPES)
    axis, batch = gather_axes(ctx)
    x, indices = ctx.shape(0), ctx.shape(1)
    ctx.require(
        x[:batch] == indices[:batch],
        f"input {list(x)} and indices {list(indices)} differ in their {batch} batch dimensions",
    )
    return [(*x[:axis], *indices[batch:], *x[axis + 1 :])]


@op("GATHER", prepare=gather_shape, versions=(1, 8))
def gather(ctx: OpContext) -> Step:
    axis, batch = gather_axes(ctx)
    shape = ctx.shape(0)
    batches, outer, inner = (
        math.prod(shape[:batch]),
        math.prod(shape[batch:axis]),
        math.prod(shape[axis + 1 :]),
    )
    size, count = shape[axis], math.prod(ctx.shape(1)[batch:])
    x, y, indices = ctx.input(0), ctx.output(), ctx.input(1).reshape(batches, count)
    if batches == 1:
        x, y = x.reshape(outer, size, inner), y.reshape(outer, count, inner)
        return _take(x, indices[0], y, size)
    x, y = x.reshape(batches * outer * size, inner), y.reshape(batches * outer * count, inner)
    starts = (np.arange(batches * outer) * size).reshape(batches, outer, 1)
    rows = ctx.scratch((batches, outer, count), np.intp)

    def step() -> None:
        require_within(indices, size)
        np.add(starts, indices[:, np.newaxis], out=rows)
        np.take(x, rows.reshape(-1), axis=0, out=y, mode="clip")

    return step


def _take(x: Array, indices: Array, y: Array, size: int) -> Step:
    def step() -> None:
        require_within(indices, size)
        np.take(x, indices, axis=1, out=y, mode="clip")

    return step


def gather_nd_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 0)
    ctx.require_dtype(1, *INDEX_TYPES)
    params, indices = ctx.shape(0), ctx.shape(1)
    ctx.require(len(params) >= 1, "params is a scalar; expected at least a vector")
    ctx.require(len(indices) >= 1, "indices is a scalar; expected at least a vector")
    ctx.require(
        indices[-1] <= len(params),
        f"the innermost dimension of indices is {indices[-1]}; expected at most the rank of "
        f"params, {len(params)}",
    )
    return [(*indices[:-1], *params[indices[-1] :])]


@op("GATHER_ND", prepare=gather_nd_shape, versions=(1, 6))
def gather_nd(ctx: OpContext) -> Step:
    shape = ctx.shape(0)
    *outer, depth = ctx.shape(1)
    count, inner = math.prod(outer), math.prod(shape[depth:])
    x = ctx.input(0).reshape(math.prod(shape[:depth]), inner)
    indices = ctx.input(1).reshape(count, depth)
    y = ctx.output().reshape(count, inner)
    dims = shape[:depth]

    def step() -> None:
        np.take(x, flat_positions(indices, dims), axis=0, out=y, mode="clip")

    return step
