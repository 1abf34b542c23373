"""The command line with delegates: who runs what, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter, load_delegate

from . import models
from .test_cli import CLASSIFIER, failure, printed

FILE = """
from litegpu.reference_delegate import ReferenceDelegate

def create_delegate(op="ADD", name="mine"):
    return ReferenceDelegate(lambda graph, node: node.op == op, name)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    path = tmp_path / "chain.tflite"
    path.write_bytes(models.chain())
    return path


def explained(path: Path, *arguments: Any) -> Any:
    return json.loads(printed("inspect", path, "--json", *arguments))["explanation"]


def test_inspect_gives_the_explanation_of_the_interpreter(mine: Path) -> None:
    it = Interpreter(CLASSIFIER, experimental_delegates=[load_delegate(mine, {"op": "CONV_2D"})])
    it.allocate_tensors()
    found = explained(CLASSIFIER, "--delegate", mine, "--delegate-option", "op=CONV_2D")
    assert found == it.explain().to_dict()
    owners = [n["owner"] for n in found["subgraphs"][0]["nodes"]]
    assert owners.count("mine") == 9


def test_inspect_shows_partitions_places_and_reasons(mine: Path, chain: Path) -> None:
    text = printed("inspect", chain, "--delegate", mine, "--delegate-option", "exclude_nodes=0")
    for word in ("partitions", "24", "[excluded] the options of the delegate leave it out"):
        assert word in text
    rows = [[cell.strip() for cell in line.split("│")[1:4]] for line in text.splitlines()]
    assert ["0", "ADD", "cpu"] in rows
    assert ["1", "ADD", "mine"] in rows


@pytest.mark.parametrize(
    ("option", "owners"),
    [
        ("op=MUL", ["cpu", "cpu"]),
        ("only_nodes=[1]", ["cpu", "mine"]),
        ("exclude_nodes=1,0", ["cpu", "cpu"]),
        ("min_nodes_per_partition=2", ["mine", "mine"]),
        ("min_nodes_per_partition=3", ["cpu", "cpu"]),
        ('name="other=1"', ["other=1", "other=1"]),
    ],
)
def test_options(mine: Path, chain: Path, option: str, owners: list[str]) -> None:
    found = explained(chain, "--delegate", mine, "--delegate-option", option)
    assert [n["owner"] for n in found["subgraphs"][0]["nodes"]] == owners


def test_without_delegates_there_is_no_explanation(
    chain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITEGPU_DEFAULT_DELEGATES", "litegpu.reference_delegate:half")
    assert explained(chain) is not None
    assert explained(chain, "--delegate", "cpu") is None
    assert "places" not in printed("inspect", chain, "--delegate", "cpu")


def test_graphs_that_cannot_be_planned_are_left_out(mine: Path, tmp_path: Path) -> None:
    path = tmp_path / "custom.tflite"
    path.write_bytes(models.custom())
    assert explained(path, "--delegate", mine) == {"subgraphs": []}
    assert "not planned" in printed("inspect", path, "--delegate", mine)


def test_run_on_a_delegate(mine: Path, chain: Path, tmp_path: Path) -> None:
    x = np.array([[-3, 0, 2], [0.5, -1, 7]], np.float32)
    np.save(tmp_path / "x.npy", x)
    text = printed(
        "run", chain, "-i", tmp_path / "x.npy", "-o", tmp_path / "out", "--delegate", mine
    )
    assert "ran on: mine 2 nodes in 1 partition\n" in text
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "0_y.npy"), np.maximum(x + 1, 0) + 10)
    text = printed("run", chain, "--delegate", mine, "--delegate-option", "only_nodes=1")
    assert "ran on: cpu 1 node, mine 1 node in 1 partition\n" in text
    assert "ran on" not in printed("run", chain, "--delegate", "cpu")


def test_run_a_signature_on_a_delegate(mine: Path, tmp_path: Path) -> None:
    path = tmp_path / "signatures.tflite"
    path.write_bytes(models.two_signatures())
    text = printed("run", path, "--signature", "double", "--delegate", mine)
    assert "ran on: mine 1 node in 1 partition\n" in text


@pytest.mark.parametrize("command", ["run", "inspect"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--delegate", "nothing"), "No delegate is called 'nothing'"),
        (("--delegate", "missing.py"), "missing.py"),
        (("--delegate-option", "a=1"), "--delegate-option needs the --delegate"),
        (("--delegate", "MINE", "--delegate-option", "a=1"), "has no option 'a'"),
        (("--delegate", "MINE", "--delegate-option", "fallback"), "KEY=VALUE expected"),
        (("--delegate", "MINE", "--delegate-option", "fallback=no"), "fallback is 'no'"),
    ],
)
def test_errors_are_told_in_one_line(
    mine: Path, chain: Path, command: str, arguments: tuple[str, ...], message: str
) -> None:
    given = [mine if a == "MINE" else a for a in arguments]
    assert message in failure(command, chain, *given)
