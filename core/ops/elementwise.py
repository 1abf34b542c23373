"""Arithmetic of two or more tensors, with broadcasting and fused activations.

Quantised tensors go through the integer functions of elementwise_quantized.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import ActivationFunctionType
from ..schema.enums import TensorType as T
from . import elementwise_quantized as quantized
from .checks import require_inputs, require_same_dtype
from .context import OpContext
from .fused import clamp, float_clamp
from .lookup import Binary, pairwise, pointwise
from .quantized import per_tensor
from .registry import Step, op
from .shapes import broadcast_shape, debug_string

Into = Callable[..., Any]
"""f(a, b, out=y) writes the result into y."""

REALS = (T.FLOAT32, T.FLOAT16, T.BFLOAT16, T.FLOAT64)
INTEGERS = (T.INT32, T.INT64, T.UINT32, T.UINT64, T.INT16, T.UINT16)
COMPLEX = (T.COMPLEX64, T.COMPLEX128)


def divide(a: Array, b: Array, out: Array) -> None:
    """Quotients; those of integers rounded towards zero."""
    if out.dtype.kind not in "iu":
        np.divide(a, b, out=out)
        return
    require_no_zero(b)
    np.floor_divide(a, b, out=out)
    np.add(out, (np.remainder(a, b) != 0) & ((a < 0) != (b < 0)), out=out)


def floor_divide(a: Array, b: Array, out: Array) -> None:
    """floor(a / b); of floats in float64, as the reference divides them."""
    require_no_zero(b)
    if out.dtype.kind in "iu":
        np.floor_divide(a, b, out=out)
    else:
        np.copyto(out, np.floor(np.divide(a, b, dtype=np.float64)), casting="unsafe")


def floor_modulo(a: Array, b: Array, out: Array) -> None:
    """a - b * floor(a / b), with the sign of b."""
    if out.dtype.kind in "iu":
        require_no_zero(b)
    np.remainder(a, b, out=out)


def power(a: Array, b: Array, out: Array) -> None:
    """a ** b; of integers where it fits, else the smallest integer, as C converts."""
    if out.dtype.kind not in "iu":
        np.power(a, b, out=out)
        return
    if np.any(b < 0):
        raise OpError("POW does not support negative value for integers")
    limit = float(2 ** (8 * out.dtype.itemsize - 1))
    fits = np.abs(np.power(a.astype(np.float64), b)) < limit - 0.5
    wide = np.power(a.astype(np.int64), b, dtype=np.int64)
    np.copyto(out, np.where(fits, wide, np.iinfo(out.dtype).min), casting="unsafe")


def squared_difference(a: Array, b: Array, out: Array) -> None:
    np.subtract(a, b, out=out)
    np.multiply(out, out, out=out)


def require_no_zero(divisor: Array) -> None:
    if not np.all(divisor):
        raise OpError("Division by 0")


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What an operator computes, for which types; `stored(ctx)` is its function of integers."""

    function: Into
    dtypes: tuple[T, ...]
    versions: tuple[int, int] = (1, 1)
    stored: Callable[[OpContext], Binary] | None = None
    stored_dtypes: tuple[T, ...] = ()


BYTES = (T.INT8, T.UINT8)
SMALL = (*BYTES, T.INT16)

TABLE = {
    "ADD": Arithmetic(np.add, REALS + INTEGERS + COMPLEX, (1, 6), quantized.add, SMALL),
    "SUB": Arithmetic(np.subtract, REALS + INTEGERS + COMPLEX, (1, 5), quantized.subtract, SMALL),
    "MUL": Arithmetic(np.multiply, REALS + INTEGERS + COMPLEX, (1, 8), quantized.multiply, SMALL),
    "DIV": Arithmetic(divide, REALS + INTEGERS + COMPLEX, (1, 2), quantized.divide, SMALL),
    "MAXIMUM": Arithmetic(np.maximum, REALS + INTEGERS + BYTES, (1, 4)),
    "MINIMUM": Arithmetic(np.minimum, REALS + INTEGERS + BYTES, (1, 4)),
    "POW": Arithmetic(power, (*REALS, T.INT32, T.INT64)),
    "SQUARED_DIFFERENCE": Arithmetic(
        squared_difference, REALS + INTEGERS, (1, 2), quantized.squared_difference, (T.INT8,)
    ),
    "FLOOR_DIV": Arithmetic(floor_divide, (*REALS, *INTEGERS, T.INT8), (1, 3)),
    "FLOOR_MOD": Arithmetic(floor_modulo, (*REALS, *INTEGERS, T.INT8), (1, 2)),
    "ATAN2": Arithmetic(np.arctan2, REALS),
}


def stored_function(ctx: OpContext) -> Binary | None:
    """The function of stored integers of a quantised node: bytes; int16 where it has scales."""
    row, dtype = TABLE[ctx.node.op], ctx.dtype(0)
    if row.stored is None or dtype not in row.stored_dtypes:
        return None
    if dtype == T.INT16 and ctx.output_tensor().quant is None:
        return None
    return row.stored(ctx)


def activation_of(ctx: OpContext) -> ActivationFunctionType:
    """The fused activation of the node's options; none where they have no such field."""
    found: ActivationFunctionType = getattr(
        ctx.options, "fused_activation_function", ActivationFunctionType.NONE
    )
    return found


def prepare(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    row = TABLE[ctx.node.op]
    if not (ctx.node.op == "MUL" and quantized.narrows(ctx)):
        require_same_dtype(ctx, 0, 1)
    stored = stored_function(ctx)
    if stored is None:
        ctx.require_dtype(0, *row.dtypes)
        if ctx.dtype(0) in COMPLEX and activation_of(ctx) != ActivationFunctionType.NONE:
            raise OpError(f"activation {activation_of(ctx).name} is not allowed for complex inputs")
    return [broadcast_shape(ctx.shape(0), ctx.shape(1))]


def bind(ctx: OpContext) -> Step:
    stored = stored_function(ctx)
    if stored is not None:
        return bind_stored(ctx, stored)
    function, activation = TABLE[ctx.node.op].function, activation_of(ctx)
    a, b, y = ctx.input(0), ctx.input(1), ctx.output()
    if float_clamp(activation) == (-math.inf, math.inf):
        return partial(function, a, b, out=y)

    def step() -> None:
        function(a, b, out=y)
        clamp(y, activation)

    return step


def bind_stored(ctx: OpContext, function: Binary) -> Step:
    """The step of a quantised node; a divisor is checked each time."""
    a, b, y = ctx.input(0), ctx.input(1), ctx.output()
    if b.size == 1 and a.shape == y.shape and ctx.is_known(1):
        constant = b.reshape(()).astype(np.int64)
        step = pointwise(a, y, lambda x: function(x, constant))
    else:
        step = pairwise(a, b, y, function)
    if ctx.node.op != "DIV":
        return step
    zero = per_tensor(ctx.tensor(1))[1]

    def checked() -> None:
        if np.any(b == zero):
            raise OpError("Division by 0")
        step()

    return checked


for _name, _row in TABLE.items():
    op(_name, prepare=prepare, versions=_row.versions)(bind)


def prepare_add_n(ctx: OpContext) -> list[Shape]:
    count = len(ctx.node.inputs)
    ctx.require(count >= 2, f"the node has {count} inputs; expected at least 2")
    require_same_dtype(ctx, *range(count))
    ctx.require_dtype(0, *REALS, *INTEGERS, *COMPLEX)
    for i in range(1, count):
        if ctx.shape(i) != ctx.shape(0):
            raise OpError(
                f"input {i} has shape {debug_string(ctx.shape(i))}; "
                f"expected {debug_string(ctx.shape(0))} as input 0"
            )
    return [ctx.shape(0)]


@op("ADD_N", prepare=prepare_add_n)
def add_n(ctx: OpContext) -> Step:
    first, second, *others = (ctx.input(i) for i in range(len(ctx.node.inputs)))
    y = ctx.output()

    def step() -> None:
        np.add(first, second, out=y)
        for x in others:
            np.add(y, x, out=y)

    return step
