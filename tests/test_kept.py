"""Values that stay with a delegate between its partitions: what comes back, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from litegpu import DelegateWarning, DeviceLost, Interpreter
from litegpu.graph import Array, Graph, Model, Node, Tensor
from litegpu.partition import Partition
from litegpu.reference_delegate import ReferenceDelegate
from litegpu.schema.writer import write_model

from .models import F32, add_node

X = np.array([[1, -2, 3]], np.float32)
READ_HERE, PASSED_ON = 1, 2


def forked() -> bytes:
    """y = exp(relu(x)) + abs(x): tensors 1 = relu(x), 2 = abs(x), 3 = exp of 1, 4 = y."""
    tensors = tuple(Tensor(name, (1, 3), F32) for name in ("x", "relu", "abs", "exp", "y"))
    nodes = (
        Node("RELU", 1, (0,), (READ_HERE,)),
        Node("ABS", 1, (0,), (PASSED_ON,)),
        Node("EXP", 1, (READ_HERE,), (3,)),
        add_node(3, PASSED_ON, 4),
    )
    return write_model(Model((Graph(tensors, nodes, (0,), (4,), "main"),)))


EXPECTED = np.exp(np.maximum(X, 0)) + np.abs(X)


class Hoard(ReferenceDelegate):
    """Keeps what it may; `fault` is raised by the second partition, `lost` by whoever asks for what
    was kept."""

    def __init__(self, nodes: Sequence[int] = (0, 1, 3), name: str = "hoard") -> None:
        super().__init__(lambda graph, node: graph.nodes.index(node) in nodes, name)
        self.kept: dict[int, Array] = {}
        self.fetched: list[int] = []
        self.fault: Exception | None = None
        self.lost = False

    def compile(self, graph: Graph, part: Partition) -> Any:
        return Hoarded(self, part, super().compile(graph, part))


class Hoarded:
    def __init__(self, hoard: Hoard, part: Partition, inner: Any) -> None:
        self.hoard, self.part, self.inner = hoard, part, inner
        self.keeps: set[int] = set()

    def keep(self, outputs: Sequence[int]) -> None:
        self.keeps = {self.part.outputs[j] for j in outputs}

    def fetch(self, output: int, array: Array) -> None:
        if self.hoard.lost:
            raise DeviceLost("gone")
        self.hoard.fetched.append(self.part.outputs[output])
        np.copyto(array, self.hoard.kept[self.part.outputs[output]])

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        if self.hoard.fault is not None and 3 in self.part.nodes:
            raise self.hoard.fault
        given = [self.hoard.kept.get(t, x) for t, x in zip(self.part.inputs, inputs, strict=True)]
        made = [np.empty_like(y) for y in outputs]
        self.inner.run(given, made)
        for t, values, output in zip(self.part.outputs, made, outputs, strict=True):
            if t in self.keeps:
                self.hoard.kept[t] = values
            else:
                self.hoard.kept.pop(t, None)
                np.copyto(output, values)


def interpreter(*hoards: Hoard, **options: Any) -> Interpreter:
    made = Interpreter(model_content=forked(), experimental_delegates=list(hoards), **options)
    made._session.poison = True
    made.allocate_tensors()
    return made


def run(made: Interpreter) -> Any:
    made.set_tensor(0, X)
    made.invoke()
    return made.get_tensor(4)


def test_what_only_the_delegate_reads_stays_there() -> None:
    hoard = Hoard()
    made = interpreter(hoard)
    for _ in range(2):
        np.testing.assert_allclose(run(made), EXPECTED, rtol=1e-6)
    assert list(hoard.kept) == [PASSED_ON]
    assert not hoard.fetched


def test_what_others_read_comes_back() -> None:
    first, second = Hoard((0, 1)), Hoard((3,), "second")
    np.testing.assert_allclose(run(interpreter(first, second)), EXPECTED, rtol=1e-6)
    assert not first.kept
    assert not second.kept


def test_all_tensors_come_back_where_they_are_preserved() -> None:
    hoard = Hoard()
    made = interpreter(hoard, experimental_preserve_all_tensors=True)
    np.testing.assert_allclose(run(made), EXPECTED, rtol=1e-6)
    assert not hoard.kept
    np.testing.assert_array_equal(made.get_tensor(PASSED_ON), np.abs(X))


def test_what_was_kept_is_fetched_for_the_cpu() -> None:
    hoard = Hoard()
    made = interpreter(hoard)
    hoard.fault = RuntimeError("broken")
    with pytest.warns(DelegateWarning, match="broken"):
        np.testing.assert_allclose(run(made), EXPECTED, rtol=1e-6)
    assert hoard.fetched == [PASSED_ON]
    np.testing.assert_allclose(run(made), EXPECTED, rtol=1e-6)
    assert hoard.fetched == [PASSED_ON] * 2


def test_what_is_lost_is_computed_again() -> None:
    hoard = Hoard()
    made = interpreter(hoard)
    hoard.fault, hoard.lost = DeviceLost("gone"), True
    with pytest.warns(DelegateWarning, match="gone"):
        np.testing.assert_allclose(run(made), EXPECTED, rtol=1e-6)
    np.testing.assert_allclose(run(made), EXPECTED, rtol=1e-6)


def test_a_delegate_that_cannot_give_back_keeps_nothing_more() -> None:
    hoard = Hoard()
    made = interpreter(hoard)
    hoard.fault, hoard.lost = RuntimeError("broken"), True
    with pytest.warns(DelegateWarning, match="broken"):
        np.testing.assert_allclose(run(made), EXPECTED, rtol=1e-6)
    np.testing.assert_allclose(run(made), EXPECTED, rtol=1e-6)
    assert not hoard.kept
