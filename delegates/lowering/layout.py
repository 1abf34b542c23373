"""The elements of a tensor in another order, or repeated."""

from __future__ import annotations

import math

import numpy as np
from litegpu.graph import Node
from litegpu.ops.layout import merged_axes, permutation
from litegpu.ops.shapes import normalize_axis
from litegpu.schema.enums import TensorType
from litegpu.schema.options import ReverseSequenceOptions

from .context import Lowering, Value
from .copy import UNITS, block, copy, itemsize, source, target
from .registry import lowers


@lowers("TRANSPOSE")
def transpose(low: Lowering, node: Node) -> None:
    axes = permutation(low.values(1).tolist(), len(low.shape(0)))
    _, order = merged_axes(low.shape(0), axes)
    if order == sorted(order) and not (low.is_constant(0) or low.tensor(0).is_variable):
        itemsize(low, low.tensor(0))
        low.alias()
        return
    x = source(low, 0)
    copy(low, x.seen(x.array.transpose(axes)), target(low))


@lowers("TILE")
def tile(low: Lowering, node: Node) -> None:
    pairs = list(zip(low.values(1).reshape(-1).tolist(), low.shape(0), strict=True))
    x = source(low, 0, [size for _, n in pairs for size in (1, n)])
    copy(low, x, target(low, 0, [size for pair in pairs for size in pair]))


@lowers("REVERSE_V2")
def reverse(low: Lowering, node: Node) -> None:
    x = source(low, 0)
    axes = tuple(normalize_axis(axis, x.array.ndim) for axis in low.values(1).tolist())
    copy(low, x.seen(np.flip(x.array, axes)), target(low))


@lowers("REVERSE_SEQUENCE")
def reverse_sequence(low: Lowering, node: Node) -> None:
    found = node.options
    options = found if isinstance(found, ReverseSequenceOptions) else ReverseSequenceOptions()
    index = low.require_dtype(1, TensorType.INT32, TensorType.INT64)
    shape, first = low.shape(0), min(options.seq_dim, options.batch_dim)
    second = max(options.seq_dim, options.batch_dim)
    middle, inner = math.prod(shape[first + 1 : second]), math.prod(shape[second + 1 :])
    sizes = [shape[first], middle, shape[second], inner]
    count = math.prod(shape)
    defines = {
        "T": UNITS[itemsize(low, low.tensor(0))],
        "INDEX": "long" if index == TensorType.INT64 else "int",
        "SEQUENCE_FIRST": int(options.seq_dim < options.batch_dim),
    }
    args: list[Value] = [low.input(0), low.input(1), low.output(), low.flag(), *sizes, count]
    low.launch("layout", "reverse_sequence", [count], args, defines, block(low))
