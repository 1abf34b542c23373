"""AVERAGE_POOL_2D, MAX_POOL_2D, L2_POOL_2D against LiteRT and against plain loops over windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from litegpu.schema.enums import ActivationFunctionType as Act
from litegpu.schema.enums import Padding
from litegpu.schema.options import Pool2DOptions

from tests.cases import Arg, Case, check, given, out

OPS = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D")
INTEGERS = (np.uint8, np.int8, np.int16)
SCALES = {np.uint8: (0.05, 120), np.int8: (0.05, -7), np.int16: (0.0005, 0)}
VERSIONS = {np.float32: 1, np.uint8: 1, np.int8: 2, np.int16: 3}


def image(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    if dtype == np.float32:
        return rng.normal(0, 4, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def arg(x: Any) -> Arg:
    scale, zero_point = SCALES.get(x.dtype.type, (None, 0))
    return given(x, scale=scale, zero_point=zero_point)


def result(dtype: Any) -> Arg:
    scale, zero_point = SCALES.get(dtype, (None, 0))
    return out(dtype, scale=scale, zero_point=zero_point)


def pool(
    filter_size: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
    activation: Act = Act.NONE,
) -> Pool2DOptions:
    return Pool2DOptions(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        filter_height=filter_size[0],
        filter_width=filter_size[1],
        fused_activation_function=activation,
    )


def case(op: str, x: Any, options: Pool2DOptions, **more: Any) -> Case:
    dtype = x.dtype.type
    o = options
    size = f"{o.filter_height}x{o.filter_width} by {o.stride_h}x{o.stride_w}"
    how = f"{o.padding.name} {o.fused_activation_function.name}"
    name = f"{dtype.__name__} {list(x.shape)} {size} {how}"
    return Case(name, op, [arg(x)], [result(dtype)], options, VERSIONS[dtype], **more)


def types_of(op: str) -> tuple[Any, ...]:
    return (np.float32,) if op == "L2_POOL_2D" else (np.float32, *INTEGERS)


GEOMETRIES = [
    ((2, 9, 7, 3), (2, 2), (2, 2)),
    ((1, 5, 6, 2), (3, 3), (1, 1)),
    ((1, 6, 5, 1), (3, 2), (2, 3)),
    ((1, 4, 4, 5), (4, 4), (4, 4)),
    ((1, 7, 3, 2), (1, 5), (3, 1)),
    ((1, 3, 3, 2), (2, 2), (5, 5)),
]
CASES = [
    case(op, image(shape, dtype, i), pool(size, stride, padding))
    for op in OPS
    for dtype in types_of(op)
    for i, (shape, size, stride) in enumerate(GEOMETRIES)
    for padding in Padding
    if padding == Padding.SAME or shape[2] >= size[1]
]
CASES += [
    case(op, image((1, 5, 5, 3), dtype, 9), pool((2, 3), (1, 2), Padding.SAME, activation))
    for op in OPS
    for dtype in types_of(op)
    for activation in (Act.RELU, Act.RELU6, Act.RELU_N1_TO_1)
]
CASES += [
    case(op, np.full((1, 4, 4, 2), extreme, dtype), pool((3, 3), (1, 1), Padding.SAME))
    for op in OPS[:2]
    for dtype in INTEGERS
    for extreme in (np.iinfo(dtype).min, np.iinfo(dtype).max)
]
CASES += [
    case(op, image((0, 4, 4, 2), np.float32), pool((2, 2), (2, 2), Padding.SAME), expected=[empty])
    for op in OPS
    for empty in (np.empty((0, 2, 2, 2), np.float32),)
]
# Halves of both signs are rounded away from zero.
HALVES = np.array([[1, 2], [-1, -2], [3, -6], [-3, 6]], np.int8).reshape(4, 1, 2, 1)
CASES += [
    Case(
        "halves",
        "AVERAGE_POOL_2D",
        [given(HALVES, scale=1.0)],
        [out(np.int8, scale=1.0)],
        pool((1, 2), (1, 1), Padding.VALID),
        version=2,
        expected=[np.array([2, -2, -2, 2], np.int8).reshape(4, 1, 1, 1)],
    ),
    Case(
        "global",
        "AVERAGE_POOL_2D",
        [given(np.arange(24, dtype=np.float32).reshape(1, 3, 4, 2))],
        [out(np.float32)],
        pool((3, 4), (3, 4), Padding.VALID),
        expected=[np.array([11, 12], np.float32).reshape(1, 1, 1, 2)],
    ),
    Case(
        "no scale",
        "AVERAGE_POOL_2D",
        [given(np.array([3, 4], np.int8).reshape(1, 1, 2, 1))],
        [out(np.int8)],
        pool((1, 2), (1, 1), Padding.VALID),
        version=2,
        expected=[np.array([4], np.int8).reshape(1, 1, 1, 1)],
    ),
    Case(
        "infinity",
        "MAX_POOL_2D",
        [given(np.array([np.inf, 1, -np.inf, -np.inf], np.float32).reshape(1, 1, 4, 1))],
        [out(np.float32)],
        pool((1, 2), (1, 2), Padding.VALID),
        expected=[np.array([np.inf, -np.inf], np.float32).reshape(1, 1, 2, 1)],
    ),
    Case(
        "NaN spreads to its windows alone",
        "AVERAGE_POOL_2D",
        [given(np.array([np.nan, 1, 2, 4], np.float32).reshape(1, 1, 4, 1))],
        [out(np.float32)],
        pool((1, 2), (1, 2), Padding.VALID),
        expected=[np.array([np.nan, 3], np.float32).reshape(1, 1, 2, 1)],
    ),
    case(
        "MAX_POOL_2D",
        image((1, 3, 3, 1), np.float32, 3),
        pool((2**30, 2**30), (1, 1), Padding.SAME),
        expected=[np.full((1, 3, 3, 1), image((1, 3, 3, 1), np.float32, 3).max())],
    ),
]
BAD = [
    ("stride 0", image((1, 4, 4, 1), np.float32), pool((2, 2), (0, 1), Padding.SAME), "stride"),
    ("filter 0", image((1, 4, 4, 1), np.float32), pool((2, 0), (1, 1), Padding.SAME), "filter"),
    ("negative", image((1, 4, 4, 1), np.float32), pool((2, -2), (1, 1), Padding.SAME), "filter"),
    ("rank 3", image((4, 4, 1), np.float32), pool((2, 2), (1, 1), Padding.SAME), "rank"),
]
CASES += [
    Case(name, op, [given(x)], [out(np.float32)], options, error=error)
    for op in OPS
    for name, x, options, error in BAD
]
CASES += [
    Case(
        "int8",
        "L2_POOL_2D",
        [given(image((1, 4, 4, 1), np.int8), scale=1.0)],
        [out(np.int8, scale=1.0)],
        pool((2, 2), (1, 1), Padding.SAME),
        error="INT8",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pool(case: Case, device: str) -> None:
    check(case, device)


DEFINITIONS: dict[str, Callable[[Any], Any]] = {
    "AVERAGE_POOL_2D": lambda window: window.mean((0, 1)),
    "MAX_POOL_2D": lambda window: window.max((0, 1)),
    "L2_POOL_2D": lambda window: np.sqrt((window * window).mean((0, 1))),
}


@pytest.mark.parametrize("padding", Padding)
@pytest.mark.parametrize("op", OPS)
def test_pool_by_loops(op: str, padding: Padding, device: str) -> None:
    """The definition, window by window."""
    x = image((2, 8, 5, 3), np.float32, 4)
    options = pool((3, 2), (2, 2), padding)
    height, width = (3, 2) if padding == Padding.VALID else (4, 3)
    expected = np.empty((2, height, width, 3), np.float32)
    for n, i, j in np.ndindex(2, height, width):
        part = x[n, 2 * i : 2 * i + 3, 2 * j : 2 * j + 2]
        expected[n, i, j] = DEFINITIONS[op](part.astype(np.float64))
    check(case(op, x, options, expected=[expected]), device)
