"""Reductions over the rows that share a segment id."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType
from .checks import require_inputs, require_rank, require_same_dtype, scalar, valid_shape
from .context import OpContext
from .positions import require_within
from .registry import Step, op

DATA_TYPES = (TensorType.FLOAT32, TensorType.INT32, TensorType.FLOAT64, TensorType.INT64)


def segment_ids(ctx: OpContext) -> Array:
    """The ids of SEGMENT_SUM; raises OpError unless they count up from 0 in steps of 0 or 1."""
    ids = ctx.value(1)
    steps = np.diff(ids.astype(np.int64), prepend=0)
    if ids.size and (ids[0] != 0 or np.any((steps < 0) | (steps > 1))):
        raise OpError("segment ids must start at 0, never fall, and rise by at most 1")
    return ids


def segment_sum_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    ctx.require_dtype(0, *DATA_TYPES)
    require_same_dtype(ctx, 0)
    ctx.require_dtype(1, TensorType.INT32)
    require_rank(ctx, 1, 1)
    data = ctx.shape(0)
    ctx.require(len(data) >= 1, "data is a scalar; expected at least a vector")
    ctx.require(
        ctx.shape(1)[0] == data[0],
        f"there are {ctx.shape(1)[0]} segment ids for {data[0]} rows of data",
    )
    ids = segment_ids(ctx)
    return [(int(ids[-1]) + 1 if ids.size else 0, *data[1:])]


@op("SEGMENT_SUM", prepare=segment_sum_shape)
def segment_sum(ctx: OpContext) -> Step:
    ids, x, y = segment_ids(ctx), ctx.input(0), ctx.output()
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    if not y.size:
        return lambda: None
    return lambda: _reduce_runs(np.add, x, starts, y)


def _reduce_runs(ufunc: np.ufunc, rows: Array, starts: Array, out: Array) -> None:
    ufunc.reduceat(rows, starts, axis=0, dtype=out.dtype, out=out)


def unsorted_segment_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    ctx.require_dtype(0, *DATA_TYPES)
    require_same_dtype(ctx, 0)
    ctx.require_dtype(1, TensorType.INT32)
    ctx.require_dtype(2, TensorType.INT32)
    data, ids = ctx.shape(0), ctx.shape(1)
    ctx.require(
        data[: len(ids)] == ids,
        f"segment ids have shape {list(ids)}; expected the leading dimensions of {list(data)}",
    )
    ctx.require(ctx.rank(2) <= 1, f"num_segments has shape {list(ctx.shape(2))}")
    return [valid_shape((scalar(ctx, 2), *data[len(ids) :]))]


def _lowest(dtype: np.dtype[Any]) -> float | int:
    return np.finfo(dtype).min if dtype.kind == "f" else np.iinfo(dtype).min


def _largest(dtype: np.dtype[Any]) -> float | int:
    return np.finfo(dtype).max if dtype.kind == "f" else np.iinfo(dtype).max


# fmax and fmin: the reference never takes a NaN over a number.
UNSORTED: dict[str, tuple[np.ufunc, Callable[[np.dtype[Any]], float | int]]] = {
    "UNSORTED_SEGMENT_SUM": (np.add, lambda _: 0),
    "UNSORTED_SEGMENT_PROD": (np.multiply, lambda _: 1),
    "UNSORTED_SEGMENT_MAX": (np.fmax, _lowest),
    "UNSORTED_SEGMENT_MIN": (np.fmin, _largest),
}
"""How two rows become one, and what a segment without rows holds."""


@op(*UNSORTED, prepare=unsorted_segment_shape)
def unsorted_segment(ctx: OpContext) -> Step:
    ufunc, initial_of = UNSORTED[ctx.node.op]
    ids = ctx.input(1).reshape(-1)
    inner = math.prod(ctx.shape(0)[ctx.rank(1) :])
    x = ctx.input(0).reshape(ids.size, inner)
    y = ctx.output().reshape(-1, inner) if inner else ctx.output().reshape(-1, 1)
    initial = initial_of(y.dtype)
    segments = ctx.output().shape[0]

    def step() -> None:
        y.fill(initial)
        kept = np.flatnonzero(ids >= 0)
        require_within(ids[kept], segments, "segment id")
        if not kept.size or not inner:
            return
        order = kept[np.argsort(ids[kept], kind="stable")]
        ordered = ids[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        sums = ufunc.reduceat(x[order], starts, axis=0, dtype=y.dtype)
        y[ordered[starts]] = ufunc(sums, y.dtype.type(initial))

    return step
