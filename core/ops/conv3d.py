"""Convolutions over [batch, depth, height, width, channels] and their transposes, float32."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..graph import Array, Shape
from ..schema.enums import TensorType as T
from ..schema.options import Conv3DOptions
from .checks import options_of, require_rank
from .context import OpContext
from .fused import clamp
from .registry import Step, op
from .window_geometry import taps, window

Triple = tuple[int, int, int]

COLUMN_BYTES = 16 << 20
"""About how much of the unrolled input is held at a time."""


def strides_and_dilations(ctx: OpContext) -> tuple[Triple, Triple]:
    """Along depth, height, width."""
    o = options_of(ctx, Conv3DOptions)
    dilations = o.dilation_d_factor, o.dilation_h_factor, o.dilation_w_factor
    return (o.stride_d, o.stride_h, o.stride_w), dilations


def windows(ctx: OpContext, image: Shape, kernel: Shape) -> tuple[list[int], list[int]]:
    """(output sizes, padding before) of filters of size `kernel` on `image`, three axes each."""
    padding = options_of(ctx, Conv3DOptions).padding
    axes = zip(image, kernel, *strides_and_dilations(ctx), strict=True)
    found = [window(*axis, padding) for axis in axes]
    return [w[0] for w in found], [w[1] for w in found]


def check_operands(ctx: OpContext, image: int, bias: int, filter_in: int, filter_out: int) -> None:
    """Types, ranks and channels; `filter_in` and `filter_out` are axes of the filter, input 1."""
    for i in (image, 1, bias):
        if i != bias or ctx.has(bias):
            ctx.require_dtype(i, T.FLOAT32)
    ctx.require(ctx.output_dtype() == T.FLOAT32, "the output must be FLOAT32")
    require_rank(ctx, image, 5)
    require_rank(ctx, 1, 5)
    channels, kernel = ctx.shape(image)[4], ctx.shape(1)
    ctx.require(
        channels == kernel[filter_in],
        lambda: f"the input has {channels} channels, the filter {kernel[filter_in]}",
    )
    if ctx.has(bias):
        ctx.require(
            math.prod(ctx.shape(bias)) == kernel[filter_out],
            lambda: f"bias has shape {ctx.shape(bias)}; expected [{kernel[filter_out]}]",
        )


def finisher(ctx: OpContext, bias: int) -> Callable[[], None]:
    """What adds the bias and applies the activation to the output."""
    y = ctx.output()
    addend = ctx.input(bias).reshape(-1) if ctx.has(bias) else None
    activation = options_of(ctx, Conv3DOptions).fused_activation_function

    def finish() -> None:
        if addend is not None:
            np.add(y, addend, out=y)
        clamp(y, activation)

    return finish


def prepare_conv3d(ctx: OpContext) -> list[Shape]:
    check_operands(ctx, image=0, bias=2, filter_in=3, filter_out=4)
    sizes, _ = windows(ctx, ctx.shape()[1:4], ctx.shape(1)[:3])
    return [(ctx.shape()[0], *sizes, ctx.shape(1)[4])]


def padded_sizes(ctx: OpContext, sizes: list[int], before: list[int]) -> list[int]:
    """How far the windows reach over the input and its padding, along three axes."""
    axes = zip(
        sizes, ctx.shape(1)[:3], *strides_and_dilations(ctx), before, ctx.shape()[1:4], strict=True
    )
    return [max((n - 1) * s + (k - 1) * d + 1, b + size) for n, k, s, d, b, size in axes]


def all_windows(ctx: OpContext, padded: Array, sizes: list[int]) -> Array:
    """A view of every window: [batch, *sizes, *kernel, channels]."""
    strides, dilations = strides_and_dilations(ctx)
    batch, *steps, channel = padded.strides
    moves = [n * s for n, s in zip(steps, strides, strict=True)]
    reads = [n * d for n, d in zip(steps, dilations, strict=True)]
    shape = (padded.shape[0], *sizes, *ctx.shape(1)[:3], padded.shape[4])
    return as_strided(padded, shape, (batch, *moves, *reads, channel), writeable=False)


@op("CONV_3D", prepare=prepare_conv3d)
def conv3d(ctx: OpContext) -> Step:
    """Unrolls some planes of windows at a time and multiplies them with the filter as a matrix."""
    x, y, weights = ctx.input(), ctx.output(), ctx.input(1)
    finish = finisher(ctx, 2)
    if y.size == 0:
        return lambda: None
    sizes, before = windows(ctx, x.shape[1:4], weights.shape[:3])
    around = (x.shape[0], *padded_sizes(ctx, sizes, before), x.shape[4])
    padded = x if around == x.shape else ctx.scratch(around, x.dtype)
    inside = padded[:, *(slice(b, b + n) for b, n in zip(before, x.shape[1:4], strict=True))]
    view = all_windows(ctx, padded, sizes)
    matrix = weights.reshape(-1, weights.shape[4])
    plane = sizes[1] * sizes[2]
    planes = max(1, min(sizes[0], COLUMN_BYTES // max(1, plane * matrix.shape[0] * 4)))
    columns = ctx.scratch((planes * plane, matrix.shape[0]), x.dtype)

    def step() -> None:
        if padded is not x:
            padded.fill(0)
            np.copyto(inside, x)
        for batch, first in product(range(x.shape[0]), range(0, sizes[0], planes)):
            part = view[batch, first : first + planes]
            rows = columns[: part.shape[0] * plane]
            np.copyto(rows.reshape(part.shape), part)
            out = y[batch, first : first + planes].reshape(-1, matrix.shape[1])
            np.matmul(rows, matrix, out=out)
        finish()

    return step


def prepare_conv3d_transpose(ctx: OpContext) -> list[Shape]:
    ctx.require_dtype(0, T.INT32)
    check_operands(ctx, image=2, bias=3, filter_in=4, filter_out=3)
    shape = tuple(ctx.value(0).reshape(-1).tolist())
    ctx.require(
        len(shape) == 5 and min(shape) >= 0,
        lambda: f"the output shape is {shape}; expected five sizes",
    )
    expected = (ctx.shape(2)[0], ctx.shape(1)[3])
    ctx.require(
        (shape[0], shape[4]) == expected,
        lambda: f"the output shape is {shape}; expected batch and channels {expected}",
    )
    sizes, _ = windows(ctx, shape[1:4], ctx.shape(1)[:3])
    ctx.require(
        tuple(sizes) == ctx.shape(2)[1:4],
        lambda: (
            f"an output of shape {shape} comes from inputs of sizes {sizes}; "
            f"the input has shape {ctx.shape(2)}"
        ),
    )
    return [shape]


@op("CONV_3D_TRANSPOSE", prepare=prepare_conv3d_transpose)
def conv3d_transpose(ctx: OpContext) -> Step:
    """Multiplies the input with each filter tap and adds the product where the tap writes."""
    x, y, weights = ctx.input(2), ctx.output(), ctx.input(1)
    finish = finisher(ctx, 3)
    sizes, before = windows(ctx, y.shape[1:4], weights.shape[:3])
    axes = zip(
        y.shape[1:4], sizes, weights.shape[:3], *strides_and_dilations(ctx), before, strict=True
    )
    reached = list(product(*(taps(*axis) for axis in axes)))
    rows = x.reshape(-1, x.shape[4])
    spread = ctx.scratch((*x.shape[:4], y.shape[4]), x.dtype)

    def step() -> None:
        y.fill(0)
        for d, h, w in reached:
            tap = weights[d.index, h.index, w.index]
            np.matmul(rows, tap.T, out=spread.reshape(-1, y.shape[4]))
            part = y[:, d.inputs, h.inputs, w.inputs]
            np.add(part, spread[:, d.outputs, h.outputs, w.outputs], out=part)
        finish()

    return step
