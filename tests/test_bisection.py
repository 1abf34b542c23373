"""litegpu.bisect: the least set of delegated nodes that makes outputs wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import litegpu
import numpy as np
import pytest
from litegpu.graph import Array, Graph, Node
from litegpu.partition import Partition
from litegpu.reference_delegate import ReferenceDelegate
from litegpu.schema import options as o
from litegpu.testing_faults import KINDS, FaultyDelegate

from .devices import delegates
from .ops.test_control_flow import X, binary, while_model
from .test_comparison import CLASSIFIER, FOUR, POOL, faulty


class Together(ReferenceDelegate):
    """Wrong (10 too much in the last output) where all of `nodes` are in one partition."""

    def __init__(self, *nodes: int) -> None:
        super().__init__()
        self.nodes = frozenset(nodes)
        self.compiled = 0

    def compile(self, graph: Graph, part: Partition) -> Any:
        self.compiled += 1
        executable: Any = super().compile(graph, part)
        if self.nodes <= frozenset(part.nodes):
            right = executable.run

            def run(inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
                right(inputs, outputs)
                outputs[-1].__iadd__(10)

            executable.run = run
        return executable


def found(bisection: Any) -> list[tuple[int, int]]:
    return [(suspect.graph, suspect.node) for suspect in bisection.nodes]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("device", ["reference", "opencl", "cuda"])
def test_one_faulty_node(kind: str, device: str) -> None:
    inner = ReferenceDelegate() if device == "reference" else delegates(device)[0].delegate
    result = litegpu.bisect(CLASSIFIER, faulty(kind, POOL, inner))
    assert found(result) == [(0, POOL)]
    assert result.nodes[0].op == "AVERAGE_POOL_2D"
    assert result.rest_is_right
    assert result.error > 0
    assert result.delegated == 16
    assert result.trials <= 12


@pytest.mark.parametrize("nodes", [(0,), (3, 4), (2, 9), (0, 7, 15), (5, 6, 7, 8)])
def test_nodes_that_are_wrong_only_together(nodes: tuple[int, ...]) -> None:
    """What is between them must be there, too: partitions are convex."""
    result = litegpu.bisect(CLASSIFIER, Together(*nodes))
    least = {n for _, n in found(result)}
    assert least >= set(nodes)
    delegate = Together(*nodes)
    for left_out in least:
        allowed = {"only_nodes": sorted(least - {left_out})}
        assert not wrong(delegate, allowed), "one node less is right"
    assert wrong(delegate, {"only_nodes": sorted(least)})


def wrong(delegate: Any, options: dict[str, Any]) -> bool:
    """Whether a plain interpreter gives another output with these options than on the CPU."""
    litegpu.register_delegate("to be bisected", lambda: delegate)
    loaded = litegpu.load_delegate("to be bisected", options)
    results = []
    for given in ([], [loaded]):
        interpreter = litegpu.Interpreter(CLASSIFIER, experimental_delegates=given)
        interpreter.allocate_tensors()
        (detail,) = interpreter.get_input_details()
        value = np.random.default_rng((0, 0)).integers(-128, 128, detail["shape"])
        interpreter.set_tensor(detail["index"], value.astype(np.int8))
        interpreter.invoke()
        results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return not np.array_equal(*results)


def test_a_right_delegate() -> None:
    result = litegpu.bisect(CLASSIFIER, ReferenceDelegate())
    assert (result.nodes, result.trials, result.error, result.rest_is_right) == ((), 1, 0.0, True)
    assert result.to_dict()["nodes"] == []


def test_two_faults_are_found_one_after_the_other() -> None:
    twice = faulty("sign", POOL, faulty("sign", 14))
    first = litegpu.bisect(CLASSIFIER, twice)
    assert found(first) in ([(0, POOL)], [(0, 14)])
    assert not first.rest_is_right
    litegpu.register_delegate("twice faulty", lambda: twice)
    rest = litegpu.load_delegate("twice faulty", {"exclude_nodes": [first.nodes[0].node]})
    second = litegpu.bisect(CLASSIFIER, rest)
    assert {*found(first), *found(second)} == {(0, POOL), (0, 14)}
    assert second.rest_is_right


def test_fused_nodes_come_apart() -> None:
    (delegate,) = delegates("opencl")
    result = litegpu.bisect(FOUR, faulty("scale", 2, delegate.delegate, FOUR))
    assert found(result) == [(0, 2)]


def test_a_fault_in_the_body_of_a_loop() -> None:
    content = while_model(binary("MUL", 3, o.MulOptions()))
    planted = FaultyDelegate(ReferenceDelegate(), "bias", "y")
    result = litegpu.bisect(content, planted, {0: X})
    assert found(result) == [(2, 0)]


def test_tolerances_and_samples() -> None:
    planted = faulty("bias", POOL)
    assert not litegpu.bisect(CLASSIFIER, planted, tolerances={"int8": 255}).nodes
    result = litegpu.bisect(CLASSIFIER, planted, samples=3)
    assert (found(result), result.samples) == ([(0, POOL)], 3)
    with pytest.raises(ValueError, match="the inputs have no samples"):
        litegpu.bisect(CLASSIFIER, planted, [])


def test_progress() -> None:
    told: list[tuple[int, int]] = []
    litegpu.bisect(CLASSIFIER, faulty("bias", POOL), progress=lambda *done: told.append(done))
    assert told[-1][1] == 1
    assert [n for _, n in told] == sorted((n for _, n in told), reverse=True)


def test_refusals_of_the_user_hold() -> None:
    def accepts(graph: Graph, node: Node) -> bool:
        return node.op != "AVERAGE_POOL_2D"

    result = litegpu.bisect(CLASSIFIER, faulty("bias", POOL, ReferenceDelegate(accepts)))
    assert (result.nodes, result.delegated) == ((), 15)
