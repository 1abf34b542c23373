"""Functions of one tensor, element by element: each is one row of a table.

A row says what is computed of real (and of plain integer) elements, and for quantised types gives
the node's function of stored integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType as T
from . import unary_quantized as quantized
from .checks import options_of, require_inputs, require_same_dtype
from .context import OpContext
from .lookup import Unary, pointwise
from .quantized import per_tensor
from .registry import Step, op

Into = Callable[..., Any]
"""f(x, out=y) writes the result into y, which is not x."""

REALS = (T.FLOAT32, T.FLOAT16, T.BFLOAT16, T.FLOAT64)
COMPLEX = (T.COMPLEX64, T.COMPLEX128)
SIGNED = (T.INT8, T.INT16, T.INT32, T.INT64)

TILE = 16384
"""Elements that a function of several passes works on at once."""


@dataclass(frozen=True, slots=True)
class Function:
    """One operator: `real` for `dtypes`, `stored` by type for quantised tensors.

    `options`: the options' class; with one, `real` takes them and returns the function.
    `domain`: what to say of stored inputs below the zero point, where they are not allowed.
    """

    real: Any
    dtypes: tuple[T, ...] = REALS
    versions: tuple[int, int] = (1, 1)
    stored: Mapping[T, Callable[[OpContext], Unary]] = field(default_factory=dict)
    options: Any = None
    domain: str = ""


def stored_function(ctx: OpContext, row: Function) -> Unary | None:
    """The node's function of stored integers; None where the elements are taken as they are."""
    make = row.stored.get(ctx.dtype())
    if make is None or (ctx.dtype() in row.dtypes and ctx.tensor(0).quant is None):
        return None
    return make(ctx)


def prepare(ctx: OpContext, *, row: Function) -> list[Shape]:
    require_inputs(ctx, 1)
    require_same_dtype(ctx, 0)
    if row.options is not None:
        options_of(ctx, row.options)
    if stored_function(ctx, row) is None:
        ctx.require_dtype(0, *row.dtypes)
    return [ctx.shape()]


def bind(ctx: OpContext, *, row: Function) -> Step:
    x, y = ctx.input(), ctx.output()
    function = stored_function(ctx, row)
    if function is not None:
        step = pointwise(x, y, function)
        return within(x, per_tensor(ctx.tensor(0))[1], row.domain, step) if row.domain else step
    real: Into = row.real if row.options is None else row.real(options_of(ctx, row.options))
    if isinstance(real, np.ufunc):
        return partial(real, x, out=y)
    return tiled(real, x, y)


def tiled(function: Into, x: Array, y: Array) -> Step:
    """The step function(x, y) in pieces that stay in the cache."""
    source, target = x.reshape(-1), y.reshape(-1)
    if x.size <= TILE:
        return partial(function, source, out=target)
    tiles = [(source[i : i + TILE], target[i : i + TILE]) for i in range(0, x.size, TILE)]

    def step() -> None:
        for piece, result in tiles:
            function(piece, out=result)

    return step


def within(x: Array, least: int, message: str, step: Step) -> Step:
    """`step`, after a check that no element of `x` is below `least`."""

    def checked() -> None:
        if x.size and x.min() < least:
            raise OpError(message)
        step()

    return checked


def register(table: Mapping[str, Function]) -> None:
    """Registers each row under its name."""
    for name, row in table.items():
        made = partial(bind, row=row)
        op(name, prepare=partial(prepare, row=row), versions=row.versions)(made)


def reciprocal_sqrt(x: Array, out: Array) -> None:
    np.sqrt(x, out=out)
    np.divide(out.dtype.type(1), out, out=out)


ABS = {T.INT8: quantized.absolute, T.INT16: quantized.absolute}
EXP = {T.INT8: quantized.exp, T.INT16: quantized.exp}
LOG = {T.INT8: quantized.log, T.INT16: quantized.log}
SQRT = {T.INT8: quantized.sqrt, T.INT16: quantized.sqrt}
RSQRT = {T.INT8: quantized.reciprocal_sqrt8, T.INT16: quantized.reciprocal_sqrt16}
NO_SQRT = "Sqrt is only defined for non-negative values"
NO_RSQRT = "Rsqrt is only defined for positive values"

TABLE = {
    "ABS": Function(np.absolute, (*REALS, T.INT16, T.INT32, T.INT64), (1, 5), ABS),
    "NEG": Function(np.negative, (*REALS, *SIGNED, *COMPLEX)),
    "EXP": Function(np.exp, REALS, (1, 2), EXP),
    "LOG": Function(np.log, REALS, (1, 2), LOG),
    "SIN": Function(np.sin, REALS, (1, 2)),
    "COS": Function(np.cos, REALS, (1, 2)),
    "SQRT": Function(np.sqrt, REALS, (1, 2), SQRT, domain=NO_SQRT),
    "RSQRT": Function(reciprocal_sqrt, REALS, (1, 3), RSQRT, domain=NO_RSQRT),
    "SQUARE": Function(np.square, (*REALS, T.INT32, T.INT64, *COMPLEX)),
    "FLOOR": Function(np.floor),
    "CEIL": Function(np.ceil),
    "ROUND": Function(np.rint),
    "SIGN": Function(np.sign, (*REALS, T.INT32, T.INT64), (1, 2)),
}

register(TABLE)
