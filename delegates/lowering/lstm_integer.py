"""LSTM layers of int8 with int16 cells, step by step (core/ops/lstm_integer.py)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from litegpu.delegate import Unsupported
from litegpu.errors import OpError
from litegpu.graph import Array, Node
from litegpu.ops.fixed_point import int16_table
from litegpu.ops.lstm_integer import GATE_STEP, HIDDEN
from litegpu.ops.lstm_scales import positive_scale, state_exponent, stored_clip
from litegpu.schema.enums import TensorType

from ..program import Ref
from .context import Lowering
from .quantization import multiplier, multipliers, per_tensor

INTERMEDIATES = 5
OUTPUT_STATE, CELL_STATE = 18, 19


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of the layer, and elements from step to step and from row to row of x and y."""

    steps: int
    batch: int
    units: int
    depth: int
    x: tuple[int, int]
    y: tuple[int, int]


def lower_integer(low: Lowering, node: Node, sizes: Sizes) -> None:
    """One launch a time step; the states are variables."""
    low.require(len(node.intermediates) == INTERMEDIATES, "it has other than five intermediates")
    gates = range(0 if low.has(1) else 1, 4)
    for g in gates:
        for i in (1 + g, 5 + g):
            low.require(low.dtype(i) == TensorType.INT8, f"weights are {low.dtype(i).name}")
    try:
        scales, hidden, zero_point, exponent = scales_of(low, node, gates)
        limit = stored_clip(node.options.cell_clip, positive_scale(low.tensor(CELL_STATE)), bits=16)
    except OpError as error:
        raise Unsupported(str(error)) from None
    biases = np.concatenate([low.values(12 + g).reshape(-1) for g in gates])
    weights, from_input = matrix(low, [1 + g for g in gates], per_tensor(low.tensor(0))[1], biases)
    state_zero = per_tensor(low.tensor(OUTPUT_STATE))[1]
    recurrent, from_state = matrix(low, [5 + g for g in gates], state_zero, np.zeros_like(biases))
    tables = [("logistic", 3), ("tanh", 3), ("tanh", 15 + exponent)]
    constants = [
        *(weights, recurrent, from_input, from_state, low.constant(scales)),
        *(low.computed(("int16", *t), partial(int16_table, *t)) for t in tables),
    ]
    count = sizes.batch * sizes.units
    state, cell, other = low.state(OUTPUT_STATE), low.state(CELL_STATE), low.scratch(max(count, 1))
    x, y = low.input(), low.output()
    for step in range(sizes.steps):
        # An even number of steps is left: the last one writes the state itself.
        source, target = (state, other) if (sizes.steps - step) % 2 == 0 else (other, state)
        if step == 0 and source is not state:
            low.launch("lstm_integer", "copy_state", [count], [state, other, count])
        args: list[Any] = [x, *constants, source, target, cell, y]
        args += [sizes.batch, sizes.units, sizes.depth, step * sizes.x[0], sizes.x[1]]
        args += [step * sizes.y[0], sizes.y[1], 30 + exponent, limit, *hidden, zero_point]
        defines = {"GATES": len(gates)}
        low.launch("lstm_integer", "lstm_integer_step", [count], args, defines)


def matrix(low: Lowering, positions: list[int], zero_point: int, bias: Array) -> tuple[Ref, Ref]:
    """The gates' weights, and their biases less what the zero point of the other factor adds."""
    stacked = np.concatenate([low.values(i) for i in positions])
    added = bias.astype(np.int64) - zero_point * stacked.sum(axis=1, dtype=np.int64)
    return low.constant(np.ascontiguousarray(stacked)), low.constant(added.astype(np.int32))


def scales_of(low: Lowering, node: Node, gates: range) -> tuple[Array, tuple[int, int], int, int]:
    """(multipliers and shifts of the gates' two sums, those of the hidden state, its zero point,
    the exponent of the cell's scale), with the reference's float32 products."""

    def scale(i: int) -> np.float32:
        return positive_scale(low.tensor(i))

    x, state = scale(0), scale(OUTPUT_STATE)
    given = multipliers(np.array([scale(1 + g) * x / GATE_STEP for g in gates], np.float32))
    kept = multipliers(np.array([scale(5 + g) * state / GATE_STEP for g in gates], np.float32))
    tensor = low.graph.tensors[node.intermediates[HIDDEN]]
    real = np.float32(2.0**-15 / float(positive_scale(tensor)) * 2.0**-15)
    scales = np.ascontiguousarray(np.stack([*given, *kept], axis=1), np.int32)
    exponent = state_exponent(scale(CELL_STATE))
    return scales, multiplier(float(real)), per_tensor(tensor)[1], exponent
