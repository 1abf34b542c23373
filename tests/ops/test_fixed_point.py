"""Transcendental functions on fixed-point integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.graph import Array
from litegpu.ops import fixed_point as fx
from litegpu.schema.writer import write_model

from .. import oracle
from ..cases import Case, given, model_of, out
from ..tolerance import FIXED_POINT

EVERY_INT16 = np.arange(1 << 16, dtype=np.uint16).view(np.int16)


@pytest.mark.parametrize(("op", "function"), [("TANH", fx.tanh), ("LOGISTIC", fx.logistic)])
def test_int16_functions_equal_those_of_litert(op: str, function: Any) -> None:
    """All 2^16 inputs with three integer bits: LiteRT's optimised kernels are gemmlowp's."""
    x = EVERY_INT16[None]
    inputs, outputs = [given(x, scale=2.0**-12)], [out(np.int16, scale=2.0**-15)]
    case = Case("", op, inputs, outputs, version=3)
    expected = oracle.run(write_model(model_of(case)), [x], "opt")[0]
    np.testing.assert_array_equal(function(x, 3), expected)
    np.testing.assert_array_equal(fx.int16_table(op.lower(), 3)[x.view(np.uint16)], expected)


@pytest.mark.parametrize("integer_bits", range(7))
@pytest.mark.parametrize("name", ["tanh", "logistic"])
def test_int16_functions_follow_the_real_ones(name: str, integer_bits: int) -> None:
    real = EVERY_INT16 * 2.0 ** (integer_bits - 15)
    exact = np.tanh(real) if name == "tanh" else 1 / (1 + np.exp(-real))
    table = fx.int16_table(name, integer_bits)
    assert table.dtype == np.int16
    assert np.abs(table / 2.0**15 - exact).max() <= FIXED_POINT[16]


@pytest.mark.parametrize("integer_bits", [0, 3, 5, 6, 10])
def test_exponentials_follow_the_real_one(integer_bits: int) -> None:
    raw = -np.unique(np.geomspace(1, 2**31, 5000).astype(np.int64))
    exact = np.exp(raw * 2.0 ** (integer_bits - 31))
    got = fx.exp_on_negative_values(raw, integer_bits, 32) / 2.0**31
    assert np.abs(got - exact).max() <= FIXED_POINT[32]
    assert fx.exp_on_negative_values(np.int64([0]), integer_bits, 32) == 2**31 - 1


def test_reciprocals_follow_the_real_ones() -> None:
    raw = np.linspace(0, 2**31 - 1, 4001).astype(np.int64)
    got = fx.one_over_one_plus_x(raw, 32) / 2.0**31
    assert np.abs(got - 1 / (1 + raw / 2.0**31)).max() <= FIXED_POINT[32]


def test_inverse_square_roots_follow_the_real_ones() -> None:
    x = np.unique(np.geomspace(2, 2**31 - 1, 5000).astype(np.int64))
    multiplier, shift = fx.inverse_square_root(x)
    assert np.all((multiplier >= 0) & (multiplier < 2**31) & (shift >= 0))
    relative = multiplier * 2.0 ** (-31 - shift) * np.sqrt(x) - 1
    assert np.abs(relative).max() <= FIXED_POINT["inverse square root"]


def test_inverse_square_roots_of_0_and_1_are_the_largest_multiplier() -> None:
    multiplier, shift = fx.inverse_square_root(np.int64([0, 1]))
    assert multiplier.tolist() == [2**31 - 1] * 2
    assert shift.tolist() == [0, 0]


ROUNDED = [(5, -1, 3), (-5, -1, -3), (4, -1, 2), (6, -2, 2), (-6, -2, -2), (7, 0, 7), (-1, -3, 0)]
SHIFTED = [(3, 2, 12), (20000, 1, 32767), (-20000, 1, -32768), (-16384, 1, -32768)]


@pytest.mark.parametrize(("x", "exponent", "expected"), ROUNDED + SHIFTED)
def test_rescaling_rounds_half_away_and_saturates(x: int, exponent: int, expected: int) -> None:
    assert fx.rescale(np.int64([x]), exponent, 16).tolist() == [expected]


def test_the_one_product_that_overflows_saturates() -> None:
    lowest = np.int64([-(2**15)])
    assert fx.multiply(lowest, lowest, 16).tolist() == [2**15 - 1]


def halves(x: Array) -> Array:
    return x.astype(np.float64) / 2


def test_products_round_to_nearest() -> None:
    x = np.arange(-9, 10)
    got = fx.multiply(x, 1 << 14, 16)
    assert np.abs(got - halves(x)).max() <= 0.5
