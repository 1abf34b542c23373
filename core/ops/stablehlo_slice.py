"""Slices of StableHLO, after its specification (https://openxla.org/stablehlo/spec)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..graph import Shape
from ..schema.enums import TensorType
from ..schema.options2 import StablehloDynamicSliceOptions, StablehloSliceOptions
from .checks import options_of, require_inputs, require_one, require_same_dtype
from .context import OpContext
from .registry import Step, op
from .slice import Index, clamped, require_update, update_step, window
from .stablehlo_shape import numbers

START_TYPES = (TensorType.INT32, TensorType.INT64, TensorType.UINT32, TensorType.UINT64)


def slices(ctx: OpContext) -> list[slice]:
    options, rank = options_of(ctx, StablehloSliceOptions), ctx.rank(0)
    starts = numbers(options.start_indices, rank, "start_indices")
    limits = numbers(options.limit_indices, rank, "limit_indices")
    strides = numbers(options.strides, rank, "strides")
    for start, limit, stride, n in zip(starts, limits, strides, ctx.shape(0), strict=True):
        ctx.require(
            0 <= start <= limit <= n and stride >= 1,
            f"a slice from {start} to {limit} by {stride} is not inside an axis of {n}",
        )
    return [slice(*part) for part in zip(starts, limits, strides, strict=True)]


def slice_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    require_same_dtype(ctx, 0)
    return [tuple(len(range(p.start, p.stop, p.step)) for p in slices(ctx))]


@op("STABLEHLO_SLICE", prepare=slice_shape)
def slice_(ctx: OpContext) -> Step:
    index: Index = (*slices(ctx), ...)
    y, source = ctx.output(), ctx.input(0)[index]
    return lambda: np.copyto(y, source)


def require_starts(ctx: OpContext, first: int) -> None:
    """Raises OpError unless a scalar for each axis follows from input `first` on."""
    require_inputs(ctx, first + ctx.rank(0))
    for i in range(first, first + ctx.rank(0)):
        ctx.require_dtype(i, *START_TYPES)
        require_one(ctx, i)


def reader(ctx: OpContext, first: int) -> Callable[[], list[int]]:
    """What reads the starts from input `first` on, each time it is called."""
    scalars = [ctx.input(i) for i in range(first, first + ctx.rank(0))]
    return lambda: [int(scalar.item()) for scalar in scalars]


def dynamic_slice_shape(ctx: OpContext) -> list[Shape]:
    require_same_dtype(ctx, 0)
    require_starts(ctx, 1)
    shape, options = ctx.shape(0), options_of(ctx, StablehloDynamicSliceOptions)
    sizes = numbers(options.slice_sizes, len(shape), "slice_sizes")
    ctx.require(
        all(0 <= size <= n for size, n in zip(sizes, shape, strict=True)),
        f"slice sizes {sizes} are not within {list(shape)}",
    )
    return [tuple(sizes)]


@op("STABLEHLO_DYNAMIC_SLICE", prepare=dynamic_slice_shape)
def dynamic_slice(ctx: OpContext) -> Step:
    """Takes the slice at the given starts, moved inside the input."""
    x, y, starts = ctx.input(0), ctx.output(), reader(ctx, 1)

    def step() -> None:
        begins = clamped(starts(), x.shape, y.shape)
        np.copyto(y, x[window(begins, y.shape)])

    return step


def dynamic_update_slice_shape(ctx: OpContext) -> list[Shape]:
    require_update(ctx)
    require_starts(ctx, 2)
    return [ctx.shape(0)]


@op("STABLEHLO_DYNAMIC_UPDATE_SLICE", prepare=dynamic_update_slice_shape)
def dynamic_update_slice(ctx: OpContext) -> Step:
    return update_step(ctx.input(0), ctx.input(1), ctx.output(), reader(ctx, 2))
