"""Fused activations: what an operator does to its result before it is stored.

Operators that compute with a range (convolutions, pools, matrix products, arithmetic) use `clamp`:
the reference knows RELU, RELU6 and RELU_N1_TO_1 there and takes every other value for none.
Recurrent cells use `activate`, which knows all. Quantised ranges: `quantized.activation_range`.
"""

from __future__ import annotations

import math

import numpy as np

from ..graph import Array
from ..schema.enums import ActivationFunctionType

RANGES = {
    ActivationFunctionType.RELU: (0, math.inf),
    ActivationFunctionType.RELU6: (0, 6),
    ActivationFunctionType.RELU_N1_TO_1: (-1, 1),
}


def float_clamp(activation: ActivationFunctionType) -> tuple[float, float]:
    """The smallest and largest real value that a fused activation lets through."""
    low, high = RANGES.get(activation, (-math.inf, math.inf))
    return float(low), float(high)


def clamp(y: Array, activation: ActivationFunctionType) -> None:
    """Limits unquantised `y`, of any real type, to the range of `activation`; NaN stays NaN."""
    bounds = RANGES.get(activation)
    if bounds is None:
        return
    low, high = bounds
    number = y.dtype.type
    if high == math.inf and y.dtype.kind != "f":
        np.maximum(y, number(low), out=y)
    else:
        np.clip(y, number(low), number(high), out=y)


def activate(y: Array, activation: ActivationFunctionType) -> None:
    """Applies `activation` to float `y` in place, TANH and SIGN_BIT included."""
    if activation == ActivationFunctionType.TANH:
        np.tanh(y, out=y)
    elif activation == ActivationFunctionType.SIGN_BIT:
        np.copyto(y, np.signbit(y))
    else:
        clamp(y, activation)
