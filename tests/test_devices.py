"""Devices that are not there."""

from __future__ import annotations

import pytest

from tests import cuda, devices
from tests.cuda_on_cpu import compiler


@pytest.mark.parametrize(
    ("required", "outcome"),
    [
        ("", pytest.skip.Exception),
        ("opencl", pytest.skip.Exception),
        ("opencl,cuda", pytest.fail.Exception),
    ],
)
def test_a_missing_device_skips_unless_it_is_required(
    required: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITEGPU_REQUIRE_DEVICES", required)
    monkeypatch.setattr(compiler, "compiler", lambda: None)
    monkeypatch.delenv("LITEGPU_TEST_CUDA", raising=False)
    monkeypatch.setattr(devices, "gpu_delegate", devices.gpu_delegate.__wrapped__)
    with pytest.raises(outcome, match="needs a C\\+\\+ compiler"):
        devices.delegates("cuda")


def test_the_gpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setenv("LITEGPU_TEST_CUDA", "gpu")
    monkeypatch.setattr(cuda, "load_delegate", lambda *args: asked.append(args))
    cuda.load_cuda("cuda", {"precision": "fp16"})
    assert asked == [("cuda", {"precision": "fp16"})]
