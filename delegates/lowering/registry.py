"""The registry of lowerings: `@lowers` adds one; the delegate looks it up by operator name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from litegpu.graph import Node

if TYPE_CHECKING:
    from .context import Lowering

Lower = Callable[["Lowering", Node], None]

LOWERINGS: dict[str, Lower] = {}


def lowers(*names: str) -> Callable[[Lower], Lower]:
    """Registers the decorated function for operators of these names.

    It records launches, or raises Unsupported with the reason: the same function says whether and
    how.
    """

    def add(lower: Lower) -> Lower:
        for name in names:
            if name in LOWERINGS:
                raise ValueError(f"operator {name} is lowered twice")
            LOWERINGS[name] = lower
        return lower

    return add
