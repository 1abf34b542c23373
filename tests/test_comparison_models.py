"""Real models: planted faults are found, and verdicts agree with the outputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import litegpu
import pytest
from litegpu.comparison.result import Comparison

from .devices import delegates
from .faults import agree, kind_of, outputs, plant, sample_of
from .model_runs import ALL
from .shared import model_ids, sampled

REFUSED = {
    "tflm__audio_preprocessor_float": "SignalWindow",
    "tflm__audio_preprocessor_int8": "SignalWindow",
    "tflm__person_detect_vela": "ethos-u",
}
"""Models with custom operators that nobody has registered."""

RUNNABLE = [path for path in ALL if path.stem not in REFUSED]


def guilty(result: Comparison) -> list[tuple[int, tuple[int, ...]]]:
    return [(group.graph, group.nodes) for group in result.ranking]


@pytest.mark.parametrize("path", sampled(RUNNABLE, 8), ids=model_ids)
def test_a_planted_fault_is_found(path: Path, tmp_path: Path) -> None:
    """Compare names the node and no other, bisect finds it, and the repro shows it on its own: with
    the fault, and not without."""
    delegates("opencl")
    planted = plant(path, "opencl", kind_of(RUNNABLE.index(path)))
    if planted is None:
        pytest.skip("no fault that was tried reaches the outputs")
    sample, node = sample_of(path), planted.node
    result = litegpu.compare(path, planted.faulty, sample, mode="isolated", repro=tmp_path)
    assert result.facts.observation == "tensors"
    assert guilty(result) == [(0, (node,))], planted
    assert litegpu.compare(path, planted.sound, sample, mode="isolated").ok
    found = litegpu.bisect(path, planted.faulty, sample)
    assert [(s.graph, s.node) for s in found.nodes] == [(0, node)], planted
    assert shows(tmp_path) == 1
    assert shows(tmp_path, "opencl") == 0


def shows(folder: Path, *arguments: str) -> int:
    """The exit status of a repro's script."""
    command = [sys.executable, str(folder / "repro.py"), *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.stderr == "", found.stderr
    return found.returncode


@pytest.mark.parametrize("path", sampled(RUNNABLE, 4), ids=model_ids)
def test_the_verdict_agrees_with_the_outputs(path: Path) -> None:
    (delegate,) = delegates("opencl")
    sample = sample_of(path)
    result = litegpu.compare(path, delegate, sample)
    expected, got = outputs(path, sample, None), outputs(path, sample, delegate)
    assert result.ok == agree(got, expected)
    assert result.facts.samples == 1
    assert result.facts.notes in ((), ("the delegate runs no node",))


@pytest.mark.parametrize("stem", REFUSED)
def test_models_that_cannot_run_say_so(stem: str) -> None:
    path = next((p for p in ALL if p.stem == stem), None)
    if path is None:
        pytest.skip("the model is not here")
    (delegate,) = delegates("opencl")
    with pytest.raises(RuntimeError, match=REFUSED[stem]):
        litegpu.compare(path, delegate)


MEASURED = """
import resource, sys
import litegpu
path, samples, mode = sys.argv[1:]
delegate = litegpu.load_delegate("opencl")
result = litegpu.compare(path, delegate, samples=int(samples), mode=mode)
assert result.ok, result.ranking
assert result.facts.samples == int(samples)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

MOST_GROWTH_KIB = 8 * 1024
"""What the allocators of Python, NumPy and the driver may take more in a longer run."""


def peak_kib(path: Path, samples: int, mode: str) -> int:
    """The largest resident memory of a process that compares so many samples."""
    command = [sys.executable, "-c", MEASURED, str(path), str(samples), mode]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("mode", ["cumulative", "isolated"])
@pytest.mark.parametrize(
    ("stem", "samples"),
    [("image_classification", 200), ("coral__mobilenet_v1_0.25_128_quant", 1000)],
)
def test_memory_does_not_grow_with_samples(stem: str, samples: int, mode: str) -> None:
    pytest.importorskip("resource")
    delegates("opencl")
    path = next((p for p in ALL if p.stem == stem), None)
    if path is None:
        pytest.skip("the model is not here")
    few, many = peak_kib(path, 10, mode), peak_kib(path, samples, mode)
    assert many - few < MOST_GROWTH_KIB, (few, many)
