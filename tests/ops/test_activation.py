"""Activations: floats by formula, every stored byte and int16 against LiteRT."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from litegpu.schema.options import GeluOptions, LeakyReluOptions

from tests.cases import Case, check, const, given, out


def erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[np.float64])(x)


FORMULAS: dict[str, Any] = {
    "RELU": lambda x: np.where(x < 0, 0, x),
    "RELU6": lambda x: np.where(x < 0, 0, np.where(x > 6, 6, x)),
    "RELU_N1_TO_1": lambda x: np.where(x < -1, -1, np.where(x > 1, 1, x)),
    "RELU_0_TO_1": lambda x: np.where(x < 0, 0, np.where(x > 1, 1, x)),
    "LOGISTIC": lambda x: 1 / (1 + np.exp(-x)),
    "TANH": np.tanh,
    "HARD_SWISH": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "ELU": lambda x: np.where(x < 0, np.exp(x) - 1, x),
}
SHAPES = ((2, 3, 4), (), (0, 3), (1, 2, 1, 2, 1, 2), (3, 13000))
HALF = ("LOGISTIC", "TANH", "RELU")


def normal(shape: tuple[int, ...], spread: float = 4) -> Any:
    return np.asarray(np.random.default_rng(len(shape)).normal(0, spread, shape), np.float32)


def plain(op: str, shape: tuple[int, ...], dtype: Any = np.float32) -> Case:
    x = normal(shape).astype(dtype)
    expected = [np.asarray(FORMULAS[op](x.astype(np.float64)), dtype)]
    return Case(f"{x.dtype.name} {shape}", op, [given(x)], [out(dtype)], expected=expected)


def gelu(shape: tuple[int, ...], approximate: bool, dtype: Any = np.float32) -> Case:
    x = normal(shape).astype(dtype)
    w = x.astype(np.float64)
    if approximate:
        y = w / 2 * (1 + np.tanh((2 / np.pi) ** 0.5 * (w + 0.044715 * w**3)))
    else:
        y = w / 2 * (1 + erf(w / 2**0.5))
    return Case(
        f"{x.dtype.name} {shape} {approximate}", "GELU", [given(x)], [out(dtype)],
        GeluOptions(approximate=approximate), expected=[np.asarray(y, dtype)],
    )  # fmt: skip


def leaky(shape: tuple[int, ...], alpha: float) -> Case:
    x = normal(shape)
    y = np.where(x > 0, x, x * np.float32(alpha))
    return Case(
        f"{shape} {alpha}", "LEAKY_RELU", [given(x)], [out(np.float32)],
        LeakyReluOptions(alpha=alpha), expected=[y],
    )  # fmt: skip


def prelu(shape: tuple[int, ...], alpha_shape: tuple[int, ...]) -> Case:
    x, alpha = normal(shape), normal(alpha_shape, 1)
    y = np.where(x >= 0, x, x * alpha)
    return Case(f"{shape} {alpha_shape}", "PRELU", [given(x), const(alpha)], [out(np.float32)],
                expected=[y])  # fmt: skip


EIGHT = [((0.05, -3), (0.05, -3)), ((0.02, 10), (0.04, -7)), ((0.3, -128), (0.01, 127))]
SIXTEEN = [((0.001, 0), (0.001, 0)), ((0.0003, 0), (0.0007, 0)), ((0.5, 0), (0.0001, 0))]
SHIFTED = [((s, z + 128), (t, w + 128)) for (s, z), (t, w) in EIGHT]
SCALES = {np.int8: EIGHT, np.uint8: SHIFTED, np.int16: SIXTEEN}
STORED: dict[str, tuple[Any, ...]] = {
    "RELU": (np.int8, np.uint8, np.int16),
    "RELU6": (np.int8, np.uint8, np.int16),
    "RELU_N1_TO_1": (np.int8, np.uint8),
    "RELU_0_TO_1": (np.int8, np.uint8),
    "HARD_SWISH": (np.int8, np.uint8),
    "TANH": (np.int8, np.uint8),
    "ELU": (np.int8,),
    "GELU": (np.int8, np.uint8, np.int16),
    "LEAKY_RELU": (np.int8, np.uint8, np.int16),
}
SIGMOID_OUTPUT = {np.int8: (1 / 256, -128), np.uint8: (1 / 256, 0), np.int16: (1 / 32768, 0)}
SIGMOID_SCALES = {
    np.int8: (0.05, 0.3, 0.004),
    np.uint8: (0.05, 0.3, 0.004),
    np.int16: (2.0**-12, 2.0**-11, 2.0**-13, 0.0003, 0.001, 0.00001, 0.02),
}


def stored(op: str, dtype: Any, scales: Any, options: Any = None, count: int = 2**16) -> Case:
    """Every stored value; LiteRT is the oracle."""
    (sx, zx), (sy, zy) = scales
    info = np.iinfo(dtype)
    x = np.arange(info.min, info.max + 1).astype(dtype)[-count:].reshape(2, -1)
    detail = "" if options is None else str(vars_of(options))
    return Case(
        f"{np.dtype(dtype).name} {sx} {zx} {sy} {zy} {x.size} {detail}".strip(),
        op,
        [given(x, scale=sx, zero_point=zx)],
        [out(dtype, scale=sy, zero_point=zy)],
        options,
        version=2 if op in ("RELU", "RELU6", "LOGISTIC", "TANH", "GELU", "LEAKY_RELU") else 1,
        oracle="opt" if op == "ELU" else "ref",
    )


def vars_of(options: Any) -> list[Any]:
    return [getattr(options, name) for name in ("alpha", "approximate") if hasattr(options, name)]


def options_for(op: str) -> list[Any]:
    if op == "GELU":
        return [GeluOptions(approximate=a) for a in (True, False)]
    if op == "LEAKY_RELU":
        return [LeakyReluOptions(alpha=a) for a in (0.1, 0.7, 3.0, 0.0)]
    return [None]


def sigmoid(op: str, dtype: Any, scale: float, count: int = 2**16) -> Case:
    zero = {np.int8: 5, np.uint8: 120, np.int16: 0}[dtype]
    output = SIGMOID_OUTPUT[dtype]
    if op == "TANH" and dtype != np.int16:
        output = (1 / 128, output[1] + 128 if dtype == np.int8 else 128)
    return stored(op, dtype, ((scale, zero), output), count=count)


def stored_prelu(dtype: Any, scales: Any, shapes: Any) -> Case:
    (sx, zx), (sy, zy) = scales
    r = np.random.default_rng(5)
    alpha_type = np.int8 if dtype == np.int16 else dtype
    x, alpha = (
        r.integers(np.iinfo(d).min, np.iinfo(d).max + 1, s, dtype=d)
        for d, s in zip((dtype, alpha_type), shapes, strict=True)
    )
    zero = 100 if dtype == np.uint8 else -20
    return Case(
        f"{np.dtype(dtype).name} {sx} {sy} {shapes}",
        "PRELU",
        [given(x, scale=sx, zero_point=zx), const(alpha, scale=0.01, zero_point=zero)],
        [out(dtype, scale=sy, zero_point=zy)],
    )


NAN, INF = np.nan, np.inf
SPECIAL: dict[str, tuple[list[float], list[float]]] = {
    "RELU": ([NAN, INF, -INF], [NAN, INF, 0]),
    "RELU6": ([NAN, INF, -INF], [NAN, 6, 0]),
    "LOGISTIC": ([NAN, INF, -INF, 100, -100], [NAN, 1, 0, 1, 0]),
    "TANH": ([NAN, INF, -INF], [NAN, 1, -1]),
    "ELU": ([NAN, INF, -INF], [NAN, INF, -1]),
    "HARD_SWISH": ([NAN, INF], [NAN, INF]),
}
F, Q = np.float32([1, 2]), np.int8([1, 2])


def failing(name: str, op: str, x: Any, error: str, target: Any, **quant: Any) -> Case:
    return Case(name, op, [given(x, **quant)], [target], error=error)


CASES = [
    *(plain(op, shape) for op, shape in product(FORMULAS, SHAPES)),
    *(plain(op, (3, 4), np.float16) for op in HALF),
    *(plain(op, (3, 4), ml_dtypes.bfloat16) for op in ("LOGISTIC", "TANH")),
    *(gelu(shape, approximate) for shape, approximate in product(SHAPES, (True, False))),
    *(gelu((3, 4), approximate, np.float16) for approximate in (True, False)),
    *(leaky(shape, alpha) for shape, alpha in product(SHAPES, (0.2, -0.5, 1.5, 0.0))),
    *(
        prelu(*shapes)
        for shapes in [((2, 3, 4), (4,)), ((2, 3, 4), (3, 1)), ((2, 3), (2, 3)), ((0, 3), (3,)),
                       ((2, 2), ()), ((), ())]
    ),
    *(
        stored(op, dtype, scales, options)
        for op, types in STORED.items()
        for dtype in types
        for scales in SCALES[dtype]
        for options in options_for(op)
        if not (op == "HARD_SWISH" and scales[0][0] / scales[1][0] > 100)
    ),
    stored("RELU", np.int16, SIXTEEN[1], count=100),
    *(
        sigmoid(op, dtype, scale)
        for op in ("LOGISTIC", "TANH")
        for dtype, scales in SIGMOID_SCALES.items()
        for scale in scales
    ),
    sigmoid("TANH", np.int16, 0.0003, count=200),
    *(
        stored_prelu(dtype, scales, shapes)
        for dtype in (np.int8, np.uint8, np.int16)
        for scales in SCALES[dtype]
        for shapes in [((4, 5), (4, 5)), ((4, 5), (5,)), ((2, 60, 64), (64,))]
    ),
    *(
        Case("NaN and Inf", op, [given(np.float32(a))], [out(np.float32)], expected=[np.float32(b)])
        for op, (a, b) in SPECIAL.items()
    ),
    Case("NaN and Inf", "GELU", [given(np.float32([NAN, INF, 50, -50]))], [out(np.float32)],
         GeluOptions(), expected=[np.float32([NAN, INF, 50, 0])]),
    failing("int32", "RELU", np.int32([1]), "this op takes", out(np.int32)),
    failing("int16", "RELU_N1_TO_1", np.int16([1]), "op takes", out(np.int16, scale=1), scale=1),
    failing("no scales", "RELU", Q, "quantised per tensor", out(np.int8)),
    failing("off zero", "RELU", np.int16([1]), "zero point", out(np.int16, scale=1), scale=1,
            zero_point=3),
    failing("output scale", "LOGISTIC", Q, "expected 1/256", out(np.int8, scale=0.5), scale=1),
    failing("output scale", "TANH", np.int16([1]), "1/32768", out(np.int16, scale=0.5), scale=1),
    failing("ranges", "HARD_SWISH", Q, "too large", out(np.int8, scale=0.001), scale=1),
    failing("output", "TANH", F, "expected FLOAT32", out(np.int8, scale=1)),
    Case("alpha wider", "PRELU", [given(F), given(np.float32([[1], [2]]))], [out(np.float32)],
         error="expected one that broadcasts"),
    Case("alpha type", "PRELU", [given(F), given(Q, scale=1)], [out(np.float32)],
         error="takes FLOAT32"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_activation(case: Case, device: str) -> None:
    check(case, device)
