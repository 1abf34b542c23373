"""MediaPipe's custom pools: maxima with their places, and the way back."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import ActivationFunctionType, Padding, TensorType
from .checks import require_inputs, require_rank, valid_shape
from .context import OpContext
from .fused import clamp
from .positions import row_major_strides
from .registry import Step, op
from .window_geometry import Tap, taps, window

PADDINGS = {1: Padding.SAME, 2: Padding.VALID}
PLACE_MARGIN = np.float32(0.1)
"""Added to a place within the window, so that it stays the same when truncated."""


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """`strides` and `sizes` along height and width."""

    padding: Padding
    strides: tuple[int, int]
    sizes: tuple[int, int]
    activation: ActivationFunctionType


def pool_options(ctx: OpContext) -> PoolOptions:
    """The first six int32 of TensorFlow Lite's C struct TfLitePoolParams."""
    raw = bytes(ctx.options) if ctx.options is not None else b""
    ctx.require(len(raw) >= 24, f"there are {len(raw)} bytes of options; expected 24 or more")
    padding, stride_w, stride_h, width, height, activation = struct.unpack("<6i", raw[:24])
    ctx.require(padding in PADDINGS, f"padding is {padding}; expected 1 (SAME) or 2 (VALID)")
    ctx.require(
        min(stride_w, stride_h, width, height) > 0,
        f"strides {stride_h}, {stride_w} and sizes {height}, {width} must be positive",
    )
    try:
        fused = ActivationFunctionType(activation)
    except ValueError as error:
        raise OpError(f"fused activation {activation} is unknown") from error
    return PoolOptions(PADDINGS[padding], (stride_h, stride_w), (height, width), fused)


def _check_floats(ctx: OpContext, inputs: int, outputs: int) -> None:
    require_inputs(ctx, inputs)
    for i in range(inputs):
        ctx.require_dtype(i, TensorType.FLOAT32)
        require_rank(ctx, i, 4)
    for j in range(outputs):
        found = ctx.output_dtype(j)
        ctx.require(found == TensorType.FLOAT32, f"output {j} is {found.name}; expected FLOAT32")


def pool_windows(ctx: OpContext, options: PoolOptions) -> tuple[Shape, list[list[Tap]]]:
    """(output height and width, taps along each)."""
    sizes, reaching = [], []
    for size, filter_size, stride in zip(
        ctx.shape(0)[1:3], options.sizes, options.strides, strict=True
    ):
        out, before, _ = window(size, filter_size, stride, 1, options.padding)
        sizes.append(out)
        reaching.append(taps(size, out, filter_size, stride, 1, before))
    return tuple(sizes), reaching


def pool_shape(ctx: OpContext) -> list[Shape]:
    _check_floats(ctx, 1, 2)
    (height, width), _ = pool_windows(ctx, pool_options(ctx))
    batch, _, _, channels = ctx.shape(0)
    out = valid_shape((batch, height, width, channels))
    return [out, out]


@op("MaxPoolingWithArgmax2D", prepare=pool_shape, custom=True)
def max_pooling_with_argmax(ctx: OpContext) -> Step:
    options = pool_options(ctx)
    _, (rows, columns) = pool_windows(ctx, options)
    x, y, places = ctx.input(0), ctx.output(0), ctx.output(1)
    moves: list[tuple[Array, Array, Array, np.float32]] = []
    for row in rows:
        for column in columns:
            source = x[:, row.inputs, column.inputs]
            target = (slice(None), row.outputs, column.outputs)
            place = np.float32(row.index * options.sizes[1] + column.index) + PLACE_MARGIN
            moves.append((source, y[target], places[target], place))

    def step() -> None:
        y.fill(np.finfo(np.float32).min)
        places.fill(PLACE_MARGIN)
        for source, best, where, place in moves:
            larger = source > best
            np.copyto(best, source, where=larger)
            np.copyto(where, place, where=larger)
        clamp(y, options.activation)

    return step


def unpool_shape(ctx: OpContext) -> list[Shape]:
    _check_floats(ctx, 2, 1)
    options = pool_options(ctx)
    batch, height, width, channels = ctx.shape(0)
    ctx.require(
        ctx.shape(1) == ctx.shape(0),
        f"values have shape {list(ctx.shape(0))}, places {list(ctx.shape(1))}",
    )
    return [valid_shape((batch, height * options.sizes[0], width * options.sizes[1], channels))]


@op("MaxUnpooling2D", prepare=unpool_shape, custom=True)
def max_unpooling(ctx: OpContext) -> Step:
    options = pool_options(ctx)
    x, places, y = ctx.input(0), ctx.input(1), ctx.output()
    origins = [
        np.arange(count) * stride - max(0, (count - 1) * stride + size - count * size) // 2
        for count, size, stride in zip(x.shape[1:3], options.sizes, options.strides, strict=True)
    ]
    top, left = origins[0][:, np.newaxis, np.newaxis], origins[1][:, np.newaxis]
    batches = np.arange(x.shape[0])[:, np.newaxis, np.newaxis, np.newaxis]
    channels = np.arange(x.shape[3])
    strides = row_major_strides(y.shape)

    def step() -> None:
        usable = np.abs(places) < 2**31
        place = np.where(usable, places, np.float32(0)).astype(np.int64)
        # C++ divides toward zero.
        down = np.trunc(place / options.sizes[1]).astype(np.int64)
        row, column = top + down, left + place - down * options.sizes[1]
        inside = usable & (row >= 0) & (row < y.shape[1]) & (column >= 0) & (column < y.shape[2])
        position = batches * strides[0] + row * strides[1] + column * strides[2] + channels
        y.fill(0)
        y.reshape(-1)[position[inside]] = x[inside]

    return step
