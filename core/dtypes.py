"""TensorType to NumPy and back, and the bytes of a tensor to its values."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from .graph import Array, Shape
from .schema.enums import TensorType as T

NUMPY: dict[T, np.dtype[Any]] = {
    T.FLOAT32: np.dtype(np.float32),
    T.FLOAT16: np.dtype(np.float16),
    T.INT32: np.dtype(np.int32),
    T.UINT8: np.dtype(np.uint8),
    T.INT64: np.dtype(np.int64),
    T.STRING: np.dtype(object),
    T.BOOL: np.dtype(np.bool_),
    T.INT16: np.dtype(np.int16),
    T.COMPLEX64: np.dtype(np.complex64),
    T.INT8: np.dtype(np.int8),
    T.FLOAT64: np.dtype(np.float64),
    T.COMPLEX128: np.dtype(np.complex128),
    T.UINT64: np.dtype(np.uint64),
    T.RESOURCE: np.dtype(np.int32),
    T.VARIANT: np.dtype(object),
    T.UINT32: np.dtype(np.uint32),
    T.UINT16: np.dtype(np.uint16),
    T.INT4: np.dtype(np.int8),
    T.BFLOAT16: np.dtype(ml_dtypes.bfloat16),
    T.INT2: np.dtype(np.int8),
    T.UINT4: np.dtype(np.uint8),
    T.FLOAT8_E4M3FN: np.dtype(ml_dtypes.float8_e4m3fn),
    T.FLOAT8_E5M2: np.dtype(ml_dtypes.float8_e5m2),
}
"""How the values of each type are held at run time: 2- and 4-bit integers one per byte, strings as
bytes objects."""

PACKED_BITS = {T.INT4: 4, T.UINT4: 4, T.INT2: 2}
"""Types that a file stores several to a byte, the first in the low bits."""

MAX_RANK = 64
"""Dimensions that a NumPy array can have."""

OBJECTS = frozenset({T.STRING, T.VARIANT})
"""Types whose values are Python objects and never lie in an arena."""

BYTES_PER_STRING = 64
"""What one string costs beside its characters, to bound their number."""

FLOATS = frozenset({T.FLOAT32, T.FLOAT16, T.BFLOAT16, T.FLOAT64})

INTEGER_RANGE: dict[T, tuple[int, int]] = {
    T.INT2: (-2, 1),
    T.INT4: (-8, 7),
    T.UINT4: (0, 15),
    T.INT8: (-128, 127),
    T.UINT8: (0, 255),
    T.INT16: (-(2**15), 2**15 - 1),
    T.UINT16: (0, 2**16 - 1),
    T.INT32: (-(2**31), 2**31 - 1),
    T.UINT32: (0, 2**32 - 1),
    T.INT64: (-(2**63), 2**63 - 1),
    T.UINT64: (0, 2**64 - 1),
}


def stored_bytes(dtype: T, elements: int) -> int:
    """Bytes that `elements` values of `dtype` take in a file; strings have no fixed size."""
    bits = PACKED_BITS.get(dtype)
    return -(-elements * bits // 8) if bits else elements * NUMPY[dtype].itemsize


def decode(data: Array, dtype: T, shape: Shape) -> Array:
    """The values of stored bytes (uint8) as an array of `shape`; a view where the layout allows
    it."""
    if dtype == T.STRING:
        return decode_strings(data).reshape(shape)
    bits = PACKED_BITS.get(dtype)
    if bits:
        return unpack_bits(
            data, bits, int(np.prod(shape, dtype=np.int64)), dtype != T.UINT4
        ).reshape(shape)
    return data.view(NUMPY[dtype]).reshape(shape)


def encode(values: Array, dtype: T) -> Array:
    """The stored bytes (uint8) of run-time values: the inverse of `decode`."""
    if dtype == T.STRING:
        return encode_strings(values)
    if dtype in PACKED_BITS:
        return pack_bits(values, PACKED_BITS[dtype])
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)


def unpack_bits(data: Array, bits: int, elements: int, signed: bool) -> Array:
    """`elements` integers of `bits` bits each, lowest bits first, one per byte (int8 or uint8)."""
    per_byte = 8 // bits
    out = np.empty((data.size, per_byte), np.int8 if signed else np.uint8)
    raw = data.view(out.dtype)
    for i in range(per_byte):
        np.left_shift(raw, 8 - bits * (i + 1), out=out[:, i])
    np.right_shift(out, 8 - bits, out=out)
    return out.reshape(-1)[:elements]


def pack_bits(values: Array, bits: int) -> Array:
    """The stored bytes (uint8) of small integers, lowest bits first: the inverse of
    `unpack_bits`."""
    per_byte = 8 // bits
    flat = values.reshape(-1).view(np.uint8) & ((1 << bits) - 1)
    padded = np.zeros(-(-flat.size // per_byte) * per_byte, np.uint8)
    padded[: flat.size] = flat
    shifts = np.arange(per_byte, dtype=np.uint8) * bits
    packed: Array = np.bitwise_or.reduce(padded.reshape(-1, per_byte) << shifts, axis=1)
    return packed


def string_ends(data: Array) -> Array:
    """The offsets (count + 1) in a stored string tensor between which its strings lie."""
    if data.size < 4:
        return np.zeros(1, np.int32)
    count = int(data[:4].view("<i4")[0])
    if count < 0 or 4 * (count + 2) > data.size:
        raise ValueError(f"string tensor: {count} strings do not fit in {data.size} bytes")
    ends: Array = data[4 : 4 * (count + 2)].view("<i4")
    if ends[0] < 4 * (count + 2) or ends[-1] > data.size or np.any(ends[1:] < ends[:-1]):
        raise ValueError("string tensor: offsets are not increasing within the buffer")
    return ends


def decode_strings(data: Array) -> Array:
    """The strings of a stored string tensor: int32 count, int32 offsets (count + 1), then the
    bytes."""
    ends = string_ends(data)
    raw = data.tobytes()
    out = np.empty(ends.size - 1, object)
    for i in range(out.size):
        out[i] = raw[ends[i] : ends[i + 1]]
    return out


def encode_strings(strings: Array) -> Array:
    """The stored bytes (uint8) of an array of bytes objects: the inverse of `decode_strings`."""
    items: list[bytes] = strings.reshape(-1).tolist()
    first = 4 * (len(items) + 2)
    ends = first + np.cumsum([0, *(len(s) for s in items)])
    header = np.concatenate([[len(items)], ends]).astype("<i4").tobytes()
    return np.frombuffer(header + b"".join(items), np.uint8)
