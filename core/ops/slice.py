"""Parts of tensors, by begin and size, and tensors with a part replaced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType
from .checks import require_inputs, require_rank, require_same_dtype, vector
from .context import OpContext
from .registry import Step, op

Index = tuple[Any, ...]


def slice_part(ctx: OpContext) -> tuple[list[int], list[int]]:
    """(begins, sizes) of the output; begins are 0 where they are neither known nor needed.

    A size of -1 runs to the end. Raises OpError for what lies outside, where known.
    """
    shape, sizes = ctx.shape(0), vector(ctx, 2)
    require_rank(ctx, 1, 1)
    if not len(sizes) == ctx.shape(1)[0] == len(shape):
        raise OpError(f"begin and size must have {len(shape)} elements, one for each axis")
    begins = vector(ctx, 1) if -1 in sizes or ctx.is_known(1) else [0] * len(shape)
    sizes = [
        n - begin if size == -1 else size
        for n, begin, size in zip(shape, begins, sizes, strict=True)
    ]
    require_inside(begins, sizes, shape)
    return begins, sizes


def require_inside(begins: Sequence[int], sizes: Sequence[int], shape: Shape) -> None:
    for begin, size, n in zip(begins, sizes, shape, strict=True):
        if begin < 0 or size < 0 or begin + size > n:
            raise OpError(
                f"a slice from {list(begins)} of sizes {list(sizes)} is not inside {list(shape)}"
            )


def slice_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    require_same_dtype(ctx, 0)
    ctx.require_dtype(1, TensorType.INT32, TensorType.INT64)
    return [tuple(slice_part(ctx)[1])]


def slice_anew(ctx: OpContext) -> Step:
    def step() -> None:
        ctx.publish(0, ctx.input(0)[window(*slice_part(ctx))])

    return step


@op("SLICE", prepare=slice_shape, versions=(1, 8), anew=slice_anew)
def slice_(ctx: OpContext) -> Step:
    x, y, (begins, sizes) = ctx.input(0), ctx.output(), slice_part(ctx)
    if ctx.is_known(1):
        source = x[window(begins, sizes)]
        return lambda: np.copyto(y, source)
    begin = ctx.input(1)

    def step() -> None:
        begins = begin.tolist()
        require_inside(begins, sizes, x.shape)
        np.copyto(y, x[window(begins, sizes)])

    return step


def window(begins: Sequence[int], sizes: Sequence[int]) -> Index:
    """The index of the part at `begins`, a view even where it is a single element."""
    return (*(slice(b, b + size) for b, size in zip(begins, sizes, strict=True)), ...)


def clamped(starts: Sequence[int], shape: Shape, sizes: Shape) -> list[int]:
    """`starts` moved so that parts of `sizes` lie inside `shape`."""
    return [min(max(at, 0), n - m) for at, n, m in zip(starts, shape, sizes, strict=True)]


def update_step(x: Array, update: Array, y: Array, starts: Callable[[], Sequence[int]]) -> Step:
    """The step that copies `x` with `update` in place of the part at `starts`, moved inside `x`."""

    def step() -> None:
        np.copyto(y, x)
        y[window(clamped(starts(), x.shape, update.shape), update.shape)] = update

    return step


def require_update(ctx: OpContext) -> None:
    """Raises OpError unless input 1 is of the type of input 0 and fits in it."""
    require_same_dtype(ctx, 0, 1)
    shape, update = ctx.shape(0), ctx.shape(1)
    ctx.require(
        len(shape) == len(update) and all(m <= n for m, n in zip(update, shape, strict=True)),
        f"an update of shape {list(update)} does not fit in {list(shape)}",
    )


def dynamic_update_slice_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    require_update(ctx)
    ctx.require_dtype(2, TensorType.INT32, TensorType.INT64)
    shape = ctx.shape(0)
    ctx.require(
        ctx.shape(2) == (len(shape),),
        f"start indices have shape {list(ctx.shape(2))}; expected [{len(shape)}]",
    )
    return [shape]


@op("DYNAMIC_UPDATE_SLICE", prepare=dynamic_update_slice_shape, versions=(1, 6))
def dynamic_update_slice(ctx: OpContext) -> Step:
    starts: Array = ctx.input(2)
    return update_step(ctx.input(0), ctx.input(1), ctx.output(), starts.tolist)
