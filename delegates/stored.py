"""Arithmetic of int16 tensors that stand for real numbers, as C text in fixed point:
core/ops/elementwise_quantized.py is its definition. Pairs of bytes are tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from litegpu.delegate import Unsupported
from litegpu.errors import OpError
from litegpu.graph import Node
from litegpu.ops.elementwise_quantized import rounded_log2
from litegpu.schema.enums import TensorType as T

from .emit import Emit
from .lowering.context import Lowering
from .lowering.quantization import NO_ACTIVATION, multiplier, per_tensor, result_range

SUM_BITS, COMPARED_BITS = 15, 8
"""Bits by which operands are shifted left before they are brought to one scale."""

COMBINED = {"ADD": "(({0}) + ({1}))", "SUB": "(({0}) - ({1}))"}


def rescaled(emit: Emit, text: str, real: float) -> str:
    """`text`, an int, times `real`."""
    return f"rescale({text}, {', '.join(map(emit.integer, multiplier(real)))})"


def limited(emit: Emit, node: Node, text: str) -> str:
    """`text` plus the output's zero point, within its range under the fused activation."""
    low = emit.low
    zero_point = per_tensor(low.output_tensor())[1]
    activation = getattr(node.options, "fused_activation_function", NO_ACTIVATION)
    ends = ", ".join(f"(long){emit.integer(int(bound))}" for bound in result_range(low, activation))
    return f"(int)clamp((long){text} + {emit.integer(zero_point)}, {ends})"


def scales_of(low: Lowering) -> tuple[float, float, float]:
    """The scales of both inputs and the output, whose zero points must be 0."""
    tensors = low.tensor(0), low.tensor(1), low.output_tensor()
    for tensor in tensors:
        low.require(per_tensor(tensor)[1] == 0, f"{tensor.name!r} has a zero point")
    a, b, y = (per_tensor(tensor)[0] for tensor in tensors)
    return a, b, y


def sum_or_difference(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    scales = scales_of(emit.low)
    shifts = power_of_two_shifts(emit.low, node, scales)
    if shifts is not None:
        parts = [
            f"rounding_right_shift({operand}, {emit.integer(shift)})"
            for operand, shift in zip(operands, shifts, strict=True)
        ]
        return limited(emit, node, COMBINED[node.op].format(*parts))
    left, right, unit = on_common_scale(emit, operands, scales, SUM_BITS)
    combined = COMBINED[node.op].format(left, right)
    return limited(emit, node, rescaled(emit, combined, unit))


def on_common_scale(
    emit: Emit, operands: Sequence[str], scales: Sequence[float], bits: int
) -> tuple[str, str, float]:
    """Both operands in units of 2^-bits of twice the larger scale, and that unit in the output's
    scale."""
    twice = float(2 * np.float32(max(scales[:2])))
    left, right = (
        rescaled(emit, f"(({operand}) << {bits})", scale / twice)
        for operand, scale in zip(operands, scales, strict=False)
    )
    return left, right, twice / float(np.float32(1 << bits) * np.float32(scales[2]))


def power_of_two_shifts(
    low: Lowering, node: Node, scales: Sequence[float]
) -> tuple[int, int] | None:
    """How far the operands are shifted where every scale is a power of two; else None."""
    logs = [rounded_log2(scale) for scale in scales]
    if not getattr(node.options, "pot_scale_int16", False) or None in logs:
        return None
    a, b, y = (int(log) for log in logs if log is not None)
    low.require(a <= y and b <= y and y in (a, b), "the scales do not fit each other")
    return y - a, y - b


def product(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    a, b, y = scales_of(emit.low)
    emit.low.require(emit.low.output_tensor().dtype == T.INT16, "the output is not INT16")
    real = float(np.float32(a) * np.float32(b) / np.float32(y))
    return limited(emit, node, rescaled(emit, f"(({operands[0]}) * ({operands[1]}))", real))


def equality(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    """Whether the real values are the same, in units of 2^-8."""
    sides = []
    for i, operand in enumerate(operands):
        scale, zero_point = per_tensor(emit.low.tensor(i))
        centered = f"((({operand}) - {emit.integer(zero_point)}) << {COMPARED_BITS})"
        sides.append(rescaled(emit, centered, scale))
    return f"({sides[0]} {'==' if node.op == 'EQUAL' else '!='} {sides[1]})"


def requantized(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    """QUANTIZE of stored integers."""
    in_scale, in_zero = per_tensor(emit.low.tensor(0))
    out_scale = per_tensor(emit.low.output_tensor())[0]
    centered = f"(int)((uint)({operands[0]}) - (uint){emit.integer(in_zero)})"
    return limited(emit, node, rescaled(emit, centered, in_scale / out_scale))


Express = Callable[[Emit, Node, Sequence[str]], str]

STORED: dict[str, Express] = {
    "ADD": sum_or_difference,
    "SUB": sum_or_difference,
    "MUL": product,
    "EQUAL": equality,
    "NOT_EQUAL": equality,
}


def is_stored(low: Lowering, node: Node) -> bool:
    """Whether the node computes with the real values of int16 tensors."""
    if node.op not in STORED or low.dtype(0) != T.INT16:
        return False
    if node.op in ("EQUAL", "NOT_EQUAL"):
        return any(low.tensor(i).quant is not None for i in (0, 1))
    return low.output_tensor().quant is not None


def stored(emit: Emit, node: Node, operands: Sequence[str]) -> str:
    try:
        return STORED[node.op](emit, node, operands)
    except OpError as error:
        raise Unsupported(str(error)) from None
