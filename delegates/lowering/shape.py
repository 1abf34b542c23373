"""Operators that change only the shape: no launch. BROADCAST_TO repeats elements."""

from __future__ import annotations

import numpy as np
from litegpu.dtypes import NUMPY
from litegpu.graph import Node

from .context import Lowering
from .copy import copy, source, target, view
from .registry import lowers


@lowers("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "BITCAST")
def reshape(low: Lowering, node: Node) -> None:
    low.require(not low.is_constant(0), "the input is a constant")
    low.alias()


@lowers("BROADCAST_TO")
def broadcast_to(low: Lowering, node: Node) -> None:
    copy(low, source(low, 0), target(low))


@lowers("SHAPE", "RANK")
def shape(low: Lowering, node: Node) -> None:
    y, sizes = target(low), low.shape(0)
    values = np.array(sizes if node.op == "SHAPE" else len(sizes), NUMPY[low.output_tensor().dtype])
    copy(low, view(low.constant(values), values.shape, values.itemsize), y)
