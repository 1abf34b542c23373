"""Reductions against LiteRT and NumPy: every type, axes of any form, empty tensors, roundings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.schema.options import ReducerOptions

from tests.cases import Arg, Case, check, const, given, out

NUMBERS = ("SUM", "REDUCE_PROD", "REDUCE_MAX", "REDUCE_MIN", "MEAN")
LOGICAL = {"REDUCE_ANY": np.any, "REDUCE_ALL": np.all}
PLAIN = (np.float32, np.int32, np.int64)
QUANTIZED = (np.uint8, np.int8, np.int16)
ZERO_POINTS = {np.uint8: (130, 121), np.int8: (-3, 5), np.int16: (0, 0)}
VERSIONS = {
    ("MEAN", np.int16): 3,
    ("REDUCE_MAX", np.int16): 3,
    ("REDUCE_MIN", np.int16): 3,
    ("REDUCE_PROD", np.int8): 2,
    ("REDUCE_PROD", np.int16): 2,
}
KEEP = ReducerOptions(keep_dims=True)
DROP = ReducerOptions(keep_dims=False)


def data(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    if dtype == np.float32:
        return rng.normal(0, 3, shape).astype(dtype)
    if dtype == np.bool_:
        return rng.random(shape) < 0.6
    info = np.iinfo(dtype)
    low, high = max(info.min, -(2**40)), min(info.max, 2**40)
    return rng.integers(low, high, shape, dtype, endpoint=True)


def case(
    op: str, x: Any, axes: Any, options: ReducerOptions, *, dynamic: bool = False, **more: Any
) -> Case:
    """Without quantisation; axes are a constant unless `dynamic`."""
    dtype = x.dtype.type
    name = f"{dtype.__name__} {list(x.shape)} {axes} keep={options.keep_dims}"
    axis = (given if dynamic else const)(np.array(axes, np.int32))
    version = VERSIONS.get((op, dtype), 2 if dtype == np.int8 else 1)
    name += " dynamic" if dynamic else ""
    return Case(name, op, [given(x), axis], [out(dtype)], options, version, **more)


def quantized(
    op: str, x: Any, axes: Any, scales: tuple[float, float], options: ReducerOptions, **more: Any
) -> Case:
    dtype = x.dtype.type
    before, after = ZERO_POINTS[dtype]
    same = op in ("REDUCE_MAX", "REDUCE_MIN")
    inputs: list[Arg | None] = [
        given(x, scale=scales[0], zero_point=before),
        const(np.array(axes, np.int32)),
    ]
    outputs = [
        out(dtype, scale=scales[0 if same else 1], zero_point=before if same else after),
    ]
    name = f"{dtype.__name__} {list(x.shape)} {axes} scales {scales} keep={options.keep_dims}"
    version = VERSIONS.get((op, dtype), 2)
    return Case(name, op, inputs, outputs, options, version, **more)


AXES = [
    ((2, 3, 4, 5), [1, 2]),
    ((2, 3, 4, 5), [-1]),
    ((2, 3, 4, 5), [0, 2]),
    ((2, 3, 4), [0, 1, 2]),
    ((3, 4), [1, -1, 1]),
    ((3, 1, 4), [1]),
    ((7,), [0]),
    ((2, 3), []),
    ((2, 2, 2, 3, 2, 2), [5, 0, 3]),
]
CASES = [
    case(op, data(shape, dtype, i), axes, KEEP if i % 2 else DROP)
    for op in NUMBERS
    for dtype in PLAIN
    for i, (shape, axes) in enumerate(AXES)
]
CASES += [
    case(op, data(shape, np.bool_, i), axes, options, expected=[expected])
    for op, function in LOGICAL.items()
    for i, (shape, axes) in enumerate(AXES)
    for options in (KEEP, DROP)
    for expected in [
        function(
            data(shape, np.bool_, i),
            axis=tuple({a % len(shape) for a in axes}),
            keepdims=options.keep_dims,
        )
    ]
]
CASES += [
    case(op, data((), dtype), axes, DROP, expected=[data((), dtype)])
    for op in NUMBERS
    for dtype in PLAIN
    for axes in ([], [0], [5])
]
CASES += [case(op, data((3, 4), np.float32), [0], KEEP, dynamic=True) for op in NUMBERS]

# Products that stay in range want a scale near 1 / (size of a stored value).
SCALES = {
    "SUM": [(0.5, 0.5), (0.05, 0.9), (0.3, 0.11), (3e-5, 7e4)],
    "MEAN": [(0.5, 0.5), (0.05, 0.9), (0.3, 0.11), (2.5, 1e-3)],
    "REDUCE_PROD": [(0.02, 0.01), (0.3, 2.0)],
    "REDUCE_MAX": [(0.5, 0.5)],
    "REDUCE_MIN": [(0.5, 0.5)],
}
CASES += [
    quantized(
        op,
        data(shape, dtype, i),
        axes,
        scales,
        KEEP if i % 2 else DROP,
        oracle="opt" if op == "SUM" and dtype != np.uint8 else "ref",
    )
    for op in NUMBERS
    for dtype in QUANTIZED
    if op != "REDUCE_PROD" or dtype != np.uint8
    for scales in SCALES[op]
    for i, (shape, axes) in enumerate(AXES)
]
CASES += [
    quantized(op, np.full((2, 300, 5), extreme, dtype), [1], (0.1, 0.1), DROP, oracle=oracle)
    for op in ("SUM", "MEAN")
    for dtype in QUANTIZED
    for extreme in (np.iinfo(dtype).min, np.iinfo(dtype).max)
    for oracle in ["opt" if op == "SUM" and dtype != np.uint8 else "ref"]
]
CASES += [
    case("REDUCE_PROD", data((3, 4), dtype), [0], DROP) for dtype in (np.int8, np.uint8, np.int16)
]

LOWEST, HIGHEST = np.finfo(np.float32).min, np.finfo(np.float32).max
NEUTRAL = {
    "SUM": (0, 0),
    "REDUCE_PROD": (1, 1),
    "REDUCE_MAX": (LOWEST, -(2**31)),
    "REDUCE_MIN": (HIGHEST, 2**31 - 1),
    "MEAN": (np.nan, 0),
}
CASES += [
    case(op, np.empty((2, 0, 3), dtype), [1], DROP, expected=[np.full((2, 3), value, dtype)])
    for op, values in NEUTRAL.items()
    for dtype, value in zip((np.float32, np.int32), values, strict=True)
]
CASES += [
    case(op, np.empty((2, 0), np.bool_), [1], KEEP, expected=[np.full((2, 1), value)])
    for op, value in (("REDUCE_ANY", False), ("REDUCE_ALL", True))
]
CASES += [
    case(op, np.empty((2, 0, 3), np.float32), [2], DROP, expected=[np.empty((2, 0), np.float32)])
    for op in NUMBERS
]

SPECIAL = np.array([[np.nan, 1, 2], [np.inf, -np.inf, 0]], np.float32)
CASES += [
    case("SUM", SPECIAL, [1], DROP, expected=[np.array([np.nan, np.nan], np.float32)]),
    case("MEAN", SPECIAL, [0], DROP, expected=[np.array([np.nan, -np.inf, 1], np.float32)]),
    case("REDUCE_MAX", SPECIAL, [0], DROP, expected=[np.array([np.inf, 1, 2], np.float32)]),
    case("REDUCE_MIN", SPECIAL, [1], DROP, expected=[np.array([1, -np.inf], np.float32)]),
    case(
        "SUM",
        np.array([2**31 - 1, 1], np.int32),
        [0],
        DROP,
        expected=[np.array(-(2**31), np.int32)],
    ),
    case("MEAN", np.array([-3, -4], np.int32), [0], DROP, expected=[np.array(-3, np.int32)]),
    case("MEAN", np.array([2**31 - 1] * 3, np.int32), [0], DROP),
]
BAD_AXES = [[3], [-4], [0, 2**31 - 1], [-(2**31)]]
CASES += [
    case(op, data((2, 3, 4), np.float32), axes, DROP, error="axis .* out of range")
    for op in NUMBERS
    for axes in BAD_AXES
]
CASES += [
    case(op, data((2, 3), np.float32), [9], DROP, dynamic=True, error="axis 9 is out of range")
    for op in NUMBERS
]
CASES += [
    Case(
        f"{dtype.__name__} scales differ",
        op,
        [given(data((3,), dtype), scale=0.5), const(np.array([0], np.int32))],
        [out(dtype, scale=0.25)],
        DROP,
        version=3,
        error="must be equal",
    )
    for op in ("REDUCE_MAX", "REDUCE_MIN")
    for dtype in QUANTIZED
]
CASES += [
    Case(
        "int16 zero point",
        op,
        [given(data((3,), np.int16), scale=0.5, zero_point=1), const(np.array([0], np.int32))],
        [out(np.int16, scale=0.5, zero_point=1)],
        DROP,
        version=2,
        error="zero points",
    )
    for op in NUMBERS
]
CASES += [
    Case(
        "not bool",
        op,
        [given(np.zeros(3, np.int32)), const(np.array([0], np.int32))],
        [out(np.int32)],
        DROP,
        error="INT32",
    )
    for op in LOGICAL
]
CASES += [
    Case("int64 axes", "SUM", [given(np.zeros(3, np.float32)), const(np.array([0]))],
         [out(np.float32)], DROP, error="INT64"),
    Case("no scales", "SUM", [given(np.zeros(3, np.int8)), const(np.array([0], np.int32))],
         [out(np.int8)], DROP, version=2, error="quantised"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_reduce(case: Case, device: str) -> None:
    check(case, device)
