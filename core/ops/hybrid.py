"""Products of float activations with integer weights ("hybrid", dynamic-range quantisation).

Each row of activations is quantised to int8 on its own, the integer dot products are exact, and one
float32 multiplication per result scales them back. Steps and roundings are those of the reference
on x86 (SSE4.1): blocks of eight columns round by adding a half and truncating, the rest half away
from zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..graph import Array

Floats = NDArray[np.float32]

BLOCK = 8
HALF = np.float32(0.5)


class QuantizedRows(NamedTuple):
    """real = scales[row] * (values[row] - zero_points[row])."""

    values: Array
    scales: Floats
    zero_points: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class HybridMatrix:
    """Integer weights as [depth, columns] of floats that hold every dot product exactly.

    `scales` is one float32 for all columns, or one for each.
    """

    values: Array
    scales: Floats


def quantize_rows(
    x: Array, asymmetric: bool = False, dtype: type[np.generic] = np.int8
) -> QuantizedRows:
    """float32 `x` [rows, depth] as integers of `dtype` with one scale and zero point a row.

    Symmetric: within +-127, zero point 0. Asymmetric: the range includes 0 and fills -128..127.
    """
    low = np.fmin.reduce(x, axis=1, initial=np.float32(0))
    high = np.fmax.reduce(x, axis=1, initial=np.float32(0))
    if asymmetric:
        scales, zero_points = asymmetric_parameters(low, high)
        inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales != 0)
        q = _rounded(x * inverse[:, None])
        q += zero_points[:, None]
        bottom = np.float32(-128)
    else:
        bound = np.maximum(np.abs(low), np.abs(high))
        scales = np.where(bound == 0, np.float32(1), bound / np.float32(127))
        zero_points = np.zeros(len(x), np.int32)
        inverse = np.divide(127, bound, out=np.zeros_like(bound), where=bound != 0)
        q = _rounded(x * inverse[:, None])
        bottom = np.float32(-127)
    np.fmax(q, bottom, out=q)
    np.fmin(q, np.float32(127), out=q)
    return QuantizedRows(q.astype(dtype, copy=False), scales, zero_points)


def asymmetric_parameters(low: Floats, high: Floats) -> tuple[Floats, NDArray[np.int32]]:
    """(scales, zero points) with which [low, high] fills -128..127; it must hold 0.

    An empty range has scale 1 and zero point 0.
    """
    span = (high - low).astype(np.float64)
    empty = low == high
    scale = np.where(empty, 1.0, span / 255)
    from_low, from_high = -128 - low / scale, 127 - high / scale
    low_error, high_error = 128 + np.abs(low / scale), 127 + np.abs(high / scale)
    zero_point = np.clip(np.where(low_error < high_error, from_low, from_high), -128, 127)
    nudged = np.trunc(zero_point + np.copysign(0.5, zero_point))
    nudged = np.where(empty | np.isnan(nudged), 0, nudged)
    return scale.astype(np.float32), nudged.astype(np.int32)


def hybrid_matrix(weights: Array, scales: float | Array, asymmetric: bool = False) -> HybridMatrix:
    """Packs integer `weights` [columns, depth]; uint8 holds the bits of int8, as in old files."""
    matrix = exact_matrix(signed_bytes(weights), 255 if asymmetric else 128)
    return HybridMatrix(matrix, np.asarray(scales, np.float32))


def signed_bytes(weights: Array) -> Array:
    """Hybrid weights as they are meant: uint8 holds the bits of int8."""
    return weights.view(np.int8) if weights.dtype == np.uint8 else weights


def exact_matrix(weights: Array, largest: int) -> Array:
    """Integer `weights` [columns, depth] as floats [depth, columns].

    Products with rows of integers within +-`largest` are exact: float32 while every sum fits 24
    bits, else float64.
    """
    heaviest = int(np.abs(weights, dtype=np.int64).sum(axis=-1).max(initial=0))
    fits = largest * heaviest <= 2**24
    return np.ascontiguousarray(weights.T, np.float32 if fits else np.float64)


def hybrid_product(rows: QuantizedRows, matrix: HybridMatrix) -> Floats:
    """float32 [rows, columns]: exact dot products, each times (row scale * column scale)."""
    exact = matrix.values.dtype
    left = rows.values.astype(exact, copy=False)
    if rows.zero_points.any():
        left = left - rows.zero_points[:, None].astype(exact)
    sums: Floats = (left @ matrix.values).astype(np.float32, copy=False)
    sums *= rows.scales[:, None] * matrix.scales
    return sums


def _rounded(scaled: Floats) -> Floats:
    """Nearest integers, rounded as the reference's vector code and its scalar tail do."""
    tail = scaled.shape[1] - scaled.shape[1] % BLOCK
    out = np.trunc(scaled + np.where(scaled < 0, -HALF, HALF))
    rest = scaled[:, tail:]
    whole = np.trunc(rest)
    out[:, tail:] = whole + np.copysign(np.abs(rest - whole) >= HALF, rest)
    return out
