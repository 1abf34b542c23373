"""Pinned memory of the host, from and to which a GPU copies while the host goes on."""

from __future__ import annotations

from litegpu.graph import Array


class Staging:
    """Hands out parts of `memory`, an array of bytes; `owner` keeps it alive."""

    SIZE = 16 << 20
    """Bytes that devices pin; larger transfers do without."""

    def __init__(self, memory: Array, owner: object = None) -> None:
        self._memory = memory
        self._owner = owner
        self._used = 0

    def take(self, size: int) -> Array | None:
        """`size` bytes until `clear`; None where they are not left."""
        start = self._used
        if start + size > self._memory.size:
            return None
        self._used = -(-(start + size) // 64) * 64
        return self._memory[start : start + size]

    def clear(self) -> None:
        self._used = 0
