"""Matrices made from their diagonals, and matrices with their diagonals replaced."""

from __future__ import annotations

import math

import numpy as np

from ..graph import Array, Shape
from ..schema.enums import TensorType as T
from .checks import require_inputs, require_same_dtype
from .context import OpContext
from .registry import Step, op

KNOWN = frozenset({T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64})
"""The types that the reference kernel tells apart; it takes all others for float32."""


def diagonal(matrices: Array) -> Array:
    """The main diagonals of [..., rows, columns] as a view of shape [batch, min(rows, columns)]."""
    *batch, rows, columns = matrices.shape
    flat = matrices.reshape(math.prod(batch), rows * columns)
    return flat[:, : min(rows, columns) * (columns + 1) : columns + 1]


def replace_diagonal(x: Array, values: Array, y: Array) -> Step:
    """The step that copies `x` (a scalar: everywhere) with `values` on the diagonals."""
    target = diagonal(y)
    source = values.reshape(target.shape)

    def step() -> None:
        np.copyto(y, x)
        np.copyto(target, source)

    return step


def in_words(ctx: OpContext, arrays: list[Array]) -> Step:
    """`replace_diagonal` as the reference does it for narrow types that it does not know.

    It moves 32-bit words where the elements are of 8 or 16 bits. What it then writes beyond the
    output is lost; what it reads beyond an input, here zeros, goes there but for a last word.
    """
    *inputs, y = arrays
    wide = [a if a.ndim == 0 else ctx.scratch(a.shape, np.uint32) for a in arrays]
    run = replace_diagonal(*wide)
    moves = []
    for words, array in zip(wide, inputs, strict=False):
        if array.ndim:
            raw = words.reshape(-1).view(np.uint8)
            moves.append((raw, raw[: array.nbytes], array.reshape(-1).view(np.uint8)))
    result = wide[-1].reshape(-1).view(np.uint8)[: y.nbytes]
    target = y.reshape(-1).view(np.uint8)

    def step() -> None:
        for raw, part, source in moves:
            raw.fill(0)
            np.copyto(part, source)
        run()
        np.copyto(target, result)

    return step


def bind_diagonal(ctx: OpContext, x: Array, values: Array) -> Step:
    y = ctx.output()
    if ctx.output_dtype() not in KNOWN and y.dtype.itemsize < 4:
        return in_words(ctx, [x.astype(np.uint32) if x.ndim == 0 else x, values, y])
    return replace_diagonal(x, values, y)


def matrix_diag_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    dtype = require_same_dtype(ctx, 0)
    ctx.require(dtype != T.STRING, "strings have no zero to surround a diagonal with")
    shape = ctx.shape(0)
    ctx.require(len(shape) >= 1, "the input must have at least one axis")
    return [(*shape, shape[-1])]


@op("MATRIX_DIAG", prepare=matrix_diag_shape)
def matrix_diag(ctx: OpContext) -> Step:
    values = ctx.input(0)
    return bind_diagonal(ctx, np.zeros((), values.dtype), values)


def matrix_set_diag_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 0, 1)
    shape = ctx.shape(0)
    ctx.require(len(shape) >= 2, f"the input has shape {list(shape)}; expected at least two axes")
    wanted = (*shape[:-2], min(shape[-2:]))
    ctx.require(
        ctx.shape(1) == wanted,
        f"the diagonal has shape {list(ctx.shape(1))}; expected {list(wanted)}",
    )
    return [shape]


@op("MATRIX_SET_DIAG", prepare=matrix_set_diag_shape)
def matrix_set_diag(ctx: OpContext) -> Step:
    return bind_diagonal(ctx, ctx.input(0), ctx.input(1))
