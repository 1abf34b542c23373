"""Plans of products on CUDA, chosen by measurement; on a fake CuPy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter, load_delegate
from litegpu.delegates.lowering.plans import candidates
from litegpu.delegates.tuning import CANDIDATES, REPEATS
from litegpu.graph import Graph, Node, Tensor
from litegpu.schema import options as o

from tests import models
from tests.cuda_on_cpu import compiler, fake_cupy
from tests.devices import no_fallback
from tests.models import F32

ROWS, DEPTH, COLUMNS = 48, 40, 36
RNG = np.random.default_rng(0)
X = RNG.integers(-8, 8, (ROWS, DEPTH)).astype(np.float32)
W = RNG.integers(-8, 8, (COLUMNS, DEPTH)).astype(np.float32)


@pytest.fixture(autouse=True)
def module() -> Iterator[Any]:
    if compiler.compiler() is None:
        pytest.skip("there is no C++ compiler")
    with fake_cupy.installed() as made:
        yield made


def twice() -> bytes:
    """Two products of the same sizes: one is measured for both."""
    tensors = (
        Tensor("x", (ROWS, DEPTH), F32),
        models.constant("w", W),
        Tensor("y", (ROWS, COLUMNS), F32),
        models.constant("v", W + 1),
        Tensor("z", (ROWS, COLUMNS), F32),
    )
    nodes = (
        Node("FULLY_CONNECTED", 1, (0, 1, -1), (2,), o.FullyConnectedOptions()),
        Node("FULLY_CONNECTED", 1, (0, 3, -1), (4,), o.FullyConnectedOptions()),
    )
    return models.single(Graph(tensors, nodes, (0,), (2, 4), "main"))


class Clock:
    """A device's measurements, made up: the plan that is measured as number `best` is fast."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, delegate: Any, best: int) -> None:
        self.measured = 0
        timed = delegate.delegate.device.timed

        def made_up(steps: Any) -> list[float]:
            position = self.measured // REPEATS
            self.measured += 1
            return [(0.1 if position == best else 0.2) for _ in timed(steps)]

        monkeypatch.setattr(delegate.delegate.device, "timed", made_up)


def run(delegate: Any) -> None:
    interpreter = Interpreter(model_content=twice(), experimental_delegates=[delegate])
    with no_fallback():
        interpreter.allocate_tensors()
        interpreter.set_tensor(0, X)
        interpreter.invoke()
    np.testing.assert_array_equal(interpreter.get_tensor(2), X @ W.T)
    np.testing.assert_array_equal(interpreter.get_tensor(4), X @ (W + 1).T)


@pytest.mark.parametrize("best", [0, 2, CANDIDATES - 1])
def test_the_fastest_plan_is_taken_and_kept(
    best: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"tune": True, "cache_dir": str(tmp_path)}
    delegate = load_delegate("cuda", options)
    clock = Clock(monkeypatch, delegate, best)
    run(delegate)
    assert clock.measured == CANDIDATES * REPEATS
    plans = delegate.delegate.options.plans  # type: ignore[attr-defined]
    ((question, plan),) = plans.measured.items()
    assert plan == candidates(question, CANDIDATES)[best]
    again = load_delegate("cuda", options)
    second = Clock(monkeypatch, again, 0)
    run(again)
    assert second.measured == 0
    assert again.delegate.options.plans.measured == plans.measured  # type: ignore[attr-defined]


def test_broken_files_are_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"tune": True, "cache_dir": str(tmp_path)}
    run(load_delegate("cuda", options))
    for path in tmp_path.glob("*/*.bin"):
        if path.read_bytes().startswith(b"{"):
            path.write_bytes(b'{"tile": 3}')
    delegate = load_delegate("cuda", options)
    clock = Clock(monkeypatch, delegate, 1)
    run(delegate)
    assert clock.measured == CANDIDATES * REPEATS


def test_nothing_is_measured_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    delegate = load_delegate("cuda")
    clock = Clock(monkeypatch, delegate, 0)
    run(delegate)
    assert clock.measured == 0
