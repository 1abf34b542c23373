"""Products of float rows with integer weights, and the float functions that hybrid layers need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.graph import Array
from litegpu.ops import vector_math
from litegpu.ops.hybrid import exact_matrix, hybrid_matrix, hybrid_product, quantize_rows
from litegpu.schema.options import FullyConnectedOptions
from litegpu.schema.writer import write_model

from .. import oracle
from ..cases import Case, const, given, model_of, out

TIES = [127, 0.49999997, -0.49999997, 0.5, -0.5, 1.5, 2.5, -127]
"""At scale 1: what rounds differently by adding a half and truncating, and half away from zero."""


def rows_of(depth: int) -> Array:
    """Rows of several magnitudes and signs, one of zeros, one of ties in blocks and in the tail."""
    rng = np.random.default_rng(depth)
    x = rng.standard_normal((7, depth)) * np.array([[1e-3], [1], [50], [0], [1], [1], [1]])
    x[4], x[5] = np.abs(x[4]), -np.abs(x[5])
    x[6] = np.resize(TIES, depth)
    return x.astype(np.float32)


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("depth", [1, 3, 8, 13, 40, 515, 1203])
def test_products_equal_those_of_litert(depth: int, asymmetric: bool) -> None:
    """Bit for bit: LiteRT's hybrid FULLY_CONNECTED."""
    x = rows_of(depth)
    rng = np.random.default_rng(depth)
    weights = rng.integers(-127, 128, (9, depth)).astype(np.int8)
    options = FullyConnectedOptions(asymmetric_quantize_inputs=asymmetric)
    inputs = [given(x), const(weights, scale=0.013), const(np.zeros(9, np.float32))]
    case = Case("", "FULLY_CONNECTED", inputs, [out(np.float32)], options, version=9)
    expected = oracle.run(write_model(model_of(case)), [x])[0]
    matrix = hybrid_matrix(weights, 0.013, asymmetric)
    got = hybrid_product(quantize_rows(x, asymmetric), matrix)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)
    for row, wanted in zip(x, expected, strict=True):
        alone = hybrid_product(quantize_rows(row[None], asymmetric), matrix)
        np.testing.assert_array_equal(alone, wanted[None])


@pytest.mark.parametrize("asymmetric", [False, True])
def test_rows_lie_within_half_a_step(asymmetric: bool) -> None:
    x = rows_of(40)[:6]
    values, scales = quantize_rows(x, asymmetric)
    assert values.dtype == scales.dtype == np.float32
    assert np.all(values == np.rint(values))
    slack = 1.001 if not asymmetric else 2.001
    assert np.all(np.abs(scales.astype(np.float64) * values - x) <= slack * scales / 2)
    assert scales[3] == 1
    assert not values[3].any()


def test_symmetric_rows_stay_within_127() -> None:
    values, _ = quantize_rows(rows_of(40))
    assert values.min() == -127
    assert values.max() == 127


def test_asymmetric_rows_hold_0_and_span_255() -> None:
    """The stored values less the zero point, which is itself within -128..127."""
    values, _ = quantize_rows(rows_of(40)[:3], asymmetric=True)
    low, high = values.min(axis=1), values.max(axis=1)
    assert np.all((low >= -255) & (low <= 0) & (high >= 0) & (high <= 255))
    assert np.all(np.abs(high - low - 255) <= 1)


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_quantise_to_something(value: float, asymmetric: bool) -> None:
    x = np.ones((2, 9), np.float32)
    x[0, 4] = value
    with np.errstate(all="ignore"):
        values, scales = quantize_rows(x, asymmetric)
        alone, alone_scales = quantize_rows(x[:1], asymmetric)
    clean, clean_scales = quantize_rows(x[1:], asymmetric)
    np.testing.assert_array_equal(values, np.concatenate([alone, clean]))
    np.testing.assert_array_equal(scales, np.concatenate([alone_scales, clean_scales]))


def test_rows_may_be_empty() -> None:
    for shape in [(0, 4), (3, 0)]:
        values, scales = quantize_rows(np.zeros(shape, np.float32), True)
        assert values.shape == shape
        assert scales.shape == (shape[0], 1)


@pytest.mark.parametrize(("depth", "dtype"), [(100, np.float32), (5000, np.float64)])
def test_matrices_are_exact_at_their_largest(depth: int, dtype: Any) -> None:
    """Odd sums beyond 2^24 need float64."""
    weights = np.full((2, depth), 127, np.int8)
    matrix = exact_matrix(weights, 128)
    assert matrix.dtype == dtype
    assert np.all(np.full((1, depth), 127, dtype) @ matrix == 127 * 127 * depth)


@pytest.mark.parametrize(
    ("op", "function"), [("TANH", vector_math.tanh), ("LOGISTIC", vector_math.logistic)]
)
def test_vector_functions_equal_those_of_litert(op: str, function: Any) -> None:
    """Bit for bit: LiteRT's optimised kernels, on a multiple of a vector's length."""
    rng = np.random.default_rng(0)
    parts = [
        rng.uniform(-20, 20, 1 << 14),
        rng.uniform(-110, 110, 1 << 10),
        np.geomspace(1e-8, 1, 256),
    ]
    x = np.concatenate(parts)[None].astype(np.float32)
    case = Case("", op, [given(x)], [out(np.float32)])
    y = x.copy()
    function(y)
    np.testing.assert_array_equal(y, oracle.run(write_model(model_of(case)), [x], "opt")[0])
