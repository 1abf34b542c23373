"""StableHLO operators that change shapes and layouts; slices are in stablehlo_slice.

STABLEHLO_PAD is LiteRT's; the rest have no kernel there and follow the StableHLO specification
(https://openxla.org/stablehlo/spec). Where an operator's result type alone says the output's
shape, that shape is the file's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import OpError
from ..graph import Shape
from ..schema.options2 import (
    StablehloBroadcastInDimOptions,
    StablehloConcatenateOptions,
    StablehloIotaOptions,
    StablehloPadOptions,
    StablehloTransposeOptions,
)
from .checks import (
    options_of,
    require_inputs,
    require_one,
    require_same_dtype,
    valid_shape,
)
from .concat import copies, joined_shape, parts
from .context import OpContext
from .layout import permutation, transposition
from .registry import Step, op
from .shape import resolve_shape, same_elements
from .shapes import normalize_axis


def numbers(vector: Any, count: int, name: str) -> list[int]:
    """An options vector that must have `count` elements."""
    found = [] if vector is None else [int(n) for n in vector]
    if len(found) != count:
        raise OpError(f"{name} is {found}; expected {count} numbers")
    return found


def pad_numbers(ctx: OpContext) -> tuple[list[int], list[int], list[int]]:
    """(low, high, distance between elements) along each axis."""
    options, rank = options_of(ctx, StablehloPadOptions), ctx.rank(0)
    low = numbers(options.edge_padding_low, rank, "edge_padding_low")
    high = numbers(options.edge_padding_high, rank, "edge_padding_high")
    interior = numbers(options.interior_padding, rank, "interior_padding")
    ctx.require(min(interior, default=0) >= 0, f"interior padding {interior} must not be negative")
    return low, high, [n + 1 for n in interior]


def pad_shape(ctx: OpContext) -> list[Shape]:
    """Empty along every axis if it is along one, as in the reference."""
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 0, 1)
    require_one(ctx, 1)
    shape = ctx.shape(0)
    ctx.require(len(shape) >= 1, "the input must have at least one axis")
    low, high, steps = pad_numbers(ctx)
    sizes = [
        before + max(n - 1, 0) * step + min(n, 1) + after
        for n, before, after, step in zip(shape, low, high, steps, strict=True)
    ]
    return [(0,) * len(sizes) if min(sizes) <= 0 else valid_shape(sizes)]


def landing(n: int, room: int, low: int, step: int) -> tuple[slice, slice]:
    """(places in the output, elements of the input) along one axis; negative `low` cuts off."""
    first = max(0, -(low // step))
    count = max(0, min(n - 1, (room - 1 - low) // step) - first + 1)
    start = low + first * step
    return slice(start, start + count * step, step), slice(first, first + count)


@op("STABLEHLO_PAD", prepare=pad_shape)
def pad(ctx: OpContext) -> Step:
    x, value, y = ctx.input(0), ctx.input(1).reshape(()), ctx.output()
    low, _, steps = pad_numbers(ctx)
    pairs = [landing(*axis) for axis in zip(x.shape, y.shape, low, steps, strict=True)]
    target = y[tuple(place for place, _ in pairs)]
    source = x[tuple(taken for _, taken in pairs)]

    def step() -> None:
        np.copyto(y, value)
        np.copyto(target, source)

    return step


def declared_shape(ctx: OpContext) -> Shape:
    return valid_shape(ctx.output_tensor().shape)


def reshape_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    require_same_dtype(ctx, 0)
    return [resolve_shape(declared_shape(ctx), ctx.shape(0))]


@op("STABLEHLO_RESHAPE", prepare=reshape_shape, view=True)
def reshape(ctx: OpContext) -> Step:
    return same_elements(ctx)


def broadcast_axes(ctx: OpContext) -> list[int]:
    options = options_of(ctx, StablehloBroadcastInDimOptions)
    return numbers(options.broadcast_dimensions, ctx.rank(0), "broadcast_dimensions")


def broadcast_in_dim_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    require_same_dtype(ctx, 0)
    given, wanted, axes = ctx.shape(0), declared_shape(ctx), broadcast_axes(ctx)
    fits = len(set(axes)) == len(axes) and all(
        0 <= axis < len(wanted) and n in (1, wanted[axis])
        for n, axis in zip(given, axes, strict=True)
    )
    ctx.require(fits, f"shape {list(given)} cannot be broadcast to axes {axes} of {list(wanted)}")
    return [wanted]


@op("STABLEHLO_BROADCAST_IN_DIM", prepare=broadcast_in_dim_shape)
def broadcast_in_dim(ctx: OpContext) -> Step:
    x, y, axes = ctx.input(0), ctx.output(), broadcast_axes(ctx)
    order = sorted(range(x.ndim), key=axes.__getitem__)
    ordered = x.transpose(order)
    source = ordered.reshape(
        [ordered.shape[sorted(axes).index(a)] if a in axes else 1 for a in range(y.ndim)]
    )
    return lambda: np.copyto(y, source)


def transpose_axes(ctx: OpContext) -> list[int]:
    options, rank = options_of(ctx, StablehloTransposeOptions), ctx.rank(0)
    return permutation(numbers(options.permutation, rank, "permutation"), rank)


def transpose_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    require_same_dtype(ctx, 0)
    shape = ctx.shape(0)
    return [tuple(shape[axis] for axis in transpose_axes(ctx))]


@op("STABLEHLO_TRANSPOSE", prepare=transpose_shape)
def transpose(ctx: OpContext) -> Step:
    return transposition(ctx.input(0), transpose_axes(ctx), ctx.output())


def concatenate_axis(ctx: OpContext) -> int:
    return normalize_axis(options_of(ctx, StablehloConcatenateOptions).dimension, ctx.rank(0))


def concatenate_shape(ctx: OpContext) -> list[Shape]:
    count = len(ctx.node.inputs)
    require_same_dtype(ctx, *range(count))
    return [joined_shape([ctx.shape(i) for i in range(count)], concatenate_axis(ctx))]


@op("STABLEHLO_CONCATENATE", prepare=concatenate_shape)
def concatenate(ctx: OpContext) -> Step:
    inputs, axis = [ctx.input(i) for i in range(len(ctx.node.inputs))], concatenate_axis(ctx)
    targets = parts(ctx.output(), (x.shape[axis] for x in inputs), axis)
    return copies(zip(targets, inputs, strict=True))


def iota_shape(ctx: OpContext) -> list[Shape]:
    shape = declared_shape(ctx)
    axis = options_of(ctx, StablehloIotaOptions).iota_dimension
    ctx.require(0 <= axis < len(shape), f"iota_dimension {axis} is no axis of {list(shape)}")
    return [shape]


@op("STABLEHLO_IOTA", prepare=iota_shape)
def iota(ctx: OpContext) -> Step:
    y, axis = ctx.output(), options_of(ctx, StablehloIotaOptions).iota_dimension
    if not y.size:
        return lambda: None
    counted = np.arange(y.shape[axis]).astype(y.dtype)
    source = counted.reshape(-1, *[1] * (y.ndim - axis - 1))
    return lambda: np.copyto(y, source)
