"""Operators that change only the shape: no launch. BROADCAST_TO repeats elements."""

from __future__ import annotations

from litegpu.graph import Node

from .context import Lowering
from .copy import copy, source, target
from .registry import lowers


@lowers("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "BITCAST")
def reshape(low: Lowering, node: Node) -> None:
    low.require(not low.is_constant(0), "the input is a constant")
    low.alias()


@lowers("BROADCAST_TO")
def broadcast_to(low: Lowering, node: Node) -> None:
    copy(low, source(low, 0), target(low))
