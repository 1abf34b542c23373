"""litegpu.extract: nodes as models of their own; and folders that show a fault on their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import litegpu
import numpy as np
import pytest
from litegpu import Interpreter
from litegpu.comparison.extraction import node_indices
from litegpu.comparison.result import Tolerance
from litegpu.graph import Graph, Model, Node, Tensor
from litegpu.reference_delegate import ReferenceDelegate
from litegpu.schema import options as o
from litegpu.schema.enums import TensorType
from litegpu.schema.reader import open_model
from litegpu.schema.writer import write_model
from litegpu.testing_cases import trial_cases

from . import models, oracle
from .models import F32
from .ops.test_control_flow import X, binary, while_model
from .test_comparison import CLASSIFIER, FOUR, POOL


def written(found: Any, folder: Path) -> tuple[Path, Any]:
    found.write(folder / "sub.tflite", folder / "sub.npz")
    return folder / "sub.tflite", np.load(folder / "sub.npz")


def run(path: Path, inputs: Any) -> list[Any]:
    """What litegpu gives for inputs by name or position."""
    interpreter = Interpreter(path)
    details = {}
    for i, detail in enumerate(interpreter.get_input_details()):
        key = detail["name"] if detail["name"] in inputs else str(i)
        details[detail["index"]] = inputs[key]
        interpreter.resize_tensor_input(detail["index"], inputs[key].shape)
    interpreter.allocate_tensors()
    for index, value in details.items():
        interpreter.set_tensor(index, value)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def preserved(path: Path, sample: Any) -> Interpreter:
    """The whole model, run on the CPU with all tensors kept."""
    resolver = litegpu.OpResolverType.BUILTIN_REF
    it = Interpreter(
        path, experimental_op_resolver_type=resolver, experimental_preserve_all_tensors=True
    )
    it.allocate_tensors()
    it.set_tensor(it.get_input_details()[0]["index"], sample)
    it.invoke()
    return it


@pytest.mark.parametrize("nodes", ["3..5", "12", "0..15", "3, 7", [14, 13]])
def test_nodes_compute_what_they_do_in_the_model(nodes: Any, tmp_path: Path) -> None:
    graph = open_model(CLASSIFIER).graphs[0]
    image = np.random.default_rng(3).integers(-128, 128, (1, 32, 32, 3)).astype(np.int8)
    found = litegpu.extract(CLASSIFIER, nodes, {0: image})
    path, inputs = written(found, tmp_path)
    small = open_model(path).graphs[0]
    assert [n.op for n in small.nodes] == [graph.nodes[n].op for n in found.nodes]
    whole = preserved(CLASSIFIER, image)
    by_name = {t.name: i for i, t in enumerate(graph.tensors)}
    for tensor in (small.tensors[t] for t in small.inputs):
        expected = whole.get_tensor(by_name[tensor.name])
        np.testing.assert_array_equal(inputs[tensor.name], expected)
    made = [small.tensors[t] for t in small.outputs]
    for tensor, value in zip(made, run(path, inputs), strict=True):
        np.testing.assert_array_equal(value, whole.get_tensor(by_name[tensor.name]))
        np.testing.assert_array_equal(value, found.outputs[tensor.name])


def test_litert_runs_what_was_cut_out(tmp_path: Path) -> None:
    found = litegpu.extract(CLASSIFIER, "1..4")
    path, inputs = written(found, tmp_path)
    assert len(found.outputs) > 1
    for got, expected in zip(
        oracle.run(path.read_bytes(), [inputs[name] for name in found.inputs]),
        found.outputs.values(),
        strict=True,
    ):
        np.testing.assert_array_equal(got, expected)


def test_outputs_are_what_others_read_or_else_all() -> None:
    graph = open_model(CLASSIFIER).graphs[0]
    found = litegpu.extract(CLASSIFIER, [0])
    assert len(found.model.graphs[0].outputs) == 1
    whole = litegpu.extract(CLASSIFIER, range(len(graph.nodes)))
    assert list(whole.outputs) == [graph.tensors[t].name for t in graph.outputs]


def test_names_that_are_not_distinct_become_positions() -> None:
    tensors = tuple(Tensor("same", (2,), F32) for _ in range(3))
    nodes = (models.add_node(0, 1, 2),)
    content = write_model(Model((Graph(tensors, nodes, (0, 1), (2,), "main"),)))
    found = litegpu.extract(content, [0], {0: X, 1: X})
    assert list(found.inputs) == ["0", "1"]
    np.testing.assert_array_equal(found.outputs["same"], X + X)


def test_variables_are_inputs_with_the_values_of_the_run(tmp_path: Path) -> None:
    case = next(case for case in trial_cases() if case.op == "SVDF")
    content = write_model(case.model)
    found = litegpu.extract(content, [0])
    assert "state" in found.inputs
    path, inputs = written(found, tmp_path)
    assert litegpu.compare(path, ReferenceDelegate(), tmp_path / "sub.npz").ok
    np.testing.assert_array_equal(run(path, inputs)[0], next(iter(found.outputs.values())))


def test_control_flow_takes_its_graphs_along(tmp_path: Path) -> None:
    content = while_model(binary("MUL", 3, o.MulOptions()))
    path, inputs = written(litegpu.extract(content, "0", {0: X}), tmp_path)
    np.testing.assert_array_equal(run(path, inputs)[0], X * 81)


def test_shapes_that_hang_on_data(tmp_path: Path) -> None:
    given = {0: np.array([True, False, True, True])}
    found = litegpu.extract(models.where(), [1], given)
    path, inputs = written(found, tmp_path)
    assert [list(row) for row in run(path, inputs)[0]] == [[0], [2], [3]]


def test_resized_inputs(tmp_path: Path) -> None:
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    path, inputs = written(litegpu.extract(models.chain(), [1], {"x": x}), tmp_path)
    np.testing.assert_array_equal(run(path, inputs)[0], x + 11)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [("12..15", [12, 13, 14, 15]), ("3-4, 9", [3, 4, 9]), ("7", [7]), ([5, 2, 5], [2, 5])],
)
def test_node_indices(nodes: Any, expected: list[int]) -> None:
    assert node_indices(nodes, 16) == expected


@pytest.mark.parametrize("nodes", ["", "16", "a..b", "3..", [], [-1], "5..3"])
def test_bad_node_indices(nodes: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        node_indices(nodes, 16)


# Folders that show a fault.


def script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "repro.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder.parent)


def loaded(kind: str, model: Any, node: int) -> Any:
    graph = litegpu.comparison.samples.open_any(model).graphs[0]
    options = {
        "of": "litegpu.reference_delegate:ReferenceDelegate",
        "kind": kind,
        "tensor": graph.tensors[graph.nodes[node].outputs[0]].name,
        "exclude_nodes": [0],
    }
    return litegpu.load_delegate("litegpu.testing_faults:create", options)


@pytest.mark.parametrize("mode", ["cumulative", "isolated"])
def test_a_folder_shows_the_fault(mode: str, tmp_path: Path) -> None:
    """With the fault and not without; options about the whole model's nodes are left out."""
    folder = tmp_path / "worst"
    if mode == "cumulative":
        planted = loaded("bias", FOUR, 2)
        result = litegpu.compare(FOUR, planted, mode=mode, repro=folder, samples=3)
    else:
        planted = loaded("bias", CLASSIFIER, POOL)
        result = litegpu.compare(CLASSIFIER, planted, mode=mode, repro=folder, samples=3)
    assert not result.ok
    assert {p.name for p in folder.iterdir()} == {
        "model.tflite",
        "inputs.npz",
        "expected.npz",
        "repro.py",
    }
    shown = script(folder)
    assert (shown.returncode, shown.stderr) == (1, "")
    assert "wrong" in shown.stdout
    sound = script(folder, "litegpu.reference_delegate:ReferenceDelegate")
    assert (sound.returncode, sound.stderr) == (0, "")
    expected = np.load(folder / "expected.npz")
    with np.load(folder / "inputs.npz") as inputs:
        for got, key in zip(
            run(folder / "model.tflite", dict(inputs)), expected.files, strict=True
        ):
            np.testing.assert_array_equal(got, expected[key])


def test_the_sample_is_that_of_the_worst_error(tmp_path: Path) -> None:
    rows = [{"t0": np.full((2, 3), v, np.float32)} for v in (1, 2, 4, 3)]
    result = litegpu.compare(FOUR, loaded("scale", FOUR, 1), rows, mode="isolated", repro=tmp_path)
    worst = result.tensors[0].worst
    assert worst is not None
    assert worst.sample == 2
    with np.load(tmp_path / "inputs.npz") as inputs:
        np.testing.assert_array_equal(inputs["t1"], np.full((2, 3), 4, np.float32))


def test_tolerances_go_into_the_script(tmp_path: Path) -> None:
    planted = loaded("scale", FOUR, 1)
    given = {"t2": Tolerance(absolute=0.25), "float32": 1e-5, "t4": 0.5}
    litegpu.compare(FOUR, planted, mode="isolated", repro=tmp_path, tolerances=given)
    text = (tmp_path / "repro.py").read_text()
    assert "Tolerance(relative=0.0, of_largest=0.0, absolute=0.25)" in text
    assert "t4" not in text, "the model of the script has no such tensor"
    shown = script(tmp_path)
    assert (shown.returncode, shown.stderr) == (1, "")


def test_a_delegate_that_is_an_object_must_be_named(tmp_path: Path) -> None:
    planted = litegpu.testing_faults.FaultyDelegate(ReferenceDelegate(), "sign", "t2")
    assert not litegpu.compare(FOUR, planted, mode="isolated", repro=tmp_path).ok
    shown = script(tmp_path)
    assert shown.returncode == 1
    assert "say which delegate" in shown.stderr


def test_nothing_is_written_where_nothing_is_wrong(tmp_path: Path) -> None:
    litegpu.compare(FOUR, ReferenceDelegate(), repro=tmp_path / "none")
    assert not (tmp_path / "none").exists()


WEIGHTS = np.arange(3, dtype=np.float16) - 1


def on_computed_weights() -> bytes:
    """y = (x + weights) + weights, where weights are dequantised from constants."""
    shape, half = (3,), TensorType.FLOAT16
    tensors = (
        Tensor("x", shape, F32),
        Tensor("half", shape, half, data=WEIGHTS.view(np.uint8)),
        Tensor("weights", shape, F32),
        Tensor("sum", shape, F32),
        Tensor("y", shape, F32),
    )
    dequantize = Node("DEQUANTIZE", 2, (1,), (2,), o.DequantizeOptions())
    nodes = (dequantize, models.add_node(0, 2, 3), models.add_node(3, 2, 4))
    return write_model(Model((Graph(tensors, nodes, (0,), (4,), "main"),)))


@pytest.mark.parametrize(
    ("nodes", "added"), [([0], {"weights": 0}), ([0, 1], {"weights": 0, "sum": 1}), ([2], {"y": 2})]
)
def test_nodes_that_are_computed_before_the_model_runs(
    nodes: list[int], added: dict[str, int], tmp_path: Path
) -> None:
    x, weights = np.float32([5, 6, 7]), WEIGHTS.astype(np.float32)
    values = {name: weights + (x + weights * (k - 1) if k else 0) for name, k in added.items()}
    found = litegpu.extract(on_computed_weights(), nodes, {0: x})
    assert [n.op for n in found.model.graphs[0].nodes] == ["DEQUANTIZE", "ADD", "ADD"][
        nodes[0] : nodes[-1] + 1
    ]
    assert set(found.outputs) == set(values)
    path, inputs = written(found, tmp_path)
    given = [inputs[name] for name in found.inputs]
    for name, got in zip(found.outputs, run(path, inputs), strict=True):
        np.testing.assert_array_equal(found.outputs[name], values[name])
        np.testing.assert_array_equal(got, values[name])
    for name, got in zip(found.outputs, oracle.run(path.read_bytes(), given), strict=True):
        np.testing.assert_array_equal(got, values[name])


@pytest.mark.parametrize("nodes", [3, None, [1.5], ["a"], [], "2-99"])
def test_nodes_that_are_none_are_refused(nodes: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        litegpu.extract(CLASSIFIER, nodes)


def test_a_sample_is_needed() -> None:
    with pytest.raises(ValueError, match="no samples"):
        litegpu.extract(CLASSIFIER, "0", [])
