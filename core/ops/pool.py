"""Two-dimensional pools over [batch, height, width, channels]."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..dtypes import FLOATS
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
    _, height, width, _ = ctx.shape()

    def along(in_size: int, filter_size: int, stride: int) -> list[Tap]:
        out_size, before, _ = window(in_size, filter_size, stride, 1, o.padding)
        return taps(in_size, out_size, filter_size, stride, 1, before)

    return along(height, o.filter_height, o.stride_h), along(width, o.filter_width, o.stride_w)


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
    """How many inputs each window holds, as [out height, out width, 1]."""

    def along(reaching: list[Tap], size: int) -> Array:
        counts = np.zeros(size, np.int64)
        for tap in reaching:
            counts[tap.outputs] += 1
        return counts

    return np.outer(along(heights, out_height), along(widths, out_width))[..., None]


def limiter(ctx: OpContext, results: Array) -> Callable[[], object]:
    """What applies the fused activation to `results`, whatever type they are held in."""
    activation = options_of(ctx, Pool2DOptions).fused_activation_function
    if ctx.dtype() in FLOATS or activation == ActivationFunctionType.NONE:
        return partial(clamp, results, activation)
    low, high = activation_range(activation, ctx.output_tensor())
    return partial(np.clip, results, low, high, out=results)


def rows_shape(ctx: OpContext) -> Shape:
    batch, _, width, channels = ctx.shape()
    return batch, ctx.output().shape[1], width, channels


@op("MAX_POOL_2D", prepare=partial(prepare, dtypes=(T.FLOAT32, *QUANTIZED)), versions=(1, 3))
def max_pool_2d(ctx: OpContext) -> Step:
    x, y = ctx.input(), ctx.output()
    heights, widths = axis_taps(ctx)
    rows = ctx.scratch(rows_shape(ctx), y.dtype)
    finish = limiter(ctx, y)
    # The reference passes over NaN where a window holds a number.
    is_float = ctx.dtype() in FLOATS
    start = np.nan if is_float else np.iinfo(y.dtype).min
    combine = np.fmax if is_float else np.maximum

    def step() -> None:
        rows.fill(start)
        y.fill(start)
        gather_windows(x, rows, y, combine, heights, widths)
        finish()

    return step


def sums(ctx: OpContext, acc: Array, squared: bool = False) -> tuple[Step, Array]:
    """(what writes the sum of each window to float `acc`, the number of inputs in each)."""
    x = ctx.input()
    heights, widths = axis_taps(ctx)
    rows = ctx.scratch(rows_shape(ctx), acc.dtype)
    wide = x if x.dtype == acc.dtype and not squared else ctx.scratch(x.shape, acc.dtype)
    counts = window_counts(heights, widths, acc.shape[1], acc.shape[2]).astype(acc.dtype)

    def add() -> None:
        if squared:
            np.multiply(x, x, out=wide)
        elif wide is not x:
            np.copyto(wide, x)
        rows.fill(0)
        acc.fill(0)
        gather_windows(wide, rows, acc, np.add, heights, widths)

    return add, counts


def average_of_floats(ctx: OpContext) -> Step:
    y = ctx.output()
    add, counts = sums(ctx, y)
    finish = limiter(ctx, y)

    def step() -> None:
        add()
        np.divide(y, counts, out=y)
        finish()

    return step


def average_of_integers(ctx: OpContext) -> Step:
    """Averages, halves away from zero: exact in floats, in double for larger windows."""
    x, y = ctx.input(), ctx.output()
    options = options_of(ctx, Pool2DOptions)
    small = options.filter_height * options.filter_width < 1 << 14
    work = np.float32 if x.dtype.itemsize == 1 and small else np.float64
    acc, half = ctx.scratch(y.shape, work), ctx.scratch(y.shape, work)
    add, counts = sums(ctx, acc)
    almost_half = np.nextafter(work(0.5), work(0))
    finish = limiter(ctx, acc)

    def step() -> None:
        add()
        np.divide(acc, counts, out=acc)
        np.copysign(almost_half, acc, out=half)
        np.add(acc, half, out=acc)
        np.trunc(acc, out=acc)
        finish()
        np.copyto(y, acc, casting="unsafe")

    return step


@op("AVERAGE_POOL_2D", prepare=partial(prepare, dtypes=(T.FLOAT32, *QUANTIZED)), versions=(1, 3))
def average_pool_2d(ctx: OpContext) -> Step:
    return average_of_floats(ctx) if ctx.dtype() in FLOATS else average_of_integers(ctx)


@op("L2_POOL_2D", prepare=partial(prepare, dtypes=(T.FLOAT32,)))
def l2_pool_2d(ctx: OpContext) -> Step:
    """The root of the mean square of each window."""
    y = ctx.output()
    add, counts = sums(ctx, y, squared=True)
    finish = limiter(ctx, y)

    def step() -> None:
        add()
        np.divide(y, counts, out=y)
        np.sqrt(y, out=y)
        finish()

    return step
