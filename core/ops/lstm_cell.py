"""The tensors of an LSTM cell: where they stand among a node's inputs, and what they must be.

Gates are numbered input 0, forget 1, cell 2, output 3. A cell without an input gate couples it to
the forget gate (CIFG, Greff et al. 2015, arXiv:1503.04069).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import OpError
from ..graph import Shape
from ..schema.enums import TensorType
from .context import OpContext

INPUT, FORGET, CELL, OUTPUT = range(4)
PEEPHOLE = {INPUT: 0, FORGET: 1, OUTPUT: 2}


@dataclass(frozen=True, slots=True)
class Slots:
    """Positions among the node's inputs.

    `weights`: the first of 17: input weights and recurrent weights of four gates, peephole weights
    of three, biases of four, projection, its bias. `norm`, `aux`: the first of four, by gate.
    """

    weights: int
    output_state: int
    cell_state: int
    norm: int | None = None
    aux: int | None = None

    def input_weights(self, gate: int) -> int:
        return self.weights + gate

    def recurrent_weights(self, gate: int) -> int:
        return self.weights + 4 + gate

    def peephole(self, gate: int) -> int:
        return self.weights + 8 + PEEPHOLE[gate]

    def bias(self, gate: int) -> int:
        return self.weights + 11 + gate

    @property
    def projection(self) -> int:
        return self.weights + 15

    @property
    def projection_bias(self) -> int:
        return self.weights + 16


@dataclass(frozen=True, slots=True)
class CellTypes:
    """What the tensors of a cell hold."""

    weights: TensorType
    peephole: TensorType
    bias: TensorType
    norm: TensorType
    output: TensorType
    cell: TensorType


@dataclass(frozen=True, slots=True)
class Cell:
    """A checked cell: its parts and sizes. `gates` without INPUT where it is coupled.

    `diagonal`: the gates whose recurrent weights are a vector, the diagonal of a matrix.
    """

    slots: Slots
    gates: tuple[int, ...]
    diagonal: frozenset[int]
    peephole: bool
    norm: bool
    projection: bool
    batch: int
    inputs: int
    cells: int
    outputs: int


def cell_types(ctx: OpContext, weights: int, integer: bool = True) -> CellTypes:
    """The types that follow from those of input 0 and of the weights at `weights`."""
    given, held = ctx.dtype(0), ctx.dtype(weights)
    if given == TensorType.FLOAT32:
        if held not in (TensorType.FLOAT32, TensorType.INT8, TensorType.UINT8):
            raise OpError(f"weights are {held.name}; a float32 input takes float32, int8 or uint8")
        return CellTypes(held, held, *[TensorType.FLOAT32] * 4)
    if not integer or given != TensorType.INT8 or held != TensorType.INT8:
        raise OpError(f"the input is {given.name} and the weights are {held.name}; not supported")
    short, wide = TensorType.INT16, TensorType.INT32
    return CellTypes(held, short, wide, short, TensorType.INT8, short)


def check_cell(
    ctx: OpContext, slots: Slots, types: CellTypes, batch: int, inputs: int, diagonals: bool = False
) -> Cell:
    """The cell of these slots; raises OpError where its tensors do not fit together."""
    last = slots.recurrent_weights(OUTPUT)
    cells = _matrix_rows(ctx, slots.input_weights(OUTPUT))
    outputs = ctx.shape(last)[-1] if ctx.rank(last) else 0
    gates: tuple[int, ...] = (INPUT, FORGET, CELL, OUTPUT)
    if not ctx.has(slots.input_weights(INPUT)):
        gates = gates[1:]
        for part, i in (
            ("recurrent weights", slots.recurrent_weights(INPUT)),
            ("bias", slots.bias(INPUT)),
        ):
            ctx.require(
                not ctx.has(i), f"the input gate has {part} (input {i}) but no input weights"
            )
    diagonal: set[int] = set()
    for gate in gates:
        require(ctx, slots.input_weights(gate), (cells, inputs), types.weights)
        i = slots.recurrent_weights(gate)
        if diagonals and ctx.rank(i) == 1:
            ctx.require(
                outputs == cells, "diagonal recurrent weights need as many outputs as cells"
            )
            own = TensorType.FLOAT32 if types.output == TensorType.FLOAT32 else types.weights
            require(ctx, i, (cells,), own)
            diagonal.add(gate)
        else:
            require(ctx, i, (cells, outputs), types.weights)
        require(ctx, slots.bias(gate), (cells,), types.bias)
    cell = Cell(
        slots,
        gates,
        frozenset(diagonal),
        _check_vectors(ctx, [slots.peephole(g) for g in gates if g != CELL], cells, types.peephole),
        _check_norm(ctx, slots, gates, cells, types.norm),
        _check_projection(ctx, slots, (outputs, cells), types),
        batch,
        inputs,
        cells,
        outputs,
    )
    if not cell.projection and outputs != cells:
        raise OpError(
            f"{cells} cells and {outputs} outputs; without a projection they must be equal"
        )
    _check_state(ctx, slots.output_state, batch * outputs, types.output)
    _check_state(ctx, slots.cell_state, batch * cells, types.cell)
    return cell


def require(ctx: OpContext, i: int, shape: Shape, dtype: TensorType) -> None:
    """Raises OpError unless input `i` is there with this shape and type."""
    ctx.require_dtype(i, dtype)
    if ctx.shape(i) != shape:
        raise OpError(f"input {i} has shape {list(ctx.shape(i))}; expected {list(shape)}")


def _matrix_rows(ctx: OpContext, i: int) -> int:
    if ctx.rank(i) != 2:
        raise OpError(f"input {i} has shape {list(ctx.shape(i))}; expected a matrix")
    return ctx.shape(i)[0]


def _check_vectors(ctx: OpContext, positions: list[int], size: int, dtype: TensorType) -> bool:
    """Whether these inputs are there: all, each of `size` elements, or none."""
    present = [i for i in positions if ctx.has(i)]
    if present and len(present) != len(positions):
        raise OpError(f"of inputs {positions} only {present} are given; expected all or none")
    for i in present:
        require(ctx, i, (size,), dtype)
    return bool(present)


def _check_norm(
    ctx: OpContext, slots: Slots, gates: tuple[int, ...], cells: int, dtype: TensorType
) -> bool:
    if slots.norm is None or not ctx.has(slots.norm + FORGET):
        return False
    coupled = INPUT not in gates
    ctx.require(
        not (coupled and ctx.has(slots.norm + INPUT)),
        "layer normalisation of an input gate that the cell does not have",
    )
    return _check_vectors(ctx, [slots.norm + g for g in gates], cells, dtype)


def _check_projection(ctx: OpContext, slots: Slots, shape: Shape, types: CellTypes) -> bool:
    biased = ctx.has(slots.projection_bias)
    if not ctx.has(slots.projection):
        ctx.require(not biased, "a projection bias without projection weights")
        return False
    require(ctx, slots.projection, shape, types.weights)
    if biased:
        require(ctx, slots.projection_bias, shape[:1], types.bias)
    return True


def _check_state(ctx: OpContext, i: int, elements: int, dtype: TensorType) -> None:
    ctx.require_dtype(i, dtype)
    ctx.require(ctx.tensor(i).is_variable, f"input {i} is a state; it must be a variable tensor")
    if math.prod(ctx.shape(i)) != elements:
        raise OpError(f"input {i} has shape {list(ctx.shape(i))}; expected {elements} elements")
