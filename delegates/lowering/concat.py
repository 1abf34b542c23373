"""Tensors put together along an axis and taken apart again."""

from __future__ import annotations

import numpy as np
from litegpu.graph import Node
from litegpu.ops.concat import parts, rescaling_table
from litegpu.ops.shapes import normalize_axis
from litegpu.schema.enums import TensorType

from .context import Lowering
from .copy import View, copy, copy_by_table, source, target
from .registry import lowers


@lowers("CONCATENATION")
def concatenation(low: Lowering, node: Node) -> None:
    shapes = [low.shape(i) or (1,) for i in range(len(node.inputs))]
    axis = normalize_axis(getattr(node.options, "axis", 0), len(shapes[0]))
    y = target(low)
    slots = parts(y.array, (shape[axis] for shape in shapes), axis)
    for i, (shape, slot) in enumerate(zip(shapes, slots, strict=True)):
        x = source(low, i, shape)
        table = None
        if low.dtype(i) == TensorType.UINT8:
            table = rescaling_table(low.tensor(i), low.output_tensor())
        if table is None:
            copy(low, x, y.seen(slot))
        else:
            copy_by_table(low, x, y.seen(slot), table)


def take_apart(low: Lowering, x: View, axis: int) -> None:
    """Copies consecutive parts of `x` along `axis` to the outputs."""
    sizes = [low.output_tensor(j).shape[axis] for j in range(len(low.node.outputs))]
    for j, part in enumerate(parts(x.array, sizes, axis)):
        copy(low, x.seen(part), target(low, j))


def single(low: Lowering, i: int) -> int:
    return int(low.values(i).reshape(-1)[0])


@lowers("SPLIT")
def split(low: Lowering, node: Node) -> None:
    x = source(low, 1)
    take_apart(low, x, normalize_axis(single(low, 0), x.array.ndim))


@lowers("SPLIT_V")
def split_v(low: Lowering, node: Node) -> None:
    x = source(low, 0)
    take_apart(low, x, normalize_axis(single(low, 2), x.array.ndim))


@lowers("PACK")
def pack(low: Lowering, node: Node) -> None:
    y = target(low)
    slots = np.moveaxis(y.array, getattr(node.options, "axis", 0), 0)
    for i in range(len(node.inputs)):
        copy(low, source(low, i), y.seen(slots[i, ...]))


@lowers("UNPACK")
def unpack(low: Lowering, node: Node) -> None:
    x = source(low, 0)
    slots = np.moveaxis(x.array, getattr(node.options, "axis", 0), 0)
    for j in range(len(node.outputs)):
        copy(low, x.seen(slots[j, ...]), target(low, j))
