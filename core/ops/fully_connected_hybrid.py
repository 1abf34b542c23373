"""FULLY_CONNECTED of float32 rows with integer weights, scaled as a whole, by unit or by block."""

from __future__ import annotations

import numpy as np

from ..graph import Array, Blocks
from ..schema.options import FullyConnectedOptions
from .context import OpContext
from .conv_hybrid import hybrid_scales
from .fused import activate
from .hybrid import HybridMatrix, hybrid_matrix, hybrid_product, quantize_rows
from .registry import Step
from .sparse import dense_input


def hybrid_step(ctx: OpContext, x: Array, y: Array, options: FullyConnectedOptions) -> Step:
    quant = ctx.tensor(1).quant
    if quant is not None and quant.blocks is not None:
        return blockwise_step(ctx, x, y, options, quant.blocks)
    weights = dense_input(ctx, 1)
    asymmetric = options.asymmetric_quantize_inputs
    scales = hybrid_scales(ctx, len(weights), 0)

    def pack() -> HybridMatrix:
        return hybrid_matrix(weights, scales, asymmetric)

    packed = pack() if ctx.is_known(1) else None

    def step() -> None:
        rows = quantize_rows(x, asymmetric)
        np.copyto(y, hybrid_product(rows, pack() if packed is None else packed))
        finish(ctx, y, options)

    return step


def finish(ctx: OpContext, y: Array, options: FullyConnectedOptions) -> None:
    if ctx.has(2):
        np.add(y, ctx.input(2).reshape(-1), out=y)
    activate(y, options.fused_activation_function)


def blockwise_step(
    ctx: OpContext, x: Array, y: Array, options: FullyConnectedOptions, blocks: Blocks
) -> Step:
    """Weights dequantised with the scale of each block; inputs always asymmetric, as integers."""
    units, depth = ctx.shape(1)
    ctx.require(
        blocks.size > 0 and depth % blocks.size == 0,
        lambda: f"blocks of {blocks.size} do not divide a depth of {depth}",
    )
    scales = ctx.frame.value(blocks.scales)
    expected = units * (depth // blocks.size)
    ctx.require(scales.size == expected, lambda: f"{scales.size} block scales; expected {expected}")
    weights = ctx.value(1).reshape(units, -1, blocks.size).astype(np.float32)
    weights *= scales.reshape(units, -1, 1).astype(np.float32)
    matrix = weights.reshape(units, depth)

    def step() -> None:
        rows = quantize_rows(x, asymmetric=True)
        np.matmul(rows.values, matrix.T, out=y)
        np.multiply(y, rows.scales, out=y)
        finish(ctx, y, options)

    return step
