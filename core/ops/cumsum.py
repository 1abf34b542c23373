"""Running sums."""

from __future__ import annotations

import numpy as np

from ..graph import Shape
from ..schema.enums import TensorType
from ..schema.options import CumsumOptions
from .checks import options_of, require_inputs, require_one, require_same_dtype, scalar
from .context import OpContext
from .registry import Step, op
from .shapes import normalize_axis


def cumsum_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 0)
    ctx.require_dtype(0, TensorType.INT32, TensorType.INT64, TensorType.FLOAT32)
    ctx.require_dtype(1, TensorType.INT32)
    require_one(ctx, 1)
    ctx.require(ctx.rank(0) >= 1, "the input must have at least one axis")
    if ctx.is_known(1):
        normalize_axis(scalar(ctx, 1), ctx.rank(0))
    return [ctx.shape(0)]


@op("CUMSUM", prepare=cumsum_shape)
def cumsum(ctx: OpContext) -> Step:
    """Sums from the start or, `reverse`, from the end; `exclusive`: without the element itself."""
    options = options_of(ctx, CumsumOptions)
    axis = normalize_axis(scalar(ctx, 1), ctx.rank(0))
    x, y = np.moveaxis(ctx.input(0), axis, 0), np.moveaxis(ctx.output(), axis, 0)
    if options.reverse:
        x, y = x[::-1], y[::-1]
    zeros = y[: int(options.exclusive)]
    source, target = x[: len(x) - len(zeros)], y[len(zeros) :]

    def step() -> None:
        zeros.fill(0)
        np.add.accumulate(source, dtype=source.dtype, out=target)

    return step
