"""What elementwise operators compute, as C text of their operands' values: one table for every
device.

Generated kernels and the tails of other kernels are made of these texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from litegpu.delegate import Unsupported
from litegpu.dtypes import INTEGER_RANGE
from litegpu.graph import Node, Tensor
from litegpu.ops.fused import float_clamp
from litegpu.schema.enums import ActivationFunctionType, TensorType

from . import integers
from .emit import Emit
from .integers import COMPARISON, integer
from .lowering.context import C_TYPES, Lowering, elements
from .stored import is_stored, requantized, stored
from .tables import INDEX_BITS, stored_table

T = TensorType
REALS = frozenset({T.FLOAT32, T.FLOAT16})
QUANTIZED = (T.INT8, T.UINT8, T.INT16, T.INT4)
STORED = (T.INT32, T.FLOAT16, T.INT8, T.UINT8, T.INT16, T.INT4)
"""What QUANTIZE gives, and what DEQUANTIZE takes."""
Express = Callable[[Emit, Node, Sequence[str]], str]

UNARY = {
    "ABS": "fabs({0})",
    "NEG": "-({0})",
    "EXP": "real_exp({0})",
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
    "LOGISTIC": "(1.0f / (1.0f + real_exp(-({0}))))",
    "TANH": "real_tanh({0})",
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
    if dtype == T.FLOAT32 or (dtype == T.FLOAT16 and node.op in COMPARISON):
        return _real(low, node, operands)
    if is_stored(low, node):
        return stored(emit, node, operands)
    return integer(emit, node, operands)


def _real(low: Lowering, node: Node, operands: Sequence[str]) -> str:
    if node.op in COMPARISON:
        return f"(({operands[0]}) {COMPARISON[node.op]} ({operands[1]}))"
    table: Mapping[str, str] = UNARY if len(operands) == 1 else BINARY
    low.require(node.op in table, f"{node.op} of float32 has no GPU kernel")
    text = table[node.op].format(*(f"(float)({operand})" for operand in operands))
    activation = getattr(node.options, "fused_activation_function", ActivationFunctionType.NONE)
    return clamped(text, activation)


def _is_tabled(low: Lowering, node: Node) -> bool:
    """Whether all operands are small integers, two of them at most 8 bits each."""
    quant = low.tensor(0).quant
    by_channel = node.op == "DEQUANTIZE" and quant is not None and quant.scale.size > 1
    if node.op in UNTABLED or by_channel:
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
    if low.dtype() != T.FLOAT32:
        return integer(emit, node, operands)
    low.require(low.info.has_double, "the device has no float64")
    divisor = f"real_divisor({operands[1]}, {emit.flag()})"
    return f"(float)floor((double)({operands[0]}) / (double){divisor})"


def _add_n(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    low = emit.low
    low.require_dtype(0, T.FLOAT32, T.INT32, T.INT64)
    return f"({' + '.join(f'({operand})' for operand in operands)})"


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
    known = {source, target} <= C_TYPES.keys()
    low.require(known, f"CAST of {source.name} to {target.name} has no kernel")
    if target == T.BOOL:
        return f"(({operands[0]}) != 0)"
    if target in REALS:
        return f"(float)({operands[0]})"
    if source not in REALS:
        return f"({C_TYPES[target]})({operands[0]})"
    lowest, highest = INTEGER_RANGE[target]
    if target in (T.UINT32, T.INT64):
        return f"{C_TYPES[target]}_of({operands[0]})"
    return f"saturate(int_of({operands[0]}), {lowest}, {highest})".replace("-2147483648", "INT_MIN")


def _quantize(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    low = emit.low
    target = low.output_tensor()
    low.require(target.dtype in QUANTIZED, f"output is {target.dtype.name}")
    if low.require_dtype(0, T.FLOAT32, T.INT32) == T.INT32:
        return requantized(emit, node, operands)
    bounds = map(emit.integer, INTEGER_RANGE[target.dtype])
    return f"quantize({operands[0]}, {', '.join([*_parameters(emit, target), *bounds])})"


def _dequantize(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    source = emit.low.tensor(0)
    emit.low.require(source.dtype in STORED, f"DEQUANTIZE of {source.dtype.name}")
    if source.dtype == T.FLOAT16:
        return operands[0]
    scale, zero_point = _parameters(emit, source)
    return f"((float)(({operands[0]}) - {zero_point}) * {scale})"


def _parameters(emit: Emit, tensor: Tensor) -> tuple[str, str]:
    """The scale and the zero point of the present element of a tensor."""
    low, quant = emit.low, tensor.quant
    if quant is None or not quant.scale.size:
        raise Unsupported(f"{tensor.name!r} is not quantised")
    low.require(quant.blocks is None, "it is quantised by blocks")
    if quant.scale.size == 1:
        return emit.real(float(quant.scale[0])), emit.integer(int(quant.zero_point[0]))
    inner = emit.integer(elements(tensor.shape[quant.axis + 1 :]))
    channel = f"(({emit.element}) / {inner}) % {emit.integer(quant.scale.size)}"
    zero_points = np.broadcast_to(quant.zero_point, quant.scale.shape).astype(np.int32)
    scales = emit.buffer(low.constant(np.asarray(quant.scale, np.float32)), "float")
    return f"{scales}[{channel}]", f"{emit.buffer(low.constant(zero_points), 'int')}[{channel}]"


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
    "ADD_N": _add_n,
}

TABLED = frozenset(
    {*UNARY, *BINARY, *COMPARISON, "LEAKY_RELU", "PRELU", "GELU", "QUANTIZE", "DEQUANTIZE"}
)
"""Operators whose quantised form is a table, filled by the CPU."""

ELEMENTWISE = frozenset({*UNARY, *BINARY, *integers.BINARY, *integers.UNARY, *COMPARISON, *SPECIAL})
"""Operators that have expressions."""
