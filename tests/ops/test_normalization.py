"""L2_NORMALIZATION and LOCAL_RESPONSE_NORMALIZATION against LiteRT and their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.schema.enums import ActivationFunctionType
from litegpu.schema.options import L2NormOptions, LocalResponseNormalizationOptions

from tests.cases import Case, check, given, out

OUTPUT_ZERO_POINT = {np.uint8: 128, np.int8: 0}


def l2(x: Any, zero_point: int = 0, **more: Any) -> Case:
    dtype = x.dtype.type
    name = f"{dtype.__name__} {list(x.shape)} zero point {zero_point}"
    if dtype == np.float32:
        return Case(name, "L2_NORMALIZATION", [given(x)], [out(dtype)], L2NormOptions(), **more)
    inputs = [given(x, scale=0.3, zero_point=zero_point)]
    outputs = [out(dtype, scale=1 / 128, zero_point=OUTPUT_ZERO_POINT[dtype])]
    return Case(name, "L2_NORMALIZATION", inputs, outputs, L2NormOptions(), 2, **more)


def integers(shape: tuple[int, ...], dtype: Any, spread: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    info = np.iinfo(dtype)
    middle = (info.max + info.min + 1) // 2
    low, high = max(info.min, middle - spread), min(info.max, middle + spread)
    return rng.integers(low, high, shape, dtype, endpoint=True)


RNG = np.random.default_rng(5)
CASES = [
    l2(RNG.normal(0, 3, shape).astype(np.float32))
    for shape in ((5,), (2, 3, 4), (1, 2, 3, 4, 5), (2, 0), (0, 3), (3, 1))
]
CASES += [
    l2(integers(shape, dtype, spread, seed), zero_point)
    for dtype, zero_points in ((np.uint8, (0, 128, 255)), (np.int8, (-128, 0, 3)))
    for zero_point in zero_points
    for spread in (1, 5, 128)
    for seed, shape in enumerate(((7,), (2, 3, 4), (4, 500)))
]
WITH_NAN = np.array([[np.nan, 1], [3, 4]], np.float32)
ZEROS = np.zeros((1, 3), np.float32)
CASES += [
    l2(ZEROS, expected=[ZEROS]),
    l2(np.full((1, 4), 1e-8, np.float32), expected=[np.full((1, 4), 1e-2, np.float32)]),
    l2(WITH_NAN, expected=[np.array([[np.nan, np.nan], [0.6, 0.8]], np.float32)]),
    l2(np.float32(3), error="scalar"),
    Case(
        "output scale",
        "L2_NORMALIZATION",
        [given(np.zeros(3, np.int8), scale=1.0)],
        [out(np.int8, scale=0.5)],
        L2NormOptions(),
        version=2,
        error="scale and zero point",
    ),
    Case(
        "activation",
        "L2_NORMALIZATION",
        [given(ZEROS)],
        [out(np.float32)],
        L2NormOptions(fused_activation_function=ActivationFunctionType.RELU),
        error="RELU",
    ),
]


def local_response(
    x: Any, radius: int, bias: float, alpha: float, beta: float, **more: Any
) -> Case:
    options = LocalResponseNormalizationOptions(radius=radius, bias=bias, alpha=alpha, beta=beta)
    name = f"{list(x.shape)} radius {radius} bias {bias} alpha {alpha} beta {beta}"
    op = "LOCAL_RESPONSE_NORMALIZATION"
    return Case(name, op, [given(x)], [out(np.float32)], options, **more)


def formula(x: Any, radius: int, bias: float, alpha: float, beta: float) -> Any:
    """Krizhevsky et al. 2012, section 3.3, channel by channel."""
    wide = x.astype(np.float64)
    y = np.empty_like(wide)
    for c in range(x.shape[-1]):
        near = wide[..., max(0, c - radius) : c + radius + 1]
        y[..., c] = wide[..., c] * (bias + alpha * (near**2).sum(-1)) ** -beta
    return y.astype(np.float32)


SETTINGS = [
    (0, 1.0, 1.0, 1.0),
    (1, 1.0, 0.5, 0.5),
    (2, 2.0, 1e-4, 0.75),
    (5, 1.0, 1.0, 0.75),
    (100, 0.5, 0.1, 2.0),
    (2**31 - 1, 0.5, 0.1, 1.0),
]
IMAGES = [RNG.normal(0, 2, shape).astype(np.float32) for shape in ((1, 2, 3, 7), (2, 1, 1, 1))]
CASES += [
    local_response(x, *setting, expected=[formula(x, *setting)])
    for x in IMAGES
    for setting in SETTINGS
]
CASES += [local_response(x, *setting, oracle="opt") for x in IMAGES for setting in SETTINGS[:4]]
EMPTY = np.empty((1, 2, 2, 0), np.float32)
CASES += [
    local_response(EMPTY, 1, 1.0, 1.0, 1.0, expected=[EMPTY]),
    local_response(IMAGES[0], -1, 1.0, 1.0, 1.0, error="radius"),
    local_response(IMAGES[0][0], 1, 1.0, 1.0, 1.0, error="rank 4"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_normalization(case: Case, device: str) -> None:
    check(case, device)
