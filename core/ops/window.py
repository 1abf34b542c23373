"""Reductions over sliding windows of any rank, and over whole dimensions with a body graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import ReduceWindowFunction as Function
from ..schema.enums import TensorType as T
from ..schema.options2 import (
    ReduceWindowOptions,
    StablehloReduceOptions,
    StablehloReduceWindowOptions,
)
from .checks import options_of
from .context import OpContext
from .registry import Step, op
from .shapes import normalize_axes
from .window_geometry import taps

TYPES = (T.BOOL, T.INT8, T.INT16, T.INT32, T.INT64, T.UINT8, T.FLOAT32, T.FLOAT64)
UFUNCS: dict[Function, Any] = {
    Function.ADD: np.add,
    Function.MUL: np.multiply,
    Function.MINIMUM: np.minimum,
    Function.MAXIMUM: np.maximum,
    Function.ALL: np.logical_and,
    Function.ANY: np.logical_or,
}
BODIES = {
    "ADD": Function.ADD,
    "STABLEHLO_ADD": Function.ADD,
    "MUL": Function.MUL,
    "STABLEHLO_MULTIPLY": Function.MUL,
    "MAXIMUM": Function.MAXIMUM,
    "STABLEHLO_MAXIMUM": Function.MAXIMUM,
    "MINIMUM": Function.MINIMUM,
    "STABLEHLO_MINIMUM": Function.MINIMUM,
    "LOGICAL_AND": Function.ALL,
    "STABLEHLO_AND": Function.ALL,
    "LOGICAL_OR": Function.ANY,
    "STABLEHLO_OR": Function.ANY,
}


@dataclass(frozen=True, slots=True)
class Window:
    """Along one axis: gaps in the input, border (negative crops), and the window that slides."""

    size: int
    stride: int = 1
    dilation: int = 1
    base_dilation: int = 1
    before: int = 0
    after: int = 0

    def spread(self, in_size: int) -> int:
        """The size with gaps and border."""
        dilated = max(0, (in_size - 1) * self.base_dilation + 1)
        return dilated + self.before + self.after

    def out_size(self, in_size: int) -> int:
        reach = (self.size - 1) * self.dilation + 1
        return max(0, (self.spread(in_size) - reach) // self.stride + 1)

    def is_spread(self) -> bool:
        return self.base_dilation != 1 or self.before != 0 or self.after != 0

    def placed(self, in_size: int) -> tuple[slice, slice]:
        """(where the inputs lie in the spread axis, the inputs that are not cropped)."""
        first = max(0, -(self.before // self.base_dilation))
        room = self.spread(in_size) - 1 - self.before
        last = min(in_size, room // self.base_dilation + 1)
        if first >= last:
            return slice(0, 0), slice(0, 0)
        start = self.before + first * self.base_dilation
        stop = self.before + (last - 1) * self.base_dilation + 1
        return slice(start, stop, self.base_dilation), slice(first, last)


def body_function(ctx: OpContext, index: int) -> Function:
    """What a body graph of one node does; raises OpError for other bodies."""
    nodes = ctx.subgraph(index).graph.nodes
    names = [node.op for node in nodes]
    if len(nodes) != 1 or nodes[0].custom or nodes[0].op not in BODIES:
        raise OpError(f"the body is {names}; expected one of {', '.join(BODIES)}")
    return BODIES[nodes[0].op]


def attribute(values: Any, name: str, length: int, default: int) -> list[int]:
    """A vector of the options; `default` throughout where the file leaves it out."""
    if values is None or not len(values):
        return [default] * length
    if len(values) != length:
        raise OpError(f"{name} has {len(values)} values; expected {length}")
    return [int(v) for v in values]


def stablehlo_windows(ctx: OpContext) -> list[Window]:
    o, rank = options_of(ctx, StablehloReduceWindowOptions), ctx.rank()
    if o.window_dimensions is None or len(o.window_dimensions) != rank:
        raise OpError(f"window_dimensions is {o.window_dimensions}; expected {rank} values")
    padding = attribute(o.padding, "padding", 2 * rank, 0)
    columns = (
        [int(n) for n in o.window_dimensions],
        attribute(o.window_strides, "window_strides", rank, 1),
        attribute(o.window_dilations, "window_dilations", rank, 1),
        attribute(o.base_dilations, "base_dilations", rank, 1),
        padding[0::2],
        padding[1::2],
    )
    return [Window(*row) for row in zip(*columns, strict=True)]


def plain_windows(ctx: OpContext) -> list[Window]:
    columns: list[list[int]] = []
    for i, name in ((2, "window shape"), (3, "window strides"), (4, "window dilations")):
        ctx.require_dtype(i, T.INT64)
        values = ctx.value(i)
        ctx.require(
            values.shape == (ctx.rank(),), f"{name} is {values.tolist()}; expected one per axis"
        )
        columns.append(values.tolist())
    return [Window(*row) for row in zip(*columns, strict=True)]


def check_types(ctx: OpContext) -> None:
    ctx.require_dtype(0, *TYPES)
    ctx.require_dtype(1, ctx.dtype())
    ctx.require(ctx.output_dtype() == ctx.dtype(), "input and output must be of one type")
    ctx.require(math.prod(ctx.shape(1)) > 0, "the initial value is empty")


def window_shape(ctx: OpContext, windows: Sequence[Window]) -> Shape:
    """The output shape; raises OpError for windows that cannot slide and for too much cropping."""
    check_types(ctx)
    ctx.require(ctx.rank() > 0, "the input is a scalar; expected rank 1 or more")
    for w in windows:
        ctx.require(min(w.size, w.stride, w.dilation, w.base_dilation) > 0, f"{w} is not positive")
    sizes = list(zip(windows, ctx.shape(), strict=True))
    spread = [w.spread(n) for w, n in sizes]
    cropped = any(w.before or w.after for w in windows)
    ctx.require(
        not cropped or min(spread) > 0,
        f"the padding specification gives an empty tensor of shape {spread}",
    )
    return tuple(w.out_size(n) for w, n in sizes)


def slide(ctx: OpContext, windows: Sequence[Window], function: Function) -> Step:
    """Spreads the input over the initial value, then reduces one axis after the other."""
    x, initial, y = ctx.input(), ctx.input(1).reshape(-1)[:1], ctx.output()
    if y.size == 0:
        return lambda: None
    ufunc = UFUNCS[function]
    sizes = list(zip(windows, x.shape, strict=True))
    spread = any(w.is_spread() for w in windows)
    base = ctx.scratch(tuple(w.spread(n) for w, n in sizes), x.dtype) if spread else x
    places = [w.placed(n) for w, n in sizes]
    target = base[tuple(place for place, _ in places)]
    source = x[tuple(part for _, part in places)]
    passes: list[tuple[Array, list[Array]]] = []
    current = base
    for axis, w in enumerate(windows):
        if w.size == w.stride == 1:
            continue
        shape = list(current.shape)
        shape[axis] = y.shape[axis]
        reach = taps(current.shape[axis], y.shape[axis], w.size, w.stride, w.dilation, 0)
        before = (slice(None),) * axis
        parts = [current[(*before, tap.inputs)] for tap in reach]
        current = ctx.scratch(tuple(shape), x.dtype)
        passes.append((current, parts))

    def step() -> None:
        if spread:
            base.fill(initial[0])
            np.copyto(target, source)
        for result, parts in passes:
            np.copyto(result, parts[0])
            for part in parts[1:]:
                ufunc(result, part, out=result)
        ufunc(current, initial, out=y)

    return step


def prepare_stablehlo(ctx: OpContext) -> list[Shape]:
    return [window_shape(ctx, stablehlo_windows(ctx))]


@op("STABLEHLO_REDUCE_WINDOW", prepare=prepare_stablehlo)
def stablehlo_reduce_window(ctx: OpContext) -> Step:
    body = options_of(ctx, StablehloReduceWindowOptions).body_subgraph_index
    return slide(ctx, stablehlo_windows(ctx), body_function(ctx, body))


def prepare_plain(ctx: OpContext) -> list[Shape]:
    function = options_of(ctx, ReduceWindowOptions).reduce_function
    ctx.require(function in UFUNCS, lambda: f"reduce_function is {function!r}")
    return [window_shape(ctx, plain_windows(ctx))]


@op("REDUCE_WINDOW", prepare=prepare_plain)
def reduce_window(ctx: OpContext) -> Step:
    return slide(ctx, plain_windows(ctx), options_of(ctx, ReduceWindowOptions).reduce_function)


def reduced(ctx: OpContext) -> tuple[int, ...]:
    dimensions = options_of(ctx, StablehloReduceOptions).dimensions
    axes = [] if dimensions is None else [int(axis) for axis in dimensions]
    return normalize_axes(axes, ctx.rank())


def prepare_reduce(ctx: OpContext) -> list[Shape]:
    ctx.require(len(ctx.node.inputs) == 2, "one operand and one initial value are supported")
    check_types(ctx)
    axes = reduced(ctx)
    return [tuple(n for i, n in enumerate(ctx.shape()) if i not in axes)]


@op("STABLEHLO_REDUCE", prepare=prepare_reduce)
def stablehlo_reduce(ctx: OpContext) -> Step:
    """Reduces whole dimensions, starting from the initial value."""
    x, initial, y = ctx.input(), ctx.input(1).reshape(-1), ctx.output()
    body = options_of(ctx, StablehloReduceOptions).body_subgraph_index
    ufunc, axes = UFUNCS[body_function(ctx, body)], reduced(ctx)

    def step() -> None:
        ufunc.reduce(x, axis=axes, dtype=y.dtype, out=y, initial=initial[0])

    return step
