"""MediaPipe's custom operators on landmarks: crops of images that follow them, and the way back.

Versions 1 and 2 of an operator differ in their options and in the layout of the landmarks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Array, Shape
from ..schema.enums import TensorType
from .checks import require_inputs, require_rank, valid_shape
from .context import OpContext
from .custom_options import custom_options, integer, number
from .positions import require_within
from .registry import Step, op

Matrix = NDArray[np.float64]

FARTHEST = 100000.0
"""Version 1 starts its bounding box here."""


def integers(ctx: OpContext, options: dict[str, Any], name: str) -> list[int]:
    """The option of this name, a vector of integers."""
    found = options.get(name)
    ctx.require(isinstance(found, list), f"option {name!r} is {found!r}; expected a vector")
    return [integer({name: value}, name) for value in found or []]


def pair(ctx: OpContext, options: dict[str, Any], name: str) -> tuple[int, int]:
    found = integers(ctx, options, name)
    ctx.require(len(found) == 2, f"option {name!r} is {found}; expected two integers")
    return found[0], found[1]


def require_positive(ctx: OpContext, **values: float) -> None:
    for name, value in values.items():
        ctx.require(value > 0, f"{name} is {value}; expected more than 0")


def check_floats(ctx: OpContext, inputs: int) -> None:
    require_inputs(ctx, inputs)
    for i in range(inputs):
        ctx.require_dtype(i, TensorType.FLOAT32)
    found = ctx.output_dtype()
    ctx.require(found == TensorType.FLOAT32, f"the output is {found.name}; expected FLOAT32")


def check_matrix(ctx: OpContext) -> None:
    """Raises OpError unless input 1 holds a 4 x 4 matrix."""
    ctx.require(
        math.prod(ctx.shape(1)) == 16,
        f"the transform has shape {list(ctx.shape(1))}; expected 16 elements",
    )


def crop_size(ctx: OpContext) -> tuple[int, int]:
    """(height, width) of the output of TransformTensorBilinear."""
    options = custom_options(ctx)
    if ctx.node.version > 1:
        return integer(options, "output_height"), integer(options, "output_width")
    mode = options.get("mode", "bilinear")
    ctx.require(mode == "bilinear", f"mode is {mode!r}; expected 'bilinear'")
    return pair(ctx, options, "output_size")


def crop_shape(ctx: OpContext) -> list[Shape]:
    check_floats(ctx, 2)
    require_rank(ctx, 0, 4)
    check_matrix(ctx)
    ctx.require(ctx.shape(0)[0] == 1, f"the batch is {ctx.shape(0)[0]}; expected 1")
    return [valid_shape((1, *crop_size(ctx), ctx.shape(0)[3]))]


@op("TransformTensorBilinear", "TransformTensor", prepare=crop_shape, custom=True)
def transform_tensor_bilinear(ctx: OpContext) -> Step:
    image, matrix, y = ctx.input(0)[0], ctx.input(1).reshape(4, 4), ctx.output()[0]
    height, width = y.shape[:2]
    centred = ctx.node.version > 1
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)

    def step() -> None:
        across, down = (matrix[i].copy() for i in (0, 1))
        if centred:
            for row in (across, down):
                row[3] += np.float32(row[0] * 0.5 + row[1] * 0.5 - 0.5)
        x, y_ = (r[0] * columns + r[1] * rows[:, np.newaxis] + r[3] for r in (across, down))
        np.copyto(y, sample(image, y_, x))

    return step


def sample(image: Array, rows: Array, columns: Array) -> Array:
    """`image` [height, width, channels] between its pixels; 0 where a point lies outside."""
    height, width = image.shape[:2]
    inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
    out = np.zeros((*rows.shape, image.shape[2]), np.float32)
    row, column = rows[inside], columns[inside]
    top, left = np.floor(row).astype(np.intp), np.floor(column).astype(np.intp)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    lower, after = (row - top)[:, np.newaxis], (column - left)[:, np.newaxis]
    upper_line = (1 - after) * image[top, left] + after * image[top, right]
    lower_line = (1 - after) * image[bottom, left] + after * image[bottom, right]
    out[inside] = lower * lower_line + (1 - lower) * upper_line
    return out


def landmark_layout(ctx: OpContext) -> tuple[int, float]:
    """(numbers per landmark, factor of the shift) of TransformLandmarks."""
    if ctx.node.version > 1:
        return ctx.shape(0)[-1], 1.0
    options = custom_options(ctx)
    return integer(options, "dimensions", 3), float(number(options, "scale", 1.0))


def landmarks_shape(ctx: OpContext) -> list[Shape]:
    check_floats(ctx, 2)
    require_rank(ctx, 0, 3 if ctx.node.version > 1 else 4)
    check_matrix(ctx)
    numbers, factor = landmark_layout(ctx)
    ctx.require(numbers in (2, 3), f"landmarks have {numbers} numbers; expected 2 or 3")
    ctx.require(factor != 0, "the scale is 0")
    ctx.require(
        ctx.shape(0)[-1] % numbers == 0,
        f"landmarks of shape {list(ctx.shape(0))} do not divide by {numbers}",
    )
    return [ctx.shape(0)]


@op("TransformLandmarks", prepare=landmarks_shape, custom=True)
def transform_landmarks(ctx: OpContext) -> Step:
    numbers, factor = landmark_layout(ctx)
    x, y = ctx.input(0).reshape(-1, numbers), ctx.output().reshape(-1, numbers)
    matrix = ctx.input(1).reshape(4, 4)
    shift_factor = np.float32(factor)

    def step() -> None:
        np.copyto(y, x)
        for i in (0, 1):
            row = matrix[i]
            y[:, i] = row[0] * x[:, 0] + row[1] * x[:, 1] + row[3] * shift_factor

    return step


def matrix_shape(ctx: OpContext) -> list[Shape]:
    check_floats(ctx, 1)
    require_rank(ctx, 0, 3 if ctx.node.version > 1 else 4)
    options = custom_options(ctx)
    used = [integer(options, f"{side}_rotation_idx") for side in ("left", "right")]
    subset = integers(ctx, options, "subset_idxs" if ctx.node.version > 1 else "subset")
    ctx.require(bool(subset), "the subset of landmarks is empty")
    require_within(np.array(used + subset), math.prod(ctx.shape(0)) // 3, "landmark")
    return [(1, 4, 4)]


@op("Landmarks2TransformMatrix", prepare=matrix_shape, custom=True)
def landmarks_to_transform_matrix(ctx: OpContext) -> Step:
    bind = second_version if ctx.node.version > 1 else first_version
    return bind(ctx, custom_options(ctx))


def points_of(ctx: OpContext) -> Array:
    """The landmarks, [count, 3]."""
    flat = ctx.input(0).reshape(-1)
    return flat[: len(flat) // 3 * 3].reshape(-1, 3)


def turn(radians: float) -> Matrix:
    """The rotation of the plane by an angle."""
    cosine, sine = np.cos(radians), np.sin(radians)
    return np.array([[cosine, -sine], [sine, cosine]], np.float64)


def affine(linear: Matrix, shift: Array) -> Matrix:
    """The 3 x 3 matrix of x -> linear x + shift."""
    found = np.eye(3)
    found[:2, :2], found[:2, 2] = linear, shift
    return found


def store(target: Array, matrix: Matrix) -> None:
    """Writes a 3 x 3 matrix of the plane as a 4 x 4 matrix of space."""
    target[...] = np.eye(4)
    target[:2, :2], target[:2, 3] = matrix[:2, :2], matrix[:2, 2]


def first_version(ctx: OpContext, options: dict[str, Any]) -> Step:
    """A transform between pixels of a crop and of the image it is taken from, corners aligned."""
    ctx.require(integer(options, "dimensions") == 3, "landmarks must have 3 dimensions")
    extent = float(integer(options, "landmarks_range"))
    margin = float(number(options, "bbox_size_multiplier"))
    (in_h, in_w), (out_h, out_w) = (
        pair(ctx, options, f"{side}_hw") for side in ("input", "output")
    )
    require_positive(
        ctx, landmarks_range=extent, input_h=in_h, input_w=in_w, output_h=out_h, output_w=out_w
    )
    ctx.require(margin != 0, "bbox_size_multiplier is 0")
    left, right = (integer(options, f"{side}_rotation_idx") for side in ("left", "right"))
    subset = integers(ctx, options, "subset")
    points, target = points_of(ctx), ctx.output()[0]
    half_input = np.array([in_w - 1, in_h - 1]) / 2

    def step() -> None:
        plane = points[:, :2].astype(np.float64)
        x, y = plane[right] - plane[left]
        angle = -np.arctan(y / x)
        turned = plane[subset] @ turn(angle).T
        high = turned.max(axis=0, initial=-FARTHEST)
        low = turned.min(axis=0, initial=FARTHEST)
        centre = turn(-angle) @ ((high + low) / 2)
        size = (high - low) * margin / extent
        to_relative = affine(np.diag(2 / np.array([out_w - 1.0, out_h - 1.0])), np.array([-1, -1]))
        rotation = affine(turn(-angle), centre / extent * 2 - 1)
        to_absolute = affine(np.diag(half_input), half_input)
        store(target, to_absolute @ rotation @ affine(np.diag(size), np.zeros(2)) @ to_relative)

    return step


def second_version(ctx: OpContext, options: dict[str, Any]) -> Step:
    """A transform from pixels of a crop to the coordinates of the landmarks."""
    goal = float(number(options, "target_rotation_radians"))
    out_h, out_w = integer(options, "output_height"), integer(options, "output_width")
    scales = [float(number(options, f"scale_{axis}")) for axis in "xy"]
    require_positive(
        ctx, output_height=out_h, output_width=out_w, scale_x=scales[0], scale_y=scales[1]
    )
    left, right = (integer(options, f"{side}_rotation_idx") for side in ("left", "right"))
    subset = integers(ctx, options, "subset_idxs")
    points, target = points_of(ctx), ctx.output()[0]
    out_size = np.array([out_w, out_h], np.float64)

    def step() -> None:
        plane = points[:, :2].astype(np.float64)
        x, y = plane[right] - plane[left]
        angle = goal - np.arctan2(y, x)
        turned = plane[subset] @ turn(angle).T
        high, low = turned.max(axis=0), turned.min(axis=0)
        centre = turn(-angle) @ ((high + low) / 2)
        scale = np.diag(np.array(scales) * (high - low) / out_size)
        shift = affine(np.eye(2), -out_size / 2)
        store(target, affine(turn(-angle), centre) @ affine(scale, np.zeros(2)) @ shift)

    return step
