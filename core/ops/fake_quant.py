"""FAKE_QUANT: floats rounded to the values that a quantised tensor could hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType as T
from ..schema.options import FakeQuantOptions
from .checks import options_of, require_inputs, require_same_dtype
from .context import OpContext
from .quantized import round_half_away
from .registry import Step, op
from .unary import tiled


def nudged_range(options: FakeQuantOptions) -> tuple[Any, Any, Any]:
    """(least, largest, step) of the range moved so that 0 is on a step, as TensorFlow moves it."""
    if options.narrow_range:
        raise OpError("narrow_range is for weights; not supported at run time")
    if not 2 <= options.num_bits <= 16:
        raise OpError(f"num_bits is {options.num_bits}; expected 2 to 16")
    if not (options.min < options.max and math.isfinite(options.max - options.min)):
        raise OpError(f"the range is [{options.min}, {options.max}]; expected min < max")
    low, high = np.asarray(options.min, np.float32), np.asarray(options.max, np.float32)
    steps = np.float32((1 << options.num_bits) - 1)
    step = (high - low) / steps
    zero_point = np.clip(round_half_away(np.float32(0) - low / step), np.float32(0), steps)
    return -zero_point * step, (steps - zero_point) * step, step


def prepare(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    ctx.require_dtype(0, T.FLOAT32)
    require_same_dtype(ctx, 0)
    nudged_range(options_of(ctx, FakeQuantOptions))
    return [ctx.shape()]


@op("FAKE_QUANT", prepare=prepare, versions=(1, 2))
def fake_quant(ctx: OpContext) -> Step:
    low, high, step = nudged_range(options_of(ctx, FakeQuantOptions))
    inverse = np.float32(1) / step

    def onto_steps(x: Array, out: Array) -> None:
        np.clip(x, low, high, out=out)
        np.subtract(out, low, out=out)
        np.multiply(out, inverse, out=out)
        np.multiply(round_half_away(out), step, out=out)
        np.add(out, low, out=out)

    return tiled(onto_steps, ctx.input(), ctx.output())
