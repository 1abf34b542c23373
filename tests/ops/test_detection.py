"""Non-maximum suppression and TFLite_Detection_PostProcess: ties, boxes without area, options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers
from litegpu.schema.writer import write_model

from tests import oracle
from tests.cases import Case, check, const, feeds, given, model_of, out, run_model
from tests.tolerance import assert_close

RNG = np.random.default_rng(120)


def suppression_case(
    name: str,
    boxes: Any,
    scores: Any,
    *,
    most: int = 10,
    overlap: float = 0.5,
    least: float = 0.0,
    sigma: float | None = None,
    constant: bool = True,
    **rest: Any,
) -> Case:
    count = const(np.int32(most)) if constant else given(np.int32(most))
    inputs = [given(np.asarray(boxes, np.float32)), given(np.asarray(scores, np.float32)), count]
    inputs += [const(np.float32(overlap)), const(np.float32(least))]
    outputs = [out(np.int32), out(np.int32)]
    if sigma is not None:
        inputs.append(const(np.float32(sigma)))
        outputs.insert(1, out(np.float32))
    op = "NON_MAX_SUPPRESSION_V4" if sigma is None else "NON_MAX_SUPPRESSION_V5"
    return Case(name, op, inputs, outputs, **rest)


def boxes(count: int, flat: float = 0.0) -> Any:
    found = RNG.uniform(0, 1, (count, 4)).astype(np.float32)
    found[RNG.random(count) < flat] = 0.5
    return found


def tied(count: int) -> Any:
    return (RNG.integers(0, 5, count) / 4).astype(np.float32)


EDGE = np.array([[0, 0, 1, 1], [0, 0, np.inf, 1], [np.nan, 0, 1, 1], [0, 0, 1, 0.5]], np.float32)

SUPPRESSION = [
    case
    for sigma in (None, 0.0, 0.4)
    for case in (
        suppression_case(f"sigma {sigma}", boxes(40), RNG.random(40), sigma=sigma),
        suppression_case(f"sigma {sigma} ties", boxes(40), tied(40), sigma=sigma, most=40),
        suppression_case(f"sigma {sigma} no area", boxes(30, 0.4), tied(30), sigma=sigma),
        suppression_case(f"sigma {sigma} least", boxes(40), RNG.random(40), sigma=sigma, least=0.6),
        suppression_case(f"sigma {sigma} all", boxes(9), RNG.random(9), sigma=sigma, overlap=1.5),
        suppression_case(
            f"sigma {sigma} count given at run time",
            boxes(9),
            RNG.random(9),
            sigma=sigma,
            constant=False,
        ),
        suppression_case(
            f"sigma {sigma} nothing wanted", boxes(5), tied(5), sigma=sigma, most=1, least=9
        ),
        suppression_case(f"sigma {sigma} edges", EDGE, [0.5, 0.4, 0.3, 0.2], sigma=sigma, most=4),
        suppression_case(
            f"sigma {sigma} negative count", boxes(3), tied(3), sigma=sigma, most=-1, error="-1"
        ),
        suppression_case(f"sigma {sigma} scores", boxes(3), tied(4), sigma=sigma, error="scores"),
        suppression_case(
            f"sigma {sigma} sides", np.zeros((3, 5)), tied(3), sigma=sigma, error="5 coord"
        ),
    )
] + [
    suppression_case("many boxes", boxes(2000), RNG.permutation(2000) / 2000, most=100),
    suppression_case("negative sigma", boxes(3), tied(3), sigma=-1.0, error="sigma"),
    suppression_case(
        "no boxes",
        np.zeros((0, 4)),
        np.zeros(0),
        most=2,
        expected=[np.zeros(2, np.int32), np.int32(0)],
    ),
]


DEFAULTS: dict[str, Any] = {
    "max_detections": 8,
    "max_classes_per_detection": 1,
    "detections_per_class": 5,
    "use_regular_nms": False,
    "nms_score_threshold": 0.1,
    "nms_iou_threshold": 0.5,
    "num_classes": 3,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
}


def detection_case(
    name: str,
    *,
    count: int = 30,
    background: int = 1,
    quantized: bool = False,
    sides: int = 4,
    anchors: int | None = None,
    raw: bytes | None = None,
    error: str | None = None,
    without: tuple[str, ...] = (),
    **options: Any,
) -> Case:
    chosen = {k: v for k, v in (DEFAULTS | options).items() if k not in without}
    classes = DEFAULTS["num_classes"] + background
    rows = count if anchors is None else anchors
    scores = RNG.integers(0, 9, (1, count, classes))
    if quantized:
        inputs = [
            given(
                RNG.integers(0, 256, (1, count, sides)).astype(np.uint8), scale=0.1, zero_point=128
            ),
            given((scores * 20).astype(np.uint8), scale=1 / 256),
            const(RNG.integers(0, 256, (rows, 4)).astype(np.uint8), scale=1 / 256),
        ]
    else:
        inputs = [
            given(RNG.normal(0, 3, (1, count, sides)).astype(np.float32)),
            given((scores / 9).astype(np.float32)),
            const(RNG.uniform(0, 1, (rows, 4)).astype(np.float32)),
        ]
    return Case(
        name,
        "TFLite_Detection_PostProcess",
        inputs,
        [out(np.float32)] * 4,
        custom=True,
        custom_options=bytes(flexbuffers.Dumps(chosen)) if raw is None else raw,
        error=error,
    )


DETECTION = [
    case
    for quantized in (False, True)
    for regular in (False, True)
    for case in (
        detection_case(
            f"{'regular' if regular else 'fast'} {'uint8' if quantized else 'float'} {name}",
            quantized=quantized,
            use_regular_nms=regular,
            **rest,
        )
        for name, rest in {
            "plain": {},
            "without background": {"background": 0},
            "key points": {"sides": 8},
            "spare anchors": {"anchors": 40},
            "no overlap allowed": {"nms_iou_threshold": 1e-6},
            "all overlap allowed": {"nms_iou_threshold": 1.0, "max_detections": 40},
            "few pass": {"nms_score_threshold": 0.9},
            "none pass": {"nms_score_threshold": 2.0},
            "default per class": {"without": ("detections_per_class",), "max_detections": 20},
        }.items()
    )
] + [
    *(
        detection_case(f"ties among classes {i}", max_classes_per_detection=i % 3 + 1, count=60)
        for i in range(6)
    ),
    detection_case(
        "more classes a box, regular", max_classes_per_detection=2, use_regular_nms=True
    ),
    detection_case("more classes a box than there are", max_classes_per_detection=5),
    detection_case("integers for reals", y_scale=10, nms_iou_threshold=1, nms_score_threshold=0),
]

ERRORS = [
    detection_case(name, error=error, **rest)
    for name, error, rest in (
        ("no options", "FlexBuffers", {"raw": b""}),
        ("no FlexBuffer", "FlexBuffer", {"raw": b"\x00\xff\xff\xff"}),
        ("short", "FlexBuffer", {"raw": b"\x01"}),
        ("no map", "FlexBuffers map", {"raw": bytes(flexbuffers.Dumps([1, 2, 3]))}),
        ("text", "expected a number", {"max_detections": "many"}),
        ("list", "expected a number", {"num_classes": [1]}),
        ("negative detections", "max_detections", {"max_detections": -1}),
        ("huge detections", "limit|2\\^31", {"max_detections": 2**31 - 1}),
        (
            "product beyond int32",
            "2\\^31",
            {"max_detections": 2**20, "max_classes_per_detection": 2**20},
        ),
        ("beyond int64", "2\\^31|limit", {"max_detections": 2**63 - 1}),
        ("NaN", "integer", {"max_detections": float("nan")}),
        ("no classes", "num_classes", {"num_classes": 0}),
        ("classes do not fit", "scores", {"num_classes": 1}),
        ("more classes than scores", "scores", {"num_classes": 5}),
        ("no classes a box", "max_classes", {"max_classes_per_detection": 0}),
        ("negative per class", "per_class", {"detections_per_class": -1, "use_regular_nms": True}),
        ("overlap 0", "iou", {"nms_iou_threshold": 0.0}),
        ("overlap above 1", "iou", {"nms_iou_threshold": 1.5}),
        ("overlap NaN", "iou", {"nms_iou_threshold": float("nan")}),
        ("few anchors", "anchors", {"anchors": 29}),
        ("three sides", "encodings", {"sides": 3}),
    )
]

CASES = [*SUPPRESSION, *ERRORS, *DETECTION]


@pytest.mark.parametrize("case", [*SUPPRESSION, *ERRORS], ids=str)
def test_detection(case: Case, device: str) -> None:
    check(case, device)


@pytest.mark.parametrize("case", DETECTION, ids=str)
def test_detections_are_the_references(case: Case, device: str) -> None:
    """What lies beyond the reported boxes LiteRT leaves as it was; litegpu has zeros there."""
    content, inputs = write_model(model_of(case)), feeds(case)
    got = run_model(content, inputs, device)
    expected = oracle.run(content, inputs)
    reported = int(expected[3][0])
    assert_close(got[3], expected[3])
    options = flexbuffers.Loads(bytearray(case.custom_options))
    classes = options["max_classes_per_detection"]
    filled = np.arange(reported)
    if not options["use_regular_nms"]:
        used = np.arange(min(classes, options["num_classes"]))
        filled = (filled[:, np.newaxis] * classes + used).ravel()
    for g, e in zip(got[:3], expected[:3], strict=True):
        assert_close(g[:, filled], e[:, filled], str(case))
        assert not np.delete(g, filled, axis=1).any()


def test_every_truncation_of_the_options_raises_or_runs() -> None:
    whole = detection_case("whole")
    for end in range(len(whole.custom_options)):
        for raw in (whole.custom_options[:end], whole.custom_options[end:]):
            content = write_model(model_of(detection_case("part", raw=raw)))
            try:
                run_model(content, feeds(whole))
            except (RuntimeError, ValueError):
                continue
