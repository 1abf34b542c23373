"""Matrices worked on by tiles of rows, so that what one pass writes the next finds in cache.

Vectors that apply to every row are held repeated, and rows are taken several together: loops over a
few columns are slow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..graph import Array
from ..schema.enums import ActivationFunctionType
from .fused import float_clamp

TILE = 1 << 18
"""Elements of a tile, all its matrices together."""
LARGEST_TILE = 1 << 24
RUN = 1024
"""Elements that inner loops should run over."""


def repeats(columns: int) -> int:
    """How many rows of `columns` elements to take together."""
    return max(1, RUN // max(1, columns))


def tile_rows(elements_per_row: int, rows: int) -> int:
    """Rows of a tile: 64 or more where there are as many and memory allows."""
    elements = max(1, elements_per_row)
    fewest = min(64, max(1, LARGEST_TILE // elements))
    return max(1, min(rows, max(fewest, TILE // elements)))


def spans(rows: int, step: int) -> Iterator[tuple[int, int]]:
    """The (start, stop) of consecutive tiles."""
    for start in range(0, rows, step):
        yield start, min(rows, start + step)


class FloatFinish:
    """Adds a bias to each row of float32 results and limits them, in place."""

    def __init__(
        self, bias: Array | None, activation: ActivationFunctionType, columns: int
    ) -> None:
        self._bias = bias
        self._rows = repeats(columns)
        self._repeated = np.zeros((self._rows, columns), np.float32)
        self._low, self._high = float_clamp(activation)

    def refresh(self) -> None:
        """Reads the bias: it may be computed by the graph."""
        if self._bias is not None:
            self._repeated[:] = self._bias

    def __call__(self, y: Array) -> None:
        """`y` is [rows, columns], C-contiguous."""
        if self._bias is not None:
            whole = len(y) - len(y) % self._rows
            if whole:
                together = y[:whole].reshape(-1, self._repeated.size)
                np.add(together, self._repeated.reshape(-1), out=together)
            if whole < len(y):
                rest = y[whole:]
                np.add(rest, self._repeated[: len(rest)], out=rest)
        if self._low != -math.inf:
            np.clip(y, np.float32(self._low), np.float32(self._high), out=y)
