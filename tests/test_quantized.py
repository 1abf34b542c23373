"""Fixed-point arithmetic against plain Python integers, and fast forms against their definition."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litegpu.errors import OpError
from litegpu.ops.quantized import (
    multiply_by_quantized_multiplier,
    multiply_int64_by_quantized_multiplier,
    quantize_multiplier,
    quantize_multipliers,
)
from litegpu.ops.requantize import (
    FixedPoint,
    FixedPoint64,
    OutputRange,
    RealMultiplier,
    Requantize,
    Work,
    requantize,
)

INT32 = st.integers(-(2**31), 2**31 - 1)
MULTIPLIER = st.integers(2**30, 2**31 - 1)


def wrapped(x: int) -> int:
    return (x + 2**31) % 2**32 - 2**31


def twice_rounded(x: int, multiplier: int, shift: int) -> int:
    """gemmlowp's SaturatingRoundingDoublingHighMul, then its RoundingDivideByPOT."""
    left = wrapped(x << max(shift, 0))
    if left == multiplier == -(2**31):
        high = 2**31 - 1
    else:
        product = left * multiplier
        nudged = product + (2**30 if product >= 0 else 1 - 2**30)
        high = abs(nudged) // 2**31 * (1 if nudged >= 0 else -1)
    exponent = max(-shift, 0)
    mask = 2**exponent - 1
    threshold = (mask >> 1) + (high < 0)
    return (high >> exponent) + ((high & mask) > threshold)


@given(INT32, MULTIPLIER, st.integers(-31, 30))
@settings(max_examples=2000, deadline=None)
def test_two_roundings(x: int, multiplier: int, shift: int) -> None:
    got = multiply_by_quantized_multiplier(np.array([x]), multiplier, shift)
    assert got.tolist() == [twice_rounded(x, multiplier, shift)]


@pytest.mark.parametrize("shift", [-9, -1, 0, 3])
def test_two_roundings_around_every_tie(shift: int) -> None:
    x = np.arange(-(2**13), 2**13)
    for multiplier in (2**30, 2**30 + 1, 3 << 29, 2**31 - 1):
        got = multiply_by_quantized_multiplier(x, multiplier, shift)
        assert got.tolist() == [twice_rounded(int(v), multiplier, shift) for v in x]


@given(st.integers(-(2**47), 2**47 - 1), MULTIPLIER, st.integers(-31, 7))
@settings(max_examples=1000, deadline=None)
def test_int64_accumulators_round_once(x: int, multiplier: int, shift: int) -> None:
    reduced = min((multiplier + 2**15) >> 16, 0x7FFF)
    exact = Fraction(x * reduced, 2 ** (15 - shift))
    expected = wrapped(math.floor(exact + Fraction(1, 2)))
    got = multiply_int64_by_quantized_multiplier(np.array([x]), multiplier, shift)
    assert got.tolist() == [expected]


@given(st.floats(1e-9, 2.0**30))
def test_multipliers_are_nearest(real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    error = abs(Fraction(multiplier) * Fraction(2) ** (shift - 31) - Fraction(real))
    assert error <= Fraction(2) ** (shift - 32)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_many_multipliers_are_those_of_each(real: list[float]) -> None:
    edges = [0.0, 1.0, 1 - 2.0**-40, 2.0**-33, 0.5 - 2.0**-35, -0.25]
    multipliers, shifts = quantize_multipliers(np.array(real + edges))
    pairs = list(zip(multipliers.tolist(), shifts.tolist(), strict=True))
    assert pairs == [quantize_multiplier(r) for r in real + edges]


@pytest.mark.parametrize("real", [math.inf, math.nan, -math.inf])
def test_multipliers_must_be_finite(real: float) -> None:
    with pytest.raises(OpError, match="finite"):
        quantize_multiplier(real)
    with pytest.raises(OpError, match="finite"):
        quantize_multipliers(np.array([1.0, real]))


def test_tiny_multipliers_vanish() -> None:
    assert quantize_multiplier(2.0**-40) == (0, 0)


RESCALES = {
    "fixed point": FixedPoint,
    "fixed point 64": FixedPoint64,
    "real": lambda real: RealMultiplier(real, wide=False),
    "wide real": lambda real: RealMultiplier(real, wide=True),
}
OUTPUTS = {
    np.int8: OutputRange(-7, -128, 127),
    np.uint8: OutputRange(3, 5, 250),
    np.int16: OutputRange(0, -32768, 32767),
}


@pytest.mark.parametrize("kind", RESCALES)
@pytest.mark.parametrize("dtype", OUTPUTS, ids=lambda d: d.__name__)
@pytest.mark.parametrize("floats", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("columns", [1, 3, 40, 1500])
def test_tiles_equal_the_definition(kind: str, dtype: type, floats: type, columns: int) -> None:
    rng = np.random.default_rng(columns)
    for magnitude in (1e-5, 1e-3, 0.02, 0.4, 1.0, 7.0):
        real = magnitude * rng.uniform(0.5, 2, columns)
        reach = min(2**24 - 1, max(300, int(400 / magnitude)))
        offsets = rng.integers(-reach // 2, reach // 2, columns)
        acc = rng.integers(-reach, reach, (70, columns)).astype(floats)
        assert_equal_to_definition(RESCALES[kind](real), dtype, acc, offsets, reach)


def assert_equal_to_definition(
    rescale: Any, dtype: type, acc: Any, offsets: Any, reach: int
) -> None:
    rows, columns = acc.shape
    output = OUTPUTS[dtype]
    fast = Requantize(rescale, output, offsets, np.full(columns, float(reach)), acc.dtype)
    room = np.full((fast.capacity(rows), columns), np.nan, acc.dtype)
    room[:rows] = acc
    work = Work(*(np.empty(room.size, t) for t in (acc.dtype, acc.dtype, np.bool_)))
    out = np.empty((rows, columns), dtype)
    fast(room, out, work)
    np.testing.assert_array_equal(out, requantize(acc.astype(np.int64) + offsets, rescale, output))


@pytest.mark.parametrize("shift", range(-12, 4))
def test_tiles_around_every_tie(shift: int) -> None:
    """Powers of two put a tie on every other accumulator, or near it where roundings differ."""
    acc = np.arange(-(2**14), 2**14, dtype=np.float32).reshape(-1, 64)
    for nudge in (1.0, 1 + 2.0**-30, 1 - 2.0**-30, 1 + 2.0**-20):
        rescale = FixedPoint(np.full(64, nudge * 2.0**shift))
        assert_equal_to_definition(rescale, np.int8, acc, np.zeros(64, np.int64), 2**14)


@pytest.mark.parametrize("bias", [2**31 - 1, -(2**31), 2**31 - 20000])
def test_accumulators_wrap_in_32_bits(bias: int) -> None:
    acc = np.arange(-(2**14), 2**14, dtype=np.float32).reshape(-1, 8)
    offsets = np.full(8, bias)
    assert_equal_to_definition(FixedPoint(np.full(8, 1e-8)), np.int8, acc, offsets, 2**14)


@given(st.integers(-(2**24), 2**24), st.floats(1e-6, 10.0))
@settings(max_examples=500, deadline=None)
def test_definition_of_real_multipliers(total: int, real: float) -> None:
    product = total * real
    rounded = math.floor(abs(product) + 0.5) if abs(product) < 2**52 else abs(product)
    expected = int(math.copysign(rounded, product))
    if abs(abs(product) % 1 - 0.5) > 1e-6 and abs(expected) < 2**31:
        exact = RealMultiplier(np.array([real]), wide=False).exact(np.array([total]), slice(None))
        assert exact.tolist() == [expected]


def test_real_multipliers_overflow_as_on_x86() -> None:
    exact = RealMultiplier(np.array([1e6]), wide=False).exact(np.array([10**6]), slice(None))
    assert exact.tolist() == [-(2**31)]
