"""The basic LSTM kernel: one weight matrix for all gates, float32 or uint8 with an int16 state."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape, Tensor
from ..schema.enums import TensorType
from .context import OpContext
from .fixed_point import int16_table, multiply, rescale, saturate
from .hybrid import exact_matrix
from .lstm_scales import positive_scale
from .quantized import multiply_by_quantized_multiplier, per_tensor, quantize_multiplier
from .recurrent import logistic
from .registry import Step

X, PREVIOUS, WEIGHTS, BIAS, STATE = range(5)
STATE_INTEGER_BITS = 4
BITS = 16
Update = Callable[[Array, Array, Array, Array, Array], None]
"""f(both, state, gates, new_state, activation) fills the last three."""

FLOAT = (TensorType.FLOAT32,) * 9
QUANTIZED = (
    *(TensorType.UINT8, TensorType.UINT8, TensorType.UINT8, TensorType.INT32, TensorType.INT16),
    *(TensorType.UINT8, TensorType.INT16, TensorType.UINT8, TensorType.INT16),
)


def prepare_basic(ctx: OpContext) -> list[Shape]:
    """Outputs: activation, state, the concatenated inputs, the gates before their functions."""
    inputs, outputs = len(ctx.node.inputs), len(ctx.node.outputs)
    ctx.require(
        (inputs, outputs) == (5, 4), f"{inputs} inputs, {outputs} outputs; expected 5 and 4"
    )
    types = tuple(ctx.dtype(i) for i in range(5)) + tuple(ctx.output_dtype(j) for j in range(4))
    if types not in (FLOAT, QUANTIZED):
        raise OpError(f"unsupported combination of types: {', '.join(t.name for t in types)}")
    for i in (X, PREVIOUS):
        ctx.require(ctx.rank(i) == 2, f"input {i} has shape {list(ctx.shape(i))}; expected rank 2")
    batch, depth = ctx.shape(X)
    units = ctx.shape(PREVIOUS)[1]
    wanted = {
        PREVIOUS: (batch, units),
        WEIGHTS: (4 * units, depth + units),
        BIAS: (4 * units,),
        STATE: (batch, units),
    }
    for i, shape in wanted.items():
        if ctx.shape(i) != shape:
            raise OpError(f"input {i} has shape {list(ctx.shape(i))}; expected {list(shape)}")
    if types == QUANTIZED:
        _check_state_scale(ctx.output_tensor(1))
    return [(batch, units), (batch, units), (batch, depth + units), (batch, 4 * units)]


def _check_state_scale(state: Tensor) -> None:
    scale = positive_scale(state)
    exact = math.log2(scale)
    if abs(exact - round(exact)) >= 1e-3 or 15 + round(exact) != STATE_INTEGER_BITS:
        raise OpError(f"the state has scale {scale}; expected 2^-11")


def bind_basic(ctx: OpContext) -> Step:
    x, previous, state = ctx.input(X), ctx.input(PREVIOUS), ctx.input(STATE)
    activation, new_state, both, gates = (ctx.output(j) for j in range(4))
    update = _float_cell(ctx) if ctx.dtype(X) == TensorType.FLOAT32 else _quantized_cell(ctx)
    depth = x.shape[1]
    kept = [
        (memory, result)
        for i, memory, result in ((PREVIOUS, previous, activation), (STATE, state, new_state))
        if ctx.tensor(i).is_variable
    ]

    def step() -> None:
        both[:, :depth] = x
        both[:, depth:] = previous
        update(both, state, gates, new_state, activation)
        for memory, result in kept:
            np.copyto(memory, result)

    return step


def _float_cell(ctx: OpContext) -> Update:
    weights, bias = ctx.value(WEIGHTS).T, ctx.value(BIAS)

    def update(
        both: Array, state: Array, gates: Array, new_state: Array, activation: Array
    ) -> None:
        np.matmul(both, weights, out=gates)
        np.add(gates, bias, out=gates)
        entry, candidate, forget, exit_ = np.split(gates.copy(), 4, axis=1)
        for gate in (entry, forget, exit_):
            logistic(gate)
        np.multiply(forget, state, out=new_state)
        np.add(new_state, entry * np.tanh(candidate), out=new_state)
        np.multiply(exit_, np.tanh(new_state), out=activation)

    return update


def _quantized_cell(ctx: OpContext) -> Update:
    """Gates in int16 with 3 integer bits, the state with 4; activations are uint8 around 128."""
    offset = per_tensor(ctx.tensor(WEIGHTS))[1]
    matrix = exact_matrix(ctx.value(WEIGHTS).astype(np.int64) - offset, 128)
    bias = ctx.value(BIAS).astype(np.int64)
    multiplier, shift = quantize_multiplier(4096 * float(positive_scale(ctx.tensor(BIAS))))
    logistics, tanhs = int16_table("logistic", 3), int16_table("tanh", 3)

    def update(
        both: Array, state: Array, gates: Array, new_state: Array, activation: Array
    ) -> None:
        sums = (both.astype(matrix.dtype) - 128) @ matrix
        total = sums.astype(np.int64) + bias
        gates[...] = saturate(multiply_by_quantized_multiplier(total, multiplier, shift), BITS)
        entry, candidate, forget, exit_ = np.split(gates.view(np.uint16), 4, axis=1)
        added = rescale(
            multiply(logistics[entry], tanhs[candidate], BITS), -STATE_INTEGER_BITS, BITS
        )
        kept = multiply(logistics[forget], state, BITS)
        new_state[...] = saturate(added + kept, BITS)
        wide = rescale(new_state, STATE_INTEGER_BITS - 3, BITS).astype(np.int16).view(np.uint16)
        result = rescale(multiply(logistics[exit_], tanhs[wide], BITS), -8, BITS)
        activation[...] = 128 + np.clip(result, -128, 127)

    return update
