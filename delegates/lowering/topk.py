"""Order among values: the largest k, the place of the largest or smallest."""

from __future__ import annotations

import math

from litegpu.graph import Node
from litegpu.ops.shapes import normalize_axis
from litegpu.schema.enums import TensorType as T

from .context import C_TYPES, Lowering, Value
from .copy import block
from .registry import lowers

REALS = (T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64)

LONG, FEW, BLOCK = 256, 4096, 256
"""GPUs reduce a row by a whole block where rows are at least LONG and at most FEW."""

MOST_COMPARISONS = 1 << 32


@lowers("ARG_MAX", "ARG_MIN")
def arg_extreme(low: Lowering, node: Node) -> None:
    low.require_dtype(0, *REALS, T.BOOL)
    shape = low.shape(0)
    axis = normalize_axis(int(low.values(1).reshape(-1)[0]), len(shape))
    size, inner = shape[axis], math.prod(shape[axis + 1 :])
    count = math.prod(shape[:axis]) * inner
    low.require(count * size < 2**31, "the tensor has 2^31 elements or more")
    defines = {
        "T": low.ctype(),
        "OUT": C_TYPES[low.output_tensor().dtype],
        "IS_MAX": int(node.op == "ARG_MAX"),
    }
    args: list[Value] = [low.input(0), low.output(), size, inner, count]
    if not low.info.is_cpu and size >= LONG and count <= FEW and low.info.max_block >= BLOCK:
        defines["BLOCK"] = BLOCK
        threads = [BLOCK * count]
        low.launch("topk", "arg_extreme_of_block", threads, args, defines, [BLOCK])
    else:
        low.launch("topk", "arg_extreme", [count], args, defines, block(low))


@lowers("TOPK_V2")
def top_k(low: Lowering, node: Node) -> None:
    low.require_dtype(0, *REALS)
    *outer, k = low.output_tensor(0).shape
    if k == 0:
        return
    rows, size = math.prod(outer), low.shape(0)[-1]
    low.require(rows * size < 2**31, "the tensor has 2^31 elements or more")
    passes = k if low.info.is_cpu else size
    low.require(rows * size * passes <= MOST_COMPARISONS, f"rows of {size} values are too long")
    defines = {"T": low.ctype(), "PLACE": C_TYPES[low.output_tensor(1).dtype]}
    count = rows if low.info.is_cpu else rows * size
    entry = "top_k_by_passes" if low.info.is_cpu else "top_k_by_rank"
    args: list[Value] = [low.input(0), low.output(0), low.output(1), size, k, count]
    low.launch("topk", entry, [count], args, defines, block(low))
