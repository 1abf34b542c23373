"""Arrays of other libraries on CUDA's devices, through DLPack or `__cuda_array_interface__`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from litegpu.graph import Array, Shape

from .cuda_buffer import Buffer

if TYPE_CHECKING:
    from .cuda import CudaDevice

DLPACK_CUDA = (2, 13)
"""DLPack's numbers of CUDA's own and managed memory."""


class Adopted:
    """A copy, on the delegate's device, of another library's array."""

    def __init__(self, device: CudaDevice, shape: Shape, dtype: np.dtype[Any]) -> None:
        self.shape = shape
        self.dtype = dtype
        self.nbytes = math.prod(shape) * dtype.itemsize
        self.buffer = device.allocate(max(1, self.nbytes))
        self._device = device

    def copy_to(self, array: Array) -> None:
        if self.nbytes:
            self._device.download(self.buffer, array)
            self._device.synchronize()


class Exchange:
    """Takes arrays in and gives arrays out, as CuPy's; both are ready on every stream once they are
    here or there."""

    def __init__(self, cupy: Any, device: CudaDevice, keeps_outputs: bool) -> None:
        self._cupy = cupy
        self._device = device
        self.keeps_outputs = keeps_outputs

    def adopt(self, value: Any) -> Adopted | None:
        """A copy of an array that lies on this device; None for any other."""
        device = self._device
        with device.here():
            found = self._found(value)
            if found is None or found.device.id != device.index:
                return None
            whole = self._cupy.ascontiguousarray(found)
            made = Adopted(device, whole.shape, np.dtype(whole.dtype))
            if made.nbytes:
                device.copy(Buffer(whole.data.ptr, made.nbytes, whole), made.buffer, made.nbytes)
            device.synchronize()
        return made

    def _found(self, value: Any) -> Any:
        """CuPy's view of an array, which this stream may read; None if it is not CUDA's."""
        if hasattr(value, "__dlpack_device__"):
            kind, _ = value.__dlpack_device__()
            return self._cupy.from_dlpack(value) if kind in DLPACK_CUDA else None
        return self._cupy.asarray(value)

    def export(self, buffer: Buffer, shape: Shape, dtype: np.dtype[Any]) -> Any:
        """An array of its own with what a buffer holds."""
        device = self._device
        with device.here():
            made = self._cupy.empty(shape, dtype)
            if made.nbytes:
                device.copy(buffer, Buffer(made.data.ptr, made.nbytes, made), made.nbytes)
            device.synchronize()
        return made
