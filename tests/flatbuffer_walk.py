"""Where the parts of an encoded file lie, so that tests can break them one at a time."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from litegpu.schema import table as kinds


@dataclass(frozen=True)
class Place:
    """Four bytes of a file: an offset to a table, string or vector, to a vtable, or a length."""

    at: int
    path: str
    role: str


def walk(content: bytes, cls: type) -> Iterator[Place]:
    """Every offset and length in a well-formed file whose root is `cls`."""
    yield Place(0, "root", "offset")
    yield from _table(content, _target(content, 0), cls, "root")


def patched(content: bytes, at: int, value: int) -> bytes:
    """`content` with the 32 bits at byte `at` replaced."""
    return content[:at] + struct.pack("<I", value % 2**32) + content[at + 4 :]


def word(content: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", content, at)[0])


def _target(content: bytes, at: int) -> int:
    return at + word(content, at)


def _table(content: bytes, at: int, cls: type, path: str) -> Iterator[Place]:
    yield Place(at, path, "vtable")
    vtable = at - struct.unpack_from("<i", content, at)[0]
    size = struct.unpack_from("<H", content, vtable)[0]
    offsets = struct.unpack_from(f"<{size // 2 - 2}H", content, vtable + 4)
    slot = 0
    for name, kind, _ in kinds.fields(cls):
        last = slot + isinstance(kind, kinds.Union)
        if last < len(offsets) and offsets[last]:
            member = content[at + offsets[slot]]
            yield from _value(content, at + offsets[last], kind, f"{path}.{name}", member)
        slot = last + 1


def _value(content: bytes, at: int, kind: kinds.Kind, path: str, member: int) -> Iterator[Place]:
    if isinstance(kind, kinds.Scalar | kinds.Enum):
        return
    yield Place(at, path, "offset")
    start = _target(content, at)
    if isinstance(kind, kinds.Table):
        yield from _table(content, start, kind.cls(), path)
    elif isinstance(kind, kinds.Union):
        cls = kind.members()[member]
        assert cls is not None
        yield from _table(content, start, cls, path)
    else:
        yield Place(start, path, "length")
        if isinstance(kind, kinds.Vector):
            for i in range(word(content, start)):
                yield from _value(content, start + 4 + 4 * i, kind.of, f"{path}[{i}]", 0)
