"""Activations: the rectifiers and sigmoids of neural networks, element by element."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from ..graph import Array, Shape
from ..schema.enums import TensorType as T
from ..schema.options import GeluOptions, LeakyReluOptions
from . import activation_quantized as quantized
from .checks import require_inputs
from .context import OpContext
from .erf import erfc_of_size
from .lookup import Binary, pairwise
from .registry import Step, op
from .shapes import broadcast_shape, debug_string
from .unary import REALS, Function, Into, register


def limited(low: float, high: float) -> Into:
    """min(max(x, low), high); NaN stays NaN."""

    def clip(x: Array, out: Array) -> None:
        number = out.dtype.type
        np.clip(x, number(low), number(high), out=out)

    return clip


def logistic(x: Array, out: Array) -> None:
    one = out.dtype.type(1)
    np.negative(x, out=out)
    np.exp(out, out=out)
    np.add(out, one, out=out)
    np.divide(one, out, out=out)


def hard_swish(x: Array, out: Array) -> None:
    """x * min(6, max(0, x + 3)) / 6."""
    number = out.dtype.type
    np.add(x, number(3), out=out)
    np.clip(out, number(0), number(6), out=out)
    np.multiply(out, x, out=out)
    np.divide(out, number(6), out=out)


def elu(x: Array, out: Array) -> None:
    """exp(x) - 1 below 0, else x."""
    np.minimum(x, out.dtype.type(0), out=out)
    np.expm1(out, out=out)
    np.copyto(out, x, where=x >= 0)


def leaky_relu(options: LeakyReluOptions) -> Into:
    """x * alpha up to 0, else x."""

    def leak(x: Array, out: Array) -> None:
        np.multiply(x, out.dtype.type(options.alpha), out=out)
        if 0 < options.alpha <= 1:
            np.maximum(x, out, out=out)
        else:
            np.copyto(out, x, where=x > 0)

    return leak


def gelu(options: GeluOptions) -> Into:
    return gelu_by_tanh if options.approximate else gelu_by_erfc


def at_least_single(x: Array) -> Array:
    """`x` in float32, or as it is where that is wider."""
    return x if x.dtype == np.float64 else x.astype(np.float32, copy=False)


def gelu_by_erfc(x: Array, out: Array) -> None:
    """x / 2 * erfc(-x / sqrt(2))."""
    wide = at_least_single(x)
    number: Any = wide.dtype.type
    # The tail is 0 long before 1e4, which keeps 0 * Inf away.
    size = np.minimum(np.abs(wide), number(1e4))
    tail = erfc_of_size(size * number(0.5**0.5))
    tail *= size
    tail *= number(0.5)
    # One form for both signs: erfc(-z) = 2 - erfc(z).
    np.subtract(np.maximum(wide, number(0)), tail, out=out, casting="unsafe")


def gelu_by_tanh(x: Array, out: Array) -> None:
    """x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))."""
    wide = at_least_single(x)
    number: Any = wide.dtype.type
    inner = np.square(wide)
    inner *= number(0.044715)
    inner += number(1)
    inner *= wide
    inner *= number((2 / np.pi) ** 0.5)
    np.tanh(inner, out=inner)
    inner += number(1)
    inner *= wide
    np.multiply(inner, number(0.5), out=out, casting="unsafe")


BYTES = (T.INT8, T.UINT8)
SMALL = (*BYTES, T.INT16)


def rectifier(low: float, high: float, types: tuple[T, ...], versions: tuple[int, int]) -> Function:
    """The row of an operator that limits its input to [low, high]."""
    stored = dict.fromkeys(types, partial(quantized.rectifier, low=low, high=high))
    return Function(limited(low, high), REALS, versions, stored)


TABLE = {
    "RELU": rectifier(0, math.inf, SMALL, (1, 3)),
    "RELU6": rectifier(0, 6, SMALL, (1, 3)),
    "RELU_N1_TO_1": rectifier(-1, 1, BYTES, (1, 1)),
    "RELU_0_TO_1": rectifier(0, 1, BYTES, (1, 1)),
    "LOGISTIC": Function(logistic, REALS, (1, 3), quantized.LOGISTIC),
    "TANH": Function(np.tanh, REALS, (1, 3), quantized.TANH),
    "HARD_SWISH": Function(hard_swish, stored=dict.fromkeys(BYTES, quantized.hard_swish)),
    "ELU": Function(elu, stored={T.INT8: quantized.elu}),
    "GELU": Function(gelu, REALS, (1, 3), dict.fromkeys(SMALL, quantized.gelu), GeluOptions),
    "LEAKY_RELU": Function(
        leaky_relu, REALS, (1, 2), dict.fromkeys(SMALL, quantized.leaky_relu), LeakyReluOptions
    ),
}

register(TABLE)


def prelu_function(ctx: OpContext) -> Binary | None:
    """The function of stored integers of a quantised PRELU."""
    return quantized.prelu(ctx) if ctx.dtype() in SMALL else None


def prepare_prelu(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    dtype = ctx.require_dtype(0, *REALS, *SMALL)
    ctx.require_dtype(1, T.INT8 if dtype == T.INT16 else dtype)
    ctx.require(ctx.output_dtype() == dtype, "input and output must be of one type")
    prelu_function(ctx)
    shape = broadcast_shape(ctx.shape(0), ctx.shape(1))
    ctx.require(
        shape == ctx.shape(0),
        lambda: (
            f"alpha has shape {debug_string(ctx.shape(1))}; "
            f"expected one that broadcasts to {debug_string(ctx.shape(0))}"
        ),
    )
    return [shape]


@op("PRELU", prepare=prepare_prelu)
def prelu(ctx: OpContext) -> Step:
    x, alpha, y = ctx.input(0), ctx.input(1), ctx.output()
    function = prelu_function(ctx)
    if function is not None:
        return pairwise(x, alpha, y, function)
    zero: Any = y.dtype.type(0)
    positive = ctx.scratch(y.shape, y.dtype)

    def step() -> None:
        np.minimum(x, zero, out=y)
        np.multiply(y, alpha, out=y)
        np.maximum(x, zero, out=positive)
        np.add(y, positive, out=y)

    return step
