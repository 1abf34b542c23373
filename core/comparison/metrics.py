"""How far one tensor is from the reference, over any number of samples, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..dtypes import FLOATS, INTEGER_RANGE, OBJECTS
from ..graph import Array, Shape, Tensor
from .result import (
    HISTOGRAM_HIGH,
    HISTOGRAM_LOW,
    HISTOGRAM_PER_DECADE,
    Counts,
    Histogram,
    Tolerance,
    Worst,
)

CHUNK = 1 << 18
"""Elements that are looked at together."""

BINS = (HISTOGRAM_HIGH - HISTOGRAM_LOW) * HISTOGRAM_PER_DECADE


@dataclass(slots=True)
class _Side:
    """Special elements of one side."""

    nan: int = 0
    inf: int = 0
    zero: int = 0
    saturated: int = 0

    def add(self, real: Array, saturated: Array | None) -> None:
        self.nan += int(np.isnan(real).sum())
        self.inf += int(np.isinf(real).sum())
        self.zero += int((real == 0).sum())
        if saturated is not None:
            self.saturated += int(saturated.sum())

    def counts(self) -> Counts:
        return Counts(self.nan, self.inf, self.zero, self.saturated)


@dataclass(slots=True)
class Metrics:
    """Sums and extremes of all that `update` was given."""

    tensor: Tensor
    tolerance: Tolerance
    comparisons: int = 0
    mismatched: int = 0
    elements: int = 0
    beyond: int = 0
    exact: int = 0
    error: float = 0.0
    max_abs: float = 0.0
    max_relative: float = 0.0
    max_ulp: float = 0.0
    largest: float = 0.0
    worst: Worst | None = None
    shape: Shape = ()
    _sides: tuple[_Side, _Side] = field(default_factory=lambda: (_Side(), _Side()))
    _sums: dict[str, float] = field(default_factory=dict[str, float])
    _bins: Array = field(default_factory=lambda: np.zeros(BINS, np.int64))
    _nonfinite: int = 0

    def update(self, sample: int, reference: Array, compared: Array) -> None:
        """Adds a comparison of two arrays of the tensor's run-time type."""
        self.comparisons += 1
        if reference.shape != compared.shape or reference.dtype != compared.dtype:
            self.mismatched += 1
            self.error = math.inf
            if self.worst is None:
                self.worst = Worst(sample, (), math.nan, math.nan)
            return
        self.elements += reference.size
        self.shape = reference.shape
        if self.tensor.dtype in OBJECTS:
            self._update_objects(sample, reference, compared)
            return
        zero = self._zero_point()
        largest = _largest(reference, zero)
        self.largest = max(self.largest, largest)
        for start, r, c in _chunks(reference, compared):
            self._update_chunk(sample, start, r, c, zero, largest, reference.shape)

    def _zero_point(self) -> int:
        quant = self.tensor.quant
        single = quant is not None and quant.zero_point.size == 1
        return int(quant.zero_point[0]) if quant is not None and single else 0

    def _update_objects(self, sample: int, reference: Array, compared: Array) -> None:
        same = np.array([a == b for a, b in zip(reference.flat, compared.flat, strict=True)], bool)
        self.exact += int(same.sum())
        wrong = same.size - int(same.sum())
        self.beyond += wrong
        self._nonfinite += wrong
        if wrong:
            self.error = self.max_abs = math.inf
            if self.worst is None:
                at = np.unravel_index(int(np.argmin(same)), reference.shape)
                self.worst = Worst(sample, tuple(map(int, at)), math.nan, math.nan)

    def _update_chunk(
        self,
        sample: int,
        start: int,
        reference: Array,
        compared: Array,
        zero: int,
        largest: float,
        shape: tuple[int, ...],
    ) -> None:
        r, c = _real(reference), _real(compared)
        for side, stored, real in zip(self._sides, (reference, compared), (r, c), strict=True):
            side.add(real, self._saturated(stored))
        same = (reference == compared) | (np.isnan(r) & np.isnan(c))
        finite = np.isfinite(r) & np.isfinite(c)
        with np.errstate(all="ignore"):
            difference = np.where(same, 0.0, np.where(finite, np.abs(c - r), np.inf))
            if reference.dtype.kind in "iu":
                # Beyond 2 ** 53 neighbours are one in float64.
                difference = np.where(same, 0.0, np.maximum(difference, 1.0))
            magnitude = np.abs(r - zero)
            bound = self.tolerance.of_largest * largest + self.tolerance.absolute
            allowed = bound + self.tolerance.relative * np.where(finite, magnitude, 0.0)
            relative = np.where(finite & (magnitude > 0), difference / magnitude, 0.0)
        self.exact += int(same.sum())
        self.beyond += int((difference > allowed).sum())
        self._nonfinite += int(np.isinf(difference).sum())
        self._note_worst(sample, start, difference, r, c, shape)
        top = float(difference.max(initial=0.0))
        if top:
            share = max(largest, 1.0) if reference.dtype.kind in "iub" else largest
            self.error = max(self.error, top / share if share else math.inf)
        self.max_relative = max(self.max_relative, float(relative.max(initial=0.0)))
        self._count(difference)
        kept = finite
        self._add("abs", difference[kept].sum())
        self._add("relative", relative[kept].sum())
        self._add("finite", kept.sum())
        self._add("rc", (r[kept] * c[kept]).sum())
        self._add("rr", np.square(r[kept]).sum())
        self._add("cc", np.square(c[kept]).sum())
        self._add("signal", np.square(magnitude[kept]).sum())
        self._add("noise", np.square(difference[kept]).sum())
        if self.has_ulps:
            steps = np.where(kept, ulps(reference, compared), 0.0)
            self.max_ulp = max(self.max_ulp, float(steps.max(initial=0.0)))
            self._add("ulp", steps.sum())

    def _saturated(self, stored: Array) -> Array | None:
        ends = INTEGER_RANGE.get(self.tensor.dtype)
        found: Array | None = None if ends is None else (stored == ends[0]) | (stored == ends[1])
        return found

    def _note_worst(
        self, sample: int, start: int, difference: Array, r: Array, c: Array, shape: tuple[int, ...]
    ) -> None:
        if not difference.size:
            return
        at = int(np.argmax(difference))
        top = float(difference[at])
        if top <= self.max_abs:
            return
        self.max_abs = top
        parts = 2 if self.tensor.dtype.name.startswith("COMPLEX") else 1
        index = np.unravel_index((start + at) // parts, shape)
        self.worst = Worst(sample, tuple(map(int, index)), float(r[at]), float(c[at]))

    def _count(self, difference: Array) -> None:
        some = difference[(difference > 0) & np.isfinite(difference)]
        if some.size:
            bins = np.floor((np.log10(some) - HISTOGRAM_LOW) * HISTOGRAM_PER_DECADE).astype(int)
            self._bins += np.bincount(np.clip(bins, 0, BINS - 1), minlength=BINS)

    def _add(self, name: str, value: Any) -> None:
        self._sums[name] = self._sums.get(name, 0.0) + float(value)

    # What comes out.

    @property
    def within(self) -> bool:
        return not self.beyond and not self.mismatched

    @property
    def has_ulps(self) -> bool:
        return self.tensor.dtype in FLOATS

    def mean(self, name: str) -> float:
        """The mean of "abs", "relative" or "ulp" errors over the elements finite on both sides."""
        count = self._sums.get("finite", 0.0)
        return self._sums.get(name, 0.0) / count if count else 0.0

    def cosine(self) -> float | None:
        product = math.sqrt(self._sums.get("rr", 0.0)) * math.sqrt(self._sums.get("cc", 0.0))
        return min(1.0, self._sums["rc"] / product) if product else None

    def sqnr(self) -> float | None:
        signal, noise = self._sums.get("signal", 0.0), self._sums.get("noise", 0.0)
        if not noise:
            return math.inf if signal else None
        return 10 * math.log10(signal / noise) if signal else -math.inf

    def sides(self) -> tuple[Counts, Counts]:
        return self._sides[0].counts(), self._sides[1].counts()

    def histogram(self) -> Histogram:
        return Histogram(tuple(self._bins.tolist()), self.exact, self._nonfinite)


def ulps(reference: Array, compared: Array) -> Array:
    """How many numbers of their type lie between floats: the difference of their bit patterns,
    ordered as the numbers are."""
    size = reference.dtype.itemsize
    kind = np.dtype(f"i{size}")
    a, b = (_ordered(x.view(kind), 8 * size) for x in (reference, compared))
    # Of float64, only the difference of numbers of one sign fits into 64 bits.
    wide = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return np.where((a < 0) == (b < 0), np.abs(a - b).astype(np.float64), wide)


def _ordered(bits: Array, width: int) -> Array:
    wide = bits.astype(np.int64)
    lowest = -(1 << (width - 1))
    return np.where(wide < 0, lowest - wide, wide)


def _real(stored: Array) -> Array:
    return stored.astype(np.float64)


def _largest(reference: Array, zero: int) -> float:
    """The largest finite magnitude, counted from the zero point."""
    found = 0.0
    for _, r, _ in _chunks(reference, reference):
        real = _real(r)
        magnitude = np.abs(real[np.isfinite(real)] - zero)
        found = max(found, float(magnitude.max(initial=0.0)))
    return found


def _chunks(reference: Array, compared: Array) -> Iterator[tuple[int, Array, Array]]:
    """(first position, elements of both): complex numbers as pairs."""
    r, c = reference.reshape(-1), compared.reshape(-1)
    if reference.dtype.kind == "c":
        part = np.dtype(f"f{reference.dtype.itemsize // 2}")
        r, c = r.view(part), c.view(part)
    for start in range(0, r.size, CHUNK):
        yield start, r[start : start + CHUNK], c[start : start + CHUNK]
