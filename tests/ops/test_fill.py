"""Constants, ranges, one-hot rows: every type, sizes that data decide, ranges without end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.schema.enums import TensorType
from litegpu.schema.options import FillOptions, OneHotOptions, RangeOptions, ZerosLikeOptions

from tests.cases import Arg, Case, check, const, given, out
from tests.values import PACKED, PLAIN, name, values

STRING = TensorType.STRING


def fill(shape: list[int], dtype: Any = np.float32, index: Any = np.int32, **more: Any) -> Case:
    value = values((), object if dtype == STRING else dtype)
    role, scale = more.pop("role", const), more.pop("scale", {})
    if "error" not in more and "expected" not in more:
        more["expected"] = [np.full(shape, value)]
    label = f"{name(dtype)} {shape} {name(index)} {role.__name__} {scale}"
    source = const if dtype in (*PACKED, STRING) else given
    inputs = [role(np.array(shape, index)), source(value, dtype=dtype, **scale)]
    return Case(label, "FILL", inputs, [out(dtype, **scale)], FillOptions(), 2, **more)


LITERT_FILL = (np.float32, np.float16, np.int8, np.int16, np.int32, np.int64, np.bool_)
FILLS = [
    *(fill([2, 3], d) for d in (*PLAIN, *PACKED, STRING)),
    *(
        fill([2, 3], d, t, role=r, expected=None)
        for d in LITERT_FILL
        for t in (np.int32, np.int64)
        for r in (const, given)
    ),
    fill([], np.float32),
    fill([0, 2]),
    fill([1] * 8),
    fill([3], np.int8, scale={"scale": 0.5, "zero_point": 4}, expected=None),
    fill([3], np.int16, scale={"scale": 0.5, "zero_point": 4}, error="zero point 0"),
    *(
        fill(shape, index=np.int64, role=r, error="sizes must be|limits")
        for shape in ([-1], [2, -3], [2**31], [2**31 - 1, 2**31 - 1], [2**62])
        for r in (const, given)
    ),
    Case(
        "matrix of sizes",
        "FILL",
        [const(np.ones((1, 2), np.int32)), const(np.float32(1))],
        [out(np.float32)],
        FillOptions(),
        error="rank 1",
    ),
    Case(
        "vector of values",
        "FILL",
        [const(np.ones(2, np.int32)), const(np.ones(1, np.float32))],
        [out(np.float32)],
        FillOptions(),
        error="rank 0",
    ),
    Case(
        "float sizes",
        "FILL",
        [const(np.ones(2, np.float32)), const(np.float32(1))],
        [out(np.float32)],
        FillOptions(),
        error="FLOAT32",
    ),
]


def zeros(shape: tuple[int, ...], dtype: Any = np.float32, **more: Any) -> Case:
    if "error" not in more and "expected" not in more:
        more["expected"] = [np.zeros(shape, dtype)]
    inputs, scale = [given(values(shape, dtype))], more.pop("scale", {})
    label = f"{name(dtype)} {list(shape)} {scale}"
    return Case(label, "ZEROS_LIKE", inputs, [out(dtype, **scale)], ZerosLikeOptions(), **more)


ZEROS = [
    *(zeros((2, 3), d) for d in PLAIN),
    *(zeros((2, 3), d, expected=None) for d in (np.float32, np.int32, np.int64)),
    zeros(()),
    zeros((0, 2)),
    zeros((2,), np.int8, scale={"scale": 0.5, "zero_point": 3}, error="quantised"),
]


def range_case(start: Any, limit: Any, delta: Any, dtype: Any = np.int32, **more: Any) -> Case:
    role = more.pop("role", const)
    inputs: list[Arg | None] = [role(np.array(v, dtype)) for v in (start, limit, delta)]
    label = f"{name(dtype)} {start} to {limit} by {delta} {role.__name__}"
    return Case(label, "RANGE", inputs, [out(dtype)], RangeOptions(), 1, **more)


RANGES = [
    *(
        range_case(*bounds, dtype=t, role=r)
        for bounds in [(0, 10, 3), (10, -5, -4), (-2, 2, 1), (0, 1, 100), (7, 8, 1)]
        for t in (np.float32, np.int32)
        for r in (const, given)
    ),
    *(range_case(0, 10, 3, np.int64, role=r, oracle="opt") for r in (const, given)),
    range_case(0, 1, 0.1, np.float32),
    range_case(-1, 1, 0.3, np.float32),
    range_case(0, 1000, 0.7, np.float32),
    range_case(5, -1, -0.25, np.float32, role=given),
    *(
        range_case(3, 3, d, t, expected=[np.empty(0, t)])
        for d in (1, -1)
        for t in (np.float32, np.int32, np.int64)
    ),
    range_case(
        -(2**31), 2**31 - 1, 2**30, expected=[np.arange(-(2**31), 2**31 - 1, 2**30, dtype=np.int32)]
    ),
    range_case(2**62, -(2**62), -(2**62), np.int64, expected=[np.array([2**62, 0], np.int64)]),
    *(
        range_case(*bounds, dtype=t, role=r, error="has no end")
        for bounds in [(0, 5, 0), (0, 5, -1), (5, 0, 1)]
        for t in (np.float32, np.int32, np.int64)
        for r in (const, given)
    ),
    *(
        range_case(
            *bounds, dtype=np.float32, role=r, error="has no end|too long|sizes must be|limits"
        )
        for bounds in [(0, 1, 1e-30), (0, np.inf, 1), (0, np.nan, 1), (0, 1, np.nan), (0, 1e30, 1)]
        for r in (const, given)
    ),
    range_case(0, 2**62, 1, np.int64, error="sizes must be"),
    Case(
        "vector",
        "RANGE",
        [const(np.zeros(1, np.int32)), const(np.int32(1)), const(np.int32(1))],
        [out(np.int32)],
        RangeOptions(),
        error="rank 0",
    ),
    Case(
        "mixed",
        "RANGE",
        [const(np.int32(0)), const(np.float32(1)), const(np.int32(1))],
        [out(np.int32)],
        RangeOptions(),
        error="is FLOAT32",
    ),
]


def one_hot(indices: Any, size: int, axis: int, dtype: Any = np.float32, **more: Any) -> Case:
    role = more.pop("role", const)
    on, off = values((), dtype, 1), values((), dtype, 2)
    if "error" not in more and "expected" not in more:
        place = axis % (indices.ndim + 1)
        hits = np.expand_dims(indices, place) == np.arange(size).reshape(
            -1, *[1] * (indices.ndim - place)
        )
        more["expected"] = [np.where(hits, on, off).astype(on.dtype)]
    label = (
        f"{name(dtype)} {name(indices.dtype)} {list(indices.shape)} in {size} axis {axis} "
        f"{role.__name__}"
    )
    inputs = [given(indices), role(np.int32(size)), role(on), role(off)]
    return Case(label, "ONE_HOT", inputs, [out(dtype)], OneHotOptions(axis=axis), **more)


SOME = np.random.default_rng(3).integers(-2, 6, (2, 3)).astype(np.int32)
LITERT_ONE_HOT = (np.float32, np.int32, np.int64, np.int8, np.uint8, np.bool_)
ONE_HOTS = [
    *(one_hot(SOME, 4, -1, d) for d in PLAIN),
    *(
        one_hot(SOME.astype(t), 4, axis, d, role=r, expected=None)
        for axis in (-1, 0, 1, 2)
        for d in LITERT_ONE_HOT
        for t in (np.int32, np.int64)
        for r in (const, given)
    ),
    one_hot(np.int32(2), 4, 0),
    one_hot(np.int32(7), 4, -1),
    one_hot(SOME[:0], 4, -1),
    one_hot(SOME, 0, 1),
    one_hot(np.array([2**40 + 1, -1, 1]), 2, -1),
    *(one_hot(SOME, 4, axis, error="out of range") for axis in (3, -2)),
    *(one_hot(SOME, -1, 0, role=r, error="sizes must be") for r in (const, given)),
    one_hot(np.zeros((64, 64), np.int32), 2**31 - 1, -1, error="limits"),
    one_hot(SOME[:0], 2**31 - 1, -1, expected=[np.empty((0, 3, 2**31 - 1), np.float32)]),
    Case(
        "float indices",
        "ONE_HOT",
        [given(values((2,))), const(np.int32(2)), const(np.float32(1)), const(np.float32(0))],
        [out(np.float32)],
        OneHotOptions(axis=-1),
        error="FLOAT32",
    ),
]

CASES = [*FILLS, *ZEROS, *RANGES, *ONE_HOTS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fill(case: Case, device: str) -> None:
    check(case, device)
