"""The registry of lowerings: `@lowers` adds one; the delegate looks it up by operator name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from litegpu.graph import Node

if TYPE_CHECKING:
    from .context import Lowering

Lower = Callable[["Lowering", Node], None]

LOWERINGS: dict[str, Lower] = {}


CUSTOM_LOWERINGS: dict[str, Lower] = {}


def lowering_of(node: Node) -> Lower | None:
    return (CUSTOM_LOWERINGS if node.custom else LOWERINGS).get(node.op)


def lowers(*names: str, custom: bool = False) -> Callable[[Lower], Lower]:
    """Registers the decorated function for operators of these names.

    It records launches, or raises Unsupported with the reason: the same function says whether and
    how.
    """

    def add(lower: Lower) -> Lower:
        for name in names:
            known = CUSTOM_LOWERINGS if custom else LOWERINGS
            if name in known:
                raise ValueError(f"operator {name} is lowered twice")
            known[name] = lower
        return lower

    return add
