"""Tensors put together along an axis and taken apart again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import OpError
from ..graph import Array, Shape, Tensor
from ..schema.enums import ActivationFunctionType, TensorType
from ..schema.options import (
    ConcatenationOptions,
    PackOptions,
    SplitOptions,
    SplitVOptions,
    UnpackOptions,
)
from .checks import (
    options_of,
    require_inputs,
    require_same_dtype,
    require_same_scale,
    require_zero_point_zero,
    scalar,
    scale_and_zero_point,
    valid_shape,
    vector,
)
from .context import OpContext
from .registry import Step, op
from .shapes import normalize_axis


def copies(pairs: Iterable[tuple[Array, Array]]) -> Step:
    """The step that copies each second array of `pairs` into the first."""
    moves = [(target, source) for target, source in pairs if target.size]
    if len(moves) == 1:
        only_target, only_source = moves[0]
        return lambda: np.copyto(only_target, only_source)

    def step() -> None:
        for target, source in moves:
            np.copyto(target, source)

    return step


def parts(array: Array, sizes: Iterable[int], axis: int) -> list[Array]:
    """Consecutive views of `array` with `sizes` along `axis`."""
    views, start = [], 0
    for size in sizes:
        views.append(array[(slice(None),) * axis + (slice(start, start + size),)])
        start += size
    return views


def resized(shape: Shape, axis: int, size: int) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


def joined_shape(shapes: Sequence[Shape], axis: int) -> Shape:
    """The shape of arrays put together along `axis`; raises OpError where they do not fit."""
    first = shapes[0]
    for i, shape in enumerate(shapes):
        if len(shape) != len(first) or resized(shape, axis, 0) != resized(first, axis, 0):
            raise OpError(
                f"input {i} has shape {list(shape)}; expected {list(first)} but for axis {axis}"
            )
    return valid_shape(resized(first, axis, sum(shape[axis] for shape in shapes)))


def input_tensors(ctx: OpContext) -> list[Tensor]:
    return [ctx.tensor(i) for i in range(len(ctx.node.inputs))]


def concat_axis(ctx: OpContext) -> int:
    """The axis counted from the front; scalars are joined along a new one."""
    axis = options_of(ctx, ConcatenationOptions).axis
    return normalize_axis(axis, max(ctx.rank(0), 1))


def concat_shape(ctx: OpContext) -> list[Shape]:
    ctx.require(len(ctx.node.inputs) > 0, "the node has no inputs")
    options = options_of(ctx, ConcatenationOptions)
    ctx.require(
        options.fused_activation_function == ActivationFunctionType.NONE,
        f"fused activation {options.fused_activation_function.name}; this op takes NONE",
    )
    dtype = require_same_dtype(ctx, *range(len(ctx.node.inputs)))
    if dtype == TensorType.INT8:
        require_same_scale(ctx.output_tensor(), *input_tensors(ctx))
    require_zero_point_zero(ctx.output_tensor(), *input_tensors(ctx))
    return [concat_sizes(ctx)]


def concat_sizes(ctx: OpContext) -> Shape:
    """The shape of the output; raises OpError where those of the inputs do not fit."""
    axis = concat_axis(ctx)
    shapes = [ctx.shape(i) for i in range(len(ctx.node.inputs))]
    ranks = {len(shape) for shape in shapes}
    if len(ranks) != 1:
        raise OpError(f"inputs have ranks {sorted(ranks)}; expected all the same")
    return joined_shape([shape or (1,) for shape in shapes], axis)


def rescaling_table(given: Tensor, wanted: Tensor) -> NDArray[np.uint8] | None:
    """What each uint8 value of `given` becomes under the scale of `wanted`; None where it stays.

    The reference computes in float32, rounds half away from zero and saturates; what lies beyond
    int32 wraps to its smallest value on x86.
    """
    in_scale, in_zero = scale_and_zero_point(given)
    out_scale, out_zero = scale_and_zero_point(wanted)
    if (in_scale, in_zero) == (out_scale, out_zero):
        return None
    scale = np.float32(in_scale) * (np.float32(1) / np.float32(out_scale))
    real = np.arange(256, dtype=np.float32) * scale + np.float32(-in_zero) * scale
    rounded = np.trunc(real + np.copysign(np.float32(0.5), real)).astype(np.float64)
    held = np.where(np.abs(rounded) < 2**31, rounded, -(2**31))
    table: NDArray[np.uint8] = np.clip(held + out_zero, 0, 255).astype(np.uint8)
    return table


def take_step(table: NDArray[np.uint8], x: Array, y: Array) -> Step:
    return lambda: np.copyto(y, table[x])


def rescaling_tables(ctx: OpContext) -> list[NDArray[np.uint8] | None]:
    """For each input the `rescaling_table` that it goes through, None where it is copied."""
    if ctx.dtype(0) != TensorType.UINT8:
        return [None] * len(ctx.node.inputs)
    return [rescaling_table(tensor, ctx.output_tensor()) for tensor in input_tensors(ctx)]


def concat_anew(ctx: OpContext) -> Step:
    is_rescaled = any(table is not None for table in rescaling_tables(ctx))

    def step() -> None:
        y = ctx.define(0, concat_sizes(ctx))
        if is_rescaled:
            concatenation(ctx)()
        else:
            inputs = [np.atleast_1d(ctx.input(i)) for i in range(len(ctx.node.inputs))]
            np.concatenate(inputs, concat_axis(ctx), y)

    return step


@op("CONCATENATION", prepare=concat_shape, versions=(1, 7), anew=concat_anew)
def concatenation(ctx: OpContext) -> Step:
    y, axis = ctx.output(), concat_axis(ctx)
    inputs = [np.atleast_1d(ctx.input(i)) for i in range(len(ctx.node.inputs))]
    targets = parts(y, (x.shape[axis] for x in inputs), axis)
    tables = rescaling_tables(ctx)
    kept = [(t, x) for t, x, table in zip(targets, inputs, tables, strict=True) if table is None]
    steps = [copies(kept)] if kept else []
    steps += [
        take_step(table, x, target)
        for target, x, table in zip(targets, inputs, tables, strict=True)
        if table is not None
    ]
    if len(steps) == 1:
        return steps[0]

    def step() -> None:
        for part in steps:
            part()

    return step


def outputs_step(ctx: OpContext, views: Iterable[Array]) -> Step:
    return copies((ctx.output(j), view) for j, view in enumerate(views))


def require_outputs(ctx: OpContext, count: int) -> None:
    found = len(ctx.node.outputs)
    ctx.require(found == count, f"the node has {found} outputs; expected {count}")


def split_shapes(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 1)
    count = options_of(ctx, SplitOptions).num_splits
    require_outputs(ctx, count)
    shape = ctx.shape(1)
    axis = normalize_axis(scalar(ctx, 0), len(shape))
    size = shape[axis]
    ctx.require(count > 0 and size % count == 0, f"size {size} does not split evenly in {count}")
    return [resized(shape, axis, size // count)] * count


@op("SPLIT", prepare=split_shapes, versions=(1, 5))
def split(ctx: OpContext) -> Step:
    x = ctx.input(1)
    axis = normalize_axis(scalar(ctx, 0), x.ndim)
    count = len(ctx.node.outputs)
    return outputs_step(ctx, parts(x, [x.shape[axis] // count] * count, axis))


def split_v_shapes(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    require_same_dtype(ctx, 0)
    require_outputs(ctx, options_of(ctx, SplitVOptions).num_splits)
    shape, sizes = ctx.shape(0), vector(ctx, 1)
    require_outputs(ctx, len(sizes))
    axis = normalize_axis(scalar(ctx, 2), len(shape))
    ctx.require(
        sizes.count(-1) <= 1 and min(sizes, default=0) >= -1,
        f"sizes {sizes}: at most one may be -1, none less",
    )
    rest = shape[axis] - sum(size for size in sizes if size != -1)
    ctx.require(
        rest >= 0 if -1 in sizes else rest == 0,
        f"sizes {sizes} do not add up to size {shape[axis]} of axis {axis}",
    )
    return [resized(shape, axis, rest if size == -1 else size) for size in sizes]


@op("SPLIT_V", prepare=split_v_shapes, versions=(1, 3))
def split_v(ctx: OpContext) -> Step:
    x = ctx.input(0)
    axis = normalize_axis(scalar(ctx, 2), x.ndim)
    sizes = [ctx.output(j).shape[axis] for j in range(len(ctx.node.outputs))]
    return outputs_step(ctx, parts(x, sizes, axis))


def pack_axis(ctx: OpContext) -> int:
    return normalize_axis(options_of(ctx, PackOptions).axis, ctx.rank(0) + 1)


def pack_shape(ctx: OpContext) -> list[Shape]:
    count = options_of(ctx, PackOptions).values_count
    ctx.require(count > 0, f"values_count is {count}; expected at least 1")
    require_inputs(ctx, count)
    require_same_dtype(ctx, *range(count))
    require_same_scale(ctx.output_tensor(), *input_tensors(ctx))
    shape, axis = ctx.shape(0), pack_axis(ctx)
    shapes = sorted({ctx.shape(i) for i in range(count)})
    ctx.require(len(shapes) == 1, f"inputs have shapes {shapes}; expected all the same")
    return [(*shape[:axis], count, *shape[axis:])]


@op("PACK", prepare=pack_shape, versions=(1, 5))
def pack(ctx: OpContext) -> Step:
    slots = np.moveaxis(ctx.output(), pack_axis(ctx), 0)
    return copies((slots[i, ...], ctx.input(i)) for i in range(len(ctx.node.inputs)))


def unpack_shapes(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    require_same_dtype(ctx, 0)
    options, shape = options_of(ctx, UnpackOptions), ctx.shape(0)
    axis = normalize_axis(options.axis, len(shape))
    ctx.require(
        options.num == shape[axis],
        f"num is {options.num}; expected {shape[axis]}, the size of axis {axis}",
    )
    require_outputs(ctx, options.num)
    outputs = (ctx.output_tensor(j) for j in range(options.num))
    require_same_scale(ctx.tensor(0), *outputs)
    return [(*shape[:axis], *shape[axis + 1 :])] * options.num


@op("UNPACK", prepare=unpack_shapes, versions=(1, 6))
def unpack(ctx: OpContext) -> Step:
    slots = np.moveaxis(ctx.input(0), options_of(ctx, UnpackOptions).axis, 0)
    return outputs_step(ctx, (slots[j, ...] for j in range(len(ctx.node.outputs))))
