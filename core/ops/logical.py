"""Logic on booleans, bitwise operations and shifts on integers, with broadcasting."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..graph import Array, Shape
from ..schema.enums import TensorType as T
from .checks import require_inputs, require_same_dtype
from .context import OpContext
from .registry import Step, op
from .shapes import broadcast_shape

INTEGERS = (T.INT8, T.UINT8, T.INT16, T.UINT16, T.INT32, T.UINT32, T.INT64, T.UINT64)


def shift_right(a: Array, b: Array, out: Array) -> None:
    """a >> b, arithmetic for signed types; counts beyond the type's bits count as the nearest."""
    np.right_shift(a, np.clip(b, 0, 8 * out.dtype.itemsize - 1), out=out)


TABLE: dict[str, tuple[Any, tuple[T, ...]]] = {
    "LOGICAL_AND": (np.logical_and, (T.BOOL,)),
    "LOGICAL_OR": (np.logical_or, (T.BOOL,)),
    "BITWISE_XOR": (np.bitwise_xor, (*INTEGERS, T.BOOL)),
    "RIGHT_SHIFT": (shift_right, INTEGERS),
}


def prepare(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    ctx.require_dtype(0, *TABLE[ctx.node.op][1])
    require_same_dtype(ctx, 0, 1)
    return [broadcast_shape(ctx.shape(0), ctx.shape(1))]


def bind(ctx: OpContext) -> Step:
    return partial(TABLE[ctx.node.op][0], ctx.input(0), ctx.input(1), out=ctx.output())


for _name in TABLE:
    op(_name, prepare=prepare)(bind)


def prepare_not(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    ctx.require_dtype(0, T.BOOL)
    require_same_dtype(ctx, 0)
    return [ctx.shape()]


@op("LOGICAL_NOT", prepare=prepare_not)
def logical_not(ctx: OpContext) -> Step:
    return partial(np.logical_not, ctx.input(), out=ctx.output())
