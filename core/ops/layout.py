"""The elements of a tensor in another order, or repeated."""

from __future__ import annotations

import math

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType
from ..schema.options import ReverseSequenceOptions
from .checks import (
    integers,
    options_of,
    require_inputs,
    require_rank,
    require_same_dtype,
    valid_shape,
    vector,
)
from .concat import copies
from .context import OpContext
from .registry import Step, op
from .shapes import normalize_axis

CACHE_LINE = 64
FAR, MANY, LARGE = 1 << 10, 64, 1 << 20
"""Bytes between rows, number of rows and bytes in all from which transpositions go in strips."""


def permutation(wanted: list[int], rank: int) -> list[int]:
    """`wanted` counted from the front; raises OpError unless it has each axis once."""
    axes = [axis + rank if axis < 0 else axis for axis in wanted]
    if sorted(axes) != list(range(rank)):
        raise OpError(f"permutation {wanted} does not name each of {rank} axes once")
    return axes


def merged_axes(shape: Shape, axes: list[int]) -> tuple[list[int], list[int]]:
    """(sizes, axes) of the same transposition with as few axes as it can have."""
    kept = [axis for axis in range(len(shape)) if shape[axis] != 1]
    order = [kept.index(axis) for axis in axes if shape[axis] != 1]
    heads = [axis for i, axis in enumerate(order) if i == 0 or order[i - 1] != axis - 1]
    starts = sorted(heads)
    ends = [*starts, len(kept)][1:]
    sizes = [
        math.prod(shape[axis] for axis in kept[start:end])
        for start, end in zip(starts, ends, strict=True)
    ]
    return sizes, [starts.index(head) for head in heads]


def transposition(x: Array, axes: list[int], y: Array) -> Step:
    """The step that copies `x` with its axes in another order.

    Large tensors whose rows lie far apart go in strips of one cache line, up to 3 times as fast:
    rows a power of two apart fall on the same cache sets.
    """
    sizes, order = merged_axes(x.shape, axes)
    source: Array = x.reshape(sizes).transpose(order)
    target: Array = y.reshape(source.shape)
    apart = source.strides[-1] if source.ndim else 0
    rows = target.size // target.shape[-1] if target.size and target.ndim else 0
    if apart < FAR or rows < MANY or target.nbytes < LARGE:
        return lambda: np.copyto(target, source)
    width = max(1, CACHE_LINE // x.itemsize)
    strips = [slice(at, at + width) for at in range(0, target.shape[-1], width)]
    return copies((target[..., strip], source[..., strip]) for strip in strips)


def transpose_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 0)
    shape = ctx.shape(0)
    return [tuple(shape[axis] for axis in permutation(vector(ctx, 1), len(shape)))]


@op("TRANSPOSE", prepare=transpose_shape, versions=(1, 9))
def transpose(ctx: OpContext) -> Step:
    x, y = ctx.input(0), ctx.output()
    return transposition(x, permutation(vector(ctx, 1), x.ndim), y)


def tile_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 0)
    shape, counts = ctx.shape(0), integers(ctx, 1)
    ctx.require(
        len(counts) == len(shape) and min(counts, default=0) >= 0,
        f"multiples {counts}: expected {len(shape)} numbers of at least 0",
    )
    return [valid_shape([n * count for n, count in zip(shape, counts, strict=True)])]


@op("TILE", prepare=tile_shape, versions=(1, 3))
def tile(ctx: OpContext) -> Step:
    x, y = ctx.input(0), ctx.output()
    pairs = list(zip(integers(ctx, 1), x.shape, strict=True))
    target = y.reshape([size for pair in pairs for size in pair])
    source = x.reshape([size for _, n in pairs for size in (1, n)])
    return lambda: np.copyto(target, source)


def reverse_axes(ctx: OpContext) -> tuple[int, ...]:
    axes = [normalize_axis(axis, ctx.rank(0)) for axis in vector(ctx, 1)]
    ctx.require(len(set(axes)) == len(axes), f"axes {axes} must not repeat")
    return tuple(axes)


def reverse_v2_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 0)
    ctx.require_dtype(1, TensorType.INT32, TensorType.INT64)
    if ctx.is_known(1):
        reverse_axes(ctx)
    return [ctx.shape(0)]


@op("REVERSE_V2", prepare=reverse_v2_shape, versions=(1, 4))
def reverse_v2(ctx: OpContext) -> Step:
    source, y = np.flip(ctx.input(0), reverse_axes(ctx)), ctx.output()
    return lambda: np.copyto(y, source)


def reverse_sequence_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 0)
    ctx.require_dtype(1, TensorType.INT32, TensorType.INT64)
    require_rank(ctx, 1, 1)
    options, shape = options_of(ctx, ReverseSequenceOptions), ctx.shape(0)
    sequence, batch = options.seq_dim, options.batch_dim
    ctx.require(
        sequence != batch and min(sequence, batch) >= 0 and max(sequence, batch) < len(shape),
        f"seq_dim {sequence} and batch_dim {batch}: expected two axes of {len(shape)}",
    )
    ctx.require(
        ctx.shape(1)[0] == shape[batch],
        f"input 1 has {ctx.shape(1)[0]} lengths; expected {shape[batch]}, the size of batch_dim",
    )
    return [shape]


@op("REVERSE_SEQUENCE", prepare=reverse_sequence_shape)
def reverse_sequence(ctx: OpContext) -> Step:
    options = options_of(ctx, ReverseSequenceOptions)
    front = (options.batch_dim, options.seq_dim)
    x, y = (np.moveaxis(a, front, (0, 1)) for a in (ctx.input(0), ctx.output()))
    lengths: Array = ctx.input(1)
    if not y.size:
        return lambda: None
    size = x.shape[1]
    rows = np.arange(x.shape[0])[:, None]
    places = np.arange(size)

    def step() -> None:
        if not 0 <= int(lengths.min()) <= int(lengths.max()) <= size:
            raise OpError(f"sequence lengths {lengths.tolist()} must be in [0, {size}]")
        ends = lengths[:, None]
        np.copyto(y, x[rows, np.where(places < ends, ends - 1 - places, places)])

    return step
