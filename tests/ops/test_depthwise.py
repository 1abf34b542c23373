"""DEPTHWISE_CONV_2D against LiteRT, in every type and geometry."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from litegpu.schema.enums import ActivationFunctionType as Act
from litegpu.schema.enums import Padding, TensorType
from litegpu.schema.options import DepthwiseConv2DOptions

from tests.cases import Case, check, const, given, out
from tests.values import values

OP = "DEPTHWISE_CONV_2D"
ZERO_POINTS = {np.int8: -9, np.uint8: 131, np.int16: 0}


def options(
    padding: Padding = Padding.SAME,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    activation: Act = Act.NONE,
    multiplier: int = 1,
) -> DepthwiseConv2DOptions:
    return DepthwiseConv2DOptions(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
        depth_multiplier=multiplier,
        fused_activation_function=activation,
    )


def float_case(
    name: str,
    image: tuple[int, ...],
    size: tuple[int, int],
    o: DepthwiseConv2DOptions,
    role: Any = const,
) -> Case:
    filters = image[3] * o.depth_multiplier
    inputs = [
        given(values(image)),
        role(values((1, *size, filters), seed=1)),
        role(values((filters,), seed=2)),
    ]
    return Case(f"{name} {list(image)} by {list(size)}", OP, inputs, [out(np.float32)], o)


def quantised_case(
    name: str,
    dtype: Any,
    image: tuple[int, ...],
    size: tuple[int, int],
    o: DepthwiseConv2DOptions,
    *,
    per_channel: bool = True,
    weight_type: Any = np.int8,
    role: Any = const,
    out_scale: float = 0.3,
) -> Case:
    filters = image[3] * o.depth_multiplier
    kernel = (1, *size, filters)
    scales = np.linspace(0.004, 0.02, filters) if per_channel else np.array([0.01])
    in_scale = 0.0003 if dtype == np.int16 else 0.05
    if dtype == np.uint8:
        scales = np.array([0.01])
        w = role(values(kernel, np.uint8, 1), scale=0.01, zero_point=117)
    else:
        stored = values(kernel, weight_type, 1)
        w = role(np.maximum(stored, -127), dtype=weight_type, scale=scales, axis=3)
    bias = np.random.default_rng(3).integers(-2000, 2000, filters)
    inputs = [
        given(values(image, dtype), scale=in_scale, zero_point=ZERO_POINTS[dtype]),
        w,
        role(bias.astype(np.int64 if dtype == np.int16 else np.int32), scale=in_scale * scales),
    ]
    scale = out_scale * (0.02 if dtype == np.int16 else 1)
    shift = 0 if dtype == np.int16 else ZERO_POINTS[dtype] + 3
    output = out(dtype, scale=scale, zero_point=shift)
    return Case(f"{name} {np.dtype(dtype).name}", OP, inputs, [output], o, version=6)


def hybrid_case(name: str, image: tuple[int, ...], o: DepthwiseConv2DOptions) -> Case:
    filters = image[3] * o.depth_multiplier
    stored = np.maximum(values((1, 3, 3, filters), np.int8, 1), -127)
    inputs = [
        given(values(image)),
        const(stored, scale=np.linspace(0.004, 0.02, filters), axis=3),
        const(values((filters,), seed=2)),
    ]
    return Case(f"hybrid {name}", OP, inputs, [out(np.float32)], o, version=6)


GEOMETRIES = [
    ((1, 1), (1, 1)),
    ((2, 1), (1, 1)),
    ((2, 2), (1, 1)),
    ((3, 4), (1, 1)),
    ((1, 1), (3, 2)),
]
SIZES = [((2, 9, 8, 5), (3, 3)), ((1, 10, 12, 40), (5, 2)), ((1, 9, 9, 1), (3, 3))]
QUANTISED: list[tuple[Any, dict[str, Any]]] = [
    (np.uint8, {}),
    (np.int8, {}),
    (np.int8, {"per_channel": False}),
    (np.int8, {"weight_type": TensorType.INT4}),
    (np.int16, {}),
]
CASES = [
    *(
        float_case(f"{p.name} {s} {d}", image, size, options(p, s, d))
        for (image, size), p, (s, d) in product(SIZES, Padding, GEOMETRIES)
        if p == Padding.SAME or (size[0] - 1) * d[0] < image[1]
    ),
    *(
        float_case(a.name, (1, 6, 6, 3), (3, 3), options(activation=a))
        for a in (Act.RELU, Act.RELU6, Act.RELU_N1_TO_1, Act.TANH)
    ),
    *(
        float_case(f"multiplier {m}", (1, 6, 7, c), (3, 2), options(stride=(2, 2), multiplier=m))
        for m, c in product((2, 5), (1, 3))
    ),
    float_case("weights at run time", (1, 6, 6, 3), (3, 3), options(), given),
    float_case("many tiles", (2, 60, 60, 48), (3, 3), options(stride=(2, 2))),
    float_case("one long row", (1, 1, 3000, 20), (1, 5), options()),
    float_case("wide channels", (1, 4, 4, 1500), (3, 3), options()),
    float_case("stride beyond", (1, 5, 5, 4), (3, 3), options(stride=(7, 9))),
    float_case("taps far outside", (1, 3, 3, 2), (2, 3), options(dilation=(900, 700))),
    float_case("no image", (0, 4, 4, 2), (3, 3), options()),
    *(
        quantised_case(
            f"{p.name} {s} {a.name} {list(image)}",
            t,
            image,
            (3, 3),
            options(p, s, (1, 1), a),
            **more,
        )
        for (t, more), (p, s, a), image in product(
            QUANTISED,
            [
                (Padding.SAME, (1, 1), Act.NONE),
                (Padding.VALID, (2, 1), Act.RELU),
                (Padding.SAME, (2, 2), Act.RELU6),
            ],
            [(2, 9, 8, 5), (1, 8, 8, 1)],
        )
        if not (t == np.int16 and more)
    ),
    quantised_case("multiplier", np.int8, (1, 6, 6, 3), (3, 3), options(multiplier=2)),
    quantised_case("multiplier", np.uint8, (1, 6, 6, 3), (3, 3), options(multiplier=2)),
    quantised_case("dilated", np.int8, (1, 9, 9, 3), (3, 3), options(dilation=(2, 3))),
    quantised_case("large", np.int8, (1, 30, 30, 6), (25, 25), options(), out_scale=4),
    quantised_case("many tiles", np.int8, (2, 64, 64, 32), (3, 3), options()),
    quantised_case("at run time", np.int8, (1, 9, 9, 3), (3, 3), options(), role=given),
    *(
        quantised_case(f"scale {s}", np.int8, (1, 6, 6, 3), (3, 3), options(), out_scale=s)
        for s in (1e-6, 1e-3, 0.004, 30.0, 1e6)
    ),
    *(hybrid_case(f"{s}", (2, 7, 8, 5), options(stride=s)) for s in ((1, 1), (2, 2))),
    hybrid_case("multiplier", (2, 7, 8, 3), options(multiplier=2)),
    hybrid_case("one channel", (2, 7, 8, 1), options(multiplier=3)),
]


def broken(name: str, error: str, *, o: Any = None, **changes: Any) -> Case:
    inputs: dict[str, Any] = {
        "x": values((1, 4, 4, 4)),
        "w": values((1, 3, 3, 4)),
        "b": values((4,)),
    }
    inputs.update(changes)
    args = [given(inputs["x"]), const(inputs["w"]), const(inputs["b"])]
    return Case(name, OP, args, [out(np.float32)], o or options(), error=error)


CASES += [
    broken("stride 0", "stride 0", o=options(stride=(0, 1))),
    broken("dilation 0", "dilation 0", o=options(dilation=(1, 0))),
    broken("no channels", "no empty one", x=values((1, 4, 4, 0))),
    broken("channels", "a multiple of 4", w=values((1, 3, 3, 6))),
    broken("batch of filters", "expected \\[1", w=values((2, 3, 3, 4))),
    broken("biases", "biases", b=values((3,))),
    broken("types", "this op takes", w=np.zeros((1, 3, 3, 4), np.int64)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_depthwise(case: Case, device: str) -> None:
    check(case, device)
