"""SCATTER_ND and SPARSE_TO_DENSE: duplicates, slices, wrap-around, shapes that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.schema.options import SparseToDenseOptions

from tests.cases import Case, check, const, given, out

RNG = np.random.default_rng(122)
DTYPES: list[Any] = [np.float32, np.int8, np.uint8, np.int32, np.int64]


def scatter_case(
    name: str,
    indices: Any,
    updates: Any,
    shape: Any,
    *,
    constant: bool = True,
    error: str | None = None,
    **rest: Any,
) -> Case:
    values = np.asarray(updates)
    sizes = np.asarray(shape, np.int32)
    return Case(
        name,
        "SCATTER_ND",
        [
            given(np.asarray(indices, np.int32)),
            given(values),
            const(sizes) if constant else given(sizes),
        ],
        [out(values.dtype)],
        error=error,
        **rest,
    )


def floats(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


SCATTER = [
    *(
        scatter_case(
            np.dtype(dtype).name,
            [[3], [1], [3]],
            np.array([100, 90, 80]).astype(dtype),
            [5],
        )
        for dtype in DTYPES
    ),
    scatter_case("bool", [[3], [1], [3]], np.array([True, True, True]), [4]),
    scatter_case("slices", [[2], [0], [2]], floats(3, 4, 2), [3, 4, 2]),
    scatter_case("elements of rank 3", [[1, 0, 2], [0, 1, 1]], floats(2), [2, 2, 3]),
    scatter_case("two outer dimensions", [[[1], [0]], [[1], [1]]], floats(2, 2, 3), [2, 3]),
    scatter_case("shape given at run time", [[1]], floats(1, 3), [2, 3], constant=False),
    scatter_case(
        "no updates",
        np.zeros((0, 1)),
        floats(0, 3),
        [2, 3],
        expected=[np.zeros((2, 3), np.float32)],
    ),
    scatter_case(
        "without depth", np.zeros((2, 0)), floats(2, 2) * 0 + 1, [2], expected=[[np.float32(2)] * 2]
    ),
    scatter_case("negative index", [[-1]], floats(1), [4], error="out of bounds"),
    scatter_case("index too large", [[4]], floats(1), [4], error="out of bounds"),
    scatter_case("second index too large", [[1, 2]], floats(1), [2, 2], error="out of bounds"),
    scatter_case("updates do not fit", [[1]], floats(1, 2), [4, 3], error="updates"),
    scatter_case("too few updates", [[1], [2]], floats(1), [4], error="updates"),
    scatter_case("deep indices", [[1, 1]], floats(1), [4], error="updates"),
    scatter_case("scalar indices", 1, floats(1), [4], error="scalar"),
    scatter_case("negative shape", [[1]], floats(1), [-4], error="-4"),
    scatter_case("huge shape", [[1]], floats(1, 2**10), [2**31 - 1, 2**10], error="limit"),
    scatter_case("shape matrix", [[1]], floats(1), [[4]], error="rank 1"),
]


def dense_case(
    name: str,
    indices: Any,
    shape: Any,
    values: Any,
    *,
    default: Any = 0,
    kind: Any = np.int32,
    constant: bool = True,
    error: str | None = None,
    **rest: Any,
) -> Case:
    stored = np.asarray(values)
    sizes = np.asarray(shape, kind)
    return Case(
        name,
        "SPARSE_TO_DENSE",
        [
            given(np.asarray(indices, kind)),
            const(sizes) if constant else given(sizes),
            given(stored),
            const(np.asarray(default, stored.dtype)),
        ],
        [out(stored.dtype)],
        SparseToDenseOptions(),
        error=error,
        **rest,
    )


DENSE = [
    *(
        dense_case(
            f"{np.dtype(dtype).name} by {np.dtype(kind).name}",
            [[0, 1], [1, 2]],
            [2, 3],
            np.array([7, 9]).astype(dtype),
            default=3,
            kind=kind,
        )
        for dtype in DTYPES
        for kind in (np.int32, np.int64)
    ),
    dense_case("scalar index", 3, [5], np.float32(2)),
    dense_case("vector of indices", [3, 0, 3], [5], floats(3), default=-1),
    dense_case("one value for all", [3, 0], [5], np.float32(8)),
    dense_case("rank 4", [[1, 0, 1, 2], [0, 0, 0, 0]], [2, 1, 2, 3], floats(2)),
    dense_case("shape given at run time", [[1, 1]], [2, 2], floats(1), constant=False),
    dense_case(
        "no indices",
        np.zeros((0, 2)),
        [2, 2],
        floats(0),
        default=4,
        expected=[np.full((2, 2), 4, "f4")],
    ),
    dense_case("negative index", [-1], [5], floats(1), error="out of bounds"),
    dense_case("index too large", [[0, 3]], [2, 3], floats(1), error="out of bounds"),
    dense_case("values do not fit", [1, 2], [5], floats(3), error="values"),
    dense_case("rank does not fit", [[1, 2]], [5], floats(1), error="rank"),
    dense_case("indices of rank 3", [[[1]]], [5], floats(1), error="rank 3"),
    dense_case("negative shape", [1], [-5], floats(1), error="-5"),
    dense_case("default is no scalar", [1], [5], floats(1), default=[1, 2], error="one element"),
]

CASES = [*SCATTER, *DENSE]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_scatter(case: Case, device: str) -> None:
    check(case, device)
