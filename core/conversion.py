"""Checks and converts what a caller sets: the array must fit the tensor; no casting."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dtypes import INTEGER_RANGE, NUMPY, PACKED_BITS
from .graph import Array, Shape, Tensor
from .schema.enums import TensorType

_NAMES = {dtype: t.name for t, dtype in reversed(NUMPY.items()) if not dtype.hasobject}

DLPACK_HOST = frozenset({1, 3, 11, 13})
"""DLPack's numbers of memory that the host reads: its own, pinned, and managed."""


def type_name(array: Array) -> str:
    """TFLite's name of an array's type, as its error messages have it."""
    if array.dtype.kind in "SUO":
        return "STRING"
    return _NAMES.get(array.dtype.newbyteorder("="), "NOTYPE")


def convert(value: Any, tensor: Tensor, index: int, shape: Shape) -> Array:
    """`value` as an array of the tensor's run-time type and shape, in native byte order.

    Raises ValueError where dtype, rank or dimensions differ, in that order.
    """
    if tensor.dtype == TensorType.STRING and isinstance(value, list | tuple):
        kind = type(value).__name__
        raise ValueError(f"Passed in value type is not a numpy array, got type {kind}.")
    array = host_array(value)
    found, expected = type_name(array), tensor.dtype.name
    wanted = NUMPY[tensor.dtype]
    fits = array.dtype.newbyteorder("=") == wanted or (found == "STRING" == expected)
    if not fits or tensor.dtype in (TensorType.INT2, TensorType.VARIANT):
        raise ValueError(
            f"Cannot set tensor: Got value of type {found} but expected type {expected} "
            f"for input {index}, name: {tensor.name} "
        )
    _check_shape(array, tensor, index, shape)
    if expected == "STRING":
        return _strings(array)
    if tensor.dtype in PACKED_BITS:
        _check_range(array, tensor.dtype)
        array = array.reshape(shape)
    return array.astype(wanted, copy=False)


def host_array(value: Any) -> Array:
    """`value` as a NumPy array: arrays of other libraries come through DLPack, if they are on
    the host."""
    if isinstance(value, np.ndarray | np.generic | list | tuple | int | float):
        return np.asarray(value)
    if _lies_on_device(value):
        raise ValueError(
            f"Cannot set tensor: the {type(value).__name__} lies on a device, and none of the "
            "interpreter's delegates reads it"
        )
    return np.from_dlpack(value) if hasattr(value, "__dlpack__") else np.asarray(value)


def _lies_on_device(value: Any) -> bool:
    if hasattr(value, "__dlpack_device__"):
        return value.__dlpack_device__()[0] not in DLPACK_HOST
    return hasattr(value, "__cuda_array_interface__")


def _check_shape(array: Array, tensor: Tensor, index: int, shape: Shape) -> None:
    where = f"for input {index} ({tensor.name!r})."
    if tensor.dtype in PACKED_BITS:
        if array.size != int(np.prod(shape, dtype=np.int64)):
            raise ValueError(
                f"Cannot set tensor: Dimension mismatch. Got {array.size} elements but expected "
                f"shape {list(shape)} {where}"
            )
        return
    if array.ndim != len(shape):
        raise ValueError(
            f"Cannot set tensor: Dimension mismatch. Got {array.ndim} but expected {len(shape)} "
            f"for input {index}."
        )
    for axis, (got, want) in enumerate(zip(array.shape, shape, strict=True)):
        if got != want:
            raise ValueError(
                f"Cannot set tensor: Dimension mismatch. Got {got} but expected {want} "
                f"for dimension {axis} of input {index}."
            )


def _check_range(array: Array, dtype: TensorType) -> None:
    low, high = INTEGER_RANGE[dtype]
    if array.size and (array.min() < low or array.max() > high):
        raise ValueError(
            f"Cannot set tensor: Values for {dtype.name} input must be between {low} and {high}."
        )


def _strings(array: Array) -> Array:
    """An object array of bytes; text is encoded as UTF-8."""
    out = np.empty(array.shape, object)
    flat = out.reshape(-1)
    for i, item in enumerate(array.reshape(-1).tolist()):
        if isinstance(item, str):
            flat[i] = item.encode()
        elif isinstance(item, bytes):
            flat[i] = item
        else:
            raise ValueError(
                f"PyBytes_AsStringAndSize() failed. Element {i} is {type(item).__name__}; "
                "bytes or str expected"
            )
    return out
