"""Memory of CUDA's devices."""

from __future__ import annotations


class Buffer:
    """Memory of the device; `owner` keeps it alive."""

    def __init__(self, pointer: int, size: int, owner: object) -> None:
        self.pointer = pointer
        self.size = size
        self.owner = owner
