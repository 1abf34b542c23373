"""STABLEHLO_DOT_GENERAL: sums of products over any pairs of dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..graph import Array, Shape
from ..schema.enums import TensorType as T
from ..schema.options2 import StablehloDotGeneralOptions
from .checks import options_of, require_inputs, require_same_dtype
from .context import OpContext
from .registry import Step, op

FLOATS = (T.FLOAT32, T.FLOAT16, T.BFLOAT16, T.FLOAT64)
INTEGERS = (T.INT8, T.UINT8, T.INT16, T.UINT16, T.INT32, T.UINT32, T.INT64, T.UINT64)


def dimensions(ctx: OpContext, found: Any, rank: int) -> tuple[int, ...]:
    """An attribute's dimensions; raises OpError unless they are distinct and below `rank`."""
    axes = tuple(int(a) for a in (() if found is None else found))
    ctx.require(
        len(set(axes)) == len(axes) and all(0 <= a < rank for a in axes),
        lambda: f"dimensions {axes} are not distinct dimensions of rank {rank}",
    )
    return axes


class Sides:
    """The dimensions of one operand: batching, contracting, and the free ones in order."""

    def __init__(self, ctx: OpContext, i: int, batching: Any, contracting: Any) -> None:
        shape = ctx.shape(i)
        self.batching = dimensions(ctx, batching, len(shape))
        self.contracting = dimensions(ctx, contracting, len(shape))
        taken = {*self.batching, *self.contracting}
        ctx.require(
            len(taken) == len(self.batching) + len(self.contracting),
            f"operand {i} contracts a batching dimension",
        )
        self.free = tuple(a for a in range(len(shape)) if a not in taken)
        self._shape = shape

    def sizes(self, axes: Sequence[int]) -> Shape:
        return tuple(self._shape[a] for a in axes)


def sides(ctx: OpContext) -> tuple[Sides, Sides]:
    o = options_of(ctx, StablehloDotGeneralOptions)
    left = Sides(ctx, 0, o.lhs_batching_dimensions, o.lhs_contracting_dimensions)
    right = Sides(ctx, 1, o.rhs_batching_dimensions, o.rhs_contracting_dimensions)
    for a, b in ((left.batching, right.batching), (left.contracting, right.contracting)):
        ctx.require(
            left.sizes(a) == right.sizes(b),
            lambda a=a, b=b: f"sizes {left.sizes(a)} and {right.sizes(b)} differ",  # type: ignore[misc]
        )
    return left, right


def prepare(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    ctx.require_dtype(0, *FLOATS, *INTEGERS)
    ctx.require(ctx.dtype(0) == ctx.dtype(1), "operands must be of one type")
    if ctx.dtype() in FLOATS:
        require_same_dtype(ctx, 0, 1)
    else:
        ctx.require(ctx.output_dtype() in INTEGERS, "integers give integers")
    left, right = sides(ctx)
    return [(*left.sizes(left.batching), *left.sizes(left.free), *right.sizes(right.free))]


def accumulator(dtype: T, depth: int) -> Any:
    """The type in which sums of `depth` products are right, modulo the output's size."""
    if dtype in FLOATS:
        return np.float64 if dtype == T.FLOAT64 else np.float32
    bits = {T.INT8: 7, T.UINT8: 8, T.INT16: 15, T.UINT16: 16}.get(dtype)
    return np.float64 if bits is not None and depth << (2 * bits) <= 2**53 else np.int64


@op("STABLEHLO_DOT_GENERAL", prepare=prepare)
def dot_general(ctx: OpContext) -> Step:
    left, right = sides(ctx)
    x = ctx.input(0).transpose(left.batching + left.free + left.contracting)
    w = ctx.input(1).transpose(right.batching + right.contracting + right.free)
    y = ctx.output()
    depth = math.prod(left.sizes(left.contracting))
    batch = left.sizes(left.batching)
    shapes = (*batch, -1, depth), (*batch, depth, -1)
    if 0 in (x.size, w.size):
        return lambda: y.fill(0)
    dtype = accumulator(ctx.dtype(), depth)

    def matrix(operand: Array, shape: Shape) -> Array:
        return operand.astype(dtype, copy=False).reshape(shape)

    def step() -> None:
        sums = np.matmul(matrix(x, shapes[0]), matrix(w, shapes[1])).reshape(y.shape)
        exact = sums.astype(np.int64) if y.dtype.kind in "iu" else sums
        np.copyto(y, exact, casting="unsafe")

    return step
