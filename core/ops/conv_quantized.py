"""Convolutions of integers, as matrix products: checks, packing, and the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..errors import OpError
from ..graph import Array, Tensor
from ..schema.enums import ActivationFunctionType
from ..schema.enums import TensorType as T
from .context import OpContext
from .exact import ExactMatrix, exact_matrix
from .patches import Axis, Patches
from .quantized import Int64s, activation_range, per_tensor
from .registry import Step
from .requantize import FixedPoint, FixedPoint64, OutputRange, Requantize, Rescale, Work
from .untyped_bias import as_int64, is_untyped

Matrices = Callable[[Array], Array]

WEIGHTS = {T.UINT8: (T.UINT8,), T.INT8: (T.INT8, T.INT4), T.INT16: (T.INT8, T.INT4)}
BIASES = {T.UINT8: (T.INT32,), T.INT8: (T.INT32,), T.INT16: (T.INT32, T.INT64)}
LARGEST = {T.UINT8: 255, T.INT8: 128, T.INT16: 32768}
"""The largest magnitude of a stored input."""


def check_quantized(ctx: OpContext, channel_axis: int, image: int = 0, bias: int = 2) -> None:
    """Types and quantisation of an integer convolution; `channel_axis` of the filter, input 1."""
    dtype = ctx.dtype(image)
    ctx.require_dtype(1, *WEIGHTS[dtype])
    if ctx.has(bias):
        ctx.require_dtype(bias, *BIASES[dtype])
    _, zero_point = per_tensor(ctx.tensor(image))
    _, output_zero_point = per_tensor(ctx.output_tensor())
    if dtype == T.INT16:
        ctx.require(zero_point == output_zero_point == 0, "int16 needs zero points of 0")
    channel_scales(ctx.tensor(1), ctx.shape(1)[channel_axis], channel_axis)
    if dtype == T.UINT8:
        per_tensor(ctx.tensor(1))
        if ctx.has(bias):
            check_bias_scale(ctx, image, bias)


def check_bias_scale(ctx: OpContext, image: int = 0, bias: int = 2) -> None:
    """Raises OpError where the bias has another scale than input times weights, as uint8 asks."""
    quant = ctx.tensor(bias).quant
    bias_scale = float(quant.scale[0]) if quant is not None and quant.scale.size else 0.0
    product = per_tensor(ctx.tensor(image))[0] * per_tensor(ctx.tensor(1))[0]
    ctx.require(
        abs(product - bias_scale) / per_tensor(ctx.output_tensor())[0] <= 0.02,
        lambda: f"the bias has scale {bias_scale}; expected about {product}",
    )


def channel_scales(weights: Tensor, channels: int, axis: int, zero_points: bool = True) -> Array:
    """The float32 scale of each output channel; raises OpError where there are none or too few.

    With `zero_points` those of weights other than uint8 must be 0.
    """
    quant = weights.quant
    if quant is None or quant.scale.size not in (1, channels):
        found = "none" if quant is None else f"{quant.scale.size}"
        raise OpError(f"weights {weights.name!r} need 1 or {channels} scales; found {found}")
    if quant.scale.size > 1 and quant.axis != axis:
        raise OpError(f"weights {weights.name!r} have scales on axis {quant.axis}; expected {axis}")
    if not np.isfinite(quant.scale).all():
        raise OpError(f"weights {weights.name!r} have a scale that is not finite")
    if zero_points and weights.dtype != T.UINT8 and quant.zero_point.any():
        raise OpError(f"weights {weights.name!r} must have zero points of 0")
    return np.broadcast_to(quant.scale, channels)


def multipliers(ctx: OpContext, channels: int, axis: int, image: int = 0) -> Array:
    """`real_multipliers` of a node whose weights are input 1."""
    return real_multipliers(ctx.tensor(image), ctx.tensor(1), ctx.output_tensor(), channels, axis)


def real_multipliers(
    image: Tensor, weights: Tensor, output: Tensor, channels: int, axis: int
) -> Array:
    """input scale * weight scale / output scale of each channel, float64."""
    input_scale, output_scale = per_tensor(image)[0], per_tensor(output)[0]
    scales = channel_scales(weights, channels, axis)
    if image.dtype == T.UINT8:
        # The reference multiplies these two in float32.
        return (np.float32(input_scale) * scales).astype(np.float64) / output_scale
    return input_scale * scales.astype(np.float64) / output_scale


class Rules(NamedTuple):
    """What the integers of a node mean."""

    rescale: Rescale
    output: OutputRange
    zero_point: int
    weights_zero_point: int
    largest: int


def rules(
    ctx: OpContext,
    activation: ActivationFunctionType,
    channels: int,
    axis: int,
    image: int = 0,
    bias: int = 2,
) -> Rules:
    real = multipliers(ctx, channels, axis, image)
    dtype = ctx.dtype(image)
    narrow = ctx.has(bias) and ctx.dtype(bias) == T.INT32 and not is_untyped(ctx)
    is_wide = dtype == T.INT16 and not narrow
    rescale = FixedPoint64(real) if is_wide else FixedPoint(real)
    output = OutputRange(
        per_tensor(ctx.output_tensor())[1], *activation_range(activation, ctx.output_tensor())
    )
    quant = ctx.tensor(1).quant
    weights_zero_point = 0
    if dtype == T.UINT8 and quant is not None and quant.zero_point.size:
        weights_zero_point = int(quant.zero_point[0])
    return Rules(
        rescale, output, per_tensor(ctx.tensor(image))[1], weights_zero_point, LARGEST[dtype]
    )


def offsets(matrix: ExactMatrix, bias: Array | None, zero_point: int) -> Int64s:
    """What is left to add to products of stored inputs: the bias, less the zero point's part."""
    biases = 0 if bias is None else bias.reshape(-1).astype(np.int64)
    return biases - zero_point * matrix.sums


def integer_work(scratch: Callable[..., Array], rows: int, columns: int, dtype: object) -> Work:
    """Memory for `Requantize`: `rows` is its capacity."""
    size = rows * columns
    return Work(scratch((size,), dtype), scratch((size,), dtype), scratch((size,), np.bool_))


def conv_of_integers(
    ctx: OpContext,
    images: Array,
    rows: Axis,
    columns: Axis,
    groups: int,
    activation: ActivationFunctionType,
    matrices: Matrices,
    channel_axis: int = 0,
) -> Step:
    """`matrices` makes [groups, filters, depth] of the kernel."""
    y = ctx.output()
    filters = y.shape[3]
    rule = rules(ctx, activation, filters, channel_axis)
    is_packed = ctx.is_known(1) and (not ctx.has(2) or ctx.is_known(2))

    def pack(kernel: Array, accumulator: object = None) -> ExactMatrix:
        return exact_matrix(matrices(kernel), rule.largest, rule.weights_zero_point, accumulator)

    matrix = pack(ctx.value(1)) if is_packed else pack(np.zeros(ctx.shape(1)), np.float64)
    dtype = matrix.accumulator
    depth_type = matrix.parts[0][1].dtype
    patches = Patches(images, rows, columns, groups, filters, depth_type, ctx.scratch)

    def finisher(matrix: ExactMatrix, bias: Array | None) -> Requantize:
        added = offsets(matrix, bias, rule.zero_point)
        return Requantize(rule.rescale, rule.output, added, matrix.bounds, dtype)

    known_bias = as_int64(ctx) if is_untyped(ctx) else ctx.input(2) if ctx.has(2) else None
    finish = finisher(matrix, known_bias if is_packed else None)
    room = finish.capacity(patches.pixels)
    acc = ctx.scratch((room, filters), dtype)
    part = ctx.scratch((room, filters), np.float32) if len(matrix.parts) > 1 else acc
    work = integer_work(ctx.scratch, room, filters, dtype)
    outputs = [y.reshape(-1, filters)[t.start : t.stop] for t in patches.tiles]

    def by_group(tile: Array, pixels: int) -> Array:
        return tile[:pixels].reshape(pixels, groups, -1).transpose(1, 0, 2)

    tiles = [
        (t, by_group(acc, len(o)), by_group(part, len(o)), o)
        for t, o in zip(patches.tiles, outputs, strict=True)
    ]

    def run(matrix: ExactMatrix, finish: Requantize) -> None:
        for tile, grouped, grouped_part, output in tiles:
            tile.load(rule.zero_point)
            matrix.product(tile.matrix, grouped, grouped_part)
            finish(acc, output, work)

    if is_packed:
        return lambda: run(matrix, finish)
    kernel, bias = ctx.input(1), ctx.input(2) if ctx.has(2) else None

    def step() -> None:
        packed = pack(kernel, np.float64)
        run(packed, finisher(packed, bias))

    return step
