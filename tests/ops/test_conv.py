"""CONV_2D against LiteRT, in every type and geometry."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from litegpu.schema.enums import ActivationFunctionType as Act
from litegpu.schema.enums import Padding, TensorType
from litegpu.schema.options import Conv2DOptions

from tests.cases import Arg, Case, check, const, given, out

RANGED = (Act.NONE, Act.RELU, Act.RELU6, Act.RELU_N1_TO_1)


def options(
    padding: Padding = Padding.SAME,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    activation: Act = Act.NONE,
    bias_type: TensorType = TensorType.FLOAT32,
) -> Conv2DOptions:
    return Conv2DOptions(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
        fused_activation_function=activation,
        quantized_bias_type=bias_type,
    )


def floats(*shape: int, seed: int = 0, scale: float = 1.0) -> Any:
    return np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)


def integers(dtype: Any, *shape: int, seed: int = 0) -> Any:
    info = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(info.min, info.max, shape, dtype, endpoint=True)


def float_case(
    name: str, image: tuple[int, ...], kernel: tuple[int, ...], o: Conv2DOptions, role: Any = const
) -> Case:
    x, w, b = floats(*image), floats(*kernel, seed=1), floats(kernel[0], seed=2)
    inputs = [given(x), role(w), role(b)]
    return Case(f"{name} {list(image)} by {list(kernel)}", "CONV_2D", inputs, [out(np.float32)], o)


def weights(dtype: Any, kernel: tuple[int, ...], scales: Any, role: Any = const) -> Arg:
    """Symmetric weights; int4 within its range."""
    if dtype == TensorType.INT4:
        values = np.random.default_rng(1).integers(-8, 8, kernel).astype(np.int8)
        return role(values, dtype=dtype, scale=scales)
    return role(np.maximum(integers(np.int8, *kernel, seed=1), -127), scale=scales)


def quantised_case(
    name: str,
    dtype: Any,
    image: tuple[int, ...],
    kernel: tuple[int, ...],
    o: Conv2DOptions,
    *,
    weight_type: Any = np.int8,
    per_channel: bool = True,
    bias_type: Any = np.int32,
    out_scale: float = 0.7,
    role: Any = const,
) -> Case:
    filters = kernel[0]
    scales = np.linspace(0.004, 0.02, filters) if per_channel else np.array([0.01])
    zero_point = {np.int8: -9, np.uint8: 131, np.int16: 0}[dtype]
    in_scale = 0.0003 if dtype == np.int16 else 0.05
    rng = np.random.default_rng(3)
    bias = rng.integers(-2000, 2000, filters).astype(bias_type)
    if dtype == np.uint8:
        w = role(integers(np.uint8, *kernel, seed=1), scale=0.01, zero_point=117)
        scales = np.array([0.01])
    else:
        w = weights(weight_type, kernel, scales, role)
    inputs = [
        given(integers(dtype, *image), scale=in_scale, zero_point=zero_point),
        w,
        role(bias, scale=in_scale * scales),
    ]
    scale = out_scale * (0.02 if dtype == np.int16 else 1)
    output = out(dtype, scale=scale, zero_point=0 if dtype == np.int16 else zero_point + 3)
    return Case(f"{name} {dtype.__name__}", "CONV_2D", inputs, [output], o, version=8)


def hybrid_case(name: str, dtype: Any, scales: Any, groups: int = 1, depth: int = 6) -> Case:
    kernel = (4, 3, 3, depth)
    w = weights(dtype, kernel, scales)
    inputs = [given(floats(2, 7, 6, depth * groups, scale=3)), w, const(floats(4, seed=2))]
    o = options(activation=Act.RELU6)
    return Case(f"hybrid {name}", "CONV_2D", inputs, [out(np.float32)], o, version=7)


GEOMETRIES = [
    ((2, 9, 8, 3), (5, 3, 3, 3)),
    ((1, 5, 5, 4), (8, 1, 1, 4)),
    ((1, 7, 6, 2), (3, 2, 5, 2)),
    ((1, 1, 40, 3), (4, 1, 7, 3)),
    ((1, 2, 2, 3), (4, 5, 5, 3)),
]
FLOAT_CASES = [
    float_case(
        f"{padding.name} {stride} {dilation}", image, kernel, options(padding, stride, dilation)
    )
    for (image, kernel), padding, (stride, dilation) in product(
        GEOMETRIES,
        Padding,
        [((1, 1), (1, 1)), ((2, 1), (1, 1)), ((3, 2), (1, 1)), ((1, 1), (2, 3))],
    )
    if not (padding == Padding.VALID and min(image[1], image[2]) < 8)
]
CASES = [
    *FLOAT_CASES,
    *(
        float_case(a.name, (1, 6, 6, 3), (4, 3, 3, 3), options(activation=a))
        for a in (*RANGED, Act.TANH)
    ),
    float_case("grouped", (1, 6, 5, 8), (12, 3, 3, 2), options()),
    float_case("a group a channel", (2, 6, 5, 4), (4, 3, 3, 1), options(stride=(2, 2))),
    float_case("grouped pointwise", (2, 4, 5, 6), (9, 1, 1, 2), options()),
    float_case("weights at run time", (1, 6, 6, 3), (4, 3, 3, 3), options(), role=given),
    *(
        float_case("weights at run time, moved", (2, 9, 8, 5), (4, 3, 2, 5), moved, role=given)
        for moved in (
            options(stride=(2, 3)),
            options(Padding.VALID, dilation=(2, 3), activation=Act.RELU),
        )
    ),
    float_case("many tiles", (1, 70, 70, 24), (32, 3, 3, 24), options(stride=(2, 2))),
    float_case("one long row", (1, 1, 5000, 8), (16, 1, 9, 8), options()),
    float_case("many pixels", (3, 90, 90, 16), (24, 1, 1, 16), options(activation=Act.RELU6)),
    float_case("taps far outside", (1, 3, 3, 2), (2, 2, 2, 2), options(dilation=(900, 1))),
    float_case("no image", (0, 4, 4, 2), (2, 3, 3, 2), options()),
    float_case("few pixels", (2, 1, 3, 20), (9, 1, 1, 20), options(activation=Act.RELU6)),
    float_case("one pixel", (1, 1, 1, 33), (6, 1, 1, 33), options()),
    *(
        quantised_case("few pixels", t, (2, 1, 3, 20), (9, 1, 1, 20), options(bias_type=b), **more)
        for t, b, more in [
            (np.uint8, TensorType.FLOAT32, {}),
            (np.int8, TensorType.FLOAT32, {}),
            (np.int8, TensorType.FLOAT32, {"weight_type": TensorType.INT4}),
            (np.int16, TensorType.INT64, {"bias_type": np.int64}),
            (np.int16, TensorType.INT32, {"bias_type": np.int32}),
        ]
    ),
    *(
        quantised_case(
            f"{p.name} {s} {d} {a.name}",
            t,
            (2, 9, 8, 5),
            (6, 3, 3, 5),
            options(p, s, d, a, b),
            **more,
        )
        for (p, s, d, a), (t, b, more) in product(
            [
                (Padding.SAME, (1, 1), (1, 1), Act.NONE),
                (Padding.VALID, (2, 1), (1, 1), Act.RELU),
                (Padding.SAME, (2, 2), (1, 1), Act.RELU6),
                (Padding.SAME, (1, 1), (2, 2), Act.RELU_N1_TO_1),
                (Padding.SAME, (1, 1), (1, 1), Act.TANH),
            ],
            [
                (np.uint8, TensorType.FLOAT32, {}),
                (np.int8, TensorType.FLOAT32, {}),
                (np.int8, TensorType.FLOAT32, {"per_channel": False}),
                (np.int8, TensorType.FLOAT32, {"weight_type": TensorType.INT4}),
                (np.int16, TensorType.INT64, {"bias_type": np.int64}),
                (np.int16, TensorType.INT32, {"bias_type": np.int32}),
                # LiteRT takes an int32 bias of unstated type for int64.
                (np.int16, TensorType.FLOAT32, {"bias_type": np.int32}),
                (np.int16, TensorType.INT64, {"bias_type": np.int64, "per_channel": False}),
            ],
        )
    ),
    quantised_case("pointwise", np.int8, (2, 20, 20, 40), (24, 1, 1, 40), options()),
    quantised_case("deep", np.int8, (1, 4, 4, 700), (8, 3, 3, 700), options(), out_scale=20),
    quantised_case("deepest", np.int8, (1, 2, 2, 4000), (8, 2, 2, 4000), options(), out_scale=20),
    quantised_case("grouped", np.int8, (1, 7, 6, 8), (4, 3, 3, 2), options()),
    quantised_case("grouped", np.uint8, (1, 7, 6, 8), (4, 3, 3, 2), options()),
    quantised_case("at run time", np.int8, (1, 7, 6, 3), (4, 3, 3, 3), options(), role=given),
    quantised_case("at run time", np.uint8, (1, 7, 6, 3), (4, 3, 3, 3), options(), role=given),
    quantised_case("many tiles", np.int8, (1, 64, 64, 16), (16, 3, 3, 16), options(), out_scale=2),
    *(
        quantised_case(f"scale {s}", np.int8, (1, 6, 6, 5), (6, 3, 3, 5), options(), out_scale=s)
        for s in (1e-6, 1e-3, 0.004, 0.1, 30.0, 1e6)
    ),
    *(
        hybrid_case(f"{name} {scales}", dtype, np.linspace(0.01, last, 4))
        for (name, dtype), (scales, last) in product(
            [("int8", np.int8), ("int4", TensorType.INT4)], [("equal", 0.01), ("per channel", 0.05)]
        )
    ),
    hybrid_case("per tensor", np.int8, [0.02]),
    hybrid_case("deep", np.int8, np.linspace(0.01, 0.05, 4), depth=80),
    hybrid_case("grouped", np.int8, np.linspace(0.01, 0.05, 4), groups=2),
]


def broken(name: str, error: str, *, o: Any = None, **changes: Any) -> Case:
    inputs: dict[str, Any] = {"x": floats(1, 4, 4, 4), "w": floats(2, 3, 3, 4), "b": floats(2)}
    inputs.update(changes)
    args = [given(inputs["x"]), const(inputs["w"]), const(inputs["b"])]
    return Case(name, "CONV_2D", args, [out(np.float32)], o or options(), error=error)


CASES += [
    broken("stride 0", "stride 0", o=options(stride=(0, 1))),
    broken("negative dilation", "dilation -1", o=options(dilation=(1, -1))),
    broken("no channels", "no empty one", x=floats(1, 4, 4, 0)),
    broken("no filter", "no empty one", w=floats(2, 3, 0, 4)),
    broken("no groups", "groups", w=floats(2, 3, 3, 3)),
    broken("biases", "biases", b=floats(3)),
    broken("no bias", "biases", b=floats(0)),
    broken("rank", "rank 4", x=floats(4, 4, 4)),
    broken("types", "this op takes", w=np.zeros((2, 3, 3, 4), np.int64)),
    Case(
        "scales",
        "CONV_2D",
        [given(integers(np.int8, 1, 4, 4, 2), scale=1), const(integers(np.int8, 3, 1, 1, 2))],
        [out(np.int8, scale=1)],
        options(),
        error="scales",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_conv(case: Case, device: str) -> None:
    check(case, device)
