"""STABLEHLO_CONVOLUTION against its definition: holes and padding made, windows summed one by one.

LiteRT registers no kernel for it. See https://openxla.org/stablehlo/spec#convolution.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from litegpu.schema.options2 import StablehloConvolutionOptions

from tests.cases import Case, check, const, given, out

RNG = np.random.default_rng(171)


def holed(x: Any, steps: Any, first: int) -> Any:
    """`x` with steps - 1 zeros between neighbours along the axes from `first` on."""
    shape = list(x.shape)
    place = [slice(None)] * x.ndim
    for axis, step in enumerate(steps, first):
        shape[axis] = (shape[axis] - 1) * step + 1
        place[axis] = slice(None, None, step)
    y = np.zeros(shape, x.dtype)
    y[tuple(place)] = x
    return y


def padded(x: Any, pads: Any) -> Any:
    """[batch, spatial..., features] with zeros around it; negative padding cuts elements off."""
    x = np.pad(x, [(0, 0), *((max(a, 0), max(b, 0)) for a, b in pads), (0, 0)])
    cuts = [slice(max(-a, 0), x.shape[i] - max(-b, 0)) for i, (a, b) in enumerate(pads, 1)]
    return x[(slice(None), *cuts)]


def convolved(x: Any, k: Any, spec: dict[str, Any]) -> Any:
    """x: [batch, spatial..., features], k: [spatial..., features in, features out]."""
    x = padded(holed(x, spec["lhs"], 1), spec["pads"])
    k = np.flip(k, tuple(i for i, r in enumerate(spec["reversal"]) if r))
    k = holed(k, spec["rhs"], 0)
    features, batches = spec["features"], spec["batches"]
    rank, (depth, filters) = x.ndim - 2, k.shape[-2:]
    images = x.shape[0] // batches
    sizes = [
        (n - m) // s + 1
        for n, m, s in zip(x.shape[1:-1], k.shape[:-2], spec["strides"], strict=True)
    ]
    y = np.zeros((images, *sizes, filters), x.dtype)
    for image, *at, f in np.ndindex(*y.shape):
        first = f * features // filters * depth
        source = x[image + f * batches // filters * images, ..., first : first + depth]
        window = tuple(
            slice(i * s, i * s + m)
            for i, s, m in zip(at, spec["strides"], k.shape[:rank], strict=True)
        )
        y[(image, *at, f)] = np.sum(source[window] * k[..., f])
    return y


def case(
    name: str,
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    *,
    dtype: Any = np.float32,
    layouts: Any = None,
    error: str | None = None,
    role: Any = const,
    **changes: Any,
) -> Case:
    """`layouts`: where input, kernel and output keep the axes of [batch, spatial..., features]
    and [spatial..., in, out]."""
    rank = len(shape) - 2
    spec: dict[str, Any] = {
        "strides": (1,) * rank, "pads": ((0, 0),) * rank, "lhs": (1,) * rank, "rhs": (1,) * rank,
        "reversal": (False,) * rank, "features": 1, "batches": 1,
    } | changes  # fmt: skip
    x, k = (RNG.integers(-9, 10, s).astype(dtype) for s in (shape, kernel))
    wide = np.float64 if x.dtype.kind == "f" else np.int64
    expected = None if error else [convolved(x.astype(wide), k.astype(wide), spec).astype(dtype)]
    axes = range(len(shape))
    into, inner, outer = layouts or (tuple(axes),) * 3
    options = StablehloConvolutionOptions(
        window_strides=np.array(spec["strides"], np.int64),
        padding=np.array(spec["pads"], np.int64).reshape(-1),
        lhs_dilation=np.array(spec["lhs"], np.int64),
        rhs_dilation=np.array(spec["rhs"], np.int64),
        window_reversal=np.array(spec["reversal"], np.bool_),
        input_batch_dimension=into[0],
        input_spatial_dimensions=np.array(into[1:-1], np.int64),
        input_feature_dimension=into[-1],
        kernel_spatial_dimensions=np.array(inner[:-2], np.int64),
        kernel_input_feature_dimension=inner[-2],
        kernel_output_feature_dimension=inner[-1],
        output_batch_dimension=outer[0],
        output_spatial_dimensions=np.array(outer[1:-1], np.int64),
        output_feature_dimension=outer[-1],
        feature_group_count=spec["features"],
        batch_group_count=spec["batches"],
    )
    if layouts and expected:
        x, k = x.transpose(np.argsort(into)), k.transpose(np.argsort(inner))
        expected = [expected[0].transpose(np.argsort(outer))]
    inputs = [given(np.ascontiguousarray(x)), role(np.ascontiguousarray(k))]
    return Case(
        name, "STABLEHLO_CONVOLUTION", inputs, [out(dtype)], options, expected=expected, error=error
    )


X, K = (2, 5, 6, 3), (2, 3, 3, 4)
CASES = [
    *(case(np.dtype(d).name, X, K, dtype=d) for d in (np.float32, np.float64, np.int8, np.int32)),
    case("run-time kernel", X, K, role=given),
    case("strides", X, K, strides=(2, 3), pads=((1, 0), (2, 1))),
    case("holes in the input", X, K, lhs=(3, 2), pads=((2, 1), (0, 3))),
    case("holes in the kernel", X, K, rhs=(3, 2)),
    case("holes in both", X, K, lhs=(2, 2), rhs=(2, 3), strides=(3, 2), pads=((1, 1), (1, 1))),
    case("reversed", X, K, reversal=(True, False)),
    case("negative padding", X, K, pads=((-1, 0), (-2, -1))),
    case("negative padding of holes", X, K, lhs=(2, 3), pads=((-2, 1), (1, -4))),
    case("feature groups", (2, 4, 4, 6), (2, 2, 2, 9), features=3),
    case("each feature alone", (1, 4, 4, 3), (2, 2, 1, 6), features=3),
    case("batch groups", (6, 4, 4, 2), (2, 2, 2, 6), batches=3),
    case("no spatial dimensions", (3, 4), (4, 5)),
    case("one dimension", (2, 9, 3), (4, 3, 2), strides=(2,)),
    case("three dimensions", (1, 3, 4, 3, 2), (2, 2, 2, 2, 3), strides=(1, 2, 1)),
    case("no images", (0, 5, 6, 3), K),
    *(
        case(f"layouts {layouts}", X, K, layouts=layouts)
        for layouts in product(
            [(0, 2, 3, 1), (3, 1, 0, 2)], [(2, 3, 1, 0), (1, 0, 3, 2)], [(0, 2, 3, 1), (2, 0, 1, 3)]
        )
    ),
    case("stride 0", X, K, strides=(0, 1), error="window_strides"),
    case("negative stride", X, K, strides=(1, -1), error="window_strides"),
    case("dilation 0", X, K, rhs=(0, 1), error="rhs_dilation"),
    case("input dilation 0", X, K, lhs=(1, 0), error="lhs_dilation"),
    case("huge padding", X, K, pads=((2**40, 0), (0, 0)), error="too many|sizes must be"),
    case("huge dilation", X, K, lhs=(2**31 - 1, 2**31 - 1), error="too many|sizes must be"),
    case("axis twice", X, K, layouts=((0, 1, 1, 3),) * 3, error="layout"),
    case("axis out of range", X, K, layouts=((0, 1, 2, 9),) * 3, error="layout"),
    case("channels", X, (2, 3, 2, 4), error="feature groups"),
    case("uneven groups", X, (2, 3, 1, 4), features=3, error="feature groups"),
    case("uneven batch", (5, 4, 4, 2), (2, 2, 2, 6), batches=3, error="batch groups"),
    case("ranks", X, (3, 3, 4), error="one rank"),
    case("one stride for two", X, K, strides=(1,), error="window_strides"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_stablehlo_convolution(case: Case, device: str) -> None:
    check(case, device)
