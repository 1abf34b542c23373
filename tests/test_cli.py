"""The command line: what it prints, writes and returns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter, __version__, pictures
from litegpu.cli import app
from litegpu.cli_options import one_line
from litegpu.graph import Quantization, Tensor
from litegpu.ops.registry import BUILTIN, CUSTOM
from litegpu.schema.enums import TensorType
from PIL import Image
from typer.testing import CliRunner, Result

from . import models

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "ci" / "data"
CLASSIFIER = DATA / "image_classification.tflite"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


def printed(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def failure(*arguments: object) -> str:
    """The one line that a failing command prints."""
    result = call(*arguments)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("litegpu: ")
    return result.stderr


@pytest.fixture
def model(tmp_path: Path) -> Any:
    """Writes a model's bytes to a file."""

    def write(content: bytes) -> Path:
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        return path

    return write


def saved(folder: Path, name: str, value: Any) -> Path:
    path = folder / f"{name}.npy"
    np.save(path, np.asarray(value))
    return path


def test_version() -> None:
    assert printed("--version") == f"litegpu {__version__}\n"


def test_classifies_the_cat() -> None:
    text = printed(
        "run", CLASSIFIER, "-i", DATA / "cat.png", "--labels", DATA / "labels.txt", "--runs", 2
    )
    ranking = text[text.index("top 5 of") :]
    rows = [line.split("│")[1:3] for line in ranking.splitlines() if line.startswith("│")]
    assert rows[0][0].strip() == "cat"
    assert float(rows[0][1]) > 0.9
    for word in ("load", "allocate", "first invoke", "median of 1"):
        assert word in text


def test_outputs_are_those_of_the_interpreter(model: Any, tmp_path: Path) -> None:
    path = model(models.chain())
    x = np.array([[-3, 0, 2], [0.5, -1, 7]], np.float32)
    printed("run", path, "--input", f"x={saved(tmp_path, 'x', x)}", "--output", tmp_path / "out")
    expected = np.maximum(x + 1, 0) + 10
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "0_y.npy"), expected)


def test_inputs_by_position_and_of_another_shape(model: Any, tmp_path: Path) -> None:
    path = model(models.chain())
    x = saved(tmp_path, "x", np.zeros((5, 3), np.float32))
    for spec in (x, f"0={x}", f"x={x}"):
        assert "5x3" in printed("run", path, "-i", spec, "--runs", 1)


def test_random_inputs_depend_on_the_seed_alone(model: Any, tmp_path: Path) -> None:
    path = model(models.chain())
    found = []
    for i, seed in enumerate((7, 7, 8)):
        printed("run", path, "-i", "random", "--seed", seed, "-o", tmp_path / str(i), "--runs", 1)
        found.append(np.load(tmp_path / str(i) / "0_y.npy"))
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_signatures(model: Any, tmp_path: Path) -> None:
    path = model(models.two_signatures())
    w = saved(tmp_path, "w", np.array([1, 2, 3], np.float32))
    printed("run", path, "--signature", "double", "-i", f"w={w}", "-o", tmp_path / "out")
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "0_d.npy"), [2, 4, 6])
    assert "no signature 'half'; its signatures: 'plus', 'double'" in failure(
        "run", path, "--signature", "half"
    )


def test_quantised_outputs_are_shown_in_real_units(model: Any, tmp_path: Path) -> None:
    path = model(models.quantized())
    x = np.array([[1, -2, 3, 4]], np.int8)
    with Interpreter(path) as interpreter:
        interpreter.allocate_tensors()
        interpreter.set_tensor(0, x)
        interpreter.invoke()
        stored = interpreter.get_tensor(2)
    text = printed("run", path, "-i", saved(tmp_path, "x", x), "--runs", 1)
    assert "int8, quantised" in text
    assert f"{1.5 * (float(stored.max()) - 4):.6g}" in text


def test_strings_and_scalars(model: Any) -> None:
    assert "string" in printed("run", model(models.strings()), "--runs", 1)
    assert "scalar" in printed("run", model(models.scalar()), "--runs", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-i", "q=random"), "has no input 'q'; its inputs: 'a', 'b'"),
        (("-i", "missing.npy"), "there is no such file"),
        (("-i", CLASSIFIER), "has 2 inputs, so say which: 0='a', 1='b'"),
        (("-i", f"a={DATA / 'cat.png'}"), r"has the shape [1, 4], not [1, height, width"),
        (("-i", f"a={DATA / 'labels.txt'}"), "labels.txt"),
        (("-i", "a=missing.npy"), "missing.npy"),
        (("--labels", "missing.txt"), "missing.txt"),
    ],
)
def test_bad_inputs_are_told_in_one_line(model: Any, arguments: Any, message: str) -> None:
    assert message in failure("run", model(models.two_inputs()), *arguments)


def test_wrong_dtypes_are_told_in_one_line(model: Any, tmp_path: Path) -> None:
    x = saved(tmp_path, "x", np.zeros((2, 3)))
    text = failure("run", model(models.chain()), "-i", x)
    assert "Got value of type FLOAT64 but expected type FLOAT32" in text


@pytest.mark.parametrize("content", [b"", b"no model", models.custom(), models.mismatch()])
def test_models_that_fail_are_told_in_one_line(model: Any, content: bytes) -> None:
    failure("run", model(content))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("run",),
        ("run", CLASSIFIER, "--runs", "0"),
        ("run", CLASSIFIER, "--pixels", "some"),
        ("run", CLASSIFIER, "--nonsense"),
        ("ops", "--json", "--markdown"),
        ("fly",),
    ],
)
def test_usage_errors_return_2(arguments: tuple[Any, ...]) -> None:
    assert call(*arguments).exit_code == 2


def test_inspect_lists_what_the_model_has(model: Any) -> None:
    text = printed("inspect", model(models.two_signatures()), "--tensors", "--nodes", "--memory")
    for word in (
        "'plus' (subgraph 0): v, u → p",
        "double",
        "FLOAT32",
        "ADD v1",
        "offset",
        "arena:",
    ):
        assert word in text


def test_inspect_json_describes_every_tensor_and_node() -> None:
    found = json.loads(printed("inspect", CLASSIFIER, "--json"))
    assert found["file"] == CLASSIFIER.name
    assert found["bytes"] == CLASSIFIER.stat().st_size
    (graph,) = found["subgraphs"]
    with Interpreter(CLASSIFIER) as interpreter:
        details = interpreter.get_tensor_details()
        nodes = interpreter._get_ops_details()
    assert [t["name"] for t in graph["tensors"]] == [d["name"] for d in details]
    assert [t["shape"] for t in graph["tensors"]] == [d["shape"].tolist() for d in details]
    assert [n["op"] for n in graph["nodes"]] == [n["op_name"] for n in nodes]
    assert graph["tensors"][0]["quantization"] == {
        "scales": [0.0078125],
        "zero_points": [0],
        "axis": 0,
    }
    assert graph["nodes"][0]["options"]["padding"] == "SAME"


def test_inspect_json_gives_a_memory_plan_without_overlaps() -> None:
    (graph,) = json.loads(printed("inspect", CLASSIFIER, "--json"))["subgraphs"]
    plan = graph["plan"]
    rows = plan["tensors"]
    assert 0 < plan["largest_live_sum"] <= plan["arena_bytes"]
    assert max(r["offset"] + r["bytes"] for r in rows) <= plan["arena_bytes"]
    for i, a in enumerate(rows):
        for b in rows[i + 1 :]:
            apart = a["last"] < b["first"] or b["last"] < a["first"]
            ends = a["offset"] + a["bytes"], b["offset"] + b["bytes"]
            assert apart or ends[0] <= b["offset"] or ends[1] <= a["offset"]


def test_inspect_names_dynamic_nodes_and_their_cause(model: Any) -> None:
    path = model(models.where())
    (graph,) = json.loads(printed("inspect", path, "--json"))["subgraphs"]
    assert {"node": 1, "tensor": 1} in graph["plan"]["dynamic"]
    assert "dynamic: node 1 (CAST) waits for tensor 1 ('rows')" in printed("inspect", path)


def test_inspect_shows_a_model_that_cannot_be_planned(model: Any) -> None:
    path = model(models.custom())
    (graph,) = json.loads(printed("inspect", path, "--json"))["subgraphs"]
    assert graph["nodes"][0]["custom"]
    assert "Sinh" in graph["plan"]["error"]
    assert "not planned" in printed("inspect", path)


def test_ops_lists_the_registry() -> None:
    rows = json.loads(printed("ops", "--json"))["operators"]
    assert {r["op"]: r["versions"] for r in rows} == {
        name: list(op.versions) for name, op in (BUILTIN | CUSTOM).items()
    }
    text = printed("ops")
    assert all(r["op"] in text for r in rows)


def test_operators_page_is_current() -> None:
    page = (ROOT / "docs" / "operators.md").read_text()
    assert page == printed("ops", "--markdown"), "run: litegpu ops --markdown > docs/operators.md"


def image_tensor(dtype: TensorType, scale: float | None = None, zero_point: int = 0) -> Tensor:
    quant = None
    if scale is not None:
        quant = Quantization(np.array([scale], np.float32), np.array([zero_point], np.int64))
    return Tensor("image", (1, 1, 2, 3), dtype, quant=quant)


@pytest.mark.parametrize(
    ("tensor", "pixels", "expected"),
    [
        (image_tensor(TensorType.FLOAT32), "auto", [0, 1]),
        (image_tensor(TensorType.FLOAT32), "unit", [0, 1]),
        (image_tensor(TensorType.FLOAT32), "signed", [-1, 1]),
        (image_tensor(TensorType.FLOAT16), "byte", [0, 255]),
        (image_tensor(TensorType.UINT8, 0.5, 3), "auto", [0, 255]),
        (image_tensor(TensorType.INT8, 0.5, 3), "auto", [-128, 127]),
        (image_tensor(TensorType.INT8, 1 / 64, 3), "signed", [-61, 67]),
        (image_tensor(TensorType.INT8, 1 / 255, -128), "unit", [-128, 127]),
        (image_tensor(TensorType.UINT8, 1 / 128, 0), "signed", [0, 128]),
        (image_tensor(TensorType.INT16, 1 / 256, 0), "auto", [0, 256]),
    ],
)
def test_pixels(tmp_path: Path, tensor: Tensor, pixels: str, expected: list[int]) -> None:
    path = tmp_path / "two.png"
    Image.fromarray(np.array([[[0] * 3, [255] * 3]], np.uint8)).save(path)
    got = pictures.read_picture(path, tensor, tensor.shape, pictures.Pixels(pixels))
    assert got.shape == tensor.shape
    assert got.dtype.name == tensor.dtype.name.lower()
    np.testing.assert_array_equal(got[0, 0, :, 0], expected)


def test_missing_pillow_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    text = failure("run", CLASSIFIER, "-i", DATA / "cat.png")
    assert "needs Pillow: pip install 'litegpu[image]'" in text


def test_module_runs_as_a_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "litegpu", "run", "missing.tflite"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("litegpu: Could not open 'missing.tflite'")


def test_lines_of_errors_are_told_apart() -> None:
    assert one_line("Failed to load\n  option x is 1\n") == "Failed to load; option x is 1"
    assert one_line("A sentence.\nAnother one.") == "A sentence. Another one."
