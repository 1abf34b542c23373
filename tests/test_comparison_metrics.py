"""Metrics against plain formulas over all samples at once."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from litegpu.comparison.metrics import Metrics, ulps
from litegpu.comparison.result import Tolerance
from litegpu.comparison.tolerances import Tolerances, tolerances
from litegpu.graph import Quantization, Tensor
from litegpu.schema.enums import TensorType as T

RNG = np.random.default_rng(3)


EXACT = Tolerance()


def measured(dtype: T, pairs: Any, tolerance: Tolerance = EXACT, **options: Any) -> Metrics:
    metrics = Metrics(Tensor("t", (), dtype, **options), tolerance)
    for k, (reference, compared) in enumerate(pairs):
        metrics.update(k, np.asarray(reference), np.asarray(compared))
    return metrics


@pytest.fixture
def samples() -> list[tuple[Any, Any]]:
    """Five samples of more elements than a chunk has in all but one."""
    found = []
    for k in range(5):
        r = RNG.normal(size=(3, 100_003 if k else 7)).astype(np.float32)
        found.append((r, (r + 1e-3 * RNG.normal(size=r.shape)).astype(np.float32)))
    return found


def test_errors_are_those_of_all_elements(samples: list[tuple[Any, Any]]) -> None:
    metrics = measured(T.FLOAT32, samples, Tolerance(relative=1e-3))
    r = np.concatenate([a.ravel() for a, _ in samples]).astype(np.float64)
    c = np.concatenate([b.ravel() for _, b in samples]).astype(np.float64)
    d = np.abs(c - r)
    assert metrics.elements == r.size
    assert metrics.max_abs == d.max()
    assert metrics.mean("abs") == pytest.approx(d.mean(), rel=1e-12)
    assert metrics.max_relative == (d / np.abs(r)).max()
    assert metrics.mean("relative") == pytest.approx((d / np.abs(r)).mean(), rel=1e-12)
    assert metrics.beyond == int((d > 1e-3 * np.abs(r)).sum())
    assert metrics.exact == int((d == 0).sum())
    assert metrics.largest == np.abs(r).max()
    cosine = (r @ c) / math.sqrt((r @ r) * (c @ c))
    assert metrics.cosine() == pytest.approx(cosine, rel=1e-12)
    assert metrics.sqnr() == pytest.approx(10 * math.log10((r @ r) / (d @ d)), rel=1e-12)
    each = [np.abs(b.astype(float) - a).max() / np.abs(a).max() for a, b in samples]
    assert metrics.error == pytest.approx(max(each), rel=1e-6)


def test_the_worst_element_has_its_sample_and_index(samples: list[tuple[Any, Any]]) -> None:
    samples[3][1][2, 90_000] = -50
    worst = measured(T.FLOAT32, samples).worst
    assert worst is not None
    assert (worst.sample, worst.index) == (3, (2, 90_000))
    assert (worst.reference, worst.compared) == (float(samples[3][0][2, 90_000]), -50.0)


def test_histogram_counts_every_element() -> None:
    r = np.zeros(8, np.float64)
    c = np.array([0, 2e-12, 5e-12, 2e-3, 0.5, 5.0, 1e30, np.nan])
    found = measured(T.FLOAT64, [(r, c)]).histogram()
    edges = [found.low + i / found.per_decade for i in range(len(found.counts))]
    places = {round(edges[i], 6): n for i, n in enumerate(found.counts) if n}
    assert places == {-12: 1, -11.5: 1, -3: 1, -0.5: 1, 0.5: 1, 7.5: 1}
    assert (found.zero, found.nonfinite) == (1, 1)
    assert sum(found.counts) + found.zero + found.nonfinite == r.size


def test_special_values_are_counted_on_both_sides() -> None:
    r = np.array([np.nan, np.inf, -np.inf, 0, 1, np.nan, np.inf], np.float32)
    c = np.array([np.nan, np.inf, np.inf, 0, np.nan, 2, 3], np.float32)
    metrics = measured(T.FLOAT32, [(r, c)], Tolerance(absolute=1e9))
    reference, compared = metrics.sides()
    assert (reference.nan, reference.inf, reference.zero) == (2, 3, 1)
    assert (compared.nan, compared.inf, compared.zero) == (2, 2, 1)
    assert metrics.exact == 3
    assert metrics.beyond == 4, "NaN and infinities must agree, whatever the tolerance"
    assert metrics.error == math.inf


def test_quantised_integers_are_measured_in_steps_from_the_zero_point() -> None:
    quant = Quantization(np.array([0.5], np.float32), np.array([-28], np.int64))
    r = np.array([[-128, 127, -28, 22]], np.int8)
    c = np.array([[-128, 126, -28, 26]], np.int8)
    metrics = measured(T.INT8, [(r, c)], quant=quant)
    assert (metrics.largest, metrics.max_abs, metrics.exact, metrics.beyond) == (155, 4, 2, 2)
    assert metrics.max_relative == 4 / 50
    assert metrics.sides()[0].saturated == 2
    assert metrics.sides()[1].saturated == 1
    assert not metrics.has_ulps
    assert measured(T.INT8, [(r, c)], Tolerance(absolute=4), quant=quant).within


def test_large_integers_differ_beyond_float64() -> None:
    r = np.array([2**62, 2**62], np.int64)
    metrics = measured(T.INT64, [(r, r + np.array([0, 1]))])
    assert (metrics.exact, metrics.beyond, metrics.max_abs) == (1, 1, 1.0)


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16], ids=lambda d: d.__name__
)
def test_ulps_count_numbers_between(dtype: Any) -> None:
    below = np.array([1, -1, 0, 2, 3e-5], dtype)
    above, steps = below.copy(), 5
    for _ in range(steps):
        above = np.nextafter(above, np.array(np.inf, dtype)).astype(dtype)
    assert ulps(below, above).tolist() == [steps] * below.size
    assert ulps(np.array([-0.0], dtype), np.array([0.0], dtype)).tolist() == [0]


def test_strings_complex_and_shapes() -> None:
    words = np.array([b"a", b"b", b"c"], object)
    metrics = measured(T.STRING, [(words, words), (words, np.array([b"a", b"x", b"c"], object))])
    assert (metrics.elements, metrics.exact, metrics.beyond) == (6, 5, 1)
    assert metrics.worst is not None
    assert (metrics.worst.sample, metrics.worst.index) == (1, (1,))
    z = np.array([[1 + 2j, 3 - 4j]], np.complex64)
    metrics = measured(T.COMPLEX64, [(z, z + np.array([0, 0.5j], np.complex64))])
    assert metrics.worst is not None
    assert (metrics.worst.index, metrics.worst.reference) == ((0, 1), -4.0)
    metrics = measured(T.FLOAT32, [(np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32))])
    assert (metrics.mismatched, metrics.within, metrics.elements) == (1, False, 0)
    assert metrics.worst is not None
    assert (metrics.worst.sample, metrics.worst.index) == (0, ())


def test_nothing_is_within_any_tolerance() -> None:
    metrics = measured(T.FLOAT32, [(np.zeros((0, 3), np.float32),) * 2])
    assert metrics.within
    assert (metrics.cosine(), metrics.sqnr(), metrics.mean("abs")) == (None, None, 0.0)
    zeros = np.zeros(3, np.float32)
    assert measured(T.FLOAT32, [(zeros, zeros)]).sqnr() is None
    assert measured(T.FLOAT32, [(zeros + 1, zeros + 1)]).sqnr() == math.inf


def test_errors_beside_a_reference_of_nothing() -> None:
    """A share of 0 is infinite; integers that all lie at their zero point differ by steps."""
    quant = Quantization(np.array([0.5], np.float32), np.array([-28], np.int64))
    still = np.full(4, -28, np.int8)
    assert measured(T.INT8, [(still, still + np.int8(3))], quant=quant).error == 3
    nothing = np.zeros(4, np.float32)
    assert measured(T.FLOAT32, [(nothing, nothing + np.float32(1e-9))]).error == math.inf


# Tolerances.


def of(found: Tolerances, name: str, dtype: T) -> Tolerance:
    return found.of(Tensor(name, (), dtype))


def test_integers_are_exact_and_isolated_floats_are_tighter() -> None:
    whole, single = tolerances(None, "cumulative", "fp32"), tolerances(None, "isolated", "fp32")
    for found in (whole, single):
        assert of(found, "t", T.INT8) == of(found, "t", T.BOOL) == Tolerance()
    assert of(single, "t", T.FLOAT32).of_largest < of(whole, "t", T.FLOAT32).of_largest
    half = tolerances(None, "cumulative", "fp16")
    assert of(half, "t", T.FLOAT32).of_largest > of(whole, "t", T.FLOAT32).of_largest


def test_overrides_by_type_and_name() -> None:
    given = {"int8": 2, "float32": 1e-3, "conv*": Tolerance(relative=0.5), "conv7": 0.25}
    found = tolerances(given, "cumulative", "fp32")
    assert of(found, "x", T.INT8) == Tolerance(absolute=2)
    assert of(found, "x", T.FLOAT32) == Tolerance(of_largest=1e-3)
    assert of(found, "conv1", T.FLOAT32) == Tolerance(relative=0.5)
    assert of(found, "conv7", T.INT8) == Tolerance(of_largest=0.25)
    assert of(tolerances(0.125, "isolated", "fp32"), "x", T.FLOAT16).of_largest == 0.125


@pytest.mark.parametrize("value", [-1, "much", True, math.nan])
def test_bad_tolerances(value: Any) -> None:
    with pytest.raises(ValueError, match="a number >= 0 or a Tolerance expected"):
        tolerances({"float32": value}, "cumulative", "fp32")
