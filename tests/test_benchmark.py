"""`litegpu benchmark`: processes, turns, statistics, reports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import litegpu
import numpy as np
import pytest
import typer
from litegpu.benchmark_result import Effort, Steady
from litegpu.benchmark_worker import between, with_batch
from litegpu.cli import app
from litegpu.cli_benchmark import chosen_delegates, layer_ranges, layer_shapes
from litegpu.graph import Graph, Node
from litegpu.reference_delegate import ReferenceDelegate
from typer.testing import CliRunner, Result

from . import models

QUICK: dict[str, Any] = {"num_runs": 3, "min_secs": 0.0, "warmup_min_secs": 0.0}
FLAGS = ("--num-runs", "3", "--min-secs", "0", "--warmup-min-secs", "0")
HUNGRY = f"{__name__}:hungry"
MIB = 2**20


class Hungry(ReferenceDelegate):
    """Says that it runs on a toaster, needs 64 MiB of the host, and prints what it likes."""

    description = "a toaster"

    def compile(self, graph: Graph, part: litegpu.Partition) -> litegpu.Executable:
        self.held = np.ones(64 * MIB, np.uint8)
        print("compiled")
        return super().compile(graph, part)

    def memory_use(self) -> Any:
        return litegpu.delegate.MemoryUse(5, 7)


class Dying(ReferenceDelegate):
    def refusal(self, graph: Graph, node: Node) -> str | None:
        raise SystemExit("the driver is gone")


def hungry(note: str = "") -> Hungry:
    return Hungry(name="hungry")


def dying() -> Dying:
    return Dying(name="dying")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(models.chain())
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "120"})


def test_steady_statistics_are_numpys() -> None:
    times = np.random.default_rng(0).exponential(1, 1001)
    found = Steady.of(times)
    ordered = np.sort(times)
    assert found.runs == 1001
    assert found.median == ordered[500]
    assert found.p90 == ordered[900]
    assert found.p99 == ordered[990]
    assert (found.min, found.max) == (ordered[0], ordered[-1])
    assert found.mean == pytest.approx(sum(times) / 1001)
    assert found.std == pytest.approx(np.sqrt(sum((times - found.mean) ** 2) / 1001))


def test_every_configuration_is_measured_in_a_process_of_its_own(model: Path) -> None:
    found = litegpu.benchmark(model, ["cpu", HUNGRY], batch=[None, 4], num_threads=[1], **QUICK)
    assert found.ok
    rows = found.measurements
    names = [(m.configuration.delegate, m.configuration.batch) for m in rows]
    assert names == [("cpu", None), (HUNGRY, None), ("cpu", 4), (HUNGRY, 4)]
    plain, eating, four, _ = (m.figures for m in rows)
    assert plain is not None
    assert eating is not None
    assert four is not None
    assert plain.nodes == {"cpu": 2}
    assert eating.nodes == {"hungry": 2}
    assert eating.device == "a toaster"
    assert (plain.peak_device_bytes, eating.peak_device_bytes) == (None, 7)
    assert plain.peak_host_bytes is not None
    assert eating.peak_host_bytes is not None
    assert 60 * MIB < eating.peak_host_bytes - plain.peak_host_bytes < 90 * MIB
    for figures in (plain, eating, four):
        steady = figures.steady
        assert steady.runs == 3
        assert figures.warmup_runs == 1
        assert 0 < steady.min <= steady.median <= steady.p90 <= steady.p99 <= steady.max
        assert figures.first_seconds > 0
        assert figures.init_seconds == figures.load_seconds + figures.allocate_seconds
    assert four.throughput == pytest.approx(4 / four.steady.mean)


def test_runs_go_on_for_min_secs_and_stop_after_max_secs(model: Path) -> None:
    (long,) = litegpu.benchmark(
        model, num_runs=1, min_secs=0.3, warmup_runs=2, warmup_min_secs=0.0
    ).measurements
    assert long.figures is not None
    assert long.figures.steady.runs * long.figures.steady.mean >= 0.3
    assert long.figures.warmup_runs == 2
    (short,) = litegpu.benchmark(
        model, num_runs=10**6, min_secs=0.0, max_secs=0.2, warmup_min_secs=0.0
    ).measurements
    assert short.figures is not None
    assert short.figures.steady.runs < 10**6


def test_runs_are_apart_by_run_delay(model: Path) -> None:
    begun: list[str] = []
    found = litegpu.benchmark(
        model, num_runs=10, min_secs=0.0, max_secs=0.1, run_delay=0.02, progress=begun.append
    )
    (measurement,) = found.measurements
    assert measurement.figures is not None
    assert measurement.figures.steady.runs < 10
    assert measurement.figures.steady.max < 0.02
    assert begun[0] == "starting cpu"


def test_failures_are_told_beside_what_ran(model: Path) -> None:
    found = litegpu.benchmark(model, ["cpu", "missing", f"{__name__}:dying"], **QUICK)
    assert not found.ok
    fine, missing, dead = found.measurements
    assert fine.figures is not None
    assert "No delegate is called 'missing'" in missing.error
    assert dead.figures is None
    assert dead.error == "the process ended with code 1: the driver is gone"


def test_given_inputs_are_used_and_repeated_to_the_batch(model: Path) -> None:
    x = np.ones((2, 3), np.float32)
    assert litegpu.benchmark(model, inputs={"x": x}, batch=[5], **QUICK).ok
    np.testing.assert_array_equal(
        with_batch(np.arange(6).reshape(2, 3), 3), [[0, 1, 2], [3, 4, 5], [0, 1, 2]]
    )
    wrong = litegpu.benchmark(model, inputs={0: np.ones((2, 3))}, **QUICK)
    assert "FLOAT64" in wrong.measurements[0].error
    with pytest.raises(ValueError, match="no input 'z'; its inputs: 'x'"):
        litegpu.benchmark(model, inputs={"z": x}, **QUICK)


def test_random_values_lie_in_their_range() -> None:
    rng = np.random.default_rng(0)
    integers = between(rng, np.zeros(100, np.uint8), 3, 5)
    assert integers.dtype == np.uint8
    assert set(integers.tolist()) == {3, 4, 5}
    floats = between(rng, np.zeros(100, np.float32), 2, 3)
    assert floats.dtype == np.float32
    assert ((floats >= 2) & (floats <= 3)).all()


def test_objects_cannot_be_benchmarked(model: Path) -> None:
    delegates: Sequence[Any] = [hungry()]
    with pytest.raises(ValueError, match="process of its own"):
        litegpu.benchmark(model, delegates)


@pytest.mark.parametrize("wrong", [{"num_runs": 0}, {"max_secs": 0.0}, {"warmup_runs": -1}])
def test_effort_makes_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Effort(**wrong)


# The command.


def test_table_has_a_column_a_delegate(model: Path) -> None:
    result = call("benchmark", model, "--delegate", f"{HUNGRY},note=a,b", *FLAGS)
    assert result.exit_code == 0, result.output
    (header,) = (line for line in result.stdout.splitlines() if "cpu ┃" in line)
    assert [cell.strip() for cell in header.split("┃")[2:4]] == ["cpu", f"{HUNGRY},note=a,b"]
    assert "a toaster" in result.stdout
    for name in ("init ms", "first invoke ms", "p99 ms", "samples/s", "peak host MiB"):
        assert name in result.stdout


def test_json_and_csv_say_the_same(model: Path) -> None:
    flags = ("--batch", "1,2", "--num_threads=1", "--num_runs", 3, "--min_secs", 0)
    result = call("benchmark", model, *flags, "--warmup_min_secs", 0, "--json", "--delegate", "cpu")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["schema"] == 1
    assert [m["configuration"]["batch"] for m in found["measurements"]] == [1, 2]
    assert all(m["figures"]["steady"]["runs"] == 3 for m in found["measurements"])
    result = call("benchmark", model, *FLAGS, "--csv", "--batch", 2)
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert (row["delegate"], row["batch"], row["runs"]) == ("cpu", "2", "3")
    assert float(row["median_seconds"]) > 0
    assert json.loads(row["nodes"]) == {"cpu": 2}
    figures = found["measurements"][0]["figures"]
    names = {*figures, *(f"{k}_seconds" for k in figures["steady"])} - {"steady", "runs_seconds"}
    assert names <= set(row)


def test_input_layers_are_named_as_by_benchmark_model(tmp_path: Path) -> None:
    assert layer_shapes("a,b", "1,224:7") == {"a": (1, 224), "b": (7,)}
    assert layer_ranges("a,0,1:b,-1,2.5") == {"a": (0, 1), "b": (-1, 2.5)}
    with pytest.raises(typer.BadParameter, match="2 inputs, --input-layer-shape 1"):
        layer_shapes("a,b", "1,224")
    path = tmp_path / "model.tflite"
    path.write_bytes(models.chain())
    layers = ("--input_layer", "x", "--input_layer_shape", "7,3")
    ranges = ("--input_layer_value_range", "x,0,1")
    assert call("benchmark", path, *FLAGS, *layers, *ranges).exit_code == 0
    assert call("benchmark", path, *FLAGS, "--input-layer-shape", "7,3").exit_code == 2


def test_delegates_are_chosen_with_their_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITEGPU_DEFAULT_DELEGATES", "")
    assert chosen_delegates(None, (), True) == [("cpu", {})]
    assert chosen_delegates(["cuda,precision=fp16,exclude_ops=ADD,MUL"], ("a=1",), False) == [
        ("cuda", {"a": 1, "precision": "fp16", "exclude_ops": "ADD,MUL"})
    ]
    assert chosen_delegates(["cpu"], (), True) == [("cpu", {})]
    with pytest.raises(typer.BadParameter, match="nothing to measure"):
        chosen_delegates(None, (), False)


def test_exit_codes(model: Path) -> None:
    assert call("benchmark", model, *FLAGS, "--delegate", "missing").exit_code == 1
    assert call("benchmark", "missing.tflite", *FLAGS).exit_code == 1
    assert call("benchmark", model, "--batch", "some").exit_code == 2
    assert call("benchmark", model, "--json", "--csv").exit_code == 2
