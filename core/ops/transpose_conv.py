"""Transposed convolutions over [batch, height, width, channels].

Each tap of the filter is one matrix product of the whole input, added where it lands in the output.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..graph import Array, Shape
from ..schema.enums import ActivationFunctionType as Activation
from ..schema.enums import TensorType as T
from ..schema.options import TransposeConvOptions
from .checks import options_of, require_inputs, require_rank, valid_shape, vector
from .context import OpContext
from .conv_hybrid import hybrid_scales, quantize_images
from .conv_quantized import check_quantized, integer_work, rules
from .exact import EXACT32
from .registry import Step, op
from .requantize import Requantize
from .tiles import FloatFinish
from .window_geometry import Tap, taps, window


class Operands(NamedTuple):
    """Positions of the inputs."""

    weights: int = 1
    image: int = 2
    bias: int = 3


def prepare(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3, 4)
    at = Operands()
    shape = valid_shape(vector(ctx, 0))
    check_operands(ctx, at)
    dtype = ctx.require_dtype(at.image, T.FLOAT32, T.UINT8, T.INT8, T.INT16)
    if dtype == T.FLOAT32:
        ctx.require_dtype(at.weights, T.FLOAT32, T.INT8)
        if ctx.has(at.bias):
            ctx.require_dtype(at.bias, T.FLOAT32)
    else:
        check_quantized(ctx, 0, at.image, at.bias)
    image, kernel = ctx.shape(at.image), ctx.shape(at.weights)
    ctx.require(
        len(shape) == 4 and min(shape[1:3]) > 0 and (shape[0], shape[3]) == (image[0], kernel[0]),
        lambda: f"output shape {shape} does not fit input {image} and filter {kernel}",
    )
    o = options_of(ctx, TransposeConvOptions)
    for axis, stride in ((1, o.stride_h), (2, o.stride_w)):
        size = window(shape[axis], kernel[axis], stride, 1, o.padding)[0]
        ctx.require(
            size == image[axis],
            lambda axis=axis, size=size: (  # type: ignore[misc]
                f"output size {shape[axis]} needs {size} inputs; found {image[axis]}"
            ),
        )
    return [shape]


def check_operands(ctx: OpContext, at: Operands) -> None:
    """Ranks and sizes, whatever the types."""
    require_rank(ctx, at.image, 4)
    require_rank(ctx, at.weights, 4)
    image, kernel = ctx.shape(at.image), ctx.shape(at.weights)
    dtype = ctx.dtype(at.image)
    ctx.require(ctx.output_dtype() == dtype, "input and output must be of one type")
    ctx.require(min(*image[1:], *kernel[:3]) > 0, lambda: f"empty input {image} or filter {kernel}")
    ctx.require(
        image[3] == kernel[3], lambda: f"the input has {image[3]} channels, the filter {kernel[3]}"
    )
    if ctx.has(at.bias):
        size = math.prod(ctx.shape(at.bias))
        ctx.require(size == kernel[0], lambda: f"{size} biases; expected {kernel[0]}")


class Landing:
    """Where the products of each tap land: `reaching` along height and along width."""

    def __init__(
        self, y: Shape, x: Shape, kernel: Shape, strides: Sequence[int], before: Sequence[int]
    ):
        self._image = x[1:3]
        self._reaching: list[list[Tap]] = [
            taps(y[a + 1], x[a + 1], kernel[a + 1], strides[a], 1, before[a]) for a in (0, 1)
        ]

    def add(self, x: Array, weights: Array, sums: Array, product: Array) -> None:
        """Writes to `sums` [height, width, filters] what `x` [pixels, channels] sends there.

        `weights` is [filters, height, width, channels]; `product` [pixels, filters] is scratch.
        """
        sums.fill(0)
        placed = product.reshape(*self._image, -1)
        for down, across in self._pairs():
            np.matmul(x, weights[:, down.index, across.index].T, out=product)
            part = sums[down.inputs, across.inputs]
            np.add(part, placed[down.outputs, across.outputs], out=part)

    def _pairs(self) -> Iterator[tuple[Tap, Tap]]:
        for down in self._reaching[0]:
            for across in self._reaching[1]:
                yield down, across


@op("TRANSPOSE_CONV", prepare=prepare, versions=(1, 5))
def transpose_conv(ctx: OpContext) -> Step:
    at = Operands()
    o = options_of(ctx, TransposeConvOptions)
    if ctx.output().size == 0:
        return lambda: None
    y, x, kernel = ctx.output().shape, ctx.shape(at.image), ctx.shape(at.weights)
    strides = o.stride_h, o.stride_w
    before = [
        window(y[a], kernel[a], s, 1, o.padding)[1] for a, s in zip((1, 2), strides, strict=True)
    ]
    landing = Landing(y, x, kernel, strides, before)
    if ctx.dtype(at.image) != T.FLOAT32:
        return integer_step(ctx, landing, o.fused_activation_function)
    if ctx.dtype(at.weights) == T.FLOAT32:
        return float_step(ctx, landing, at, o.fused_activation_function)
    return hybrid_step(ctx, landing, o.fused_activation_function)


def float_step(ctx: OpContext, landing: Landing, at: Operands, activation: Activation) -> Step:
    y = ctx.output()
    filters = y.shape[3]
    x = ctx.input(at.image)
    images = x.reshape(len(x), -1, x.shape[3])
    weights = ctx.input(at.weights)
    product = ctx.scratch((images.shape[1], filters), np.float32)
    bias = ctx.input(at.bias).reshape(-1) if ctx.has(at.bias) else None
    finish = FloatFinish(bias, activation, filters)

    def step() -> None:
        finish.refresh()
        for image, out in zip(images, y, strict=True):
            landing.add(image, weights, out, product)
            finish(out.reshape(-1, filters))

    return step


def integer_step(ctx: OpContext, landing: Landing, activation: Activation) -> Step:
    at = Operands()
    x, y, stored = ctx.input(at.image), ctx.output(), ctx.input(at.weights)
    filters = y.shape[3]
    rule = rules(ctx, activation, filters, 0, at.image, at.bias)
    is_known = ctx.is_known(at.weights) and (not ctx.has(at.bias) or ctx.is_known(at.bias))
    bias = ctx.input(at.bias).reshape(-1) if ctx.has(at.bias) else None

    def centered() -> Array:
        return stored.astype(np.float64) - rule.weights_zero_point

    def bounds(weights: Array) -> Array:
        sums: Array = np.abs(weights).sum(axis=(1, 2, 3))
        return sums * float(rule.largest + abs(rule.zero_point))

    exact = is_known and bounds(centered()).max(initial=0.0) <= EXACT32
    dtype = np.float32 if exact else np.float64

    def pack() -> tuple[Array, Requantize]:
        weights = centered()
        added = np.zeros(filters, np.int64) if bias is None else bias.astype(np.int64)
        finish = Requantize(rule.rescale, rule.output, added, bounds(weights), dtype)
        return weights.astype(dtype), finish

    packed = pack()
    pixels = y.shape[1] * y.shape[2]
    room = packed[1].capacity(pixels)
    acc = ctx.scratch((room, filters), dtype)
    sums = acc[:pixels].reshape(y.shape[1:])
    work = integer_work(ctx.scratch, room, filters, dtype)
    image = ctx.scratch((x.shape[1] * x.shape[2], x.shape[3]), dtype)
    product = ctx.scratch((len(image), filters), dtype)

    def step() -> None:
        weights, finish = packed if is_known else pack()
        for number, out in enumerate(y):
            np.subtract(x[number].reshape(image.shape), rule.zero_point, out=image, dtype=dtype)
            landing.add(image, weights, sums, product)
            finish(acc, out.reshape(-1, filters), work)

    return step


def hybrid_step(ctx: OpContext, landing: Landing, activation: Activation) -> Step:
    at = Operands()
    x, y, stored = ctx.input(at.image), ctx.output(), ctx.input(at.weights)
    filters = y.shape[3]
    scales = hybrid_scales(ctx, filters, 0)
    dtype = np.float32 if 255 * 128 * stored[0].size <= EXACT32 else np.float64
    centered = ctx.scratch(x.shape, dtype)
    images = centered.reshape(len(x), -1, x.shape[3])
    sums = ctx.scratch(y.shape[1:], dtype)
    product = ctx.scratch((images.shape[1], filters), dtype)
    bias = ctx.input(at.bias).reshape(-1) if ctx.has(at.bias) else None
    finish = FloatFinish(bias, activation, filters)
    packed = stored.astype(dtype) if ctx.is_known(at.weights) else None

    def step() -> None:
        finish.refresh()
        weights = stored.astype(dtype) if packed is None else packed
        image_scales = quantize_images(x, True, centered)
        for image, out, scale in zip(images, y, image_scales, strict=True):
            landing.add(image, weights, sums, product)
            np.multiply(sums, scales * scale, out=out, casting="same_kind")
            finish(out.reshape(-1, filters))

    return step
