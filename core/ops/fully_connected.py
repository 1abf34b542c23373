"""FULLY_CONNECTED: rows of the input times the transposed weights [units, depth], and a bias."""

from __future__ import annotations

import math

from ..graph import Array, Shape
from ..schema.enums import ActivationFunctionType as Activation
from ..schema.enums import FullyConnectedOptionsWeightsFormat as Format
from ..schema.enums import TensorType as T
from ..schema.options import FullyConnectedOptions
from .checks import options_of, require_inputs, require_rank
from .context import OpContext
from .fully_connected_hybrid import hybrid_step
from .fully_connected_quantized import check_quantized, quantized_step
from .fully_connected_shuffled import check_shuffled, shuffled_step
from .gemm import FloatProduct
from .registry import Step, op
from .sparse import dense_input
from .tiles import TILE, FloatFinish, spans

HYBRID_WEIGHTS = (T.UINT8, T.INT8, T.INT4, T.INT2)
RANGED = (Activation.NONE, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1)


def prepare(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2, 3)
    options = options_of(ctx, FullyConnectedOptions)
    is_shuffled = options.weights_format != Format.DEFAULT
    dtype = ctx.require_dtype(0, T.FLOAT32, T.UINT8, T.INT8, T.INT16)
    require_rank(ctx, 1, 2)
    if dtype == T.FLOAT32:
        ctx.require_dtype(1, T.FLOAT32, *HYBRID_WEIGHTS)
        ctx.require(ctx.output_dtype() == T.FLOAT32, "the output must be FLOAT32 as the input")
        if ctx.has(2):
            ctx.require_dtype(2, T.FLOAT32)
    elif is_shuffled:
        check_shuffled(ctx)
    else:
        check_quantized(ctx)
    if dtype != T.FLOAT32 or ctx.dtype(1) == T.FLOAT32:
        activation = options.fused_activation_function
        ctx.require(activation in RANGED, lambda: f"fused activation {activation} is not possible")
    shape = output_shape(ctx, options.keep_num_dims)
    return [shape, ctx.output_tensor(1).shape] if is_shuffled else [shape]


def output_shape(ctx: OpContext, keep_num_dims: bool) -> Shape:
    (units, depth), image = ctx.shape(1), ctx.shape(0)
    if ctx.has(2) and depth:
        size = math.prod(ctx.shape(2))
        ctx.require(size == units, lambda: f"{size} biases; expected {units}")
    if keep_num_dims:
        ctx.require(
            len(image) > 0 and depth in (0, image[-1]),
            lambda: f"the input has shape {image}; expected a last dimension of {depth}",
        )
        return (*image[:-1], units)
    return (math.prod(image) // depth if depth else math.prod(image[:-1])), units


@op("FULLY_CONNECTED", prepare=prepare, versions=(1, 14))
def fully_connected(ctx: OpContext) -> Step:
    options = options_of(ctx, FullyConnectedOptions)
    y = ctx.output()
    units, depth = ctx.shape(1)
    if y.size == 0 or depth == 0:
        return lambda: y.fill(0)
    rows = y.size // units
    x = ctx.input().reshape(-1)[: rows * depth].reshape(rows, depth)
    out = y.reshape(rows, units)
    if options.weights_format != Format.DEFAULT:
        return shuffled_step(ctx, x, out)
    if ctx.dtype() != T.FLOAT32:
        return quantized_step(ctx, x, out, options)
    if ctx.dtype(1) != T.FLOAT32:
        return hybrid_step(ctx, x, out, options)
    return float_step(ctx, x, out, options.fused_activation_function)


def float_step(ctx: OpContext, x: Array, y: Array, activation: Activation) -> Step:
    finish = FloatFinish(ctx.input(2).reshape(-1) if ctx.has(2) else None, activation, y.shape[1])
    rows = max(256, 2 * TILE // y.shape[1])
    multiply = FloatProduct(dense_input(ctx, 1), min(rows, len(x)), ctx.scratch)
    tiles = [(x[a:b], y[a:b]) for a, b in spans(len(x), rows)]

    def step() -> None:
        finish.refresh()
        for left, out in tiles:
            multiply(left, out)
            finish(out)

    return step
