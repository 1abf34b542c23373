"""The benchmark on a GPU, as far as it needs none."""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ci.bench import cuda, cuda_turns
from ci.bench.cuda_tables import NOT_COMPARED, kernel_table, speed_table, start_table, text_of
from ci.bench.cuda_worker import Session, serve
from ci.bench.runtime_litegpu import LiteGpu
from ci.bench.runtimes import RUNTIMES, Case, Missing, Runtime, load

from .devices import delegates
from .models import chain, quantized

ROOT = Path(__file__).resolve().parents[1]

OURS = {
    "device_s": 0.5e-3,
    "host_s": 1e-3,
    "launches": 65,
    "floor_s": 0.1e-3,
    "expensive": [
        {
            "kernels": ["conv", "reduce"],
            "nodes": ["3 CONV_2D", "4 ADD"],
            "seconds": 20e-6,
            "share": 0.04,
            "floor_s": 5e-6,
        }
    ],
}
RESULT: dict[str, Any] = {
    "gpu": "NVIDIA H100 80GB HBM3",
    "versions": {"litegpu": "0.1.0", "torch": "2.13.0"},
    "missing": {"jax": "No module named 'jax'"},
    "starts": [
        {"model": "resnet50", "precision": "fp32", "cold_s": 12, "warm_s": 0.75, "import_s": None}
    ],
    "cases": [
        {
            "model": "resnet50",
            "batch": 8,
            "precision": "fp16",
            "runtimes": {"litegpu": OURS, "torch": {"device_s": 1e-3, "host_s": 4e-3}},
        },
        {
            "model": "somewhere/face.tflite",
            "batch": 1,
            "precision": "int8",
            "runtimes": {
                "litegpu": {"error": "MemoryError: full"},
                "torch": {"error": NOT_COMPARED},
            },
        },
    ],
}


def test_speed_table() -> None:
    lines = speed_table(RESULT["cases"], "device_s", ["litegpu", "torch"]).splitlines()
    assert lines[0] == (
        "| model | precision | batch | litegpu ms | a second | floor | launches "
        "| torch ms | ratio |"
    )
    assert lines[2] == "| resnet50 | fp16 | 8 | 0.5 | 1.6e+04 | 20% | 65 | 1 | 0.50 |"
    assert lines[3] == "| face | int8 | 1 | - | - | - | - | - | - |"


def test_kernel_and_start_tables() -> None:
    row = kernel_table(RESULT["cases"]).splitlines()[2]
    assert row == ("| resnet50 fp16 x8 | 3 CONV_2D, 4 ADD | conv, reduce | 20 | 4% | 5 | 25% |")
    assert start_table(RESULT["starts"]).splitlines()[2] == "| resnet50 | fp32 | 12 | 0.75 | - |"


def test_text_names_what_is_missing_and_what_failed() -> None:
    text = text_of(RESULT)
    assert "Left out: jax (No module named 'jax')." in text
    assert "- face int8 x1, litegpu: MemoryError: full" in text
    assert NOT_COMPARED not in text


def test_cases_come_by_their_value() -> None:
    found = list(cuda.networks(["resnet50"], [64, 1, 256, 8], ["fp32", "fp16"]))
    assert [(c.batch, c.precision) for c in found] == [
        (batch, precision) for batch in (1, 256, 8, 64) for precision in ("fp32", "fp16")
    ]
    assert [c.batch for c in cuda.networks(["resnet50"], [4], ["fp32"])] == [4]


def test_real_models_run_in_their_own_types(tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(chain())
    (tmp_path / "b.tflite").write_bytes(quantized())
    found = list(cuda.real_models(tmp_path, ["fp32", "int8", "fp16"]))
    assert [(Path(c.model).stem, c.precision) for c in found] == [
        ("a", "fp32"),
        ("a", "fp16"),
        ("b", "int8"),
    ]
    assert not list(cuda.real_models(tmp_path / "nowhere", ["fp32"]))


class Told(cuda_turns.Process):
    """A runtime whose runs take `seconds`, and that fails after `runs` of them."""

    def __init__(self, name: str, seconds: float, log: list[str], runs: int = 10**9) -> None:
        super().__init__(name, "cuda", 1)
        self._seconds, self._log, self._runs = seconds, log, runs

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if "prepare" in request:
            return {"prepare_s": 1.0} if self._runs else {"error": "no"}
        if "expensive" in request:
            return {"expensive": []}
        self._log.append(self.name)
        self._runs -= request["time"]
        if self._runs < 0:
            return {"error": "tired"}
        scale = 2 if request["whole"] else 1
        return {"seconds": [self._seconds * scale] * request["time"]}


def test_runtimes_take_turns() -> None:
    log: list[str] = []
    case = Case("resnet50", 1, "fp32")
    found = cuda_turns.measure(case, [Told("a", 1e-3, log), Told("b", 5.0, log)])
    assert log == ["a", "b"] * (2 * (1 + cuda_turns.TURNS))
    assert found["model"] == "resnet50"
    assert found["runtimes"]["a"]["device_s"] == 1e-3
    assert found["runtimes"]["a"]["host_s"] == 2e-3
    assert found["runtimes"]["b"]["host_s_range"] == [10.0, 10.0]


def test_a_runtime_that_fails_stops_no_other() -> None:
    log: list[str] = []
    processes = [Told("a", 1.0, log), Told("b", 1.0, log, runs=0), Told("c", 1.0, log, runs=4)]
    found = cuda_turns.measure(Case("resnet50", 1, "fp32"), processes)["runtimes"]
    assert found["a"]["device_s"] == 1.0
    assert found["b"]["error"] == "no"
    assert found["c"]["error"] == "tired"
    assert log.count("b") == 0


def process(script: str, limit_s: float = 20) -> cuda_turns.Process:
    made = cuda_turns.Process("any", "cuda", limit_s)
    made._command = [sys.executable, "-c", script]
    return made


def test_processes_that_die_or_hang_are_errors() -> None:
    greeting = 'print(\'{"version": "1"}\', flush=True); '
    dead = process(greeting + "import sys; sys.stdin.readline(); sys.exit(3)")
    assert dead.ask({}) == {"error": "the process ended with status 3"}
    assert dead.version == "1"
    slow = process(greeting + "import time; time.sleep(60)")
    slow.start()
    slow._limit_s = 0.2
    assert slow.ask({}) == {"error": "it took more than 0 s"}


def test_missing_runtimes_say_so() -> None:
    made = process('print(\'{"missing": "no such thing"}\')')
    made.start()
    assert made.missing == "no such thing"
    assert made.ask({}) == {"error": "no such thing"}


@pytest.mark.parametrize("name", ["torch", "torch.compile", "jax"])
def test_peers_without_a_gpu_are_missing(name: str) -> None:
    out = io.StringIO()
    serve(name, "cuda", io.StringIO(), out)
    assert json.loads(out.getvalue())["missing"]


def check(runtime: Runtime, case: Case) -> dict[str, Any]:
    """A session times runs of both kinds, and answers what was asked; the facts of the case."""
    session = Session(runtime)
    (_, facts) = (runtime.version(), session.answer({"prepare": as_json(case)}))
    for whole in (False, True):
        seconds = session.answer({"time": 3, "whole": whole})["seconds"]
        assert len(seconds) == 3
        assert 0 < statistics.median(seconds) < 60
    return facts | session.answer({"expensive": True})


def as_json(case: Case) -> dict[str, Any]:
    return {"model": case.model, "batch": case.batch, "precision": case.precision}


def test_litegpu_tells_of_its_kernels() -> None:
    """On OpenCL, as the runtime asks nothing that CUDA alone has."""
    delegates("opencl")
    facts = check(LiteGpu("opencl"), Case("mobilenet_v2", 1, "int8"))
    assert facts["nodes"] == {"opencl": 65}
    assert facts["partitions"] == 1
    assert 50 <= facts["launches"] <= 70
    assert facts["floor_s"] is None
    seconds = [kernel["seconds"] for kernel in facts["expensive"]]
    assert seconds == sorted(seconds, reverse=True)
    assert len(seconds) == 5
    assert all(kernel["bytes"] > 0 for kernel in facts["expensive"])
    assert sum(kernel["share"] for kernel in facts["expensive"]) < 1


@pytest.mark.parametrize("name", [name for name in RUNTIMES if name.startswith("litegpu")])
def test_litegpu_without_a_gpu_is_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(Missing, match="The CUDA delegate needs CuPy"):
        load(name, "cuda")


def test_litegpu_runs_files() -> None:
    delegates("opencl")
    path = ROOT / "ci" / "data" / "image_classification.tflite"
    runner = LiteGpu("opencl").prepare(Case(str(path), 1, "int8"))
    assert runner.from_host().size > 1


def test_pytorch_runs_networks() -> None:
    torch = pytest.importorskip("torch")
    from ci.bench.runtime_torch import Torch

    assert "expensive" in check(Torch("cpu", compiled=False), Case("mobilenet_v2", 2, "fp32"))
    assert not torch.backends.cudnn.allow_tf32
    with pytest.raises(ValueError, match="not compared"):
        Torch("cpu", compiled=False).prepare(Case("mobilenet_v2", 2, "int8"))


def test_jax_runs_networks() -> None:
    pytest.importorskip("jax")
    from ci.bench.runtime_jax import Jax

    case = Case("mobilenet_v2", 2, "fp32")
    assert "expensive" in check(Jax("cpu"), case)
    assert np.isfinite(Jax("cpu").prepare(case).from_host()).all()


def test_starts_are_timed_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    delegates("opencl")
    monkeypatch.setattr(cuda, "network", lambda *_: chain())
    found = cuda.start_up("resnet50", "fp32", "opencl")
    assert 0 < found["import_s"] < found["warm_s"] < found["cold_s"] * 2


def test_without_a_gpu_the_command_refuses() -> None:
    script = (
        "import sys; sys.modules['cupy'] = None; sys.argv = ['gpu', '--device', 'cuda']; "
        "import runpy; runpy.run_path('ci/bench/gpu', run_name='__main__')"
    )
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 2
    assert found.stderr.startswith("cuda cannot be measured here: The CUDA delegate needs CuPy")
    assert len(found.stderr.splitlines()) == 1


def test_results_of_an_earlier_run_are_kept(tmp_path: Path) -> None:
    cuda.write(RESULT, tmp_path)
    assert cuda_turns.read(tmp_path / "gpu.json") == RESULT["cases"]
    assert (tmp_path / "gpu.md").read_text() == text_of(RESULT)
    assert cuda.same(Case("resnet50", 8, "fp16"), RESULT["cases"][0])
    assert not cuda.same(Case("resnet50", 8, "fp32"), RESULT["cases"][0])
    assert cuda_turns.read(tmp_path / "nothing.json") == []
