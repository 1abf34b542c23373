"""Reductions over axes: sums, products, extremes, logic; the mean of unquantised tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..dtypes import FLOATS
from ..graph import Shape
from ..schema.enums import TensorType as T
from ..schema.options import ReducerOptions
from . import reduce_quantized as quantized
from .checks import options_of
from .context import OpContext
from .reduce_blocks import add_up, fold, middle
from .registry import Step, op
from .shapes import normalize_axes

NUMBERS = (T.FLOAT32, T.INT32, T.INT64, T.UINT8, T.INT8, T.INT16)


@dataclass(frozen=True, slots=True)
class Reduction:
    """A ufunc for numbers and for booleans, and what it gives for no elements at all."""

    integers: Any
    floats: Any
    booleans: Any
    neutral: Callable[[Any], Any]


def lowest(dtype: Any) -> Any:
    return np.finfo(dtype).min if dtype.kind == "f" else np.iinfo(dtype).min


def highest(dtype: Any) -> Any:
    return np.finfo(dtype).max if dtype.kind == "f" else np.iinfo(dtype).max


# The reference passes over NaN in extremes.
REDUCTIONS = {
    "SUM": Reduction(np.add, np.add, np.logical_or, lambda _: 0),
    "REDUCE_PROD": Reduction(np.multiply, np.multiply, np.logical_and, lambda _: 1),
    "REDUCE_MAX": Reduction(np.maximum, np.fmax, np.logical_or, lowest),
    "REDUCE_MIN": Reduction(np.minimum, np.fmin, np.logical_and, highest),
    "REDUCE_ANY": Reduction(np.logical_or, np.logical_or, np.logical_or, lambda _: False),
    "REDUCE_ALL": Reduction(np.logical_and, np.logical_and, np.logical_and, lambda _: True),
}


def reduced_axes(ctx: OpContext) -> tuple[int, ...]:
    """The axes to reduce, ascending; a scalar has none, whatever the model says."""
    ctx.require_dtype(1, T.INT32)
    axes = ctx.value(1).reshape(-1).tolist()
    return normalize_axes(axes, ctx.rank()) if ctx.rank() else ()


def kept_shape(ctx: OpContext) -> Shape:
    """The shape of the result with every reduced axis kept as 1."""
    axes = reduced_axes(ctx)
    return tuple(1 if i in axes else n for i, n in enumerate(ctx.shape()))


def prepare(ctx: OpContext, *, dtypes: tuple[T, ...]) -> list[Shape]:
    ctx.require_dtype(0, *dtypes)
    ctx.require(ctx.output_dtype() == ctx.dtype(), "input and output must be of one type")
    if ctx.dtype() == T.INT16:
        points = (
            quantized.parameters(ctx.tensor(0))[1],
            quantized.parameters(ctx.output_tensor())[1],
        )
        ctx.require(points == (0, 0), lambda: f"zero points of int16 are {points}; expected 0")
    if options_of(ctx, ReducerOptions).keep_dims:
        return [kept_shape(ctx)]
    axes = reduced_axes(ctx)
    return [tuple(n for i, n in enumerate(ctx.shape()) if i not in axes)]


def same_parameters(ctx: OpContext) -> None:
    """Raises OpError where stored values cannot be compared or multiplied as they are."""
    if ctx.dtype() in quantized.DTYPES:
        given, wanted = map(quantized.parameters, (ctx.tensor(0), ctx.output_tensor()))
        ctx.require(
            given == wanted,
            lambda: f"input has scale and zero point {given}, output {wanted}; they must be equal",
        )


def prepare_plain(ctx: OpContext, *, dtypes: tuple[T, ...]) -> list[Shape]:
    same_parameters(ctx)
    return prepare(ctx, dtypes=dtypes)


def prepare_product(ctx: OpContext) -> list[Shape]:
    if ctx.tensor(0).quant is None:
        same_parameters(ctx)
    else:
        ctx.require(ctx.dtype() != T.UINT8, "quantised uint8 has no product; int8 and int16 have")
    return prepare(ctx, dtypes=(*NUMBERS, T.BOOL))


def reduction(ctx: OpContext) -> Step:
    """The step that reduces stored values in the tensor's own type; integers wrap."""
    kind = REDUCTIONS[ctx.node.op]
    x, y = ctx.input(), ctx.output()
    if x.size == 0:
        return partial(y.fill, kind.neutral(y.dtype))
    if ctx.dtype() == T.BOOL:
        ufunc = kind.booleans
    else:
        ufunc = kind.floats if ctx.dtype() in FLOATS else kind.integers
    kept, axes = y.reshape(kept_shape(ctx)), reduced_axes(ctx)
    if ufunc is np.add and ctx.dtype() == T.FLOAT32:
        return partial(add_up, x, axes, kept)
    block = middle(x, axes)
    if block is not None and block.shape[1] > 1:
        outer, rows, inner = block.shape
        memory = ctx.scratch((outer, rows // 2, inner), x.dtype)
        return partial(fold, ufunc, block, kept.reshape(outer, 1, inner), memory)
    return partial(ufunc.reduce, x, axis=axes, dtype=y.dtype, out=kept, keepdims=True)


for _name, _versions in (("REDUCE_MAX", (1, 3)), ("REDUCE_MIN", (1, 3))):
    op(_name, prepare=partial(prepare_plain, dtypes=(*NUMBERS, T.BOOL)), versions=_versions)(
        reduction
    )
op("REDUCE_ANY", "REDUCE_ALL", prepare=partial(prepare, dtypes=(T.BOOL,)))(reduction)


@op("SUM", prepare=partial(prepare, dtypes=(*NUMBERS, T.BOOL)), versions=(1, 2))
def sum_(ctx: OpContext) -> Step:
    if ctx.dtype() not in quantized.DTYPES:
        return reduction(ctx)
    return quantized.total(ctx, reduced_axes(ctx), kept_shape(ctx))


@op("REDUCE_PROD", prepare=prepare_product, versions=(1, 2))
def product(ctx: OpContext) -> Step:
    if ctx.tensor(0).quant is None or ctx.dtype() not in quantized.DTYPES:
        return reduction(ctx)
    return quantized.product(ctx, reduced_axes(ctx), kept_shape(ctx))


@op("MEAN", prepare=partial(prepare, dtypes=NUMBERS), versions=(1, 3))
def mean(ctx: OpContext) -> Step:
    x, y = ctx.input(), ctx.output()
    axes, shape = reduced_axes(ctx), kept_shape(ctx)
    if x.size == 0:
        return partial(y.fill, np.nan if ctx.dtype() in FLOATS else 0)
    if ctx.dtype() in quantized.DTYPES:
        return quantized.mean(ctx, axes, shape)
    kept, count = y.reshape(shape), math.prod(x.shape[a] for a in axes)

    def floats() -> None:
        add_up(x, axes, kept)
        np.divide(y, y.dtype.type(count), out=y)

    def integers() -> None:
        total = np.add.reduce(x, axis=axes, dtype=np.int64, keepdims=True)
        np.copyto(kept, np.sign(total) * (np.abs(total) // count), casting="unsafe")

    return floats if ctx.dtype() in FLOATS else integers
