"""Logic, bitwise operations, shifts."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from tests.cases import Case, check, given, out

INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32)
SHAPES = (((2, 3, 4), (2, 3, 4)), ((), ()), ((2, 1, 4), (3, 1)), ((2, 0), (1,)))
LOGIC: dict[str, Any] = {"LOGICAL_AND": np.logical_and, "LOGICAL_OR": np.logical_or}


def bits(dtype: Any, shape: tuple[int, ...], seed: int) -> Any:
    info = np.iinfo(dtype)
    r = np.random.default_rng(seed)
    return r.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def logic(op: str, shapes: Any) -> Case:
    a, b = (bits(np.int8, s, i) > 0 for i, s in enumerate(shapes))
    return Case(
        f"{shapes[0]} {shapes[1]}", op, [given(a), given(b)], [out(np.bool_)],
        expected=[LOGIC[op](a, b)],
    )  # fmt: skip


def xor(dtype: Any, shapes: Any) -> Case:
    a, b = (bits(dtype, s, i) for i, s in enumerate(shapes))
    name = f"{np.dtype(dtype).name} {shapes[0]} {shapes[1]}"
    return Case(name, "BITWISE_XOR", [given(a), given(b)], [out(dtype)], expected=[a ^ b])


def shift(dtype: Any) -> Case:
    """Counts below 0 and past the type's bits too: floor(a / 2^count) with the count limited."""
    width = 8 * np.dtype(dtype).itemsize
    counts = np.arange(-3 if np.dtype(dtype).kind == "i" else 0, width + 3).astype(dtype)
    a = bits(dtype, (6, 1), 2)
    limited = np.clip(counts.astype(np.float64), 0, width - 1)
    expected = np.floor(a.astype(np.float64) / 2**limited).astype(dtype)
    name = np.dtype(dtype).name
    return Case(name, "RIGHT_SHIFT", [given(a), given(counts)], [out(dtype)], expected=[expected])


TRUE, I32 = np.array([True]), np.int32([1])

CASES = [
    *(logic(op, shapes) for op, shapes in product(LOGIC, SHAPES)),
    *(xor(dtype, shapes) for dtype, shapes in product(INTEGERS, SHAPES)),
    *(shift(dtype) for dtype in INTEGERS),
    *(
        Case(str(x.shape), "LOGICAL_NOT", [given(x)], [out(np.bool_)], expected=[~x])
        for x in (np.array([[True, False]]), np.array(True), np.zeros((0, 2), np.bool_))
    ),
    Case("int32", "LOGICAL_AND", [given(I32), given(I32)], [out(np.int32)], error="takes BOOL"),
    Case("int32", "LOGICAL_NOT", [given(I32)], [out(np.int32)], error="takes BOOL"),
    Case("bool", "RIGHT_SHIFT", [given(TRUE), given(TRUE)], [out(np.bool_)], error="takes INT8"),
    Case(
        "float", "BITWISE_XOR", [given(np.float32([1])), given(np.float32([1]))],
        [out(np.float32)], error="this op takes",
    ),
    Case(
        "types", "BITWISE_XOR", [given(I32), given(np.int8([1]))], [out(np.int32)],
        error="expected INT32",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_logical(case: Case, device: str) -> None:
    check(case, device)
