"""Diagonals made into matrices, and set in them, against plain indexing and LiteRT."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from litegpu.schema.options import MatrixDiagOptions, MatrixSetDiagOptions

from tests.cases import Case, check, given, out
from tests.values import PLAIN, name, values

KNOWN = (np.float32, np.int8, np.uint8, np.int16, np.int32, np.int64)
NARROW = (np.bool_, np.float16, np.uint16, ml_dtypes.bfloat16)
"""Types that the reference takes for 32-bit words, writing beyond its output: never run there."""
RIGHT = tuple(d for d in PLAIN if d in KNOWN or np.dtype(d).itemsize >= 4)


def set_diagonal(x: Any, values: Any) -> Any:
    y = x.copy()
    k = np.arange(min(x.shape[-2:]))
    y[..., k, k] = values
    return y


def words(array: Any) -> Any:
    """An array of as many 32-bit words, which begin with the bytes of `array`."""
    return np.frombuffer(array.tobytes().ljust(4 * array.size, b"\0"), np.uint32).reshape(
        array.shape
    )


def set_words(x: Any, values: Any) -> Any:
    """What of the reference's words lies in an output of the type of `x`."""
    moved = set_diagonal(words(x), words(values)).tobytes()
    return np.frombuffer(moved[: x.nbytes], x.dtype).reshape(x.shape)


def diag(shape: tuple[int, ...], dtype: Any = np.float32, **more: Any) -> Case:
    x = values(shape, dtype)
    if "error" not in more and "expected" not in more:
        more["expected"] = [set_diagonal(np.zeros((*shape, shape[-1]), x.dtype), x)]
    label = f"{name(dtype)} {list(shape)}"
    return Case(label, "MATRIX_DIAG", [given(x)], [out(dtype)], MatrixDiagOptions(), **more)


def set_diag(
    shape: tuple[int, ...],
    dtype: Any = np.float32,
    length: tuple[int, ...] | None = None,
    **more: Any,
) -> Case:
    if length is None:
        length = (*shape[:-2], min(shape[-2:]))
    x, new = values(shape, dtype), values(length, dtype, 1)
    if "error" not in more and "expected" not in more:
        more["expected"] = [set_diagonal(x, new)]
    label = f"{name(dtype)} {list(length)} in {list(shape)}"
    inputs, outputs = [given(x), given(new)], [out(dtype)]
    return Case(label, "MATRIX_SET_DIAG", inputs, outputs, MatrixSetDiagOptions(), **more)


CASES = [
    *(diag((2, 3), d) for d in RIGHT),
    *(diag(s, d, expected=None) for s in [(3,), (2, 1, 4)] for d in KNOWN),
    diag((0,)),
    diag((2, 0)),
    diag((), error="at least one axis"),
    diag((2**17,), error="limits"),
    *(set_diag((2, 3, 3), d) for d in RIGHT),
    *(set_diag(s, d, expected=None) for s in [(3, 3), (2, 2, 4), (2, 1, 4, 2)] for d in KNOWN),
    set_diag((0, 3)),
    set_diag((2, 3, 0)),
    set_diag((3,), length=(3,), error="at least two axes"),
    *(set_diag((2, 3, 4), length=n, error=r"expected \[2, 3\]") for n in [(2, 4), (3,), (2, 2)]),
    *(
        diag(s, d, expected=[set_words(np.zeros((*s, s[-1]), d), values(s, d))])
        for s in [(2, 4), (4,), (2, 3)]
        for d in NARROW
    ),
    *(
        set_diag(s, d, expected=[set_words(values(s, d), values((*s[:-2], min(s[-2:])), d, 1))])
        for s in [(2, 4, 4), (4, 4), (3, 2, 4)]
        for d in NARROW
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_diagonal(case: Case, device: str) -> None:
    check(case, device)
