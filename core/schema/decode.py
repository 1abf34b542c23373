"""FlatBuffers bytes to the declared tables; nothing is read that may lie outside the file."""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ..graph import Array
from . import table as kinds

T = TypeVar("T")
Bytes: TypeAlias = bytes | memoryview

SHARED_BYTES = 1 << 20
"""How far what is decoded may exceed the file: parts that several tables share count each time."""

TABLE_COST = 12

_INT32 = struct.Struct("<i")
_UINT32 = struct.Struct("<I")
_UINT16_PAIR = struct.Struct("<HH")


class Malformed(Exception):
    """The encoding is broken; `path` grows from the field outwards while it propagates."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.path = ""

    def __str__(self) -> str:
        return f"{self.path.lstrip('.') or 'root'}: {self.args[0]}"


class Decoder:
    """Reads tables out of one file; the arrays that it returns are views of `data`."""

    def __init__(self, data: Bytes) -> None:
        self.data = data
        self.raw: Array = np.frombuffer(data, np.uint8)
        self.raw.flags.writeable = False
        self.size = len(self.raw)
        self.budget = self.size + SHARED_BYTES
        self.layouts: dict[tuple[int, type], _Layout] = {}

    def root(self, cls: type[T], identifier: bytes) -> T:
        """The root table of the file, which must carry `identifier`."""
        if self.size < 8:
            raise Malformed(f"{self.size} bytes are too few for a header")
        found = bytes(self.data[4:8])
        if found != identifier:
            raise Malformed(f"the file identifier is {found!r}; expected {identifier!r}")
        root: T = self.table(self.target(0), cls)
        return root

    def table(self, at: int, cls: type[Any]) -> Any:
        """The table at byte `at`; absent slots give the declared defaults."""
        self.check(at, 4, "table")
        vtable = at - _INT32.unpack_from(self.data, at)[0]
        layout = self.layouts.get((vtable, cls))
        if layout is None:
            layout = self.layouts[vtable, cls] = self.layout(vtable, cls)
        extent, present, defaults = layout
        self.check(at, extent, "table")
        self.spend(TABLE_COST)
        values = defaults.copy()
        for index, name, offset, type_offset, read in present:
            try:
                values[index] = read(self, at + offset, at + type_offset)
            except Malformed as error:
                error.path = f".{name}{error.path}"
                raise
        return cls(*values)

    def layout(self, vtable: int, cls: type) -> _Layout:
        """The least bytes of a table with this vtable, how to read its slots, and the defaults."""
        self.check(vtable, 4, "vtable")
        bytes_, _ = _UINT16_PAIR.unpack_from(self.data, vtable)
        if bytes_ < 4 or bytes_ % 2:
            raise Malformed(f"the vtable at byte {vtable} has {bytes_} bytes")
        self.check(vtable, bytes_, "vtable")
        offsets = struct.unpack_from(f"<{bytes_ // 2 - 2}H", self.data, vtable + 4)
        extent = 4
        present: list[_Present] = []
        slots, defaults = _plan(cls)
        for slot in slots:
            value = slot.number + slot.is_union
            if value >= len(offsets) or not offsets[value] or not offsets[slot.number]:
                continue
            extent = max(extent, offsets[value] + slot.size, offsets[slot.number] + 1)
            present.append((slot.index, slot.name, offsets[value], offsets[slot.number], slot.read))
        return extent, present, defaults

    def target(self, at: int) -> int:
        """Where the offset stored at byte `at` points."""
        offset: int = _UINT32.unpack_from(self.data, at)[0]
        if not offset:
            raise Malformed(f"the offset at byte {at} is 0")
        return at + offset

    def string(self, at: int) -> str:
        start, length = self.vector(at, 1, "string")
        self.check(start, length + 1, "string")
        if self.data[start + length]:
            raise Malformed(f"the string at byte {start} does not end with 0")
        self.spend(length)
        return str(self.data[start : start + length], "utf-8", "backslashreplace")

    def numbers(self, at: int, dtype: np.dtype[Any]) -> Array:
        start, length = self.vector(at, dtype.itemsize, "vector")
        if dtype.itemsize > 1:
            self.spend(length * dtype.itemsize)
        return self.raw[start : start + length * dtype.itemsize].view(dtype)

    def sequence(self, at: int, read: Callable[[Decoder, int], T]) -> tuple[T, ...]:
        """The items of a vector of offsets, each read at the place of its offset."""
        start, length = self.vector(at, 4, "vector")
        self.spend(4 * length)
        items: list[T] = []
        try:
            items.extend(read(self, i) for i in range(start, start + 4 * length, 4))
        except Malformed as error:
            error.path = f"[{len(items)}]{error.path}"
            raise
        return tuple(items)

    def vector(self, at: int, item_size: int, what: str) -> tuple[int, int]:
        """First byte and length of the vector behind the offset at byte `at`."""
        start = self.target(at)
        self.check(start, 4, what)
        length: int = _UINT32.unpack_from(self.data, start)[0]
        if start + 4 + length * item_size > self.size:
            raise Malformed(
                f"the {what} at byte {start} has {length} items of {item_size} bytes; "
                f"the file has {self.size} bytes"
            )
        return start + 4, length

    def check(self, at: int, length: int, what: str) -> None:
        if at < 0 or at + length > self.size:
            raise Malformed(f"a {what} at byte {at} is outside the file of {self.size} bytes")

    def spend(self, cost: int) -> None:
        self.budget -= cost
        if self.budget < 0:
            raise Malformed("tables or vectors overlap: they describe more than the file holds")


_Read: TypeAlias = Callable[[Decoder, int, int], Any]
_Present: TypeAlias = tuple[int, str, int, int, _Read]
_Layout: TypeAlias = tuple[int, list[_Present], list[Any]]


class _Slot:
    """A declared field: its number in the vtable, its bytes in the table and how to read it."""

    def __init__(self, index: int, number: int, name: str, kind: kinds.Kind) -> None:
        self.index = index
        self.number = number
        self.name = name
        self.is_union = isinstance(kind, kinds.Union)
        self.size = 4
        if isinstance(kind, kinds.Scalar | kinds.Enum):
            self.size = struct.calcsize(kind.code)
        self.read = _reader(kind)


@cache
def _plan(cls: type) -> tuple[list[_Slot], list[Any]]:
    """The slots of a table class and their defaults."""
    slots: list[_Slot] = []
    number = 0
    declared = kinds.fields(cls)
    for index, (name, kind, _) in enumerate(declared):
        slots.append(_Slot(index, number, name, kind))
        number += 2 if isinstance(kind, kinds.Union) else 1
    return slots, [default for _, _, default in declared]


def _reader(kind: kinds.Kind) -> _Read:
    match kind:
        case kinds.Scalar(code):
            unpack = struct.Struct("<" + code).unpack_from
            return lambda decoder, at, _: unpack(decoder.data, at)[0]
        case kinds.Enum(members, code):
            return _enum_reader(members, code)
        case kinds.String():
            return lambda decoder, at, _: decoder.string(at)
        case kinds.Table(late):
            return lambda decoder, at, _: decoder.table(decoder.target(at), late())
        case kinds.Vector(of):
            return _vector_reader(of)
        case kinds.Union(members_of):
            return _union_reader(members_of)


def _enum_reader(members: type[IntEnum], code: str) -> _Read:
    unpack = struct.Struct("<" + code).unpack_from
    known = {int(member): member for member in members}

    def read(decoder: Decoder, at: int, _: int) -> Any:
        value = unpack(decoder.data, at)[0]
        member = known.get(value)
        if member is None:
            raise Malformed(f"{value} is not a member of {members.__name__}")
        return member

    return read


def _vector_reader(of: kinds.Scalar | kinds.Enum | kinds.String | kinds.Table) -> _Read:
    match of:
        case kinds.Scalar(code):
            dtype = np.dtype("<" + code)
            return lambda decoder, at, _: decoder.numbers(at, dtype)
        case kinds.Enum(members, code):
            dtype = np.dtype("<" + code)
            return lambda decoder, at, _: _members(decoder.numbers(at, dtype), members)
        case kinds.String():
            return lambda decoder, at, _: decoder.sequence(at, Decoder.string)
        case kinds.Table(late):
            return lambda decoder, at, _: decoder.sequence(
                at, lambda inner, item: inner.table(inner.target(item), late())
            )


def _members(values: Array, members: type[IntEnum]) -> tuple[Any, ...]:
    try:
        return tuple(map(members, values.tolist()))
    except ValueError as error:
        raise Malformed(str(error)) from None


def _union_reader(members_of: Callable[[], tuple[type | None, ...]]) -> _Read:
    def read(decoder: Decoder, at: int, type_at: int) -> Any:
        number = decoder.data[type_at]
        members = members_of()
        if number >= len(members):
            raise Malformed(f"union member {number} is unknown; there are {len(members)}")
        cls = members[number]
        return None if cls is None else decoder.table(decoder.target(at), cls)

    return read
