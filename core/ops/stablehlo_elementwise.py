"""Elementwise operators of StableHLO, as its specification defines them, without broadcasting.

LiteRT registers ADD, AND, MAXIMUM, MINIMUM, MULTIPLY and SHIFT_LEFT; the others follow the
published meaning. Integers wrap; quantisation is not looked at.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ..dtypes import INTEGER_RANGE
from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import StablehloComparisonDirection as Direction
from ..schema.enums import StablehloComparisonType
from ..schema.enums import TensorType as T
from ..schema.options2 import StablehloCompareOptions
from .activation import logistic
from .checks import options_of, require_inputs, require_same_dtype
from .complex import copy
from .context import OpContext
from .elementwise import divide, require_no_zero
from .registry import Step, op
from .select import choice
from .shapes import debug_string
from .unary import COMPLEX, REALS, SIGNED, Into, reciprocal_sqrt, tiled

INTEGERS = (*SIGNED, T.UINT8, T.UINT16, T.UINT32, T.UINT64)
NUMBERS = (*REALS, *INTEGERS, *COMPLEX)
BITS = (*INTEGERS, T.BOOL)


def remainder(a: Array, b: Array, out: Array) -> None:
    """What a division rounded towards zero leaves, with the sign of a."""
    if out.dtype.kind in "iu":
        require_no_zero(b)
    np.fmod(a, b, out=out)


def power(a: Array, b: Array, out: Array) -> None:
    """a ** b; of integers, negative powers are 0 but for those of 1 and -1."""
    if out.dtype.kind not in "iu":
        np.power(a, b, out=out)
        return
    np.power(a, np.maximum(b, 0), out=out)
    inverse = np.where(a == 1, 1, np.where(a + 1 == 0, 1 - 2 * (b & 1), 0))
    np.copyto(out, inverse, where=b < 0, casting="unsafe")


def require_shape(ctx: OpContext, i: int, *allowed: Shape) -> None:
    if ctx.shape(i) not in allowed:
        wanted = " or ".join(map(debug_string, allowed))
        raise OpError(f"input {i} has shape {debug_string(ctx.shape(i))}; expected {wanted}")


BINARY: dict[str, tuple[Into, tuple[T, ...]]] = {
    "ADD": (np.add, (*NUMBERS, T.BOOL)),
    "SUBTRACT": (np.subtract, NUMBERS),
    "MULTIPLY": (np.multiply, (*NUMBERS, T.BOOL)),
    "DIVIDE": (divide, NUMBERS),
    "REMAINDER": (remainder, (*REALS, *INTEGERS)),
    "POWER": (power, NUMBERS),
    "MAXIMUM": (np.maximum, (*NUMBERS, T.BOOL)),
    "MINIMUM": (np.minimum, (*NUMBERS, T.BOOL)),
    "AND": (np.bitwise_and, BITS),
    "OR": (np.bitwise_or, BITS),
    "SHIFT_LEFT": (np.left_shift, INTEGERS),
}

UNARY: dict[str, tuple[Into, tuple[T, ...]]] = {
    "ABS": (np.absolute, (*REALS, *SIGNED)),
    "CBRT": (np.cbrt, REALS),
    "COSINE": (np.cos, (*REALS, *COMPLEX)),
    "EXPONENTIAL": (np.exp, (*REALS, *COMPLEX)),
    "FLOOR": (np.floor, REALS),
    "LOG": (np.log, (*REALS, *COMPLEX)),
    "LOGISTIC": (logistic, (*REALS, *COMPLEX)),
    "NEGATE": (np.negative, NUMBERS),
    "RSQRT": (reciprocal_sqrt, (*REALS, *COMPLEX)),
    "TANH": (np.tanh, (*REALS, *COMPLEX)),
}


def prepare_binary(ctx: OpContext, *, dtypes: tuple[T, ...]) -> list[Shape]:
    require_inputs(ctx, 2)
    ctx.require_dtype(0, *dtypes)
    require_same_dtype(ctx, 0, 1)
    require_shape(ctx, 1, ctx.shape(0))
    return [ctx.shape(0)]


def prepare_unary(ctx: OpContext, *, dtypes: tuple[T, ...]) -> list[Shape]:
    require_inputs(ctx, 1)
    ctx.require_dtype(0, *dtypes)
    require_same_dtype(ctx, 0)
    return [ctx.shape()]


def bind_binary(ctx: OpContext, *, function: Into) -> Step:
    return partial(function, ctx.input(0), ctx.input(1), out=ctx.output())


def bind_unary(ctx: OpContext, *, function: Into) -> Step:
    return tiled(function, ctx.input(), ctx.output())


for _name, (_two, _dtypes) in BINARY.items():
    op(f"STABLEHLO_{_name}", prepare=partial(prepare_binary, dtypes=_dtypes))(
        partial(bind_binary, function=_two)
    )
for _name, (_one, _dtypes) in UNARY.items():
    op(f"STABLEHLO_{_name}", prepare=partial(prepare_unary, dtypes=_dtypes))(
        partial(bind_unary, function=_one)
    )


COMPARISON = {
    Direction.STABLEHLO_COMPARISON_DIRECTION_EQ: np.equal,
    Direction.STABLEHLO_COMPARISON_DIRECTION_NE: np.not_equal,
    Direction.STABLEHLO_COMPARISON_DIRECTION_GE: np.greater_equal,
    Direction.STABLEHLO_COMPARISON_DIRECTION_GT: np.greater,
    Direction.STABLEHLO_COMPARISON_DIRECTION_LE: np.less_equal,
    Direction.STABLEHLO_COMPARISON_DIRECTION_LT: np.less,
}


def prepare_compare(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    ctx.require_dtype(1, ctx.require_dtype(0, *NUMBERS, T.BOOL))
    ctx.require(ctx.output_dtype() == T.BOOL, "the output must be BOOL")
    require_shape(ctx, 1, ctx.shape(0))
    options_of(ctx, StablehloCompareOptions)
    return [ctx.shape(0)]


def total_order(x: Array) -> Array:
    """Integers in the order -NaN < -Inf < ... < -0 < +0 < ... < Inf < NaN of IEEE 754."""
    bits = x.view(f"i{x.dtype.itemsize}")
    ordered: Array = np.where(bits < 0, bits ^ np.iinfo(bits.dtype).max, bits)
    return ordered


@op("STABLEHLO_COMPARE", prepare=prepare_compare)
def compare(ctx: OpContext) -> Step:
    options = options_of(ctx, StablehloCompareOptions)
    compared = COMPARISON[options.comparison_direction]
    a, b, y = ctx.input(0), ctx.input(1), ctx.output()
    total = StablehloComparisonType.STABLEHLO_COMPARISON_TYPE_FLOAT_TOTAL_ORDER
    if options.compare_type != total or ctx.dtype() not in REALS:
        return partial(compared, a, b, out=y)

    def step() -> None:
        compared(total_order(a), total_order(b), out=y)

    return step


def prepare_select(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    ctx.require_dtype(0, T.BOOL)
    require_same_dtype(ctx, 1, 2)
    require_shape(ctx, 2, ctx.shape(1))
    require_shape(ctx, 0, ctx.shape(1), ())
    return [ctx.shape(1)]


@op("STABLEHLO_SELECT", prepare=prepare_select)
def select(ctx: OpContext) -> Step:
    return choice(ctx.input(0), ctx.input(1), ctx.input(2), ctx.output())


def prepare_clamp(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    ctx.require_dtype(1, *NUMBERS, T.BOOL)
    require_same_dtype(ctx, 0, 1, 2)
    for i in (0, 2):
        require_shape(ctx, i, ctx.shape(1), ())
    return [ctx.shape(1)]


@op("STABLEHLO_CLAMP", prepare=prepare_clamp)
def clamp(ctx: OpContext) -> Step:
    """minimum(maximum(x, low), high)."""
    low, x, high, y = ctx.input(0), ctx.input(1), ctx.input(2), ctx.output()

    def step() -> None:
        np.maximum(x, low, out=y)
        np.minimum(y, high, out=y)

    return step


def prepare_convert(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    ctx.require_dtype(0, *NUMBERS, T.BOOL)
    if ctx.output_dtype() not in (*NUMBERS, T.BOOL):
        raise OpError(f"the output is {ctx.output_dtype().name}; expected a number or BOOL")
    return [ctx.shape()]


@op("STABLEHLO_CONVERT", prepare=prepare_convert)
def convert(ctx: OpContext) -> Step:
    """Floats lose their fraction; those past an integer type become its nearest, NaN becomes 0."""
    x, y = ctx.input(), ctx.output()
    if y.dtype.kind != "c" and x.dtype.kind == "c":
        x = np.real(x)
    if y.dtype.kind == "b":
        return partial(is_not_zero, x, out=y)
    if y.dtype.kind not in "iu" or x.dtype.kind in "iub":
        return copy(x, y)
    return truncation(x, y, *INTEGER_RANGE[ctx.output_dtype()])


def is_not_zero(x: Array, out: Array) -> None:
    np.not_equal(x, x.dtype.type(0), out=out)


def truncation(x: Array, y: Array, low: int, high: int) -> Step:
    """The step that writes floats rounded towards zero and limited to [low, high] as integers."""

    def step() -> None:
        wide = np.nan_to_num(x.astype(np.float64), nan=0.0)
        below, above = wide <= float(low) - 1, wide >= float(high) + 1
        np.copyto(y, np.where(below | above, 0, wide), casting="unsafe")
        np.copyto(y, low, where=below)
        np.copyto(y, high, where=above)

    return step
