"""L2 and local response normalisation over the last dimension."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..dtypes import INTEGER_RANGE
from ..graph import Shape
from ..schema.enums import ActivationFunctionType
from ..schema.enums import TensorType as T
from ..schema.options import L2NormOptions, LocalResponseNormalizationOptions
from .checks import options_of, require_rank
from .context import OpContext
from .fixed_point import inverse_square_root
from .quantized import multiply_by_quantized_multiplier, per_tensor
from .registry import Step, op

EPSILON = np.float32(1e-6)
OUTPUT_ZERO_POINT = {T.UINT8: 128, T.INT8: 0}
OUTPUT_SCALE_BITS = 7


def prepare_l2(ctx: OpContext) -> list[Shape]:
    dtype = ctx.require_dtype(0, T.FLOAT32, T.UINT8, T.INT8)
    ctx.require(ctx.output_dtype() == dtype, "input and output must be of one type")
    ctx.require(ctx.rank() > 0, "the input is a scalar; expected rank 1 or more")
    activation = options_of(ctx, L2NormOptions).fused_activation_function
    ctx.require(
        activation == ActivationFunctionType.NONE,
        lambda: f"fused activation {activation.name} is not supported",
    )
    if dtype in OUTPUT_ZERO_POINT:
        found, expected = per_tensor(ctx.output_tensor()), (1 / 128, OUTPUT_ZERO_POINT[dtype])
        ctx.require(
            found == expected,
            lambda: f"the output has scale and zero point {found}; expected {expected}",
        )
    return [ctx.shape()]


@op("L2_NORMALIZATION", prepare=prepare_l2, versions=(1, 2))
def l2_normalization(ctx: OpContext) -> Step:
    """x / max(|x|, 1e-6), |x| being the Euclidean norm of the last dimension."""
    if ctx.dtype() != T.FLOAT32:
        return l2_quantized(ctx)
    x, y = ctx.input(), ctx.output()
    norm = ctx.scratch((*x.shape[:-1], 1), x.dtype)

    def step() -> None:
        np.multiply(x, x, out=y)
        np.add.reduce(y, axis=-1, keepdims=True, out=norm)
        np.sqrt(norm, out=norm)
        np.maximum(norm, EPSILON, out=norm)
        np.divide(x, norm, out=y)

    return step


def l2_quantized(ctx: OpContext) -> Step:
    x, y = ctx.input(), ctx.output()
    in_zero = per_tensor(ctx.tensor(0))[1]
    out_zero = OUTPUT_ZERO_POINT[ctx.dtype()]
    low, high = INTEGER_RANGE[ctx.dtype()]

    def step() -> None:
        centred = x.astype(np.int32) - in_zero
        squares = np.add.reduce(centred * centred, axis=-1, keepdims=True, dtype=np.int32)
        multiplier, right = inverse_square_root(squares)
        if ctx.dtype() == T.UINT8:
            # The reference scales the input up before, not the multiplier.
            scaled = multiply_by_quantized_multiplier(
                centred << OUTPUT_SCALE_BITS, multiplier, -right
            )
        else:
            shift = OUTPUT_SCALE_BITS - right
            scaled = multiply_by_quantized_multiplier(centred, multiplier, shift)
        np.copyto(y, np.clip(scaled + out_zero, low, high), casting="unsafe")

    return step


def prepare_local_response(ctx: OpContext) -> list[Shape]:
    ctx.require_dtype(0, T.FLOAT32)
    ctx.require(ctx.output_dtype() == T.FLOAT32, "input and output must be FLOAT32")
    require_rank(ctx, 0, 4)
    radius = options_of(ctx, LocalResponseNormalizationOptions).radius
    ctx.require(radius >= 0, lambda: f"the radius is {radius}; expected 0 or more")
    return [ctx.shape()]


@op("LOCAL_RESPONSE_NORMALIZATION", prepare=prepare_local_response)
def local_response_normalization(ctx: OpContext) -> Step:
    """x * (bias + alpha * sum of x^2 over the 2 * radius + 1 nearest channels)^-beta.

    The reference kernel leaves out the upper neighbour; this is the formula (Krizhevsky et al.,
    2012, section 3.3) and the optimised kernel.
    """
    x, y = ctx.input(), ctx.output()
    options = options_of(ctx, LocalResponseNormalizationOptions)
    channels = x.shape[-1]
    radius = min(options.radius, channels - 1)
    alpha, bias = np.float32(options.alpha), np.float32(options.bias)
    beta = np.float32(options.beta)
    squares = ctx.scratch(x.shape, x.dtype)

    def step() -> None:
        np.multiply(x, x, out=squares)
        np.copyto(y, squares)
        for k in range(1, radius + 1):
            upper, lower = y[..., k:], y[..., :-k]
            np.add(upper, squares[..., :-k], out=upper)
            np.add(lower, squares[..., k:], out=lower)
        np.multiply(y, alpha, out=y)
        np.add(y, bias, out=y)
        power()
        np.multiply(x, y, out=y)

    def power() -> None:
        if beta == 0.5:
            np.sqrt(y, out=y)
        elif beta != 1:
            np.power(y, -beta, out=y)
            return
        np.reciprocal(y, out=y)

    return step if x.size else partial(np.copyto, y, x)
