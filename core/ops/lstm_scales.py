"""Scales of integer LSTM cells as fixed-point multipliers, and the cell update that they share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import OpError
from ..graph import Array, Tensor
from .context import OpContext
from .fixed_point import saturate
from .quantized import (
    multiply_by_quantized_multiplier,
    per_tensor,
    quantize_multipliers,
    rounding_right_shift,
)

GATE_BITS = 16
STATE_BITS = 8


@dataclass(frozen=True, slots=True)
class Multiplier:
    """A real factor as integers, one per gate: arrays [gates, 1], which broadcast over cells."""

    multiplier: Array
    shift: Array

    def __call__(self, x: Array) -> Array:
        return multiply_by_quantized_multiplier(x, self.multiplier, self.shift)

    def of(self, gates: slice) -> Multiplier:
        return Multiplier(self.multiplier[gates], self.shift[gates])


def multiplier_of(real: Sequence[np.float32]) -> Multiplier:
    multipliers, shifts = quantize_multipliers(np.array(real, np.float32))
    return Multiplier(multipliers[:, None].astype(np.int64), shifts[:, None].astype(np.int64))


def positive_scale(tensor: Tensor) -> np.float32:
    """The scale of a tensor quantised as a whole; raises OpError unless finite and above 0."""
    scale = per_tensor(tensor)[0]
    if not 0 < scale < math.inf:
        raise OpError(f"tensor {tensor.name!r} has scale {scale}; expected one above 0")
    return np.float32(scale)


def scale_of(ctx: OpContext, i: int) -> np.float32:
    return positive_scale(ctx.tensor(i))


def output_scale(ctx: OpContext) -> np.float32:
    return positive_scale(ctx.output_tensor())


def intermediate(ctx: OpContext, k: int) -> tuple[np.float32, int]:
    """(scale, zero point) of intermediate tensor `k`, which carries nothing else."""
    tensor = ctx.frame.graph.tensors[ctx.node.intermediates[k]]
    return positive_scale(tensor), per_tensor(tensor)[1]


def state_exponent(scale: np.float32) -> int:
    """e of a cell state's scale 2^e, such that tanh has 0 to 6 integer bits."""
    exponent = round(math.log2(scale))
    if abs(scale / 2.0**exponent - 1) > 1e-3 or not 0 <= 15 + exponent <= 6:
        raise OpError(f"the cell state has scale {scale}; expected 2^-15 to 2^-9")
    return exponent


def stored_clip(real: float, scale: np.float32, bits: int) -> int:
    """A clip in units of `scale`, within the largest integer of `bits`; 0 for none."""
    return int(min(float(np.float32(real) / scale), (1 << (bits - 1)) - 1)) if real > 0 else 0


def clip(x: Array, limit: int) -> Array:
    return np.clip(x, -limit, limit) if limit > 0 else x


def update_state(
    c: Array, entry: Array, forget: Array, candidate: Array, exponent: int, limit: int
) -> None:
    """c = forget * c + entry * candidate, saturated and clipped; all int16."""
    kept = rounding_right_shift(np.multiply(forget, c, dtype=np.int64), 15)
    added = rounding_right_shift(np.multiply(entry, candidate, dtype=np.int64), 30 + exponent)
    c[...] = clip(saturate(kept + added, GATE_BITS), limit)
