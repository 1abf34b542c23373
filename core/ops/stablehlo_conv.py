"""STABLEHLO_CONVOLUTION: windows over any number of dimensions, in any layout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ..errors import OpError
from ..graph import Shape
from ..schema.options2 import StablehloConvolutionOptions
from .checks import options_of, require_inputs, require_same_dtype, valid_shape
from .context import OpContext
from .registry import Step, op
from .stablehlo_dot import FLOATS, INTEGERS, accumulator

MOST_TAPS = 1 << 16


@dataclass(frozen=True, slots=True)
class Windows:
    """Spatial attributes, one element a dimension, and the layouts as permutations.

    Layouts bring input and output to [batch, spatial..., features], the kernel to
    [spatial..., features in, features out].
    """

    image: Shape
    kernel: Shape
    strides: Shape
    padding: tuple[tuple[int, int], ...]
    image_dilation: Shape
    kernel_dilation: Shape
    reversal: Shape
    input_layout: Shape
    kernel_layout: Shape
    output_layout: Shape

    @property
    def dilated(self) -> Shape:
        """Sizes of the input with holes and padding."""
        holes = zip(self.image, self.image_dilation, self.padding, strict=True)
        return tuple((max(0, (n - 1) * d + 1) if n else 0) + sum(p) for n, d, p in holes)

    @property
    def outputs(self) -> Shape:
        windows = zip(self.dilated, self.kernel, self.kernel_dilation, self.strides, strict=True)
        return tuple(max(0, (n - ((k - 1) * d + 1)) // s + 1) if k else 0 for n, k, d, s in windows)


def windows(ctx: OpContext) -> Windows:
    o = options_of(ctx, StablehloConvolutionOptions)
    rank = ctx.rank(0)
    count = rank - 2
    ctx.require(count >= 0 and ctx.rank(1) == rank, "operands must be of one rank, 2 or more")

    def spatial(name: str, default: int, least: int) -> Shape:
        found = getattr(o, name)
        values = (default,) * count if found is None else tuple(int(v) for v in found)
        if len(values) != count or any(not least <= v < 2**31 for v in values):
            raise OpError(f"{name} is {values}; expected {count} numbers from {least} on")
        return values

    def layout(*axes: Any) -> Shape:
        flat = tuple(int(a) for axis in axes for a in np.atleast_1d(() if axis is None else axis))
        if sorted(flat) != list(range(rank)):
            raise OpError(f"dimensions {flat} do not make a layout of rank {rank}")
        return flat

    flat = (0,) * (2 * count) if o.padding is None else tuple(int(p) for p in np.ravel(o.padding))
    ctx.require(len(flat) == 2 * count, f"expected {2 * count} paddings")
    into = layout(o.input_batch_dimension, o.input_spatial_dimensions, o.input_feature_dimension)
    kernel = layout(
        o.kernel_spatial_dimensions,
        o.kernel_input_feature_dimension,
        o.kernel_output_feature_dimension,
    )
    out = layout(o.output_batch_dimension, o.output_spatial_dimensions, o.output_feature_dimension)
    return Windows(
        tuple(ctx.shape(0)[a] for a in into[1:-1]),
        tuple(ctx.shape(1)[a] for a in kernel[:-2]),
        spatial("window_strides", 1, 1),
        tuple(zip(flat[::2], flat[1::2], strict=True)),
        spatial("lhs_dilation", 1, 1),
        spatial("rhs_dilation", 1, 1),
        spatial("window_reversal", 0, 0),
        into,
        kernel,
        out,
    )


def groups(ctx: OpContext, w: Windows) -> tuple[int, int]:
    """(feature groups, batch groups); raises OpError where sizes do not divide into them."""
    o = options_of(ctx, StablehloConvolutionOptions)
    features, batches = max(1, o.feature_group_count), max(1, o.batch_group_count)
    batch, channels = ctx.shape(0)[w.input_layout[0]], ctx.shape(0)[w.input_layout[-1]]
    depth, filters = (ctx.shape(1)[a] for a in w.kernel_layout[-2:])
    fits = channels == depth * features and filters % (features * batches) == 0
    ctx.require(
        fits and batch % batches == 0 and 1 in (features, batches),
        lambda: (
            f"{channels} channels, {batch} images, filters {depth} by {filters} do not make "
            f"{features} feature groups and {batches} batch groups"
        ),
    )
    return features, batches


def prepare(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    ctx.require_dtype(0, *FLOATS, *INTEGERS)
    ctx.require(ctx.dtype(0) == ctx.dtype(1), "operands must be of one type")
    if ctx.dtype() in FLOATS:
        require_same_dtype(ctx, 0, 1)
    w = windows(ctx)
    _, batches = groups(ctx, w)
    ctx.require(math.prod(w.kernel) <= MOST_TAPS, f"a window has more than {MOST_TAPS} elements")
    batch = ctx.shape(0)[w.input_layout[0]] // batches
    sizes = (batch, *w.outputs, ctx.shape(1)[w.kernel_layout[-1]])
    padded = math.prod(w.dilated) * math.prod(ctx.shape(0)) // max(1, math.prod(w.image))
    ctx.require(padded < 2**31, lambda: f"the padded input has {padded} elements; too many")
    shape = [0] * len(sizes)
    for axis, size in zip(w.output_layout, sizes, strict=True):
        shape[axis] = size
    return [valid_shape(shape)]


@op("STABLEHLO_CONVOLUTION", prepare=prepare)
def convolution(ctx: OpContext) -> Step:
    """Each element of the window is one matrix product of a strided view of the padded input."""
    w = windows(ctx)
    features, batches = groups(ctx, w)
    x = ctx.input(0).transpose(w.input_layout)
    flips = tuple(slice(None, None, -1 if r else 1) for r in w.reversal)
    kernel = ctx.input(1).transpose(w.kernel_layout)[flips]
    y = ctx.output().transpose(w.output_layout)
    dtype = accumulator(ctx.dtype(), math.prod(kernel.shape[:-1]))
    if y.size == 0:
        return lambda: None
    padded = ctx.scratch((x.shape[0], *w.dilated, x.shape[-1]), dtype)
    target, source = placement(w)
    count = features * batches
    images, channels = x.shape[0] // batches, x.shape[-1] // features
    sums = ctx.scratch((count, images * math.prod(w.outputs), y.shape[-1] // count), dtype)

    def step() -> None:
        padded.fill(0)
        padded[(slice(None), *target)] = x[(slice(None), *source)]
        sums.fill(0)
        weights = kernel.astype(dtype).reshape(*kernel.shape[:-1], count, -1)
        for tap in product(*map(range, w.kernel)):
            read = padded[(slice(None), *reads(w, tap))]
            grouped = read.reshape(batches, -1, features, channels).transpose(0, 2, 1, 3)
            left = grouped.reshape(count, -1, channels)
            np.add(sums, np.matmul(left, weights[tap].transpose(1, 0, 2)), out=sums)
        result = sums.transpose(1, 0, 2).reshape(y.shape)
        exact = result.astype(np.int64) if y.dtype.kind in "iu" else result
        np.copyto(y, exact, casting="unsafe")

    return step


def reads(w: Windows, tap: Shape) -> list[slice]:
    """What one element of the windows reads of the padded input."""
    axes = zip(tap, w.kernel_dilation, w.outputs, w.strides, strict=True)
    return [slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in axes]


def placement(w: Windows) -> tuple[list[slice], list[slice]]:
    """Where in the padded input the elements lie, and which: negative padding cuts some off."""
    target, source = [], []
    for size, dilation, (before, _), whole in zip(
        w.image, w.image_dilation, w.padding, w.dilated, strict=True
    ):
        first = max(0, -(before // dilation)) if before < 0 else 0
        start = first * dilation + before
        last = min(size, max(first, (whole - 1 - before) // dilation + 1))
        target.append(slice(start, start + max(0, (last - first - 1) * dilation + 1), dilation))
        source.append(slice(first, last))
        if last == first:
            target[-1] = slice(0, 0)
    return target, source
