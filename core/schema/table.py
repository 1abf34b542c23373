"""Declarations of FlatBuffers tables: a frozen dataclass whose fields say how each slot is stored.

The order of the fields is the order of the slots in the schema; a union takes two slots (its type,
then its value). See https://flatbuffers.dev/internals for the encoding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias, TypeVar, cast, dataclass_transform

from numpy.typing import NDArray

E = TypeVar("E", bound=IntEnum)
T = TypeVar("T")

Numbers: TypeAlias = NDArray[Any] | Sequence[Any]
"""A vector of numbers: an array where the reader made it, any sequence where a caller did."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number stored inline; `code` is its `struct` and NumPy type code, little-endian."""

    code: str


@dataclass(frozen=True, slots=True)
class Enum:
    """A member of `members`, stored as the integer type `code`."""

    members: type[IntEnum]
    code: str


@dataclass(frozen=True, slots=True)
class String:
    """UTF-8 text behind an offset."""


@dataclass(frozen=True, slots=True)
class Vector:
    """Numbers, strings or tables behind an offset; the items start at a multiple of `alignment`."""

    of: Scalar | Enum | String | Table
    alignment: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Another table behind an offset; `cls` is called late: declarations may be in any order."""

    cls: Callable[[], type]


@dataclass(frozen=True, slots=True)
class Union:
    """One of several tables: a type byte (the position in `members`, 0 for none), an offset."""

    members: Callable[[], tuple[type | None, ...]]


Kind = Scalar | Enum | String | Vector | Table | Union

KIND = "flatbuffers kind"


def _field(kind: Kind, default: Any) -> Any:
    return dataclasses.field(default=default, metadata={KIND: kind})


def boolean(default: bool = False) -> Any:
    return _field(Scalar("?"), default)


def int8(default: int = 0) -> Any:
    return _field(Scalar("b"), default)


def uint8(default: int = 0) -> Any:
    return _field(Scalar("B"), default)


def int32(default: int = 0) -> Any:
    return _field(Scalar("i"), default)


def uint32(default: int = 0) -> Any:
    return _field(Scalar("I"), default)


def int64(default: int = 0) -> Any:
    return _field(Scalar("q"), default)


def uint64(default: int = 0) -> Any:
    return _field(Scalar("Q"), default)


def float32(default: float = 0.0) -> Any:
    return _field(Scalar("f"), default)


def enum(default: IntEnum, code: str = "b") -> Any:
    return _field(Enum(type(default), code), default)


def string() -> Any:
    """A string slot; None when absent."""
    return _field(String(), None)


def vector(of: str | Scalar | Enum | String | Table, alignment: int = 0) -> Any:
    """A vector slot, None when absent; numbers (a type code) are read as an array, else a tuple."""
    return _field(Vector(Scalar(of) if isinstance(of, str) else of, alignment), None)


def table(cls: Callable[[], type]) -> Any:
    return _field(Table(cls), None)


def union(members: Callable[[], tuple[type | None, ...]]) -> Any:
    return _field(Union(members), None)


@dataclass_transform(frozen_default=True)
def flatbuffer(cls: type[T]) -> type[T]:
    """The class as a frozen dataclass with slots; equality is by identity where arrays are held.

    All tables share these methods: source generated for each of them, as `dataclass` does it, is
    most of the time that importing them takes.
    """
    cls.__doc__ = cls.__doc__ or cls.__name__
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    defaults = {f.name: f.default for f in dataclasses.fields(made)}
    setters = [made.__dict__[name].__set__ for name in defaults]

    def init(self: Any, *values: Any, **named: Any) -> None:
        if named or len(values) != len(setters):
            values = _completed(cls.__name__, defaults, values, named)
        for set_, value in zip(setters, values, strict=True):
            set_(self, value)

    made.__init__ = init
    made.__repr__ = _repr
    made.__reduce__ = _reduce
    made.__setattr__ = made.__delattr__ = _refuse
    return cast(type[T], made)


def _completed(
    name: str, defaults: dict[str, Any], values: tuple[Any, ...], named: dict[str, Any]
) -> tuple[Any, ...]:
    """The value of each field, from those given by position and by name."""
    missing = list(defaults)[len(values) :]
    unknown = named.keys() - set(missing)
    if unknown or len(values) > len(defaults):
        given = ", ".join([*(repr(v) for v in values), *named])
        raise TypeError(f"{name}({given}): its fields are {', '.join(defaults)}, each once")
    return (*values, *(named.get(field, defaults[field]) for field in missing))


def _values(self: Any) -> dict[str, Any]:
    return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def _repr(self: Any) -> str:
    values = ", ".join(f"{name}={value!r}" for name, value in _values(self).items())
    return f"{type(self).__name__}({values})"


def _reduce(self: Any) -> tuple[type, tuple[Any, ...]]:
    return type(self), tuple(_values(self).values())


def _refuse(self: Any, name: str, *_: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot change field {name!r}")


def fields(cls: type) -> tuple[tuple[str, Kind, Any], ...]:
    """(name, kind, default) of each declared field, in slot order."""
    return tuple((f.name, f.metadata[KIND], f.default) for f in dataclasses.fields(cls))
