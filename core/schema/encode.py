"""The declared tables to FlatBuffers bytes: the inverse of `decode`."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from flatbuffers import number_types

from ..graph import Array
from . import table as kinds

_FLAGS = {
    "?": number_types.BoolFlags,
    "b": number_types.Int8Flags,
    "B": number_types.Uint8Flags,
    "H": number_types.Uint16Flags,
    "i": number_types.Int32Flags,
    "I": number_types.Uint32Flags,
    "q": number_types.Int64Flags,
    "Q": number_types.Uint64Flags,
    "f": number_types.Float32Flags,
}

OFFSET_BYTES = 4


def encode(root: Any, identifier: bytes) -> bytearray:
    """The bytes of a file whose root table is `root`.

    Raises ValueError where a value does not fit its slot, or the whole exceeds 2 GB.
    """
    builder = flatbuffers.Builder(1024)
    try:
        builder.Finish(_table(builder, root), file_identifier=identifier)
    except flatbuffers.builder.BuilderSizeError as error:
        raise ValueError("the tables exceed the 2 GB that FlatBuffers can hold") from error
    output: bytearray = builder.Output()
    return output


def _table(builder: Any, value: Any) -> int:
    """The position of a table whose parts were written before it, as FlatBuffers needs."""
    stores: list[tuple[int, Callable[[int], None]]] = []
    slot = 0
    for name, kind, default in kinds.fields(type(value)):
        item = getattr(value, name)
        try:
            stores += _stores(builder, slot, kind, item, default)
        except (struct.error, TypeError, OverflowError) as error:
            raise ValueError(f"{type(value).__name__}.{name} = {item!r}: {error}") from error
        slot += 2 if isinstance(kind, kinds.Union) else 1
    builder.StartObject(slot)
    for number, store in stores:
        store(number)
        builder.Slot(number)
    position: int = builder.EndObject()
    return position


def _stores(
    builder: Any, slot: int, kind: kinds.Kind, item: Any, default: Any
) -> Iterable[tuple[int, Callable[[int], None]]]:
    """For each slot that the field takes in the table: its number and what writes it."""
    if item is None:
        return []
    match kind:
        case kinds.Scalar(code) | kinds.Enum(_, code):
            # By their bits: -0.0 is not the default 0.0.
            if struct.pack("<" + code, item) == struct.pack("<" + code, default):
                return []
            return [(slot, _number(builder, code, item))]
        case kinds.Union(late):
            member = late().index(type(item))
            position = _table(builder, item)
            return [(slot, _number(builder, "B", member)), (slot + 1, _offset(builder, position))]
        case kinds.String():
            return [(slot, _offset(builder, builder.CreateString(item)))]
        case kinds.Table():
            return [(slot, _offset(builder, _table(builder, item)))]
        case kinds.Vector(of, alignment):
            return [(slot, _offset(builder, _vector(builder, of, alignment, item)))]


def _number(builder: Any, code: str, value: Any) -> Callable[[int], None]:
    return lambda _: builder.Prepend(_FLAGS[code], value)


def _offset(builder: Any, position: int) -> Callable[[int], None]:
    return lambda _: builder.PrependUOffsetTRelative(position)


def _vector(builder: Any, of: Any, alignment: int, items: Any) -> int:
    match of:
        case kinds.Scalar(code) | kinds.Enum(_, code):
            dtype = np.dtype("<" + code)
            return _numbers(builder, np.asarray(items, dtype).reshape(-1), alignment)
        case kinds.String():
            return _offsets(builder, [builder.CreateString(item) for item in items])
        case _:
            return _offsets(builder, [_table(builder, item) for item in items])


def _numbers(builder: Any, values: Array, alignment: int) -> int:
    builder.StartVector(values.itemsize, values.size, max(alignment, values.itemsize))
    builder.head -= values.nbytes
    builder.Bytes[builder.head : builder.head + values.nbytes] = values.tobytes()
    position: int = builder.EndVector()
    return position


def _offsets(builder: Any, positions: list[int]) -> int:
    builder.StartVector(OFFSET_BYTES, len(positions), OFFSET_BYTES)
    for position in reversed(positions):
        builder.PrependUOffsetTRelative(position)
    result: int = builder.EndVector()
    return result
