"""Options of custom operators: FlexBuffers maps."""

from __future__ import annotations

from typing import Any

from flatbuffers import flexbuffers  # type: ignore[import-untyped]

from ..errors import OpError
from .context import OpContext

Value = bool | int | float


def custom_options(ctx: OpContext) -> dict[str, Any]:
    """The node's options by name; raises OpError unless they are a FlexBuffers map."""
    raw = bytes(ctx.options) if ctx.options is not None else b""
    try:
        found = _Reader(len(raw)).read(flexbuffers.GetRoot(bytearray(raw)))
    except Exception as error:
        raise OpError(f"custom options are not valid FlexBuffers: {error}") from error
    if not isinstance(found, dict):
        raise OpError(f"custom options are {type(found).__name__}; expected a FlexBuffers map")
    return found


class _Reader:
    """Values of a FlexBuffer, at most `most`: vectors may claim any length, and share parts."""

    def __init__(self, most: int) -> None:
        self._left = most

    def read(self, ref: Any) -> Any:
        if ref.IsMap:
            found = ref.AsMap
            self._spend(len(found))
            values = found.Values
            return {key.AsKey: self.read(values[i]) for i, key in enumerate(found.Keys)}
        if ref.IsVector:
            return self._items(ref.AsVector)
        if ref.IsTypedVector:
            return self._items(ref.AsTypedVector)
        if ref.IsFixedTypedVector:
            return self._items(ref.AsFixedTypedVector)
        return ref.Value

    def _items(self, vector: Any) -> list[Any]:
        self._spend(len(vector))
        return [self.read(item) for item in vector]

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise ValueError("it holds more values than bytes")


def number(options: dict[str, Any], name: str, default: float = 0) -> Any:
    """The number or boolean of this name; `default` where there is none."""
    value = options.get(name)
    if value is None:
        return default
    if not isinstance(value, Value):
        raise OpError(f"option {name!r} is {value!r}; expected a number")
    return value


def integer(options: dict[str, Any], name: str, default: int = 0) -> int:
    """`number` truncated toward zero."""
    value = number(options, name, default)
    try:
        return int(value)
    except (OverflowError, ValueError) as error:
        raise OpError(f"option {name!r} is {value!r}; expected an integer") from error
