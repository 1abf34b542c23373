"""Options of custom operators: FlexBuffers maps of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from flatbuffers import flexbuffers

from ..errors import OpError

N = TypeVar("N", bool, int, float)


class NumberMap:
    """The map that `data` holds; one without entries where it holds no map."""

    def __init__(self, data: bytes) -> None:
        self._map: Mapping[str, flexbuffers.Ref] = {}
        if not data:
            return
        try:
            root = flexbuffers.GetRoot(bytearray(data))
            if root.IsMap:
                self._map = root.AsMap
        except Exception as error:
            raise OpError(f"the custom options are no valid FlexBuffer: {error}") from error

    def get(self, key: str, default: N) -> N:
        """The number under `key` as the type of `default`, which stands for a missing one.

        Raises OpError where the value is not a number.
        """
        try:
            found = self._map[key]
        except KeyError:
            return default
        except Exception as error:
            raise OpError(f"the custom options are no valid FlexBuffer: {error}") from error
        return _number(key, found, default)


def _number(key: str, found: flexbuffers.Ref, default: N) -> N:
    try:
        if found.IsNull:
            return default
        if not (found.IsNumeric or found.IsBool):
            raise OpError(f"custom option {key!r} is no number")
        value = found.AsFloat if found.IsFloat else found.AsInt
    except OpError:
        raise
    except Exception as error:
        raise OpError(f"custom option {key!r} is no valid FlexBuffer: {error}") from error
    if not isinstance(default, float) and not math.isfinite(value):
        raise OpError(f"custom option {key!r} is {value}; expected an integer")
    return type(default)(value)
