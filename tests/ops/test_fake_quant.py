"""FAKE_QUANT against LiteRT and against what a quantised tensor holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.schema.options import FakeQuantOptions

from tests.cases import Case, check, given, out

X = np.random.default_rng(0).normal(0, 3, (5, 40)).astype(np.float32)


def case(name: str, x: Any, low: float, high: float, bits: int = 8, **more: Any) -> Case:
    options = FakeQuantOptions(
        min=low, max=high, num_bits=bits, narrow_range=more.pop("narrow", False)
    )
    return Case(name, "FAKE_QUANT", [given(x)], [out(x.dtype)], options, version=2, **more)


CASES = [
    *(
        case(f"{low} {high} {bits} {x.shape}", x, low, high, bits)
        for low, high in ((-1.0, 1.0), (-3.3, 5.7), (0.0, 6.0), (-6.0, 0.0))
        for bits in (2, 8, 16)
        for x in (X, X[0, 0], X[:0])
    ),
    case(
        "halves", np.float32([-3, -0.5, 0.5, 1.5, 2.4, 9]), 0.0, 3.0, 2,
        expected=[np.float32([0, 0, 1, 2, 2, 3])],
    ),
    case("narrow range", X, -1.0, 1.0, narrow=True, error="narrow_range"),
    case("empty range", X, 1.0, 1.0, error="min < max"),
    case("NaN", X, float("nan"), 1.0, error="min < max"),
    case("no bits", X, -1.0, 1.0, 0, error="num_bits"),
    case("40 bits", X, -1.0, 1.0, 40, error="num_bits"),
    case("int32", np.int32([1]), -1.0, 1.0, error="takes FLOAT32"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fake_quant(case: Case, device: str) -> None:
    check(case, device)
