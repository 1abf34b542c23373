"""Custom operator NumericVerify: how far dequantised values lie from float32 values."""

from __future__ import annotations

import numpy as np

from ..errors import OpError
from ..graph import Shape
from ..schema.enums import TensorType
from .checks import require_inputs
from .context import OpContext
from .custom_options import custom_options, number
from .quantize import parameters
from .registry import Step, op

QUANTIZED = (TensorType.UINT8, TensorType.INT8, TensorType.INT16)


def limit_of(ctx: OpContext) -> float | None:
    """The largest difference allowed, in real units; None where none is checked."""
    options = custom_options(ctx)
    tolerance = np.float32(number(options, "tolerance"))
    if not number(options, "log_if_failed") or not tolerance >= np.float32(0.1):
        return None
    if ctx.dtype(0) == TensorType.FLOAT16:
        return 0.0
    scale = parameters(ctx.tensor(0), ctx.shape(0))[0]
    return float(tolerance * scale) if np.ndim(scale) == 0 else 0.0


def prepare_verify(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    kind = ctx.require_dtype(0, *QUANTIZED, TensorType.FLOAT16)
    ctx.require_dtype(1, TensorType.FLOAT32)
    ctx.require(ctx.output_dtype() == TensorType.FLOAT32, "the output must be float32")
    if ctx.shape(1) != ctx.shape(0):
        raise OpError(f"shapes {list(ctx.shape(0))} and {list(ctx.shape(1))} differ")
    if kind in QUANTIZED:
        parameters(ctx.tensor(0), ctx.shape(0))
    limit_of(ctx)
    return [ctx.shape(0)]


@op("NumericVerify", custom=True, prepare=prepare_verify)
def numeric_verify(ctx: OpContext) -> Step:
    stored, reference, y = ctx.input(0), ctx.input(1), ctx.output()
    limit = limit_of(ctx)
    scale = zero_point = np.asarray(0, np.float32)
    if ctx.dtype(0) in QUANTIZED:
        scale, zero_point = parameters(ctx.tensor(0), ctx.shape(0))

    def step() -> None:
        if stored.dtype == np.float16:
            np.copyto(y, stored)
        else:
            np.subtract(stored, zero_point, out=y)
            np.multiply(y, scale, out=y)
        np.subtract(y, reference, out=y)
        if limit is not None and y.size:
            largest = float(np.fmax.reduce(np.abs(y), axis=None))
            if largest > limit:
                raise OpError(f"values differ by up to {largest}; expected {limit} at most")

    return step
