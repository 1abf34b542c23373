"""RFFT2D: the discrete Fourier transform of real images (the last two axes)."""

from __future__ import annotations

import numpy as np

from ..errors import OpError
from ..graph import Shape
from ..schema.enums import TensorType
from .checks import require_inputs, valid_shape
from .context import OpContext
from .registry import Step, op

X, LENGTHS = range(2)


def fft_lengths(ctx: OpContext) -> tuple[int, int]:
    """(height, width) of the transform: powers of two, to which images are cut or zero-padded."""
    ctx.require_dtype(LENGTHS, TensorType.INT32)
    if ctx.shape(LENGTHS) != (2,):
        raise OpError(f"fft_length has shape {list(ctx.shape(LENGTHS))}; expected [2]")
    height, width = map(int, ctx.value(LENGTHS))
    for length in (height, width):
        ctx.require(
            length > 0 and length & (length - 1) == 0,
            f"fft_length is {[height, width]}; expected powers of two",
        )
    return height, width


def prepare_rfft2d(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    ctx.require_dtype(X, TensorType.FLOAT32)
    ctx.require(ctx.rank(X) >= 2, f"input has shape {list(ctx.shape(X))}; expected rank 2 or more")
    height, width = fft_lengths(ctx)
    return [valid_shape((*ctx.shape(X)[:-2], height, width // 2 + 1))]


@op("RFFT2D", prepare=prepare_rfft2d)
def rfft2d(ctx: OpContext) -> Step:
    x, y = ctx.input(X), ctx.output()
    lengths = fft_lengths(ctx)
    kept = x[..., : lengths[0], : lengths[1]]

    def step() -> None:
        if not kept.size:
            y.fill(0)
            return
        y[...] = np.fft.rfft2(kept.astype(np.float64), s=lengths, axes=(-2, -1))

    return step
