"""Memory for the insides of steps: one buffer that every node of a plan uses in turn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .graph import Array, Shape
from .memory import ALIGNMENT


class Scratch:
    """Hands out parts of one buffer. It doubles when too small; views of the older buffer stay
    valid."""

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint8)
        self._used = 0

    def reset(self) -> None:
        """Begins another node, whose memory may be that of the last."""
        self._used = 0

    def take(self, shape: Shape, dtype: Any) -> Array:
        """An array with any content, C-contiguous and aligned."""
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        if self._used + size + ALIGNMENT > self._buffer.size:
            self._buffer = np.empty(max(2 * self._buffer.size, size + ALIGNMENT), np.uint8)
            self._used = 0
        start = self._used + -(self._buffer.ctypes.data + self._used) % ALIGNMENT
        self._used = start + size
        taken: Array = self._buffer[start : start + size].view(kind).reshape(shape)
        return taken
