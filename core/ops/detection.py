"""TFLite_Detection_PostProcess: the boxes that a detector encodes, decoded and thinned out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..graph import Array, Shape
from ..schema.enums import TensorType
from . import heap
from .checks import require_inputs, require_rank, valid_shape
from .context import OpContext
from .custom_options import custom_options, integer, number
from .non_max_suppression import Floats, areas, overlaps
from .quantized import per_tensor
from .registry import Step, op
from .topk import place_of_extreme

DETECTIONS_PER_CLASS = 100


@dataclass(frozen=True, slots=True)
class DetectionOptions:
    """`scales`: of y, x, height and width."""

    detections: int
    classes_per_detection: int
    detections_per_class: int
    per_class: bool
    least_score: float
    largest_overlap: float
    classes: int
    scales: tuple[float, float, float, float]


def detection_options(ctx: OpContext) -> DetectionOptions:
    """The node's options, each within bounds; raises OpError otherwise."""
    options = custom_options(ctx)
    y, x, h, w = (float(number(options, f"{side}_scale")) for side in "yxhw")
    found = DetectionOptions(
        integer(options, "max_detections"),
        integer(options, "max_classes_per_detection"),
        integer(options, "detections_per_class", DETECTIONS_PER_CLASS),
        bool(number(options, "use_regular_nms")),
        float(number(options, "nms_score_threshold")),
        float(number(options, "nms_iou_threshold")),
        integer(options, "num_classes"),
        (y, x, h, w),
    )
    for name, value, least in (
        ("max_detections", found.detections, 0),
        ("max_classes_per_detection", found.classes_per_detection, 0 if found.per_class else 1),
        ("num_classes", found.classes, 1),
    ):
        ctx.require(value >= least, f"{name} is {value}; expected at least {least}")
    ctx.require(
        not found.per_class or min(found.detections_per_class, found.detections) > 0,
        f"detections_per_class is {found.detections_per_class}, max_detections "
        f"{found.detections}; expected more than 0",
    )
    ctx.require(
        0 < found.largest_overlap <= 1,
        f"nms_iou_threshold is {found.largest_overlap}; expected more than 0, at most 1",
    )
    return found


def detection_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    options = detection_options(ctx)
    for i, rank in ((0, 3), (1, 3), (2, 2)):
        ctx.require_dtype(i, TensorType.FLOAT32, TensorType.UINT8)
        require_rank(ctx, i, rank)
    ctx.require_dtype(2, ctx.dtype(0))
    encodings, scores, anchors = ctx.shape(0), ctx.shape(1), ctx.shape(2)
    boxes = encodings[1]
    ctx.require(
        encodings[0] == 1 and encodings[2] >= 4,
        f"box encodings have shape {list(encodings)}; expected [1, boxes, at least 4]",
    )
    ctx.require(
        scores[:2] == (1, boxes) and 0 <= scores[2] - options.classes <= 1,
        f"scores have shape {list(scores)}; expected [1, {boxes}, {options.classes} or one more]",
    )
    ctx.require(
        anchors[0] >= boxes and anchors[1] == 4,
        f"anchors have shape {list(anchors)}; expected [{boxes}, 4]",
    )
    for j in range(4):
        found = ctx.output_dtype(j)
        ctx.require(found == TensorType.FLOAT32, f"output {j} is {found.name}; expected FLOAT32")
    count = options.detections * options.classes_per_detection
    if options.per_class:
        ctx.require(count >= options.detections, "max_classes_per_detection is 0")
    valid_shape((count,))
    return [(1, count, 4), (1, count), (1, count), (1,)]


@op("TFLite_Detection_PostProcess", prepare=detection_shape, custom=True)
def detection_postprocess(ctx: OpContext) -> Step:
    options = detection_options(ctx)
    boxes = ctx.shape(0)[1]
    encodings, scores, anchors = real(ctx, 0), real(ctx, 1), real(ctx, 2)
    select = per_class_detections if options.per_class else per_box_detections
    outputs = [ctx.output(j) for j in range(4)]

    def step() -> None:
        corners = decode_boxes(encodings()[0, :, :4], anchors()[:boxes], options.scales)
        ctx.require(
            not np.any((corners[:, 0] > corners[:, 2]) | (corners[:, 1] > corners[:, 3])),
            "a decoded box has a negative height or width",
        )
        found = select(corners, scores()[0], options)
        for output, values in zip(
            outputs, (found.corners, found.classes, found.scores), strict=False
        ):
            target = output[0]
            target.fill(0)
            target[found.places] = values
        outputs[3].fill(found.count)

    return step


class _Real:
    """The values of an input as float32, dequantised where it is uint8."""

    def __init__(self, x: Array, scale: float, zero_point: int) -> None:
        self._x, self._scale, self._zero_point = x, np.float32(scale), np.float32(zero_point)

    def __call__(self) -> Floats:
        if self._x.dtype == np.float32:
            return self._x
        return (self._x.astype(np.float32) - self._zero_point) * self._scale


def real(ctx: OpContext, i: int) -> _Real:
    scale, zero_point = per_tensor(ctx.tensor(i)) if ctx.dtype(i) == TensorType.UINT8 else (1.0, 0)
    return _Real(ctx.input(i), scale, zero_point)


def decode_boxes(
    encodings: Floats, anchors: Floats, scales: tuple[float, float, float, float]
) -> Floats:
    """Corners (y low, x low, y high, x high) of boxes given as centre and size against anchors.

    Computed in float64 and rounded to float32 where the reference does.
    """
    sizes = np.array(scales, np.float32).astype(np.float64)
    given, anchor = encodings.astype(np.float64) / sizes, anchors.astype(np.float64)
    centre = (given[:, :2] * anchor[:, 2:] + anchor[:, :2]).astype(np.float32)
    half = (0.5 * np.exp(given[:, 2:]) * anchor[:, 2:]).astype(np.float32)
    return np.concatenate([centre - half, centre + half], axis=1)


@dataclass(frozen=True, slots=True)
class Detections:
    """What goes to which places of the outputs; `count` boxes are reported."""

    places: NDArray[np.intp]
    corners: Floats
    classes: Array
    scores: Floats
    count: int


def suppress_class(
    corners: Floats, area: Floats, scores: Floats, options: DetectionOptions, most: int
) -> NDArray[np.intp]:
    """At most `most` boxes, best first, none overlapping a better one too much."""
    kept = np.flatnonzero(scores >= np.float32(options.least_score))
    order = kept[np.argsort(-scores[kept], kind="stable")]
    limit = np.float32(options.largest_overlap)
    chosen: list[int] = []
    while len(order) and len(chosen) < most:
        best, order = int(order[0]), order[1:]
        chosen.append(best)
        order = order[~(overlaps(corners, order, best, area) > limit)]
    return np.array(chosen, np.intp)


def per_class_detections(corners: Floats, scores: Floats, options: DetectionOptions) -> Detections:
    """The best boxes over all classes ("regular"): suppression within each class, then a merge."""
    first = scores.shape[1] - options.classes
    most = min(options.detections_per_class, options.detections)
    area = areas(corners)
    boxes = classes = np.zeros(0, np.intp)
    values = np.zeros(0, np.float32)
    for label in range(options.classes):
        column = np.ascontiguousarray(scores[:, first + label])
        chosen = suppress_class(corners, area, column, options, most)
        if not len(chosen):
            continue
        merged = np.concatenate([values, column[chosen]])
        order = np.argsort(-merged, kind="stable")[: options.detections]
        values = merged[order]
        boxes = np.concatenate([boxes, chosen])[order]
        classes = np.concatenate([classes, np.full(len(chosen), label, np.intp)])[order]
    return Detections(np.arange(len(boxes)), corners[boxes], classes, values, len(boxes))


def per_box_detections(corners: Floats, scores: Floats, options: DetectionOptions) -> Detections:
    """The best boxes by their best class ("fast"), each with its best few classes."""
    labels = scores[:, scores.shape[1] - options.classes :]
    most = min(options.classes_per_detection, options.classes)
    best = labels[np.arange(len(labels)), place_of_extreme(labels, 1, largest=True)]
    chosen = suppress_class(corners, areas(corners), best, options, options.detections)
    classes = np.array([best_classes(labels[i], most) for i in chosen], np.intp)
    classes = classes.reshape(len(chosen), most)
    places = np.arange(len(chosen))[:, np.newaxis] * options.classes_per_detection
    return Detections(
        (places + np.arange(most)).reshape(-1),
        np.repeat(corners[chosen], most, axis=0),
        classes.reshape(-1),
        labels[chosen[:, np.newaxis], classes].reshape(-1),
        len(chosen),
    )


def best_classes(scores: Floats, count: int) -> list[int]:
    """The `count` best classes, equal ones in the order in which the reference leaves them."""
    if count == 1:
        return [int(place_of_extreme(scores, 0, largest=True))]
    values = scores.tolist()
    return heap.partial_sort(range(len(values)), count, lambda a, b: values[a] > values[b])
