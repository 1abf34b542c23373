"""Products of float activations with integer weights ("hybrid", dynamic-range quantisation).

Each row of activations is quantised to int8 on its own, the integer dot products are exact, and one
float32 multiplication per result scales them back. Steps and roundings are those of the reference
on x86 (SSE4.1): blocks of eight columns round by adding a half and truncating, the rest half away
from zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, isnan, trunc
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..graph import Array

Floats = NDArray[np.float32]

BLOCK = 8
HALF = np.float32(0.5)
ZERO = np.float32(0)


class QuantizedRows(NamedTuple):
    """real = scales * values: float32 [rows, depth], scales [rows, 1].

    `values` are the int8 ones less the zero point of their row, and thus whole.
    """

    values: Floats
    scales: Floats


@dataclass(frozen=True, slots=True)
class HybridMatrix:
    """Integer weights as [depth, columns] of floats that hold every dot product exactly.

    `scales` is one float32 for all columns, or one for each.
    """

    values: Array
    scales: Floats


def quantize_rows(x: Array, asymmetric: bool = False) -> QuantizedRows:
    """float32 `x` [rows, depth] as integers with one scale and zero point a row.

    Symmetric: within +-127, zero point 0. Asymmetric: the range includes 0 and fills -128..127.
    """
    low = np.fmin.reduce(x, axis=1, initial=ZERO, keepdims=True)
    high = np.fmax.reduce(x, axis=1, initial=ZERO, keepdims=True)
    least: Floats | np.float32
    most: Floats | np.float32
    if asymmetric:
        scales, zero_points = asymmetric_parameters(low, high)
        inverse = _divided(1, scales)
        least, most = -128 - zero_points, 127 - zero_points
    else:
        bound = np.maximum(-low, high)
        scales, inverse = np.divide(bound, 127, dtype=np.float32), _divided(127, bound)
        scales[bound == 0] = 1
        least, most = np.float32(-127), np.float32(127)
    q = _rounded(x * inverse)
    np.fmax(q, least, out=q)
    np.fmin(q, most, out=q)
    return QuantizedRows(q, scales)


def asymmetric_parameters(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """(scales, zero points) with which [low, high] fills -128..127; it must hold 0.

    All are [rows, 1]. An empty range has scale 1 and zero point 0.
    """
    span = high - low
    if len(low) == 1:
        one_scale, one_zero_point = _row_parameters(span.item(), low.item(), high.item())
        return np.array([[one_scale]], np.float32), np.array([[one_zero_point]], np.float32)
    empty = span == 0
    scale = np.divide(span, 255, dtype=np.float64)
    scale[empty] = 1
    down, up = low / scale, high / scale
    zero_point = np.where(128 - down < 127 + up, -128 - down, 127 - up)
    zero_point = np.trunc(zero_point + np.copysign(0.5, zero_point))
    zero_point[empty | np.isnan(zero_point)] = 0
    return scale.astype(np.float32), zero_point.astype(np.float32)


def _row_parameters(span: float, low: float, high: float) -> tuple[float, float]:
    """`asymmetric_parameters` of one row, which NumPy takes ten times as long for.

    `span` is `high - low` in float32.
    """
    if span == 0:
        return 1, 0
    scale = span / 255
    down, up = low / scale, high / scale
    zero_point = -128 - down if 128 - down < 127 + up else 127 - up
    if isnan(zero_point):
        return scale, 0
    return scale, trunc(zero_point + copysign(0.5, zero_point))


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
    left = rows.values.astype(matrix.values.dtype, copy=False)
    sums: Floats = (left @ matrix.values).astype(np.float32, copy=False)
    sums *= rows.scales * matrix.scales
    return sums


def _divided(dividend: float, divisors: Floats) -> Floats:
    """Quotients, 0 for a divisor of 0."""
    out: Floats = np.zeros(divisors.shape, np.float32)
    return np.divide(dividend, divisors, out=out, where=divisors != 0)


def _rounded(scaled: Floats) -> Floats:
    """Nearest integers, rounded as the reference's vector code and its scalar tail do."""
    out: Floats = scaled + np.copysign(HALF, scaled)
    np.trunc(out, out=out)
    tail = scaled.shape[1] - scaled.shape[1] % BLOCK
    if tail < scaled.shape[1]:
        rest = scaled[:, tail:]
        whole = np.trunc(rest)
        out[:, tail:] = whole + np.copysign(np.abs(rest - whole) >= HALF, rest)
    return out
