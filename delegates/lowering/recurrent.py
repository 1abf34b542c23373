"""Recurrent operators: SVDF, and steps of LSTM without projection, peepholes or normalisation."""

from __future__ import annotations

import numpy as np
from litegpu.graph import Array, Node, Tensor
from litegpu.ops.quantized import quantize_multiplier
from litegpu.schema.enums import ActivationFunctionType, TensorType

from .context import Lowering, Value
from .lstm_integer import Sizes, lower_integer
from .registry import lowers

F32, I8 = TensorType.FLOAT32, TensorType.INT8
ACTIVATIONS = {
    ActivationFunctionType.NONE: "(x)",
    ActivationFunctionType.RELU: "limit_below(x, 0.0f)",
    ActivationFunctionType.RELU6: "limit(x, 0.0f, 6.0f)",
    ActivationFunctionType.RELU_N1_TO_1: "limit(x, -1.0f, 1.0f)",
    ActivationFunctionType.TANH: "tanh(x)",
}


def _activation(low: Lowering, activation: ActivationFunctionType) -> dict[str, object]:
    """The define of a fused activation."""
    low.require(activation in ACTIVATIONS, f"fused activation {activation.name}")
    return {"ACTIVATION(x)": ACTIVATIONS[activation]}


def _scale(low: Lowering, tensor: Tensor) -> tuple[float, int]:
    quant = tensor.quant
    low.require(quant is not None and quant.scale.size == 1, f"{tensor.name!r} is not per tensor")
    assert quant is not None
    return float(quant.scale[0]), int(quant.zero_point[0])


@lowers("SVDF")
def svdf(low: Lowering, node: Node) -> None:
    """Two launches: the filters with their states, and the sums of each unit's filters."""
    dtype = low.require_dtype(0, F32, I8)
    low.require(low.dtype(1) == dtype, f"hybrid weights of {low.dtype(1).name}")
    batch, depth = low.shape(0)
    filters, memory = low.shape(2)
    units = low.output_tensor().shape[1]
    options = node.options
    first, second, rest = [0, 0, 0], [0, 0, 0], 0
    if dtype == F32:
        defines = _activation(low, options.fused_activation_function) | {"INTEGER": 0}
        defines |= {"X_T": low.ctype(0), "W_T": low.ctype(1), "TIME_T": low.ctype(2)}
    else:
        state = low.dtype(4)
        width = {TensorType.INT16: "short", I8: "char"}[state]
        defines = {"INTEGER": 1, "X_T": "char", "W_T": "char", "SUM_T": "int"}
        defines |= {"TIME_T": width, "STATE_T": width}
        x, w, t, s = (_scale(low, low.tensor(i)) for i in (0, 1, 2, 4))
        y = _scale(low, low.output_tensor())
        rest = s[1] if state == I8 else 0
        # The products are rounded in float32, as core/ops/svdf.py rounds them.
        x32, w32, t32, s32, y32 = (np.float32(v[0]) for v in (x, w, t, s, y))
        first = [x[1], *quantize_multiplier(float(x32 * w32 / s32))]
        second = [*quantize_multiplier(float(s32 * t32 / y32)), y[1]]
    filtered = low.scratch(4 * batch * filters)
    low.launch(
        "recurrent",
        "svdf_filter",
        [batch * filters * low.info.warp],
        [
            *(low.input(i) for i in (0, 1, 2)),
            low.state(4),
            filtered,
            *(batch, filters, depth, memory),
            *first,
            rest,
        ],
        defines,
    )
    biased = low.has(3)
    bias = low.wide_input(3) if biased else filtered
    shape = [batch * units, units, filters // units, int(biased)]
    args: list[Value] = [filtered, bias, low.output(), *shape, *second]
    low.launch("recurrent", "svdf_reduce", [batch * units], args, defines)


def _stack(low: Lowering, positions: tuple[int, ...]) -> Array:
    """Constants of the four gates, one after the other."""
    arrays = [low.values(i) for i in positions]
    return np.ascontiguousarray(np.concatenate([a.reshape(a.shape[0], -1) for a in arrays]))


@lowers("UNIDIRECTIONAL_SEQUENCE_LSTM")
def lstm(low: Lowering, node: Node) -> None:
    """One launch a time step; the states are variables."""
    optional = (9, 10, 11, 16, 17, 20, 21, 22, 23)
    low.require(
        not any(low.has(i) for i in optional), "it has peepholes, a projection or normalisation"
    )
    if low.require_dtype(0, F32, I8) == I8:
        lower_integer(low, node, layer_sizes(low, node))
        return
    for i in (1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14, 15):
        low.require(low.has(i), f"input {i} is absent: the gates are coupled")
        low.require(low.dtype(i) == F32, f"hybrid weights of {low.dtype(i).name}")
    options = node.options
    low.require(not options.diagonal_recurrent_tensors, "its recurrent weights are diagonal")
    # Without an activation the reference shows the cell gate in place of the cell.
    plain = options.fused_activation_function == ActivationFunctionType.NONE
    low.require(not plain, "it has no activation")
    defines = _activation(low, options.fused_activation_function) | {"INTEGER": 0}
    defines |= {"X_T": low.ctype(0), "W_T": low.ctype(1)}
    sizes = layer_sizes(low, node)
    steps, batch, units, depth = sizes.steps, sizes.batch, sizes.units, sizes.depth
    gates = (1, 2, 3, 4), (5, 6, 7, 8)
    weights, recurrent = (low.constant(low.narrow(_stack(low, gate))) for gate in gates)
    bias = low.constant(_stack(low, (12, 13, 14, 15)))
    x, y = low.input(), low.output()
    state, cell = low.state(18), low.state(19)
    other = low.scratch(4 * batch * units)
    (step_x, row_x), (step_y, row_y) = sizes.x, sizes.y
    for step in range(steps):
        # An even number of steps is left: the last one writes the state itself.
        source, target = (state, other) if (steps - step) % 2 == 0 else (other, state)
        if step == 0 and source is not state:
            low.launch("recurrent", "copy_state", [batch * units], [state, other, batch * units])
        args = [x, weights, recurrent, bias, source, target, cell, y]
        extents = [batch, units, depth, step * step_x, row_x, step * step_y, row_y]
        clip = float(options.cell_clip)
        threads = [batch * units * low.info.warp]
        low.launch("recurrent", "lstm_step", threads, [*args, *extents, clip], defines)


def layer_sizes(low: Lowering, node: Node) -> Sizes:
    units, depth = low.shape(4)
    major = 0 if node.options.time_major else 1
    steps, batch = low.shape(0)[major], low.shape(0)[1 - major]
    x, y = (
        (batch * width, width) if node.options.time_major else (width, steps * width)
        for width in (depth, units)
    )
    return Sizes(steps, batch, units, depth, x, y)
