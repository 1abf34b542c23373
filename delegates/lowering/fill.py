"""Tensors made of few values: constants, one-hot rows; matrices and their diagonals."""

from __future__ import annotations

import math

from litegpu.graph import Node
from litegpu.ops.diagonal import KNOWN, diagonal
from litegpu.ops.shapes import normalize_axis
from litegpu.schema.enums import TensorType

from .context import C_TYPES, Lowering, Value
from .copy import UNITS, View, block, copy, source, target, view
from .copy import fill as fill_view
from .registry import lowers


@lowers("FILL")
def fill(low: Lowering, node: Node) -> None:
    copy(low, source(low, 1), target(low))


@lowers("ZEROS_LIKE")
def zeros_like(low: Lowering, node: Node) -> None:
    fill_view(low, target(low))


@lowers("ONE_HOT")
def one_hot(low: Lowering, node: Node) -> None:
    y = target(low)
    axis = normalize_axis(getattr(node.options, "axis", -1), y.array.ndim)
    depth, inner = y.array.shape[axis], math.prod(y.array.shape[axis + 1 :])
    index = low.require_dtype(0, TensorType.INT32, TensorType.INT64)
    defines = {"T": UNITS[y.array.itemsize], "INDEX": C_TYPES[index]}
    count = y.array.size
    args: list[Value] = [low.input(0), low.input(2), low.input(3), y.ref, depth, inner, count]
    low.launch("fill", "one_hot", [count], args, defines, block(low))


@lowers("MATRIX_DIAG")
def matrix_diag(low: Lowering, node: Node) -> None:
    y = target(low)
    fill_view(low, y)
    write_diagonal(low, source(low, 0), y)


@lowers("MATRIX_SET_DIAG")
def matrix_set_diag(low: Lowering, node: Node) -> None:
    y = target(low)
    copy(low, source(low, 0), y)
    write_diagonal(low, source(low, 1), y)


def write_diagonal(low: Lowering, values: View, y: View) -> None:
    dtype, size = low.output_tensor().dtype, y.array.itemsize
    low.require(dtype in KNOWN or size >= 4, f"{dtype.name} moves in words of 32 bits")
    if not values.array.size:
        return
    *batch, rows, cols = y.array.shape
    count = math.prod(batch)
    places = diagonal(view(y.ref, (count, rows, cols), size).array)
    copy(low, view(values.ref, (count, min(rows, cols)), size), y.seen(places))
