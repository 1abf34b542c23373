"""SVDF: features of the input, remembered for some steps, and filtered in time.

Nakkiran et al. 2015, "Compressing Deep Neural Networks using a Rank-Constrained Topology".
"""

from __future__ import annotations

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import ActivationFunctionType, TensorType
from ..schema.options import SVDFOptions
from .checks import options_of, require_inputs, require_rank
from .context import OpContext
from .fixed_point import saturate
from .fused import activate
from .lstm_cell import require
from .lstm_scales import positive_scale
from .quantized import multiply_by_quantized_multiplier, per_tensor, quantize_multiplier
from .recurrent import affine, product_with, vectors
from .registry import Step, op

X, FEATURES, TIME, BIAS, STATE = range(5)
FLOAT, INT8 = TensorType.FLOAT32, TensorType.INT8


def prepare_svdf(ctx: OpContext) -> list[Shape]:
    options = options_of(ctx, SVDFOptions)
    require_inputs(ctx, 5)
    for i in (X, FEATURES, TIME):
        require_rank(ctx, i, 2)
    batch, depth = ctx.shape(X)
    filters, memory = ctx.shape(TIME)
    if options.rank < 1 or filters % options.rank:
        raise OpError(f"rank is {options.rank}; expected a divisor of the {filters} filters")
    ctx.require(memory > 0, "weights of time have no steps; expected one or more")
    kinds = {FLOAT: (FLOAT, TensorType.INT8, TensorType.UINT8), INT8: (INT8,)}
    given = ctx.require_dtype(X, *kinds)
    held = ctx.require_dtype(FEATURES, *kinds[given])
    integer = given == INT8
    units = filters // options.rank
    require(ctx, FEATURES, (filters, depth), held)
    state_type = ctx.require_dtype(STATE, *((TensorType.INT16, INT8) if integer else (FLOAT,)))
    require(ctx, TIME, (filters, memory), state_type if integer else held)
    if ctx.has(BIAS):
        require(ctx, BIAS, (units,), TensorType.INT32 if integer else FLOAT)
    require(ctx, STATE, (batch, filters * memory), state_type)
    ctx.require(ctx.tensor(STATE).is_variable, "input 4 is the state; it must be a variable tensor")
    ctx.require(
        ctx.output_dtype() == given, f"output is {ctx.output_dtype().name}, unlike the input"
    )
    if integer:
        activation = options.fused_activation_function
        ctx.require(
            activation == ActivationFunctionType.RELU,
            f"fused activation {activation.name}; the integer form takes RELU",
        )
        _multipliers(ctx)
    return [(batch, units)]


@op("SVDF", prepare=prepare_svdf, versions=(1, 4), pure=False)
def svdf(ctx: OpContext) -> Step:
    options = options_of(ctx, SVDFOptions)
    filters, memory = ctx.shape(TIME)
    state = ctx.input(STATE).reshape(ctx.shape(X)[0], filters, memory)
    bind = _bind_integer if ctx.dtype(X) == INT8 else _bind_float
    return bind(ctx, options, state)


def remember(state: Array, newest: Array) -> None:
    """Moves `state` [batch, filters, memory] one step back in time and appends `newest`."""
    state[..., :-1] = state[..., 1:]
    state[..., -1] = newest


def _bind_float(ctx: OpContext, options: SVDFOptions, state: Array) -> Step:
    x, y = ctx.input(X), ctx.output()
    features = product_with(ctx, [FEATURES], options.asymmetric_quantize_inputs)
    weights = vectors(ctx, [TIME])[0]
    bias = ctx.value(BIAS) if ctx.has(BIAS) else np.float32(0)

    def step() -> None:
        remember(state, features(x))
        filtered = np.einsum("bfm,fm->bf", state, weights)
        np.sum(filtered.reshape(*y.shape, options.rank), axis=-1, out=y)
        np.add(y, bias, out=y)
        activate(y, options.fused_activation_function)

    return step


def _multipliers(ctx: OpContext) -> list[tuple[int, int]]:
    """(multiplier, shift) from features to the state, and from filtered states to the output."""
    given, features, time, state, result = (
        positive_scale(tensor)
        for tensor in (*map(ctx.tensor, (X, FEATURES, TIME, STATE)), ctx.output_tensor())
    )
    ratios = (given * features / state, state * time / result)
    return [quantize_multiplier(float(ratio)) for ratio in ratios]


def _bind_integer(ctx: OpContext, options: SVDFOptions, state: Array) -> Step:
    """State and weights of time are int16 with zero point 0; or int8 as in TensorFlow Lite Micro,
    where the state has a zero point. (LiteRT reads int8 states as int16, past their ends.)"""
    x, y = ctx.input(X), ctx.output()
    to_state, to_output = _multipliers(ctx)
    features = affine(ctx.value(FEATURES), per_tensor(ctx.tensor(X))[1])
    weights = ctx.value(TIME).astype(np.int64)
    bias = ctx.value(BIAS) if ctx.has(BIAS) else np.int64(0)
    zero_point = per_tensor(ctx.output_tensor())[1]
    bits = 8 * state.dtype.itemsize
    rest = per_tensor(ctx.tensor(STATE))[1] if bits == 8 else 0

    def step() -> None:
        scaled = multiply_by_quantized_multiplier(features(x), *to_state)
        remember(state, saturate(scaled + rest, bits))
        filtered = np.einsum("bfm,fm->bf", state - np.int64(rest), weights)
        total = filtered.reshape(*y.shape, options.rank).sum(axis=-1) + bias
        # The reference adds up in 32 bits, which wrap.
        wrapped = total.astype(np.int32)
        scaled = multiply_by_quantized_multiplier(wrapped, *to_output)
        y[...] = saturate(scaled + zero_point, 8)

    return step
