"""How often data cross between the host and a device that only counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter
from litegpu.delegate import DeviceLost
from litegpu.delegates.gpu import GpuDelegate
from litegpu.delegates.lowering.context import Options
from litegpu.graph import Array, Graph, Node

from tests.test_kept import X, forked

from .fakes import FAKES


class Counting:
    """Memory that is there, kernels that do nothing, and a list of transfers."""

    info = FAKES["gpu"]

    def __init__(self) -> None:
        self.uploads = self.downloads = 0
        self.fails = False

    def allocate(self, size: int) -> Any:
        return np.zeros(size, np.uint8)

    def view(self, buffer: Any, offset: int, size: int) -> Any:
        return buffer[offset : offset + size]

    def upload(self, array: Array, buffer: Any) -> None:
        self.uploads += 1

    def download(self, buffer: Any, array: Array) -> None:
        self.downloads += 1

    def build(self, kernels: Sequence[Any]) -> list[Any]:
        return [kernel.entry for kernel in kernels]

    def bind(self, *_: Any) -> Callable[[], object]:
        return self._run

    def sequence(self, steps: Sequence[Callable[[], object]]) -> Callable[[], object]:
        return lambda: [step() for step in steps]

    def _run(self) -> None:
        if self.fails:
            raise RuntimeError("broken")

    def synchronize(self) -> None:
        pass

    def is_lost(self, error: Exception) -> bool:
        return isinstance(error, DeviceLost)


class Some(GpuDelegate):
    """Takes all nodes but EXP."""

    def refusal(self, graph: Graph, node: Node) -> str | None:
        return "not this one" if node.op == "EXP" else super().refusal(graph, node)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("strict", [False, True])
def test_transfers_between_partitions(precision: str, strict: bool) -> None:
    """x goes there; relu comes back for EXP, whose result goes there; y comes back. abs stays."""
    device: Any = Counting()
    delegate = Some("counting", device, Options(precision), check_finite=strict)
    made = Interpreter(model_content=forked(), experimental_delegates=[delegate])
    made.allocate_tensors()
    made.set_tensor(0, X)
    device.uploads = device.downloads = 0
    made.invoke()
    assert device.uploads == 2
    assert device.downloads == (3 if strict else 2)


def test_a_partition_that_fails_gets_its_inputs() -> None:
    device: Any = Counting()
    delegate = Some("counting", device, Options())
    made = Interpreter(model_content=forked(), experimental_delegates=[delegate])
    made.allocate_tensors()
    assert made._plan is not None
    first, _, second = made._plan.steps
    made._plan.space.running = True
    first()
    device.downloads, device.fails = 0, True
    with pytest.warns(UserWarning, match="broken"):
        second()
    assert device.downloads == 1
