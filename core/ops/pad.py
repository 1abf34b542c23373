"""Tensors with a border of a constant, of their own reflection, or with gaps between elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import MirrorPadMode, TensorType
from ..schema.options import MirrorPadOptions
from .checks import (
    options_of,
    require_inputs,
    require_one,
    require_same_dtype,
    require_same_scale,
    require_zero_point_zero,
    scale_and_zero_point,
    valid_shape,
    vector,
)
from .concat import copies
from .context import OpContext
from .registry import Step, op

PADDING_TYPES = (
    TensorType.INT32,
    TensorType.INT64,
    TensorType.INT8,
    TensorType.INT16,
    TensorType.BOOL,
)
QUANTIZED = (TensorType.UINT8, TensorType.INT8, TensorType.INT16)

Paddings = list[tuple[int, int]]


def paddings(ctx: OpContext, i: int = 1, axes: int | None = None) -> Paddings:
    """(before, after) of each of `axes` axes, by default all, from input `i` of shape [axes, 2]."""
    count = ctx.rank(0) if axes is None else axes
    ctx.require_dtype(i, *PADDING_TYPES)
    ctx.require(
        ctx.shape(i) == (count, 2),
        f"input {i} has shape {list(ctx.shape(i))}; expected [{count}, 2]",
    )
    pairs = [(int(before), int(after)) for before, after in ctx.value(i).tolist()]
    ctx.require(all(min(pair) >= 0 for pair in pairs), f"paddings {pairs} must not be negative")
    return pairs


def padded_shape(shape: Shape, pairs: Paddings) -> Shape:
    padded = [n + before + after for n, (before, after) in zip(shape, pairs, strict=True)]
    return valid_shape(padded)


def inside(y: Array, shape: Shape, pairs: Paddings) -> Array:
    """The view of `y` that lies within its border."""
    part = (slice(pair[0], pair[0] + n) for n, pair in zip(shape, pairs, strict=True))
    index: tuple[Any, ...] = (*part, ...)
    view: Array = y[index]
    return view


def borders(y: Array, shape: Shape, pairs: Paddings) -> list[Array]:
    """Views that cover all of `y` but its inside, each element once."""
    slabs: list[Array] = []
    inner = y
    for axis, (n, (before, _)) in enumerate(zip(shape, pairs, strict=True)):
        lead = (slice(None),) * axis
        slabs += [inner[*lead, :before], inner[*lead, before + n :]]
        inner = inner[*lead, before : before + n]
    return [slab for slab in slabs if slab.size]


def pad_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2, 3)
    dtype = require_same_dtype(ctx, 0, *([2] if ctx.has(2) else []))
    ctx.require(dtype != TensorType.STRING, "strings cannot be padded")
    if ctx.has(2):
        require_one(ctx, 2)
        if is_quantized(ctx):
            require_same_scale(ctx.output_tensor(), ctx.tensor(2))
    return [padded_shape(ctx.shape(0), paddings(ctx))]


def is_quantized(ctx: OpContext) -> bool:
    dtype = ctx.dtype(0)
    return dtype == TensorType.UINT8 or (dtype in QUANTIZED and ctx.tensor(0).quant is not None)


def real_zero(ctx: OpContext) -> Array:
    """What stands for 0.0 in the output: its zero point where it is quantised."""
    y = ctx.output()
    zero_point = scale_and_zero_point(ctx.output_tensor())[1] if is_quantized(ctx) else 0
    if y.dtype.kind in "iu":
        limits = np.iinfo(y.dtype)
        fits = limits.min <= zero_point <= limits.max
        ctx.require(fits, f"zero point {zero_point} is outside {y.dtype}")
    return np.asarray(zero_point).astype(y.dtype)


@op("PAD", "PADV2", prepare=pad_shape, versions=(1, 6))
def pad(ctx: OpContext) -> Step:
    x, y, pairs = ctx.input(0), ctx.output(), paddings(ctx)
    value = ctx.input(2).reshape(()) if ctx.has(2) else real_zero(ctx)
    target, slabs = inside(y, x.shape, pairs), borders(y, x.shape, pairs)

    def step() -> None:
        for slab in slabs:
            np.copyto(slab, value)
        np.copyto(target, x)

    return step


def mirror_offset(ctx: OpContext) -> int:
    """1 where the edge itself is not repeated (REFLECT), 0 where it is (SYMMETRIC)."""
    return 1 if options_of(ctx, MirrorPadOptions).mode == MirrorPadMode.REFLECT else 0


def mirror_pad_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    dtype = require_same_dtype(ctx, 0)
    if dtype in QUANTIZED:
        require_same_scale(ctx.tensor(0), ctx.output_tensor())
        require_zero_point_zero(ctx.tensor(0))
    ctx.require_dtype(1, TensorType.INT32, TensorType.INT64)
    shape, pairs, offset = ctx.shape(0), paddings(ctx), mirror_offset(ctx)
    for axis, (n, pair) in enumerate(zip(shape, pairs, strict=True)):
        if max(pair) > max(n - offset, 0):
            raise OpError(f"paddings {pair} of axis {axis} are more than {n - offset} to mirror")
    return [padded_shape(shape, pairs)]


@op("MIRROR_PAD", prepare=mirror_pad_shape, versions=(1, 3))
def mirror_pad(ctx: OpContext) -> Step:
    """Copies the input, then mirrors axis after axis within the output."""
    x, y, pairs, offset = ctx.input(0), ctx.output(), paddings(ctx), mirror_offset(ctx)
    moves = [(inside(y, x.shape, pairs), x)]
    for axis, (before, after) in enumerate(pairs):
        lead = (slice(None),) * axis
        shape = y.shape[: axis + 1] + x.shape[axis + 1 :]
        rest = inside(y, shape, [(0, 0)] * (axis + 1) + pairs[axis + 1 :])
        end = before + x.shape[axis]
        head = rest[*lead, before + offset : 2 * before + offset]
        tail = rest[*lead, end - offset - after : end - offset]
        moves += [
            (rest[*lead, :before], np.flip(head, axis)),
            (rest[*lead, end:], np.flip(tail, axis)),
        ]
    return copies(moves)


def spaced(shape: Shape, steps: Sequence[int]) -> Shape:
    """The sizes of an array whose elements come to lie `steps` apart."""
    return tuple((n - 1) * step + 1 if n else 0 for n, step in zip(shape, steps, strict=True))


def dilate_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    require_same_dtype(ctx, 0, 2)
    require_one(ctx, 2)
    shape, steps = ctx.shape(0), vector(ctx, 1)
    ctx.require(len(shape) > 0, "the input must have at least one axis")
    ctx.require(
        len(steps) == len(shape) and min(steps) >= 1,
        f"dilations {steps}: expected {len(shape)} numbers of at least 1",
    )
    return [valid_shape(spaced(shape, steps))]


@op("DILATE", prepare=dilate_shape)
def dilate(ctx: OpContext) -> Step:
    x, y, value = ctx.input(0), ctx.output(), ctx.input(2).reshape(())
    target = y[tuple(slice(None, None, step) for step in vector(ctx, 1))]

    def step() -> None:
        np.copyto(y, value)
        np.copyto(target, x)

    return step
