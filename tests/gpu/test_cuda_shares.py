"""How CUDA kernels share work out where there is much of it: elements among threads, rows among
warps. Small cases are run as if there were."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from litegpu import DelegateLoadError
from litegpu.delegates.lowering import copy
from litegpu.delegates.program import Kernel
from litegpu.schema import options as o
from litegpu.schema.enums import ActivationFunctionType as Activation
from litegpu.schema.enums import Padding
from litegpu.schema.writer import write_model

import tests.cases
from tests.cases import Case, check, const, feeds, given, model_of, out, run_model
from tests.cuda import load_cuda
from tests.gpu.test_half import on_half
from tests.ops import test_lstm, test_pool, test_reduce, test_resize, test_softmax, test_svdf
from tests.ops import test_topk as topk
from tests.tolerance import assert_close_as_half
from tests.values import values

PIXELS = (2, 5, 6, 16)
WINDOWS = test_pool.pool((3, 2), (2, 1), Padding.SAME)
HALVES = (False, True)
X, Y, ROW = values((3, 5, 7)), values((3, 5, 7), seed=1), values((7,), seed=2)
BYTES = np.arange(-128, 127, dtype=np.int8)


def pool(op: str, dtype: Any) -> Case:
    return test_pool.case(op, test_pool.image(PIXELS, dtype), WINDOWS)


def resize(op: str, dtype: Any) -> Case:
    return test_resize.case(f"RESIZE_{op}", test_resize.image(PIXELS, dtype), (7, 4), HALVES)


def elementwise(op: str, inputs: Sequence[Any], expected: Any, options: Any = None) -> Case:
    return Case(
        str(expected.dtype), op, [*map(given, inputs)], [out(expected.dtype)], options,
        expected=[expected],
    )  # fmt: skip


def transpose(x: Any, *axes: int) -> Case:
    order = const(np.array(axes, np.int32))
    name = f"{x.dtype} {x.shape} {axes}"
    return Case(name, "TRANSPOSE", [given(x), order], [out(x.dtype)], expected=[x.transpose(axes)])


def reduction(op: str, shape: tuple[int, ...], axis: int, dtype: Any = np.float32) -> Case:
    x = test_reduce.data(shape, dtype)
    if dtype != np.int8:
        return test_reduce.case(op, x, [axis], test_reduce.DROP)
    return test_reduce.quantized(op, x, [axis], (0.05, 0.9), test_reduce.DROP, oracle="opt")


LONG = np.array([[1, 5, 3, 5, 2] * 80, [-7] * 400], np.float32)
NEGATED = Case(
    "int8", "NEG", [given(BYTES, scale=0.5)], [out(np.int8, scale=0.5)], expected=[-BYTES]
)  # fmt: skip

SHARES = {
    "TILE=4": [pool("AVERAGE_POOL_2D", np.float32), pool("L2_POOL_2D", np.float32),
               resize("BILINEAR", np.float32), resize("NEAREST_NEIGHBOR", np.float32)],
    "TILE=8": [pool("AVERAGE_POOL_2D", np.int16), resize("BILINEAR", np.int16)],
    "TILE=16": [pool("MAX_POOL_2D", np.int8), pool("AVERAGE_POOL_2D", np.uint8),
                resize("BILINEAR", np.uint8), resize("BILINEAR", np.int8),
                resize("NEAREST_NEIGHBOR", np.int8), transpose(values((2, 45, 9)), 0, 2, 1)],
    "EACH=4": [elementwise("ADD", (X, Y), X + Y, o.AddOptions()),
               elementwise("MUL", (X, ROW), X * ROW, o.MulOptions()),
               elementwise("SELECT_V2", (X < 0, Y, X), np.where(X < 0, Y, X))],
    "EACH=8": [elementwise("LESS", (X, Y), X < Y), NEGATED],
    "TILE=32": [transpose(values((2, 45, 70)), 0, 2, 1),
                transpose(test_pool.image((33, 40), np.int8), 1, 0)],
    "BLOCK=32": [test_softmax.plain((5, 3, 100), 1.0), reduction("SUM", (3, 41), 1),
                 reduction("SUM", (3, 200), 1, np.int8), reduction("REDUCE_MAX", (5, 64), 1)],
    "BLOCK=64": [test_softmax.plain((7, 500), 0.3), test_softmax.plain_log((7, 500))],
    "BLOCK=512": [test_softmax.plain((3, 5001), 1.0), test_softmax.plain_log((2, 5000))],
    "BLOCK=256": [reduction("MEAN", (3, 5001), 1), reduction("SUM", (2, 6000), 1, np.int32),
                  topk.arg_case("long", "ARG_MAX", LONG, np.int32(1))],
    "SLICES=32": [reduction("SUM", (3, 700, 5), 1),
                  reduction("SUM", (2, 700, 5), 1, np.int8), reduction("REDUCE_MIN", (520, 3), 0)],
    "SLICES=8": [reduction("MEAN", (2, 700, 41), 1)],
    "SLICES=2": [reduction("SUM", (3, 40, 5), 1)],
    "INTEGER=0": [test_svdf.svdf("float", (2, 70, 3, 40, 2)),
                  test_lstm.lstm(test_lstm.Form("float", inputs=40, cells=37, outputs=37))],
    "INTEGER=1": [test_svdf.svdf("integer", (2, 70, 3, 40, 2), Activation.RELU)],
}  # fmt: skip
"""Cases by a define of the kernel that they are to run."""

HALVED = {
    "TILE=8": [*SHARES["TILE=4"]],
    "EACH=8": [*SHARES["EACH=4"]],
    "BLOCK=32": [reduction("SUM", (3, 200), 1), test_softmax.plain((5, 3, 100), 1.0)],
}
"""With floats of 2 bytes."""


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads a delegate for a GPU with work for all threads; the kernels that it then builds."""

    def load(precision: str) -> list[Kernel]:
        try:
            loaded = load_cuda("cuda", {"precision": precision})
        except DelegateLoadError as error:
            pytest.skip(str(error))
        device = loaded.delegate.device
        build = device.build
        kernels: list[Kernel] = []

        def noted(wanted: Sequence[Kernel]) -> Any:
            kernels.extend(wanted)
            return build(wanted)

        device.info = dataclasses.replace(device.info, compute_units=1)
        monkeypatch.setattr(device, "build", noted)
        monkeypatch.setattr(copy, "THREADS_PER_UNIT", 1)
        monkeypatch.setattr(
            tests.cases, "delegates", lambda name: [] if name == "cpu" else [loaded]
        )
        loaded.delegate.poison = True
        return kernels

    return load


def defines(kernels: Sequence[Kernel]) -> set[str]:
    return {f"{name}={value}" for kernel in kernels for name, value in kernel.defines}


def listed(shares: dict[str, list[Case]]) -> list[Any]:
    return [
        pytest.param(share, case, id=f"{share} {case}")
        for share, cases in shares.items()
        for case in cases
    ]


@pytest.mark.parametrize(("share", "case"), listed(SHARES))
def test_shares(share: str, case: Case, built: Any) -> None:
    kernels = built("fp32")
    check(case, "cuda")
    assert share in defines(kernels)


@pytest.mark.parametrize(("share", "case"), listed(HALVED))
def test_shares_of_halves(share: str, case: Case, built: Any) -> None:
    kernels = built("fp16")
    rounded = on_half(case)
    content, inputs = write_model(model_of(rounded)), feeds(rounded)
    got = run_model(content, inputs, "cuda")[0]
    assert share in defines(kernels)
    assert_close_as_half(got, run_model(content, inputs, "cpu")[0], str(case))
