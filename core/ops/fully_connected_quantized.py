"""FULLY_CONNECTED of integers; the reference scales most sums by a float64, rounding once."""

from __future__ import annotations

import numpy as np

from ..graph import Array
from ..schema.enums import TensorType as T
from ..schema.options import FullyConnectedOptions
from .checks import options_of
from .context import OpContext
from .conv_quantized import LARGEST, channel_scales, check_bias_scale, integer_work, offsets
from .exact import ExactMatrix, exact_matrix
from .quantized import activation_range, per_tensor
from .registry import Step
from .requantize import FixedPoint, FixedPoint64, OutputRange, RealMultiplier, Requantize, Rescale
from .sparse import dense_input
from .tiles import spans

TYPES = {
    T.UINT8: ((T.UINT8,), (T.UINT8, T.INT16), (T.INT32,)),
    T.INT8: ((T.INT8, T.INT4, T.INT2), (T.INT8,), (T.INT32,)),
    T.INT16: ((T.INT8, T.INT4, T.INT2, T.INT16), (T.INT16,), (T.INT32, T.INT64)),
}
"""Input type: possible types of the weights, the output and the bias."""

ROWS = 256
"""Rows of a tile."""


def check_quantized(ctx: OpContext) -> None:
    dtype = ctx.dtype()
    weights, outputs, biases = TYPES[dtype]
    ctx.require_dtype(1, *weights)
    ctx.require(
        ctx.output_dtype() in outputs, lambda: f"{dtype.name} cannot give {ctx.output_dtype().name}"
    )
    if ctx.has(2):
        ctx.require_dtype(2, *biases)
    _, zero_point = per_tensor(ctx.tensor(0))
    _, output_zero_point = per_tensor(ctx.output_tensor())
    if dtype == T.INT16:
        ctx.require(zero_point == output_zero_point == 0, "int16 needs zero points of 0")
        bias_type = options_of(ctx, FullyConnectedOptions).quantized_bias_type
        ctx.require(
            bias_type == T.FLOAT32 or not ctx.has(2) or ctx.dtype(2) == bias_type,
            lambda: f"the bias is {ctx.dtype(2).name}; the options say {bias_type.name}",
        )
    scales = weight_scales(ctx)
    if dtype == T.UINT8:
        per_tensor(ctx.tensor(1))
    if scales.size == 1 and ctx.has(2):
        check_bias_scale(ctx)


def weight_scales(ctx: OpContext) -> Array:
    """One scale, or one for each unit."""
    tensor = ctx.tensor(1)
    may_shift = tensor.dtype in (T.UINT8, T.INT8, T.INT16) and is_per_tensor(ctx)
    scales = channel_scales(tensor, ctx.shape(1)[0], 0, zero_points=not may_shift)
    return scales[:1] if is_per_tensor(ctx) else scales


def is_per_tensor(ctx: OpContext) -> bool:
    quant = ctx.tensor(1).quant
    return quant is not None and quant.scale.size == 1


def rescale_of(ctx: OpContext) -> Rescale:
    """How the reference scales: it depends on the types of weights and bias."""
    input_scale, output_scale = per_tensor(ctx.tensor(0))[0], per_tensor(ctx.output_tensor())[0]
    scales, units = weight_scales(ctx), ctx.shape(1)[0]
    precise = np.broadcast_to(input_scale * scales.astype(np.float64) / output_scale, units)
    rounded = precise
    if scales.size == 1:
        product = (np.float32(input_scale) * scales).astype(np.float64)
        rounded = np.broadcast_to(product / output_scale, units)
    if ctx.tensor(1).sparsity is not None:
        return FixedPoint(rounded)
    if ctx.dtype() != T.INT16:
        return RealMultiplier(precise, wide=False)
    if ctx.dtype(1) == T.INT16:
        return FixedPoint64(rounded)
    if not ctx.has(2) or ctx.dtype(2) == T.INT64:
        return RealMultiplier(precise, wide=True)
    if options_of(ctx, FullyConnectedOptions).quantized_bias_type == T.INT32:
        return RealMultiplier(precise, wide=False)
    return FixedPoint(rounded)


def quantized_step(ctx: OpContext, x: Array, y: Array, options: FullyConnectedOptions) -> Step:
    output = ctx.output_tensor()
    limits = activation_range(options.fused_activation_function, output)
    quant = ctx.tensor(1).quant
    shift = (
        int(quant.zero_point[0]) if quant and is_per_tensor(ctx) and quant.zero_point.size else 0
    )
    return integer_rows(
        ctx,
        x,
        y,
        dense_input(ctx, 1),
        shift,
        per_tensor(ctx.tensor(0))[1],
        rescale_of(ctx),
        OutputRange(per_tensor(output)[1], *limits),
    )


def integer_rows(
    ctx: OpContext,
    x: Array,
    y: Array,
    weights: Array,
    weights_zero_point: int,
    zero_point: int,
    rescale: Rescale,
    output: OutputRange,
) -> Step:
    """Writes rescaled products of rows `x` [rows, depth] and `weights` [units, depth] to `y`."""
    (rows, depth), units = x.shape, y.shape[1]
    is_packed = ctx.is_known(1) and (not ctx.has(2) or ctx.is_known(2))
    bias = ctx.input(2) if ctx.has(2) else None

    def pack(accumulator: object) -> tuple[ExactMatrix, Requantize]:
        matrix = exact_matrix(weights[None], LARGEST[ctx.dtype()], weights_zero_point, accumulator)
        added = offsets(matrix, bias, zero_point)
        return matrix, Requantize(rescale, output, added, matrix.bounds, matrix.accumulator)

    packed = pack(None if is_packed else np.float64)
    matrix, finish = packed
    step_rows = min(rows, ROWS)
    left = ctx.scratch((1, step_rows, depth), matrix.parts[0][1].dtype)
    room = finish.capacity(step_rows)
    acc = ctx.scratch((1, room, units), matrix.accumulator)
    part = ctx.scratch(acc.shape, np.float32) if len(matrix.parts) > 1 else acc
    work = integer_work(ctx.scratch, room, units, matrix.accumulator)
    tiles = list(spans(rows, step_rows))

    def step() -> None:
        matrix, finish = packed if is_packed else pack(np.float64)
        for start, stop in tiles:
            count = stop - start
            np.copyto(left[0, :count], x[start:stop])
            matrix.product(left[:, :count], acc[:, :count], part[:, :count])
            finish(acc[0], y[start:stop], work)

    return step
