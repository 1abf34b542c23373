"""Reductions over the rows that share a segment id."""

from __future__ import annotations

import math

from litegpu.graph import Node
from litegpu.schema.enums import TensorType as T

from .context import Lowering, Value
from .copy import block
from .registry import lowers

LEAST = {T.FLOAT32: "-FLT_MAX", T.INT32: "INT_MIN", T.INT64: "LONG_MIN"}
LARGEST = {T.FLOAT32: "FLT_MAX", T.INT32: "INT_MAX", T.INT64: "LONG_MAX"}

MOST_COMPARISONS = 1 << 32


@lowers(
    "SEGMENT_SUM",
    "UNSORTED_SEGMENT_SUM",
    "UNSORTED_SEGMENT_PROD",
    "UNSORTED_SEGMENT_MAX",
    "UNSORTED_SEGMENT_MIN",
)
def segment(low: Lowering, node: Node) -> None:
    """One work item an element of the output, which looks through all ids."""
    dtype = low.require_dtype(0, *LEAST)
    ids, (segments, *rest) = math.prod(low.shape(1)), low.output_tensor().shape
    inner = math.prod(rest)
    count = segments * inner
    low.require(count > 0, "the output is empty")
    low.require(count * ids <= MOST_COMPARISONS, f"there are {ids} ids for {count} results")
    low.require(ids * inner < 2**31, "the tensor has 2^31 elements or more")
    pick = "fmax" if dtype == T.FLOAT32 else "max"
    least = "fmin" if dtype == T.FLOAT32 else "min"
    start, reduction = {
        "SUM": ("0", "(a) + (b)"),
        "PROD": ("1", "(a) * (b)"),
        "MAX": (LEAST[dtype], f"{pick}(a, b)"),
        "MIN": (LARGEST[dtype], f"{least}(a, b)"),
    }[node.op.rsplit("_", 1)[1]]
    defines = {"T": low.ctype(), "START": start, "REDUCE(a, b)": reduction}
    args: list[Value] = [
        low.input(0),
        low.input(1),
        low.output(),
        low.flag(),
        ids,
        segments,
        inner,
        count,
    ]
    low.launch("segment", "reduce_segments", [count], args, defines, block(low))
