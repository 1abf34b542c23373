"""Blocks of space moved to the channels or to the batch, and back: copies of split axes."""

from __future__ import annotations

import math
from typing import Any

from litegpu.graph import Node
from litegpu.ops.checks import scale_and_zero_point
from litegpu.ops.pad import QUANTIZED, inside, padded_shape
from litegpu.ops.space import uncropped_shape

from .context import Lowering
from .copy import View, copy, source, target, view
from .pad import pad_with
from .registry import lowers


@lowers("SPACE_TO_DEPTH")
def space_to_depth(low: Lowering, node: Node) -> None:
    size = node.options.block_size
    batch, height, width, _ = low.output_tensor().shape
    x = source(low, 0, [batch, height, size, width, size, low.shape(0)[3]])
    x = x.seen(x.array.transpose(0, 1, 3, 2, 4, 5))
    copy(low, x, target(low, 0, x.array.shape))


@lowers("DEPTH_TO_SPACE")
def depth_to_space(low: Lowering, node: Node) -> None:
    size = node.options.block_size
    batch, height, width, _ = low.shape(0)
    depth = low.output_tensor().shape[3]
    x = source(low, 0, [batch, height, width, size, size, depth])
    copy(
        low,
        x.seen(x.array.transpose(0, 1, 3, 2, 4, 5)),
        target(low, 0, [batch, height, size, width, size, depth]),
    )


def with_split_space(ref: Any, shape: Any, sizes: list[int], itemsize: int) -> View:
    """[batch, n1, b1, n2, b2, ..., rest] seen as [b1, b2, ..., batch, n1, n2, ..., rest]."""
    batch, *space, rest = shape
    pairs = [n for m, b in zip(space, sizes, strict=True) for n in (m // b, b)]
    whole = view(ref, [batch, *pairs, rest], itemsize)
    last = 2 * len(sizes) + 1
    return whole.seen(whole.array.transpose(*range(2, last, 2), 0, *range(1, last, 2), last))


def borders(low: Lowering) -> list[tuple[int, int]]:
    """What input 2 adds or cuts before and after each axis, the first and the last included."""
    return [(0, 0), *((int(a), int(b)) for a, b in low.values(2).tolist()), (0, 0)]


@lowers("SPACE_TO_BATCH_ND")
def space_to_batch(low: Lowering, node: Node) -> None:
    sizes, pairs = low.values(1).tolist(), borders(low)
    x = source(low, 0)
    shape, size = padded_shape(x.array.shape, pairs), x.array.itemsize
    if shape != x.array.shape:
        zero = 0
        if low.dtype(0) in QUANTIZED:
            zero = scale_and_zero_point(low.output_tensor())[1]
        padded = view(low.scratch(max(1, math.prod(shape) * size)), shape, size)
        pad_with(low, x, padded, pairs, zero)
        x = padded
    x = with_split_space(x.ref, shape, sizes, size)
    copy(low, x, target(low, 0, x.array.shape))


@lowers("BATCH_TO_SPACE_ND")
def batch_to_space(low: Lowering, node: Node) -> None:
    sizes, y = low.values(1).tolist(), target(low)
    shape, size = uncropped_shape(low.shape(0), sizes), y.array.itemsize
    cropped = shape != y.array.shape
    whole = low.scratch(max(1, math.prod(shape) * size)) if cropped else y.ref
    split = with_split_space(whole, shape, sizes, size)
    copy(low, source(low, 0, split.array.shape), split)
    if cropped:
        uncropped = view(whole, shape, size)
        copy(low, uncropped.seen(inside(uncropped.array, y.array.shape, borders(low))), y)
