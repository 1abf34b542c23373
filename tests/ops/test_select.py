"""Choice by a condition: of one element, of rows, of the whole shape, broadcast."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from tests.cases import Case, check, given, out
from tests.values import PLAIN

OPS = ("SELECT", "SELECT_V2")


def values(dtype: Any, shape: tuple[int, ...], seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)


def condition(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(9).integers(0, 2, shape).astype(np.bool_)


def choice(op: str, dtype: Any, c: tuple[int, ...], x: Any, y: Any, result: Any = None) -> Case:
    cond, a, b = condition(c), values(dtype, x, 1), values(dtype, y, 2)
    rows = cond.reshape(cond.shape + (1,) * (a.ndim - 1)) if op == "SELECT" and c == x[:1] else cond
    return Case(
        f"{np.dtype(dtype).name} {c} {x} {y}",
        op,
        [given(cond), given(a), given(b)],
        [out(dtype, shape=result or ())],
        expected=[np.where(rows, a, b).reshape(result if result is not None else -1)]
        if result is not None
        else [np.where(rows, a, b)],
    )


S = (2, 3, 4)
F = np.float32([1, 2])
TEXT = np.array(["a", "b"])

CASES = [
    *(choice(op, dtype, S, S, S) for op, dtype in product(OPS, PLAIN)),
    *(choice(op, np.float32, (), S, S) for op in OPS),
    *(choice(op, np.float32, (0, 2), (0, 2), (0, 2)) for op in OPS),
    *(choice(op, np.int32, (), (), ()) for op in OPS),
    *(choice(op, np.int32, (1,), (), (1, 1), (1, 1)) for op in OPS),
    *(choice("SELECT", dtype, (2,), S, S) for dtype in PLAIN),
    *(
        choice("SELECT_V2", np.float32, *shapes)
        for shapes in [
            ((4,), S, ()), ((2, 1, 1), (3, 1), (4,)), (S, (), ()), ((), (3, 1), (4,)),
            ((1, 2, 1, 3, 1, 2), (2, 1, 1, 3, 1, 1), (2,)), ((0, 1), (1, 3), ()),
        ]
    ),
    *(
        Case(
            "strings", op, [given(np.array([True, False])), given(TEXT), given(TEXT[::-1])],
            [out(np.dtype("U"))], expected=[np.array(["a", "a"])],
        )
        for op in OPS
    ),
    Case("int condition", "SELECT", [given(np.int32([1, 0])), given(F), given(F)], [out(F.dtype)],
         error="takes BOOL"),
    Case("types", "SELECT_V2", [given(condition((2,))), given(F), given(np.int32([1, 2]))],
         [out(F.dtype)], error="expected FLOAT32"),
    Case("shapes", "SELECT", [given(condition((3,))), given(F), given(F)], [out(F.dtype)],
         error="condition has shape"),
    Case("shapes", "SELECT_V2", [given(condition((3,))), given(F), given(F)], [out(F.dtype)],
         error="not broadcastable"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_select(case: Case, device: str) -> None:
    check(case, device)
