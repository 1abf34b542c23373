"""litegpu.compare: both modes, all kinds of delegates and references, graphs, state and inputs."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import litegpu
import numpy as np
import pytest
from litegpu.comparison import litert
from litegpu.comparison.result import SCHEMA, Comparison
from litegpu.comparison.samples import open_any
from litegpu.comparison.sides import Side
from litegpu.comparison.trace import Recorder
from litegpu.delegate import Seen
from litegpu.entry import entry
from litegpu.graph import Array, Graph, Model, Node, Tensor
from litegpu.partition import Partition
from litegpu.reference_delegate import ReferenceDelegate, random_half
from litegpu.schema import options as o
from litegpu.schema.writer import write_model
from litegpu.testing_cases import TrialCase, trial_cases
from litegpu.testing_faults import KINDS, FaultyDelegate

from . import models
from .devices import delegates
from .model_runs import SHIPPED
from .models import F32, I32, add_node, constant
from .ops.test_control_flow import X, binary, while_model

CLASSIFIER = SHIPPED[0]
POOL = 12
"""A node of the classifier, AVERAGE_POOL_2D."""


on_devices = pytest.mark.parametrize("device", ["opencl", "cuda"])


class Shown:
    """An executable that runs node by node and shows what each makes."""

    def __init__(self, graph: Graph, part: Partition) -> None:
        self._part = part
        self._tensors = graph.tensors
        self.groups = [_alone(graph, n) for n in part.nodes]
        inner = ReferenceDelegate()
        self._executables = [inner.compile(graph, group) for group in self.groups]

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        self.observe(inputs, outputs, lambda _, __: None)

    def observe(self, inputs: Sequence[Array], outputs: Sequence[Array], seen: Seen) -> None:
        values = dict(zip(self._part.inputs, inputs, strict=True))
        for k, group in enumerate(self.groups):
            made = [np.zeros(self._tensors[t].shape, np.float32) for t in group.outputs]
            self.run_group(k, [values[t] for t in group.inputs], made)
            for t, array in zip(group.outputs, made, strict=True):
                values[t] = array
                seen(t, array)
        for t, output in zip(self._part.outputs, outputs, strict=True):
            np.copyto(output, values[t])

    def run_group(self, group: int, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        self._executables[group].run(inputs, outputs)


def _alone(graph: Graph, n: int) -> Partition:
    node = graph.nodes[n]
    inputs = tuple(dict.fromkeys(t for t in node.inputs if graph.tensors[t].data is None))
    return Partition(1, (n,), inputs, node.outputs)


class Showing(ReferenceDelegate):
    """A third party's delegate that has the protocol of `Observable`."""

    def compile(self, graph: Graph, part: Partition) -> Any:
        return Shown(graph, part)


def chain(*operators: str, count: int = 3) -> bytes:
    """Unary float operators one after the other, on [2, 3]."""
    names = [f"t{i}" for i in range(len(operators) + 1)]
    tensors = tuple(Tensor(name, (2, 3), F32, shape_signature=(-1, 3)) for name in names)
    nodes = tuple(Node(op, 1, (i,), (i + 1,)) for i, op in enumerate(operators))
    return write_model(Model((Graph(tensors, nodes, (0,), (len(nodes),), "main"),)))


FOUR = chain("ABS", "EXP", "SQRT", "TANH")


def guilty(result: Comparison) -> list[tuple[int, tuple[int, ...]]]:
    return [(group.graph, group.nodes) for group in result.ranking]


def faulty(kind: str, node: int, inner: Any = None, model: Any = CLASSIFIER) -> FaultyDelegate:
    graph = open_any(model).graphs[0]
    name = graph.tensors[graph.nodes[node].outputs[0]].name
    return FaultyDelegate(ReferenceDelegate() if inner is None else inner, kind, name)


# Observation.


def traced(model: Model, delegate: Any, observe: bool) -> tuple[list[Array], Recorder]:
    """The outputs of three runs, and what was shown of the last."""
    entered = entry(model, None)
    side = Side(entered, [delegate])
    rng = np.random.default_rng(5)
    graph = model.graphs[0]
    outputs: list[Array] = []
    recorder = Recorder(0)
    for _ in range(3):
        sample = {
            t: litegpu.random_inputs.random_values(rng, graph.tensors[t], graph.tensors[t].shape)
            for t in graph.inputs
        }
        recorder = Recorder(0)
        outputs += [x.copy() for x in side.run(sample, False, recorder if observe else None)]
    return outputs, recorder


@on_devices
@pytest.mark.parametrize("case", trial_cases(), ids=lambda case: f"{case.op} {case.name}")
def test_looking_changes_nothing(case: TrialCase, device: str) -> None:
    """Outputs and state are the same bits with and without an observer, and every tensor in memory
    is near to the CPU's."""
    (delegate,) = delegates(device)
    model = litegpu.schema.reader.read_model(write_model(case.model))
    plain, _ = traced(model, delegate, observe=False)
    looked, recorder = traced(model, delegate, observe=True)
    assert [x.tobytes() for x in plain] == [x.tobytes() for x in looked]
    _, reference = traced(model, ReferenceDelegate(lambda graph, node: False), observe=True)
    (got,), (expected,) = recorder.invocations, reference.invocations
    assert set(model.graphs[0].outputs) <= got.values.keys() <= expected.values.keys()
    for t, values in got.values.items():
        want = expected.values[t]
        assert (values.shape, values.dtype) == (want.shape, want.dtype)
        if want.dtype.kind != "f":
            np.testing.assert_array_equal(values, want)
        else:
            np.testing.assert_allclose(values, want, 1e-4, 1e-5 * max(1, np.abs(want).max()))


@on_devices
@pytest.mark.parametrize("case", trial_cases(), ids=lambda case: f"{case.op} {case.name}")
def test_groups_run_alone(case: TrialCase, device: str) -> None:
    (delegate,) = delegates(device)
    content = write_model(case.model)
    for mode in ("isolated", "cumulative"):
        result = litegpu.compare(content, delegate, samples=2, mode=mode)
        assert result.ok, result.ranking
        assert result.facts.observation == "tensors"
        nodes = [n for group in result.groups for n in group.nodes]
        assert sorted(nodes) == list(range(len(case.model.graphs[0].nodes)))


@on_devices
def test_fused_nodes_are_one_group(device: str) -> None:
    """Elementwise nodes that are computed by one kernel are compared at its output alone."""
    (delegate,) = delegates(device)
    result = litegpu.compare(FOUR, delegate)
    assert [group.nodes for group in result.groups] == [(0, 1, 2, 3)]
    assert [group.ops for group in result.groups] == [("ABS", "EXP", "SQRT", "TANH")]
    assert [tensor.tensor for tensor in result.tensors] == [4]


# Kinds of delegates.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["cumulative", "isolated"])
@on_devices
def test_faults_on_devices_are_named(kind: str, mode: str, device: str) -> None:
    (delegate,) = delegates(device)
    planted = faulty(kind, POOL, delegate.delegate)
    result = litegpu.compare(CLASSIFIER, planted, mode=mode)
    assert result.facts.observation == "tensors"
    assert planted.changed
    assert guilty(result)[0] == (0, (POOL,))
    first = result.first_divergence
    assert first is not None
    assert first.nodes == (POOL,)
    if mode == "isolated":
        assert len(result.ranking) == 1
        assert not result.ok


@pytest.mark.parametrize("kind", KINDS)
def test_faults_of_delegates_without_the_protocol_are_named(kind: str) -> None:
    """Each node is compiled alone; in cumulative mode partitions are all that can be seen."""
    result = litegpu.compare(CLASSIFIER, faulty(kind, POOL), mode="isolated")
    assert result.facts.observation == "nodes"
    assert guilty(result) == [(0, (POOL,))]
    result = litegpu.compare(CLASSIFIER, faulty(kind, POOL))
    assert result.facts.observation == "partitions"
    assert [len(group.nodes) for group in result.groups] == [16]


@pytest.mark.parametrize("kind", KINDS)
def test_faults_of_delegates_with_the_protocol_are_named(kind: str) -> None:
    planted = faulty(kind, 2, Showing(), FOUR)
    for mode in ("cumulative", "isolated"):
        result = litegpu.compare(FOUR, planted, mode=mode)
        assert result.facts.observation == "tensors"
        assert len(result.tensors) == 4
        assert guilty(result)[0] == (0, (2,))


def test_small_partitions_are_compared_alone_whatever_the_policy() -> None:
    """Thresholds and costs are about whole runs: they do not keep a node from being looked at."""
    litegpu.register_delegate("half for comparison", lambda: ReferenceDelegate(random_half(0)))
    loaded = litegpu.load_delegate("half for comparison", {"min_nodes_per_partition": 4})
    result = litegpu.compare(CLASSIFIER, loaded, mode="isolated")
    assert result.ok
    assert len(result.groups) > 3
    assert all(len(group.nodes) == 1 for group in result.groups)


def test_a_delegate_that_takes_nothing() -> None:
    nothing = ReferenceDelegate(lambda graph, node: False)
    result = litegpu.compare(FOUR, nothing, mode="isolated")
    assert result.ok
    assert result.groups == ()
    assert result.facts.notes == ("the delegate runs no node",)


class Failing(ReferenceDelegate):
    """Fails to run partitions of which node 1 is part."""

    def compile(self, graph: Graph, part: Partition) -> Any:
        executable: Any = super().compile(graph, part)
        if 1 in part.nodes:
            executable.run = self.fail
        return executable

    def fail(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        raise RuntimeError("the device is tired")


def test_failures_are_reported() -> None:
    result = litegpu.compare(FOUR, Failing(), mode="isolated")
    assert (result.verdict, guilty(result)) == ("failed", [(0, (1,))])
    assert result.ranking[0].reason == "RuntimeError: the device is tired"
    result = litegpu.compare(FOUR, Failing(), samples=2)
    assert result.verdict == "failed"
    assert len(result.facts.notes) == 1
    assert "the device is tired" in result.facts.notes[0]


# References.


def test_another_delegate_as_reference() -> None:
    (delegate,) = delegates("opencl")
    for mode in ("cumulative", "isolated"):
        result = litegpu.compare(CLASSIFIER, delegate, reference=ReferenceDelegate(), mode=mode)
        assert result.ok
        assert result.facts.reference == "reference"
        assert result.tensors
        wrong = litegpu.compare(CLASSIFIER, delegate, reference=faulty("bias", POOL), mode=mode)
        assert not wrong.ok


def test_litert_as_reference() -> None:
    pytest.importorskip("ai_edge_litert")
    (delegate,) = delegates("opencl")
    for mode in ("cumulative", "isolated"):
        result = litegpu.compare(CLASSIFIER, delegate, reference="litert", mode=mode, samples=2)
        assert result.ok
        assert len(result.tensors) == 13
        wrong = litegpu.compare(
            CLASSIFIER, faulty("shift", POOL, delegate.delegate), reference="litert", mode=mode
        )
        assert guilty(wrong)[0] == (0, (POOL,))


def test_litert_keeps_state_as_the_cpu_does() -> None:
    pytest.importorskip("ai_edge_litert")
    case = next(case for case in trial_cases() if case.op == "SVDF")
    content = write_model(case.model)
    reference = ReferenceDelegate()
    for reset in (True, False):
        for mode in ("cumulative", "isolated"):
            result = litegpu.compare(
                content, reference, reference="litert", mode=mode, samples=4, reset_variables=reset
            )
            assert result.ok, result.ranking
            assert any(tensor.name == "state" for tensor in result.tensors)


def test_a_crash_of_litert_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert")
    peers: list[Any] = []
    start = litert.LiteRT.__init__

    def started(self: Any, *arguments: Any) -> None:
        start(self, *arguments)
        peers.append(self._process)

    monkeypatch.setattr(litert.LiteRT, "__init__", started)

    def crash(done: int, _: int | None) -> None:
        if done == 2:
            peers[-1].send_signal(signal.SIGSEGV)

    options: dict[str, Any] = {"reference": "litert", "samples": 5}
    result = litegpu.compare(FOUR, Showing(), progress=crash, **options)
    assert (result.facts.samples, result.facts.interrupted) == (2, True)
    assert result.facts.notes == ("sample 2: LiteRT's process died (exit status -11)",)

    def rows() -> Iterator[dict[str, Any]]:
        crash(2, None)
        yield {}

    with pytest.raises(RuntimeError, match="LiteRT's process died"):
        litegpu.compare(FOUR, Showing(), rows(), reference="litert")


def test_what_litert_refuses_is_reported() -> None:
    pytest.importorskip("ai_edge_litert")

    def register(ops: litegpu.CustomOps) -> None:
        @ops.op("Sinh", prepare=lambda ctx: [ctx.shape(0)])
        def sinh(ctx: Any) -> Any:
            x, y = ctx.input(0), ctx.output(0)
            return lambda: np.sinh(x, out=y)

    options: dict[str, Any] = {"custom_op_registerers": [register]}
    assert litegpu.compare(models.custom(), ReferenceDelegate(), **options).ok
    with pytest.raises(RuntimeError, match=r"LiteRT: .*Sinh"):
        litegpu.compare(models.custom(), ReferenceDelegate(), reference="litert", **options)


# Graphs.


def test_bodies_of_loops_are_looked_into() -> None:
    """Every turn of the loop is compared, with the values of that turn."""
    content = while_model(binary("MUL", 3, o.MulOptions()))
    body = open_any(content).graphs[2]
    planted = FaultyDelegate(ReferenceDelegate(), "rounding", body.tensors[2].name)
    sound = litegpu.compare(content, ReferenceDelegate(), {0: X})
    assert sound.ok
    turns = {(t.graph, t.tensor): t.comparisons for t in sound.tensors}
    assert turns[2, 2] == 4
    assert turns[1, 4] == 5
    result = litegpu.compare(content, ReferenceDelegate(), {0: X}, mode="isolated")
    assert result.ok
    assert {(g.graph, g.nodes) for g in result.groups} == {(1, (0,)), (1, (1,)), (2, (0,))}
    result = litegpu.compare(content, planted, {0: X * 1.01}, mode="isolated")
    assert guilty(result) == [(2, (0,))]


def test_loops_that_end_elsewhere_are_compared_as_far_as_both_go() -> None:
    content = while_model(binary("MUL", 3, o.MulOptions()))
    body = open_any(content).graphs[2]
    planted = FaultyDelegate(ReferenceDelegate(), "cut", body.tensors[2].name)
    halved = {0: np.array([1, 2], np.float32)}
    result = litegpu.compare(content, FaultyDelegate(planted, "scale", "y"), halved)
    assert not result.ok


def test_state_starts_anew_for_each_sample_unless_told_otherwise() -> None:
    case = next(case for case in trial_cases() if case.op == "SVDF")
    content = write_model(case.model)
    shape = case.model.graphs[0].tensors[case.model.graphs[0].inputs[0]].shape
    same = [{0: np.ones(shape, np.float32)}] * 3
    anew = litegpu.compare(content, ReferenceDelegate(), same)
    on = litegpu.compare(content, ReferenceDelegate(), same, reset_variables=False)
    state = {r: _named(r, "state") for r in (anew, on)}
    assert all(r.ok for r in (anew, on))
    assert state[anew].reference.zero > state[on].reference.zero


def _named(result: Comparison, name: str) -> Any:
    return next(tensor for tensor in result.tensors if tensor.name == name)


def random_numbers(seed: int) -> bytes:
    """y = x + noise; z = -x."""
    options = o.RandomOptions(seed=seed, seed2=0)
    tensors = (
        Tensor("x", (4,), F32),
        constant("shape", np.array([4], np.int32), I32),
        Tensor("noise", (4,), F32),
        Tensor("y", (4,), F32),
        Tensor("z", (4,), F32),
    )
    nodes = (
        Node("RANDOM_UNIFORM", 1, (1,), (2,), options),
        add_node(0, 2, 3),
        Node("NEG", 1, (0,), (4,)),
    )
    return write_model(Model((Graph(tensors, nodes, (0,), (3, 4), "main"),)))


def test_what_hangs_on_chance_is_not_compared() -> None:
    result = litegpu.compare(random_numbers(0), ReferenceDelegate(), samples=3)
    verdicts = {group.ops[0]: group.verdict for group in result.groups}
    assert verdicts["RANDOM_UNIFORM"] == "not comparable"
    assert [t.name for t in result.tensors] == ["z"]
    assert result.ok
    result = litegpu.compare(random_numbers(0), ReferenceDelegate(), mode="isolated")
    assert {t.name for t in result.tensors} == {"y", "z"}
    assert result.ok
    seeded = litegpu.compare(random_numbers(7), ReferenceDelegate(), samples=3)
    assert {t.name for t in seeded.tensors} == {"noise", "y", "z"}
    assert seeded.ok


def test_signatures_and_other_shapes() -> None:
    content = models.two_signatures()
    for key, graph in (("plus", 0), ("double", 1)):
        result = litegpu.compare(content, ReferenceDelegate(), signature=key)
        assert result.ok
        assert {t.graph for t in result.tensors} == {graph}
        assert result.facts.signature == key
    with pytest.raises(ValueError, match="no signature 'minus'; its signatures: 'plus', 'double'"):
        litegpu.compare(content, ReferenceDelegate(), signature="minus")
    rows = [{"x": np.ones((n, 3), np.float32)} for n in (1, 5, 2)]
    result = litegpu.compare(models.chain(), ReferenceDelegate(), rows)
    assert result.ok
    assert {t.elements for t in result.tensors} == {3 * 8}


def test_shapes_that_hang_on_data() -> None:
    result = litegpu.compare(models.where(), ReferenceDelegate(), samples=5)
    assert result.ok
    assert sum(t.mismatched for t in result.tensors) == 0


# Choice of tensors, and the run.


def test_only_some_tensors() -> None:
    for wanted in ("t2", 2, ["t2"], ["?2"], [2]):
        result = litegpu.compare(FOUR, Showing(), tensors=wanted)
        assert [t.name for t in result.tensors] == ["t2", "t4"], wanted
    assert {g.verdict for g in result.groups} == {"ok", "unseen"}
    with pytest.raises(ValueError, match="no tensor 'elsewhere'"):
        litegpu.compare(FOUR, Showing(), tensors=["elsewhere"])


def test_an_interrupted_run_reports_what_is_done() -> None:
    def interrupt(done: int, count: int | None) -> None:
        assert count == 50
        if done == 3:
            raise KeyboardInterrupt

    result = litegpu.compare(FOUR, Showing(), samples=50, progress=interrupt)
    assert (result.facts.samples, result.facts.interrupted) == (3, True)
    assert {t.comparisons for t in result.tensors} == {3}


def test_samples_are_drawn_as_they_are_needed() -> None:
    drawn = []

    def rows() -> Iterator[dict[str, Any]]:
        for k in range(10**9):
            drawn.append(k)
            yield {"t0": np.full((2, 3), k, np.float32)}

    result = litegpu.compare(FOUR, Showing(), rows(), samples=4)
    assert result.facts.samples == 4
    assert len(drawn) <= 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "sideways"}, "mode is 'sideways'; 'cumulative' or 'isolated' expected"),
        ({"samples": 0}, "samples is 0; at least 1 expected"),
        ({"inputs": []}, "the inputs have no samples"),
        ({"inputs": {"z": 1}}, "no input 'z'; its inputs: 0='t0'"),
        ({"delegate": "gremlin"}, "No delegate is called 'gremlin'"),
        ({"tolerances": {"nothing": 1}}, "tolerance of 'nothing': no type"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    given = {"model": FOUR, "delegate": Showing(), **options}
    with pytest.raises(ValueError, match=message):
        litegpu.compare(**given)


# The result.


def test_the_result_is_plain_json(tmp_path: Path) -> None:
    planted = faulty("nan", 1, Showing(), FOUR)
    result = litegpu.compare(FOUR, planted, samples=2)
    found = json.loads(result.to_json(tmp_path / "result.json"))
    assert json.loads((tmp_path / "result.json").read_text()) == found
    assert found["schema"] == SCHEMA
    assert found["ok"] is False
    assert [t["name"] for t in found["tensors"]] == ["t1", "t2", "t3", "t4"]
    second = found["tensors"][1]
    assert second["max_abs"] == "inf"
    assert second["compared"]["nan"] == 2
    assert second["share_beyond"] == 2 / 12
    assert second["worst"]["index"] == [0, 0]
    assert second["worst"]["compared"] == "nan"
    assert sum(second["histogram"]["counts"]) + second["histogram"]["zero"] == 10
    assert [n["op"] for n in found["graphs"][0]["nodes"]] == ["ABS", "EXP", "SQRT", "TANH"]
    assert found["groups"][1]["amplification"] == "inf"
    assert math.isinf(result.tensors[1].error)


def test_ranking_names_where_an_error_began() -> None:
    """Later nodes carry a larger error, but they did not make it."""
    content = chain("ABS", "SQRT", "EXP", "SQUARE")
    sample = {0: np.full((2, 3), 9, np.float32)}
    result = litegpu.compare(content, faulty("scale", 1, Showing(), content), sample)
    errors = [tensor.max_abs for tensor in result.tensors]
    assert errors[0] == 0 < errors[1] < errors[2] < errors[3]
    assert result.ranking[0].nodes == (1,)
    assert result.groups[0].verdict == "ok"


@pytest.mark.parametrize("delegate", [None, [Showing()], 3])
def test_what_is_no_delegate_is_refused(delegate: Any) -> None:
    with pytest.raises(TypeError, match="a delegate or the name of one expected"):
        litegpu.compare(FOUR, delegate)
