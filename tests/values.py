"""Seeded values of every type, and the types as NumPy holds them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from litegpu.dtypes import INTEGER_RANGE, NUMPY
from litegpu.schema.enums import TensorType

FLOATS = (np.float32, np.float16, ml_dtypes.bfloat16, np.float64)
SIGNED = (np.int8, np.int16, np.int32, np.int64)
UNSIGNED = (np.uint8, np.uint16, np.uint32, np.uint64)
NUMBERS = (*FLOATS, *SIGNED, *UNSIGNED, np.complex64)
PLAIN = (*NUMBERS, np.bool_)
"""Every type of whole bytes that a graph commonly holds."""

PACKED = (TensorType.INT4, TensorType.UINT4, TensorType.INT2)


def name(dtype: Any) -> str:
    return dtype.name if isinstance(dtype, TensorType) else str(np.dtype(dtype).name)


def values(shape: tuple[int, ...], dtype: Any = np.float32, seed: int = 0) -> Any:
    """Values over the whole range of an integer type, around 0 for floats."""
    rng = np.random.default_rng(seed)
    if isinstance(dtype, TensorType) and dtype in INTEGER_RANGE:
        low, high = INTEGER_RANGE[dtype]
        return rng.integers(low, high, shape, np.int64, endpoint=True).astype(NUMPY[dtype])
    kind = np.dtype(dtype)
    if kind.kind == "O":
        return strings(shape, seed)
    if kind.kind == "b":
        return rng.random(shape) < 0.5
    if kind.kind in "iu":
        info = np.iinfo(kind)
        return rng.integers(info.min, info.max, shape, kind, endpoint=True)
    if kind.kind == "c":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(kind)
    return rng.normal(0, 3, shape).astype(kind)


def strings(shape: tuple[int, ...], seed: int = 0) -> Any:
    """Strings of 0 to 9 bytes, zero bytes and invalid UTF-8 among them."""
    rng = np.random.default_rng(seed)
    out: Any = np.empty(shape, object)
    flat = out.reshape(-1)
    for i in range(flat.size):
        flat[i] = rng.bytes(int(rng.integers(0, 10)))
    return out


def vector(*numbers: int, dtype: Any = np.int32) -> Any:
    return np.array(numbers, dtype)
