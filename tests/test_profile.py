"""`litegpu profile`: times by node, partition and operator, and the trace."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import litegpu
import numpy as np
import pytest
from litegpu import CustomOps, InterpreterWithCustomOps
from litegpu.cli import app
from litegpu.delegate import Timing
from litegpu.graph import Array, Graph, Model, Node, Tensor
from litegpu.partition import Partition
from litegpu.profile_result import Profile
from litegpu.profiling import profile_interpreter
from litegpu.reference_delegate import ReferenceDelegate
from litegpu.schema import options as o
from litegpu.schema.writer import write_model
from typer.testing import CliRunner

from . import models
from .ops.test_control_flow import binary, while_model

REQUIRED = {"X": {"name", "cat", "ph", "ts", "dur", "pid", "tid"}, "M": {"name", "ph", "pid"}}
"""Fields that the trace-event format wants of complete events and of metadata."""

SECONDS = {"sleep": 0.02, "doze": 0.005}


class Telling(ReferenceDelegate):
    """Says that its first two nodes take 2 and 3 ms, and transfers 1 ms."""

    description = "a stopped clock"

    def compile(self, graph: Graph, part: Partition) -> Any:
        compiled = super().compile(graph, part)
        return TellingExecutable(compiled, part)


class TellingExecutable:
    def __init__(self, compiled: Any, part: Partition) -> None:
        self._compiled = compiled
        self._part = part
        self.run = compiled.run

    def run_timed(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> list[Timing]:
        self._compiled.run(inputs, outputs)
        time.sleep(0.012)
        return [
            Timing("upload", "x", 0.001, bytes=24),
            Timing("kernel", "first", 0.002, self._part.nodes[:1]),
            Timing("kernel", "second", 0.001, self._part.nodes[1:]),
            Timing("kernel", "third", 0.002, self._part.nodes[1:]),
            Timing("download", "y", 0.001, bytes=48, start=0.01),
        ]


class Failing(Telling):
    def compile(self, graph: Graph, part: Partition) -> Any:
        compiled = super().compile(graph, part)
        compiled.run_timed = lambda inputs, outputs: 1 / 0
        return compiled


def sleepers() -> bytes:
    """A node that sleeps 20 ms between two that sleep 5."""
    tensors = tuple(Tensor(f"t{i}", (1,), models.F32) for i in range(4))
    names = ("doze", "sleep", "doze")
    nodes = tuple(Node(op, 1, (i,), (i + 1,), None, True) for i, op in enumerate(names))
    return write_model(Model((Graph(tensors, nodes, (0,), (3,), "main"),)))


def register(ops: CustomOps) -> None:
    for name, seconds in SECONDS.items():

        @ops.op(name, prepare=lambda ctx: [ctx.shape(0)])
        def bind(ctx: Any, seconds: float = seconds) -> Any:
            return lambda: time.sleep(seconds)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(models.chain())
    return path


def checked_trace(found: Profile) -> list[dict[str, Any]]:
    """The complete events of a trace in which nothing is missing, as JSON has them."""
    trace = json.loads(json.dumps(found.to_trace(), allow_nan=False))
    for event in trace["traceEvents"]:
        assert REQUIRED[event["ph"]] <= set(event)
        assert isinstance(event["pid"], int)
    events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    named = {e["tid"] for e in trace["traceEvents"] if e["name"] == "thread_name"}
    assert {event["tid"] for event in events} == named
    assert min(event["ts"] for event in events) == 0
    assert all(event["dur"] >= 0 for event in events)
    return events


def test_cpu_nodes_take_the_time_that_they_take() -> None:
    with InterpreterWithCustomOps([register], model_content=sleepers()) as interpreter:
        interpreter.allocate_tensors()
        found = profile_interpreter(interpreter, "model", num_runs=3)
    slowest, *others = found.work
    assert (slowest.nodes, slowest.ops, slowest.name) == ((1,), ("sleep",), "t2")
    assert 0.02 <= slowest.seconds < 0.03
    assert all(0.005 <= work.seconds < 0.015 for work in others)
    assert [(row.op, row.count) for row in found.ops] == [("sleep", 1), ("doze", 2)]
    assert found.plain.median >= 0.03
    assert found.profiled.median >= found.work_seconds * 0.9
    assert found.partitions == ()


def test_delegates_tell_of_kernels_and_transfers(model: Path) -> None:
    found = litegpu.profile(model, [Telling(name="telling")], num_runs=4)
    assert found.devices == {"telling": "a stopped clock"}
    second, first = found.work
    assert (first.nodes, first.kernels, first.op) == ((0,), ("first",), "ADD")
    assert (second.nodes, second.kernels) == ((1,), ("second", "third"))
    assert (first.calls, second.calls) == (1, 1)
    assert [first.seconds, second.seconds] == pytest.approx([0.002, 0.003])
    (part,) = found.partitions
    assert (part.owner, part.nodes, part.calls) == ("telling", (0, 1), 1)
    assert (part.upload_bytes, part.download_bytes) == (24, 48)
    assert part.kernel_seconds == pytest.approx(0.005)
    assert part.upload_seconds == part.download_seconds == pytest.approx(0.001)
    assert found.warnings == ()


def test_traces_have_all_that_the_format_wants(model: Path) -> None:
    found = litegpu.profile(model, [Telling(name="telling")], num_runs=2)
    events = checked_trace(found)
    names = [event["name"] for event in events[:7]]
    assert names == ["invoke", "2 nodes", "upload x", "first", "second", "third", "download y"]
    invoke, part, upload, first, second, _, download = events[:7]
    assert invoke["ts"] <= part["ts"]
    assert invoke["ts"] + invoke["dur"] >= part["ts"] + part["dur"]
    assert upload["ts"] == pytest.approx(part["ts"])
    assert first["ts"] == pytest.approx(part["ts"] + 1000)
    assert second["ts"] == pytest.approx(part["ts"] + 3000)
    assert download["ts"] == pytest.approx(part["ts"] + 10000)
    assert (upload["args"]["bytes"], upload["cat"]) == (24, "upload")
    assert first["args"] == {"invoke": 0, "owner": "telling", "graph": 0, "nodes": [0]}
    assert len({event["tid"] for event in events}) == 3


def test_partitions_whose_delegate_does_not_tell_are_one_piece(model: Path) -> None:
    found = litegpu.profile(model, [ReferenceDelegate()], num_runs=2)
    (work,) = found.work
    assert (work.nodes, work.op, work.kernels) == ((0, 1), "ADD + ADD", ())
    assert work.seconds == pytest.approx(found.partitions[0].seconds)
    checked_trace(found)


def test_graphs_that_a_node_calls_count_by_themselves(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(while_model(binary("MUL", 3, o.MulOptions()), limit=100))
    found = litegpu.profile(path, [], inputs={0: np.array([1, 1.5], np.float32)}, num_runs=2)
    loop = next(work for work in found.work if work.ops == ("WHILE",))
    inner = [work for work in found.work if work.graph]
    assert {work.calls for work in inner if work.graph == 2} == {4}
    assert {work.calls for work in inner if work.graph == 1} == {5}
    within = sum(work.seconds for work in inner)
    assert loop.total_seconds == pytest.approx(loop.seconds + within)
    checked_trace(found)


def test_a_delegate_that_fails_while_timed_falls_back(model: Path) -> None:
    found = litegpu.profile(model, [Failing(name="failing")], num_runs=1)
    assert "ZeroDivisionError" in found.warnings[0]
    assert {work.owner for work in found.work} == {"cpu"}


def test_profiling_ends_with_the_profile(model: Path) -> None:
    with litegpu.Interpreter(model, experimental_delegates=[]) as interpreter:
        interpreter.allocate_tensors()
        profile_interpreter(interpreter, "model", num_runs=1)
        assert interpreter._session.tracer is None


def test_given_inputs_are_used(model: Path) -> None:
    found = litegpu.profile(model, [], inputs={0: np.zeros((7, 3), np.float32)}, num_runs=1)
    assert found.plain.runs == 1
    with pytest.raises(ValueError, match="FLOAT64"):
        litegpu.profile(model, [], inputs={0: np.zeros((7, 3))})
    with pytest.raises(ValueError, match="num_runs is 0"):
        litegpu.profile(model, [], num_runs=0)


def test_command_prints_tables_json_and_a_trace(model: Path, tmp_path: Path) -> None:
    def call(*arguments: object) -> str:
        texts = [str(a) for a in ("profile", model, "--delegate", "cpu", *arguments)]
        result = CliRunner().invoke(app, texts, env={"COLUMNS": "120"})
        assert result.exit_code == 0, result.output
        return result.stdout

    text = call("--num_runs", 2, "--top", 1, "--trace", tmp_path / "trace.json")
    assert "by operator" in text
    assert "by node: the first 1" in text
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert [e["name"] for e in trace["traceEvents"] if e["ph"] == "X"] == [
        "invoke",
        "ADD",
        "ADD",
    ] * 2
    found = json.loads(call("--json", "--num-runs", 2))
    assert found["schema"] == 1
    assert [work["ops"] for work in found["work"]] == [["ADD"], ["ADD"]]
    assert found["plain"]["runs"] == 2


def test_delegates_by_name_and_inputs_that_are_none(model: Path) -> None:
    name = "litegpu.reference_delegate:ReferenceDelegate"
    for given in (name, [name]):
        found = litegpu.profile(model, given, num_runs=1)
        assert {work.owner for work in found.work} != {"cpu"}
    with pytest.raises(ValueError, match="the model has no input 5"):
        litegpu.profile(model, inputs={5: np.zeros(1, np.float32)})
