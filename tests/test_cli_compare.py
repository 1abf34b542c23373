"""`litegpu compare`, `litegpu bisect`, `litegpu extract`: what they print, write and return."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litegpu.cli import app
from litegpu.schema.reader import open_model
from typer.testing import CliRunner

from .test_cli import call, failure
from .test_comparison import CLASSIFIER, FOUR, POOL

REFERENCE = "litegpu.reference_delegate:ReferenceDelegate"


@pytest.fixture
def four(tmp_path: Path) -> Path:
    path = tmp_path / "four.tflite"
    path.write_bytes(FOUR)
    return path


def fault(kind: str, tensor: str) -> list[str]:
    options = {"of": REFERENCE, "kind": kind, "tensor": tensor}
    named = (("--delegate-option", f"{k}={v}") for k, v in options.items())
    return ["--delegate", "litegpu.testing_faults:create", *(x for pair in named for x in pair)]


def pool() -> str:
    graph = open_model(CLASSIFIER).graphs[0]
    return graph.tensors[graph.nodes[POOL].outputs[0]].name


def test_compare_returns_0_where_all_is_right(four: Path, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    options = ["--samples", 3, "--seed", 5, "--mode", "isolated", "--json", path]
    result = call("compare", four, "--delegate", REFERENCE, *options)
    assert result.exit_code == 0, result.output
    found = json.loads(path.read_text())
    assert found["ok"]
    facts = found["facts"]
    assert (facts["samples"], facts["seed"], facts["mode"]) == (3, 5, "isolated")
    assert facts["model"] == "four.tflite"


def test_compare_returns_1_and_names_the_node(tmp_path: Path) -> None:
    repro = tmp_path / "repro"
    result = call(
        "compare", CLASSIFIER, *fault("bias", pool()), "--mode", "isolated", "--repro", repro
    )
    assert result.exit_code == 1, result.output
    assert "AVERAGE_POOL_2D" in result.stdout
    assert "wrong" in result.stdout
    assert (repro / "repro.py").is_file()


def test_tolerances_and_tensors(four: Path, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    options = ["--tolerance", "0.5", "--tolerance", "t2=3", "--tensors", "t2", "--json", path]
    assert call("compare", four, *fault("bias", "t2"), *options).exit_code == 0
    found = json.loads(path.read_text())
    tolerances = {t["name"]: t["tolerance"] for t in found["tensors"]}
    assert tolerances["t4"]["of_largest"] == 0.5
    result = call("compare", four, *fault("bias", "t2"), "--tolerance", "t4=1e-9")
    assert result.exit_code == 1


def test_inputs_of_files(four: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((7, 2, 3), np.float32))
    path = tmp_path / "result.json"
    options = ["--inputs", tmp_path / "x.npy", "--json", path]
    assert call("compare", four, "--delegate", REFERENCE, *options).exit_code == 0
    facts = json.loads(path.read_text())["facts"]
    assert (facts["source"], facts["samples"]) == ("file x.npy", 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--delegate", "gremlin"], "No delegate is called 'gremlin'"),
        (["--tolerance", "t2=much"], "--tolerance t2=much: [WHAT=]NUMBER expected"),
        (["--inputs", "nothing.npz"], "there is no such file or folder"),
        (["--mean", "a"], "--mean a: numbers with commas between them expected"),
        (["--pixels", "unit", "--std", "2"], "give --pixels, or --mean and --std"),
        (["--tensors", "elsewhere"], "no tensor 'elsewhere'"),
        (["--signature", "s"], "the model has no signature 's'"),
    ],
)
def test_what_compare_refuses(four: Path, arguments: list[str], message: str) -> None:
    given = arguments if "--delegate" in arguments else ["--delegate", REFERENCE, *arguments]
    assert message in failure("compare", four, *given)


def test_without_a_delegate(four: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITEGPU_DEFAULT_DELEGATES", "")
    assert "say which delegate" in failure("compare", four)
    monkeypatch.setenv("LITEGPU_DEFAULT_DELEGATES", REFERENCE)
    assert call("compare", four).exit_code == 0


def test_bisect() -> None:
    result = call("bisect", CLASSIFIER, *fault("sign", pool()))
    assert result.exit_code == 1, result.output
    assert "AVERAGE_POOL_2D" in result.stdout
    result = call("bisect", CLASSIFIER, "--delegate", REFERENCE)
    assert result.exit_code == 0
    assert "the outputs are right with all nodes" in result.stdout


def test_extract(tmp_path: Path) -> None:
    model, inputs = tmp_path / "sub.tflite", tmp_path / "sub.npz"
    result = call("extract", CLASSIFIER, "--nodes", "12..15", "-o", model, "--inputs", inputs)
    assert result.exit_code == 0, result.output
    assert "4 nodes, 1 input, 1 output" in result.stdout
    assert len(open_model(model).graphs[0].nodes) == 4
    compared = call("compare", model, "--delegate", REFERENCE, "-i", inputs)
    assert compared.exit_code == 0
    assert "indices from 0 to 15 expected" in failure(
        "extract", CLASSIFIER, "--nodes", "16", "-o", model
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_ctrl_c_gives_the_report_so_far(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    options = ["--delegate", REFERENCE, "--samples", "1000000", "--json", str(path)]
    command = [sys.executable, "-m", "litegpu", "compare", str(CLASSIFIER), *options]
    process: Any = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    printed, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    assert b"interrupted" in printed
    facts = json.loads(path.read_text())["facts"]
    assert facts["interrupted"]
    assert 0 < facts["samples"] < 1000000


def test_json_alone_on_stdout(four: Path) -> None:
    result = call("compare", four, *fault("bias", "t2"), "--json", "-")
    assert result.exit_code == 1, result.output
    assert json.loads(result.stdout)["verdict"] == "wrong"


@pytest.mark.parametrize("option", ["--json", "--html", "--model-explorer"])
def test_reports_that_cannot_be_written_are_named(four: Path, tmp_path: Path, option: str) -> None:
    path = tmp_path / "missing" / "report"
    result = call("compare", four, "--delegate", REFERENCE, option, path)
    assert result.exit_code == 1
    assert "ok" in result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith("litegpu: ")
    assert str(path) in line


def test_sentences_are_not_broken_by_narrow_terminals(four: Path) -> None:
    result = CliRunner().invoke(
        app, ["compare", str(four), "--delegate", REFERENCE], env={"COLUMNS": "30"}
    )
    assert result.stdout.count("\n") == 1
