"""Blocks of space in the channels or the batch, against LiteRT and their published definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from litegpu.schema.options import (
    BatchToSpaceNDOptions,
    DepthToSpaceOptions,
    SpaceToBatchNDOptions,
    SpaceToDepthOptions,
)

from tests.cases import Case, check, const, given, out
from tests.values import PLAIN, name, values

Shape = tuple[int, ...]
DEPTH = {"SPACE_TO_DEPTH": SpaceToDepthOptions, "DEPTH_TO_SPACE": DepthToSpaceOptions}
BATCH = {"SPACE_TO_BATCH_ND": SpaceToBatchNDOptions, "BATCH_TO_SPACE_ND": BatchToSpaceNDOptions}


def to_depth(x: Any, size: int) -> Any:
    """Each block of size x size becomes the channels of one element, row by row."""
    rows = [x[:, i::size, j::size] for i in range(size) for j in range(size)]
    return np.concatenate(rows, axis=3)


def to_space(x: Any, size: int) -> Any:
    batch, height, width, depth = x.shape
    y = np.empty((batch, height * size, width * size, depth // size**2), x.dtype)
    for k, part in enumerate(np.split(x, size**2, axis=3)):
        y[:, k // size :: size, k % size :: size] = part
    return y


PLAINLY = {"SPACE_TO_DEPTH": to_depth, "DEPTH_TO_SPACE": to_space}


def depth(op: str, shape: Shape, size: int, dtype: Any = np.float32, **more: Any) -> Case:
    x = values(shape, dtype)
    if "error" not in more and "expected" not in more:
        more["expected"] = [PLAINLY[op](x, size)]
    label = f"{name(dtype)} {list(shape)} by {size}"
    return Case(label, op, [given(x)], [out(dtype)], DEPTH[op](block_size=size), **more)


LITERT_DEPTH = (np.float32, np.uint8, np.int8, np.int32, np.int64)
DEPTHS = [
    *(depth("SPACE_TO_DEPTH", (2, 4, 6, 3), 2, d) for d in PLAIN),
    *(depth("DEPTH_TO_SPACE", (2, 2, 3, 12), 2, d) for d in PLAIN),
    *(
        depth(op, shape, size, d, expected=None)
        for op, shape, size in [
            ("SPACE_TO_DEPTH", (1, 6, 3, 2), 3),
            ("DEPTH_TO_SPACE", (1, 2, 1, 18), 3),
            ("SPACE_TO_DEPTH", (2, 3, 2, 1), 1),
            ("DEPTH_TO_SPACE", (2, 3, 2, 1), 1),
        ]
        for d in LITERT_DEPTH
    ),
    depth("SPACE_TO_DEPTH", (0, 4, 4, 1), 2),
    depth("DEPTH_TO_SPACE", (1, 2, 2, 0), 2),
    *(depth(op, (1, 4, 4, 4), size, error="at least 1") for op in DEPTH for size in (0, -2)),
    *(depth(op, (4, 4, 4), 2, error="rank 4") for op in DEPTH),
    *(depth("SPACE_TO_DEPTH", s, 2, error="no multiple") for s in [(1, 3, 4, 1), (1, 4, 3, 1)]),
    depth("DEPTH_TO_SPACE", (1, 2, 2, 6), 2, error="no multiple"),
    *(depth(op, (1, 4, 4, 4), 2**31 - 1, error="no multiple") for op in DEPTH),
]


def batch(
    op: str,
    shape: Shape,
    sizes: list[int],
    pairs: list[tuple[int, int]],
    dtype: Any = np.float32,
    **more: Any,
) -> Case:
    """Without `expected`, LiteRT's."""
    role, scale = more.pop("role", const), more.pop("scale", {})
    x = values(shape, dtype)
    inputs = [given(x, **scale), role(np.array(sizes, np.int32)), role(np.array(pairs, np.int32))]
    label = f"{name(dtype)} {list(shape)} by {sizes} {pairs} {role.__name__} {scale}"
    return Case(label, op, inputs, [out(dtype, **scale)], BATCH[op](), 3, **more)


def to_batch(x: Any, sizes: list[int]) -> Any:
    """Without padding: the positions within a block become the outermost part of the batch."""
    blocks = np.ndindex(*sizes)
    steps = [
        x[(slice(None), *(slice(i, None, b) for i, b in zip(at, sizes, strict=True)))]
        for at in blocks
    ]
    return np.concatenate(steps, axis=0)


S2B, B2S = BATCH
LITERT_BATCH = (np.float32, np.uint8, np.int8, np.int16, np.int32, np.int64, np.float16, np.bool_)
BATCHES = [
    *(
        batch(
            S2B,
            (2, 4, 6, 3),
            [2, 3],
            [(0, 0), (0, 0)],
            d,
            expected=[to_batch(values((2, 4, 6, 3), d), [2, 3])],
        )
        for d in PLAIN
    ),
    *(
        batch(op, shape, sizes, pairs, d, role=r)
        for op, shape, sizes, pairs in [
            (S2B, (2, 3, 5, 2), [2, 3], [(1, 0), (0, 1)]),
            (S2B, (1, 5, 2), [3], [(0, 4)]),
            (S2B, (1, 2, 2, 1), [1, 2], [(2, 1), (1, 1)]),
            (B2S, (12, 2, 3, 2), [2, 3], [(1, 0), (2, 4)]),
            (B2S, (6, 2, 1), [3], [(0, 0)]),
            (B2S, (4, 2, 2, 1), [1, 2], [(0, 1), (3, 0)]),
        ]
        for d in LITERT_BATCH
        for r in (const, given)
    ),
    *(
        batch(B2S, (12, 2, 3, 2), [2, 3], [(1, 0), (2, 4)], d)
        for d in PLAIN
        if d not in LITERT_BATCH
    ),
    *(
        batch(op, shape, [2, 2], [(1, 1), (0, 2)], d, scale={"scale": 0.5, "zero_point": z})
        for op, shape in [(S2B, (1, 2, 2, 3)), (B2S, (4, 2, 2, 3))]
        for d, z in [(np.uint8, 130), (np.int8, -7), (np.int16, 0)]
    ),
    batch(
        S2B,
        (1, 2, 4, 2, 1),
        [2, 4, 1],
        [(0, 0)] * 3,
        expected=[to_batch(values((1, 2, 4, 2, 1)), [2, 4, 1])],
    ),
    batch(
        B2S,
        (8, 1, 1, 2, 1),
        [2, 4, 1],
        [(0, 0)] * 3,
        expected=[values((8, 1, 1, 2, 1)).reshape(2, 4, 1, 2, 1)[None, :, :, 0]],
    ),
    batch(S2B, (0, 2, 2, 1), [2, 2], [(0, 0)] * 2, expected=[np.zeros((0, 1, 1, 1), np.float32)]),
    batch(
        B2S, (4, 1, 1, 1), [2, 2], [(1, 1), (0, 0)], expected=[np.zeros((1, 0, 2, 1), np.float32)]
    ),
    *(
        batch(op, (4, 4, 4, 1), sizes, [(0, 0)] * 2, role=r, error="positive sizes")
        for op in BATCH
        for sizes in ([0, 2], [2, -2], [2], [1, 1, 1])
        for r in (const, given)
    ),
    *(batch(op, (4, 4), [], [], error="positive sizes|expected") for op in BATCH),
    *(batch(op, (4, 4, 4, 1), [2, 2], [(-1, 1), (0, 0)], error="negative") for op in BATCH),
    *(batch(op, (4, 4, 4, 1), [2, 2], [(0, 0)], error="expected \\[2, 2\\]") for op in BATCH),
    batch(S2B, (1, 3, 4, 1), [2, 2], [(0, 0)] * 2, error="no multiple"),
    batch(B2S, (3, 2, 2, 1), [2, 2], [(0, 0)] * 2, error="no multiple"),
    batch(B2S, (4, 2, 2, 1), [2, 2], [(3, 2), (0, 0)], error="sizes must be"),
    batch(S2B, (2, 4, 4, 1), [2**30, 4], [(0, 2**30 - 4), (0, 0)], error="sizes must be"),
    batch(
        S2B,
        (1, 2, 2, 1),
        [2, 2],
        [(0, 0)] * 2,
        np.int16,
        scale={"scale": 0.5, "zero_point": 3},
        error="zero point 0",
    ),
]

CASES = [*DEPTHS, *BATCHES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_space(case: Case, device: str) -> None:
    check(case, device)


def test_blocks_there_and_back() -> None:
    """The plain formulas used above are each other's inverse."""
    x = values((2, 4, 6, 3))
    np.testing.assert_array_equal(to_space(to_depth(x, 2), 2), x)
    assert to_batch(x, [2, 3]).shape == (2 * math.prod([2, 3]), 2, 2, 3)
