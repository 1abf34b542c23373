"""From integer accumulators to stored outputs: the reference's roundings, exact and fast.

`requantize` is the definition; `Requantize` gives the same bits for tiles of accumulators that
matrix products in floats have left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..graph import Array
from .quantized import (
    Int64s,
    multiply_by_quantized_multiplier,
    multiply_int64_by_quantized_multiplier,
    quantize_multipliers,
    reduced_multiplier,
    round_half_away,
)
from .tiles import repeats


class Rescale(Protocol):
    """How integer accumulators become outputs, one column of results per channel.

    `real` are the multipliers as float64; `slack` bounds |exact - product| beyond one rounding;
    `limit` is the magnitude up to which accumulators are as the reference holds them, unwrapped.
    """

    real: NDArray[np.float64]
    slack: NDArray[np.float64]
    limit: NDArray[np.float64]

    def exact(self, totals: Int64s, columns: Array | slice) -> Int64s:
        """The reference's result for accumulators that belong to `columns`."""
        ...

    def inside(self, totals: Int64s, columns: Array) -> Int64s:
        """`exact` of accumulators within `limit`, which may be overwritten."""
        ...


class FixedPoint:
    """Accumulators of 32 bits, rounded twice: `multiply_by_quantized_multiplier`."""

    def __init__(self, real: Array) -> None:
        self._multipliers, self._shifts = quantize_multipliers(real)
        self.real = np.ldexp(self._multipliers.astype(np.float64), self._shifts - 31)
        left = np.maximum(self._shifts, 0)
        self._right = np.maximum(-self._shifts, 0).astype(np.int64)
        self.slack = np.where(self._right > 0, np.ldexp(0.5, -self._right), 0.0)
        self.limit = np.ldexp(2.0**31, -left)
        self._shifted = self._multipliers.astype(np.int64) << np.minimum(left, 31)
        self._half = (np.int64(1) << self._right) >> 1

    def exact(self, totals: Int64s, columns: Array | slice) -> Int64s:
        wrapped = totals.astype(np.int32)
        return multiply_by_quantized_multiplier(
            wrapped, self._multipliers[columns], self._shifts[columns]
        )

    def inside(self, totals: Int64s, columns: Array) -> Int64s:
        totals *= self._shifted[columns]
        totals += 1 << 30
        totals >>= 31
        half = self._half[columns]
        # Halves of negative numbers round down, where there is a second rounding.
        half -= (totals < 0) & (half > 0)
        totals += half
        totals >>= self._right[columns]
        return totals


class FixedPoint64:
    """Accumulators of 64 bits: `multiply_int64_by_quantized_multiplier`."""

    def __init__(self, real: Array) -> None:
        self._multipliers, self._shifts = quantize_multipliers(real)
        self.real = np.ldexp(reduced_multiplier(self._multipliers), self._shifts - 15)
        self.slack = np.zeros(len(self.real))
        self.limit = np.minimum(2.0**47, 2.0**31 / np.maximum(np.abs(self.real), 2.0**-16))

    def exact(self, totals: Int64s, columns: Array | slice) -> Int64s:
        return multiply_int64_by_quantized_multiplier(
            totals, self._multipliers[columns], self._shifts[columns]
        )

    inside = exact


class RealMultiplier:
    """Accumulators times a float64, rounded half away from zero; -2^31 beyond int32, as on x86."""

    def __init__(self, real: Array, wide: bool) -> None:
        self.real = np.asarray(real, np.float64)
        self.slack = np.zeros(len(self.real))
        self._wide = wide
        self.limit = 2.0 ** (47 if wide else 31) / np.maximum(np.abs(self.real), 1.0)

    def exact(self, totals: Int64s, columns: Array | slice) -> Int64s:
        sums = totals if self._wide else totals.astype(np.int32)
        rounded = round_half_away(sums * self.real[columns])
        return np.where(np.abs(rounded) < 2**31, rounded, -(2.0**31)).astype(np.int64)

    inside = exact


@dataclass(frozen=True, slots=True)
class OutputRange:
    """Where results land: added zero point, smallest and largest stored value."""

    zero_point: int
    low: int
    high: int


def requantize(
    totals: Int64s, rescale: Rescale, output: OutputRange, columns: Array | slice = slice(None)
) -> Int64s:
    """The definition: stored outputs of integer accumulators whose last axis are `columns`."""
    return np.clip(rescale.exact(totals, columns) + output.zero_point, output.low, output.high)


class Work(NamedTuple):
    """What `Requantize` writes in passing: flat arrays, two of the accumulators' type, one bool."""

    y: Array
    error: Array
    near: Array


class Requantize:
    """`requantize` of tiles of accumulators held as floats, equal to it bit for bit.

    Floats give nearly all results; those so near a tie that the reference's roundings may go the
    other way are computed again in integers. `offsets` is added to each row of accumulators;
    `bounds` are the largest magnitudes that the accumulators of each column can have before that.
    """

    def __init__(
        self, rescale: Rescale, output: OutputRange, offsets: Int64s, bounds: Array, dtype: Any
    ) -> None:
        self._rescale, self._output, self._offsets = rescale, output, offsets
        columns = len(rescale.real)
        self.rows = repeats(columns)
        centers = offsets * rescale.real + output.zero_point
        reach = 2 * bounds * np.abs(rescale.real) + np.abs(centers)
        reach += max(-output.low, output.high)
        band = rescale.slack + np.finfo(dtype).eps * reach
        inside = bounds + np.abs(offsets) < rescale.limit
        self._fast = bool(inside.all()) and float(band.mean() if columns else 0) < 0.1
        self._scale, self._center, self._nearest = (
            np.tile(v, self.rows).astype(dtype) for v in (rescale.real, centers, 0.5 - band)
        )

    def capacity(self, rows: int) -> int:
        """Rows that tiles must have room for, to hold `rows`."""
        return -(-rows // self.rows) * self.rows

    def __call__(self, acc: Array, out: Array, work: Work) -> None:
        """Writes `out` [rows, columns], C-contiguous; `acc` and `work` hold `capacity` rows."""
        if not self._fast:
            totals = acc[: len(out)].astype(np.int64) + self._offsets
            out[...] = requantize(totals, self._rescale, self._output)
            return
        size = self.capacity(len(out)) * out.shape[1]
        shape = (-1, self._scale.size)
        y, error, near = (w[:size].reshape(shape) for w in (work.y, work.error, work.near))
        np.multiply(acc.reshape(-1)[:size].reshape(shape), self._scale, out=y)
        np.add(y, self._center, out=y)
        np.clip(y, y.dtype.type(self._output.low), y.dtype.type(self._output.high), out=y)
        np.rint(y, out=error)
        np.copyto(out.reshape(-1), work.error[: out.size], casting="unsafe")
        np.subtract(y, error, out=error)
        np.abs(error, out=error)
        np.greater(error, self._nearest, out=near)
        again = np.flatnonzero(work.near[: out.size])
        if again.size:
            columns = again % out.shape[1]
            totals = acc.reshape(-1)[again].astype(np.int64)
            totals += self._offsets[columns]
            results = self._rescale.inside(totals, columns)
            results += self._output.zero_point
            out.reshape(-1)[again] = results.clip(self._output.low, self._output.high)
