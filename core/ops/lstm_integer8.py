"""LSTM layers in integers whose matrix products are stored in int8 ("8x8_8").

The cell is coupled (CIFG), layer-normalised and projected; an input gate's tensors are not used.
The normalisation and the gate functions compute in float32 and store int16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..graph import Array
from .context import OpContext
from .fixed_point import saturate
from .lstm_cell import CELL, FORGET, OUTPUT, Cell
from .lstm_float import CellOptions
from .lstm_scales import (
    GATE_BITS,
    STATE_BITS,
    clip,
    intermediate,
    multiplier_of,
    output_scale,
    scale_of,
    stored_clip,
    update_state,
)
from .quantized import (
    multiply_by_quantized_multiplier,
    multiply_int64_by_quantized_multiplier,
    per_tensor,
    quantize_multiplier,
    rounding_right_shift,
)
from .recurrent import affine
from .registry import Step

STATE_EXPONENT = -15
Gate = Callable[[Array, Array], Array]


def check_layer8(ctx: OpContext, cell: Cell) -> None:
    """Raises OpError unless the cell has the parts and the scales that this form needs."""
    ctx.require(cell.norm, "an integer cell with 12 intermediates needs layer normalisation")
    has_bias = ctx.has(cell.slots.projection_bias)
    ctx.require(cell.projection and has_bias, "12 intermediates need a projection with a bias")
    scale = scale_of(ctx, cell.slots.cell_state)
    ctx.require(scale == 2.0**STATE_EXPONENT, f"the cell state has scale {scale}; expected 2^-15")
    for k in range(12):
        intermediate(ctx, k)


@lru_cache(maxsize=3)
def table(function: str) -> NDArray[np.int16]:
    """2^15 `logistic`(x / 2^12), `tanh12` (x / 2^12) or `tanh15` (x / 2^15), by the bits of x."""
    x = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.float64)
    if function == "logistic":
        decay = np.exp(-x / 2**12).astype(np.float32)
        y = 1 / (1 + decay)
    else:
        y = np.tanh(x / 2 ** int(function[4:])).astype(np.float32)
    return saturate(np.trunc(y * np.float32(2**15)).astype(np.int64), GATE_BITS).astype(np.int16)


def normalize(y: Array, weights: Array, bias: Array, scale: np.float32) -> Array:
    """Layer normalisation of int16 rows in float32; the sums are taken in order."""
    values = y.astype(np.float32)
    count = np.float32(values.shape[-1])
    mean = np.add.accumulate(values, axis=-1)[:, -1:] / count
    squares = np.add.accumulate(values * values, axis=-1)[:, -1:] / count
    variance = squares - mean * mean
    inverse = 1 / np.sqrt(np.where(variance == 0, np.float32(1e-8), variance))
    real = (values - mean) * inverse * weights * scale + bias * (np.float32(2.0**-10) * scale)
    scaled = real * np.float32(2**12)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled).astype(np.float64))
    return np.where(np.isnan(rounded), -32768, np.clip(rounded, -32768, 32767))


def bind_gate(ctx: OpContext, cell: Cell, gate: int) -> Gate:
    """f(x, h): int16 of one gate before its function."""
    slots = cell.slots
    first = 3 * gate
    out_scale, in_scale, state_scale = (intermediate(ctx, first + k)[0] for k in range(3))
    x_zero, h_zero = (per_tensor(ctx.tensor(i))[1] for i in (0, slots.output_state))
    in_zero, state_zero = (intermediate(ctx, first + k)[1] for k in (1, 2))
    from_input = affine(ctx.value(slots.input_weights(gate)), x_zero)
    from_state = affine(ctx.value(slots.recurrent_weights(gate)), h_zero)
    to_in = multiplier_of([scale_of(ctx, slots.input_weights(gate)) * scale_of(ctx, 0) / in_scale])
    to_state = multiplier_of(
        [
            scale_of(ctx, slots.recurrent_weights(gate))
            * scale_of(ctx, slots.output_state)
            / state_scale
        ]
    )
    in_multiplier, in_shift = quantize_multiplier(float(in_scale / out_scale))
    state_multiplier, state_shift = quantize_multiplier(float(state_scale / out_scale))
    if gate == OUTPUT:
        # The reference reads past one table here: it takes the forget gate's shift for the
        # multiplier, and the cell gate's zero point.
        _, state_multiplier = quantize_multiplier(
            float(intermediate(ctx, 5)[0] / intermediate(ctx, 3)[0])
        )
        state_zero = intermediate(ctx, 7)[1]
    norm = 20 + gate if slots.norm is None else slots.norm + gate
    weights, bias = (
        ctx.value(norm).astype(np.float32),
        ctx.value(slots.bias(gate)).astype(np.float32),
    )
    multiplier, shift = quantize_multiplier(float(scale_of(ctx, norm)))
    scale = np.float32(multiplier * 2.0 ** (shift - 31))

    def evaluate(x: Array, h: Array) -> Array:
        left = saturate(to_in(from_input(x)) + in_zero, STATE_BITS) - in_zero
        right = saturate(to_state(from_state(h)) + state_zero, STATE_BITS) - state_zero
        total = multiply_by_quantized_multiplier(left, in_multiplier, in_shift)
        total = total + multiply_by_quantized_multiplier(right, state_multiplier, state_shift)
        return normalize(saturate(total, GATE_BITS), weights, bias, scale)

    return evaluate


def bind_layer8(ctx: OpContext, cell: Cell, options: CellOptions, x: Array, y: Array) -> Step:
    """The step that runs the cell over int8 `x` [time, batch, depth] into `y`, likewise."""
    slots = cell.slots
    gates = {g: bind_gate(ctx, cell, g) for g in (FORGET, CELL, OUTPUT)}
    h = ctx.input(slots.output_state).reshape(cell.batch, cell.outputs)
    c = ctx.input(slots.cell_state).reshape(cell.batch, cell.cells)
    zero_point = per_tensor(ctx.tensor(slots.output_state))[1]
    cell_clip = options.cell_clip if options.cell_clip < 1 else 0.0
    limit = stored_clip(cell_clip, scale_of(ctx, slots.cell_state), GATE_BITS)
    out_limit = stored_clip(options.projection_clip, output_scale(ctx), STATE_BITS)
    project = affine(ctx.value(slots.projection), 0, ctx.value(slots.projection_bias))
    multiplier, shift = quantize_multiplier(projection_scale(ctx, cell))
    logistics, tanhs, state_tanhs = table("logistic"), table("tanh12"), table("tanh15")

    def step() -> None:
        for t in range(len(x)):
            f, g, o = (gates[k] for k in (FORGET, CELL, OUTPUT))
            forget = logistics[_bits(f(x[t], h))]
            update_state(c, 32767 - forget, forget, tanhs[_bits(g(x[t], h))], STATE_EXPONENT, limit)
            exit_ = logistics[_bits(o(x[t], h))]
            product = np.multiply(exit_, state_tanhs[c.view(np.uint16)], dtype=np.int64)
            sums = project(rounding_right_shift(product, 15))
            scaled = multiply_int64_by_quantized_multiplier(sums, multiplier, shift)
            h[...] = clip(saturate(scaled + zero_point, STATE_BITS), out_limit)
            y[t] = h

    return step


def projection_scale(ctx: OpContext, cell: Cell) -> float:
    weights = float(scale_of(ctx, cell.slots.projection))
    return float(np.float32(weights * 2.0**-15 / float(scale_of(ctx, cell.slots.output_state))))


def _bits(values: Array) -> NDArray[np.uint16]:
    return values.astype(np.int16).view(np.uint16)
