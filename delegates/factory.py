"""What the factories of all GPU delegates do."""

from __future__ import annotations

from collections.abc import Sequence


def operators() -> frozenset[str]:
    """The operators that have a lowering."""
    from . import lowering
    from .lowering.registry import LOWERINGS

    del lowering  # Importing it has registered every lowering.
    return frozenset(LOWERINGS)


def check_options(
    precision: str, precisions: Sequence[str], memory_limit: int | None, **switches: bool
) -> None:
    """ValueError where a value is none of those that the option takes."""
    if precision not in precisions:
        expected = " or ".join(map(repr, precisions))
        raise ValueError(f"option precision is {precision!r}; {expected} expected")
    if memory_limit is not None and not (isinstance(memory_limit, int) and memory_limit >= 0):
        raise ValueError(f"option memory_limit is {memory_limit!r}; a number of bytes expected")
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise ValueError(f"option {name} is {value!r}; true or false expected")
