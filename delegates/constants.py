"""Constants on the device, each once."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np

from .device import Device
from .program import Constant


class Held:
    """A device buffer that lives as long as someone holds this."""

    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer


class ConstantCache:
    """Constants on the device by content: shared by shapes, partitions and interpreters, freed
    with the last."""

    def __init__(self, device: Device, lock: threading.Lock) -> None:
        self._device = device
        self._queue_lock = lock
        self._buffers: weakref.WeakValueDictionary[tuple[object, ...], Held] = (
            weakref.WeakValueDictionary()
        )
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._buffers)

    def get(self, constant: Constant) -> Held:
        with self._lock:
            held = self._buffers.get(constant.key)
            if held is None:
                array = np.ascontiguousarray(constant.make())
                held = Held(self._device.allocate(max(1, array.nbytes)))
                if array.nbytes:
                    with self._queue_lock:
                        self._device.upload(array, held.buffer)
                        self._device.synchronize()
                self._buffers[constant.key] = held
            return held
