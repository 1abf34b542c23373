"""Tensors with a border of a constant, of their own reflection, or with gaps between elements."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from litegpu.graph import Node
from litegpu.ops.checks import LARGEST, scale_and_zero_point
from litegpu.ops.pad import QUANTIZED
from litegpu.schema.enums import MirrorPadMode, TensorType

from ..program import Ref
from .context import Lowering, Value
from .copy import UNITS, View, block, copy, repetition, source, target, view
from .registry import lowers

Sizes = list[tuple[int, int, int]]
"""(before, inside, after) of each axis."""


def merged(sizes: Sequence[tuple[int, int, int]], mirrored: bool) -> Sizes:
    """The same borders by fewer axes: those without a border join the axis before.

    Where borders are mirrored, only if that has none either.
    """
    out: Sizes = []
    for before, inside, after in sizes:
        plain = before == after == 0 and (not mirrored or not out or out[-1][::2] == (0, 0))
        if out and plain:
            out[-1] = (out[-1][0] * inside, out[-1][1] * inside, out[-1][2] * inside)
        else:
            out.append((before, inside, after))
    return out


def widened(sizes: Sizes, size: int) -> tuple[Sizes, int]:
    """`sizes` in units of as many bytes as divide all of the last axis, and that number."""
    *outer, last = sizes
    unit = max(n for n in UNITS if n == size or all(part * size % n == 0 for part in last))
    before, inside, after = (part * size // unit for part in last)
    return [*outer, (before, inside, after)], unit


def borders(low: Lowering) -> list[tuple[int, int]]:
    return [(int(before), int(after)) for before, after in low.values(1).tolist()]


def geometry(low: Lowering, sizes: Sizes) -> Ref:
    """int32 [3, axes]: sizes of the output, sizes of the input, borders before it."""
    low.require(math.prod(map(sum, sizes)) <= LARGEST, "the tensor has 2^31 elements or more")
    rows = [[sum(parts) for parts in sizes], [n for _, n, _ in sizes], [b for b, _, _ in sizes]]
    return low.constant(np.array(rows, np.int32))


def pad_with(
    low: Lowering, x: View, y: View, pairs: Sequence[tuple[int, int]], value: int | Ref
) -> None:
    """Copies `x` into `y`, both whole tensors, with a border of `value`: an integer, or the buffer
    of an element."""
    if not y.array.size:
        return
    triples = [(b, n, a) for n, (b, a) in zip(x.array.shape, pairs, strict=True)]
    sizes, unit = merged([(0, 1, 0), *triples], False), x.array.itemsize
    if isinstance(value, int):
        value = low.constant(repetition(value, unit))
        sizes, unit = widened(sizes, unit)
    defines = {"T": UNITS[unit], "CPU_DEVICE": int(low.info.is_cpu)}
    whole = [sum(parts) for parts in sizes]
    count = math.prod(whole[:-1] if low.info.is_cpu else whole)
    args: list[Value] = [x.ref, y.ref, value, geometry(low, sizes), len(sizes), count]
    low.launch("pad", "pad_constant", [count], args, defines, block(low))


@lowers("PAD", "PADV2")
def pad(low: Lowering, node: Node) -> None:
    value: int | Ref = 0
    dtype = low.dtype(0)
    if low.has(2):
        value = low.input(2)
    elif dtype == TensorType.UINT8 or (dtype in QUANTIZED and low.tensor(0).quant is not None):
        value = scale_and_zero_point(low.output_tensor())[1]
    pad_with(low, source(low, 0), target(low), borders(low), value)


@lowers("MIRROR_PAD")
def mirror_pad(low: Lowering, node: Node) -> None:
    mode = getattr(node.options, "mode", MirrorPadMode.REFLECT)
    x, y = source(low, 0), target(low)
    triples = [(b, n, a) for n, (b, a) in zip(x.array.shape, borders(low), strict=True)]
    sizes, unit = merged([(0, 1, 0), *triples], True), x.array.itemsize
    if sizes[-1][::2] == (0, 0):
        sizes, unit = widened(sizes, unit)
    count = math.prod(map(sum, sizes))
    edge = 1 if mode == MirrorPadMode.REFLECT else 0
    args: list[Value] = [x.ref, y.ref, geometry(low, sizes), len(sizes), edge, count]
    low.launch("pad", "pad_mirror", [count], args, {"T": UNITS[unit]}, block(low))


@lowers("DILATE")
def dilate(low: Lowering, node: Node) -> None:
    x, y = source(low, 0), target(low)
    copy(low, view(low.input(2), (), y.array.itemsize), y)
    steps = tuple(slice(None, None, step) for step in low.values(1).tolist())
    copy(low, x, y.seen(y.array[steps]))
