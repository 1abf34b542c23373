"""`ci/gpu`: its steps, its checks and its tables, without a GPU."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litegpu.delegate import MemoryUse

from ci import gpu_cases, gpu_checks, gpu_steps
from ci.gpu_checks import CHECKS, agree, equal
from ci.gpu_steps import STEPS, Step, exit_code, run, text_of

from .cuda import load_cuda
from .devices import delegates
from .models import chain

ROOT = Path(__file__).resolve().parents[1]
MIB = 1 << 20


def says(text: str, status: int = 0) -> Step:
    script = f"print({text!r}); raise SystemExit({status})"
    return Step(text, lambda _: [sys.executable, "-c", script], 60)


def hangs(_: Path) -> list[str]:
    return [sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(60)"]


STEPS_HERE = {
    "good": says("12 passed"),
    "bad": says("1 failed", 1),
    "noisy": replace(says("========= Error: a race"), failing=gpu_steps.REPORTED),
    "absent": replace(says("never"), needs=lambda: "no tool"),
    "slow": Step("sleeps", hangs, 2),
}


def run_here(tmp_path: Path, known: Mapping[str, Any], *names: str) -> dict[str, Any]:
    result = {"gpu": "H100", "versions": {"numpy": "2"}, "steps": dict(known)}
    run(names or list(STEPS_HERE), STEPS_HERE, result, tmp_path, 60)
    return result


def test_steps_are_run_and_told(tmp_path: Path) -> None:
    result = run_here(tmp_path, {})
    found = {name: step["status"] for name, step in result["steps"].items()}
    assert found == {
        "good": "passed",
        "bad": "failed",
        "noisy": "failed",
        "absent": "left out",
        "slow": "timed out",
    }
    assert result["steps"]["absent"]["summary"] == "no tool"
    assert (tmp_path / "bad.log").read_text() == "1 failed\n"
    assert json.loads((tmp_path / "results.json").read_text()) == result
    lines = (tmp_path / "results.md").read_text().splitlines()
    assert lines[0] == "H100, numpy 2"
    assert lines[4] == "| good | 12 passed | passed | 0 | 12 passed |"
    assert lines[8] == "| slow | sleeps | timed out | 2 | begun |"


def test_steps_that_passed_are_not_run_again(tmp_path: Path) -> None:
    known = {
        "good": {"status": "passed", "summary": "earlier", "seconds": 1.0},
        "bad": {"status": "failed", "summary": "earlier", "seconds": 1.0},
    }
    steps = run_here(tmp_path, known, "good", "bad")["steps"]
    assert steps["good"]["summary"] == "earlier"
    assert steps["bad"]["summary"] == "1 failed"


def test_what_was_found_before_the_time_was_up_counts(tmp_path: Path) -> None:
    """The log goes on where a step does."""
    (tmp_path / "good.log").write_text("========= Invalid __global__ read of size 4 bytes\n")
    steps = {"good": replace(STEPS_HERE["good"], failing=gpu_steps.REPORTED)}
    known = {"good": {"status": "timed out", "summary": "", "seconds": 1.0}}
    result: dict[str, Any] = {"gpu": "H100", "versions": {}, "steps": known}
    run(["good"], steps, result, tmp_path, 60)
    assert result["steps"]["good"]["status"] == "failed"
    assert result["steps"]["good"]["summary"] == "12 passed"


@pytest.mark.parametrize(("earlier", "kept"), [("timed out", True), ("failed", False)])
def test_steps_that_failed_begin_anew(tmp_path: Path, earlier: str, kept: bool) -> None:
    (tmp_path / "good.done").write_text("a case\n")
    run_here(tmp_path, {"good": {"status": earlier, "summary": "", "seconds": 1.0}}, "good")
    assert (tmp_path / "good.done").exists() == kept


@pytest.mark.parametrize(
    "line", ["========= ERROR SUMMARY: 0 errors", "========= COMPUTE-SANITIZER", "case Error"]
)
def test_what_is_no_finding_of_the_sanitizer(line: str) -> None:
    assert not re.search(gpu_steps.REPORTED, f"case x\n{line}\n", re.MULTILINE)


def test_no_step_begins_when_the_time_is_up(tmp_path: Path) -> None:
    result: dict[str, Any] = {"gpu": "H100", "versions": {}, "steps": {}}
    run(["good"], STEPS_HERE, result, tmp_path, 0)
    assert not result["steps"]
    assert "| good | 12 passed | not run | - |  |" in text_of(result, STEPS_HERE)
    assert exit_code(result, ["good"]) == 1


@pytest.mark.parametrize(
    ("names", "code"), [(["good"], 0), (["good", "absent"], 0), (["good", "bad"], 1)]
)
def test_exit_codes(tmp_path: Path, names: list[str], code: int) -> None:
    assert exit_code(run_here(tmp_path, {}, *names), names) == code


def test_without_a_gpu_the_command_refuses() -> None:
    script = (
        "import sys; sys.modules['cupy'] = None; sys.argv = ['gpu', '--steps', 'replay']; "
        "import runpy; runpy.run_module('ci.gpu_steps', run_name='__main__')"
    )
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 2
    assert found.stderr.startswith("ci/gpu needs a GPU: The CUDA delegate needs CuPy")
    assert len(found.stderr.splitlines()) == 1


def test_the_sanitizer_is_found_in_the_toolkit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin" / "compute-sanitizer"
    tool.parent.mkdir()
    tool.touch(mode=0o755)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    monkeypatch.setattr(gpu_steps, "TOOLKITS", ())
    monkeypatch.setenv("PATH", "")
    assert gpu_steps.sanitizer() == str(tool)
    assert not STEPS["memcheck"].needs()
    monkeypatch.delenv("CUDA_HOME")
    assert gpu_steps.sanitizer() is None
    assert STEPS["memcheck"].needs() == "compute-sanitizer is not installed"


def test_every_check_is_a_step() -> None:
    assert set(CHECKS) < set(STEPS)
    assert all(step.what for step in STEPS.values())


def load(options: Mapping[str, Any]) -> Any:
    delegates("cuda")
    return load_cuda("cuda", options)


@pytest.mark.parametrize("name", CHECKS)
def test_checks_pass_on_the_cpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_checks, "INVOKES", 100)
    monkeypatch.setattr(gpu_checks, "PLENTY", 64 * MIB)
    CHECKS[name](load, "chain", chain())


class Leaking:
    """A delegate of which every look at its memory finds more."""

    def __init__(self, loaded: Any) -> None:
        self._loaded, self._bytes = loaded, 0
        loaded.delegate.memory_use = self.memory_use

    def memory_use(self) -> MemoryUse:
        self._bytes += 1
        return MemoryUse(self._bytes, self._bytes)


def test_memory_that_grows_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_checks, "INVOKES", 10)

    def leak(options: Mapping[str, Any]) -> Any:
        loaded = load(options)
        Leaking(loaded)
        return loaded

    with pytest.raises(AssertionError, match="chain: the device's memory grows"):
        CHECKS["memory"](leak, "chain", chain())


def test_graphs_that_do_something_else_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(options: Mapping[str, Any]) -> Any:
        loaded = load(options)
        if not options:
            loaded.delegate.device.sequence = lambda steps: lambda: None
        return loaded

    with pytest.raises(AssertionError, match="chain, input 0: not the same bits"):
        CHECKS["replay"](forget, "chain", chain())


def test_differences_are_seen() -> None:
    one = [np.ones(3, np.float32)]
    agree(one, [np.full(3, 1.0004, np.float32)], "x")
    with pytest.raises(AssertionError, match="x: the largest difference"):
        agree(one, [np.full(3, 1.001, np.float32)], "x")
    with pytest.raises(AssertionError, match="is allowed"):
        agree([np.ones(1, np.int8)], [np.zeros(1, np.int8)], "x")
    with pytest.raises(AssertionError, match="not the same bits"):
        equal([np.zeros(1, np.float32)], [np.full(1, -0.0, np.float32)], "x")


def test_cases_are_run_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names stand before what a tool says of them; a later call goes on."""
    loaded = load({"fallback": "raise"})
    monkeypatch.setattr(gpu_cases, "guarded", lambda: loaded)
    state = tmp_path / "done"
    monkeypatch.setattr(sys, "argv", ["gpu_cases", str(state), "L2_POOL_2D"])
    gpu_cases.main()
    names = state.read_text().splitlines()
    assert names
    assert capsys.readouterr().out.splitlines() == [
        *(f"case {name}" for name in names),
        f"{len(names)} cases ran, 0 before",
    ]
    state.write_text("\n".join(names[1:]) + "\n")
    gpu_cases.main()
    assert capsys.readouterr().out.splitlines()[0] == f"case {names[0]}"


BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "hypothesis":
            raise ModuleNotFoundError("No module named 'hypothesis'", name=name)
sys.meta_path.insert(0, Blocked())
import pytest
usual = ["-q", "-rs", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
sys.exit(pytest.main([*usual, *sys.argv[1:]]))
"""


def test_tests_that_need_missing_packages_are_skipped() -> None:
    """Named; the others run."""
    command = [sys.executable, "-c", BLOCKED, "tests/test_partition.py", "tests/test_docs.py"]
    found = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTEST_ADDOPTS": ""}
    )
    assert found.returncode == 0, found.stdout
    assert "hypothesis is not installed" in found.stdout
    assert " passed, 1 skipped" in found.stdout
