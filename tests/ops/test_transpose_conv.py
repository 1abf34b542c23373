"""TRANSPOSE_CONV against LiteRT; MediaPipe's custom form against a sum over taps."""

from __future__ import annotations

import struct
from itertools import product
from typing import Any

import numpy as np
import pytest
from litegpu.schema.enums import ActivationFunctionType as Act
from litegpu.schema.enums import Padding, TensorType
from litegpu.schema.options import TransposeConvOptions

from tests.cases import Case, check, const, given, out
from tests.values import values, vector

OP = "TRANSPOSE_CONV"
ZERO_POINTS = {np.int8: -9, np.uint8: 131, np.int16: 0}


def options(
    padding: Padding,
    stride: tuple[int, int],
    activation: Act = Act.NONE,
    bias_type: TensorType = TensorType.FLOAT32,
) -> TransposeConvOptions:
    return TransposeConvOptions(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        fused_activation_function=activation,
        quantized_bias_type=bias_type,
    )


def sizes(image: tuple[int, ...], kernel: tuple[int, ...], o: TransposeConvOptions) -> Any:
    """The largest output that the forward convolution would take to `image`."""
    out_sizes = [
        n * s if o.padding == Padding.SAME else (n - 1) * s + k
        for n, s, k in zip(image[1:3], (o.stride_h, o.stride_w), kernel[1:3], strict=True)
    ]
    return vector(image[0], *out_sizes, kernel[0])


def float_case(
    name: str,
    image: tuple[int, ...],
    kernel: tuple[int, ...],
    o: TransposeConvOptions,
    *,
    bias: bool = True,
    shape_role: Any = const,
    role: Any = const,
) -> Case:
    inputs = [
        shape_role(sizes(image, kernel, o)),
        role(values(kernel, seed=1)),
        given(values(image)),
    ]
    if bias:
        inputs.append(role(values(kernel[:1], seed=2)))
    return Case(f"{name} {list(image)} {list(kernel)}", OP, inputs, [out(np.float32)], o, version=4)


def quantised_case(
    name: str,
    dtype: Any,
    o: TransposeConvOptions,
    *,
    image: tuple[int, ...] = (2, 4, 5, 6),
    kernel: tuple[int, ...] = (7, 3, 3, 6),
    per_channel: bool = True,
    bias_type: Any = np.int32,
    role: Any = const,
    out_scale: float = 0.6,
) -> Case:
    filters = kernel[0]
    scales = np.linspace(0.004, 0.02, filters) if per_channel else np.array([0.01])
    in_scale = 0.0003 if dtype == np.int16 else 0.05
    if dtype == np.uint8:
        scales = np.array([0.01])
        w = role(values(kernel, np.uint8, 1), scale=0.01, zero_point=117)
    else:
        w = role(np.maximum(values(kernel, np.int8, 1), -127), scale=scales)
    inputs = [const(sizes(image, kernel, o)), w]
    inputs.append(given(values(image, dtype), scale=in_scale, zero_point=ZERO_POINTS[dtype]))
    if bias_type is not None:
        bias = np.random.default_rng(3).integers(-2000, 2000, filters)
        inputs.append(role(bias.astype(bias_type), scale=in_scale * scales))
    shift = 0 if dtype == np.int16 else ZERO_POINTS[dtype] + 3
    scale = out_scale * (0.02 if dtype == np.int16 else 1)
    output = out(dtype, scale=scale, zero_point=shift)
    return Case(f"{name} {np.dtype(dtype).name}", OP, inputs, [output], o, version=5)


def hybrid_case(name: str, scales: Any) -> Case:
    image, kernel, o = (2, 4, 5, 6), (4, 3, 3, 6), options(Padding.SAME, (2, 2))
    stored = np.maximum(values(kernel, np.int8, 1), -127)
    inputs = [const(sizes(image, kernel, o)), const(stored, scale=scales), given(values(image))]
    return Case(f"hybrid {name}", OP, inputs, [out(np.float32)], o, version=5)


def mediapipe_case(padding: int, stride: tuple[int, int], kernel: tuple[int, ...]) -> Case:
    image = (2, 4, 3, 5)
    x, w, b = values(image), values(kernel, seed=1), values(kernel[:1], seed=2)
    cut = [
        max(0, k - (n - 1) % s - 1) if padding == 1 else 0
        for n, s, k in zip(image[1:3], stride, kernel[1:3], strict=True)
    ]
    height, width = (
        (n - 1) * s + k for n, s, k in zip(image[1:3], stride, kernel[1:3], strict=True)
    )
    full = np.zeros((2, height, width, kernel[0]))
    for i, j in np.ndindex(kernel[1:3]):
        sent = np.einsum("bhwc,oc->bhwo", x, w[:, i, j], dtype=np.float64)
        full[:, i : i + 3 * stride[0] + 1 : stride[0], j : j + 2 * stride[1] + 1 : stride[1]] += (
            sent
        )
    top, left = cut[0] // 2, cut[1] // 2
    expected = full[:, top : top + height - cut[0], left : left + width - cut[1]] + b
    return Case(
        f"padding {padding} stride {stride}",
        "Convolution2DTransposeBias",
        [given(x), const(w), const(b)],
        [out(np.float32)],
        custom=True,
        custom_options=struct.pack("<4i", padding, stride[1], stride[0], 0),
        expected=[expected.astype(np.float32)],
    )


TYPES: list[tuple[Any, TensorType, dict[str, Any]]] = [
    (np.uint8, TensorType.FLOAT32, {}),
    (np.int8, TensorType.FLOAT32, {}),
    (np.int8, TensorType.FLOAT32, {"per_channel": False}),
    (np.int16, TensorType.INT64, {"bias_type": np.int64}),
    (np.int16, TensorType.INT32, {"bias_type": np.int32}),
    (np.int16, TensorType.FLOAT32, {"bias_type": None}),
    (np.int8, TensorType.FLOAT32, {"bias_type": None}),
]
CASES = [
    *(
        float_case(f"{p.name} {s}", image, kernel, options(p, s), bias=bias)
        for p, s, (image, kernel), bias in product(
            Padding,
            [(1, 1), (2, 2), (3, 1)],
            [
                ((2, 4, 5, 3), (4, 3, 3, 3)),
                ((1, 3, 3, 5), (2, 2, 5, 5)),
                ((1, 6, 6, 2), (3, 1, 1, 2)),
            ],
            (True, False),
        )
    ),
    *(
        float_case(a.name, (1, 4, 4, 3), (4, 3, 3, 3), options(Padding.SAME, (2, 2), a))
        for a in (Act.RELU, Act.RELU6, Act.RELU_N1_TO_1)
    ),
    float_case(
        "run-time shape",
        (1, 4, 4, 3),
        (4, 3, 3, 3),
        options(Padding.SAME, (2, 2)),
        shape_role=given,
    ),
    float_case(
        "run-time weights", (1, 4, 4, 3), (4, 3, 3, 3), options(Padding.SAME, (2, 2)), role=given
    ),
    *(
        quantised_case(f"{p.name} {s} {a.name}", t, options(p, s, a, b), **more)
        for (p, s, a), (t, b, more) in product(
            [
                (Padding.SAME, (2, 2), Act.NONE),
                (Padding.VALID, (1, 2), Act.RELU),
                (Padding.SAME, (1, 1), Act.RELU6),
            ],
            TYPES,
        )
    ),
    quantised_case("run-time weights", np.int8, options(Padding.SAME, (2, 2)), role=given),
    *(
        quantised_case(f"scale {s}", np.int8, options(Padding.SAME, (2, 2)), out_scale=s)
        for s in (1e-6, 1e-3, 30.0, 1e6)
    ),
    quantised_case(
        "deep",
        np.int8,
        options(Padding.SAME, (2, 2)),
        image=(1, 3, 3, 900),
        kernel=(4, 3, 3, 900),
        out_scale=9,
    ),
    float_case("no image", (0, 4, 4, 3), (4, 3, 3, 3), options(Padding.SAME, (2, 2))),
    hybrid_case("per tensor", [0.02]),
    hybrid_case("per channel", np.linspace(0.01, 0.03, 4)),
    *(
        mediapipe_case(p, s, k)
        for p, s, k in product((1, 2), [(1, 1), (2, 2), (2, 3)], [(3, 2, 2, 5), (4, 3, 4, 5)])
    ),
]


def broken(name: str, error: str, **changes: Any) -> Case:
    given_values: dict[str, Any] = {
        "shape": vector(1, 8, 8, 2),
        "w": values((2, 3, 3, 4)),
        "x": values((1, 4, 4, 4)),
        "stride": (2, 2),
    }
    given_values.update(changes)
    shape, w, x, stride = given_values.values()
    args = [const(shape), const(w), given(x)]
    return Case(name, OP, args, [out(np.float32)], options(Padding.SAME, stride), error=error)


CASES += [
    broken("stride 0", "stride 0", stride=(0, 1)),
    broken("output shape of zeros", "does not fit", shape=vector(0, 0, 0, 0)),
    broken("negative output", "sizes", shape=vector(1, -8, 8, 2)),
    broken("short output shape", "does not fit", shape=vector(1, 8, 8)),
    broken("inputs", "needs 5 inputs", shape=vector(1, 10, 8, 2)),
    broken("channels", "channels", w=values((2, 3, 3, 3))),
    broken("no filter", "empty", w=values((2, 0, 3, 4))),
    Case(
        "options",
        "Convolution2DTransposeBias",
        [given(values((1, 2, 2, 1))), const(values((1, 2, 2, 1))), const(values((1,)))],
        [out(np.float32)],
        custom=True,
        custom_options=b"\1",
        error="bytes of options",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_transpose_conv(case: Case, device: str) -> None:
    check(case, device)
