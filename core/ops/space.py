"""Blocks of space moved to the channels or to the batch, and back.

Each is a transposition of the input with its sizes split: the published definitions of
tf.nn.space_to_depth and tf.space_to_batch_nd.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..graph import Array, Shape
from ..schema.enums import TensorType
from ..schema.options import DepthToSpaceOptions, SpaceToDepthOptions
from .checks import (
    options_of,
    require_inputs,
    require_rank,
    require_same_dtype,
    require_same_scale,
    require_zero_point_zero,
    scale_and_zero_point,
    valid_shape,
    vector,
)
from .context import OpContext
from .pad import QUANTIZED, Paddings, borders, inside, padded_shape, paddings
from .registry import Step, op


def block_size(ctx: OpContext, kind: type[SpaceToDepthOptions | DepthToSpaceOptions]) -> int:
    size = options_of(ctx, kind).block_size
    ctx.require(size > 0, f"block_size is {size}; expected at least 1")
    return size


def space_to_depth_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    require_same_dtype(ctx, 0)
    require_rank(ctx, 0, 4)
    size = block_size(ctx, SpaceToDepthOptions)
    batch, height, width, depth = ctx.shape(0)
    ctx.require(
        height % size == 0 == width % size, f"{height} x {width} is no multiple of block {size}"
    )
    return [valid_shape([batch, height // size, width // size, depth * size * size])]


@op("SPACE_TO_DEPTH", prepare=space_to_depth_shape, versions=(1, 2))
def space_to_depth(ctx: OpContext) -> Step:
    x, y, size = ctx.input(0), ctx.output(), block_size(ctx, SpaceToDepthOptions)
    batch, height, width, _ = y.shape
    source = x.reshape(batch, height, size, width, size, x.shape[3]).transpose(0, 1, 3, 2, 4, 5)
    target = y.reshape(source.shape)
    return lambda: np.copyto(target, source)


def depth_to_space_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    require_same_dtype(ctx, 0)
    require_rank(ctx, 0, 4)
    size = block_size(ctx, DepthToSpaceOptions)
    batch, height, width, depth = ctx.shape(0)
    ctx.require(
        depth % (size * size) == 0, f"{depth} channels are no multiple of block {size} squared"
    )
    return [valid_shape([batch, height * size, width * size, depth // size // size])]


@op("DEPTH_TO_SPACE", prepare=depth_to_space_shape, versions=(1, 2))
def depth_to_space(ctx: OpContext) -> Step:
    x, y, size = ctx.input(0), ctx.output(), block_size(ctx, DepthToSpaceOptions)
    batch, height, width, _ = x.shape
    source = x.reshape(batch, height, width, size, size, y.shape[3]).transpose(0, 1, 3, 2, 4, 5)
    target = y.reshape(source.shape)
    return lambda: np.copyto(target, source)


def blocks(ctx: OpContext) -> list[int]:
    """The block size of each spatial axis: all axes but the first and the last."""
    require_same_dtype(ctx, 0)
    if ctx.dtype(0) in QUANTIZED:
        require_same_scale(ctx.tensor(0), ctx.output_tensor())
        require_zero_point_zero(ctx.tensor(0))
    sizes, shape = vector(ctx, 1), ctx.shape(0)
    ctx.require(
        len(shape) >= 3 and len(sizes) == len(shape) - 2 and min(sizes) > 0,
        f"block shape {sizes}: expected {len(shape) - 2} positive sizes for {list(shape)}",
    )
    return sizes


def border(ctx: OpContext, spatial: int) -> Paddings:
    """What input 2 adds or cuts before and after each axis, the first and the last included."""
    ctx.require_dtype(2, TensorType.INT32, TensorType.INT64)
    return [(0, 0), *paddings(ctx, 2, spatial), (0, 0)]


def split_space(array: Array, sizes: Sequence[int], batch: int) -> Array:
    """A view of [batch, n1, b1, n2, b2, ..., rest] as [b1, b2, ..., batch, n1, n2, ..., rest]."""
    spatial = len(sizes)
    pairs = [n for m, b in zip(array.shape[1:-1], sizes, strict=True) for n in (m // b, b)]
    split = array.reshape(batch, *pairs, array.shape[-1])
    inner = range(2, 2 * spatial + 1, 2)
    outer = range(1, 2 * spatial, 2)
    return split.transpose(*inner, 0, *outer, 2 * spatial + 1)


def space_to_batch_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    sizes = blocks(ctx)
    batch, *space, rest = padded_shape(ctx.shape(0), border(ctx, len(sizes)))
    ctx.require(
        all(n % b == 0 for n, b in zip(space, sizes, strict=True)),
        f"padded sizes {space} are no multiples of block shape {sizes}",
    )
    split = [n // b for n, b in zip(space, sizes, strict=True)]
    return [valid_shape([batch * math.prod(sizes), *split, rest])]


@op("SPACE_TO_BATCH_ND", prepare=space_to_batch_shape, versions=(1, 4))
def space_to_batch(ctx: OpContext) -> Step:
    x, y, sizes = ctx.input(0), ctx.output(), blocks(ctx)
    pairs = border(ctx, len(sizes))
    padded = ctx.scratch(padded_shape(x.shape, pairs), x.dtype) if any(map(any, pairs)) else x
    source = split_space(padded, sizes, x.shape[0])
    target = y.reshape(source.shape)
    if padded is x:
        return lambda: np.copyto(target, source)
    zero = scale_and_zero_point(ctx.output_tensor())[1] if ctx.dtype(0) in QUANTIZED else 0
    slabs, middle = borders(padded, x.shape, pairs), inside(padded, x.shape, pairs)

    def step() -> None:
        for slab in slabs:
            slab.fill(zero)
        np.copyto(middle, x)
        np.copyto(target, source)

    return step


def uncropped_shape(shape: Shape, sizes: Sequence[int]) -> Shape:
    batch, *space, rest = shape
    joined = [n * b for n, b in zip(space, sizes, strict=True)]
    return valid_shape([batch // math.prod(sizes), *joined, rest])


def batch_to_space_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    sizes, shape = blocks(ctx), ctx.shape(0)
    ctx.require(
        shape[0] % math.prod(sizes) == 0, f"batch {shape[0]} is no multiple of blocks {sizes}"
    )
    whole = uncropped_shape(shape, sizes)
    return [
        valid_shape([n - sum(crop) for n, crop in zip(whole, border(ctx, len(sizes)), strict=True)])
    ]


@op("BATCH_TO_SPACE_ND", prepare=batch_to_space_shape, versions=(1, 4))
def batch_to_space(ctx: OpContext) -> Step:
    x, y, sizes = ctx.input(0), ctx.output(), blocks(ctx)
    whole_shape = uncropped_shape(x.shape, sizes)
    whole = y if y.shape == whole_shape else ctx.scratch(whole_shape, x.dtype)
    target = split_space(whole, sizes, whole_shape[0])
    source = x.reshape(target.shape)
    if whole is y:
        return lambda: np.copyto(target, source)
    cropped = inside(whole, y.shape, border(ctx, len(sizes)))

    def step() -> None:
        np.copyto(target, source)
        np.copyto(y, cropped)

    return step
