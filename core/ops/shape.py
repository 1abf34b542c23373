"""Shapes of tensors: read, changed, combined; the elements stay where they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..errors import OpError
from ..graph import Shape
from ..schema.enums import TensorType
from ..schema.options import ReshapeOptions, SqueezeOptions
from .checks import (
    integers,
    options_of,
    require_inputs,
    require_rank,
    require_same_dtype,
    require_same_scale,
    scalar,
    valid_shape,
)
from .context import OpContext
from .registry import Step, op
from .shapes import normalize_axis


def same_elements(ctx: OpContext) -> Step:
    """Bind of operators whose output is input 0 in another shape."""
    x, y = ctx.input(0), ctx.output()
    if x.size and np.may_share_memory(x, y):
        return lambda: None
    source = x.reshape(y.shape)
    return lambda: np.copyto(y, source)


def resolve_shape(wanted: Sequence[int], given: Shape) -> Shape:
    """`wanted` with its one -1 replaced so that it holds as many elements as `given`.

    Raises OpError where there is no such shape. A -1 beside zeros becomes what the other, nonzero
    sizes leave, as in the reference.
    """
    total = math.prod(given)
    shape = list(wanted)
    if shape.count(-1) > 1 or any(size < -1 for size in shape):
        raise OpError(f"the new shape is {shape}; at most one size may be -1, none less")
    if -1 in shape:
        at = shape.index(-1)
        others = shape[:at] + shape[at + 1 :]
        if total == 0 and math.prod(others) != 0:
            shape[at] = 0
        else:
            nonzero = math.prod(size for size in given if size)
            shape[at] = nonzero // math.prod(size for size in others if size)
    if math.prod(shape) != total:
        raise OpError(f"shape {list(given)} does not fit in {list(wanted)}")
    return valid_shape(shape)


def reshape_target(ctx: OpContext) -> Sequence[int]:
    """The new shape: from an int32 vector in input 1, else from the options."""
    if ctx.has(1) and ctx.rank(1) == 1 and ctx.dtype(1) == TensorType.INT32:
        return integers(ctx, 1)
    vector = options_of(ctx, ReshapeOptions).new_shape
    shape = [] if vector is None else [int(size) for size in vector]
    # Old converters wrote [0] for a scalar.
    return [] if shape == [0] else shape


def reshape_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1, 2)
    require_same_dtype(ctx, 0)
    return [resolve_shape(reshape_target(ctx), ctx.shape(0))]


@op("RESHAPE", prepare=reshape_shape, view=True)
def reshape(ctx: OpContext) -> Step:
    return same_elements(ctx)


def squeeze_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    require_same_dtype(ctx, 0)
    shape = ctx.shape(0)
    dims = options_of(ctx, SqueezeOptions).squeeze_dims
    if dims is None or len(dims) == 0:
        return [tuple(size for size in shape if size != 1)]
    gone = {normalize_axis(int(dim), len(shape)) for dim in dims}
    for axis in gone:
        ctx.require(shape[axis] == 1, f"axis {axis} of {list(shape)} is not 1: cannot squeeze it")
    return [tuple(size for axis, size in enumerate(shape) if axis not in gone)]


@op("SQUEEZE", prepare=squeeze_shape, versions=(1, 2), view=True)
def squeeze(ctx: OpContext) -> Step:
    return same_elements(ctx)


def expand_dims_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 0)
    require_same_scale(ctx.tensor(0), ctx.output_tensor())
    shape = ctx.shape(0)
    axis = normalize_axis(scalar(ctx, 1), len(shape) + 1)
    return [(*shape[:axis], 1, *shape[axis:])]


@op("EXPAND_DIMS", prepare=expand_dims_shape, view=True)
def expand_dims(ctx: OpContext) -> Step:
    return same_elements(ctx)


def require_index_output(ctx: OpContext) -> None:
    dtype = ctx.output_dtype()
    ctx.require(
        dtype in (TensorType.INT32, TensorType.INT64),
        lambda: f"the output is {dtype.name}; expected INT32 or INT64",
    )


def shape_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    require_index_output(ctx)
    return [(ctx.rank(0),)]


@op("SHAPE", prepare=shape_shape, of_shapes=True)
def shape(ctx: OpContext) -> Step:
    y = ctx.output()
    sizes = np.array(ctx.shape(0), y.dtype)
    return lambda: np.copyto(y, sizes)


def rank_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    require_index_output(ctx)
    ctx.rank(0)
    return [()]


@op("RANK", prepare=rank_shape, of_shapes=True)
def rank(ctx: OpContext) -> Step:
    y, found = ctx.output(), ctx.rank(0)
    return lambda: y.fill(found)


def broadcast_args_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    ctx.require_dtype(0, TensorType.INT32, TensorType.INT64)
    require_same_dtype(ctx, 0, 1)
    require_rank(ctx, 0, 1)
    require_rank(ctx, 1, 1)
    return [max(ctx.shape(0), ctx.shape(1))]


@op("BROADCAST_ARGS", prepare=broadcast_args_shape)
def broadcast_args(ctx: OpContext) -> Step:
    """The shape that arrays of two shapes, given as values, broadcast to."""
    a, b, y = ctx.input(0), ctx.input(1), ctx.output()
    long, short = (a, b) if a.size >= b.size else (b, a)
    aligned = np.ones_like(y)
    tail = aligned[aligned.size - short.size :]

    def step() -> None:
        np.copyto(tail, short)
        if np.any((long != aligned) & (long != 1) & (aligned != 1)):
            raise OpError(f"shapes {a.tolist()} and {b.tolist()} are not broadcastable")
        np.copyto(y, long)
        np.copyto(y, aligned, where=long == 1)

    return step


def broadcast_to_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 0)
    require_rank(ctx, 1, 1)
    given, wanted = ctx.shape(0), valid_shape(integers(ctx, 1))
    tail = wanted[len(wanted) - len(given) :]
    fits = len(given) <= len(wanted) and all(
        old in (1, new) for old, new in zip(given, tail, strict=True)
    )
    ctx.require(fits, f"shape {list(given)} cannot be broadcast to {list(wanted)}")
    return [wanted]


@op("BROADCAST_TO", prepare=broadcast_to_shape, versions=(2, 4))
def broadcast_to(ctx: OpContext) -> Step:
    x, y = ctx.input(0), ctx.output()
    return lambda: np.copyto(y, x)
