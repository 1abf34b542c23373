"""Parts of complex tensors."""

from __future__ import annotations

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType as T
from .checks import require_inputs
from .context import OpContext
from .registry import Step, op

PART = {T.COMPLEX64: T.FLOAT32, T.COMPLEX128: T.FLOAT64}


def prepare(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    expected = PART[ctx.require_dtype(0, *PART)]
    if ctx.output_dtype() != expected:
        raise OpError(f"the output is {ctx.output_dtype().name}; expected {expected.name}")
    return [ctx.shape()]


def copy(source: Array, target: Array) -> Step:
    """The step that writes the elements of `source`, converted, into `target`."""

    def step() -> None:
        np.copyto(target, source, casting="unsafe")

    return step


@op("REAL", prepare=prepare)
def real(ctx: OpContext) -> Step:
    return copy(np.real(ctx.input()), ctx.output())


@op("IMAG", prepare=prepare)
def imag(ctx: OpContext) -> Step:
    return copy(np.imag(ctx.input()), ctx.output())


@op("COMPLEX_ABS", prepare=prepare)
def complex_abs(ctx: OpContext) -> Step:
    x, y = ctx.input(), ctx.output()

    def step() -> None:
        np.absolute(x, out=y)

    return step
