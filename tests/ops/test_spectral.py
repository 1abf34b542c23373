"""RFFT2D."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from litegpu.graph import Array
from litegpu.schema.options import Rfft2dOptions

from ..cases import Arg, Case, check, const, given, out


def dft2(x: Array, height: int, width: int) -> Array:
    """The transform by its definition, of images cut or zero-padded to this size."""
    image = np.zeros((*x.shape[:-2], height, width))
    kept = x[..., :height, :width]
    image[..., : kept.shape[-2], : kept.shape[-1]] = kept

    def waves(n: int) -> Array:
        return np.asarray(np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n))

    full = waves(height) @ image @ waves(width)
    return full[..., : width // 2 + 1].astype(np.complex64)


def rfft2d(
    shape: tuple[int, ...],
    lengths: tuple[int, int],
    run_time_lengths: bool = False,
    litert: bool = False,
    error: str | None = None,
) -> Case:
    x = np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)
    make = given if run_time_lengths else const
    expected = None if litert or error else [dft2(x, *lengths)]
    name = f"{shape} to {lengths} run_time={run_time_lengths} litert={litert}"
    inputs = [given(x), make(np.array(lengths, np.int32))]
    outputs = [out(np.complex64)]
    return Case(name, "RFFT2D", inputs, outputs, Rfft2dOptions(), expected=expected, error=error)


IMAGES = [
    rfft2d(shape, lengths)
    for shape, lengths in product(
        [(4, 8), (1, 1), (3, 5), (2, 3, 4, 4), (0, 4, 4), (2, 0, 4)],
        [(1, 1), (1, 8), (8, 1), (2, 2), (4, 8), (16, 4)],
    )
]
AGAINST_LITERT = [
    rfft2d(shape, lengths, run_time, litert=True)
    for shape, lengths, run_time in product(
        [(4, 8), (2, 5, 3)], [(4, 8), (16, 16), (2, 32)], [False, True]
    )
]


def case(name: str, x: Arg, lengths: Arg, result: Arg, error: str) -> Case:
    return Case(f"refused: {name}", "RFFT2D", [x, lengths], [result], Rfft2dOptions(), error=error)


X, LENGTHS, Y = given(np.zeros((4, 4), np.float32)), const(np.int32([4, 4])), out(np.complex64)
ERRORS = [
    *[
        rfft2d((4, 4), lengths, error="powers of two")
        for lengths in [(0, 4), (4, 6), (-4, 4), (4, -1)]
    ],
    rfft2d((4, 4), (3, 4), run_time_lengths=True, error="powers of two"),
    rfft2d((4,), (4, 4), error="rank"),
    case("lengths of shape [1]", X, const(np.int32([4])), Y, r"\[2\]"),
    case("lengths int64", X, const(np.int64([4, 4])), Y, "INT64"),
    case("float64", given(np.zeros((4, 4))), LENGTHS, Y, "FLOAT64"),
    case("huge", X, const(np.int32([2**30, 2**30])), Y, "limit|bytes|large"),
]

MISDECLARED = Case("declared float32", "RFFT2D", [X, LENGTHS], [out(np.float32)], Rfft2dOptions())
"""The operator decides the type of its output, not the file."""

CASES = [*IMAGES, *AGAINST_LITERT, MISDECLARED, *ERRORS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rfft2d(case: Case, device: str) -> None:
    check(case, device)
