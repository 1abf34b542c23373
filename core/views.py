"""Writable views of an interpreter's memory that it can tell are still held."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from .graph import Array


class _Owner:
    """What NumPy keeps as the base of a view and of all slices of it; keeps the memory alive."""

    def __init__(self, array: Array) -> None:
        self._array = array
        raw = array.reshape(-1).view(np.uint8)
        self.__array_interface__: dict[str, Any] = raw.__array_interface__


class Views:
    """Makes views, and knows whether any of them (or a slice of one) is alive."""

    def __init__(self) -> None:
        self._owners: weakref.WeakSet[_Owner] = weakref.WeakSet()

    def make(self, array: Array) -> Array:
        """A view of `array`, C-contiguous; arrays of Python objects are copied, as they own no
        plain bytes."""
        if array.dtype.hasobject or not array.size:
            return array.copy()
        owner = _Owner(array)
        self._owners.add(owner)
        return np.asarray(owner).view(array.dtype).reshape(array.shape)

    def alive(self) -> bool:
        return len(self._owners) > 0
