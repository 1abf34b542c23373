"""Comparisons: every type, quantised values by what they stand for, strings."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from litegpu.dtypes import NUMPY
from litegpu.schema.enums import TensorType as T

from tests.cases import Case, check, const, given, out

FORMULAS: dict[str, Any] = {
    "EQUAL": lambda a, b: a == b,
    "NOT_EQUAL": lambda a, b: a != b,
    "LESS": lambda a, b: a < b,
    "LESS_EQUAL": lambda a, b: a <= b,
    "GREATER": lambda a, b: a > b,
    "GREATER_EQUAL": lambda a, b: a >= b,
}
TYPES = (np.float32, np.float16, np.float64, np.int16, np.int32, np.int64, np.uint32)
SHAPES = (((2, 3, 4), (2, 3, 4)), ((), ()), ((3, 4), ()), ((2, 1, 4), (3, 1)), ((0, 3), (3,)))
BIG = ((2, 60, 64), (2, 1, 64))


def few(dtype: Any, shape: tuple[int, ...], seed: int) -> Any:
    """Values from a small range, so that many are equal."""
    return np.random.default_rng(seed).integers(0, 5, shape).astype(dtype)


def plain(op: str, dtype: Any, shapes: Any) -> Case:
    a, b = (few(dtype, s, i) for i, s in enumerate(shapes))
    expected = [np.asarray(FORMULAS[op](a, b))]
    name = f"{np.dtype(dtype).name} {shapes[0]} {shapes[1]}"
    return Case(name, op, [given(a), given(b)], [out(np.bool_)], expected=expected)


def quantised(op: str, dtype: Any, scales: tuple[float, float], shapes: Any) -> Case:
    """Values that often stand for nearly the same; LiteRT is the oracle."""
    info = np.iinfo(dtype)
    r = np.random.default_rng(3)
    a, b = (r.integers(info.min, info.max + 1, s, dtype=dtype) for s in shapes)
    zeros = (0, 0) if dtype == np.int16 else ((3, -4) if dtype == np.int8 else (130, 121))
    return Case(
        f"{np.dtype(dtype).name} {scales[0]} {scales[1]} {shapes[0]}",
        op,
        [given(v, scale=s, zero_point=z) for v, s, z in zip((a, b), scales, zeros, strict=True)],
        [out(np.bool_)],
        version=2,
    )


def strings(op: str) -> Case:
    a = np.array([["a", "bc"], ["", "d\u00e9"]])
    b = np.array(["a", "bd"])
    return Case("strings", op, [given(a), given(b)], [out(np.bool_)], expected=[FORMULAS[op](a, b)])


NAN, INF = np.nan, np.inf
A, B = np.float32([NAN, NAN, INF, -INF, -0.0]), np.float32([NAN, 1, INF, INF, 0.0])
BOOLS = np.array([True, False, True]), np.array([True, True, False])

CASES = [
    *(plain(op, d, s) for op, d, s in product(FORMULAS, TYPES, SHAPES)),
    *(plain("GREATER", NUMPY[T.BFLOAT16], s) for s in SHAPES),
    *(
        quantised(op, dtype, scales, shapes)
        for op, dtype, scales, shapes in product(
            FORMULAS,
            (np.int8, np.uint8),
            ((0.1, 0.1), (0.002, 0.003), (0.7, 0.3)),
            (((5, 7), (5, 7)), BIG),
        )
    ),
    *(
        quantised(op, np.int16, scales, ((50, 100), (50, 100)))
        for op, scales in product(("EQUAL", "NOT_EQUAL"), ((0.0001, 0.0002), (0.3, 0.3)))
    ),
    *(
        Case(
            "NaN and Inf", op, [given(A), given(B)], [out(np.bool_)], expected=[f(A, B)]
        )
        for op, f in FORMULAS.items()
    ),
    *(strings(op) for op in ("EQUAL", "NOT_EQUAL")),
    *(
        Case(
            "bool", op, [given(BOOLS[0]), given(BOOLS[1])], [out(np.bool_)],
            expected=[FORMULAS[op](*BOOLS)],
        )
        for op in ("EQUAL", "NOT_EQUAL")
    ),
    Case(
        "bfloat16", "LESS",
        [given(np.float32([1, 2, 3]).astype(NUMPY[T.BFLOAT16])),
         const(np.float32([2, 2, 2]).astype(NUMPY[T.BFLOAT16]))],
        [out(np.bool_)], expected=[[True, False, False]],
    ),
    Case(
        "int8 without scales", "LESS", [given(np.int8([1, -2])), given(np.int8([2, -2]))],
        [out(np.bool_)], expected=[[True, False]],
    ),
    Case("types", "EQUAL", [given(A), given(np.int32([1]))], [out(np.bool_)], error="takes FLOAT"),
    Case("bool", "LESS", [given(BOOLS[0]), given(BOOLS[1])], [out(np.bool_)], error="op takes"),
    Case("shapes", "LESS", [given(A), given(A[:2])], [out(np.bool_)], error="not broadcastable"),
    Case("declared int32", "LESS", [given(A), given(B)], [out(np.int32)], expected=[A < B]),
    Case(
        "one scale missing", "LESS",
        [given(np.int8([1]), scale=0.5), given(np.int8([1]))], [out(np.bool_)], error="quantised",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_comparison(case: Case, device: str) -> None:
    check(case, device)
