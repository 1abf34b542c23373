"""CONV_3D and CONV_3D_TRANSPOSE against LiteRT and against their definition, tap by tap."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from litegpu.schema.enums import ActivationFunctionType as Act
from litegpu.schema.enums import Padding
from litegpu.schema.options import Conv3DOptions

from tests.cases import Arg, Case, check, const, given, out

F32 = np.float32
Triple = tuple[int, int, int]


def values(shape: tuple[int, ...], seed: int) -> Any:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(F32)


def options(
    stride: Triple = (1, 1, 1),
    dilation: Triple = (1, 1, 1),
    padding: Padding = Padding.SAME,
    activation: Act = Act.NONE,
) -> Conv3DOptions:
    return Conv3DOptions(
        padding=padding,
        stride_d=stride[0],
        stride_h=stride[1],
        stride_w=stride[2],
        dilation_d_factor=dilation[0],
        dilation_h_factor=dilation[1],
        dilation_w_factor=dilation[2],
        fused_activation_function=activation,
    )


def case(op: str, inputs: list[Arg | None], o: Conv3DOptions, **more: Any) -> Case:
    shapes = " ".join(str(list(a.shape)) for a in inputs if a)
    stride, dilation = (
        (o.stride_d, o.stride_h, o.stride_w),
        (o.dilation_d_factor, o.dilation_h_factor),
    )
    how = f"by {stride} dilated {dilation} {o.padding.name} {o.fused_activation_function.name}"
    return Case(f"{shapes} {how}", op, inputs, [out(F32)], o, **more)


GEOMETRIES: list[tuple[Triple, Triple, Triple, Triple]] = [
    ((4, 5, 6), (2, 3, 3), (1, 1, 1), (1, 1, 1)),
    ((5, 7, 6), (3, 2, 1), (2, 3, 1), (1, 1, 1)),
    ((6, 6, 7), (2, 2, 3), (1, 1, 1), (2, 3, 2)),
    ((3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
    ((5, 4, 3), (3, 3, 3), (2, 2, 2), (1, 1, 1)),
]
CONVOLUTIONS = [
    case(
        "CONV_3D",
        [given(values((2, *size, 3), i)), weights(values((*kernel, 3, 4), i + 9)), bias],
        options(stride, dilation, padding, activation),
    )
    for i, (size, kernel, stride, dilation) in enumerate(GEOMETRIES)
    for padding, weights, bias, activation in (
        (Padding.SAME, const, const(values((4,), 7)), Act.NONE),
        (Padding.VALID, const, const(values((4,), 8)), Act.RELU),
        (Padding.SAME, given, None, Act.RELU6),
        (Padding.VALID, given, given(values((4,), 8)), Act.RELU_N1_TO_1),
    )
    if padding == Padding.SAME
    or all((k - 1) * d < n for n, k, d in zip(size, kernel, dilation, strict=True))
]


def forward_sizes(shape: Triple, kernel: Triple, o: Conv3DOptions) -> list[int]:
    """Sizes of the input whose transposed convolution has the sizes `shape`."""
    strides = o.stride_d, o.stride_h, o.stride_w
    dilations = o.dilation_d_factor, o.dilation_h_factor, o.dilation_w_factor
    if o.padding == Padding.SAME:
        return [-(-n // s) for n, s in zip(shape, strides, strict=True)]
    axes = zip(shape, kernel, strides, dilations, strict=True)
    return [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in axes]


def transposed(
    shape: Triple,
    kernel: Triple,
    o: Conv3DOptions,
    bias: Arg | None,
    kind: Any = const,
    seed: int = 0,
) -> Case:
    sizes = forward_sizes(shape, kernel, o)
    return case(
        "CONV_3D_TRANSPOSE",
        [
            kind(np.array([2, *shape, 4], np.int32)),
            const(values((*kernel, 4, 3), seed)),
            given(values((2, *sizes, 3), seed + 1)),
            bias,
        ],
        o,
    )


TRANSPOSED = [
    transposed(size, kernel, options(stride, dilation, padding, activation), bias, kind, i)
    for i, (size, kernel, stride, dilation) in enumerate(GEOMETRIES)
    for padding, bias, activation, kind in (
        (Padding.SAME, const(values((4,), 7)), Act.NONE, const),
        (Padding.VALID, None, Act.RELU, const),
        (Padding.SAME, None, Act.RELU_N1_TO_1, given),
    )
    if padding == Padding.SAME
    or all((k - 1) * d < n for n, k, d in zip(size, kernel, dilation, strict=True))
]
IMAGE, FILTER = given(values((1, 3, 3, 3, 2), 0)), const(values((2, 2, 2, 2, 4), 1))
BAD = [
    case("CONV_3D", [IMAGE, FILTER], options((0, 1, 1)), error="stride"),
    case("CONV_3D", [IMAGE, FILTER], options(dilation=(1, 0, 1)), error="dilation"),
    case("CONV_3D", [IMAGE, const(values((2, 2, 2, 3, 4), 1))], options(), error="channels"),
    case("CONV_3D", [IMAGE, const(values((2, 2, 2, 4), 1))], options(), error="rank 5"),
    case("CONV_3D", [IMAGE, FILTER, const(values((3,), 1))], options(), error="bias"),
    case("CONV_3D", [IMAGE, const(np.zeros((2, 0, 2, 2, 4), F32))], options(), error="filter"),
    case(
        "CONV_3D",
        [given(np.zeros((1, 3, 3, 3, 2), np.int8), scale=1.0), FILTER],
        options(),
        error="INT8",
    ),
]
BAD += [
    case(
        "CONV_3D_TRANSPOSE",
        [const(np.array(shape, np.int32)), const(values((2, 2, 2, 4, 2), 1)), IMAGE],
        options(stride),
        error=error,
    )
    for shape, stride, error in (
        ([1, 3, 3, 3, 5], (1, 1, 1), "batch and channels"),
        ([2, 3, 3, 3, 4], (1, 1, 1), "batch and channels"),
        ([1, 7, 3, 3, 4], (1, 1, 1), "the input has shape"),
        ([1, -3, 3, 3, 4], (1, 1, 1), "five sizes"),
        ([1, 3, 3, 4], (1, 1, 1), "five sizes"),
        ([1, 3, 3, 3, 4], (1, 1, 0), "stride"),
    )
]
EMPTY = [
    case(
        "CONV_3D",
        [given(np.empty((0, 3, 3, 3, 2), F32)), FILTER],
        options(),
        expected=[np.empty((0, 3, 3, 3, 4), F32)],
    ),
    case(
        "CONV_3D",
        [given(np.empty((1, 2, 2, 2, 0), F32)), const(np.empty((1, 1, 1, 0, 3), F32)),
         const(np.array([1, 2, 3], F32))],
        options(),
        expected=[np.broadcast_to(np.array([1, 2, 3], F32), (1, 2, 2, 2, 3))],
    ),
]  # fmt: skip
CASES = [*CONVOLUTIONS, *TRANSPOSED, *BAD, *EMPTY]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_conv3d(case: Case, device: str) -> None:
    check(case, device)


def test_conv3d_by_taps(device: str) -> None:
    """The definition: every output is a sum over taps and channels."""
    x, weights = values((1, 4, 5, 6, 2), 1), values((2, 3, 2, 2, 3), 2)
    expected = np.zeros((1, 3, 3, 5, 3))
    for d, h, w in product(range(2), range(3), range(2)):
        expected += x[:, d : d + 3, h : h + 3, w : w + 5] @ weights[d, h, w].astype(np.float64)
    o = options(padding=Padding.VALID)
    check(case("CONV_3D", [given(x), const(weights)], o, expected=[expected.astype(F32)]), device)


def test_large_conv3d_is_unrolled_in_parts(device: str) -> None:
    """27 MB of columns."""
    x, weights = values((1, 24, 40, 40, 8), 3), values((3, 3, 3, 8, 2), 4)
    o = options(padding=Padding.VALID)
    whole = np.zeros((1, 22, 38, 38, 2))
    for d, h, w in product(range(3), repeat=3):
        part = x[:, d : d + 22, h : h + 38, w : w + 38]
        whole += part @ weights[d, h, w].astype(np.float64)
    check(case("CONV_3D", [given(x), const(weights)], o, expected=[whole.astype(F32)]), device)
