"""Branches, loops and calls over subgraphs: static and data-dependent shapes, limits, hostile
models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter, Limits
from litegpu.graph import Graph, Model, Node, Tensor
from litegpu.schema import options as o
from litegpu.schema import options2 as o2
from litegpu.schema.enums import TensorType
from litegpu.schema.writer import write_model

from tests import oracle
from tests.cases import run_model
from tests.models import F32, I32, add_node, constant
from tests.tolerance import assert_close

BOOL = TensorType.BOOL


def binary(op: str, value: float, options: Any, shape: tuple[int, ...] = (2,)) -> Graph:
    """y = op(x, value)."""
    tensors = (
        Tensor("x", shape, F32, shape_signature=(-1,) * len(shape)),
        constant("c", np.float32(value)),
        Tensor("y", shape, F32, shape_signature=(-1,) * len(shape)),
    )
    return Graph(tensors, (Node(op, 1, (0, 1), (2,), options),), (0,), (2,), op.lower())


def doubled_rows() -> Graph:
    """y = concat(x, x) along axis 0: the shape grows."""
    tensors = (Tensor("x", (2,), F32), Tensor("y", (4,), F32))
    node = Node("CONCATENATION", 1, (0, 0), (1,), o.ConcatenationOptions(axis=0))
    return Graph(tensors, (node,), (0,), (1,), "grow")


def main(node: Node, *tensors: Tensor, inputs: tuple[int, ...]) -> Graph:
    return Graph(tensors, (node,), inputs, node.outputs, "main")


def model(*graphs: Graph) -> bytes:
    return write_model(Model(graphs))


def if_model(other: Graph) -> bytes:
    node = Node("IF", 1, (0, 1), (2,), o.IfOptions(then_subgraph_index=1, else_subgraph_index=2))
    tensors = (Tensor("c", (), BOOL), Tensor("x", (2,), F32), Tensor("y", (2,), F32))
    return model(main(node, *tensors, inputs=(0, 1)), binary("ADD", 1, o.AddOptions()), other)


X = np.array([3, -4], np.float32)


@pytest.mark.parametrize("condition", [True, False])
@pytest.mark.parametrize(
    "other", [binary("MUL", 2, o.MulOptions()), doubled_rows()], ids=["same", "grow"]
)
def test_if(condition: bool, other: Graph, device: str) -> None:
    content, inputs = if_model(other), [np.array(condition), X]
    got = run_model(content, inputs, device)
    assert_close(got[0], oracle.run(content, inputs)[0])


def test_if_changes_its_mind_between_invokes() -> None:
    it = Interpreter(model_content=if_model(doubled_rows()))
    it.allocate_tensors()
    it.set_tensor(1, X)
    for condition in (True, False, False, True):
        it.set_tensor(0, np.array(condition))
        it.invoke()
        expected = X + 1 if condition else np.concatenate([X, X])
        np.testing.assert_array_equal(it.get_tensor(2), expected)


def case_model() -> bytes:
    options = o2.StablehloCaseOptions(branch_subgraph_indices=(1, 2, 3))
    node = Node("STABLEHLO_CASE", 1, (0, 1), (2,), options)
    tensors = (Tensor("i", (), I32), Tensor("x", (2,), F32), Tensor("y", (2,), F32))
    branches = [binary("MUL", k, o.MulOptions()) for k in (10, 20, 30)]
    return model(main(node, *tensors, inputs=(0, 1)), *branches)


@pytest.mark.parametrize(("index", "factor"), [(0, 10), (1, 20), (2, 30), (3, 30), (-1, 30)])
def test_case_takes_the_last_branch_for_other_indices(index: int, factor: int, device: str) -> None:
    got = run_model(case_model(), [np.int32(index), X], device)
    np.testing.assert_array_equal(got[0], X * factor)


def while_model(body: Graph, limit: float = 100, op: str = "WHILE") -> bytes:
    """while max(x) < limit: x = body(x)."""
    tensors = (
        Tensor("x", (2,), F32),
        constant("axis", np.array([0], np.int32), I32),
        Tensor("m", (), F32),
        constant("limit", np.float32(limit)),
        Tensor("go", (), BOOL),
    )
    nodes = (
        Node("REDUCE_MAX", 1, (0, 1), (2,), o.ReducerOptions()),
        Node("LESS", 1, (2, 3), (4,), o.LessOptions()),
    )
    condition = Graph(tensors, nodes, (0,), (4,), "condition")
    kind = o.WhileOptions if op == "WHILE" else o2.StablehloWhileOptions
    options = kind(cond_subgraph_index=1, body_subgraph_index=2)
    node = Node(op, 1, (0,), (1,), options)
    return model(
        main(node, Tensor("x", (2,), F32), Tensor("y", (2,), F32), inputs=(0,)), condition, body
    )


def test_while(device: str) -> None:
    content = while_model(binary("MUL", 3, o.MulOptions()))
    got = run_model(content, [X], device)
    assert_close(got[0], oracle.run(content, [X])[0])
    np.testing.assert_array_equal(got[0], X * 81)


def test_stablehlo_while(device: str) -> None:
    content = while_model(binary("MUL", 3, o.MulOptions()), op="STABLEHLO_WHILE")
    np.testing.assert_array_equal(run_model(content, [X], device)[0], X * 81)


def test_call(device: str) -> None:
    node = Node("CALL", 1, (0,), (1,), o.CallOptions(subgraph=1))
    graph = main(node, Tensor("x", (2,), F32), Tensor("y", (2,), F32), inputs=(0,))
    got = run_model(model(graph, binary("ADD", 5, o.AddOptions())), [X], device)
    np.testing.assert_array_equal(got[0], X + 5)


def test_while_runs_no_iteration(device: str) -> None:
    got = run_model(while_model(binary("MUL", 3, o.MulOptions()), limit=1), [X], device)
    np.testing.assert_array_equal(got[0], X)


def growing_body() -> Graph:
    """y = concat(x, x) + 30."""
    tensors = (
        Tensor("x", (2,), F32),
        Tensor("xx", (4,), F32),
        constant("c", np.float32(30)),
        Tensor("y", (4,), F32),
    )
    nodes = (
        Node("CONCATENATION", 1, (0, 0), (1,), o.ConcatenationOptions(axis=0)),
        add_node(1, 2, 3),
    )
    return Graph(tensors, nodes, (0,), (3,), "body")


def test_while_with_growing_shapes(device: str) -> None:
    got = run_model(while_model(growing_body()), [X], device)
    np.testing.assert_array_equal(got[0], np.tile(X, 16) + 120)


def swap_model() -> bytes:
    """while i < 3: (i, a, b) = (i + 1, b, a): outputs of the body are its inputs, crossed."""
    scalar, pair = (), (2,)
    body_tensors = (
        Tensor("i", scalar, F32),
        Tensor("a", pair, F32),
        Tensor("b", pair, F32),
        constant("one", np.float32(1)),
        Tensor("j", scalar, F32),
    )
    body = Graph(body_tensors, (add_node(0, 3, 4),), (0, 1, 2), (4, 2, 1), "body")
    condition_tensors = (
        *body_tensors[:3],
        constant("three", np.float32(3)),
        Tensor("go", scalar, BOOL),
    )
    less = Node("LESS", 1, (0, 3), (4,), o.LessOptions())
    condition = Graph(condition_tensors, (less,), (0, 1, 2), (4,), "condition")
    options = o.WhileOptions(cond_subgraph_index=1, body_subgraph_index=2)
    node = Node("WHILE", 1, (0, 1, 2), (3, 4, 5), options)
    outputs = (Tensor("k", scalar, F32), Tensor("c", pair, F32), Tensor("d", pair, F32))
    return model(main(node, *body_tensors[:3], *outputs, inputs=(0, 1, 2)), condition, body)


def test_while_swaps_its_values(device: str) -> None:
    got = run_model(swap_model(), [np.float32(0), X, X + 1], device)
    assert got[0] == 3
    np.testing.assert_array_equal(got[1], X + 1)
    np.testing.assert_array_equal(got[2], X)


def test_endless_loop_meets_its_limit() -> None:
    content = while_model(binary("MUL", 1, o.MulOptions()))
    it = Interpreter(model_content=content, limits=Limits(loop_iterations=1000))
    it.allocate_tensors()
    with pytest.raises(RuntimeError, match=r"limits\.loop_iterations=1000"):
        it.invoke()
    timed = Interpreter(model_content=content, limits=Limits(invoke_seconds=0.05))
    timed.allocate_tensors()
    with pytest.raises(RuntimeError, match="invoke_seconds"):
        timed.invoke()


@pytest.mark.parametrize("target", [0, 1, 7, -1])
def test_hostile_callees(target: int) -> None:
    """A graph that calls itself, and graphs that are not there."""
    options = o.IfOptions(then_subgraph_index=target, else_subgraph_index=target)
    node = Node("IF", 1, (0, 1), (2,), options)
    tensors = (Tensor("c", (), BOOL), Tensor("x", (2,), F32), Tensor("y", (2,), F32))
    caller = main(node, *tensors, inputs=(0, 1))
    inner = Graph(tensors, (node,), (0, 1), (2,), "inner")
    with pytest.raises((RuntimeError, ValueError), match=r"subgraph|branch"):
        Interpreter(model_content=model(caller, inner)).allocate_tensors()


def test_call_of_the_wrong_number_of_inputs() -> None:
    node = Node("IF", 1, (0, 1, 1), (2,), o.IfOptions(then_subgraph_index=1, else_subgraph_index=1))
    tensors = (Tensor("c", (), BOOL), Tensor("x", (2,), F32), Tensor("y", (2,), F32))
    content = model(main(node, *tensors, inputs=(0, 1)), binary("ADD", 1, o.AddOptions()))
    with pytest.raises(RuntimeError, match="takes 1 inputs; the node gives 2"):
        Interpreter(model_content=content).allocate_tensors()


def test_composite_runs_its_decomposition(device: str) -> None:
    options = o2.StableHLOCompositeOptions(
        name="mine", decomposition_subgraph_index=1, composite_attributes=np.zeros(1, np.uint8)
    )
    node = Node("STABLEHLO_COMPOSITE", 1, (0,), (1,), options)
    graph = main(node, Tensor("x", (2,), F32), Tensor("y", (2,), F32), inputs=(0,))
    content = model(graph, binary("ADD", 5, o.AddOptions()))
    np.testing.assert_array_equal(run_model(content, [X], device)[0], X + 5)
    assert_close(X + 5, oracle.run(content, [X])[0])


def test_errors_name_the_inner_node() -> None:
    tensors = (
        Tensor("x", (2,), F32),
        constant("i", np.array([9], np.int32), I32),
        Tensor("y", (1,), F32),
    )
    inner = Graph(
        tensors, (Node("GATHER", 1, (0, 1), (2,), o.GatherOptions()),), (0,), (2,), "inner"
    )
    node = Node("IF", 1, (0, 1), (2,), o.IfOptions(then_subgraph_index=1, else_subgraph_index=1))
    outer = (Tensor("c", (), BOOL), Tensor("x", (2,), F32), Tensor("out", (1,), F32))
    it = Interpreter(model_content=model(main(node, *outer, inputs=(0, 1)), inner))
    it.allocate_tensors()
    with pytest.raises(RuntimeError, match=r"GATHER \(subgraph 1, node 0, 'y'\)") as caught:
        it.invoke()
    assert "Node number 0 (IF) failed to invoke" in str(caught.value)
