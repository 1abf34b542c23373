"""The kernels of GPUs, on any OpenCL device; those of CPUs are tested by tests/ops."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import pytest
from litegpu import load_delegate

import tests.cases
from tests.cases import Case, check
from tests.devices import delegates
from tests.operator_cases import cases_by_operator

OPS = (
    "AVERAGE_POOL_2D",
    "BATCH_MATMUL",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "L2_NORMALIZATION",
    "LOG_SOFTMAX",
    "MAX_POOL_2D",
    "MEAN",
    "REDUCE_MAX",
    "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR",
    "SOFTMAX",
    "SUM",
    "TRANSPOSE_CONV",
)

EVERY = 6
"""One case in so many, as each may be a kernel to build."""

CASES = [case for op in OPS for case in cases_by_operator()[op][::EVERY]]


@functools.cache
def forced(precision: str = "fp32") -> Any:
    """An OpenCL delegate that takes its device for a GPU."""
    loaded: Any = load_delegate("opencl", {"precision": precision})
    device = loaded.delegate.device
    device.info = dataclasses.replace(device.info, is_cpu=False)
    loaded.delegate.poison = True
    return loaded


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gpu_variant(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    delegates("opencl")
    monkeypatch.setattr(tests.cases, "delegates", lambda device: [forced()])
    check(case, "opencl")
