"""Custom operators of one interpreter, written in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .interpreter import Interpreter
from .ops.registry import B, Op, Prepare, register


class CustomOps:
    """What a registerer receives: `op` registers an operator as `litegpu.ops.registry.op` does."""

    def __init__(self) -> None:
        self.table: dict[str, Op] = {}

    def op(self, *codes: str, prepare: Prepare, pure: bool = False) -> Callable[[B], B]:
        """Registers the decorated `bind` for custom operators with these codes, of any version."""
        return register(self.table, codes, prepare, (1, 2**31 - 1), pure)


def registered(registerers: Sequence[Callable[[CustomOps], Any]]) -> dict[str, Op]:
    """The operators by custom code that these callables register; ValueError for what cannot be
    called."""
    ops = CustomOps()
    for registerer in registerers:
        if not callable(registerer):
            raise ValueError(
                f"Looking up symbol '{registerer}' failed with error 'litegpu takes Python "
                "callables'"
            )
        registerer(ops)
    return ops.table


class InterpreterWithCustomOps(Interpreter):
    """An Interpreter that also runs the custom operators that `custom_op_registerers` register.

    Each registerer is a callable that takes a `CustomOps`. Every other argument must be a keyword.
    """

    def __init__(
        self,
        custom_op_registerers: Sequence[Callable[[CustomOps], Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        self._custom_ops = registered(custom_op_registerers or ())
        super().__init__(**kwargs)
        self._arguments["custom_op_registerers"] = custom_op_registerers
