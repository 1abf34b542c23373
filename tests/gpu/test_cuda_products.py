"""Products on CUDA by every tile, split and arithmetic: what costs too much to be chosen for small
cases, too."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from litegpu import DelegateLoadError
from litegpu.delegates.lowering import depthwise, tiles
from litegpu.delegates.lowering.depthwise import CUDA_PATCHES
from litegpu.delegates.lowering.tiles import PLAIN, SHARED, TENSOR, Arithmetic, Plan, Problem
from litegpu.graph import Array
from litegpu.schema.enums import Padding, TensorType
from litegpu.schema.options import BatchMatMulOptions, FullyConnectedOptions
from litegpu.schema.writer import write_model

import tests.cases
from tests.cases import Case, check, const, feeds, given, model_of, out, run_model
from tests.cuda import load_cuda
from tests.ops import test_batch_matmul, test_conv, test_depthwise, test_matmul
from tests.tolerance import HALF_UNIT, assert_close_to_sums
from tests.values import values

PLANS = max(len(PLAIN), len(TENSOR))
SPLITS = (1, 3)
STAGES = (2, 3, 4)
EVERY = 5
"""One case of depthwise convolutions in so many."""

DILATED = test_conv.options(Padding.SAME, (2, 1), (1, 2))
BOTH_ADJOINT = BatchMatMulOptions(adj_x=True, adj_y=True)
FLOATS = [
    test_conv.float_case("grouped", (2, 9, 8, 6), (20, 3, 3, 3), DILATED),
    test_conv.float_case("copied", (2, 9, 8, 16), (20, 3, 2, 16), DILATED),
    test_matmul.float_case("tiled", values((41, 53)), values((37, 53), seed=1)),
    test_batch_matmul.case(
        "tiled", test_batch_matmul.FLOAT, (2, 33, 24), (2, 24, 40), BatchMatMulOptions()
    ),
    test_batch_matmul.case(
        "tiled", test_batch_matmul.FLOAT, (2, 33, 24), (1, 24, 40), BOTH_ADJOINT
    ),
]
BYTES = [
    test_conv.quantised_case("gathered", np.int8, (2, 9, 8, 5), (20, 3, 3, 5), DILATED),
    test_conv.quantised_case("copied", np.int8, (2, 9, 8, 32), (20, 3, 2, 16), DILATED),
    test_matmul.quantised_case("tiled", np.int8, np.int8, shape=(41, 48), units=37),
]
INTEGERS = [
    test_conv.quantised_case("centered", np.uint8, (2, 9, 8, 5), (20, 3, 3, 5), DILATED),
    test_conv.quantised_case(
        "wide",
        np.int16,
        (1, 4, 5, 60),
        (20, 3, 3, 60),
        test_conv.options(bias_type=TensorType.INT64),
        bias_type=np.int64,
    ),
    test_batch_matmul.case(
        "tiled", (np.int8, np.int8, np.int8), (2, 33, 24), (2, 24, 40), BatchMatMulOptions()
    ),
]


def plan(k: int, arithmetic: Arithmetic) -> Plan:
    """The k-th way to compute a product: tiles, splits and stages in turn."""
    listed = TENSOR if arithmetic.tensor else PLAIN
    tile = listed[k % len(listed)]
    return Plan(tile, SPLITS[k % len(SPLITS)], min(STAGES[k % len(STAGES)], SHARED // tile.stage))


def delegate(precision: str = "fp32", arch: int | None = None) -> Any:
    try:
        loaded = load_cuda("cuda", {"precision": precision})
    except DelegateLoadError as error:
        pytest.skip(str(error))
    device = loaded.delegate.device
    if arch is not None:
        device.info = dataclasses.replace(device.info, arch=arch)
    loaded.delegate.poison = True
    return loaded


@pytest.fixture
def force(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the number of the plan by which all products are made, and the delegate."""

    def use(k: int, loaded: Any) -> None:
        def chosen(problem: Problem, arithmetic: Arithmetic) -> Plan:
            return plan(k, arithmetic)

        monkeypatch.setattr(tiles, "choose", chosen)
        monkeypatch.setattr(tests.cases, "delegates", lambda device: [loaded])

    return use


@pytest.mark.parametrize("k", range(PLANS))
@pytest.mark.parametrize("cases", [FLOATS, BYTES, INTEGERS], ids=("floats", "bytes", "integers"))
def test_plans(k: int, cases: list[Case], force: Any) -> None:
    force(k, delegate())
    for case in cases:
        check(case, "cuda")


@pytest.mark.parametrize(("k", "arch"), [(0, 70), (3, 61), (5, 61), (2, 50)])
def test_bytes_without_tensor_cores(k: int, arch: int, force: Any) -> None:
    """By products of four bytes, and by ones of single integers before these."""
    force(k, delegate(arch=arch))
    for case in BYTES:
        check(case, "cuda")


@pytest.mark.parametrize("patch", CUDA_PATCHES, ids=str)
def test_depthwise_patches(
    patch: tuple[int, int], force: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows and columns of a thread, of which small cases are given one each."""
    force(0, delegate())
    monkeypatch.setattr(depthwise, "CUDA_PATCHES", (patch,))
    for case in test_depthwise.CASES[::EVERY]:
        if case.error is None:
            check(case, "cuda")


def as_tf32(x: Array) -> Array:
    """The nearest numbers of 11 significant bits, ties away from zero."""
    bits = x.astype(np.float32).view(np.uint32) + np.uint32(1 << 12)
    return (bits & ~np.uint32((1 << 13) - 1)).view(np.float32)


def as_half(x: Array) -> Array:
    return x.astype(np.float16)


ROUNDING = {"tf32": (as_tf32, 0.0), "fp16": (as_half, HALF_UNIT)}
"""What operands are rounded to, and the unit roundoff of what results are stored as."""

WIDTH, DEPTH = 37, 72


@pytest.mark.parametrize("k", range(len(TENSOR)))
@pytest.mark.parametrize("precision", ROUNDING)
def test_precision(k: int, precision: str, force: Any) -> None:
    """Sums are those of the rounded operands: every product exact, added in float32."""
    force(k, delegate(precision))
    depth = DEPTH + k % 2
    x, w, bias = values((41, depth)), values((WIDTH, depth), seed=1), values((WIDTH,), seed=2)
    inputs = [given(x), const(w), const(bias)]
    case = Case("rounded", "FULLY_CONNECTED", inputs, [out(np.float32)], FullyConnectedOptions())
    got = run_model(write_model(model_of(case)), feeds(case), "cuda")[0]
    rounded, unit = ROUNDING[precision]
    left, right = (rounded(v).astype(np.float64) for v in (x, w))
    exact = left @ right.T + bias
    magnitude = np.abs(left) @ np.abs(right.T) + np.abs(bias)
    assert_close_to_sums(got, exact, magnitude, depth, unit, precision)


@pytest.mark.parametrize("k", range(len(TENSOR)))
@pytest.mark.parametrize("precision", ROUNDING)
def test_precision_of_convolutions(k: int, precision: str, force: Any) -> None:
    force(k, delegate(precision))
    channels = (16, 5)[k % 2]
    x, w = values((2, 9, 8, channels)), values((WIDTH, 3, 2, channels), seed=1)
    bias = values((WIDTH,), seed=2)
    o = test_conv.options(Padding.VALID)
    case = Case("rounded", "CONV_2D", [given(x), const(w), const(bias)], [out(np.float32)], o)
    got = run_model(write_model(model_of(case)), feeds(case), "cuda")[0]
    rounded, unit = ROUNDING[precision]
    windows = np.lib.stride_tricks.sliding_window_view(
        rounded(x).astype(np.float64), (3, 2), (1, 2)
    )
    filters = rounded(w).astype(np.float64)
    exact = np.einsum("bhwcij,fijc->bhwf", windows, filters) + bias
    magnitude = np.einsum("bhwcij,fijc->bhwf", np.abs(windows), np.abs(filters)) + np.abs(bias)
    assert_close_to_sums(got, exact, magnitude, 6 * channels, unit, precision)
