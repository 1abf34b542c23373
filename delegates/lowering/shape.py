"""Operators that change only the shape: no launch."""

from __future__ import annotations

from litegpu.graph import Node

from .context import Lowering
from .registry import lowers


@lowers("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def reshape(low: Lowering, node: Node) -> None:
    low.require(not low.is_constant(0), "the input is a constant")
    low.alias()
