"""How much memory of a device is in use."""

from __future__ import annotations

import threading

from litegpu.delegate import MemoryUse


class Budget:
    """Counts the bytes of all buffers that are alive, and refuses those beyond a limit."""

    def __init__(self, limit: int | None, largest: int) -> None:
        self._limit = limit
        self._largest = largest
        self._used = 0
        self._peak = 0
        # Finalizers give back, and may run within `take`.
        self._lock = threading.RLock()

    def take(self, size: int, device: str) -> None:
        """MemoryError where there is no room."""
        with self._lock:
            if size > self._largest:
                raise MemoryError(
                    f"{size} bytes on {device}; its largest buffer is {self._largest}"
                )
            if self._limit is not None and self._used + size > self._limit:
                raise MemoryError(
                    f"{size} bytes on {device} beside {self._used} in use; "
                    f"memory_limit is {self._limit}"
                )
            self._used += size
            self._peak = max(self._peak, self._used)

    def give_back(self, size: int) -> None:
        with self._lock:
            self._used -= size

    def use(self) -> MemoryUse:
        with self._lock:
            return MemoryUse(self._used, self._peak)
