"""float32 matrix products with weights as files store them, [outputs, depth], never copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..graph import Array, Shape
from .tiles import spans

FEWEST, MOST = 2, 128
"""Rows for which BLAS is faster with the weights on the left: it packs the larger operand badly
when that is transposed."""

BLOCK = 512
"""Outputs that are turned at a time."""


class FloatProduct:
    """Writes `left` [rows, depth] times `weights` [outputs, depth] to `out` [rows, outputs]."""

    def __init__(self, weights: Array, rows: int, scratch: Callable[[Shape, Any], Array]) -> None:
        """`rows`: the most that a call will have."""
        self._weights = weights
        self._turned: Array | None = None
        if FEWEST <= rows <= MOST:
            self._turned = scratch((min(BLOCK, len(weights)) * rows,), np.float32)

    def __call__(self, left: Array, out: Array) -> None:
        if self._turned is None:
            np.matmul(left, self._weights.T, out=out)
            return
        for start, stop in spans(len(self._weights), BLOCK):
            turned = self._turned[: (stop - start) * len(left)].reshape(stop - start, len(left))
            np.matmul(self._weights[start:stop], left.T, out=turned)
            np.copyto(out[:, start:stop], turned.T)
