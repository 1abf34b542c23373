"""Parts of tensors, by begin and size, and tensors with a part replaced."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from litegpu.graph import Node, Shape
from litegpu.ops.checks import LARGEST
from litegpu.ops.slice import clamped, window
from litegpu.schema.enums import TensorType

from .context import Lowering, Value
from .copy import UNITS, View, block, copy, source, target
from .registry import lowers


@lowers("SLICE")
def slice_(low: Lowering, node: Node) -> None:
    x, y = source(low, 0), target(low)
    if low.is_constant(1):
        part = x.array[window(low.values(1).tolist(), y.array.shape)]
        copy(low, x.seen(part), y)
    else:
        move_at(low, "slice_at", x, y, 1, y.array.shape, x.array.shape)


@lowers("DYNAMIC_UPDATE_SLICE")
def dynamic_update_slice(low: Lowering, node: Node) -> None:
    y, update = target(low), source(low, 1)
    copy(low, source(low, 0), y)
    shape = y.array.shape
    if low.is_constant(2):
        starts = clamped(low.values(2).tolist(), shape, update.array.shape)
        copy(low, update, y.seen(y.array[window(starts, update.array.shape)]))
    else:
        move_at(low, "update_at", update, y, 2, update.array.shape, shape)


def move_at(
    low: Lowering, entry: str, x: View, y: View, starts: int, part: Shape, whole: Sequence[int]
) -> None:
    """Moves a part of shape `part` that begins in `whole` where input `starts` says."""
    index = low.require_dtype(starts, TensorType.INT32, TensorType.INT64)
    count = math.prod(part)
    low.require(math.prod(whole) <= LARGEST, "the tensor has 2^31 elements or more")
    defines = {
        "T": UNITS[x.array.itemsize],
        "INDEX": "long" if index == TensorType.INT64 else "int",
    }
    sizes = low.constant(np.array([part, whole], np.int32))
    args: list[Value] = [x.ref, y.ref, low.input(starts), low.flag(), sizes, len(part), count]
    low.launch("slice", entry, [count], args, defines, block(low))
