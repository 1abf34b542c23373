"""Parts of tensors at a stride, with axes added and dropped, as Python indexing does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import OpError
from ..graph import Shape
from ..schema.enums import TensorType
from ..schema.options import StridedSliceOptions
from .checks import options_of, require_inputs, require_rank, require_same_dtype, vector
from .context import OpContext
from .registry import Step, op

Index = tuple[slice | int, ...]


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
