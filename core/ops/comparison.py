"""Comparisons of two tensors, with broadcasting; the result is bool."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..dtypes import FLOATS
from ..errors import OpError
from ..graph import Shape
from ..schema.enums import TensorType as T
from .checks import require_inputs
from .context import OpContext
from .elementwise_quantized import rescaling
from .lookup import Unary, pairwise
from .quantized import per_tensor
from .registry import Step, op
from .shapes import broadcast_shape

ORDERED = (*FLOATS, T.INT8, T.UINT8, T.INT16, T.UINT16, T.INT32, T.UINT32, T.INT64, T.UINT64)
EQUATED = (*ORDERED, T.BOOL, T.STRING, T.COMPLEX64, T.COMPLEX128)

# Name: comparison, types, versions, the integers that are compared by their real values.
TABLE: dict[str, tuple[Any, tuple[T, ...], tuple[int, int], tuple[T, ...]]] = {
    "EQUAL": (np.equal, EQUATED, (1, 5), (T.INT8, T.UINT8, T.INT16)),
    "NOT_EQUAL": (np.not_equal, EQUATED, (1, 4), (T.INT8, T.UINT8, T.INT16)),
    "LESS": (np.less, ORDERED, (1, 3), (T.INT8, T.UINT8)),
    "LESS_EQUAL": (np.less_equal, ORDERED, (1, 2), (T.INT8, T.UINT8)),
    "GREATER": (np.greater, ORDERED, (1, 2), (T.INT8, T.UINT8)),
    "GREATER_EQUAL": (np.greater_equal, ORDERED, (1, 3), (T.INT8, T.UINT8)),
}


def is_rescaled(ctx: OpContext) -> bool:
    """Whether the node compares quantised values, which are rescaled to integers of 2^-8."""
    quantised = any(ctx.tensor(i).quant is not None for i in (0, 1))
    return quantised and ctx.dtype() in TABLE[ctx.node.op][3]


def common_units(ctx: OpContext, i: int) -> Unary:
    """The real value of input `i` in units of 2^-8, rounded: what the reference compares."""
    scale, zero_point = per_tensor(ctx.tensor(i))
    rescale = rescaling(scale)
    return lambda x: rescale((x - zero_point) << 8)


def prepare(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    ctx.require_dtype(0, *TABLE[ctx.node.op][1])
    ctx.require_dtype(1, ctx.dtype(0))
    if ctx.output_dtype() != T.BOOL:
        raise OpError(f"the output is {ctx.output_dtype().name}; expected BOOL")
    if is_rescaled(ctx):
        for i in (0, 1):
            common_units(ctx, i)
    return [broadcast_shape(ctx.shape(0), ctx.shape(1))]


def bind(ctx: OpContext) -> Step:
    compare = TABLE[ctx.node.op][0]
    a, b, y = ctx.input(0), ctx.input(1), ctx.output()
    if is_rescaled(ctx):
        left, right = common_units(ctx, 0), common_units(ctx, 1)
        return pairwise(a, b, y, lambda p, q: compare(left(p), right(q)))
    return partial(compare, a, b, out=y)


for _name, (_, _, _versions, _) in TABLE.items():
    op(_name, prepare=prepare, versions=_versions)(bind)
