"""SOFTMAX and LOG_SOFTMAX over the last axis."""

from __future__ import annotations

from litegpu.graph import Node
from litegpu.schema.enums import TensorType

from .context import Lowering, elements
from .registry import lowers


@lowers("SOFTMAX")
def softmax(low: Lowering, node: Node) -> None:
    low.require_dtype(0, TensorType.FLOAT32)
    shape = low.shape(0)
    low.require(len(shape) > 0, "the input has rank 0")
    cols = shape[-1]
    rows = elements(shape) // max(cols, 1)
    low.launch(
        "softmax",
        "softmax_rows",
        [rows],
        [low.input(), low.output(), rows, cols, node.options.beta],
    )
