"""Every tolerance of the test-suite, and the comparison that uses them.

Integers, booleans and strings must be equal. Floats: |difference| <= relative * |expected| +
absolute * max(1, largest |expected|); NaN and infinities must agree.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SINGLE_OP = {
    "float64": (1e-5, 1e-6),
    "float32": (1e-5, 1e-6),
    "complex64": (1e-5, 1e-6),
    "complex128": (1e-5, 1e-6),
    "float16": (1e-3, 1e-3),
    "bfloat16": (8e-3, 8e-3),
    "float8_e4m3fn": (0.0, 0.0),
    "float8_e5m2": (0.0, 0.0),
}
"""(relative, absolute) of one operator against its oracle."""

WHOLE_MODEL = 1e-4
"""Of the largest magnitude of an output: a whole float model on the CPU against LiteRT."""

WHOLE_MODEL_ON_DELEGATE = 5e-4
"""The same, on a GPU delegate against the CPU."""

FIXED_POINT = {16: 4e-4, 32: 3e-7, "inverse square root": 2e-6}
"""Fixed-point functions against the real ones: of 1, by bits; the inverse square root of itself."""


HALF_UNIT = 2.0**-11
HALF_LEAST = 2.0**-25
HALF_LARGEST = 65520.0
"""Of IEEE half: the unit roundoff, half of the smallest positive number, and what is infinite."""


def assert_close_as_half(got: Any, expected: Any, what: str = "") -> None:
    """Float32 results that were stored as half once: of a result y of single precision, whose own
    tolerance is t, |difference| <= HALF_UNIT * |y| + HALF_LEAST + (1 + HALF_UNIT) * t, and infinity
    from HALF_LARGEST. Others must be equal."""
    got, expected = np.asarray(got), np.asarray(expected)
    relative, absolute = SINGLE_OP["float32"]
    if expected.dtype != np.float32:
        assert_close(got, expected, what)
        return
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype), what
    infinite = np.abs(expected) >= HALF_LARGEST
    rounded = np.where(infinite, np.copysign(np.float32(np.inf), expected), expected)
    grown = 1 + HALF_UNIT
    finite = np.abs(rounded[np.isfinite(rounded)])
    least = HALF_LEAST / max(1.0, finite.max(initial=0.0))
    _assert_floats(got, rounded, (grown * relative + HALF_UNIT, grown * absolute + least), what)


FLOAT_STEP = 2.0**-23
"""Of float32: the spacing at 1. Tensor cores round sums by so much, truncating."""


def assert_close_to_sums(
    got: Any, exact: Any, magnitude: Any, depth: int, stored: float, what: str = ""
) -> None:
    """Float32 results that are sums of `depth` exact products, stored with a unit roundoff of
    `stored`. `exact` and `magnitude`, the sums of the absolute products, are float64:
    |difference| <= (depth + 1) * FLOAT_STEP * magnitude + stored * (|exact| + that)."""
    got = np.asarray(got)
    assert (got.shape, got.dtype) == (exact.shape, np.float32), what
    summed = (depth + 1) * FLOAT_STEP * magnitude
    bound = summed + stored * (np.abs(exact) + summed)
    error = np.abs(got - exact)
    worst = np.unravel_index(np.argmax(error - bound), error.shape)
    assert (error <= bound).all(), (
        f"{what}: {got[worst]} where {exact[worst]} was expected "
        f"(error {error[worst]:.3g}, allowed {bound[worst]:.3g})"
    )


def assert_close(got: Any, expected: Any, what: str = "") -> None:
    """Shape and dtype first, then the values, within the tolerance of one operator."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    assert _kind(got) == _kind(expected), f"{what}: dtype {got.dtype}, expected {expected.dtype}"
    if _kind(expected) == "string":
        assert [_text(x) for x in got.ravel()] == [_text(x) for x in expected.ravel()], what
        return
    tolerance = SINGLE_OP.get(expected.dtype.name)
    if tolerance is None:
        np.testing.assert_array_equal(got, expected, err_msg=what)
        return
    _assert_floats(got, expected, tolerance, what)


def _assert_floats(got: Any, expected: Any, tolerance: tuple[float, float], what: str) -> None:
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    g, e = got.astype(wide), expected.astype(wide)
    finite = np.isfinite(e)
    np.testing.assert_array_equal(np.isfinite(g), finite, err_msg=f"{what}: NaN or Inf differ")
    np.testing.assert_array_equal(g[~finite], e[~finite], err_msg=f"{what}: NaN or Inf differ")
    if finite.any():
        magnitude = np.abs(e[finite])
        relative, absolute = tolerance
        bound = relative * magnitude + absolute * max(1.0, magnitude.max())
        error = np.abs(g[finite] - e[finite])
        worst = int(np.argmax(error - bound))
        assert (error <= bound).all(), (
            f"{what}: {g[finite][worst]} where {e[finite][worst]} was expected "
            f"(error {error[worst]:.3g}, allowed {bound[worst]:.3g})"
        )


def _kind(array: Any) -> str:
    return "string" if array.dtype.kind in "SUO" else str(array.dtype.name)


def _text(item: Any) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode()
