"""Depthwise convolutions over [batch, height, width, channels].

Channels do not mix, so a filter is a sum of products of shifted images (`Taps`); with one input
channel it is a matrix product as in CONV_2D.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..graph import Array, Shape
from ..schema.enums import ActivationFunctionType
from ..schema.enums import TensorType as T
from ..schema.options import DepthwiseConv2DOptions
from .checks import options_of
from .context import OpContext
from .conv import conv_of_floats
from .conv_geometry import axes, require_images
from .conv_hybrid import conv_of_quantized_images, hybrid_scales, quantize_images
from .conv_quantized import check_quantized, conv_of_integers, integer_work, rules
from .depthwise_taps import Taps
from .exact import EXACT32
from .patches import Axis
from .registry import Step, op
from .requantize import Requantize
from .tiles import FloatFinish

Reaching = Callable[[Array], Array]
"""Makes [taps, channels] of a kernel."""


def prepare(ctx: OpContext) -> list[Shape]:
    dtype = require_images(ctx)
    image, kernel = ctx.shape(0), ctx.shape(1)
    ctx.require(
        kernel[0] == 1 and kernel[3] % image[3] == 0,
        lambda: f"the filter has shape {kernel}; expected [1, h, w, a multiple of {image[3]}]",
    )
    if ctx.has(2):
        ctx.require(ctx.shape(2) == kernel[3:], lambda: f"expected {kernel[3]} biases")
    if dtype == T.FLOAT32:
        ctx.require_dtype(1, T.FLOAT32, T.INT8)
        if ctx.has(2):
            ctx.require_dtype(2, T.FLOAT32)
    else:
        check_quantized(ctx, channel_axis=3)
    rows, columns = axes(ctx, options_of(ctx, DepthwiseConv2DOptions))
    return [(image[0], rows.outputs, columns.outputs, kernel[3])]


@op("DEPTHWISE_CONV_2D", prepare=prepare, versions=(1, 7))
def depthwise_conv2d(ctx: OpContext) -> Step:
    rows, columns = axes(ctx, options_of(ctx, DepthwiseConv2DOptions))
    activation = activation_of(ctx)
    if ctx.output().size == 0:
        return lambda: None

    def reaching(kernel: Array) -> Array:
        """The filters as [taps, channels], without taps that read only padding."""
        across = slice(columns.first, columns.first + columns.taps)
        part = kernel[0, rows.first : rows.first + rows.taps, across]
        return part.reshape(-1, kernel.shape[3])

    def matrices(kernel: Array) -> Array:
        return reaching(kernel).T[None]

    if ctx.shape(0)[3] == 1:
        if ctx.dtype() != T.FLOAT32:
            return conv_of_integers(ctx, ctx.input(), rows, columns, 1, activation, matrices, 3)
        if ctx.dtype(1) == T.FLOAT32:
            weights = matrices(ctx.input(1))
            return conv_of_floats(ctx, rows, columns, weights, activation)
        return conv_of_quantized_images(ctx, rows, columns, 1, activation, matrices, 3)
    if ctx.dtype() != T.FLOAT32:
        return depthwise_of_integers(ctx, rows, columns, reaching)
    if ctx.dtype(1) == T.FLOAT32:
        return depthwise_of_floats(ctx, rows, columns, reaching)
    return depthwise_of_quantized_images(ctx, rows, columns, reaching)


def activation_of(ctx: OpContext) -> ActivationFunctionType:
    return options_of(ctx, DepthwiseConv2DOptions).fused_activation_function


def depthwise_of_floats(ctx: OpContext, rows: Axis, columns: Axis, reaching: Reaching) -> Step:
    y = ctx.output()
    channels = y.shape[3]
    taps = Taps(ctx.input(0), rows, columns, y, np.float32, ctx.scratch)
    kernel = reaching(ctx.input(1))
    weights = taps.weights(kernel)
    bias = ctx.input(2) if ctx.has(2) else None
    finish = FloatFinish(bias, activation_of(ctx), channels)
    is_known = ctx.is_known(1)

    def step() -> None:
        finish.refresh()
        used = weights if is_known else taps.weights(kernel)
        for tile in taps.tiles:
            tile.sum_taps(used, 0.0)
            finish(tile.output)

    return step


def depthwise_of_integers(ctx: OpContext, rows: Axis, columns: Axis, reaching: Reaching) -> Step:
    y = ctx.output()
    channels = y.shape[3]
    rule = rules(ctx, activation_of(ctx), channels, axis=3)
    is_known = ctx.is_known(1) and (not ctx.has(2) or ctx.is_known(2))
    kernel = reaching(ctx.input(1))
    bias = ctx.input(2) if ctx.has(2) else None

    def bounds(values: Array) -> Array:
        sums: Array = np.abs(values).sum(axis=0)
        return sums * float(rule.largest)

    def centered() -> Array:
        return kernel.astype(np.float64) - rule.weights_zero_point

    exact = is_known and bounds(centered()).max(initial=0.0) <= EXACT32
    dtype = np.float32 if exact else np.float64
    taps = Taps(ctx.input(0), rows, columns, y, dtype, ctx.scratch)

    def pack() -> tuple[tuple[Array, ...], Requantize]:
        values = centered()
        biases = 0 if bias is None else bias.astype(np.int64)
        added = biases - rule.zero_point * values.sum(axis=0).astype(np.int64)
        finish = Requantize(rule.rescale, rule.output, added, bounds(values), dtype)
        return taps.weights(values), finish

    packed = pack()
    work = integer_work(ctx.scratch, taps.capacity, channels, dtype)

    def step() -> None:
        weights, finish = packed if is_known else pack()
        for tile in taps.tiles:
            tile.sum_taps(weights, rule.zero_point)
            finish(taps.sums, tile.output, work)

    return step


def depthwise_of_quantized_images(
    ctx: OpContext, rows: Axis, columns: Axis, reaching: Reaching
) -> Step:
    x, y = ctx.input(0), ctx.output()
    channels = y.shape[3]
    scales = hybrid_scales(ctx, channels, 3)
    kernel = reaching(ctx.input(1))
    dtype = np.float32 if 255 * 128 * len(kernel) <= EXACT32 else np.float64
    centered = ctx.scratch(x.shape, dtype)
    taps = Taps(centered, rows, columns, y, dtype, ctx.scratch, in_place=False)
    finish = FloatFinish(ctx.input(2) if ctx.has(2) else None, activation_of(ctx), channels)

    def step() -> None:
        image_scales = quantize_images(x, True, centered)
        finish.refresh()
        weights = taps.weights(kernel)
        for tile in taps.tiles:
            tile.sum_taps(weights, 0)
            sums = taps.sums[: len(tile.output)]
            scale = scales * image_scales[tile.image]
            np.multiply(sums, scale, out=tile.output, casting="same_kind")
            finish(tile.output)

    return step
