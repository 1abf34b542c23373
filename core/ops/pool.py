"""Two-dimensional pools over [batch, height, width, channels]."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..dtypes import FLOATS, INTEGER_RANGE
from ..graph import Array, Shape
from ..schema.enums import ActivationFunctionType
from ..schema.enums import TensorType as T
from ..schema.options import Pool2DOptions
from .checks import options_of, require_rank
from .context import OpContext
from .fused import clamp
from .quantized import activation_range
from .registry import Step, op
from .window_geometry import Tap, taps, window

QUANTIZED = (T.UINT8, T.INT8, T.INT16)


def prepare(ctx: OpContext, *, dtypes: tuple[T, ...]) -> list[Shape]:
    ctx.require_dtype(0, *dtypes)
    ctx.require(ctx.output_dtype() == ctx.dtype(), "input and output must be of one type")
    require_rank(ctx, 0, 4)
    batch, height, width, channels = ctx.shape()
    o = options_of(ctx, Pool2DOptions)
    out_height = window(height, o.filter_height, o.stride_h, 1, o.padding)[0]
    out_width = window(width, o.filter_width, o.stride_w, 1, o.padding)[0]
    return [(batch, out_height, out_width, channels)]


def axis_taps(ctx: OpContext) -> tuple[list[Tap], list[Tap]]:
    """The taps along height and along width."""
    o = options_of(ctx, Pool2DOptions)
    sizes = ((1, o.filter_height, o.stride_h), (2, o.filter_width, o.stride_w))

    def along(axis: int, filter_size: int, stride: int) -> list[Tap]:
        in_size = ctx.shape()[axis]
        out_size, before, _ = window(in_size, filter_size, stride, 1, o.padding)
        return taps(in_size, out_size, filter_size, stride, 1, before)

    return along(*sizes[0]), along(*sizes[1])


def gather_windows(
    x: Array, rows: Array, y: Array, combine: Any, heights: list[Tap], widths: list[Tap]
) -> None:
    """Combines the windows of `x` into `y`, first down the rows, then along them.

    `rows` is [batch, out height, width, channels]; `rows` and `y` hold the start values.
    """
    for tap in heights:
        part = rows[:, tap.outputs]
        combine(part, x[:, tap.inputs], out=part)
    for tap in widths:
        part = y[:, :, tap.outputs]
        combine(part, rows[:, :, tap.inputs], out=part)


def window_counts(heights: list[Tap], widths: list[Tap], out_height: int, out_width: int) -> Array:
    """How many inputs each window holds, as [out height, out width, 1], int32."""

    def along(reaching: list[Tap], size: int) -> Array:
        counts = np.zeros(size, np.int32)
        for tap in reaching:
            counts[tap.outputs] += 1
        return counts

    return np.outer(along(heights, out_height), along(widths, out_width))[..., None]


def limits(ctx: OpContext) -> tuple[int, int]:
    """The smallest and largest stored output of a quantised pool."""
    activation = options_of(ctx, Pool2DOptions).fused_activation_function
    if activation == ActivationFunctionType.NONE:
        return INTEGER_RANGE[ctx.output_dtype()]
    return activation_range(activation, ctx.output_tensor())


def rows_shape(ctx: OpContext) -> Shape:
    batch, _, width, channels = ctx.shape()
    return batch, ctx.output().shape[1], width, channels


@op("MAX_POOL_2D", prepare=partial(prepare, dtypes=(T.FLOAT32, *QUANTIZED)), versions=(1, 3))
def max_pool_2d(ctx: OpContext) -> Step:
    x, y = ctx.input(), ctx.output()
    heights, widths = axis_taps(ctx)
    rows = ctx.scratch(rows_shape(ctx), y.dtype)
    if ctx.dtype() in FLOATS:
        # The reference passes over NaN where a window holds a number.
        start: float = np.nan
        combine: Any = np.fmax
        finish: Callable[[], Any] = partial(clamp, y, ctx.options.fused_activation_function)
    else:
        low, high = limits(ctx)
        start, combine = np.iinfo(y.dtype).min, np.maximum
        finish = partial(np.clip, y, low, high, out=y)

    def step() -> None:
        rows.fill(start)
        y.fill(start)
        gather_windows(x, rows, y, combine, heights, widths)
        finish()

    return step


def float_sums(ctx: OpContext, squared: bool) -> tuple[Callable[[], None], Array]:
    """(what writes the sums of all windows to the output, the size of each window)."""
    x, y = ctx.input(), ctx.output()
    heights, widths = axis_taps(ctx)
    rows = ctx.scratch(rows_shape(ctx), y.dtype)
    squares = ctx.scratch(x.shape, x.dtype) if squared else x

    def add() -> None:
        rows.fill(0)
        y.fill(0)
        if squared:
            np.multiply(x, x, out=squares)
        gather_windows(squares, rows, y, np.add, heights, widths)

    return add, window_counts(heights, widths, y.shape[1], y.shape[2])


def average_of_floats(ctx: OpContext) -> Step:
    y = ctx.output()
    add, counts = float_sums(ctx, squared=False)
    sizes = counts.astype(y.dtype)

    def step() -> None:
        add()
        np.divide(y, sizes, out=y)
        clamp(y, ctx.options.fused_activation_function)

    return step


def average_of_integers(ctx: OpContext) -> Step:
    """Sums in int32, divided with halves away from zero."""
    x, y = ctx.input(), ctx.output()
    heights, widths = axis_taps(ctx)
    rows = ctx.scratch(rows_shape(ctx), np.int32)
    total = ctx.scratch(y.shape, np.int32)
    sizes = np.maximum(window_counts(heights, widths, y.shape[1], y.shape[2]), 1)
    if sizes.size and (sizes == sizes.flat[0]).all():
        sizes = sizes.flat[0]
    halves = sizes // 2
    negative = ctx.scratch(y.shape, np.bool_)
    low, high = limits(ctx)

    def step() -> None:
        rows.fill(0)
        total.fill(0)
        gather_windows(x, rows, total, np.add, heights, widths)
        np.less(total, 0, out=negative)
        np.abs(total, out=total)
        np.add(total, halves, out=total)
        np.floor_divide(total, sizes, out=total)
        np.negative(total, out=total, where=negative)
        np.clip(total, low, high, out=total)
        np.copyto(y, total, casting="unsafe")

    return step


@op("AVERAGE_POOL_2D", prepare=partial(prepare, dtypes=(T.FLOAT32, *QUANTIZED)), versions=(1, 3))
def average_pool_2d(ctx: OpContext) -> Step:
    return average_of_floats(ctx) if ctx.dtype() in FLOATS else average_of_integers(ctx)


@op("L2_POOL_2D", prepare=partial(prepare, dtypes=(T.FLOAT32,)))
def l2_pool_2d(ctx: OpContext) -> Step:
    """The root of the mean square of each window."""
    y = ctx.output()
    add, counts = float_sums(ctx, squared=True)
    sizes = counts.astype(y.dtype)

    def step() -> None:
        add()
        np.divide(y, sizes, out=y)
        np.sqrt(y, out=y)
        clamp(y, ctx.options.fused_activation_function)

    return step
