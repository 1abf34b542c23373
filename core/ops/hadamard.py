"""Custom operator aeq.hadamard_rotation: Walsh-Hadamard transforms of blocks of features."""

from __future__ import annotations

import math

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType
from .checks import require_inputs
from .context import OpContext
from .custom_options import custom_options, integer
from .registry import Step, op


def block_size(ctx: OpContext) -> int:
    size = integer(custom_options(ctx), "hadamard_size")
    if size < 1 or size & (size - 1):
        raise OpError(f"hadamard_size is {size}; expected a power of two")
    return size


def prepare_hadamard(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    ctx.require_dtype(0, TensorType.FLOAT32)
    ctx.require(ctx.output_dtype() == TensorType.FLOAT32, "the output must be float32")
    ctx.require(ctx.rank() in (2, 3), f"input has shape {list(ctx.shape())}; expected rank 2 or 3")
    block_size(ctx)
    return [ctx.shape()]


@op("aeq.hadamard_rotation", custom=True, prepare=prepare_hadamard)
def hadamard_rotation(ctx: OpContext) -> Step:
    """Blocks lie one after the other in memory, as many a row as fit; the rest is copied."""
    x, y = ctx.input(), ctx.output()
    size = block_size(ctx)
    count = math.prod(x.shape[:-1]) * (x.shape[-1] // size)
    blocks = y.reshape(-1)[: count * size].reshape(count, size)
    norm = np.float32(1 / math.sqrt(size))

    def step() -> None:
        np.copyto(y, x)
        transform(blocks)
        np.multiply(blocks, norm, out=blocks)

    return step


def transform(blocks: Array) -> None:
    """The unscaled transform of each row, in place, in natural order: log2(n) butterflies."""
    count, size = blocks.shape
    half = 1
    while half < size:
        pairs = blocks.reshape(count, size // (2 * half), 2, half)
        first = pairs[:, :, 0].copy()
        pairs[:, :, 0] += pairs[:, :, 1]
        np.subtract(first, pairs[:, :, 1], out=pairs[:, :, 1])
        half *= 2
