"""GATHER and GATHER_ND: every index type, batches, strings, 4-bit values, indices out of bounds."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from litegpu.schema.enums import TensorType
from litegpu.schema.options import GatherOptions

from tests.cases import Case, check, const, given, out

RNG = np.random.default_rng(36)
DTYPES: list[Any] = [np.float32, np.float16, np.int8, np.uint8, np.int16, np.int32, np.int64]
INDEX_TYPES: list[Any] = [np.int16, np.int32, np.int64]


def values(shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    return RNG.integers(0, 100, shape).astype(dtype)


def expected_gather(x: Any, indices: Any, axis: int, batch: int) -> Any:
    if batch == 0:
        return np.take(x, indices, axis=axis)
    return np.stack(
        [expected_gather(a, i, axis - 1, batch - 1) for a, i in zip(x, indices, strict=True)]
    )


def gather_case(
    name: str, shape: tuple[int, ...], indices: Any, axis: int = 0, batch: int = 0
) -> Case:
    x, positions = values(shape), np.asarray(indices, np.int32)
    rank, index_rank = x.ndim, positions.ndim
    front = axis % rank
    leading = batch % index_rank if batch < 0 else batch
    return Case(
        name,
        "GATHER",
        [given(x), given(positions)],
        [out(np.float32)],
        GatherOptions(axis=axis, batch_dims=batch),
        expected=[expected_gather(x, positions, front, leading)],
    )


FORMS = [
    gather_case("scalar index", (5, 3), 2),
    gather_case("scalar index of vector", (5,), 4),
    gather_case("repeats", (5, 3), [4, 0, 4, 1]),
    gather_case("index matrix", (5, 3), [[2, 0], [1, 1]], axis=-1),
    gather_case("axis 1 of 4", (2, 5, 3, 2), [4, 0, 1], axis=1),
    gather_case("last axis", (2, 5, 3, 2), [1, 1, 0], axis=-1),
    gather_case("no indices", (5, 3), np.zeros((0, 2))),
    gather_case("empty rows", (5, 0), [3, 3]),
    gather_case("batch 1", (3, 4, 2), [[0, 3], [1, 1], [2, 0]], axis=1, batch=1),
    gather_case("batch 1 axis 2", (2, 3, 4, 2), [[0, 3, 1], [1, 1, 2]], axis=2, batch=1),
    gather_case("negative batch", (2, 3, 4), [[0, 3], [1, 1]], axis=-1, batch=-1),
    gather_case("batch 2", (2, 3, 4), RNG.integers(0, 4, (2, 3, 5)), axis=2, batch=2),
    gather_case("batch 2 without offsets", (2, 2, 4), [[0, 3], [1, 1]], axis=2, batch=2),
]

TYPES = [
    Case(
        f"{np.dtype(dtype).name} by {np.dtype(index).name}",
        op,
        [given(values((4, 3), dtype)), given(np.array(positions, index))],
        [out(dtype)],
        GatherOptions() if op == "GATHER" else None,
    )
    for op, positions in (("GATHER", [3, 0, 2]), ("GATHER_ND", [[3, 0], [1, 2]]))
    for dtype in [*DTYPES, np.bool_, ml_dtypes.bfloat16]
    for index in INDEX_TYPES
]

BRAIN_FLOATS = values((4, 2), ml_dtypes.bfloat16)
OTHERS = [
    Case(
        "empty batch",
        "GATHER",
        [given(np.zeros((0, 4, 2), np.float32)), given(np.zeros((0, 3), np.int32))],
        [out(np.float32)],
        GatherOptions(axis=1, batch_dims=1),
        expected=[np.zeros((0, 3, 2), np.float32)],
    ),
    Case(
        "int4",
        "GATHER",
        [
            given(RNG.integers(-8, 8, (5, 4)), dtype=TensorType.INT4, scale=0.5),
            given(np.array([4, 1], np.int32)),
        ],
        [out(TensorType.INT4, scale=0.5)],
        GatherOptions(),
        version=5,
    ),
    Case(
        "strings",
        "GATHER",
        [given(["a", "", "long text", "d"]), given(np.array([[2, 1], [0, 2]], np.int64))],
        [out(TensorType.STRING)],
        GatherOptions(),
    ),
    Case(
        "bfloat16",
        "GATHER",
        [given(BRAIN_FLOATS), given(np.array([3, 3], np.int32))],
        [out(TensorType.BFLOAT16)],
        GatherOptions(),
        expected=[BRAIN_FLOATS[[3, 3]]],
    ),
    Case(
        "constant",
        "GATHER",
        [const(values((4, 2))), const(np.array([3, 0, 3], np.int32))],
        [out(np.float32)],
        GatherOptions(),
    ),
    Case(
        "nd strings",
        "GATHER_ND",
        [given([["a", "b"], ["c", "d"]]), given(np.array([[1], [0]], np.int32))],
        [out(TensorType.STRING)],
    ),
    Case(
        "nd slices",
        "GATHER_ND",
        [given(values((4, 3, 2))), given(np.array([[[3], [0]], [[2], [2]]], np.int32))],
        [out(np.float32)],
    ),
    Case(
        "nd elements of rank 5",
        "GATHER_ND",
        [given(values((2, 3, 2, 3, 2))), given(RNG.integers(0, 2, (4, 5)).astype(np.int32))],
        [out(np.float32)],
    ),
    Case(
        "nd without depth",
        "GATHER_ND",
        [given(np.eye(3, dtype=np.float32)), given(np.zeros((2, 0), np.int32))],
        [out(np.float32)],
        expected=[np.stack([np.eye(3, dtype=np.float32)] * 2)],
    ),
    Case(
        "nd without indices",
        "GATHER_ND",
        [given(values((2, 3))), given(np.zeros((0, 1), np.int32))],
        [out(np.float32)],
    ),
]


def failing(name: str, op: str, x: Any, indices: Any, error: str, options: Any = None) -> Case:
    return Case(name, op, [given(x), given(indices)], [out(np.float32)], options, error=error)


ERRORS = [
    failing(f"{name} index", op, values((4, 3)), np.array([[bad]], np.int32), "out of bounds", opts)
    for op, opts in (("GATHER", GatherOptions()), ("GATHER_ND", None))
    for name, bad in (("negative", -1), ("too large", 4), ("huge", 2**31 - 1))
] + [
    failing("axis", "GATHER", values((4,)), np.zeros(1, np.int32), "axis 1", GatherOptions(axis=1)),
    failing(
        "axis of scalar", "GATHER", np.float32(1), np.zeros(1, np.int32), "axis", GatherOptions()
    ),
    failing(
        "batch beyond axis",
        "GATHER",
        values((2, 2)),
        np.zeros((2, 2), np.int32),
        "batch_dims",
        GatherOptions(axis=0, batch_dims=1),
    ),
    failing(
        "very negative batch",
        "GATHER",
        values((2, 2)),
        np.zeros((2, 2), np.int32),
        "batch_dims",
        GatherOptions(axis=1, batch_dims=-9),
    ),
    failing(
        "batches differ",
        "GATHER",
        values((2, 2)),
        np.zeros((3, 2), np.int32),
        "batch",
        GatherOptions(axis=1, batch_dims=1),
    ),
    failing("float indices", "GATHER", values((2,)), np.zeros(1, np.float32), "FLOAT32"),
    failing("empty table", "GATHER", values((0, 2)), np.zeros(1, np.int32), "out of bounds"),
    failing(
        "batch of an empty table", "GATHER_ND", values((0,)), np.zeros((2, 1), np.int32), "bound"
    ),
    failing("scalar params", "GATHER_ND", np.float32(1), np.zeros((1, 0), np.int32), "scalar"),
    failing("scalar indices", "GATHER_ND", values((2,)), np.int32(0), "scalar"),
    failing("deep indices", "GATHER_ND", values((2,)), np.zeros((1, 2), np.int32), "innermost"),
]

CASES = [*FORMS, *TYPES, *OTHERS, *ERRORS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gather(case: Case, device: str) -> None:
    check(case, device)
