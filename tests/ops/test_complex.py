"""Parts of complex tensors."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from tests.cases import Case, check, given, out

PARTS: dict[str, Any] = {
    "REAL": np.real,
    "IMAG": np.imag,
    "COMPLEX_ABS": lambda x: np.sqrt(np.real(x) ** 2 + np.imag(x) ** 2),
}
OUTPUT = {np.complex64: np.float32, np.complex128: np.float64}


def part(op: str, dtype: Any, shape: tuple[int, ...]) -> Case:
    r = np.random.default_rng(len(shape))
    x = (r.normal(size=shape) + 1j * r.normal(size=shape)).astype(dtype)
    return Case(
        f"{np.dtype(dtype).name} {shape}",
        op,
        [given(x)],
        [out(OUTPUT[dtype])],
        expected=[np.asarray(PARTS[op](x), OUTPUT[dtype])],
    )


CASES = [
    *(part(*args) for args in product(PARTS, OUTPUT, ((3, 4), (), (0, 2), (2, 1, 3, 1, 2)))),
    Case(
        "Inf and NaN",
        "COMPLEX_ABS",
        [given(np.complex64([complex(np.inf, np.nan), complex(np.nan, 1)]))],
        [out(np.float32)],
        expected=[np.float32([np.inf, np.nan])],
    ),
    *(
        Case("float32", op, [given(np.float32([1]))], [out(np.float32)], error="takes COMPLEX64")
        for op in PARTS
    ),
    *(
        Case("output", op, [given(np.complex64([1]))], [out(np.float64)], error="expected FLOAT32")
        for op in PARTS
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_complex(case: Case, device: str) -> None:
    check(case, device)
