"""TOPK_V2, ARG_MAX, ARG_MIN, BUCKETIZE: ties, NaN, every type, axes and counts out of range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.schema.enums import TensorType
from litegpu.schema.options import ArgMaxOptions, ArgMinOptions, BucketizeOptions

from tests.cases import Case, check, const, given, out

RNG = np.random.default_rng(48)
INTEGERS: list[Any] = [np.int8, np.uint8, np.int16, np.int32, np.int64]
PLACES = {np.int32: TensorType.INT32, np.int64: TensorType.INT64}
ODD = np.array([[np.nan, 1, np.inf, 1, -0.0], [np.nan] * 5, [-np.inf, np.nan, -np.inf, 0, 0]], "f4")


def ties(shape: tuple[int, ...], dtype: Any) -> Any:
    limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
    edge = [0, 1, 2, 100] if limits is None else [limits.min, 0, 1, limits.max]
    return RNG.choice(np.array(edge, dtype), shape)


def top_case(name: str, x: Any, k: Any, *, index: Any = np.int32, **rest: Any) -> Case:
    values = np.asarray(x)
    count = k if not isinstance(k, int) else np.int32(k)
    return Case(
        name, "TOPK_V2", [given(values), const(count)], [out(values.dtype), out(index)], **rest
    )


TOP = [
    *(top_case(f"{np.dtype(d).name} ties", ties((4, 9), d), 5) for d in [*INTEGERS, np.float32]),
    top_case("rank 4", RNG.standard_normal((2, 3, 2, 7)).astype(np.float32), 7),
    top_case("vector", RNG.standard_normal(30).astype(np.float32), 1),
    top_case("NaN and signed zero", ODD, 5),
    top_case("int16 count and indices", ties((3, 4), np.int8), np.int16(2), index=np.int16),
    top_case("count of shape [1]", ties((3, 4), np.int8), np.array([2], np.int32)),
    *(
        top_case(f"{k} of large rows", RNG.integers(0, 50, (3, 2000)).astype(np.float32), k)
        for k in (1, 40, 250, 251)
    ),
    top_case(
        "large rows of NaN", np.where(RNG.random((2, 600)) < 0.99, np.nan, 1).astype("f4"), 30
    ),
    top_case("large rows of int8", ties((2, 2, 700), np.int8), 9),
    top_case(
        "none", ties((3, 4), np.int8), 0, expected=[np.zeros((3, 0), "i1"), np.zeros((3, 0), "i4")]
    ),
    top_case(
        "negative",
        ties((3, 4), np.int8),
        -2,
        expected=[np.zeros((3, 0), "i1"), np.zeros((3, 0), "i4")],
    ),
    top_case(
        "no rows",
        np.zeros((0, 4), "f4"),
        2,
        expected=[np.zeros((0, 2), "f4"), np.zeros((0, 2), "i4")],
    ),
    Case(
        "count given at run time",
        "TOPK_V2",
        [given(ties((3, 4), np.int8)), given(np.int32(3))],
        [out(np.int8), out(np.int32)],
    ),
    top_case("too many", ties((3, 4), np.int8), 5, error="k is 5"),
    top_case("scalar", np.float32(1), 1, error="scalar"),
    top_case("two counts", ties((3, 4), np.int8), np.array([1, 2], np.int32), error="one element"),
    top_case("bool", np.zeros((2, 2), np.bool_), 1, error="BOOL"),
]


def arg_case(name: str, op: str, x: Any, axis: Any, *, place: Any = np.int32, **rest: Any) -> Case:
    options = (ArgMaxOptions if op == "ARG_MAX" else ArgMinOptions)(output_type=PLACES[place])
    return Case(name, op, [given(np.asarray(x)), const(axis)], [out(place)], options, **rest)


def long_case(op: str, shape: tuple[int, int], axis: int) -> Case:
    """Extremes far along an axis that many threads share; the first of equals counts."""
    x = RNG.integers(0, 90, shape).astype(np.float32)
    found = np.argmax(x, axis) if op == "ARG_MAX" else np.argmin(x, axis)
    name = f"long axis {axis}"
    return arg_case(name, op, x, np.int32(axis), expected=[found.astype(np.int32)])


ARGS = [
    case
    for op in ("ARG_MAX", "ARG_MIN")
    for case in (
        *(
            arg_case(f"{np.dtype(d).name} axis {axis}", op, ties((3, 4, 5), d), np.int32(axis))
            for d in (np.float32, np.int8, np.uint8, np.int32)
            for axis in (0, 1, -1)
        ),
        arg_case("bool", op, RNG.random((3, 4)) > 0.5, np.int32(1)),
        arg_case("int64 axis and places", op, ties((3, 4), np.int8), np.int64(-2), place=np.int64),
        arg_case("vector", op, ties((9,), np.float32), np.array([0], np.int32)),
        # As the reference kernel is written; the wheel's vector code takes 4 after a leading NaN.
        arg_case(
            "NaN along rows",
            op,
            ODD,
            np.int32(1),
            expected=[np.array([2, 0, 3] if op == "ARG_MAX" else [4, 0, 0], np.int32)],
        ),
        arg_case("NaN along columns", op, ODD, np.int32(0)),
        *(long_case(op, shape, axis) for shape, axis in (((3, 700), 1), ((700, 3), 0))),
        arg_case("nothing", op, np.zeros((0, 3), "f4"), np.int32(1), expected=[np.zeros(0, "i4")]),
        Case(
            "axis given at run time",
            op,
            [given(ties((3, 4), np.int8)), given(np.int32(1))],
            [out(np.int32)],
            ArgMaxOptions(output_type=TensorType.INT32)
            if op == "ARG_MAX"
            else ArgMinOptions(output_type=TensorType.INT32),
        ),
        arg_case("axis too large", op, ties((3, 4), np.int8), np.int32(2), error="axis 2"),
        arg_case("axis too small", op, ties((3, 4), np.int8), np.int32(-3), error="axis -3"),
        arg_case("empty axis", op, np.zeros((3, 0), np.float32), np.int32(1), error="empty"),
        arg_case("scalar", op, np.float32(1), np.int32(0), error="scalar"),
    )
]


def bucket_case(name: str, x: Any, boundaries: Any, **rest: Any) -> Case:
    options = BucketizeOptions(boundaries=np.asarray(boundaries, np.float32))
    return Case(name, "BUCKETIZE", [given(np.asarray(x))], [out(np.int32)], options, **rest)


POINTS = np.array([[-3, 0, 0.5], [1, 9, 10]])
BUCKETS = [
    *(
        bucket_case(np.dtype(d).name, POINTS.astype(d), [0, 0.5, 0.5, 9])
        for d in (np.float32, np.float64, np.int32, np.int64)
    ),
    bucket_case("NaN and Inf", np.array([np.nan, np.inf, -np.inf], np.float32), [0, 1]),
    bucket_case("rounds integers to float32", np.int32([2**24 + 1, 2**24]), [2**24]),
    bucket_case("float64 between float32", np.array([0.1, np.float32(0.1)]), [0.1]),
    bucket_case("scalar", np.float32(0.7), [0, 1]),
    bucket_case("no boundaries", np.zeros(3, "f4"), [], expected=[np.zeros(3, np.int32)]),
    bucket_case("nothing", np.zeros(0, "f4"), [1], expected=[np.zeros(0, np.int32)]),
    bucket_case("unsorted", np.zeros(3, "f4"), [1, 0], error="sorted"),
    bucket_case("int8", np.zeros(3, np.int8), [1], error="INT8"),
]

CASES = [*TOP, *ARGS, *BUCKETS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_topk(case: Case, device: str) -> None:
    check(case, device)
