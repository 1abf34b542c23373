"""Scales, zero points and ranges of a node's tensors, or the reason why they cannot be used."""

from __future__ import annotations

import numpy as np
from litegpu.delegate import Unsupported
from litegpu.dtypes import INTEGER_RANGE
from litegpu.errors import OpError
from litegpu.graph import Array, Tensor
from litegpu.ops import quantized
from litegpu.ops.fused import float_clamp
from litegpu.schema.enums import ActivationFunctionType, TensorType

from .context import Lowering

SMALL_INTEGERS = (TensorType.UINT8, TensorType.INT8, TensorType.INT16)

NO_ACTIVATION = ActivationFunctionType.NONE


def per_tensor(tensor: Tensor) -> tuple[float, int]:
    """(scale, zero point) of a tensor quantised as a whole."""
    try:
        return quantized.per_tensor(tensor)
    except OpError as error:
        raise Unsupported(str(error)) from None


def multipliers(real: Array) -> tuple[Array, Array]:
    """(multipliers, shifts), int32, of real multipliers."""
    try:
        return quantized.quantize_multipliers(np.asarray(real))
    except OpError as error:
        raise Unsupported(str(error)) from None


def multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) of a real multiplier."""
    found, shift = multipliers(np.asarray([real]))
    return int(found[0]), int(shift[0])


def result_range(
    low: Lowering, activation: ActivationFunctionType
) -> tuple[float, float] | tuple[int, int]:
    """The smallest and largest value of output 0 under a fused activation: floats, or stored
    integers."""
    target = low.output_tensor()
    if target.dtype not in INTEGER_RANGE:
        return float_clamp(activation)
    if activation == NO_ACTIVATION:
        return INTEGER_RANGE[target.dtype]
    try:
        return quantized.activation_range(activation, target)
    except OpError as error:
        raise Unsupported(str(error)) from None
