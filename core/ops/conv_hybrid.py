"""Convolutions of float32 images with integer weights: each image is quantised as a whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..graph import Array
from ..schema.enums import ActivationFunctionType
from .context import OpContext
from .conv_quantized import channel_scales
from .exact import ExactMatrix, exact_matrix
from .hybrid import quantize_rows
from .patches import Axis, Patches
from .registry import Step
from .tiles import FloatFinish


def conv_of_quantized_images(
    ctx: OpContext,
    rows: Axis,
    columns: Axis,
    groups: int,
    activation: ActivationFunctionType,
    matrices: Callable[[Array], Array],
    channel_axis: int = 0,
) -> Step:
    """With one scale for all filters images are quantised symmetrically, else asymmetrically.

    Depthwise filters, whose channels lie on axis 3, always asymmetrically.
    """
    x, y = ctx.input(0), ctx.output()
    filters = y.shape[3]
    scales = hybrid_scales(ctx, filters, channel_axis)
    asymmetric = channel_axis == 3 or groups != 1 or bool((scales != scales[0]).any())
    is_packed = ctx.is_known(1)

    def pack(kernel: Array, accumulator: object = None) -> ExactMatrix:
        signed = kernel.view(np.int8) if kernel.dtype == np.uint8 else kernel
        return exact_matrix(matrices(signed), 255 if asymmetric else 127, 0, accumulator)

    matrix = pack(ctx.value(1)) if is_packed else pack(np.zeros(ctx.shape(1), np.int8), np.float64)
    depth_type = matrix.parts[0][1].dtype
    centered = ctx.scratch(x.shape, depth_type)
    patches = Patches(centered, rows, columns, groups, filters, depth_type, ctx.scratch)
    acc = ctx.scratch((patches.pixels, filters), matrix.accumulator)
    part = ctx.scratch(acc.shape, np.float32) if len(matrix.parts) > 1 else acc
    finish = FloatFinish(ctx.input(2).reshape(-1) if ctx.has(2) else None, activation, filters)
    kernel = ctx.input(1)

    def by_group(tile: Array) -> Array:
        return tile.reshape(len(tile), groups, -1).transpose(1, 0, 2)

    def step() -> None:
        packed = matrix if is_packed else pack(kernel, np.float64)
        image_scales = quantize_images(x, asymmetric, centered)
        finish.refresh()
        for tile in patches.tiles:
            tile.load(0)
            output = y.reshape(-1, filters)[tile.start : tile.stop]
            sums = acc[: len(output)]
            packed.product(tile.matrix, by_group(sums), by_group(part[: len(output)]))
            np.multiply(sums, scales * image_scales[tile.image], out=output, casting="same_kind")
            finish(output)

    return step


def hybrid_scales(ctx: OpContext, channels: int, axis: int) -> Array:
    """The scale of each channel of weights that meet floats; zero points count for nothing."""
    return channel_scales(ctx.tensor(1), channels, axis, zero_points=False)


def quantize_images(x: Array, asymmetric: bool, centered: Array) -> Array:
    """Writes quantised values less their zero points to `centered`; returns each image's scale."""
    images = quantize_rows(x.reshape(len(x), -1), asymmetric)
    np.copyto(centered.reshape(len(x), -1), images.values, casting="unsafe")
    return images.scales[:, 0]
