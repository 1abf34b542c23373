"""Elementwise operators of StableHLO, by the formulas of its specification."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from litegpu.dtypes import NUMPY
from litegpu.schema.enums import StablehloComparisonDirection as Direction
from litegpu.schema.enums import StablehloComparisonType as Comparison
from litegpu.schema.enums import TensorType as T
from litegpu.schema.options2 import StablehloCompareOptions

from tests.cases import Case, check, given, out

FLOATS = (np.float32, np.float16, np.float64)
INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
SIGNED = INTEGERS[:4]
COMPLEX = (np.complex64,)
BINARY: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "ADD": (lambda a, b: a + b, (*FLOATS, *INTEGERS, *COMPLEX)),
    "SUBTRACT": (lambda a, b: a - b, (*FLOATS, *INTEGERS, *COMPLEX)),
    "MULTIPLY": (lambda a, b: a * b, (*FLOATS, *INTEGERS, *COMPLEX)),
    "DIVIDE": (
        lambda a, b: np.trunc(a / b).astype(a.dtype) if a.dtype.kind in "iu" else a / b,
        (*FLOATS, *INTEGERS, *COMPLEX),
    ),
    "REMAINDER": (
        lambda a, b: (a.astype(np.float64) - b * np.trunc(a.astype(np.float64) / b)).astype(
            a.dtype
        ),
        (np.float64, *INTEGERS),
    ),
    "MAXIMUM": (lambda a, b: np.where(a > b, a, b), (*FLOATS, *INTEGERS)),
    "MINIMUM": (lambda a, b: np.where(a < b, a, b), (*FLOATS, *INTEGERS)),
    "AND": (lambda a, b: a & b, INTEGERS),
    "OR": (lambda a, b: a | b, INTEGERS),
}
UNARY: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "ABS": (lambda x: np.where(x < 0, -x, x), (*FLOATS, *SIGNED)),
    "CBRT": (lambda x: np.sign(x) * np.abs(x) ** (1 / 3), FLOATS),
    "COSINE": (lambda x: (np.exp(1j * x) + np.exp(-1j * x)) / 2, (*FLOATS, *COMPLEX)),
    "EXPONENTIAL": (lambda x: np.e**x, (*FLOATS, *COMPLEX)),
    "FLOOR": (lambda x: x // 1, FLOATS),
    "LOG": (np.log, (*FLOATS, *COMPLEX)),
    "LOGISTIC": (lambda x: 1 / (1 + np.exp(-x)), (*FLOATS, *COMPLEX)),
    "NEGATE": (lambda x: 0 - x, (*FLOATS, *INTEGERS, *COMPLEX)),
    "RSQRT": (lambda x: x**-0.5, (*FLOATS, *COMPLEX)),
    "TANH": (lambda x: 1 - 2 / (np.exp(2 * x) + 1), (*FLOATS, *COMPLEX)),
}
POSITIVE = ("LOG", "RSQRT")
SHAPES = ((2, 3, 4), (), (0, 2))


def values(dtype: Any, shape: tuple[int, ...], seed: int) -> Any:
    r = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "c":
        return (r.normal(size=shape) + 1j * r.normal(size=shape)).astype(kind)
    if kind.kind == "f":
        return np.asarray(r.normal(0, 2, shape)).astype(kind)
    return np.asarray(r.integers(1 if kind.kind == "u" else -60, 60, shape)).astype(kind)


def binary(op: str, dtype: Any, shape: tuple[int, ...]) -> Case:
    a, b = values(dtype, shape, 1), values(dtype, shape, 2)
    b = np.where(b == 0, np.ones_like(b), b)
    with np.errstate(over="ignore"):
        expected = [np.asarray(BINARY[op][0](a, b), dtype)]
    name = f"{np.dtype(dtype).name} {shape}"
    return Case(name, f"STABLEHLO_{op}", [given(a), given(b)], [out(dtype)], expected=expected)


def unary(op: str, dtype: Any, shape: tuple[int, ...]) -> Case:
    x = values(dtype, shape, 3)
    wide = x if x.dtype.kind in "iu" else x.astype(np.complex128 if x.dtype.kind == "c" else float)
    if op in POSITIVE and x.dtype.kind == "f":
        x, wide = np.abs(x) + x.dtype.type(1), np.abs(x).astype(float) + 1
    y = np.asarray(UNARY[op][0](wide))
    y = (y.real if x.dtype.kind == "f" else y).astype(dtype)
    name = f"{np.dtype(dtype).name} {shape}"
    return Case(name, f"STABLEHLO_{op}", [given(x)], [out(dtype)], expected=[y])


DIRECTIONS: dict[str, Any] = {
    "EQ": np.equal, "NE": np.not_equal, "GE": np.greater_equal,
    "GT": np.greater, "LE": np.less_equal, "LT": np.less,
}  # fmt: skip


def compare(direction: str, dtype: Any) -> Case:
    a, b = (np.random.default_rng(i).integers(0, 3, (4, 5)).astype(dtype) for i in range(2))
    options = StablehloCompareOptions(
        comparison_direction=Direction[f"STABLEHLO_COMPARISON_DIRECTION_{direction}"]
    )
    return Case(
        f"{direction} {np.dtype(dtype).name}", "STABLEHLO_COMPARE", [given(a), given(b)],
        [out(np.bool_)], options, expected=[DIRECTIONS[direction](a, b)],
    )  # fmt: skip


NAN, INF = np.nan, np.inf
LESS_IN_TOTAL = StablehloCompareOptions(
    comparison_direction=Direction.STABLEHLO_COMPARISON_DIRECTION_LT,
    compare_type=Comparison.STABLEHLO_COMPARISON_TYPE_FLOAT_TOTAL_ORDER,
)
ORDER = np.float32([-NAN, -INF, -1, -0.0, 0.0, 1, INF, NAN])
ORDER[0] = np.copysign(np.float32(NAN), np.float32(-1))


def op(name: str, operator: str, inputs: list[Any], expected: Any, dtype: Any = None) -> Case:
    return Case(
        name, f"STABLEHLO_{operator}", [given(x) for x in inputs],
        [out(dtype or inputs[-1].dtype)], expected=[expected],
    )  # fmt: skip


def convert(x: Any, expected: Any) -> Case:
    name = f"{x.dtype.name} to {expected.dtype.name} {x.size}"
    return op(name, "CONVERT", [x], expected, expected.dtype)


def failing(name: str, operator: str, inputs: list[Any], error: str, dtype: Any = None) -> Case:
    return Case(
        name, f"STABLEHLO_{operator}", [given(x) for x in inputs],
        [out(dtype or inputs[-1].dtype)], error=error,
    )  # fmt: skip


F, N = np.float32([1.5, -2.5, 0]), np.int32([7, -7, 0])
BOOLS = np.array([True, True, False]), np.array([True, False, False])
ODD = np.float32([1.9, -1.9, NAN, INF, -INF, 3e9, -3e9])
I32 = np.iinfo(np.int32)

CASES = [
    *(binary(op, d, s) for op, (_, types) in BINARY.items() for d in types for s in SHAPES),
    *(unary(op, d, s) for op, (_, types) in UNARY.items() for d in types for s in SHAPES),
    op("bfloat16", "ADD", [F.astype(NUMPY[T.BFLOAT16])] * 2, (2 * F).astype(NUMPY[T.BFLOAT16])),
    op("bool", "ADD", list(BOOLS), BOOLS[0] | BOOLS[1]),
    op("bool", "MULTIPLY", list(BOOLS), BOOLS[0] & BOOLS[1]),
    op("bool", "MAXIMUM", list(BOOLS), BOOLS[0] | BOOLS[1]),
    op("bool", "MINIMUM", list(BOOLS), BOOLS[0] & BOOLS[1]),
    op("bool", "AND", list(BOOLS), BOOLS[0] & BOOLS[1]),
    op("bool", "OR", list(BOOLS), BOOLS[0] | BOOLS[1]),
    op("wraps", "ADD", [np.int8([127, -128]), np.int8([1, -1])], np.int8([-128, 127])),
    op("float", "POWER", [np.float32([2, 9]), np.float32([3, 0.5])], np.float32([8, 3])),
    op("int32", "POWER", [np.int32([2, -3, 5, 1, -1, -1, 0]), np.int32([5, 3, -2, -9, -3, -4, 0])],
       np.int32([32, -27, 0, 1, -1, 1, 1])),
    op("uint8", "POWER", [np.uint8([3, 255]), np.uint8([4, 0])], np.uint8([81, 1])),
    *(
        op(
            np.dtype(d).name, "SHIFT_LEFT",
            [np.array([1, 3, -1, 5], d), np.array([0, 2, 3, bits], d)],
            np.array([1, 12, -8, 0], d),
        )
        for d, bits in [(np.int8, 8), (np.int16, 16), (np.int32, 32)]
    ),
    op("NaN", "MAXIMUM", [np.float32([NAN, 1]), np.float32([1, NAN])], np.float32([NAN, NAN])),
    *(compare(d, t) for d, t in product(DIRECTIONS, (np.float32, np.int8, np.uint32, np.bool_))),
    Case(
        "total order", "STABLEHLO_COMPARE", [given(ORDER[:-1]), given(ORDER[1:])], [out(np.bool_)],
        LESS_IN_TOTAL, expected=[np.ones(7, np.bool_)],
    ),
    op("shape", "SELECT", [BOOLS[1], F, -F], np.where(BOOLS[1], F, -F)),
    op("scalar", "SELECT", [np.array(True), N, -N], N),
    op("scalars", "CLAMP", [np.float32(-1), F, np.float32(1)], np.float32([1, -1, 0])),
    op("shape", "CLAMP", [np.int32([0, -9, 1]), N, np.int32([5, -8, 2])], np.int32([5, -8, 1])),
    convert(ODD, np.int32([1, -1, 0, I32.max, I32.min, I32.max, I32.min])),
    convert(ODD[:3], np.uint8([1, 0, 0])),
    convert(np.float64([-(2.0**63), 2.0**63, 1e300, 2.0**62]),
            np.int64([-(2**63), 2**63 - 1, 2**63 - 1, 2**62])),
    convert(np.int32([300, -1, 7]), np.int8([44, -1, 7])),
    convert(N, N.astype(np.float32)),
    convert(F, np.array([True, True, False])),
    convert(BOOLS[0], np.float32([1, 1, 0])),
    convert(np.complex64([1.5 + 2j]), np.float32([1.5])),
    convert(np.complex64([1.5 + 2j]), np.int32([1])),
    convert(F, F.astype(np.complex64)),
    convert(F, F.astype(np.float16)),
    convert(np.float32(2.5), np.int16(2)),
    convert(np.zeros((0, 2), np.float32), np.zeros((0, 2), np.int32)),
    failing("shapes", "ADD", [F, F[:2]], "expected"),
    failing("types", "ADD", [F, N], "expected"),
    failing("float", "AND", [F, F], "this op takes"),
    failing("by 0", "DIVIDE", [N, N], "Division by 0"),
    failing("by 0", "REMAINDER", [N, N], "Division by 0"),
    failing("output", "COMPARE", [F, F], "must be BOOL", np.int32),
    failing("condition", "SELECT", [BOOLS[0][:2], F, F], "expected"),
    failing("bounds", "CLAMP", [F[:2], F, F], "expected"),
    failing("strings", "CONVERT", [np.array(["a"])], "this op takes", np.int32),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_stablehlo_elementwise(case: Case, device: str) -> None:
    check(case, device)
