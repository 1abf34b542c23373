"""Parts of tensors, by begin and size or at a stride, and tensors with a part replaced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType
from ..schema.options import StridedSliceOptions
from .checks import options_of, require_inputs, require_rank, require_same_dtype, vector
from .context import OpContext
from .registry import Step, op

Index = tuple[slice | int, ...]


def slice_sizes(ctx: OpContext) -> list[int]:
    """The output's sizes; -1 runs to the end. Raises OpError for what lies outside, where known."""
    shape, sizes = ctx.shape(0), vector(ctx, 2)
    require_rank(ctx, 1, 1)
    fits = len(sizes) == ctx.shape(1)[0] == len(shape)
    ctx.require(fits, f"begin and size must have {len(shape)} elements, one for each axis")
    if -1 in sizes or ctx.is_known(1):
        begins = vector(ctx, 1)
        sizes = [
            n - begin if size == -1 else size
            for n, begin, size in zip(shape, begins, sizes, strict=True)
        ]
        require_inside(begins, sizes, shape)
    ctx.require(min(sizes, default=0) >= 0, f"sizes {sizes}: only -1 may be negative")
    return sizes


def require_inside(begins: Sequence[int], sizes: Sequence[int], shape: Shape) -> None:
    for begin, size, n in zip(begins, sizes, shape, strict=True):
        if begin < 0 or size < 0 or begin + size > n:
            raise OpError(
                f"a slice from {list(begins)} of sizes {list(sizes)} is not inside {list(shape)}"
            )


def slice_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    require_same_dtype(ctx, 0)
    ctx.require_dtype(1, TensorType.INT32, TensorType.INT64)
    return [tuple(slice_sizes(ctx))]


@op("SLICE", prepare=slice_shape, versions=(1, 8))
def slice_(ctx: OpContext) -> Step:
    x, y, sizes = ctx.input(0), ctx.output(), slice_sizes(ctx)
    if ctx.is_known(1):
        source = x[*window(vector(ctx, 1), sizes), ...]
        return lambda: np.copyto(y, source)
    begin = ctx.input(1)

    def step() -> None:
        begins = begin.tolist()
        require_inside(begins, sizes, x.shape)
        np.copyto(y, x[*window(begins, sizes), ...])

    return step


def window(begins: Sequence[int], sizes: Sequence[int]) -> Index:
    return tuple(slice(b, b + size) for b, size in zip(begins, sizes, strict=True))


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of the input, or a new one, and the element of begin, end and strides that is its.

    `position` is None for axes that are taken whole.
    """

    size: int
    position: int | None = None


def effective_axes(options: StridedSliceOptions, shape: Shape, count: int) -> list[Axis]:
    """The input's axes with new ones among them, for `count` elements of begin, end and strides.

    As in the reference, an ellipsis covers at least one axis.
    """
    specs = (1 << count) - 1
    ellipsis = options.ellipsis_mask & specs
    new = options.new_axis_mask & specs & ~ellipsis
    rank = len(shape) + new.bit_count()
    if ellipsis.bit_count() > 1 or count - ellipsis.bit_count() > rank:
        raise OpError(
            f"{count} indices (ellipsis mask {ellipsis:#b}, new axis mask {new:#b}) do not fit "
            f"an input of shape {list(shape)}"
        )
    axes: list[Axis] = []
    sizes = list(reversed(shape))
    for position in range(count):
        if len(axes) == rank:
            break
        if new >> position & 1:
            axes.append(Axis(1))
        elif not sizes:
            raise OpError(f"index {position} has no axis in an input of shape {list(shape)}")
        elif ellipsis >> position & 1:
            covered = max(1, min(1 + rank - count, len(sizes)))
            axes += [Axis(sizes.pop()) for _ in range(covered)]
        else:
            axes.append(Axis(sizes.pop(), position))
    return axes + [Axis(size) for size in reversed(sizes)]


@dataclass(frozen=True, slots=True)
class StridedSlice:
    """What a STRIDED_SLICE node takes: its axes, its masks, and its ends and strides."""

    options: StridedSliceOptions
    axes: tuple[Axis, ...]
    ends: tuple[int, ...]
    strides: tuple[int, ...]

    def index(self, begins: Sequence[int]) -> Index:
        """The NumPy index of what is taken from the input with its new axes in place."""
        return tuple(
            slice(None)
            if axis.position is None
            else self._of_axis(axis.size, axis.position, begins)
            for axis in self.axes
        )

    def _of_axis(self, size: int, i: int, begins: Sequence[int]) -> slice | int:
        stride = self.strides[i]
        low, high = (0, size) if stride > 0 else (-1, size - 1)

        def clamp(at: int) -> int:
            return min(max(at + size if at < 0 else at, low), high)

        masks = self.options
        begin = clamp(begins[i])
        if masks.begin_mask >> i & 1:
            begin = 0 if stride > 0 else size - 1
        if masks.shrink_axis_mask >> i & 1:
            if stride < 0 or not 0 <= begin < size:
                raise OpError(f"index {begins[i]} at stride {stride} is outside an axis of {size}")
            return begin
        end = clamp(self.ends[i] + (begin if masks.offset else 0))
        if masks.end_mask >> i & 1:
            end = size if stride > 0 else -1
        return slice(begin, None if end < 0 else end, stride) if begin >= 0 else slice(0)

    def offset_sizes(self) -> Shape:
        """The output's sizes where the ends count from the begins, whatever these are."""
        sizes = []
        for axis in self.axes:
            if axis.position is None:
                sizes.append(axis.size)
            elif not self.options.shrink_axis_mask >> axis.position & 1:
                sizes.append(max(0, -(-self.ends[axis.position] // self.strides[axis.position])))
        return tuple(sizes)


def read_strided_slice(ctx: OpContext) -> StridedSlice:
    options = options_of(ctx, StridedSliceOptions)
    ends, strides = vector(ctx, 2), vector(ctx, 3)
    require_rank(ctx, 1, 1)
    count = ctx.shape(1)[0]
    ctx.require(
        count == len(ends) == len(strides) <= 31,
        f"begin, end and strides have {count}, {len(ends)} and {len(strides)} elements; "
        "expected equally many, at most 31",
    )
    ctx.require(0 not in strides, f"strides {strides}: must not be 0")
    axes = effective_axes(options, ctx.shape(0), count)
    return StridedSlice(options, tuple(axes), tuple(ends), tuple(strides))


def taken_shape(index: Index, axes: Sequence[Axis]) -> Shape:
    return tuple(
        len(range(*part.indices(axis.size)))
        for part, axis in zip(index, axes, strict=True)
        if isinstance(part, slice)
    )


def strided_slice_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 4)
    require_same_dtype(ctx, 0)
    ctx.require_dtype(1, TensorType.INT32, TensorType.INT64)
    spec = read_strided_slice(ctx)
    if spec.options.offset:
        return [spec.offset_sizes()]
    return [taken_shape(spec.index(vector(ctx, 1)), spec.axes)]


@op("STRIDED_SLICE", prepare=strided_slice_shape, versions=(1, 8))
def strided_slice(ctx: OpContext) -> Step:
    spec, y = read_strided_slice(ctx), ctx.output()
    x = ctx.input(0).reshape([axis.size for axis in spec.axes])
    if not spec.options.offset:
        source = x[*spec.index(vector(ctx, 1)), ...]
        return lambda: np.copyto(y, source)
    begin = ctx.input(1)

    def step() -> None:
        part = x[*spec.index(begin.tolist()), ...]
        if part.shape != y.shape:
            raise OpError(f"a slice from {begin.tolist()} of {list(y.shape)} is not all inside")
        np.copyto(y, part)

    return step


def update_step(x: Array, update: Array, y: Array, starts: Callable[[], Sequence[int]]) -> Step:
    """The step that copies `x` with `update` in place of the part at `starts`, moved inside `x`."""
    room = [n - size for n, size in zip(x.shape, update.shape, strict=True)]

    def step() -> None:
        begins = [min(max(start, 0), most) for start, most in zip(starts(), room, strict=True)]
        np.copyto(y, x)
        y[window(begins, update.shape)] = update

    return step


def require_update(ctx: OpContext) -> None:
    """Raises OpError unless input 1 is of the type of input 0 and fits in it."""
    require_same_dtype(ctx, 0, 1)
    shape, update = ctx.shape(0), ctx.shape(1)
    ctx.require(
        len(shape) == len(update) and all(m <= n for m, n in zip(update, shape, strict=True)),
        f"an update of shape {list(update)} does not fit in {list(shape)}",
    )


def dynamic_update_slice_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    require_update(ctx)
    ctx.require_dtype(2, TensorType.INT32, TensorType.INT64)
    shape = ctx.shape(0)
    ctx.require(
        ctx.shape(2) == (len(shape),),
        f"start indices have shape {list(ctx.shape(2))}; expected [{len(shape)}]",
    )
    return [shape]


@op("DYNAMIC_UPDATE_SLICE", prepare=dynamic_update_slice_shape, versions=(1, 6))
def dynamic_update_slice(ctx: OpContext) -> Step:
    starts: Array = ctx.input(2)
    return update_step(ctx.input(0), ctx.input(1), ctx.output(), starts.tolist)
