"""Transcendental functions on fixed-point integers, bit for bit those of gemmlowp's fixedpoint.h.

A raw integer of `bits` bits (16 or 32) with n integer bits stands for raw * 2^(n + 1 - bits).
Values are held as int64 arrays; every function returns such an array unless it says otherwise.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..graph import Array
from .quantized import Int64s, rounding_right_shift

EXP_MINUS_POWERS = {
    -2: 1672461947,
    -1: 1302514674,
    0: 790015084,
    1: 290630308,
    2: 39332535,
    3: 720401,
    4: 242,
}
"""exp(-2^k) with 31 fractional bits, by k."""


def constant(raw32: int, bits: int) -> int:
    """A constant given with 32 bits, rounded to `bits`."""
    return int(rounding_right_shift(np.asarray(raw32, np.int64), 32 - bits))


def saturate(x: Array, bits: int) -> Int64s:
    """`x` limited to what `bits` bits hold."""
    return np.clip(x, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def multiply(a: Array, b: Array | int, bits: int) -> Int64s:
    """round(a * b / 2^(bits - 1)), saturated: the integer bits of the factors add up."""
    product = np.multiply(a, b, dtype=np.int64)
    product += 1 << (bits - 2)
    product >>= bits - 1
    return np.minimum(product, (1 << (bits - 1)) - 1)


def rescale(x: Array, exponent: int, bits: int) -> Int64s:
    """x * 2^exponent, saturated; rounded to nearest, half away from zero, where exponent < 0."""
    if exponent <= 0:
        return rounding_right_shift(np.asarray(x, np.int64), -exponent)
    return saturate(np.asarray(x, np.int64) << exponent, bits)


def exp_between_minus_quarter_and_zero(a: Array, bits: int) -> Int64s:
    """exp(a) for -1/4 <= a < 0, no integer bits: a Taylor series around -1/8."""
    at_center = constant(1895147668, bits)
    third = constant(715827883, bits)
    x = a + (1 << (bits - 4))
    x2 = multiply(x, x, bits)
    x3 = multiply(x2, x, bits)
    x4_quarter = rescale(multiply(x2, x2, bits), -2, bits)
    tail = rescale(multiply(x4_quarter + x3, third, bits) + x2, -1, bits)
    total = at_center + multiply(x + tail, at_center, bits)
    return saturate(total, bits) if bits == 16 else total


def exp_on_negative_values(a: Array, integer_bits: int, bits: int) -> Int64s:
    """exp(a) for a <= 0 with `integer_bits`; the result has none: 1 is the largest integer."""
    a = np.asarray(a, np.int64)
    fraction_bits = bits - 1 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    below = (a & (quarter - 1)) - quarter
    result = exp_between_minus_quarter_and_zero(rescale(below, integer_bits, bits), bits)
    remainder = below - a
    for power, raw in EXP_MINUS_POWERS.items():
        if integer_bits > power:
            scaled = multiply(result, constant(raw, bits), bits)
            result = np.where(remainder & (1 << (fraction_bits + power)), scaled, result)
    if integer_bits > 5:
        result = np.where(a < -(1 << (bits + 4 - integer_bits)), 0, result)
    return np.where(a == 0, (1 << (bits - 1)) - 1, result)


def reciprocal_of_half_sum(a: Array, bits: int) -> Int64s:
    """2 / (1 + a) for 0 <= a <= 1 (no integer bits) with two integer bits: three Newton steps."""
    half = np.asarray(a, np.int64) + (1 << (bits - 1)) - 1
    half = np.where(half >= 0, half + 1, half) >> 1
    one = 1 << (bits - 3)
    x = constant(1515870810, bits) + multiply(half, constant(-1010580540, bits), bits)
    for _ in range(3):
        error = one - multiply(half, x, bits)
        x = x + rescale(multiply(x, error, bits), 2, bits)
    return x


def one_over_one_plus_x(a: Array, bits: int) -> Int64s:
    """1 / (1 + a) for 0 <= a <= 1; neither has integer bits."""
    return rescale(reciprocal_of_half_sum(a, bits), 1, bits)


def logistic(a: Array, integer_bits: int, bits: int = 16) -> Int64s:
    """1 / (1 + exp(-a)) with no integer bits."""
    a = np.asarray(a, np.int64)
    positive = one_over_one_plus_x(exp_on_negative_values(-np.abs(a), integer_bits, bits), bits)
    top = (1 << (bits - 1)) - 1
    return np.where(a == 0, 1 << (bits - 2), np.where(a > 0, positive, top - positive))


def tanh(a: Array, integer_bits: int, bits: int = 16) -> Int64s:
    """tanh(a) with no integer bits, as (1 - exp(-2|a|)) / (1 + exp(-2|a|))."""
    a = np.asarray(a, np.int64)
    decay = exp_on_negative_values(-np.abs(a), integer_bits + 1, bits)
    size = rescale(reciprocal_of_half_sum(decay, bits) - (1 << (bits - 3)), 2, bits)
    return np.where(a == 0, 0, np.where(a < 0, -size, size))


@lru_cache(maxsize=16)
def int16_table(function: str, integer_bits: int) -> NDArray[np.int16]:
    """`logistic` or `tanh` of every int16, indexed by its bits as uint16."""
    every = np.arange(1 << 16, dtype=np.uint16).view(np.int16)
    evaluate = {"logistic": logistic, "tanh": tanh}[function]
    return evaluate(every, integer_bits).astype(np.int16)


def inverse_square_root(x: Array) -> tuple[Int64s, Int64s]:
    """(multiplier, shift) with 1 / sqrt(x) = multiplier * 2^(-31 - shift), for int32 x >= 0.

    Five Newton steps from 1, as in TFLite's GetInvSqrtQuantizedMultiplierExp; 0 counts as 1.
    """
    value = np.asarray(x, np.int64)
    small = value <= 1
    shift = np.full(value.shape, 11, np.int64)
    while np.any(large := value >= 1 << 29):
        value = np.where(large, value >> 2, value)
        shift += large
    lengths = np.frexp(np.maximum(value, 2).astype(np.float64))[1]
    pairs = (31 - lengths) // 2 - 1
    shift -= pairs
    value = (value << (2 * pairs)) >> 1
    half_value = rounding_right_shift(value, 1)
    y = np.full(value.shape, 1 << 28, np.int64)
    for _ in range(5):
        cube = rescale(multiply(multiply(y, y, 32), y, 32), 6, 32)
        step = multiply(y, (1 << 28) + (1 << 27), 32) - multiply(half_value, cube, 32)
        y = rescale(step, 3, 32)
    y = multiply(y, 1518500250, 32) << np.maximum(-shift, 0)
    return np.where(small, 2**31 - 1, y), np.where(small, 0, np.maximum(shift, 0))


def reciprocal(x: Array, integer_bits: int) -> tuple[Int64s, Int64s]:
    """(r, k) with 1 / x = r * 2^(-31 - k) for x > 0 of 32 bits with `integer_bits`; r has none.

    Larger x, as a long sum of int32 makes them, are reduced to 32 bits first.
    """
    headroom = 32 - bit_length(x)
    shifted = (x << np.maximum(headroom, 0)) >> np.maximum(-headroom, 0)
    return one_over_one_plus_x(shifted - (1 << 31), 32), integer_bits - headroom


def bit_length(x: Array) -> Int64s:
    """The number of bits of each 0 <= x < 2^53; 0 for 0."""
    return np.frexp(np.asarray(x, np.float64))[1].astype(np.int64)


def log_of_at_least_one(x: Array, integer_bits: int) -> Int64s:
    """log(x) with 5 integer bits for x >= 1 of 32 bits with `integer_bits`.

    x = 2^k * r is split in two ways, a factor sqrt(1/2) apart; a rational approximation around
    (1/2)^(1/4) gives log(r), to which k * log(2) is added. As TFLite's internal/common.h.
    """
    root, center, quarter = 1518500250, 1805811301, 1 << 23
    headroom = 31 - bit_length(x)
    r_a = rescale(multiply(rescale_left(x, headroom), root, 32), 1, 32)
    k_a = saturate(((integer_bits - 1 - headroom) << 25) + quarter, 32)
    headroom = 31 - bit_length(multiply(x, root, 32))
    r_b = rescale_left(x, headroom)
    k_b = saturate(((integer_bits - headroom) << 25) - quarter, 32)
    r, k = np.minimum(r_a, r_b), np.maximum(k_a, k_b)
    p = (r + center + 1) >> 1
    q = 2 * (r - center)
    square = multiply(q, q, 32)
    above = multiply(q, r, 32) + multiply(multiply(q, square, 32), 117049297, 32)
    inner = 1057819769 + q + multiply(square, 127690142, 32)
    below = multiply(p, inner, 32) + multiply(q, 638450708, 32)
    rational = multiply(rescale(above, -6, 32), one_over_one_plus_x(below, 32), 32)
    return rescale(multiply(k, 1488522236, 32) + rational, 1, 32)


def rescale_left(x: Array, exponent: Array) -> Int64s:
    """x * 2^exponent, saturated to 32 bits, with an exponent >= 0 per element."""
    return saturate(np.left_shift(x, exponent), 32)
