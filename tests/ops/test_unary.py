"""Functions of one tensor: every type, every stored byte and int16."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from litegpu.dtypes import NUMPY
from litegpu.schema.enums import TensorType as T

from tests.cases import Case, check, given, out

FORMULAS: dict[str, Any] = {
    "ABS": lambda x: np.where(x < 0, -x, x),
    "NEG": lambda x: 0 - x,
    "EXP": lambda x: np.exp(x.astype(np.float64)),
    "LOG": lambda x: np.log(x.astype(np.float64)),
    "SIN": lambda x: np.sin(x.astype(np.float64)),
    "COS": lambda x: np.cos(x.astype(np.float64)),
    "SQRT": lambda x: x.astype(np.float64) ** 0.5,
    "RSQRT": lambda x: x.astype(np.float64) ** -0.5,
    "SQUARE": lambda x: x * x,
    "FLOOR": lambda x: np.floor(x.astype(np.float64)),
    "CEIL": lambda x: -np.floor(-x.astype(np.float64)),
    "ROUND": lambda x: np.rint(x.astype(np.float64)),
    "SIGN": lambda x: (x > 0).astype(np.int8) - (x < 0).astype(np.int8),
}
TYPES: dict[str, tuple[Any, ...]] = {
    "ABS": (np.float32, np.int32, np.int16),
    "NEG": (np.float32, np.float16, np.int8, np.int16, np.int32, np.int64),
    "SIN": (np.float32, np.float16),
    "COS": (np.float32, np.float16),
    "FLOOR": (np.float32, np.float16),
    "ROUND": (np.float32, np.float16),
    "SIGN": (np.float32, np.float64, np.int32),
}
POSITIVE = ("LOG", "SQRT", "RSQRT")
SHAPES = ((2, 3, 4), (), (0, 3), (1, 2, 1, 2, 1, 2), (40000,))


def plain(op: str, dtype: Any, shape: tuple[int, ...]) -> Case:
    x = np.random.default_rng(len(shape)).normal(0, 5, shape)
    if op in POSITIVE:
        x = np.abs(x) + 0.01
    x = np.asarray(x).astype(dtype)
    name = f"{np.dtype(dtype).name} {shape}"
    return Case(name, op, [given(x)], [out(dtype)], expected=[FORMULAS[op](x).astype(dtype)])


BFLOAT16 = NUMPY[T.BFLOAT16]


def bfloat(op: str) -> Case:
    x = np.float32([-2.5, -0.5, 0, 0.5, 1.5, 7.25]).astype(BFLOAT16)
    expected = [FORMULAS[op](x.astype(np.float32)).astype(BFLOAT16)]
    return Case("bfloat16", op, [given(x)], [out(T.BFLOAT16)], expected=expected)


# (input scale, input zero point), (output scale, output zero point), by type.
EIGHT = [((0.05, -3), (0.05, -3)), ((0.02, 10), (0.04, -7)), ((0.5, 0), (0.003, 1))]
SIXTEEN = [((0.001, 0), (0.001, 0)), ((0.0003, 0), (0.0007, 0)), ((0.01, 0), (0.00002, 0))]
STORED = ("ABS", "EXP", "LOG", "SQRT", "RSQRT")


def stored(op: str, dtype: Any, scales: Any, invokes: int = 1, count: int = 2**16) -> Case:
    """Every stored value that the op takes; LiteRT is the oracle."""
    (sx, zx), (sy, zy) = scales
    info = np.iinfo(dtype)
    least = zx if op in ("SQRT", "RSQRT") else info.min
    x = np.arange(least, info.max + 1).astype(dtype)[:count].reshape(1, -1)
    return Case(
        f"{np.dtype(dtype).name} {sx} {zx} {sy} {zy} {x.size}",
        op,
        [given(x, scale=sx, zero_point=zx)],
        [out(dtype, scale=sy, zero_point=zy)],
        version=2,
        invokes=invokes,
    )


NAN, INF = np.nan, np.inf
SPECIAL: dict[str, tuple[list[float], list[float]]] = {
    "ABS": ([NAN, -INF, -0.0], [NAN, INF, 0]),
    "EXP": ([NAN, INF, -INF, 200], [NAN, INF, 0, INF]),
    "LOG": ([NAN, 0, -1, INF], [NAN, -INF, NAN, INF]),
    "SQRT": ([NAN, -1, INF], [NAN, NAN, INF]),
    "RSQRT": ([0, -1, INF], [INF, NAN, 0]),
    "SIN": ([INF, NAN], [NAN, NAN]),
    "ROUND": ([0.5, 1.5, 2.5, -0.5, -1.5, INF], [0, 2, 2, 0, -2, INF]),
    "SIGN": ([NAN, -INF, 0], [NAN, -1, 0]),
    "FLOOR": ([NAN, -INF, -0.5], [NAN, -INF, -1]),
}
F = np.float32([1, 2])
Q = np.int8([-5, 5])


def failing(name: str, op: str, x: Any, error: str, **quant: Any) -> Case:
    return Case(name, op, [given(x, **quant)], [out(x.dtype, **quant)], error=error)


CASES = [
    *(plain(op, d, s) for op in FORMULAS for d in TYPES.get(op, (np.float32,)) for s in SHAPES),
    *(bfloat(op) for op in ("ABS", "NEG", "FLOOR", "ROUND")),
    *(stored(op, np.int8, scales) for op, scales in product(STORED, EIGHT)),
    *(stored(op, np.int16, scales) for op, scales in product(STORED, SIXTEEN)),
    *(stored(op, np.int16, SIXTEEN[1], count=300) for op in STORED),
    stored("EXP", np.int8, EIGHT[0], invokes=2),
    *(
        Case("NaN and Inf", op, [given(np.float32(a))], [out(np.float32)], expected=[np.float32(b)])
        for op, (a, b) in SPECIAL.items()
    ),
    Case(
        "int8 without scale",
        "NEG",
        [given(np.int8([-128, 5]))],
        [out(np.int8)],
        expected=[np.int8([-128, -5])],
    ),
    Case(
        "int16 smallest",
        "ABS",
        [given(np.int16([-(2**15), -3]))],
        [out(np.int16)],
        expected=[np.int16([-(2**15), 3])],
    ),
    failing("below 0", "SQRT", Q, "non-negative", scale=0.1),
    failing("below 0", "RSQRT", Q, "positive values", scale=0.1),
    failing("int16 below 0", "RSQRT", Q.astype(np.int16), "positive values", scale=0.1),
    failing("int16 off zero", "EXP", Q.astype(np.int16), "zero point", scale=0.1, zero_point=2),
    failing("int8 without scale", "EXP", Q, "quantised per tensor"),
    failing("per channel", "LOG", Q, "quantised per tensor", scale=[0.1, 0.2]),
    failing("bool", "ABS", np.array([True]), "this op takes"),
    failing("int32", "EXP", np.int32([1]), "this op takes"),
    Case("output type", "SIN", [given(F)], [out(np.float16)], error="expected FLOAT32"),
    Case("two inputs", "SIN", [given(F), given(F)], [out(np.float32)], error="expected 1"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_unary(case: Case, device: str) -> None:
    check(case, device)
