"""What elementwise operators compute, as C text of their operands' values: one table for every
device.

Generated kernels and the tails of other kernels are made of these texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from litegpu.graph import Node
from litegpu.ops.fused import float_clamp
from litegpu.schema.enums import ActivationFunctionType, TensorType

from .emit import Emit
from .lowering.context import C_TYPES, Lowering
from .tables import INDEX_BITS, stored_table

T = TensorType
Express = Callable[[Emit, Node, Sequence[str]], str]

UNARY = {
    "ABS": "fabs({0})",
    "NEG": "-({0})",
    "EXP": "exp({0})",
    "LOG": "log({0})",
    "SIN": "sin({0})",
    "COS": "cos({0})",
    "SQRT": "sqrt({0})",
    "RSQRT": "(1.0f / sqrt({0}))",
    "SQUARE": "square({0})",
    "FLOOR": "floor({0})",
    "CEIL": "ceil({0})",
    "ROUND": "rint({0})",
    "SIGN": "sign_of({0})",
    "RELU": "limit_below({0}, 0.0f)",
    "RELU6": "limit({0}, 0.0f, 6.0f)",
    "RELU_N1_TO_1": "limit({0}, -1.0f, 1.0f)",
    "RELU_0_TO_1": "limit({0}, 0.0f, 1.0f)",
    "LOGISTIC": "(1.0f / (1.0f + exp(-({0}))))",
    "TANH": "tanh({0})",
    "HARD_SWISH": "hard_swish({0})",
    "ELU": "elu({0})",
}
"""Functions of one float."""

BINARY = {
    "ADD": "(({0}) + ({1}))",
    "SUB": "(({0}) - ({1}))",
    "MUL": "(({0}) * ({1}))",
    "DIV": "(({0}) / ({1}))",
    "MAXIMUM": "larger({0}, {1})",
    "MINIMUM": "smaller({0}, {1})",
    "POW": "pow({0}, {1})",
    "SQUARED_DIFFERENCE": "square(({0}) - ({1}))",
    "FLOOR_MOD": "floor_modulo({0}, {1})",
    "ATAN2": "atan2({0}, {1})",
}
"""Functions of two floats."""

INTEGER_BINARY = {
    "ADD": "(({0}) + ({1}))",
    "SUB": "(({0}) - ({1}))",
    "MUL": "(({0}) * ({1}))",
    "MAXIMUM": "max({0}, {1})",
    "MINIMUM": "min({0}, {1})",
    "SQUARED_DIFFERENCE": "square_{type}(({0}) - ({1}))",
    "BITWISE_XOR": "(({0}) ^ ({1}))",
    "LOGICAL_AND": "(({0}) && ({1}))",
    "LOGICAL_OR": "(({0}) || ({1}))",
}
"""Functions of two int32, int64 or bool."""

INTEGER_UNARY = {
    "ABS": "abs({0})",
    "NEG": "-({0})",
    "LOGICAL_NOT": "!({0})",
    "SQUARE": "square_{type}({0})",
}

COMPARISON = {
    "EQUAL": "==",
    "NOT_EQUAL": "!=",
    "LESS": "<",
    "LESS_EQUAL": "<=",
    "GREATER": ">",
    "GREATER_EQUAL": ">=",
}

PLAIN_INTEGERS = (T.INT32, T.INT64, T.BOOL)
UNTABLED = frozenset({"LOG", "SQRT", "RSQRT", "DIV", "FLOOR_DIV", "FLOOR_MOD"})
"""Quantised functions with values that they refuse: no table can be filled."""


def clamped(text: str, activation: ActivationFunctionType) -> str:
    """`text` within the range of a fused activation; NaN stays NaN."""
    low, high = float_clamp(activation)
    if high == math.inf:
        return text if low == -math.inf else f"limit_below({text}, {low:.1f}f)"
    return f"limit({text}, {low:.1f}f, {high:.1f}f)"


def expression(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    """The node's output value as C text; raises Unsupported where there is none."""
    low = emit.low
    dtype = low.dtype(0)
    if dtype in INDEX_BITS and node.op in TABLED and _is_tabled(low, node):
        return _table(emit, node, operands)
    if node.op in SPECIAL:
        return SPECIAL[node.op](emit, node, operands)
    if dtype == T.FLOAT32:
        return _real(low, node, operands)
    low.require(dtype in PLAIN_INTEGERS, f"{node.op} of {dtype.name} has no GPU kernel")
    return _integer(low, node, operands)


def _real(low: Lowering, node: Node, operands: Sequence[str]) -> str:
    if node.op in COMPARISON:
        return f"(({operands[0]}) {COMPARISON[node.op]} ({operands[1]}))"
    table: Mapping[str, str] = UNARY if len(operands) == 1 else BINARY
    low.require(node.op in table, f"{node.op} of float32 has no GPU kernel")
    text = table[node.op].format(*(f"(float)({operand})" for operand in operands))
    activation = getattr(node.options, "fused_activation_function", ActivationFunctionType.NONE)
    return clamped(text, activation)


def _integer(low: Lowering, node: Node, operands: Sequence[str]) -> str:
    if node.op in COMPARISON:
        return f"(({operands[0]}) {COMPARISON[node.op]} ({operands[1]}))"
    table = INTEGER_UNARY if len(operands) == 1 else INTEGER_BINARY
    name = low.dtype(0).name
    low.require(node.op in table, f"{node.op} of {name} has no GPU kernel")
    text = table[node.op].format(*operands, type=C_TYPES[low.dtype(0)])
    bounds = float_clamp(
        getattr(node.options, "fused_activation_function", ActivationFunctionType.NONE)
    )
    if bounds[0] != -math.inf:
        text = f"max({text}, ({C_TYPES[low.dtype(0)]}){bounds[0]:.0f})"
    if bounds[1] != math.inf:
        text = f"min({text}, ({C_TYPES[low.dtype(0)]}){bounds[1]:.0f})"
    return text


def _is_tabled(low: Lowering, node: Node) -> bool:
    """Whether all operands are small integers, two of them at most 8 bits each."""
    if node.op in UNTABLED:
        return False
    bits = [INDEX_BITS.get(low.dtype(i), 99) for i in range(len(node.inputs))]
    return bits in ([8], [16], [8, 8])


def _table(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    low = emit.low
    graph = low.graph
    positions = tuple(range(len(node.inputs)))
    quants = [low.tensor(i).quant for i in positions] + [low.output_tensor().quant]
    for quant in quants:
        low.require(quant is None or quant.scale.size <= 1, "it is quantised per channel")
    parameters = tuple(
        None if q is None or not q.scale.size else (float(q.scale[0]), int(q.zero_point[0]))
        for q in quants
    )
    key = (node.op, repr(node.options), parameters, low.dtype(0), low.output_tensor().dtype)
    ref = low.computed(("table", *key), lambda: stored_table(graph, node, positions))
    table = emit.buffer(ref, C_TYPES[low.output_tensor().dtype])
    bits = INDEX_BITS[low.dtype(0)]
    index = "ushort" if bits == 16 else "uchar"
    if len(operands) == 1:
        return f"{table}[({index})({operands[0]})]"
    return f"{table}[((uchar)({operands[0]}) << 8) | (uchar)({operands[1]})]"


def _leaky_relu(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    emit.low.require_dtype(0, T.FLOAT32)
    return f"leaky_relu({operands[0]}, {emit.real(node.options.alpha)})"


def _prelu(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    emit.low.require_dtype(0, T.FLOAT32)
    return f"leaky_relu({operands[0]}, {operands[1]})"


def _floor_div(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    """Divided in float64, as the reference does; it fails where a divisor is 0."""
    low = emit.low
    low.require_dtype(0, T.FLOAT32)
    low.require(low.info.has_double, "the device has no float64")
    low.require(bool(low.values(1).all()), "a divisor is 0")
    return f"(float)floor((double)({operands[0]}) / (double)({operands[1]}))"


def _gelu(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    emit.low.require_dtype(0, T.FLOAT32)
    approximate = node.options is not None and node.options.approximate
    return f"{'gelu_tanh' if approximate else 'gelu_erf'}({operands[0]})"


def _select(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    emit.low.require_dtype(0, T.BOOL)
    return f"(({operands[0]}) ? ({operands[1]}) : ({operands[2]}))"


def _cast(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    low = emit.low
    source, target = low.dtype(0), low.output_tensor().dtype
    allowed = {T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64, T.BOOL}
    low.require(
        {source, target} <= allowed, f"CAST of {source.name} to {target.name} has no kernel"
    )
    low.require(low.tensor(0).dtype == source, "")
    if target == T.BOOL:
        return f"(({operands[0]}) != 0)"
    if source == T.FLOAT32 and target != T.FLOAT32:
        low.require(target == T.INT32, f"CAST of FLOAT32 to {target.name} has no kernel")
        return f"int_of({operands[0]})"
    return f"({C_TYPES[target]})({operands[0]})"


def _quantize(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    low = emit.low
    low.require_dtype(0, T.FLOAT32)
    scale, zero_point, bounds = _quantization(low, node)
    parameters = ", ".join([emit.real(scale), emit.integer(zero_point), *map(emit.integer, bounds)])
    return f"quantize({operands[0]}, {parameters})"


def _quantization(low: Lowering, node: Node) -> tuple[float, int, tuple[int, int]]:
    from litegpu.dtypes import INTEGER_RANGE

    target = low.output_tensor()
    low.require(target.dtype in (T.INT8, T.UINT8, T.INT16), f"output is {target.dtype.name}")
    quant = target.quant
    if quant is None or quant.scale.size != 1:
        low.require(False, "the output is not quantised per tensor")
    assert quant is not None
    return float(quant.scale[0]), int(quant.zero_point[0]), INTEGER_RANGE[target.dtype]


def _dequantize(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    low = emit.low
    source = low.tensor(0)
    low.require(source.dtype in (T.INT32, T.FLOAT16), f"DEQUANTIZE of {source.dtype.name}")
    if source.dtype == T.FLOAT16:
        return operands[0]
    quant = source.quant
    if quant is None or quant.scale.size != 1:
        low.require(False, "the input is not quantised per tensor")
    assert quant is not None
    zero_point, scale = emit.integer(int(quant.zero_point[0])), emit.real(float(quant.scale[0]))
    return f"((float)(({operands[0]}) - {zero_point}) * {scale})"


SPECIAL: dict[str, Express] = {
    "LEAKY_RELU": _leaky_relu,
    "PRELU": _prelu,
    "FLOOR_DIV": _floor_div,
    "GELU": _gelu,
    "SELECT_V2": _select,
    "SELECT": _select,
    "CAST": _cast,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _dequantize,
}

TABLED = frozenset(
    {*UNARY, *BINARY, *COMPARISON, "LEAKY_RELU", "PRELU", "GELU", "QUANTIZE", "DEQUANTIZE"}
)
"""Operators whose quantised form is a table, filled by the CPU."""

ELEMENTWISE = frozenset({*UNARY, *BINARY, *INTEGER_BINARY, *INTEGER_UNARY, *COMPARISON, *SPECIAL})
"""Operators that have expressions."""
