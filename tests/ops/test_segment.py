"""SEGMENT_SUM and UNSORTED_SEGMENT_*: empty segments, dropped rows, NaN, ids that are wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.cases import Case, check, const, given, out

RNG = np.random.default_rng(125)
UNSORTED = [f"UNSORTED_SEGMENT_{kind}" for kind in ("SUM", "PROD", "MAX", "MIN")]


def data(shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    if dtype is np.int32:
        return RNG.integers(-(2**31), 2**31, shape).astype(dtype)
    return RNG.standard_normal(shape).astype(dtype)


def sum_case(name: str, x: Any, ids: Any, **rest: Any) -> Case:
    values = np.asarray(x)
    return Case(
        name,
        "SEGMENT_SUM",
        [given(values), given(np.asarray(ids, np.int32))],
        [out(values.dtype)],
        oracle="opt",
        **rest,
    )


SORTED = [
    sum_case("float rows", data((6, 3)), [0, 0, 1, 2, 2, 2]),
    sum_case("wrapping int32", data((6, 2), np.int32), [0, 0, 0, 1, 1, 1]),
    sum_case("vector", data((4,)), [0, 1, 1, 2]),
    sum_case("rank 4", data((3, 2, 2, 2)), [0, 0, 1]),
    sum_case("NaN", np.array([[np.nan], [np.inf], [-np.inf], [1]], np.float32), [0, 1, 1, 2]),
    Case(
        "constants",
        "SEGMENT_SUM",
        [const(data((3, 2))), const(np.array([0, 1, 1], np.int32))],
        [out(np.float32)],
        oracle="opt",
    ),
    sum_case("no rows", np.zeros((0, 3), np.float32), [], expected=[np.zeros((0, 3), np.float32)]),
    sum_case("empty rows", np.zeros((2, 0), np.float32), [0, 1], expected=[np.zeros((2, 0), "f4")]),
    sum_case("falling ids", data((2, 1)), [0, -1], error="segment ids"),
    sum_case("first id", data((2, 1)), [1, 1], error="segment ids"),
    sum_case("ids with a gap", data((2, 1)), [0, 2], error="segment ids"),
    sum_case("huge last id", data((2, 1)), [0, 2**31 - 1], error="segment ids"),
    sum_case("too few ids", data((2, 1)), [0], error="segment ids"),
    sum_case("scalar data", np.float32(1), [0], error="scalar"),
    sum_case("id matrix", data((2, 1)), [[0], [0]], error="rank 1"),
]


def unsorted_case(name: str, op: str, x: Any, ids: Any, count: Any, **rest: Any) -> Case:
    values = np.asarray(x)
    return Case(
        name,
        op,
        [given(values), given(np.asarray(ids, np.int32)), const(np.asarray(count, np.int32))],
        [out(values.dtype)],
        **rest,
    )


MIXED = np.array([[np.nan, 1], [2, np.nan], [np.nan, np.nan], [-np.inf, np.inf]], np.float32)

UNSORTED_CASES = [
    case
    for op in UNSORTED
    for case in (
        unsorted_case("float", op, data((5, 3)), [2, 0, 2, 1, 0], 3),
        unsorted_case("int32", op, data((5, 3), np.int32), [2, 0, 2, 1, 0], 3),
        unsorted_case("empty segments", op, data((3, 2)), [4, 1, 4], 6),
        unsorted_case("empty int segments", op, data((3, 2), np.int32), [4, 1, 4], 6),
        unsorted_case("dropped rows", op, data((4, 2)), [-1, 0, -5, 1], 2),
        unsorted_case("id matrix", op, data((2, 3, 2)), [[1, 0, 1], [1, 2, -1]], [4]),
        unsorted_case("ids for elements", op, data((2, 3)), [[1, 0, 1], [1, 2, 0]], 3),
        unsorted_case("NaN and Inf", op, MIXED, [0, 0, 1, 2], 3)
        if op in UNSORTED[2:]
        else unsorted_case("Inf", op, np.array([np.inf, 2, 3], np.float32), [0, 0, 1], 2),
        unsorted_case(
            "no segments", op, data((2, 3)), [-1, -1], 0, expected=[np.zeros((0, 3), np.float32)]
        ),
        unsorted_case(
            "empty rows", op, data((2, 0)), [0, 1], 2, expected=[np.zeros((2, 0), np.float32)]
        ),
        unsorted_case("id too large", op, data((2, 3)), [0, 2], 2, error="out of bounds"),
        unsorted_case("negative count", op, data((2, 3)), [0, 1], -1, error="-1"),
        unsorted_case("ids do not fit", op, data((2, 3)), [0, 1, 1], 2, error="leading"),
        unsorted_case("huge count", op, data((2, 2**10)), [0, 1], 2**31 - 1, error="limit"),
        unsorted_case("many counts", op, data((2, 3)), [0, 1], [1, 2], error="one element"),
    )
]

CASES = [*SORTED, *UNSORTED_CASES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_segment(case: Case, device: str) -> None:
    check(case, device)
