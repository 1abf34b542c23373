"""tanh and logistic of float32, bit for bit as the reference's vector code (Eigen, without FMA).

Needed where results are rounded to integers afterwards; elsewhere NumPy's functions are as good,
and faster. Both differ from the true values by a few units in the last place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph import Array

TANH_ONE = np.float32(7.90738964080810547)
"""From here on the rational approximation of tanh is 1."""
TANH_ODD = (1.394553628e-8, 2.102733560e-5, 3.520756727e-3, 1.340216100e-1)
TANH_EVEN = (8.015776984e-7, 3.326951409e-4, 2.597254514e-2, 4.673548340e-1, 1.0)

LOGISTIC_ONE, LOGISTIC_ZERO = np.float32(16.6355324), np.float32(-104)
LOG2_E = np.float32(1.44269504088896341)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
EXP_EVEN = (4.1898667812347412109375e-2, 0.49999141693115234375)
EXP_ODD = (8.33471305668354034423828125e-3, 0.16666877269744873046875)


def polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """Horner's scheme, the highest power first."""
    total = x * np.float32(coefficients[0]) + np.float32(coefficients[1])
    for c in coefficients[2:]:
        np.multiply(total, x, out=total)
        np.add(total, np.float32(c), out=total)
    return total


def tanh(y: Array) -> None:
    """tanh(y) in place: y (1 + y^2 p(y^2)) / q(y^2), minimax on [-8.67, 8.67]."""
    np.clip(y, -TANH_ONE, TANH_ONE, out=y)
    square = y * y
    top = square * y * polynomial(square, TANH_ODD)
    np.add(top, y, out=top)
    np.divide(top, polynomial(square, TANH_EVEN), out=y)


def logistic(y: Array) -> None:
    """exp(y) / (1 + exp(y)) in place, with exp(y) = exp(y / 2)^2 and a polynomial of degree 5."""
    x = np.minimum(y, LOGISTIC_ONE) * np.float32(0.5)
    power = np.floor(x * LOG2_E + np.float32(0.5))
    r = x - power * LN2_HIGH
    np.subtract(r, power * LN2_LOW, out=r)
    square = r * r
    tail = r * polynomial(square, EXP_ODD) + polynomial(square, EXP_EVEN)
    root = np.ldexp(square * tail + (r + np.float32(1)), power.astype(np.int32))
    e = root * root
    np.copyto(y, np.where(y < LOGISTIC_ZERO, np.float32(0), e / (np.float32(1) + e)))
