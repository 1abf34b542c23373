"""Resizing of images [batch, height, width, channels] to a size that is an input of the node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ..graph import Array, Shape
from ..schema.enums import TensorType as T
from ..schema.options import ResizeBilinearOptions, ResizeNearestNeighborOptions
from .checks import options_of, require_rank
from .context import OpContext
from .quantized import round_half_away
from .registry import Step, op

COPIED = (
    T.FLOAT32,
    T.INT32,
    T.UINT32,
    T.FLOAT16,
    T.BFLOAT16,
    T.INT16,
    T.UINT16,
    T.INT8,
    T.UINT8,
    T.BOOL,
)
Positions = tuple[tuple[Array, Array], tuple[Array, Array]]
"""For each output of an axis: (index, weight) of its lower and of its upper neighbour."""

TILE = 1 << 16
"""About how many outputs are computed at a time, so that they stay in the cache."""

ONE = 1 << 10
"""The unit of the integer kernels' coordinates and weights."""


def new_size(ctx: OpContext, least: int) -> Shape:
    """The output shape; raises OpError for sizes under `least` and for pixels made of none."""
    require_rank(ctx, 0, 4)
    ctx.require_dtype(1, T.INT32)
    ctx.require(ctx.shape(1) == (2,), lambda: f"size has shape {ctx.shape(1)}; expected [2]")
    ctx.require(ctx.output_dtype() == ctx.dtype(), "input and output must be of one type")
    height, width = ctx.value(1).tolist()
    batch, in_height, in_width, channels = ctx.shape()
    ctx.require(
        min(height, width) >= least, f"size is {height} x {width}; expected at least {least}"
    )
    ctx.require(
        in_height * in_width > 0 or batch * height * width * channels == 0,
        lambda: f"an input of shape {ctx.shape()} has no pixels to resize",
    )
    return batch, height, width, channels


def prepare_bilinear(ctx: OpContext) -> list[Shape]:
    ctx.require_dtype(0, *ARITHMETIC)
    options = options_of(ctx, ResizeBilinearOptions)
    ctx.require(
        not (options.half_pixel_centers and options.align_corners),
        "align_corners and half_pixel_centers exclude each other",
    )
    return [new_size(ctx, 1)]


def floats(in_size: int, out_size: int, options: ResizeBilinearOptions) -> Positions:
    """Where the outputs of one axis lie between the inputs, in the reference's float32 steps."""
    scale = np.float32(in_size) / np.float32(out_size)
    if options.align_corners and out_size > 1:
        scale = np.float32(in_size - 1) / np.float32(out_size - 1)
    at = np.arange(out_size).astype(np.float32)
    if options.half_pixel_centers:
        at = (at + np.float32(0.5)) * scale - np.float32(0.5)
    else:
        at = at * scale
    lower = np.clip(np.floor(at).astype(np.int64), 0, in_size - 1)
    upper = np.clip(np.ceil(at).astype(np.int64), 0, in_size - 1)
    weight = at - lower.astype(np.float32)
    return (lower, np.float32(1) - weight), (upper, weight)


def units(in_size: int, out_size: int, options: ResizeBilinearOptions) -> Positions:
    """The same in units of 1 / 1024."""
    scale = (ONE * in_size + out_size // 2) // out_size
    if options.align_corners and out_size > 1:
        scale = (ONE * (in_size - 1) + (out_size - 1) // 2) // (out_size - 1)
    at = np.arange(out_size, dtype=np.int64) * scale
    if options.half_pixel_centers:
        at += scale // 2 - ONE // 2
    lower = np.clip(at // ONE, 0, in_size - 1)
    upper = np.clip((at + ONE - 1) // ONE, 0, in_size - 1)
    weight = at - ONE * lower
    return (lower, ONE - weight), (upper, weight)


def store_halves_up(acc: Array, y: Array) -> None:
    """Stores floats that are not negative, rounded."""
    np.add(acc, acc.dtype.type(0.5), out=acc)
    np.copyto(y, acc, casting="unsafe")


def store_units(acc: Array, y: Array) -> None:
    """Stores integers in units of 1 / 1024^2, rounded half away from zero."""
    sign = np.sign(acc)
    np.abs(acc, out=acc)
    np.add(acc, ONE * ONE // 2, out=acc)
    np.right_shift(acc, 20, out=acc)
    np.multiply(acc, sign, out=acc)
    np.copyto(y, acc, casting="unsafe")


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How a type is blended.

    `split`: the upper and lower rows are kept apart until the end, as the rounding of the reference
    has it; sums of integers are exact in any order.
    """

    work: Any
    positions: Callable[[int, int, ResizeBilinearOptions], Positions]
    split: bool
    store: Callable[[Array, Array], None]

    def along(
        self, in_size: int, out_size: int, options: ResizeBilinearOptions, trailing: int
    ) -> Positions:
        """The positions with weights that broadcast against `trailing` further axes."""
        pairs = self.positions(in_size, out_size, options)
        shape = (-1, *(1,) * trailing)
        first, second = ((i, w.astype(self.work).reshape(shape)) for i, w in pairs)
        return first, second


ARITHMETIC = {
    T.FLOAT32: Arithmetic(np.float32, floats, False, lambda acc, y: None),
    T.UINT8: Arithmetic(np.float32, floats, True, store_halves_up),
    T.INT8: Arithmetic(np.int32, units, False, store_units),
    T.INT16: Arithmetic(np.int64, units, False, store_units),
}


def row_tiles(shape: Shape) -> Iterator[tuple[int, slice]]:
    """(image, rows) that cut an output of `shape` into pieces of about TILE elements."""
    batch, height, width, channels = shape
    rows = max(1, TILE // max(1, width * channels))
    yield from product(range(batch), (slice(i, i + rows) for i in range(0, height, rows)))


@op("RESIZE_BILINEAR", prepare=prepare_bilinear, versions=(1, 4))
def resize_bilinear(ctx: OpContext) -> Step:
    """Blends rows first, then columns, some rows at a time."""
    x, y = ctx.input(), ctx.output()
    if y.size == 0:
        return lambda: None
    kind = ARITHMETIC[ctx.dtype()]
    options = options_of(ctx, ResizeBilinearOptions)
    _, height, width, channels = x.shape
    down = kind.along(height, y.shape[1], options, trailing=2)
    across = kind.along(width, y.shape[2], options, trailing=1)
    tile = max(1, min(y.shape[1], TILE // (y.shape[2] * channels)))
    taken = ctx.scratch((tile, width, channels), x.dtype)
    rows = [ctx.scratch((tile, width, channels), kind.work) for _ in range(2)]
    blended = [ctx.scratch((tile, *y.shape[2:]), kind.work) for _ in range(2)]

    def blend_rows(image: Array, part: slice, count: int) -> list[Array]:
        layers = [row[:count] for row in rows]
        for layer, (index, weight) in zip(layers, down, strict=True):
            np.take(image, index[part], axis=0, out=taken[:count], mode="clip")
            np.multiply(taken[:count], weight[part], out=layer, dtype=kind.work)
        if kind.split:
            return layers
        np.add(layers[0], layers[1], out=layers[0])
        return layers[:1]

    def blend_columns(layers: list[Array], acc: Array, term: Array) -> None:
        target = acc
        for index, weight in across:
            for layer in layers:
                np.take(layer, index, axis=1, out=target, mode="clip")
                np.multiply(target, weight, out=target)
                if target is term:
                    np.add(acc, term, out=acc)
                target = term

    def step() -> None:
        for batch, part in row_tiles(y.shape):
            target = y[batch, part]
            count = len(target)
            acc = target if y.dtype == kind.work else blended[0][:count]
            blend_columns(blend_rows(x[batch], part, count), acc, blended[1][:count])
            kind.store(acc, target)

    return step


def nearest(in_size: int, out_size: int, options: ResizeNearestNeighborOptions) -> Array:
    """The input that each output of one axis copies, in the reference's float32 steps."""
    if options.align_corners and out_size > 1:
        scale = np.float32(in_size - 1) / np.float32(out_size - 1)
    else:
        scale = np.float32(in_size) / np.float32(max(out_size, 1))
    offset = np.float32(0.5 if options.half_pixel_centers else 0)
    at = (np.arange(out_size).astype(np.float32) + offset) * scale
    at = round_half_away(at) if options.align_corners else np.floor(at)
    return np.clip(at.astype(np.int64), 0, max(in_size - 1, 0))


def prepare_nearest(ctx: OpContext) -> list[Shape]:
    ctx.require_dtype(0, *COPIED)
    return [new_size(ctx, 0)]


@op("RESIZE_NEAREST_NEIGHBOR", prepare=prepare_nearest, versions=(1, 4))
def resize_nearest_neighbor(ctx: OpContext) -> Step:
    x, y = ctx.input(), ctx.output()
    options = options_of(ctx, ResizeNearestNeighborOptions)
    if y.size == 0:
        return lambda: None
    batch, height, width, channels = x.shape
    down = nearest(height, y.shape[1], options)
    along = nearest(width, y.shape[2], options)
    rows = ctx.scratch((batch, y.shape[1], width, channels), x.dtype)

    def step() -> None:
        np.take(x, down, axis=1, out=rows, mode="clip")
        np.take(rows, along, axis=2, out=y, mode="clip")

    return step
