"""The complementary error function, which NumPy lacks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..graph import Array

# Press et al., Numerical Recipes in C, 2nd edition, section 6.2: relative error < 1.2e-7.
COEFFICIENTS = (
    0.17087277,
    -0.82215223,
    1.48851587,
    -1.13520398,
    0.27886807,
    -0.18628806,
    0.09678418,
    0.37409196,
    1.00002368,
    -1.26551223,
)


def erfc_of_size(x: Array) -> Array:
    """1 - erf(x) of floats x >= 0, in their precision, to about 1e-6: t * exp(P(t) - x^2)."""
    number: Any = x.dtype.type
    t: Array = x * number(0.5)
    t += number(1)
    np.divide(number(1), t, out=t)
    fit: Array = t * number(COEFFICIENTS[0])
    for coefficient in COEFFICIENTS[1:-1]:
        fit += number(coefficient)
        fit *= t
    fit += number(COEFFICIENTS[-1])
    fit -= np.square(x)
    np.exp(fit, out=fit)
    fit *= t
    return fit


def exact_erfc(x: Array) -> Array:
    """1 - erf(x) as the C library has it, float64: for the few entries of a table."""
    flat = [math.erfc(v) for v in np.asarray(x, np.float64).reshape(-1).tolist()]
    return np.array(flat, np.float64).reshape(np.shape(x))
