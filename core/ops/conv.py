"""Two-dimensional convolutions over [batch, height, width, channels]: all types, float32 steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..graph import Array, Shape
from ..schema.enums import ActivationFunctionType
from ..schema.enums import TensorType as T
from ..schema.options import Conv2DOptions
from .checks import options_of
from .context import OpContext
from .conv_geometry import axes, require_images
from .conv_hybrid import conv_of_quantized_images
from .conv_quantized import check_quantized, conv_of_integers
from .gemm import FloatProduct
from .patches import Axis, Patches
from .registry import Step, op
from .tiles import FloatFinish

HYBRID_WEIGHTS = (T.UINT8, T.INT8, T.INT4)


def prepare(ctx: OpContext) -> list[Shape]:
    dtype = require_images(ctx)
    image, kernel = ctx.shape(0), ctx.shape(1)
    groups = image[3] // kernel[3]
    ctx.require(
        image[3] % kernel[3] == 0 and kernel[0] % groups == 0,
        lambda: f"{image[3]} channels and filters {kernel} do not make groups",
    )
    if ctx.has(2):
        size = int(np.prod(ctx.shape(2), dtype=np.int64))
        ctx.require(size == kernel[0], lambda: f"{size} biases; expected {kernel[0]}")
    if dtype == T.FLOAT32:
        ctx.require_dtype(1, T.FLOAT32, *HYBRID_WEIGHTS)
        if ctx.has(2):
            ctx.require_dtype(2, T.FLOAT32)
    else:
        check_quantized(ctx, channel_axis=0)
    rows, columns = axes(ctx, options_of(ctx, Conv2DOptions))
    return [(image[0], rows.outputs, columns.outputs, kernel[0])]


def kernel_matrices(kernel: Array, rows: Axis, columns: Axis, groups: int) -> Array:
    """The filters as [groups, filters of a group, depth], without taps that read only padding."""
    reaching = kernel[
        :, rows.first : rows.first + rows.taps, columns.first : columns.first + columns.taps
    ]
    return reaching.reshape(groups, len(kernel) // groups, -1)


def as_one_row(images: Array, rows: Axis, columns: Axis) -> tuple[Array, Axis, Axis]:
    """Pointwise convolutions as one image of one row, so that tiles may be of any length."""
    if not (rows.is_plain and columns.is_plain):
        return images, rows, columns
    pixels = images.size // images.shape[3]
    flat = images.reshape(1, 1, pixels, images.shape[3])
    one = replace(rows, size=1, outputs=1)
    return flat, one, replace(columns, size=pixels, outputs=pixels)


@op("CONV_2D", prepare=prepare, versions=(1, 8))
def conv2d(ctx: OpContext) -> Step:
    rows, columns = axes(ctx, options_of(ctx, Conv2DOptions))
    groups = ctx.shape(0)[3] // ctx.shape(1)[3]
    activation = options_of(ctx, Conv2DOptions).fused_activation_function
    if ctx.output().size == 0:
        return lambda: None
    if ctx.dtype() == T.FLOAT32 and ctx.dtype(1) == T.FLOAT32:
        weights = kernel_matrices(ctx.input(1), rows, columns, groups)
        return conv_of_floats(ctx, rows, columns, weights, activation)

    def matrices(kernel: Array) -> Array:
        return kernel_matrices(kernel, rows, columns, groups)

    if ctx.dtype() == T.FLOAT32:
        return conv_of_quantized_images(ctx, rows, columns, groups, activation, matrices)
    return conv_of_integers(
        ctx, *as_one_row(ctx.input(0), rows, columns), groups, activation, matrices
    )


def conv_of_floats(
    ctx: OpContext,
    rows: Axis,
    columns: Axis,
    weights: Array,
    activation: ActivationFunctionType,
) -> Step:
    """`weights` is [groups, filters of a group, depth], a view of input 1."""
    y = ctx.output()
    filters, groups = y.shape[3], len(weights)
    images, rows, columns = as_one_row(ctx.input(0), rows, columns)
    patches = Patches(images, rows, columns, groups, filters, np.float32, ctx.scratch)
    finish = FloatFinish(ctx.input(2).reshape(-1) if ctx.has(2) else None, activation, filters)
    outputs = [y.reshape(-1, filters)[t.start : t.stop] for t in patches.tiles]
    grouped = [o.reshape(len(o), groups, -1).transpose(1, 0, 2) for o in outputs]
    work = list(zip(patches.tiles, outputs, grouped, strict=True))
    multiply = FloatProduct(weights[0], patches.pixels, ctx.scratch)
    turned = weights.transpose(0, 2, 1)

    def step() -> None:
        finish.refresh()
        for tile, output, by_group in work:
            tile.load(0.0)
            if groups == 1:
                multiply(tile.matrix[0], output)
            else:
                np.matmul(tile.matrix, turned, out=by_group)
            finish(output)

    return step
