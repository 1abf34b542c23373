"""LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM and BIDIRECTIONAL_SEQUENCE_LSTM: nodes to cells and layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import LSTMKernelType, TensorType
from ..schema.options import (
    BidirectionalSequenceLSTMOptions,
    LSTMOptions,
    UnidirectionalSequenceLSTMOptions,
)
from .checks import options_of, require_inputs
from .context import OpContext
from .lstm_basic import bind_basic, prepare_basic
from .lstm_cell import FORGET, OUTPUT, Cell, Slots, cell_types, check_cell
from .lstm_float import CellOptions, bind_layer
from .lstm_integer import bind_layer16, check_layer16
from .lstm_integer8 import bind_layer8, check_layer8
from .recurrent import time_major
from .registry import Step, op

SINGLE = Slots(weights=1, output_state=18, cell_state=19, norm=20)


def cell_options(options: Any) -> CellOptions:
    """The options that every table has; clips must not be negative."""
    if not (options.cell_clip >= 0 and options.proj_clip >= 0):
        raise OpError(f"clips are {options.cell_clip} and {options.proj_clip}; expected >= 0")
    return CellOptions(
        options.fused_activation_function,
        options.cell_clip,
        options.proj_clip,
        options.asymmetric_quantize_inputs,
    )


def single_cell(ctx: OpContext, batch: int, inputs: int, diagonals: bool) -> Cell:
    """The one cell of LSTM and UNIDIRECTIONAL_SEQUENCE_LSTM."""
    count = len(ctx.node.inputs)
    ctx.require(count in (20, 24), f"the node has {count} inputs; expected 20 or 24")
    types = cell_types(ctx, SINGLE.input_weights(OUTPUT))
    ctx.require(
        ctx.output_dtype() == types.output, f"output is {ctx.output_dtype().name}, unlike the input"
    )
    return check_cell(ctx, SINGLE, types, batch, inputs, diagonals)


def bind_single(ctx: OpContext, cell: Cell, options: CellOptions, x: Array, y: Array) -> Step:
    if ctx.dtype(0) == TensorType.FLOAT32:
        return bind_layer(ctx, cell, options, x, None, y)
    bind = bind_layer16 if len(ctx.node.intermediates) == 5 else bind_layer8
    return bind(ctx, cell, options, x, y)


def check_intermediates(ctx: OpContext, cell: Cell, *allowed: int) -> None:
    """Raises OpError unless the node's scales make an integer cell that can run."""
    found = len(ctx.node.intermediates)
    ctx.require(found in allowed, f"the node has {found} intermediates; expected {allowed}")
    check = check_layer16 if found == 5 else check_layer8
    check(ctx, cell)


def full_cell(ctx: OpContext) -> Cell:
    ctx.require(ctx.rank(0) == 2, f"input has shape {list(ctx.shape(0))}; expected rank 2")
    batch, inputs = ctx.shape(0)
    return single_cell(ctx, batch, inputs, diagonals=False)


def prepare_full(ctx: OpContext) -> list[Shape]:
    cell_options(options_of(ctx, LSTMOptions))
    cell = full_cell(ctx)
    if ctx.dtype(0) == TensorType.INT8:
        check_intermediates(ctx, cell, 5, 12)
    return [(cell.batch, cell.outputs)]


def prepare_lstm(ctx: OpContext) -> list[Shape]:
    basic = options_of(ctx, LSTMOptions).kernel_type == LSTMKernelType.BASIC
    return prepare_basic(ctx) if basic else prepare_full(ctx)


@op("LSTM", prepare=prepare_lstm, versions=(1, 4), pure=False)
def lstm(ctx: OpContext) -> Step:
    options = options_of(ctx, LSTMOptions)
    if options.kernel_type == LSTMKernelType.BASIC:
        return bind_basic(ctx)
    cell = full_cell(ctx)
    return bind_single(ctx, cell, cell_options(options), ctx.input(0)[None], ctx.output(0)[None])


def sequence_cell(ctx: OpContext, options: UnidirectionalSequenceLSTMOptions) -> Cell:
    ctx.require(ctx.rank(0) == 3, f"input has shape {list(ctx.shape(0))}; expected rank 3")
    batch = ctx.shape(0)[1 if options.time_major else 0]
    return single_cell(ctx, batch, ctx.shape(0)[2], ctx.dtype(0) == TensorType.FLOAT32)


def prepare_sequence(ctx: OpContext) -> list[Shape]:
    options = options_of(ctx, UnidirectionalSequenceLSTMOptions)
    cell_options(options)
    cell = sequence_cell(ctx, options)
    if ctx.dtype(0) == TensorType.INT8:
        check_intermediates(ctx, cell, 5)
    return [(*ctx.shape(0)[:2], cell.outputs)]


@op("UNIDIRECTIONAL_SEQUENCE_LSTM", prepare=prepare_sequence, versions=(1, 4), pure=False)
def sequence_lstm(ctx: OpContext) -> Step:
    options = options_of(ctx, UnidirectionalSequenceLSTMOptions)
    x = time_major(ctx.input(0), options.time_major)
    y = time_major(ctx.output(0), options.time_major)
    return bind_single(ctx, sequence_cell(ctx, options), cell_options(options), x, y)


FORWARD = Slots(weights=1, output_state=35, cell_state=36, aux=40)
BACKWARD = Slots(weights=18, output_state=37, cell_state=38, aux=44)
AUX_INPUT = 39


@dataclass(frozen=True, slots=True)
class Bidirectional:
    """Two cells. `crossed`: the auxiliary input feeds both through weights of its own.

    Without such weights the auxiliary input, if there is one, is the input of the backward cell.
    """

    forward: Cell
    backward: Cell
    crossed: bool


def check_bidirectional(ctx: OpContext, options: BidirectionalSequenceLSTMOptions) -> Bidirectional:
    require_inputs(ctx, 48)
    wanted = 1 if options.merge_outputs else 2
    found = len(ctx.node.outputs)
    ctx.require(found == wanted, f"the node has {found} outputs; expected {wanted}")
    ctx.require_dtype(0, TensorType.FLOAT32)
    ctx.require(ctx.rank(0) == 3, f"input has shape {list(ctx.shape(0))}; expected rank 3")
    batch, inputs = ctx.shape(0)[1 if options.time_major else 0], ctx.shape(0)[2]
    types = cell_types(ctx, FORWARD.input_weights(OUTPUT), integer=False)
    ctx.require(
        all(ctx.output_dtype(j) == types.output for j in range(found)), "outputs must be float32"
    )
    forward, backward = (check_cell(ctx, s, types, batch, inputs) for s in (FORWARD, BACKWARD))
    both = Bidirectional(forward, backward, ctx.has(AUX_INPUT + 1 + FORGET))
    if ctx.has(AUX_INPUT):
        _check_aux(ctx, both, types.weights)
    elif both.crossed:
        raise OpError(f"auxiliary weights without an auxiliary input (input {AUX_INPUT})")
    return both


def _check_aux(ctx: OpContext, both: Bidirectional, weights: TensorType) -> None:
    ctx.require_dtype(AUX_INPUT, TensorType.FLOAT32)
    shape = ctx.shape(AUX_INPUT)
    fits = len(shape) == 3 and shape[:2] == ctx.shape(0)[:2]
    if not both.crossed:
        fits = fits and shape == ctx.shape(0)
    if not fits:
        raise OpError(f"auxiliary input has shape {list(shape)}; the input {list(ctx.shape(0))}")
    for cell in (both.forward, both.backward):
        for gate in cell.gates:
            i = (cell.slots.aux or 0) + gate
            ctx.require(
                ctx.has(i) == both.crossed, "auxiliary weights must be given for all gates or none"
            )
            if both.crossed:
                ctx.require_dtype(i, weights)
                wanted = (cell.cells, shape[2])
                ctx.require(
                    ctx.shape(i) == wanted,
                    f"input {i} has shape {list(ctx.shape(i))}; expected {list(wanted)}",
                )


def prepare_bidirectional(ctx: OpContext) -> list[Shape]:
    options = options_of(ctx, BidirectionalSequenceLSTMOptions)
    cell_options(options)
    both = check_bidirectional(ctx, options)
    steps = ctx.shape(0)[:2]
    sizes = [both.forward.outputs, both.backward.outputs]
    return [(*steps, n) for n in ([sum(sizes)] if options.merge_outputs else sizes)]


@op("BIDIRECTIONAL_SEQUENCE_LSTM", prepare=prepare_bidirectional, versions=(1, 3), pure=False)
def bidirectional_lstm(ctx: OpContext) -> Step:
    options = options_of(ctx, BidirectionalSequenceLSTMOptions)
    both = check_bidirectional(ctx, options)
    shared = cell_options(options)
    x = time_major(ctx.input(0), options.time_major)
    aux = time_major(ctx.input(AUX_INPUT), options.time_major) if ctx.has(AUX_INPUT) else None
    y = time_major(ctx.output(0), options.time_major)
    split = both.forward.outputs
    ahead = y[..., :split]
    behind = (
        y[..., split:] if options.merge_outputs else time_major(ctx.output(1), options.time_major)
    )
    backward_x = x if aux is None or both.crossed else aux
    crossing = aux if both.crossed else None
    forward = bind_layer(ctx, both.forward, shared, x, crossing, ahead)
    backward = bind_layer(ctx, both.backward, shared, backward_x, crossing, behind, reverse=True)

    def step() -> None:
        forward()
        backward()

    return step
