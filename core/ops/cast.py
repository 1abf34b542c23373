"""Values in another type, and bits taken for another type."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..dtypes import FLOATS, INTEGER_RANGE, NUMPY, OBJECTS, PACKED_BITS
from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType as T
from .checks import require_inputs
from .context import OpContext
from .registry import Step, op

COMPLEX = frozenset({T.COMPLEX64, T.COMPLEX128})
SMALL_FLOATS = frozenset({T.FLOAT16, T.BFLOAT16, T.FLOAT8_E4M3FN, T.FLOAT8_E5M2})
REALS = FLOATS | SMALL_FLOATS


def saturate(x: Array, y: Array, dtype: T, scratch: Callable[..., Array]) -> Step:
    """The step that truncates float32 or float64 `x` to integer type `dtype`.

    Values beyond the type become its nearest value, NaN its largest.
    """
    low, high = INTEGER_RANGE[dtype]
    kind = x.dtype.type
    top = kind(high)
    exact = int(top) == high
    if not exact:
        top = np.nextafter(top, kind(0))
    bottom = kind(low)
    limited = scratch(x.shape, x.dtype)

    def limit() -> None:
        np.fmin(x, top, out=limited)
        np.fmax(limited, bottom, out=limited)
        np.copyto(y, limited, casting="unsafe")

    if exact:
        return limit
    above, bound = scratch(x.shape, np.bool_), np.array(high, y.dtype)

    def step() -> None:
        limit()
        np.less_equal(x, top, out=above)
        np.logical_not(above, out=above)
        np.copyto(y, bound, where=above)

    return step


def convert(x: Array, y: Array) -> Step:
    """The step of NumPy's conversion: integers wrap, floats round to nearest even."""
    return lambda: np.copyto(y, x, casting="unsafe")


def through(ctx: OpContext, x: Array, y: Array, middle: type, dtype: T) -> Step:
    """The step that converts to `middle` first, as the reference does."""
    between = ctx.scratch(x.shape, middle)
    first, second = convert(x, between), real_step(ctx, between, y, dtype)

    def step() -> None:
        first()
        second()

    return step


def real_step(ctx: OpContext, x: Array, y: Array, dtype: T) -> Step:
    """The step from float32 or float64 `x` to `dtype`."""
    if dtype in INTEGER_RANGE:
        return saturate(x, y, dtype, ctx.scratch)
    if dtype in SMALL_FLOATS and x.dtype != np.float32:
        return through(ctx, x, y, np.float32, dtype)
    return convert(x, y)


def cast_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    for dtype in (ctx.dtype(0), ctx.output_dtype()):
        ctx.require(dtype not in OBJECTS and dtype != T.RESOURCE, f"{dtype.name} cannot be cast")
    packed = {ctx.dtype(0), ctx.output_dtype()} & PACKED_BITS.keys()
    ctx.require(
        not packed or T.FLOAT32 in (ctx.dtype(0), ctx.output_dtype()),
        lambda: (
            f"{ctx.dtype(0).name} to {ctx.output_dtype().name}: "
            "types of less than 8 bits are cast from and to FLOAT32 alone"
        ),
    )
    return [ctx.shape(0)]


@op("CAST", prepare=cast_shape, versions=(1, 9))
def cast(ctx: OpContext) -> Step:
    """Complex values lose their imaginary parts; floats saturate in integers; integers wrap."""
    x, y, given, wanted = ctx.input(0), ctx.output(), ctx.dtype(0), ctx.output_dtype()
    if given in COMPLEX and wanted not in COMPLEX:
        x = np.real(x)
        given = T.FLOAT32 if given == T.COMPLEX64 else T.FLOAT64
    if given == wanted:
        return convert(x, y)
    if given in SMALL_FLOATS or (given in INTEGER_RANGE and wanted in SMALL_FLOATS):
        return through(ctx, x, y, np.float32, wanted)
    return real_step(ctx, x, y, wanted) if given in REALS else convert(x, y)


def element_bytes(dtype: T) -> int:
    if dtype in OBJECTS or dtype in PACKED_BITS:
        raise OpError(f"{dtype.name} has no bits to be taken for another type")
    return NUMPY[dtype].itemsize


def bitcast_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    given, wanted = element_bytes(ctx.dtype(0)), element_bytes(ctx.output_dtype())
    shape = ctx.shape(0)
    if given > wanted:
        return [(*shape, given // wanted)]
    if given == wanted:
        return [shape]
    count = wanted // given
    ctx.require(
        shape[-1:] == (count,),
        f"shape {list(shape)}: expected {count} elements along the last axis",
    )
    return [shape[:-1]]


@op("BITCAST", prepare=bitcast_shape)
def bitcast(ctx: OpContext) -> Step:
    x, y = ctx.input(0), ctx.output()
    source, target = x.reshape(-1).view(np.uint8), y.reshape(-1).view(np.uint8)
    return lambda: np.copyto(target, source)
