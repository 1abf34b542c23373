"""Arithmetic of integers as they are, as C text. Results wrap as the type does."""

from __future__ import annotations

import math
from collections.abc import Sequence

from litegpu.graph import Node
from litegpu.ops.fused import float_clamp
from litegpu.schema.enums import ActivationFunctionType, TensorType

from .emit import Emit
from .lowering.context import C_TYPES

T = TensorType

COMPARISON = {
    "EQUAL": "==",
    "NOT_EQUAL": "!=",
    "LESS": "<",
    "LESS_EQUAL": "<=",
    "GREATER": ">",
    "GREATER_EQUAL": ">=",
}

BINARY = {
    "ADD": "(({0}) + ({1}))",
    "SUB": "(({0}) - ({1}))",
    "MUL": "(({0}) * ({1}))",
    "MAXIMUM": "max(({type})({0}), ({type})({1}))",
    "MINIMUM": "min(({type})({0}), ({type})({1}))",
    "SQUARED_DIFFERENCE": "square_{wide}(({0}) - ({1}))",
    "BITWISE_XOR": "(({0}) ^ ({1}))",
    "LOGICAL_AND": "(({0}) && ({1}))",
    "LOGICAL_OR": "(({0}) || ({1}))",
    "DIV": "whole_quotient({0}, divisor({1}, {flag}))",
    "FLOOR_DIV": "floor_quotient({0}, divisor({1}, {flag}))",
    "FLOOR_MOD": "floor_remainder({0}, divisor({1}, {flag}))",
}
"""Functions of two integers or booleans."""

UNARY = {
    "ABS": "abs({0})",
    "NEG": "-({0})",
    "LOGICAL_NOT": "!({0})",
    "SQUARE": "square_{wide}({0})",
    "SIGN": "((({0}) > 0) - (({0}) < 0))",
}

WIDE = (T.INT32, T.INT64, T.BOOL)
NARROW = (T.UINT32, T.INT16, T.UINT16)
BYTES = (T.INT8, T.UINT8)

NARROW_OPS = frozenset(
    {"ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "DIV", "FLOOR_DIV", "FLOOR_MOD", "BITWISE_XOR"}
) | frozenset(COMPARISON)
BYTE_OPS = frozenset({"BITWISE_XOR", "FLOOR_DIV", "FLOOR_MOD"})

BY_FLAG = frozenset({"DIV", "FLOOR_DIV", "FLOOR_MOD"})
"""Operators that fail where a divisor is 0."""


def is_plain(op: str, dtype: TensorType) -> bool:
    """Whether the operator computes with stored integers of a type as they are."""
    if dtype in WIDE:
        return True
    return op in NARROW_OPS if dtype in NARROW else dtype in BYTES and op in BYTE_OPS


def integer(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    """The node's output value; raises Unsupported where there is none."""
    low = emit.low
    dtype = low.dtype(0)
    table = UNARY if len(operands) == 1 else BINARY
    known = is_plain(node.op, dtype) and (node.op in table or node.op in COMPARISON)
    known &= node.op != "DIV" or low.output_tensor().quant is None
    low.require(known, f"{node.op} of {dtype.name} has no GPU kernel")
    if node.op in COMPARISON:
        return f"(({operands[0]}) {COMPARISON[node.op]} ({operands[1]}))"
    ctype = C_TYPES[dtype]
    flag = emit.flag() if node.op in BY_FLAG else ""
    wide = "long" if dtype == T.INT64 else "int"
    text = table[node.op].format(*operands, type=ctype, wide=wide, flag=flag)
    text = f"({ctype})({text})" if dtype != T.BOOL else text
    lowest, highest = float_clamp(
        getattr(node.options, "fused_activation_function", ActivationFunctionType.NONE)
    )
    if lowest != -math.inf:
        text = f"max({text}, ({ctype}){max(lowest, 0 if ctype[0] == 'u' else lowest):.0f})"
    if highest != math.inf:
        text = f"min({text}, ({ctype}){highest:.0f})"
    return text
