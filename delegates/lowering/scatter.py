"""Values written where index tuples say: SCATTER_ND adds, SPARSE_TO_DENSE keeps the last."""

from __future__ import annotations

import math

from litegpu.graph import Node
from litegpu.schema.enums import TensorType

from .context import C_TYPES, Lowering, Value
from .copy import UNITS, block, copy, fill, source, target, view
from .gather import flat_positions
from .registry import lowers

MOST = 1 << 14
"""Index tuples, at most: each is compared with all others, so that no atomics are needed."""


@lowers("SCATTER_ND")
def scatter_nd(low: Lowering, node: Node) -> None:
    dtype = low.dtype(1)
    known = dtype in C_TYPES and dtype != TensorType.FLOAT16
    low.require(known, f"the updates are {dtype.name}, which the kernel does not add")
    *outer, depth = low.shape(0)
    y, count = target(low), math.prod(outer)
    low.require(count <= MOST, f"there are {count} indices; at most {MOST} expected")
    dims, inner = y.array.shape[:depth], math.prod(y.array.shape[depth:])
    fill(low, y)
    positions = flat_positions(low, 0, count, dims)
    args: list[Value] = [low.input(1), positions, y.ref, inner, count]
    defines = {"T": low.ctype(1), "IS_BOOL": int(dtype == TensorType.BOOL)}
    low.launch("scatter", "scatter_add", [count * inner], args, defines, block(low))


@lowers("SPARSE_TO_DENSE")
def sparse_to_dense(low: Lowering, node: Node) -> None:
    y, indices = target(low), low.shape(0)
    count = indices[0] if indices else 1
    low.require(count <= MOST, f"there are {count} indices; at most {MOST} expected")
    size = y.array.itemsize
    copy(low, view(low.input(3), (), size), y)
    positions = flat_positions(low, 0, count, y.array.shape)
    step = int(len(low.shape(2)) > 0)
    args: list[Value] = [source(low, 2).ref, positions, y.ref, step, count]
    low.launch("scatter", "scatter_last", [count], args, {"T": UNITS[size]}, block(low))
