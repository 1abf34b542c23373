"""Coordinates of true elements and distinct values: output sizes depend on the data."""

from __future__ import annotations

import numpy as np

from ..graph import Array, Shape
from ..schema.enums import TensorType
from .checks import require_inputs, require_rank
from .context import OpContext
from .registry import Step, op


def where_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    ctx.require(ctx.rank(0) >= 1, "the condition must have at least one axis")
    ctx.require(ctx.dtype(0) != TensorType.STRING, "the condition may not be of strings")
    found = ctx.output_dtype()
    ctx.require(found == TensorType.INT64, f"the output is {found.name}; expected INT64")
    return [(int(np.count_nonzero(ctx.value(0))), ctx.rank(0))]


@op("WHERE", prepare=where_shape, versions=(1, 2))
def where(ctx: OpContext) -> Step:
    """The coordinates of the elements that are not zero, in order; NaN is not zero."""
    y, coordinates = ctx.output(), np.argwhere(ctx.value(0))
    return lambda: np.copyto(y, coordinates)


def distinct(values: Array) -> tuple[Array, Array]:
    """(first position of each distinct value in order of appearance, which one each element is)."""
    _, first, inverse = np.unique(values, True, True, equal_nan=False)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    return first[order], place[inverse]


def unique_shapes(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    require_rank(ctx, 0, 1)
    kinds = (ctx.output_dtype(0), ctx.output_dtype(1))
    ctx.require(
        kinds[0] == ctx.dtype(0) and kinds[1] in (TensorType.INT32, TensorType.INT64),
        f"outputs are {kinds[0].name} and {kinds[1].name}; "
        f"expected {ctx.dtype(0).name} and INT32 or INT64",
    )
    first, _ = distinct(ctx.value(0))
    return [first.shape, ctx.shape(0)]


@op("UNIQUE", prepare=unique_shapes)
def unique(ctx: OpContext) -> Step:
    values, (y, positions) = ctx.value(0), (ctx.output(0), ctx.output(1))
    first, which = distinct(values)

    def step() -> None:
        np.take(values, first, out=y)
        np.copyto(positions, which, casting="same_kind")

    return step
