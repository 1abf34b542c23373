"""What the documentation shows works: its Python runs, its links lead somewhere."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from litegpu import Limits
from litegpu.cli import app
from typer.testing import CliRunner

from . import models

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("ci/data/*.md")])


def python_blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.S | re.M)


def test_readme_examples_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    on_cpu, on_opencl = python_blocks("README.md")
    exec(compile(on_cpu, "README.md", "exec"), {})
    scores = np.array(re.findall(r"-?\d+", capsys.readouterr().out), int)
    assert scores.shape == (10,)
    exec(compile(on_opencl, "README.md", "exec"), {})
    assert "opencl: 16 nodes" in capsys.readouterr().out


def test_readme_flow_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, _, section = (
        (ROOT / "README.md").read_text().partition("\n## When the GPU and the CPU differ")
    )
    commands = re.findall(r"^\$ litegpu ([^#\n]+)", section.partition("\n## ")[0], re.M)
    assert len(commands) == 6
    monkeypatch.chdir(tmp_path)
    model = str(ROOT / "ci/data/image_classification.tflite")
    for command in commands:
        words = [model if word == "MODEL" else word for word in command.split()]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, (command, result.output)
    assert {"report.html", "node.tflite", "node.npz"} == {p.name for p in tmp_path.iterdir()}


def test_custom_operator_example_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.tflite").write_bytes(models.custom("Sinh"))
    (example,) = python_blocks("docs/api.md")
    names: dict[str, object] = {}
    exec(compile(example, "docs/api.md", "exec"), names)
    interpreter = names["interpreter"]
    interpreter.allocate_tensors()  # type: ignore[attr-defined]
    x = np.array([-1, 0, 2], np.float32)
    interpreter.set_tensor(0, x)  # type: ignore[attr-defined]
    interpreter.invoke()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(interpreter.get_tensor(1), np.sinh(x))  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    missing = [x for x in links if "://" not in x and not (page.parent / x).exists()]
    assert missing == []


def test_limits_table_is_current() -> None:
    _, _, table = (ROOT / "docs/api.md").read_text().partition("| limit | default |")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, re.M)
    assert [name for name, _ in rows] == [f.name for f in dataclasses.fields(Limits)]
    for name, shown in rows:
        value = getattr(Limits(), name)
        number, _, unit = shown.strip().partition(" ")
        if value is None:
            assert shown.strip() == "none"
        else:
            assert int(number.replace(",", "")) * {"GiB": 2**30, "": 1}[unit] == value
