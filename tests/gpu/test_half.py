"""Float32 stored as half: every case of every operator on values that half holds, and whole
models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from litegpu import DelegateWarning, Interpreter, load_delegate
from litegpu.delegates.lowering.registry import LOWERINGS
from litegpu.graph import Array, Graph, Model, Node, Tensor
from litegpu.schema.enums import TensorType
from litegpu.schema.writer import write_model

import tests.cases
from tests.cases import Arg, Case, feeds, model_of, run_model
from tests.delegate_runs import claim
from tests.devices import CLAIMS, delegates, no_fallback
from tests.model_runs import ALL, Run, runs
from tests.operator_cases import cases_by_operator
from tests.tolerance import HALF_UNIT, assert_close_as_half

from .test_variants import EVERY, forced
from .test_variants import OPS as GPU_OPS

HALF = "opencl fp16"
DEVICES = (HALF, "cuda fp16")
LARGEST = float(np.finfo(np.float16).max)

FLOAT_MODELS = frozenset(
    {
        "mlperftiny__vww_96_float",
        "mp__face_detection_short_range",
        "mp__face_landmark",
        "dtln__model_1",
    }
)

CASES = {op: found for op, found in cases_by_operator().items() if op in LOWERINGS}


def representable(values: Array) -> Array:
    """Float32 values rounded to ones that half holds; infinity and NaN as they are."""
    bounded = np.clip(values, -LARGEST, LARGEST)
    return np.where(np.isinf(values), values, bounded).astype(np.float16).astype(np.float32)


def rounded(arg: Arg | None) -> Arg | None:
    if arg is None or arg.value is None or arg.value.dtype != np.float32:
        return arg
    return replace(arg, value=representable(arg.value))


SLOW = 3
"""One case in so many where PoCL builds the kernels, which takes it long."""


def on_half(case: Case) -> Case:
    """The case with values that half holds."""
    return replace(case, inputs=[rounded(arg) for arg in case.inputs])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("op", sorted(CASES))
def test_operator(op: str, device: str) -> None:
    """What half stores is the CPU's result, rounded once; integers are the CPU's."""
    for case in CASES[op][:: SLOW if device == HALF else 1]:
        if case.error is None:
            check(on_half(case), device)


@pytest.mark.parametrize("op", sorted(set(CASES) & set(GPU_OPS)))
def test_gpu_variant(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    delegates(HALF)
    monkeypatch.setattr(tests.cases, "delegates", forced_if_delegated)
    for case in CASES[op][:: EVERY * SLOW]:
        if case.error is None:
            check(on_half(case), HALF)


def forced_if_delegated(device: str) -> list[Any]:
    return [forced("fp16")] if device == HALF else []


def check(case: Case, device: str) -> None:
    content, inputs = write_model(model_of(case)), feeds(case)
    CLAIMS.clear()
    got = run_model(content, inputs, device, case.invokes)
    if not any(claimed for _, claimed in CLAIMS):
        return
    expected = run_model(content, inputs, "cpu", case.invokes)
    for j, (g, e) in enumerate(zip(got, expected, strict=True)):
        assert_close_as_half(g, e, f"{case}, output {j}")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "run", [run for run in runs(ALL) if run.path.stem in FLOAT_MODELS], ids=str
)
def test_models(run: Run, device: str) -> None:
    """Each node adds one rounding at most, of values that the next ones do not amplify much."""
    found = claim(run, delegates(device), device.split()[0])
    assert found.claimed == found.nodes
    assert found.largest is not None
    assert 0 < found.largest <= found.nodes * HALF_UNIT


def test_partitions_of_one_delegate_share_halves() -> None:
    """Values stay half between partitions, and between a partition and the CPU only pass as
    float32."""
    values = np.array([[0.1, 1e-9, 70000.0]], np.float32)
    model = write_model(relus(5))
    whole = run_model(model, [values], HALF)[0]
    for excluded in ((), (2,), (1, 3)):
        loaded = load_delegate(
            "opencl", {"precision": "fp16", "exclude_nodes": excluded, "min_nodes_per_partition": 0}
        )
        with no_fallback():
            interpreter = Interpreter(model_content=model, experimental_delegates=[loaded])
            interpreter.allocate_tensors()
            interpreter.set_tensor(0, values)
            interpreter.invoke()
        found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_array_equal(found, whole)
    np.testing.assert_array_equal(whole, [[np.float16(0.1), 0, np.inf]])


def test_overflow_is_named() -> None:
    strict = load_delegate("opencl", {"precision": "fp16", "check_finite": True})
    interpreter = Interpreter(model_content=write_model(relus(1)), experimental_delegates=[strict])
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.array([[1.0, 2.0, 70000.0]], np.float32))
    with pytest.warns(DelegateWarning, match=r"\('y'\) has NaN or infinity.*precision is fp16"):
        interpreter.invoke()
    assert interpreter.get_tensor(1)[0, 2] == 70000


def relus(count: int) -> Model:
    names = ["x", *(f"hidden{n}" for n in range(1, count)), "y"]
    tensors = tuple(Tensor(name, (1, 3), TensorType.FLOAT32) for name in names)
    nodes = tuple(Node("RELU", 1, (n,), (n + 1,)) for n in range(count))
    return Model((Graph(tensors, nodes, (0,), (count,), "main"),))
