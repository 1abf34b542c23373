"""Delegates: who runs what and why, and that no failure of theirs changes a result."""

from __future__ import annotations

import ctypes
import json
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litegpu import (
    Cost,
    DelegateLoadError,
    DelegateWarning,
    DeviceLost,
    Interpreter,
    OpResolverType,
    Unsupported,
    load_delegate,
    register_delegate,
)
from litegpu.graph import Graph, Model, Node, Tensor
from litegpu.reference_delegate import ReferenceDelegate, random_half
from litegpu.schema import options as o
from litegpu.schema.enums import ActivationFunctionType
from litegpu.schema.reader import read_model
from litegpu.schema.writer import write_model

from . import models
from .models import F32, add_node, constant

X = np.array([[1, -2, 3], [-4, 5, -6]], np.float32)


def run(interpreter: Interpreter, value: Any = X) -> Any:
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


EXPECTED = np.maximum(X + 1, 0) + 10


def only(*indices: int) -> Callable[[Graph, Node], bool]:
    return lambda graph, node: graph.nodes.index(node) in indices


def owners(interpreter: Interpreter) -> list[str]:
    return [n["owner"] for n in interpreter.explain().to_dict()["subgraphs"][0]["nodes"]]


def test_a_delegate_runs_what_it_takes() -> None:
    ran = []

    class Noted(ReferenceDelegate):
        def compile(self, graph: Graph, part: Any) -> Any:
            ran.append((part.owner, part.nodes, part.inputs, part.outputs))
            return super().compile(graph, part)

    it = Interpreter(model_content=models.chain(), experimental_delegates=[Noted()])
    np.testing.assert_array_equal(run(it), EXPECTED)
    assert ran == [(1, (0, 1), (0,), (4,))]
    assert owners(it) == ["reference", "reference"]


def test_explanation_layout() -> None:
    delegate = ReferenceDelegate(only(1))
    it = Interpreter(model_content=models.chain(), experimental_delegates=[delegate])
    with pytest.raises(RuntimeError, match="allocate_tensors"):
        it.explain()
    it.allocate_tensors()
    found = it.explain()
    [graph] = found.to_dict()["subgraphs"]
    assert [p["owner"] for p in graph["partitions"]] == ["cpu", "reference"]
    assert graph["partitions"][1] | {"cpu_seconds": None} == {
        "owner": "reference",
        "nodes": [1],
        "inputs": [2],
        "outputs": [4],
        "bytes_in": 24,
        "bytes_out": 24,
        "cpu_seconds": None,
    }
    refusal = {"code": "unsupported", "reason": "it was told not to take this node"}
    assert graph["nodes"] == [
        {"index": 0, "op": "ADD", "owner": "cpu", "refusals": {"reference": refusal}},
        {"index": 1, "op": "ADD", "owner": "reference", "refusals": {}},
    ]
    assert json.loads(found.to_json()) == found.to_dict()
    assert "node 0 ADD: reference [unsupported] it was told not" in str(found)


def test_two_delegates_in_order_of_preference() -> None:
    first, second = ReferenceDelegate(only(1), "first"), ReferenceDelegate(name="second")
    it = Interpreter(model_content=models.chain(), experimental_delegates=[first, second])
    np.testing.assert_array_equal(run(it), EXPECTED)
    assert owners(it) == ["second", "first"]


def test_delegates_of_the_same_name_are_told_apart() -> None:
    both = [ReferenceDelegate(only(0)), ReferenceDelegate(only(1))]
    it = Interpreter(model_content=models.chain(), experimental_delegates=both)
    run(it)
    assert owners(it) == ["reference", "reference#2"]


def policy(**options: Any) -> Any:
    register_delegate("reference-for-tests", ReferenceDelegate)
    return load_delegate("reference-for-tests", options)


@pytest.mark.parametrize(
    ("options", "expected", "code"),
    [
        ({"exclude_ops": ["ADD"]}, ["cpu", "cpu"], "excluded"),
        ({"exclude_ops": "MUL,ADD"}, ["cpu", "cpu"], "excluded"),
        ({"exclude_nodes": [0]}, ["cpu", "reference"], "excluded"),
        ({"only_nodes": [0]}, ["reference", "cpu"], "excluded"),
        ({"min_nodes_per_partition": 3}, ["cpu", "cpu"], "too_small"),
        ({"min_nodes_per_partition": 2}, ["reference", "reference"], None),
        ({"max_delegated_partitions": 0}, ["cpu", "cpu"], "too_many"),
        ({"max_delegated_partitions": 1}, ["reference", "reference"], None),
    ],
)
def test_pins_and_thresholds(
    options: dict[str, Any], expected: list[str], code: str | None
) -> None:
    it = Interpreter(model_content=models.chain(), experimental_delegates=[policy(**options)])
    np.testing.assert_array_equal(run(it), EXPECTED)
    assert owners(it) == expected
    nodes = it.explain().to_dict()["subgraphs"][0]["nodes"]
    codes = {r["code"] for n in nodes for r in n["refusals"].values()}
    assert codes == ({code} if code else set())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speed": 11}, "no option 'speed'"),
        ({"fallback": "maybe"}, "fallback is 'maybe'"),
        ({"min_nodes_per_partition": -1}, "min_nodes_per_partition is -1"),
        ({"exclude_nodes": ["a"]}, "exclude_nodes"),
    ],
)
def test_unknown_and_bad_options_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DelegateLoadError, match=message):
        policy(**options)


def test_cost_keeps_small_partitions_on_the_cpu() -> None:
    delegate = ReferenceDelegate()
    delegate.cost = Cost(speedup=10, seconds_per_partition=1.0, seconds_per_byte=0)  # type: ignore[attr-defined]
    it = Interpreter(model_content=models.chain(), experimental_delegates=[delegate])
    np.testing.assert_array_equal(run(it), EXPECTED)
    assert owners(it) == ["cpu", "cpu"]
    delegate.cost = Cost(speedup=10, seconds_per_partition=0, seconds_per_byte=0)  # type: ignore[attr-defined]
    it = Interpreter(model_content=models.chain(), experimental_delegates=[delegate])
    run(it)
    assert owners(it) == ["reference", "reference"]


def test_node_fusion_off_gives_single_nodes() -> None:
    it = Interpreter(
        model_content=models.chain(),
        experimental_delegates=[ReferenceDelegate()],
        experimental_disable_delegate_node_fusion=True,
    )
    np.testing.assert_array_equal(run(it), EXPECTED)
    assert [p["nodes"] for p in it.explain().to_dict()["subgraphs"][0]["partitions"]] == [[0], [1]]


def test_clustering_off_keeps_program_order() -> None:
    """Nodes 0 and 2 are independent of node 1: with clustering they are one partition."""
    tensors = (
        *(Tensor(n, (2,), F32) for n in "xabc"),
        constant("one", np.ones(2, np.float32)),
    )
    nodes = (add_node(0, 4, 1), add_node(0, 4, 2), add_node(0, 4, 3))
    content = models.single(Graph(tensors, nodes, (0,), (1, 2, 3), "main"))

    def partitions(off: bool) -> list[list[int]]:
        it = Interpreter(
            model_content=content,
            experimental_delegates=[ReferenceDelegate(only(0, 2))],
            experimental_disable_delegate_clustering=off,
        )
        it.allocate_tensors()
        return [p["nodes"] for p in it.explain().to_dict()["subgraphs"][0]["partitions"]]

    assert partitions(False) == [[1], [0, 2]]
    assert partitions(True) == [[0], [1], [2]]


def test_dynamic_nodes_stay_and_name_the_tensor() -> None:
    tensors = (
        Tensor("x", (4,), models.TensorType.BOOL),
        Tensor("rows", (1, 1), models.TensorType.INT64),
        Tensor("y", (1, 1), F32),
        Tensor("not_x", (4,), models.TensorType.BOOL),
    )
    cast = o.CastOptions(in_data_type=models.TensorType.INT64, out_data_type=F32)
    nodes = (
        Node("WHERE", 1, (3,), (1,), o.WhereOptions()),
        Node("CAST", 1, (1,), (2,), cast),
        Node("LOGICAL_NOT", 1, (0,), (3,), o.LogicalNotOptions()),
    )
    graph = Graph(tensors, (nodes[2], *nodes[:2]), (0,), (2,), "main")
    it = Interpreter(
        model_content=models.single(graph), experimental_delegates=[ReferenceDelegate()]
    )
    got = run(it, np.array([True, False, True, False]))
    np.testing.assert_array_equal(got, [[1], [3]])
    places = it.explain().to_dict()["subgraphs"][0]["nodes"]
    assert [n["owner"] for n in places] == ["reference", "cpu", "cpu"]
    assert places[1]["refusals"]["reference"]["code"] == "dynamic_shape"
    assert "'rows'" in places[2]["refusals"]["reference"]["reason"]


def test_bodies_of_control_flow_are_partitioned() -> None:
    from .ops.test_control_flow import binary, while_model

    content = while_model(binary("MUL", 3, o.MulOptions()))
    it = Interpreter(model_content=content, experimental_delegates=[ReferenceDelegate()])
    got = run(it, np.array([3, -4], np.float32))
    np.testing.assert_array_equal(got, [243, -324])
    graphs = it.explain().to_dict()["subgraphs"]
    assert [[n["owner"] for n in g["nodes"]] for g in graphs] == [
        ["cpu"],
        ["reference", "reference"],
        ["reference"],
    ]
    assert graphs[0]["nodes"][0]["refusals"]["reference"]["code"] == "stateful"


def test_nodes_that_call_graphs_stay_though_they_are_pure() -> None:
    """A delegate sees one graph: not the one that says how a scatter joins values."""
    from .ops.test_stablehlo_index import PLACES, scatter_model

    x, updates = np.zeros((3, 4, 2), np.float32), np.ones((5, 2, 2), np.float32)
    content = scatter_model(x, PLACES, updates)
    it = Interpreter(model_content=content, experimental_delegates=[ReferenceDelegate()])
    it.allocate_tensors()
    nodes = it.explain().to_dict()["subgraphs"][0]["nodes"]
    assert nodes[0]["refusals"]["reference"]["code"] == "stateful"


class Faulty(ReferenceDelegate):
    """Does one thing wrong. `fault(step, inputs, outputs, run)` replaces `run` at the given
    invoke and later."""

    def __init__(self, fault: Any, where: str = "run", first: int = 0) -> None:
        super().__init__()
        self.name = "faulty"
        self.fault, self.where, self.first = fault, where, first
        self.kept: list[Any] = []

    def refusal(self, graph: Graph, node: Node) -> str | None:
        if self.where == "refusal":
            self.fault()
        return super().refusal(graph, node)

    def compile(self, graph: Graph, part: Any) -> Any:
        if self.where == "compile":
            return self.fault()
        inner, outer = super().compile(graph, part), self

        class Executable:
            runs = 0

            def run(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
                self.runs += 1
                if outer.where == "run" and self.runs > outer.first:
                    return outer.fault(outer, inputs, outputs, inner.run)
                return inner.run(inputs, outputs)

        return Executable()


def raises(*_: Any) -> None:
    raise OSError("the cable is out")


def half_written(_: Any, inputs: Any, outputs: Any, run: Any) -> None:
    outputs[0][...] = 77
    raise MemoryError("out of device memory")


def wrong_shape(_: Any, inputs: Any, outputs: Any, run: Any) -> None:
    outputs[0][...] = np.zeros((5, 7), np.float32)


def replaced_output(_: Any, inputs: Any, outputs: Any, run: Any) -> None:
    outputs[0] = np.zeros((2, 3), np.float32)


def returned_output(_: Any, inputs: Any, outputs: Any, run: Any) -> Any:
    return [np.zeros((2, 3), np.float64)]


def wrong_dtype(_: Any, inputs: Any, outputs: Any, run: Any) -> None:
    np.copyto(outputs[0], np.zeros((2, 3), np.complex128))


def writes_inputs(_: Any, inputs: Any, outputs: Any, run: Any) -> None:
    run(inputs, outputs)
    inputs[0][...] = 0


def writes_inputs_by_the_back_door(_: Any, inputs: Any, outputs: Any, run: Any) -> None:
    run(inputs, outputs)
    ctypes.memset(inputs[0].ctypes.data, 1, inputs[0].nbytes)


def writes_the_base_of_inputs(_: Any, inputs: Any, outputs: Any, run: Any) -> None:
    run(inputs, outputs)
    inputs[0].base[...] = 1


def keeps_arrays(outer: Any, inputs: Any, outputs: Any, run: Any) -> None:
    outer.kept.append(outputs[0])
    run(inputs, outputs)


def returns_nothing() -> None:
    return None


RUN_FAULTS = [
    raises,
    half_written,
    wrong_shape,
    replaced_output,
    returned_output,
    wrong_dtype,
    writes_inputs,
    writes_inputs_by_the_back_door,
    writes_the_base_of_inputs,
    keeps_arrays,
]
BACK_DOOR_IS_SEEN_AT_FIRST = {writes_inputs_by_the_back_door}

FAULTS = [
    *(
        (f, "run", first)
        for f in RUN_FAULTS
        for first in (0, 2)
        if not first or f not in BACK_DOOR_IS_SEEN_AT_FIRST
    ),
    (raises, "compile", 0),
    (returns_nothing, "compile", 0),
    (raises, "refusal", 0),
]


@pytest.mark.parametrize(
    ("fault", "where", "first"), FAULTS, ids=[f"{f.__name__} {w} {n}" for f, w, n in FAULTS]
)
def test_a_failing_delegate_never_changes_the_result(fault: Any, where: str, first: int) -> None:
    """A fault at the first or a later invoke: results stay right, and one warning says what
    happened."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        delegate = Faulty(fault, where, first)
        it = Interpreter(model_content=models.chain(), experimental_delegates=[delegate])
        for k in range(5):
            np.testing.assert_array_equal(run(it, X + k), np.maximum(X + k + 1, 0) + 10)
    found = [w.message for w in caught if isinstance(w.message, DelegateWarning)]
    assert len({w.nodes for w in found}) == len(found) >= 1
    assert all(w.delegate == "faulty" for w in found)
    assert "'faulty'" in str(found[0])


@pytest.mark.parametrize("where", ["refusal", "compile", "run"])
def test_fallback_raise(where: str) -> None:
    register_delegate("faulty-for-tests", lambda: Faulty(raises, where))
    delegate = load_delegate("faulty-for-tests", {"fallback": "raise"})
    it = Interpreter(model_content=models.chain(), experimental_delegates=[delegate])
    with pytest.raises(RuntimeError, match="the cable is out") as caught:
        run(it)
    assert "faulty" in str(caught.value)


def stateful() -> bytes:
    """y = SVDF(x): its state is a variable tensor, and counts every run."""
    tensors = (
        Tensor("x", (1, 2), F32),
        constant("features", np.array([[1, 0.5], [0.25, -1]], np.float32)),
        constant("time", np.array([[1, 2, 3], [4, 5, 6]], np.float32)),
        Tensor("state", (1, 6), F32, is_variable=True),
        Tensor("y", (1, 2), F32),
        constant("one", np.float32(1)),
        Tensor("z", (1, 2), F32),
    )
    options = o.SVDFOptions(rank=1, fused_activation_function=ActivationFunctionType.NONE)
    nodes = (Node("SVDF", 1, (0, 1, 2, -1, 3), (4,), options), add_node(4, 5, 6))
    return write_model(Model((Graph(tensors, nodes, (0,), (6,), "main"),)))


def advance(interpreter: Interpreter, count: int = 4) -> list[Any]:
    interpreter.allocate_tensors()
    found = []
    for k in range(count):
        interpreter.set_tensor(0, np.array([[k + 1, 2 - k]], np.float32))
        interpreter.invoke()
        found.append(interpreter.get_tensor(6))
    return found


def state_then_failure(_: Any, inputs: Any, outputs: Any, run: Any) -> None:
    run(inputs, outputs)
    raise OSError("after the state was updated")


@pytest.mark.parametrize("first", [0, 2])
def test_state_is_never_applied_twice(first: int) -> None:
    expected = advance(Interpreter(model_content=stateful()))
    good = Interpreter(model_content=stateful(), experimental_delegates=[ReferenceDelegate()])
    np.testing.assert_array_equal(advance(good), expected)
    assert owners(good) == ["reference", "reference"]
    delegate = Faulty(state_then_failure, "run", first)
    with pytest.warns(DelegateWarning):
        got = advance(Interpreter(model_content=stateful(), experimental_delegates=[delegate]))
    np.testing.assert_array_equal(got, expected)


def dies(*_: Any) -> None:
    raise DeviceLost("the GPU fell off the bus")


def test_a_dead_delegate_says_so() -> None:
    delegate = Faulty(dies, "run", 1)
    it = Interpreter(model_content=models.chain(), experimental_delegates=[delegate])
    np.testing.assert_array_equal(run(it), EXPECTED)
    with pytest.warns(DelegateWarning, match="fell off the bus"):
        np.testing.assert_array_equal(run(it), EXPECTED)
    it.resize_tensor_input(0, [1, 3])
    np.testing.assert_array_equal(run(it, X[:1]), EXPECTED[:1])
    refusals = it.explain().to_dict()["subgraphs"][0]["nodes"][0]["refusals"]
    assert refusals["faulty"] == {"code": "device_lost", "reason": "the GPU fell off the bus"}


def test_going_back_to_a_shape_does_not_compile_again() -> None:
    compiled = []

    class Counting(ReferenceDelegate):
        def compile(self, graph: Graph, part: Any) -> Any:
            compiled.append(graph.tensors[0].shape)
            return super().compile(graph, part)

    it = Interpreter(model_content=models.chain(), experimental_delegates=[Counting()])
    for rows in (2, 5, 2, 5):
        it.resize_tensor_input(0, [rows, 3])
        np.testing.assert_array_equal(
            run(it, np.ones((rows, 3), np.float32)), np.full((rows, 3), 12)
        )
    assert compiled == [(2, 3), (5, 3)]


def test_preserve_all_keeps_a_delegates_intermediates() -> None:
    kwargs: dict[str, Any] = {"model_content": models.chain()}
    with pytest.warns(UserWarning, match="preserve_all"):
        it = Interpreter(
            **kwargs,
            experimental_delegates=[ReferenceDelegate()],
            experimental_preserve_all_tensors=True,
        )
    np.testing.assert_array_equal(run(it), EXPECTED)
    assert owners(it) == ["reference", "reference"]
    np.testing.assert_array_equal(it.get_tensor(2), np.maximum(X + 1, 0))


@pytest.mark.parametrize(
    "resolver", [OpResolverType.BUILTIN_REF, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES]
)
def test_debugging_resolvers_run_no_delegate(
    resolver: OpResolverType, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_delegate("reference-for-tests", ReferenceDelegate)
    monkeypatch.setenv("LITEGPU_DEFAULT_DELEGATES", "reference-for-tests")
    with pytest.warns(UserWarning, match=f"{resolver.name} runs no delegate.*reference") as caught:
        it = Interpreter(
            model_content=models.chain(),
            experimental_delegates=[ReferenceDelegate()],
            experimental_op_resolver_type=resolver,
        )
    assert len(caught) == 1
    np.testing.assert_array_equal(run(it), EXPECTED)
    assert owners(it) == ["cpu", "cpu"]


def test_default_delegates(monkeypatch: pytest.MonkeyPatch) -> None:
    register_delegate("reference-for-tests", ReferenceDelegate)
    monkeypatch.setenv("LITEGPU_DEFAULT_DELEGATES", "reference-for-tests")

    def taken(**kwargs: Any) -> list[str]:
        it = Interpreter(model_content=models.chain(), **kwargs)
        run(it)
        return owners(it)

    assert taken() == ["reference", "reference"]
    assert taken(experimental_delegates=[]) == ["cpu", "cpu"]
    with pytest.warns(UserWarning, match="preserve_all"):
        assert taken(experimental_preserve_all_tensors=True) == ["cpu", "cpu"]
    monkeypatch.setenv("LITEGPU_DEFAULT_DELEGATES", "")
    assert taken() == ["cpu", "cpu"]


def install(monkeypatch: pytest.MonkeyPatch, **factories: Any) -> None:
    """Replaces the entry points that are installed. The factories are of this module."""
    from litegpu import plugins

    class Point(EntryPoint):
        def load(self) -> Any:
            return factories[self.name]

    points = EntryPoints(Point(name, "tests", plugins.GROUP) for name in factories)
    monkeypatch.setattr(plugins, "_installed", lambda: points)


def test_entry_points_that_find_a_gpu_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    from litegpu import plugins

    def cuda() -> ReferenceDelegate:
        return ReferenceDelegate(name="cuda")

    def opencl() -> ReferenceDelegate:
        return ReferenceDelegate(name="opencl")

    monkeypatch.delenv("LITEGPU_DEFAULT_DELEGATES", raising=False)
    install(monkeypatch, opencl=opencl, cuda=cuda)
    assert plugins.default_delegates() == []
    opencl.finds_gpu = lambda: True  # type: ignore[attr-defined]
    assert [d.name for d in plugins.default_delegates()] == ["opencl"]
    cuda.finds_gpu = lambda: True  # type: ignore[attr-defined]
    assert [d.name for d in plugins.default_delegates()] == ["cuda"]
    assert load_delegate("opencl").name == "opencl"


FILE = """
from litegpu.reference_delegate import ReferenceDelegate

def create_delegate(label="from a file"):
    return ReferenceDelegate(name=label)
"""


def test_load_delegate_from_file_and_module(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    assert load_delegate(path).name == "from a file"
    assert load_delegate(str(path), {"label": "x"}).name == "x"
    loaded = load_delegate("litegpu.reference_delegate:half")
    it = Interpreter(model_content=models.chain(), experimental_delegates=[loaded])
    np.testing.assert_array_equal(run(it), EXPECTED)
    assert it._delegates == [loaded]


@pytest.mark.parametrize(
    "library",
    [
        "no-such-delegate",
        "/nowhere/lib.py",
        "no.such.module:f",
        "litegpu.reference_delegate:nothing",
    ],
)
def test_load_delegate_that_is_not_there(library: str) -> None:
    for kind in (OSError, ValueError):
        with pytest.raises(kind, match=library.split(":")[0]):
            load_delegate(library)


@pytest.mark.parametrize("name", ["cuda", "opencl"])
def test_names_of_known_delegates_say_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch)
    with pytest.raises(DelegateLoadError, match=rf"pip install .*litegpu\[{name}"):
        load_delegate(name)


def test_factories_that_fail() -> None:
    def broken() -> None:
        raise RuntimeError("no driver")

    register_delegate("broken-for-tests", broken)  # type: ignore[arg-type]
    with pytest.raises(DelegateLoadError, match="no driver"):
        load_delegate("broken-for-tests")
    register_delegate("empty-for-tests", lambda: object())  # type: ignore[arg-type,return-value]
    with pytest.raises(DelegateLoadError, match="it has no name, refusal, compile"):
        load_delegate("empty-for-tests")
    with pytest.raises(AttributeError, match="has no attribute 'name'"):
        Interpreter(model_content=models.chain(), experimental_delegates=[object()])


def test_unsupported_is_a_refusal_too() -> None:
    class Picky(ReferenceDelegate):
        def refusal(self, graph: Graph, node: Node) -> str | None:
            raise Unsupported("not today")

    it = Interpreter(model_content=models.chain(), experimental_delegates=[Picky()])
    np.testing.assert_array_equal(run(it), EXPECTED)
    refusals = it.explain().to_dict()["subgraphs"][0]["nodes"][0]["refusals"]
    assert refusals == {"reference": {"code": "unsupported", "reason": "not today"}}


class Dlpack:
    """An array of another library, known only by DLPack."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._array.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


def test_inputs_and_outputs_through_dlpack() -> None:
    it = Interpreter(model_content=models.chain())
    np.testing.assert_array_equal(run(it, Dlpack(X)), EXPECTED)
    np.testing.assert_array_equal(np.from_dlpack(it.get_tensor_dlpack(4)), EXPECTED)
    frozen = X.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(run(it, frozen), EXPECTED)


def test_device_arrays_need_a_delegate_that_reads_them() -> None:
    class OnDevice:
        @property
        def __cuda_array_interface__(self) -> dict[str, Any]:
            return {"shape": (2, 3), "typestr": "<f4", "data": (0, True), "version": 3}

    class Adopted:
        shape, dtype = X.shape, X.dtype

        def copy_to(self, array: Any) -> None:
            array[:] = X

    class Reads(ReferenceDelegate):
        def adopt(self, array: Any) -> Any:
            return Adopted() if isinstance(array, OnDevice) else None

    it = Interpreter(model_content=models.chain())
    it.allocate_tensors()
    with pytest.raises(ValueError, match="lies on a device"):
        it.set_tensor(0, OnDevice())
    it = Interpreter(model_content=models.chain(), experimental_delegates=[Reads()])
    np.testing.assert_array_equal(run(it, OnDevice()), EXPECTED)


@st.composite
def programs(draw: st.DrawFn) -> tuple[bytes, list[Any]]:
    """Random DAGs of ADD and MUL over [3], and three sets of nodes that delegates accept."""
    count = draw(st.integers(2, 12))
    tensors = [Tensor("x", (3,), F32), constant("c", np.array([0.5, -1, 2], np.float32))]
    nodes = []
    for n in range(count):
        a, b = draw(st.integers(0, n + 1)), draw(st.integers(0, n + 1))
        op = draw(st.sampled_from(["ADD", "MUL"]))
        options = o.AddOptions() if op == "ADD" else o.MulOptions()
        tensors.append(Tensor(f"t{n}", (3,), F32))
        nodes.append(Node(op, 1, (a, b), (n + 2,), options))
    outputs = tuple(draw(st.sets(st.integers(2, count + 1), min_size=1, max_size=3)))
    graph = Graph(tuple(tensors), tuple(nodes), (0,), outputs, "main")
    subsets = [draw(st.sets(st.integers(0, count - 1))) for _ in range(3)]
    return models.single(graph), subsets


@settings(max_examples=300, deadline=None)
@given(programs())
def test_random_programs_give_the_same_with_and_without_delegates(case: Any) -> None:
    content, subsets = case
    delegates = [ReferenceDelegate(only(*s), f"d{i}") for i, s in enumerate(subsets)]

    def results(**kwargs: Any) -> list[Any]:
        it = Interpreter(model_content=content, **kwargs)
        it.allocate_tensors()
        it._session.poison = True
        found = []
        for k in range(2):
            it.set_tensor(0, np.array([1, 2, -3], np.float32) + k)
            it.invoke()
            found += [it.get_tensor(d["index"]) for d in it.get_output_details()]
        return found

    np.testing.assert_array_equal(results(), results(experimental_delegates=delegates))


@pytest.mark.parametrize(("node", "expected"), [(0, np.maximum(X + 1, 0)), (1, X + 10)])
def test_a_cut_is_a_model_of_its_nodes_alone(node: int, expected: Any) -> None:
    """It can be written, read and run."""
    from litegpu.cut import cut

    graph = read_model(memoryview(models.chain())).graphs[0]
    part = cut(graph, [node], [graph.nodes[node].inputs[0]], list(graph.nodes[node].outputs))
    it = Interpreter(model_content=write_model(part))
    assert len(it._get_ops_details()) == 1
    given = it.get_input_details()[0]["index"]
    it.allocate_tensors()
    it.set_tensor(given, X)
    it.invoke()
    np.testing.assert_array_equal(it.get_tensor(it.get_output_details()[0]["index"]), expected)


def test_random_halves_are_repeatable_and_differ_by_seed() -> None:
    graphs = [read_model(memoryview(models.chain())).graphs[0] for _ in range(2)]
    halves = {
        tuple(random_half(seed)(graph, node) for node in graph.nodes)
        for seed in range(20)
        for graph in graphs
    }
    assert len(halves) > 1
    for seed in range(20):
        first, second = ([random_half(seed)(g, n) for n in g.nodes] for g in graphs)
        assert first == second


def test_explanation_of_what_failed_at_run_time() -> None:
    delegate = Faulty(raises)
    it = Interpreter(model_content=models.chain(), experimental_delegates=[delegate])
    it.allocate_tensors()
    assert owners(it) == ["faulty", "faulty"]
    with pytest.warns(DelegateWarning):
        run(it)
    graph = it.explain().to_dict()["subgraphs"][0]
    assert [p["owner"] for p in graph["partitions"]] == ["cpu"]
    refusal = {"code": "run_failed", "reason": "OSError: the cable is out"}
    assert [n["refusals"] for n in graph["nodes"]] == [{"faulty": refusal}] * 2


def test_warnings_point_at_the_callers_line() -> None:
    it = Interpreter(model_content=models.chain(), experimental_delegates=[Faulty(raises)])
    with pytest.warns(DelegateWarning) as caught:
        run(it)
    other = Faulty(raises, "compile")
    with pytest.warns(DelegateWarning) as more:
        run(Interpreter(model_content=models.chain(), experimental_delegates=[other]))
    with pytest.warns(UserWarning, match="preserve_all") as third:
        Interpreter(model_content=models.chain(), experimental_preserve_all_tensors=True)
    assert {w.filename for w in (*caught, *more, *third)} == {__file__}


def test_one_warning_for_all_nodes_that_cannot_be_judged() -> None:
    delegate = Faulty(raises, "refusal")
    it = Interpreter(model_content=models.chain(), experimental_delegates=[delegate])
    with pytest.warns(DelegateWarning) as caught:
        it.allocate_tensors()
    assert [w.message.nodes for w in caught] == [(0, 1)]  # type: ignore[union-attr]


@pytest.mark.parametrize("answer", [False, True, 3, b"no"])
def test_refusals_must_be_text(answer: Any) -> None:
    class Vague(ReferenceDelegate):
        def refusal(self, graph: Graph, node: Node) -> str | None:
            return answer  # type: ignore[no-any-return]

    it = Interpreter(model_content=models.chain(), experimental_delegates=[Vague()])
    with pytest.warns(DelegateWarning, match="a text or None expected"):
        np.testing.assert_array_equal(run(it), EXPECTED)
    assert owners(it) == ["cpu", "cpu"]


@pytest.mark.parametrize("where", ["refusal", "compile"])
def test_a_device_lost_while_planning_is_dead_at_once(where: str) -> None:
    asked = []

    def lost() -> None:
        asked.append(where)
        raise DeviceLost("no power")

    it = Interpreter(
        model_content=models.chain(),
        experimental_delegates=[Faulty(lost, where)],
        experimental_disable_delegate_node_fusion=True,
    )
    with pytest.warns(DelegateWarning, match="no power") as caught:
        np.testing.assert_array_equal(run(it), EXPECTED)
    assert len(caught) == len(asked) == 1
    nodes = it.explain().to_dict()["subgraphs"][0]["nodes"]
    assert nodes[1]["refusals"]["faulty"]["code"] == "device_lost"


def test_a_dead_delegate_raises_under_fallback_raise() -> None:
    register_delegate("dying-for-tests", lambda: Faulty(dies, "run"))
    delegate = load_delegate("dying-for-tests", {"fallback": "raise"})
    it = Interpreter(model_content=models.chain(), experimental_delegates=[delegate])
    for _ in range(2):
        with pytest.raises(RuntimeError, match="fell off the bus"):
            run(it)
    it.resize_tensor_input(0, [1, 3])
    with pytest.raises(RuntimeError, match="cannot run any more: the GPU fell off the bus"):
        it.allocate_tensors()


def keeps_a_slice(outer: Any, inputs: Any, outputs: Any, run: Any) -> None:
    outer.kept.append(outputs[0].reshape(-1)[1:])
    run(inputs, outputs)


def keeps_an_input(outer: Any, inputs: Any, outputs: Any, run: Any) -> None:
    outer.kept.append(memoryview(inputs[0]))
    run(inputs, outputs)


@pytest.mark.parametrize("fault", [keeps_a_slice, keeps_an_input])
@pytest.mark.parametrize("first", [0, 2])
def test_derived_views_that_are_kept_are_noticed(fault: Any, first: int) -> None:
    delegate = Faulty(fault, "run", first)
    it = Interpreter(model_content=models.chain(), experimental_delegates=[delegate])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for k in range(4):
            np.testing.assert_array_equal(run(it, X + k), np.maximum(X + k + 1, 0) + 10)
    assert [str(w.message).count("run kept the memory of tensor") for w in caught] == [1]


def test_garbage_in_cycles_is_not_taken_for_kept() -> None:
    def cyclic(outer: Any, inputs: Any, outputs: Any, run: Any) -> None:
        loop: list[Any] = [inputs[0]]
        loop.append(loop)
        run(inputs, outputs)

    it = Interpreter(model_content=models.chain(), experimental_delegates=[Faulty(cyclic)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(run(it), EXPECTED)


def test_bad_data_is_told_as_by_the_cpu_and_costs_no_delegate() -> None:
    """The error names the node that fails, not the first of its partition; good data runs on the
    delegate again."""
    tensors = (
        Tensor("x", (4,), F32),
        Tensor("i", (2,), models.I32),
        Tensor("twice", (4,), F32),
        Tensor("y", (2,), F32),
    )
    gather = Node("GATHER", 1, (2, 1), (3,), o.GatherOptions())
    content = models.single(Graph(tensors, (add_node(0, 0, 2), gather), (0, 1), (3,), "main"))
    delegate = ReferenceDelegate()
    it = Interpreter(model_content=content, experimental_delegates=[delegate])
    it.allocate_tensors()
    it.set_tensor(0, np.array([1, 2, 3, 4], np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            it.set_tensor(1, np.array([0, 9], np.int32))
            with pytest.raises(RuntimeError, match=r"GATHER \(node 1") as caught:
                it.invoke()
            assert "Node number 1 (GATHER) failed to invoke" in str(caught.value)
            it.set_tensor(1, np.array([0, 3], np.int32))
            it.invoke()
            np.testing.assert_array_equal(it.get_tensor(3), [2, 8])
    assert owners(it) == ["reference", "reference"]


def test_interpreters_that_share_a_delegate() -> None:
    """Each has its own policy, state and life: one that loses the device leaves the other alone."""
    delegate = Faulty(dies, "run", 3)
    one, other = (
        Interpreter(model_content=stateful(), experimental_delegates=(delegate,)) for _ in range(2)
    )
    expected = advance(Interpreter(model_content=stateful()), 3)
    np.testing.assert_array_equal(advance(one, 3), expected)
    np.testing.assert_array_equal(advance(other, 3), expected)
    with pytest.warns(DelegateWarning, match="fell off the bus"):
        one.invoke()
    assert owners(one) == ["cpu", "cpu"]
    assert owners(other) == ["faulty", "faulty"]


def test_a_delegate_called_cpu_is_told_from_the_cpu() -> None:
    delegate = ReferenceDelegate(only(1), "cpu")
    it = Interpreter(model_content=models.chain(), experimental_delegates=[delegate])
    run(it)
    assert owners(it) == ["cpu", "cpu#2"]


def test_a_graph_output_that_is_read_within_the_partition() -> None:
    tensors = (
        Tensor("x", (2,), F32),
        *(Tensor(n, (2,), F32) for n in "abc"),
    )
    nodes = (add_node(0, 0, 1), add_node(1, 0, 2), add_node(1, 2, 3))
    content = models.single(Graph(tensors, nodes, (0,), (1, 3, 1), "main"))
    it = Interpreter(model_content=content, experimental_delegates=[ReferenceDelegate()])
    np.testing.assert_array_equal(run(it, np.array([1, 2], np.float32)), [2, 4])
    np.testing.assert_array_equal(it.get_tensor(3), [5, 10])
    [part] = it.explain().to_dict()["subgraphs"][0]["partitions"]
    assert part["outputs"] == [1, 3]


def test_a_partition_without_inputs() -> None:
    """Outputs of the graph are computed by every invoke, from constants alone as well."""
    tensors = (
        Tensor("x", (2,), F32),
        constant("one", np.ones(2, np.float32)),
        Tensor("two", (2,), F32),
    )
    content = models.single(Graph(tensors, (add_node(1, 1, 2),), (0,), (2,), "main"))
    it = Interpreter(model_content=content, experimental_delegates=[ReferenceDelegate()])
    it.allocate_tensors()
    it._session.poison = True
    it.invoke()
    np.testing.assert_array_equal(it.get_tensor(2), [2, 2])
    [part] = it.explain().to_dict()["subgraphs"][0]["partitions"]
    assert (part["owner"], part["inputs"], part["bytes_in"]) == ("reference", [], 0)


@pytest.mark.parametrize("rows", [0, 1])
def test_tensors_without_elements(rows: int) -> None:
    it = Interpreter(model_content=models.chain(), experimental_delegates=[ReferenceDelegate()])
    it.resize_tensor_input(0, [rows, 3])
    x = np.ones((rows, 3), np.float32)
    for _ in range(2):
        np.testing.assert_array_equal(run(it, x), x + 11)
    assert owners(it) == ["reference", "reference"]


def test_inputs_with_a_first_value_are_no_constants() -> None:
    tensors = (constant("x", np.ones(2, np.float32)), Tensor("y", (2,), F32))
    content = models.single(Graph(tensors, (add_node(0, 0, 1),), (0,), (1,), "main"))
    it = Interpreter(model_content=content, experimental_delegates=[ReferenceDelegate()])
    it.allocate_tensors()
    it.invoke()
    np.testing.assert_array_equal(it.get_tensor(1), [2, 2])
    np.testing.assert_array_equal(run(it, np.array([3, 4], np.float32)), [6, 8])


def test_constants_that_were_set_anew() -> None:
    it = Interpreter(model_content=models.chain(), experimental_delegates=[ReferenceDelegate()])
    run(it)
    it.set_tensor(3, np.full(3, 20, np.float32))
    np.testing.assert_array_equal(run(it), EXPECTED + 10)
    assert owners(it) == ["reference", "reference"]


def test_files_with_dataclasses_load(tmp_path: Path) -> None:
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\n"
    path = tmp_path / "mine.py"
    path.write_text(f"{text}class Options:\n    a: int = 1\n{FILE}")
    assert load_delegate(path).name == "from a file"


def test_default_delegates_that_are_broken_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    from litegpu import plugins

    def cuda() -> ReferenceDelegate:
        raise RuntimeError("no driver")

    def opencl() -> ReferenceDelegate:
        return ReferenceDelegate(name="opencl")

    cuda.finds_gpu = opencl.finds_gpu = lambda: True  # type: ignore[attr-defined]
    monkeypatch.delenv("LITEGPU_DEFAULT_DELEGATES", raising=False)
    install(monkeypatch, opencl=opencl, cuda=cuda)
    with pytest.warns(UserWarning, match="'cuda' is installed, but fails: .*no driver"):
        assert [d.name for d in plugins.default_delegates()] == ["opencl"]


def test_costs_must_make_sense() -> None:
    with pytest.raises(ValueError, match=r"Cost.speedup is 0"):
        Cost(speedup=0, seconds_per_partition=0, seconds_per_byte=0)


def test_an_interrupt_leaves_state_as_it_was() -> None:
    def interrupted(_: Any, inputs: Any, outputs: Any, run: Any) -> None:
        run(inputs, outputs)
        raise KeyboardInterrupt

    delegate = Faulty(interrupted)
    it = Interpreter(model_content=stateful(), experimental_delegates=[delegate])
    it.allocate_tensors()
    it.set_tensor(0, np.ones((1, 2), np.float32))
    with pytest.raises(KeyboardInterrupt):
        it.invoke()
    delegate.where = "nowhere"
    expected = advance(Interpreter(model_content=stateful()))
    np.testing.assert_array_equal(advance(it), expected)
