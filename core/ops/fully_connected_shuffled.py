"""FULLY_CONNECTED with weights stored in blocks of 4 units by 16 inputs (SHUFFLED4x16INT8)."""

from __future__ import annotations

import math

import numpy as np

from ..graph import Array
from ..schema.enums import FullyConnectedOptionsWeightsFormat as Format
from ..schema.enums import TensorType as T
from ..schema.options import FullyConnectedOptions
from .checks import options_of
from .context import OpContext
from .conv_quantized import check_bias_scale
from .fully_connected_quantized import integer_rows
from .quantized import activation_range, per_tensor
from .registry import Step
from .requantize import FixedPoint, OutputRange

UNITS, DEPTH = 4, 16
CENTER = 128
"""The zero point of inputs and weights; the stored weights have its bit flipped."""


def check_shuffled(ctx: OpContext) -> None:
    found = options_of(ctx, FullyConnectedOptions).weights_format
    ctx.require(found == Format.SHUFFLED4x16INT8, lambda: f"weights format {found} is unknown")
    ctx.require_dtype(0, T.UINT8)
    ctx.require_dtype(1, T.UINT8)
    ctx.require_dtype(2, T.INT32)
    ctx.require(ctx.output_dtype() == T.INT16, "shuffled weights give INT16")
    ctx.require(ctx.output_dtype(1) == T.UINT8, "output 1 holds the shuffled input as UINT8")
    units, depth = ctx.shape(1)
    ctx.require(
        units % UNITS == 0 and depth % DEPTH == 0 and depth > 0,
        lambda: f"weights {[units, depth]} are not made of blocks of {UNITS} by {DEPTH}",
    )
    rows = math.prod(ctx.shape()) // depth
    ctx.require(rows in (1, 4), lambda: f"{rows} rows; shuffled weights take 1 or 4")
    check_bias_scale(ctx)


def shuffled_step(ctx: OpContext, x: Array, y: Array) -> Step:
    """Output 1 gets the input with its top bit flipped, in blocks of 16 of each row in turn."""
    units, depth = ctx.shape(1)
    blocks = ctx.value(1).reshape(units // UNITS, depth // DEPTH, UNITS, DEPTH).view(np.int8)
    weights = blocks.transpose(0, 2, 1, 3).reshape(units, depth)
    product = np.float32(per_tensor(ctx.tensor(0))[0]) * np.float32(per_tensor(ctx.tensor(1))[0])
    real = np.full(units, float(product) / per_tensor(ctx.output_tensor())[0])
    activation = options_of(ctx, FullyConnectedOptions).fused_activation_function
    output = OutputRange(0, *activation_range(activation, ctx.output_tensor()))
    multiply = integer_rows(ctx, x, y, weights, 0, CENTER, FixedPoint(real), output)
    workspace = ctx.output(1).reshape(-1)
    size = min(workspace.size, x.size)
    shuffled = x.reshape(len(x), -1, DEPTH).transpose(1, 0, 2)

    def step() -> None:
        multiply()
        workspace.fill(0)
        np.bitwise_xor(shuffled.reshape(-1)[:size], np.uint8(CENTER), out=workspace[:size])

    return step
