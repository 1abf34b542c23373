"""MediaPipe's custom operators against plain loops and the geometry that they stand for."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers
from litegpu.schema.writer import write_model

from tests.cases import Case, check, feeds, given, model_of, out, run_model

RNG = np.random.default_rng(2021)
SAME, VALID = 1, 2


def floats(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def pool_bytes(padding: int, stride: Any, size: Any, activation: int = 0) -> bytes:
    return struct.pack("<6i", padding, stride[1], stride[0], size[1], size[0], activation)


def pooled(x: Any, padding: int, stride: Any, size: Any, activation: int) -> list[Any]:
    out_size, before = [], []
    for n, s, f in zip(x.shape[1:3], stride, size, strict=True):
        count = math.ceil(n / s) if padding == SAME else (n - f + s) // s
        out_size.append(count)
        before.append(max(0, (count - 1) * s + f - n) // 2)
    best = np.zeros((x.shape[0], *out_size, x.shape[3]), np.float32)
    place = np.zeros_like(best)
    for b, i, j, c in np.ndindex(*best.shape):
        found, where = np.finfo(np.float32).min, 0
        for di in range(size[0]):
            for dj in range(size[1]):
                row, column = i * stride[0] - before[0] + di, j * stride[1] - before[1] + dj
                if not (0 <= row < x.shape[1] and 0 <= column < x.shape[2]):
                    continue
                if x[b, row, column, c] > found:
                    found, where = x[b, row, column, c], di * size[1] + dj
        best[b, i, j, c] = max(0, found) if activation else found
        place[b, i, j, c] = where + 0.1
    return [best, place]


def pool_case(name: str, x: Any, *form: Any, error: str | None = None) -> Case:
    padding, stride, size, activation = (*form, 0)[:4]
    return Case(
        name,
        "MaxPoolingWithArgmax2D",
        [given(x)],
        [out(np.float32), out(np.float32)],
        custom=True,
        custom_options=pool_bytes(padding, stride, size, activation),
        expected=None if error else pooled(x, padding, stride, size, activation),
        error=error,
    )


def unpooled(x: Any, places: Any, stride: Any, size: Any) -> list[Any]:
    batch, height, width, channels = x.shape
    found = np.zeros((batch, height * size[0], width * size[1], channels), np.float32)
    before = [
        max(0, (n - 1) * s + f - n * f) // 2
        for n, s, f in zip(x.shape[1:3], stride, size, strict=True)
    ]
    for b, i, j, c in np.ndindex(*x.shape):
        place = int(places[b, i, j, c])
        row = i * stride[0] - before[0] + place // size[1]
        column = j * stride[1] - before[1] + place % size[1]
        if 0 <= row < found.shape[1] and 0 <= column < found.shape[2]:
            found[b, row, column, c] = x[b, i, j, c]
    return [found]


def unpool_case(
    name: str, x: Any, places: Any, stride: Any, size: Any, error: str | None = None
) -> Case:
    return Case(
        name,
        "MaxUnpooling2D",
        [given(x), given(np.asarray(places, np.float32))],
        [out(np.float32)],
        custom=True,
        custom_options=pool_bytes(SAME, stride, size),
        expected=None if error else unpooled(x, np.asarray(places), stride, size),
        error=error,
    )


ODD = np.array([[[[np.nan], [1], [-np.inf], [-np.inf]]]], np.float32)
POOLS = [
    pool_case("same", floats(2, 5, 7, 3), SAME, (2, 2), (2, 2)),
    pool_case("valid", floats(1, 6, 7, 2), VALID, (1, 2), (3, 2)),
    pool_case("RELU", floats(1, 4, 4, 2) - 1, SAME, (2, 2), (3, 3), 1),
    pool_case("ties", np.zeros((1, 4, 4, 1), np.float32), SAME, (2, 2), (2, 2)),
    pool_case("NaN and Inf", ODD, SAME, (1, 2), (1, 2)),
    pool_case("stride 0", floats(1, 4, 4, 1), SAME, (0, 2), (2, 2), error="positive"),
    pool_case("size 0", floats(1, 4, 4, 1), SAME, (2, 2), (2, 0), error="positive"),
    pool_case("size negative", floats(1, 4, 4, 1), SAME, (2, 2), (2, -1), error="positive"),
    pool_case("padding", floats(1, 4, 4, 1), 0, (2, 2), (2, 2), error="padding is 0"),
    pool_case("activation", floats(1, 4, 4, 1), SAME, (2, 2), (2, 2), 99, error="activation 99"),
    pool_case("rank", floats(4, 4, 1), SAME, (2, 2), (2, 2), error="rank 4"),
    unpool_case(
        "plain", floats(2, 3, 2, 2), RNG.integers(0, 4, (2, 3, 2, 2)) + 0.1, (2, 2), (2, 2)
    ),
    unpool_case("overlap", floats(1, 3, 3, 2), RNG.integers(0, 9, (1, 3, 3, 2)), (2, 2), (3, 3)),
    unpool_case(
        "stride beyond", floats(1, 2, 2, 1), RNG.integers(0, 4, (1, 2, 2, 1)), (4, 4), (2, 2)
    ),
    unpool_case("far places", floats(1, 1, 2, 1), [[[[-9.0], [1000.0]]]], (2, 2), (2, 2)),
    unpool_case("huge", floats(1, 4, 4, 1), np.zeros((1, 4, 4, 1)), (1, 1), (2**30, 2**30), "\\S"),
    unpool_case("shapes", floats(1, 2, 2, 1), np.zeros((1, 2, 1, 1)), (2, 2), (2, 2), "shape"),
]


def custom(name: str, op: str, inputs: Any, version: int, options: Any, **rest: Any) -> Case:
    return Case(
        f"version {version} {name}",
        op,
        [given(np.asarray(x, np.float32)) for x in inputs],
        [out(np.float32)],
        version=version,
        custom=True,
        custom_options=bytes(flexbuffers.Dumps(options)),
        **rest,
    )


def plane(a: Any, shift: Any) -> Any:
    """The 4 x 4 matrix of x -> a x + shift."""
    found = np.eye(4, dtype=np.float32)
    found[:2, :2], found[:2, 3] = a, shift
    return found[np.newaxis]


TURN = np.array([[0.8, -0.6], [0.6, 0.8]])
MARKS = floats(1, 7, 3)
MOVED = np.concatenate([MARKS[..., :2] @ TURN.T + [3, -2], MARKS[..., 2:]], axis=-1).astype("f4")
FLAT = MARKS.reshape(1, 1, 1, 21)
SCALED = MOVED + np.float32([3, -2, 0])

LANDMARKS = [
    custom("3-D", "TransformLandmarks", [MARKS, plane(TURN, (3, -2))], 2, {}, expected=[MOVED]),
    custom(
        "2-D",
        "TransformLandmarks",
        [MARKS[..., :2], plane(TURN, (3, -2))],
        2,
        {},
        expected=[MOVED[..., :2]],
    ),
    custom(
        "scale",
        "TransformLandmarks",
        [FLAT, plane(TURN, (3, -2))],
        1,
        {"dimensions": 3, "scale": 2.0},
        expected=[SCALED.reshape(1, 1, 1, 21)],
    ),
    custom(
        "1-D", "TransformLandmarks", [MARKS[..., :1], plane(TURN, (0, 0))], 2, {}, error="1 num"
    ),
    custom("matrix", "TransformLandmarks", [MARKS, np.eye(3)], 2, {}, error="16 elements"),
    custom("rank", "TransformLandmarks", [FLAT, plane(TURN, (0, 0))], 2, {}, error="rank 3"),
    custom(
        "scale 0",
        "TransformLandmarks",
        [FLAT, plane(TURN, (0, 0))],
        1,
        {"scale": 0.0},
        error="scale",
    ),
    custom(
        "division",
        "TransformLandmarks",
        [FLAT[..., :20], plane(TURN, (0, 0))],
        1,
        {"dimensions": 3},
        error="divide",
    ),
]

IMAGE = floats(1, 6, 8, 2)
RAMP = np.stack(np.meshgrid(np.arange(8), np.arange(6)), axis=-1)[np.newaxis].astype(np.float32)
ZOOM = plane(np.diag([0.5, 0.25]), (1, 2))


def crop(name: str, image: Any, matrix: Any, version: int, size: Any, **rest: Any) -> Case:
    options: Any = {"mode": "bilinear", "output_size": list(size)}
    if version > 1:
        options = {"output_height": size[0], "output_width": size[1]}
    op = "TransformTensorBilinear" if version > 1 else "TransformTensor"
    return custom(name, op, [image, matrix], version, options, **rest)


def ramp_at(points: Any) -> Any:
    """The ramp image holds its own coordinates, wherever it is sampled inside."""
    inside = np.all((points >= 0) & (points <= [7, 5]), axis=-1, keepdims=True)
    return (points * inside)[np.newaxis].astype(np.float32)


GRID = np.stack(np.meshgrid(np.arange(5), np.arange(4)), axis=-1)
CROPS = [
    crop("identity", IMAGE, plane(np.eye(2), (0, 0)), 1, (6, 8), expected=[IMAGE]),
    crop("identity", IMAGE, plane(np.eye(2), (0, 0)), 2, (6, 8), expected=[IMAGE]),
    crop("zoom", RAMP, ZOOM, 1, (4, 5), expected=[ramp_at(GRID * [0.5, 0.25] + [1, 2])]),
    crop(
        "zoom",
        RAMP,
        ZOOM,
        2,
        (4, 5),
        expected=[ramp_at((GRID + 0.5) * [0.5, 0.25] + [1, 2] - 0.5)],
    ),
    crop(
        "beyond",
        RAMP,
        plane(np.eye(2), (5, -1)),
        1,
        (4, 5),
        expected=[ramp_at(GRID + np.array([5, -1]))],
    ),
    crop("NaN", RAMP, ZOOM * np.nan, 2, (2, 2), expected=[np.zeros((1, 2, 2, 2), np.float32)]),
    crop("negative size", IMAGE, ZOOM, 2, (-1, 2), error="-1"),
    crop("huge", IMAGE, ZOOM, 2, (2**30, 2**30), error="limit"),
    crop("batch", floats(2, 3, 3, 1), ZOOM, 2, (2, 2), error="batch"),
    crop("rank", floats(3, 3, 1), ZOOM, 2, (2, 2), error="rank 4"),
    crop("matrix", IMAGE, np.eye(3), 2, (2, 2), error="16 elements"),
    crop("one size", IMAGE, ZOOM, 1, (2,), error="two integers"),
    custom("mode", "TransformTensorBilinear", [IMAGE, ZOOM], 1, {"mode": "nearest"}, error="mode"),
]

SECOND: dict[str, Any] = {
    "left_rotation_idx": 0,
    "right_rotation_idx": 1,
    "target_rotation_radians": 0.0,
    "output_height": 64,
    "output_width": 32,
    "scale_x": 1.5,
    "scale_y": 2.0,
    "subset_idxs": [0, 1, 2, 3],
}
FIRST: dict[str, Any] = {
    "left_rotation_idx": 0,
    "right_rotation_idx": 1,
    "dimensions": 3,
    "landmarks_range": 100,
    "bbox_size_multiplier": 1.5,
    "input_hw": [51, 101],
    "output_hw": [11, 21],
    "subset": [0, 1, 2, 3],
}
# A level box 40 wide and 20 high around (30, 50).
BOX = np.float32([[10, 50, 0], [50, 50, 1], [30, 40, 2], [30, 60, 3], [99, 99, 9]])
ABOUT = {1: (FIRST, (1, 1, 1, 15)), 2: (SECOND, (1, 5, 3))}


def matrix_case(
    name: str, version: int, points: Any = BOX, error: str | None = None, **changes: Any
) -> Case:
    options, shape = ABOUT[version]
    marks = np.asarray(points).reshape(shape)
    return custom(
        name, "Landmarks2TransformMatrix", [marks], version, options | changes, error=error
    )


BAD_MATRICES = [
    matrix_case("left index", version, left_rotation_idx=5, error="out of bounds")
    for version in ABOUT
] + [
    matrix_case("negative index", 2, right_rotation_idx=-1, error="out of bounds"),
    matrix_case("subset index", 2, subset_idxs=[0, 5], error="out of bounds"),
    matrix_case("no subset", 2, subset_idxs=[], error="empty"),
    matrix_case("subset is a number", 1, subset=3, error="vector"),
    matrix_case("output size", 2, output_width=0, error="output_w"),
    matrix_case("scale", 2, scale_x=0.0, error="scale_x"),
    matrix_case("range", 1, landmarks_range=0, error="landmarks_range"),
    matrix_case("multiplier", 1, bbox_size_multiplier=0.0, error="multiplier"),
    matrix_case("dimensions", 1, dimensions=2, error="3 dimensions"),
    matrix_case("input size", 1, input_hw=[0, 5], error="input_h"),
    matrix_case("one size", 1, output_hw=[5], error="two integers"),
]

CASES = [*POOLS, *LANDMARKS, *CROPS, *BAD_MATRICES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_mediapipe(case: Case, device: str) -> None:
    check(case, device)


def matrix_of(case: Case) -> Any:
    [found] = run_model(write_model(model_of(case)), feeds(case))
    assert found.shape == (1, 4, 4)
    np.testing.assert_array_equal(found[0, 2:], [[0, 0, 1, 0], [0, 0, 0, 1]])
    assert not found[0, :2, 2].any()
    return found[0]


def apply(matrix: Any, x: float, y: float) -> list[float]:
    found: list[float] = (matrix[:2, :2] @ [x, y] + matrix[:2, 3]).tolist()
    return found


def test_the_crop_of_version_2_covers_the_scaled_box() -> None:
    matrix = matrix_of(matrix_case("box", 2))
    assert apply(matrix, 16, 32) == pytest.approx([30, 50])
    assert apply(matrix, 0, 0) == pytest.approx([30 - 1.5 * 20, 50 - 2 * 10])
    assert apply(matrix, 32, 64) == pytest.approx([30 + 1.5 * 20, 50 + 2 * 10])


def test_the_crop_of_version_1_covers_the_scaled_box() -> None:
    matrix = matrix_of(matrix_case("box", 1))
    # Landmarks run from 0 to 100, pixels of the input from 0 to 100 across and 0 to 50 down.
    assert apply(matrix, 10, 5) == pytest.approx([30, 25])
    assert apply(matrix, 0, 0) == pytest.approx([30 - 1.5 * 20, 25 - 1.5 * 5])
    assert apply(matrix, 20, 10) == pytest.approx([30 + 1.5 * 20, 25 + 1.5 * 5])


@pytest.mark.parametrize("radians", [-1.2, 0.4, 3.0])
def test_the_crop_turns_with_the_landmarks(radians: float) -> None:
    turn = np.array(
        [[math.cos(radians), -math.sin(radians)], [math.sin(radians), math.cos(radians)]]
    )
    turned = BOX.copy()
    turned[:, :2] = BOX[:, :2] @ turn.T
    straight, found = matrix_of(matrix_case("box", 2)), matrix_of(matrix_case("box", 2, turned))
    np.testing.assert_allclose(found[:2, :2], turn @ straight[:2, :2], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[:2, 3], turn @ straight[:2, 3], rtol=1e-5, atol=1e-4)
