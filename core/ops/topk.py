"""Order among values: the largest k, the place of the largest or smallest, buckets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..graph import Array, Shape
from ..schema.enums import TensorType
from ..schema.options import BucketizeOptions
from .checks import options_of, require_inputs, require_one, scalar
from .context import OpContext
from .registry import Step, op
from .shapes import normalize_axis

WORTH_PARTITIONING = 512
"""Rows from this size on are partitioned before they are sorted."""

REALS = (
    TensorType.FLOAT32,
    TensorType.FLOAT64,
    TensorType.INT8,
    TensorType.UINT8,
    TensorType.INT16,
    TensorType.INT32,
    TensorType.INT64,
)


def top_count(ctx: OpContext) -> int:
    """k, at least 0."""
    ctx.require_dtype(1, TensorType.INT32, TensorType.INT16)
    require_one(ctx, 1)
    return max(0, int(ctx.value(1).reshape(-1)[0]))


def top_k_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    ctx.require_dtype(0, *REALS)
    values, places = ctx.output_dtype(0), ctx.output_dtype(1)
    ctx.require(values == ctx.dtype(0), f"the values are {values.name}, the input is not")
    ctx.require(
        places in (TensorType.INT32, TensorType.INT16),
        f"the indices are {places.name}; expected INT32 or INT16",
    )
    shape = ctx.shape(0)
    ctx.require(len(shape) >= 1, "the input is a scalar; expected at least a vector")
    k = top_count(ctx)
    ctx.require(k <= shape[-1], f"k is {k}, more than the {shape[-1]} values of a row")
    ctx.require(
        places == TensorType.INT32 or k == 0 or shape[-1] <= np.iinfo(np.int16).max,
        f"rows of {shape[-1]} values exceed int16 indices",
    )
    out = (*shape[:-1], k)
    return [out, out]


@op("TOPK_V2", prepare=top_k_shape, versions=(1, 3))
def top_k(ctx: OpContext) -> Step:
    k = top_count(ctx)
    x, values, places = ctx.input(0), ctx.output(0), ctx.output(1)

    def step() -> None:
        order = first_places(descending(x), k)
        np.copyto(places, order, casting="unsafe")
        np.copyto(values, np.take_along_axis(x, order, axis=-1))

    return step if k else lambda: None


def first_places(keys: Array, k: int) -> NDArray[np.intp]:
    """Where the `k` smallest keys of each row are, in ascending order, equal ones as they stand."""
    size = keys.shape[-1]
    if size < WORTH_PARTITIONING or k * 8 > size:
        return np.argsort(keys, axis=-1, kind="stable")[..., :k]
    rows = keys.reshape(-1, size)
    bounds = np.partition(rows, k - 1, axis=1)[:, k - 1]
    order = np.empty((len(rows), k), np.intp)
    for i, (row, bound) in enumerate(zip(rows, bounds, strict=True)):
        near = np.flatnonzero(~(row > bound))
        order[i] = near[np.argsort(row[near], kind="stable")[:k]]
    return order.reshape(*keys.shape[:-1], k)


def descending(x: Array) -> Array:
    """Keys whose ascending order is the descending order of `x`, NaN last."""
    return np.negative(x) if x.dtype.kind == "f" else np.invert(x)


def arg_axis(ctx: OpContext) -> int:
    return normalize_axis(scalar(ctx, 1), ctx.rank(0))


def arg_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    ctx.require_dtype(0, *REALS, TensorType.BOOL)
    found = ctx.output_dtype()
    ctx.require(
        found in (TensorType.INT32, TensorType.INT64),
        f"the output is {found.name}; expected INT32 or INT64",
    )
    ctx.require(ctx.rank(0) >= 1, "the input is a scalar; expected at least a vector")
    axis, shape = arg_axis(ctx), ctx.shape(0)
    ctx.require(shape[axis] > 0, f"axis {axis} of shape {list(shape)} is empty")
    return [(*shape[:axis], *shape[axis + 1 :])]


@op("ARG_MAX", "ARG_MIN", prepare=arg_shape, versions=(1, 3))
def arg_extreme(ctx: OpContext) -> Step:
    axis = arg_axis(ctx)
    x, y = ctx.input(0), ctx.output()
    largest = ctx.node.op == "ARG_MAX"
    if not y.size:
        return lambda: None

    def step() -> None:
        np.copyto(y, place_of_extreme(x, axis, largest), casting="unsafe")

    return step


def place_of_extreme(x: Array, axis: int, largest: bool) -> NDArray[np.intp]:
    """The first place of the largest (or smallest) along `axis`; NaN only where all are."""
    place = np.argmax if largest else np.argmin
    found: NDArray[np.intp] = place(x, axis=axis)
    if x.dtype.kind != "f":
        return found
    nan = np.isnan(np.take_along_axis(x, np.expand_dims(found, axis), axis)).squeeze(axis)
    if not nan.any():
        return found
    is_number = ~np.isnan(x)
    ranked = np.where(is_number, x, -np.inf if largest else np.inf)
    found = place(ranked, axis=axis)
    taken = np.take_along_axis(is_number, np.expand_dims(found, axis), axis).squeeze(axis)
    return np.where(taken, found, np.argmax(is_number, axis=axis)).astype(np.intp)


def bucketize_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    ctx.require_dtype(0, TensorType.INT32, TensorType.INT64, TensorType.FLOAT32, TensorType.FLOAT64)
    found = ctx.output_dtype()
    ctx.require(found == TensorType.INT32, f"the output is {found.name}; expected INT32")
    bounds = boundaries(ctx)
    ctx.require(not np.any(bounds[1:] < bounds[:-1]), "the boundaries are not sorted")
    return [ctx.shape(0)]


def boundaries(ctx: OpContext) -> NDArray[np.float32]:
    found = options_of(ctx, BucketizeOptions).boundaries
    return np.zeros(0, np.float32) if found is None else np.asarray(found, np.float32)


@op("BUCKETIZE", prepare=bucketize_shape)
def bucketize(ctx: OpContext) -> Step:
    x, y = ctx.input(0), ctx.output()
    # C++ compares integers with the float32 boundaries as float32.
    kind = np.float64 if ctx.dtype(0) == TensorType.FLOAT64 else np.float32
    bounds = boundaries(ctx).astype(kind)

    def step() -> None:
        np.copyto(y, np.searchsorted(bounds, x.astype(kind, copy=False), side="right"), "unsafe")

    return step
