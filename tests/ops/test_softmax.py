"""SOFTMAX and LOG_SOFTMAX: floats by formula, quantised rows against LiteRT."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from litegpu.schema.options import LogSoftmaxOptions, SoftmaxOptions

from tests.cases import Case, check, given, out

SHAPES = ((2, 3, 4), (5,), (1,), (0, 3), (2, 0), (2, 1, 1, 2, 3), (7, 5000))


def soft(x: Any, beta: float) -> Any:
    e = np.exp(beta * (x - x.max(-1, keepdims=True, initial=-np.inf)))
    return e / e.sum(-1, keepdims=True)


def plain(shape: tuple[int, ...], beta: float, dtype: Any = np.float32) -> Case:
    x = np.random.default_rng(1).normal(0, 3, shape).astype(dtype)
    return Case(
        f"{x.dtype.name} {shape} {beta}", "SOFTMAX", [given(x)], [out(dtype)],
        SoftmaxOptions(beta=beta), expected=[soft(x.astype(np.float64), beta).astype(dtype)],
    )  # fmt: skip


def plain_log(shape: tuple[int, ...]) -> Case:
    x = np.random.default_rng(1).normal(0, 3, shape).astype(np.float32)
    y = np.log(soft(x.astype(np.float64), 1.0)).astype(np.float32)
    options = LogSoftmaxOptions()
    return Case(str(shape), "LOG_SOFTMAX", [given(x)], [out(np.float32)], options, expected=[y])


OUTPUTS = {
    (np.int8, np.int8): (1 / 256, -128),
    (np.uint8, np.uint8): (1 / 256, 0),
    (np.int8, np.int16): (1 / 65536, -32768),
    (np.uint8, np.int16): (1 / 65536, -32768),
    (np.int16, np.int16): (1 / 32768, 0),
}
DEPTHS = ((2, 3, 10), (1, 1), (6, 257), (200, 100))


def rows(dtype: Any, shape: tuple[int, ...]) -> Any:
    """Rows of every spread: random ones, a constant one, one with both extremes."""
    info = np.iinfo(dtype)
    r = np.random.default_rng(len(shape))
    width = 2.0 ** r.uniform(0, np.log2(info.max - info.min), (*shape[:-1], 1))
    x = (info.min + r.uniform(0, 1, shape) * width).astype(dtype)
    flat = x.reshape(-1, shape[-1])
    flat[0, :] = 5
    flat[-1, 0], flat[-1, -1] = info.min, info.max
    return x


def stored(types: Any, scale: float, shape: tuple[int, ...], beta: float = 1.0) -> Case:
    dtype, result = types
    output_scale, output_zero = OUTPUTS[types]
    zero = 0 if dtype == np.int16 else 7
    return Case(
        f"{np.dtype(dtype).name} to {np.dtype(result).name} {scale} {shape} {beta}",
        "SOFTMAX",
        [given(rows(dtype, shape), scale=scale, zero_point=zero)],
        [out(result, scale=output_scale, zero_point=output_zero)],
        SoftmaxOptions(beta=beta),
        version=3,
    )


def stored_log(dtype: Any, scale: float, shape: tuple[int, ...]) -> Case:
    return Case(
        f"{np.dtype(dtype).name} {scale} {shape}",
        "LOG_SOFTMAX",
        [given(rows(dtype, shape), scale=scale, zero_point=7)],
        [out(dtype, scale=16 / 256, zero_point=np.iinfo(dtype).max)],
        LogSoftmaxOptions(),
        version=2,
    )


def equal_rows(depth: int) -> Case:
    """Sums at which the reference's 32 bits overflow: every probability is below a step."""
    return Case(
        f"{depth} equal",
        "SOFTMAX",
        [given(np.zeros((2, depth), np.int8), scale=0.1)],
        [out(np.int8, scale=1 / 256, zero_point=-128)],
        SoftmaxOptions(beta=1.0),
        version=2,
        expected=[np.full((2, depth), round(256 / depth) - 128, np.int8)],
    )


NAN, INF = np.nan, np.inf
F, Q = np.float32([1, 2]), np.int8([1, 2])
ONE = SoftmaxOptions(beta=1.0)


def failing(name: str, op: str, x: Any, target: Any, error: str, **quant: Any) -> Case:
    return Case(name, op, [given(x, **quant)], [target], ONE, error=error)


CASES = [
    *(plain(shape, beta) for shape, beta in product(SHAPES, (1.0, 0.1))),
    plain((3, 4), 1.0, np.float16),
    *(plain_log(shape) for shape in SHAPES),
    *(
        stored(types, scale, shape)
        for types, shape in product(OUTPUTS, DEPTHS)
        for scale in ((0.0002, 0.002) if types[0] == np.int16 else (0.01, 0.1, 0.5))
    ),
    stored((np.int8, np.int8), 0.1, (4, 20), beta=0.5),
    stored((np.int16, np.int16), 0.001, (4, 20), beta=2.0),
    *(stored_log(*args) for args in product((np.int8, np.uint8), (0.01, 0.1, 0.5), DEPTHS)),
    *(equal_rows(depth) for depth in (100, 2000, 9000)),
    Case("NaN and Inf", "SOFTMAX", [given(np.float32([[NAN, 1], [-INF, 1], [1, 1]]))],
         [out(np.float32)], ONE, expected=[np.float32([[NAN, NAN], [0, 1], [0.5, 0.5]])]),
    failing("scalar", "SOFTMAX", np.float32(1), out(np.float32), "rank 1"),
    failing("int32", "SOFTMAX", np.int32([1]), out(np.int32), "this op takes"),
    failing("output type", "SOFTMAX", F, out(np.int8, scale=1), "output is INT8"),
    failing("output scale", "SOFTMAX", Q, out(np.int8, scale=1), "expected 1/256", scale=0.1),
    failing("no scale", "SOFTMAX", Q, out(np.int8, scale=1 / 256, zero_point=-128), "quantised"),
    Case("beta", "SOFTMAX", [given(Q, scale=0.1)], [out(np.int8, scale=1 / 256, zero_point=-128)],
         SoftmaxOptions(beta=-1.0), error="outside"),
    Case("output scale", "LOG_SOFTMAX", [given(Q, scale=0.1)], [out(np.int8, scale=1)],
         LogSoftmaxOptions(), error="expected 1/16"),
    Case("int16", "LOG_SOFTMAX", [given(np.int16([1]), scale=1)], [out(np.int16, scale=1)],
         LogSoftmaxOptions(), error="this op takes"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_softmax(case: Case, device: str) -> None:
    check(case, device)
