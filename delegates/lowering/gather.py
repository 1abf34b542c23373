"""Slices of a tensor looked up by index, and rows of embedding tables."""

from __future__ import annotations

import math

import numpy as np
from litegpu.delegate import Unsupported
from litegpu.dtypes import decode
from litegpu.graph import Node
from litegpu.ops.checks import LARGEST
from litegpu.ops.positions import row_major_strides
from litegpu.ops.shapes import normalize_axis
from litegpu.schema.enums import TensorType as T

from ..program import Ref
from .context import C_TYPES, Lowering, Value
from .copy import UNITS, View, block, source, target
from .registry import lowers

INDEX_TYPES = (T.INT16, T.INT32, T.INT64)


def gather_rows(
    low: Lowering, x: View, y: View, indices: int, sizes: tuple[int, int, int, int, int]
) -> None:
    """y[b, o, k] = x[b, o, indices[b, k]]; sizes: batches, outer, rows of x, k, elements a row."""
    *counts, inner = sizes
    size = x.array.itemsize
    low.require(max(x.array.size, y.array.size) <= LARGEST, "the tensor has 2^31 elements or more")
    low.require(y.array.size > 0, "the output is empty")
    unit = max(n for n in UNITS if n == size or inner * size % n == 0)
    inner = inner * size // unit
    defines = {
        "T": UNITS[unit],
        "INDEX": C_TYPES[low.require_dtype(indices, *INDEX_TYPES)],
        "CPU_DEVICE": int(low.info.is_cpu),
    }
    _, outer, rows, k = counts
    count = math.prod(y.array.shape) * size // unit // (max(inner, 1) if low.info.is_cpu else 1)
    args: list[Value] = [x.ref, low.input(indices), y.ref, low.flag(), outer, rows, k, inner, count]
    low.launch("gather", "gather_rows", [count], args, defines, block(low))


@lowers("GATHER")
def gather(low: Lowering, node: Node) -> None:
    shape, indices = low.shape(0), low.shape(1)
    axis = normalize_axis(getattr(node.options, "axis", 0), len(shape))
    batch = getattr(node.options, "batch_dims", 0)
    batch += len(indices) if batch < 0 else 0
    sizes = (
        math.prod(shape[:batch]),
        math.prod(shape[batch:axis]),
        shape[axis],
        math.prod(indices[batch:]),
        math.prod(shape[axis + 1 :]),
    )
    gather_rows(low, source(low, 0), target(low), 1, sizes)


@lowers("GATHER_ND")
def gather_nd(low: Lowering, node: Node) -> None:
    """Positions of the slices first, then rows by position."""
    x, y = source(low, 0), target(low)
    low.require(y.array.size > 0, "the output is empty")
    depth = low.shape(1)[-1]
    dims, inner = x.array.shape[:depth], math.prod(x.array.shape[depth:])
    count = math.prod(low.shape(1)[:-1])
    positions = flat_positions(low, 1, count, dims)
    size = x.array.itemsize
    unit = max(n for n in UNITS if n == size or inner * size % n == 0)
    width = inner * size // unit
    args: list[Value] = [x.ref, positions, y.ref, width, count * width]
    low.launch("gather", "take_rows", [count * width], args, {"T": UNITS[unit]}, block(low))


def flat_positions(low: Lowering, i: int, count: int, dims: tuple[int, ...]) -> Ref:
    """int32 [count] in scratch: row-major positions, in a tensor of shape `dims`, of the index
    tuples of input `i`; -1, and the flag is raised, where a tuple lies outside."""
    low.require(math.prod(dims) <= LARGEST, "the tensor has 2^31 elements or more")
    table = low.constant(np.array([dims, row_major_strides(dims)], np.int32))
    positions = low.scratch(max(1, 4 * count))
    args: list[Value] = [low.input(i), table, positions, low.flag(), len(dims), count]
    defines = {"INDEX": C_TYPES[low.require_dtype(i, *INDEX_TYPES)]}
    low.launch("gather", "flat_positions", [count], args, defines, block(low))
    return positions


@lowers("EMBEDDING_LOOKUP")
def embedding_lookup(low: Lowering, node: Node) -> None:
    rows, *rest = low.shape(1)
    width, count = math.prod(rest), math.prod(low.shape(0))
    if low.dtype(1) == low.output_tensor().dtype:
        gather_rows(low, source(low, 1), target(low), 0, (1, 1, rows, count, width))
        return
    low.require(low.output_tensor().dtype == T.FLOAT32, "the output is not FLOAT32")
    scales, size, per_row = row_scales(low, width)
    table, blocks = low.input(1), max(1, width // max(1, size))
    args: list[Value] = [low.input(0), table, scales, low.output(), low.flag()]
    args += [rows, width, size, blocks if per_row else 0, count * width]
    defines = {"OUT_T": low.output_ctype()}
    low.launch("gather", "embed_scaled", [count * width], args, defines, block(low))


def row_scales(low: Lowering, width: int) -> tuple[Ref, int, bool]:
    """float32 scales, how many elements of a row share one, and whether each row has its own."""
    quant = low.tensor(1).quant
    if quant is None:
        raise Unsupported("the table has no scale")
    if quant.blocks is None:
        return low.constant(quant.scale), width, quant.scale.size > 1
    tensor = low.graph.tensors[quant.blocks.scales]
    if tensor.data is None:
        raise Unsupported("the scales of blocks are computed at run time")
    scales = decode(tensor.data, tensor.dtype, tensor.shape).astype(np.float32)
    return low.constant(scales), quant.blocks.size, True
