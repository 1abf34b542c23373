"""LSTM layers over float activations, with float or with integer ("hybrid") weights.

Hochreiter & Schmidhuber 1997, with peepholes (Gers et al. 2002), a recurrent projection (Sak et al.
2014, arXiv:1402.1128) and layer normalisation (Ba et al. 2016, arXiv:1607.06450).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..graph import Array
from ..schema.enums import ActivationFunctionType
from .context import OpContext
from .lstm_cell import OUTPUT, PEEPHOLE, Cell
from .recurrent import Product, functions, product_with, row_product, vectors
from .registry import Step

NORM_EPSILON = np.float32(1e-8)


@dataclass(frozen=True, slots=True)
class CellOptions:
    """What the options tables of the recurrent operators share."""

    activation: ActivationFunctionType
    cell_clip: float = 0.0
    projection_clip: float = 0.0
    asymmetric: bool = False


def normalize(y: Array) -> None:
    """Shifts and scales the last axis of `y` to mean 0 and variance 1, in place."""
    y -= y.mean(axis=-1, keepdims=True)
    variance = np.square(y).mean(axis=-1, keepdims=True)
    y *= 1 / np.sqrt(variance + NORM_EPSILON)


def clip(y: Array, limit: float) -> None:
    if limit > 0:
        np.clip(y, np.float32(-limit), np.float32(limit), out=y)


def bind_layer(
    ctx: OpContext,
    cell: Cell,
    options: CellOptions,
    x: Array,
    aux: Array | None,
    y: Array,
    reverse: bool = False,
) -> Step:
    """The step that runs the cell over `x` [time, batch, depth] into `y`, likewise."""
    slots, gates = cell.slots, cell.gates
    shape = (cell.batch, len(gates), cell.cells)
    apply = functions(options.activation, ctx.dtype(slots.input_weights(OUTPUT)))
    from_input = bind_inputs(ctx, cell, options, x, aux)
    recurrent = bind_recurrent(ctx, cell, options)
    finish = bind_finish(ctx, cell)
    project = bind_projection(ctx, cell, options)
    peep = (
        vectors(ctx, [slots.peephole(g) for g in PEEPHOLE if g in gates]) if cell.peephole else None
    )
    h = ctx.input(slots.output_state).reshape(cell.batch, cell.outputs)
    c = ctx.input(slots.cell_state).reshape(cell.batch, cell.cells)
    g = ctx.scratch(shape, np.float32)
    hidden = ctx.scratch(c.shape, np.float32)
    early, modulation, late = g[:, :-2], g[:, -2], g[:, -1:]
    coupled = len(gates) == 3
    # Without an activation the reference reads the cell gate instead of the cell state.
    exposed = modulation if options.activation == ActivationFunctionType.NONE else c
    times = range(len(x))[::-1] if reverse else range(len(x))

    def step() -> None:
        inputs = from_input()
        for t in times:
            recurrent(h, inputs[t], g)
            if peep is not None:
                np.add(early, peep[:-1] * c[:, None], out=early)
            finish(slice(0, -1), g[:, :-1])
            apply.logistic(early)
            apply.activation(modulation)
            np.multiply(c, g[:, -3], out=c)
            np.add(c, modulation * (1 - g[:, -3] if coupled else g[:, 0]), out=c)
            clip(c, options.cell_clip)
            if peep is not None:
                late[:, 0] += peep[-1] * c
            finish(slice(-1, None), late)
            apply.logistic(late)
            np.copyto(hidden, exposed)
            apply.activation(hidden)
            np.multiply(hidden, late[:, 0], out=hidden)
            project(hidden, h)
            y[t] = h

    return step


def bind_inputs(
    ctx: OpContext, cell: Cell, options: CellOptions, x: Array, aux: Array | None
) -> Callable[[], Array]:
    """Computes what the inputs of all time steps add to the gates: [time, batch, gates, cells]."""
    slots, gates = cell.slots, cell.gates
    sources = [(x, product_with(ctx, [slots.input_weights(g) for g in gates], options.asymmetric))]
    if aux is not None and slots.aux is not None:
        weights = [slots.aux + g for g in gates]
        sources.append((aux, product_with(ctx, weights, options.asymmetric)))
    bias = 0 if cell.norm else vectors(ctx, [slots.bias(g) for g in gates]).reshape(-1)
    shape = (*x.shape[:2], len(gates), cell.cells)

    def inputs() -> Array:
        total: Array | int = bias
        for source, product in sources:
            part = row_product(product, source)
            total = np.add(part, total, out=part)
        return np.asarray(total).reshape(shape)

    return inputs


def bind_recurrent(
    ctx: OpContext, cell: Cell, options: CellOptions
) -> Callable[[Array, Array, Array], None]:
    """f(h, inputs, out): out [batch, gates, cells] = inputs + h times the recurrent weights."""
    slots = cell.slots
    dense = [k for k, gate in enumerate(cell.gates) if gate not in cell.diagonal]
    vector = [k for k, gate in enumerate(cell.gates) if gate in cell.diagonal]
    product: Product | None = None
    if dense:
        weights = [slots.recurrent_weights(cell.gates[k]) for k in dense]
        product = product_with(ctx, weights, options.asymmetric)
    diagonal = [ctx.value(slots.recurrent_weights(cell.gates[k])) for k in vector]

    def recurrent(h: Array, inputs: Array, out: Array) -> None:
        if product is not None and not vector:
            np.add(inputs, product(h).reshape(inputs.shape), out=out)
            return
        np.copyto(out, inputs)
        if product is not None:
            out[:, dense] += product(h).reshape(len(h), len(dense), cell.cells)
        for k, weights in zip(vector, diagonal, strict=True):
            out[:, k] += weights * h

    return recurrent


def bind_finish(ctx: OpContext, cell: Cell) -> Callable[[slice, Array], None]:
    """f(gates, y): normalises `y` [batch, gates, cells] where the cell does so."""
    slots = cell.slots
    if not cell.norm or slots.norm is None:
        return lambda gates, y: None
    scale = vectors(ctx, [slots.norm + g for g in cell.gates])
    shift = vectors(ctx, [slots.bias(g) for g in cell.gates])

    def finish(gates: slice, y: Array) -> None:
        normalize(y)
        y *= scale[gates]
        y += shift[gates]

    return finish


def bind_projection(
    ctx: OpContext, cell: Cell, options: CellOptions
) -> Callable[[Array, Array], None]:
    """f(hidden, h): h = the projected and clipped hidden state, or a copy."""
    slots = cell.slots
    if not cell.projection:
        return lambda hidden, h: np.copyto(h, hidden)
    product = product_with(ctx, [slots.projection], options.asymmetric)
    bias = ctx.value(slots.projection_bias) if ctx.has(slots.projection_bias) else np.float32(0)

    def project(hidden: Array, h: Array) -> None:
        np.add(product(hidden), bias, out=h)
        clip(h, options.projection_clip)

    return project
