"""CUMSUM."""

from __future__ import annotations

import math

from litegpu.graph import Node
from litegpu.ops.shapes import normalize_axis
from litegpu.schema.enums import TensorType as T

from .context import Lowering, Value
from .copy import block
from .registry import lowers


@lowers("CUMSUM")
def cumsum(low: Lowering, node: Node) -> None:
    low.require_dtype(0, T.FLOAT32, T.INT32, T.INT64)
    shape = low.shape(0)
    axis = normalize_axis(int(low.values(1).reshape(-1)[0]), len(shape))
    columns, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    count = columns * inner
    low.require(count * shape[axis] < 2**31, "the tensor has 2^31 elements or more")
    exclusive = int(getattr(node.options, "exclusive", False))
    reverse = int(getattr(node.options, "reverse", False))
    args: list[Value] = [low.input(0), low.output(), shape[axis], inner, exclusive, reverse, count]
    low.launch("cumsum", "cumsum", [count], args, {"T": low.ctype()}, block(low))
