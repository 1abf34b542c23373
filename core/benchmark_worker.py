"""One configuration of a benchmark in a process of its own: JSON lines in, JSON lines out.

The first line in is a job; the line out says how the start went, with the warm-up done. Each
further line in asks for a turn: so many runs or so many seconds at most; the line out has the
nanoseconds of each run. An empty line asks for what is known at the end.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any, TextIO

import numpy as np

from .graph import Array, Shape
from .interpreter import Interpreter
from .plugins import LoadedDelegate, load_delegate
from .process_memory import peak_bytes
from .random_inputs import random_values

CPU = "cpu"


class Job:
    """The interpreter of one configuration; `report` is how it started."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._delay: float = job["run_delay"]
        base = peak_bytes()
        begin = time.perf_counter()
        name = job["delegate"]
        self._delegates = [] if name == CPU else [load_delegate(name, job["options"])]
        self._interpreter = Interpreter(
            job["model"], None, list(self._delegates), job["num_threads"]
        )
        loaded = time.perf_counter()
        values = inputs(self._interpreter, job)
        shaped = time.perf_counter()
        for index, value in values.items():
            if value.shape != self._interpreter._shape_now(index):
                self._interpreter.resize_tensor_input(index, value.shape)
        self._interpreter.allocate_tensors()
        allocated = time.perf_counter()
        for index, value in values.items():
            self._interpreter.set_tensor(index, value)
        first, *more = self.turn(1, 0.0)
        more += self.turn(job["warmup_runs"] - 1, job["warmup_min_secs"] - first * 1e-9)
        self.report = {
            "load_seconds": loaded - begin,
            "allocate_seconds": allocated - shaped,
            "first_seconds": first * 1e-9,
            "warmup_runs": 1 + len(more),
            "samples": job["batch"] or 1,
            "base_host_bytes": base,
        }

    def turn(self, runs: int, seconds: float, most_runs: int | None = None) -> list[int]:
        """Nanoseconds of at least `runs` runs, that begin within at least `seconds`; not more than
        `most_runs` for the seconds' sake."""
        times: list[int] = []
        end = time.perf_counter() + seconds
        most = sys.maxsize if most_runs is None else most_runs
        while len(times) < runs or (time.perf_counter() < end and len(times) < most):
            if self._delay > 0:
                time.sleep(self._delay)
            begin = time.perf_counter_ns()
            self._interpreter.invoke()
            times.append(time.perf_counter_ns() - begin)
        return times

    def end(self) -> dict[str, Any]:
        places = self._interpreter.explain()
        delegate = self._delegates[0] if self._delegates else None
        return {
            "peak_host_bytes": peak_bytes(),
            "peak_device_bytes": None if delegate is None else device_bytes(delegate),
            "device": str(getattr(getattr(delegate, "delegate", None), "description", "")),
            "nodes": dict(Counter(n.owner for g in places.subgraphs for n in g.nodes)),
        }


def device_bytes(loaded: LoadedDelegate) -> int | None:
    """The most memory of its device that a delegate has had in use; None where it does not tell."""
    tell = getattr(loaded.delegate, "memory_use", None)
    return None if tell is None else int(tell().peak)


def inputs(interpreter: Interpreter, job: Mapping[str, Any]) -> dict[int, Array]:
    """The value of every input, by tensor: given, or random within `ranges`; repeated or cut to the
    batch."""
    rng = np.random.default_rng(job["seed"])
    given = np.load(job["inputs"], allow_pickle=False) if job["inputs"] else {}
    graph = interpreter._model.graphs[0]
    found = {}
    for position, t in enumerate(graph.inputs):
        tensor, key = graph.tensors[t], str(position)
        if key in given:
            value = with_batch(given[key], job["batch"])
        else:
            shape = batched(tuple(job["shapes"].get(key, tensor.shape)), job["batch"])
            value = random_values(rng, tensor, shape)
            if key in job["ranges"]:
                low, high = job["ranges"][key]
                value = between(rng, value, low, high)
        found[t] = value
    return found


def batched(shape: Shape, batch: int | None) -> Shape:
    return shape if batch is None or not shape else (batch, *shape[1:])


def with_batch(value: Array, batch: int | None) -> Array:
    if batch is None or not value.ndim or not value.shape[0]:
        return value
    return value[np.arange(batch) % len(value)]


def between(rng: np.random.Generator, value: Array, low: float, high: float) -> Array:
    """Values of the same type and shape, uniform from `low` to `high`, integers with both ends."""
    if value.dtype.kind in "iu":
        return rng.integers(int(low), int(high), value.shape, dtype=value.dtype, endpoint=True)
    return rng.uniform(low, high, value.shape).astype(value.dtype)


def serve(import_seconds: float, lines: TextIO, out: TextIO) -> None:
    """Does one job as its turns come in; what fails becomes {"error": text}."""

    def answer(value: Any) -> None:
        out.write(json.dumps(value) + "\n")
        out.flush()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            job = Job(json.loads(lines.readline()))
            answer({"import_seconds": import_seconds, **job.report})
            for line in lines:
                if not line.strip():
                    break
                answer(job.turn(**json.loads(line)))
            answer(job.end() | {"warnings": [str(w.message) for w in caught]})
        except Exception as error:
            answer({"error": " ".join(f"{error}".split()) or type(error).__name__})


def main(import_seconds: float) -> None:
    """Serves standard input; what delegates print goes to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(import_seconds, sys.stdin, out)
