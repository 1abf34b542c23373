"""LSTM layers in integers: int8 activations and weights, int16 gates and cell state ("8x8_16").

Each gate sums, with saturation to int16, what the input, the state and the peepholes add, all
rescaled to one step (2^-12 without layer normalisation). The scheme: Li and Alvarez
2021, arXiv:2101.05453.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..graph import Array
from .context import OpContext
from .fixed_point import int16_table, inverse_square_root, saturate
from .lstm_cell import PEEPHOLE, Cell
from .lstm_float import CellOptions
from .lstm_scales import (
    GATE_BITS,
    STATE_BITS,
    Multiplier,
    clip,
    intermediate,
    multiplier_of,
    output_scale,
    scale_of,
    state_exponent,
    stored_clip,
    update_state,
)
from .quantized import multiply_by_quantized_multiplier, per_tensor
from .recurrent import affine, row_product
from .registry import Step

GATE_STEP = np.float32(2.0**-12)
HIDDEN = 4
NORM_BITS = 10
"""Normalised values carry 10 more bits, and so do their weights."""


def normalize(gates: Array, weights: Array, bias: Array, scale: Multiplier, limits: Array) -> Array:
    """Integer layer normalisation over the last axis of int16 `gates` [batch, gates, cells].

    Variances below 1 are replaced by `limits`, one per gate.
    """
    cells = max(gates.shape[-1], 1)
    sums = gates.sum(axis=-1, dtype=np.int64) << NORM_BITS
    # Divisions truncate toward zero, as in C.
    mean = np.sign(sums) * (np.abs(sums) // cells)
    squares = np.square(gates, dtype=np.int64).sum(axis=-1)
    spread = squares * ((1 << 2 * NORM_BITS) // cells) - np.square(mean)
    variance = np.sign(spread) * (np.abs(spread) >> 2 * NORM_BITS)
    variance = np.where(variance < 1, limits, variance)
    multiplier, shift = inverse_square_root(variance)
    centred = (gates.astype(np.int64) << NORM_BITS) - mean[..., None]
    unit = multiply_by_quantized_multiplier(centred, multiplier[..., None], -shift[..., None])
    weighted = (unit * weights + bias).astype(np.int32).astype(np.int64)
    half = 1 << (NORM_BITS - 1)
    rounded = np.sign(weighted) * ((np.abs(weighted) + half) >> NORM_BITS)
    return saturate(
        multiply_by_quantized_multiplier(rounded, scale.multiplier, scale.shift + 12), 16
    )


@dataclass(frozen=True, slots=True)
class Rescaling:
    """The multipliers of a cell, one per gate of `cell.gates` (peephole: but the cell gate)."""

    inputs: Multiplier
    recurrent: Multiplier
    peephole: Multiplier
    hidden: Multiplier
    projection: Multiplier
    exponent: int


def rescaling(ctx: OpContext, cell: Cell) -> Rescaling:
    """Effective scales, with the reference's float32 products and quotients."""
    slots, gates = cell.slots, cell.gates
    steps = {g: intermediate(ctx, g)[0] if cell.norm else GATE_STEP for g in gates}
    hidden = intermediate(ctx, HIDDEN)[0]
    x, state = scale_of(ctx, 0), scale_of(ctx, slots.output_state)
    exponent = state_exponent(scale_of(ctx, slots.cell_state))
    peep = [g for g in PEEPHOLE if g in gates] if cell.peephole else []
    projected = scale_of(ctx, slots.projection) * hidden / state if cell.projection else GATE_STEP
    return Rescaling(
        multiplier_of([scale_of(ctx, slots.input_weights(g)) * x / steps[g] for g in gates]),
        multiplier_of(
            [scale_of(ctx, slots.recurrent_weights(g)) * state / steps[g] for g in gates]
        ),
        multiplier_of(
            [
                np.float32(
                    2.0**exponent * float(scale_of(ctx, slots.peephole(g))) / float(steps[g])
                )
                for g in peep
            ]
        ),
        multiplier_of([np.float32(2.0**-15 / float(hidden) * 2.0**-15)]),
        multiplier_of([projected]),
        exponent,
    )


def bind_norm(ctx: OpContext, cell: Cell) -> Callable[[slice, Array], Array]:
    """f(gates, y): `y` [batch, gates, cells] normalised where the cell does so."""
    slots = cell.slots
    if not cell.norm or slots.norm is None:
        return lambda gates, y: y
    positions = [slots.norm + g for g in cell.gates]
    real = [scale_of(ctx, i) for i in positions]
    scale = multiplier_of(real)
    limits = np.maximum((np.float32(10000) * np.array(real, np.float32)).astype(np.int64), 1)
    weights = np.stack([ctx.value(i) for i in positions]).astype(np.int64)
    bias = np.stack([ctx.value(slots.bias(g)) for g in cell.gates]).astype(np.int64)
    return lambda gates, y: normalize(
        y, weights[gates], bias[gates], scale.of(gates), limits[gates]
    )


def bind_peephole(
    ctx: OpContext, cell: Cell, scale: Multiplier
) -> Callable[[slice, Array, Array], Array]:
    """f(gates, c, y): `y` [batch, gates, cells] plus what the cell state `c` adds, saturated.

    `gates` counts those that have peepholes.
    """
    slots = cell.slots
    if not cell.peephole:
        return lambda gates, c, y: y
    ctx.require(cell.outputs == cell.cells, "integer peepholes need as many outputs as cells")
    weights = np.stack([ctx.value(slots.peephole(g)) for g in PEEPHOLE if g in cell.gates])

    def add(gates: slice, c: Array, y: Array) -> Array:
        products = np.multiply(weights[gates], c[:, None], dtype=np.int64)
        return saturate(y + scale.of(gates)(products), GATE_BITS)

    return add


def check_layer16(ctx: OpContext, cell: Cell) -> None:
    """Raises OpError where scales are missing or cannot be held."""
    rescaling(ctx, cell)
    output_scale(ctx)


def bind_layer16(ctx: OpContext, cell: Cell, options: CellOptions, x: Array, y: Array) -> Step:
    """The step that runs the cell over int8 `x` [time, batch, depth] into `y`, likewise."""
    slots, gates = cell.slots, cell.gates
    scales = rescaling(ctx, cell)
    bias = None if cell.norm else np.concatenate([ctx.value(slots.bias(g)) for g in gates])
    stacked = [
        [ctx.value(at(g)) for g in gates] for at in (slots.input_weights, slots.recurrent_weights)
    ]
    from_input = affine(np.concatenate(stacked[0]), per_tensor(ctx.tensor(0))[1], bias)
    zero_point = per_tensor(ctx.tensor(slots.output_state))[1]
    from_state = affine(np.concatenate(stacked[1]), zero_point)
    norm, peep = bind_norm(ctx, cell), bind_peephole(ctx, cell, scales.peephole)
    project = bind_output(ctx, cell, options, scales)
    h = ctx.input(slots.output_state).reshape(cell.batch, cell.outputs)
    c = ctx.input(slots.cell_state).reshape(cell.batch, cell.cells)
    limit = stored_clip(options.cell_clip, scale_of(ctx, slots.cell_state), GATE_BITS)
    logistics, tanhs = int16_table("logistic", 3), int16_table("tanh", 3)
    shape = (cell.batch, len(gates), cell.cells)
    first, last = slice(0, -1), slice(-1, None)

    def step() -> None:
        sums = row_product(from_input, x).reshape(*x.shape[:2], *shape[1:])
        inputs = saturate(scales.inputs(sums), GATE_BITS)
        for t in range(len(x)):
            g = saturate(inputs[t] + scales.recurrent(from_state(h).reshape(shape)), GATE_BITS)
            g[:, :-2] = peep(first, c, g[:, :-2])
            z = norm(first, g[:, first]).astype(np.int16).view(np.uint16)
            forget = logistics[z[:, -2]]
            entry = logistics[z[:, 0]] if len(gates) == 4 else 32767 - forget
            update_state(c, entry, forget, tanhs[z[:, -1]], scales.exponent, limit)
            z = norm(last, peep(last, c, g[:, last])).astype(np.int16).view(np.uint16)
            h[...] = project(logistics[z[:, 0]], c)
            y[t] = h

    return step


def bind_output(
    ctx: OpContext, cell: Cell, options: CellOptions, scales: Rescaling
) -> Callable[[Array, Array], Array]:
    """f(output gate, cell state): the new output state, int8-valued."""
    slots = cell.slots
    table = int16_table("tanh", 15 + scales.exponent)
    hidden_zero = intermediate(ctx, HIDDEN)[1]

    def hidden(gate: Array, c: Array, zero_point: int) -> Array:
        product = np.multiply(gate, table[c.view(np.uint16)], dtype=np.int64)
        return saturate(scales.hidden(product) + zero_point, STATE_BITS)

    if not cell.projection:
        return lambda gate, c: hidden(gate, c, hidden_zero)
    bias = ctx.value(slots.projection_bias) if ctx.has(slots.projection_bias) else None
    # The reference stores the hidden state with the zero point negated.
    product = affine(ctx.value(slots.projection), -hidden_zero, bias)
    zero_point = per_tensor(ctx.tensor(slots.output_state))[1]
    limit = stored_clip(options.projection_clip, output_scale(ctx), STATE_BITS)

    def project(gate: Array, c: Array) -> Array:
        sums = product(hidden(gate, c, -hidden_zero))
        return clip(saturate(scales.projection(sums) + zero_point, STATE_BITS), limit)

    return project
