"""Resizing against LiteRT: types, sizes and coordinate rules crossed."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from litegpu.schema.enums import TensorType
from litegpu.schema.options import ResizeBilinearOptions, ResizeNearestNeighborOptions

from tests.cases import Case, check, const, given, out

BILINEAR_TYPES = (np.float32, np.uint8, np.int8, np.int16)
NEAREST_TYPES = (np.float32, np.int32, np.int16, np.uint8, np.int8, np.uint16, np.uint32)
RULES = [(False, False), (True, False), (False, True)]
SIZES = [
    ((1, 3, 4), (6, 8)),
    ((2, 5, 3), (7, 11)),
    ((1, 8, 6), (3, 4)),
    ((1, 1, 1), (3, 2)),
    ((1, 4, 5), (1, 1)),
    ((1, 4, 5), (4, 5)),
    ((1, 2, 37), (5, 16)),
    ((1, 1, 2), (600, 1)),
]


def image(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    if dtype == np.float32:
        return rng.normal(0, 4, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def case(op: str, x: Any, size: Any, rule: tuple[bool, bool], **more: Any) -> Case:
    kind = ResizeBilinearOptions if op == "RESIZE_BILINEAR" else ResizeNearestNeighborOptions
    options = kind(align_corners=rule[0], half_pixel_centers=rule[1])
    name = f"{x.dtype} {list(x.shape)} to {size} align={rule[0]} half={rule[1]}"
    scale = None if x.dtype.kind == "f" or op != "RESIZE_BILINEAR" else 0.5
    sizes = const(np.array(size, np.int32))
    outputs = [out(x.dtype, scale=scale)]
    return Case(name, op, [given(x, scale=scale), sizes], outputs, options, 3, **more)


CASES = [
    case("RESIZE_BILINEAR", image((*shape, 3), dtype, i), size, rule)
    for dtype in BILINEAR_TYPES
    for i, (shape, size) in enumerate(SIZES)
    for rule in RULES
    if size != (600, 1) or dtype not in (np.int8, np.int16)
]
CASES += [
    case("RESIZE_NEAREST_NEIGHBOR", image((*shape, 3), dtype, i), size, rule)
    for dtype in NEAREST_TYPES
    for i, (shape, size) in enumerate(SIZES)
    for rule in (*RULES, (True, True))
]
CASES += [
    case("RESIZE_BILINEAR", np.full((1, 3, 3, 1), extreme, dtype), (7, 4), (False, True))
    for dtype in BILINEAR_TYPES[1:]
    for extreme in (np.iinfo(dtype).min, np.iinfo(dtype).max)
]
# The reference reads past the end of an image of one row that is enlarged 600 times.
CASES += [
    case(
        "RESIZE_BILINEAR",
        x,
        (600, 1),
        (False, False),
        expected=[np.full((1, 600, 1, 1), 77, dtype)],
    )
    for dtype in (np.int8, np.int16)
    for x in [np.full((1, 1, 1, 1), 77, dtype)]
]
CASES += [
    case("RESIZE_NEAREST_NEIGHBOR", x, (1, 4), (False, False), expected=[np.repeat(x, 2, axis=2)])
    for x in (
        np.array([True, False]).reshape(1, 1, 2, 1),
        np.array([1.5, -2], np.float16).reshape(1, 1, 2, 1),
        np.array([1.5, -2], ml_dtypes.bfloat16).reshape(1, 1, 2, 1),
    )
]
CASES += [
    case("RESIZE_BILINEAR", np.empty(shape, np.float32), (2, 2), (False, False), expected=[y])
    for shape in ((0, 3, 3, 1), (1, 3, 3, 0))
    for y in [np.empty((shape[0], 2, 2, shape[3]), np.float32)]
]
SQUARE = np.array([[1, 3], [5, 11]], np.float32).reshape(1, 2, 2, 1)
CASES += [
    case(
        "RESIZE_BILINEAR",
        SQUARE,
        (3, 3),
        (True, False),
        expected=[np.array([[1, 2, 3], [3, 5, 7], [5, 8, 11]], np.float32).reshape(1, 3, 3, 1)],
    ),
    Case(
        "size at run time",
        "RESIZE_BILINEAR",
        [given(SQUARE), given(np.array([4, 5], np.int32))],
        [out(np.float32)],
        ResizeBilinearOptions(half_pixel_centers=True),
        version=3,
    ),
    case("RESIZE_BILINEAR", SQUARE, (3, 3), (True, True), error="exclude"),
    Case(
        "int4",
        "RESIZE_NEAREST_NEIGHBOR",
        [
            given(np.zeros((1, 2, 2, 1), np.int8), dtype=TensorType.INT4),
            const(np.array([1, 1], np.int32)),
        ],
        [out(TensorType.INT4)],
        ResizeNearestNeighborOptions(),
        version=4,
        error="INT4",
    ),
]
BAD = [
    (SQUARE, (0, 3), "at least"),
    (SQUARE, (-2, 3), "at least"),
    (SQUARE[0], (3, 3), "rank 4"),
    (SQUARE, (1, 2, 3), r"expected \[2\]"),
    (np.empty((1, 0, 2, 1), np.float32), (3, 3), "no pixels"),
    (SQUARE, (2**31 - 1, 2**31 - 1), "tensor_bytes"),
]
CASES += [case("RESIZE_BILINEAR", x, size, (False, False), error=error) for x, size, error in BAD]
CASES += [
    case("RESIZE_NEAREST_NEIGHBOR", x, size, (False, False), error=error)
    for x, size, error in BAD[1:]
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_resize(case: Case, device: str) -> None:
    check(case, device)
