"""`litegpu.benchmark`: how long a model takes on the CPU and on delegates, and what memory."""

from __future__ import annotations

import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .benchmark_result import (
    DEFAULTS,
    Benchmark,
    Configuration,
    Effort,
    Figures,
    Measurement,
    Steady,
)
from .graph import Array, Model, Shape
from .loading import load
from .plugins import LoadedDelegate

TURN_SECONDS = 0.1
"""How long one configuration runs before the next has its turn."""

START = (
    "import time; begin = time.perf_counter(); from litegpu.benchmark_worker import main; "
    "main(time.perf_counter() - begin)"
)

Progress = Callable[[str], None]


def benchmark(
    model: str | os.PathLike[str],
    delegates: Sequence[str | tuple[str, Mapping[str, Any]] | LoadedDelegate] = ("cpu",),
    *,
    batch: Sequence[int | None] = (None,),
    num_threads: Sequence[int | None] = (None,),
    num_runs: int = DEFAULTS.num_runs,
    warmup_runs: int = DEFAULTS.warmup_runs,
    min_secs: float = DEFAULTS.min_secs,
    max_secs: float = DEFAULTS.max_secs,
    warmup_min_secs: float = DEFAULTS.warmup_min_secs,
    run_delay: float = DEFAULTS.run_delay,
    inputs: Mapping[str | int, Any] | None = None,
    shapes: Mapping[str | int, Shape] | None = None,
    ranges: Mapping[str | int, tuple[float, float]] | None = None,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Benchmark:
    """How long every delegate takes with every batch size and number of threads, and what memory.

    A delegate is "cpu", what `load_delegate` takes (a name, or name and options), or what it
    returned. Each configuration has a process of its own, so that its memory is its own; those of
    one batch size and number of threads start one after the other, and then take turns of a tenth
    of a second, so that what else the machine does meets all of them. `Effort` says for how long.

    Inputs by name or position: `inputs` are arrays; the others are random (`seed`), of the file's
    shapes or `shapes`, within `ranges`. `batch` replaces the first dimension of all of them;
    arrays are repeated. What fails is a `Measurement` with its error. Raises ValueError for a
    model that cannot be read and for arguments that make no sense.
    """
    effort = Effort(num_runs, warmup_runs, min_secs, max_secs, warmup_min_secs, run_delay)
    path = Path(model)
    names = _InputNames(load(path, None))
    listed = [delegates] if isinstance(delegates, str) else delegates
    configurations = [
        [Configuration(name, options, size, threads) for name, options in map(_named, listed)]
        for size, threads in itertools.product(batch, num_threads)
    ]
    for size in batch:
        if size is not None and size < 1:
            raise ValueError(f"batch is {size}; a number > 0 expected")
    with tempfile.TemporaryDirectory(prefix="litegpu-") as folder:
        job = {
            "model": str(path.resolve()),
            "inputs": _saved(Path(folder), names.by_position(inputs)),
            "shapes": names.by_position(shapes),
            "ranges": names.by_position(ranges),
            "seed": seed,
            **asdict(effort),
        }
        measured = [m for group in configurations for m in _measure(group, job, effort, progress)]
    return Benchmark(path.name, path.stat().st_size, environment(), effort, tuple(measured))


def environment() -> dict[str, str | int | None]:
    """What the figures depend on beside the model: versions and the machine."""
    from . import __version__

    return {
        "litegpu": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _named(delegate: str | tuple[str, Mapping[str, Any]] | LoadedDelegate) -> tuple[str, Any]:
    """(what `load_delegate` is called with, its options)."""
    if isinstance(delegate, str):
        return delegate, {}
    if isinstance(delegate, tuple):
        return delegate
    if isinstance(delegate, LoadedDelegate):
        return delegate.library, delegate.options
    raise ValueError(
        f"a {type(delegate).__name__} cannot be benchmarked, as every configuration runs in a "
        "process of its own: give a name, (name, options), or what load_delegate returned"
    )


class _InputNames:
    """The inputs of the main graph, by name or position."""

    def __init__(self, model: Model) -> None:
        graph = model.graphs[0]
        self._names = [graph.tensors[t].name for t in graph.inputs]

    def by_position(self, values: Mapping[str | int, Any] | None) -> dict[str, Any]:
        """{position as text: value}; ValueError for an input that there is not."""
        found = {}
        for key, value in (values or {}).items():
            if isinstance(key, int) and 0 <= key < len(self._names):
                found[str(key)] = value
            elif key in self._names:
                found[str(self._names.index(str(key)))] = value
            else:
                known = ", ".join(map(repr, self._names)) or "none"
                raise ValueError(f"the model has no input {key!r}; its inputs: {known}")
        return found


def _saved(folder: Path, arrays: Mapping[str, Array]) -> str | None:
    if not arrays:
        return None
    path = folder / "inputs.npz"
    values: dict[str, Any] = {name: np.asarray(value) for name, value in arrays.items()}
    np.savez(path, **values)
    return str(path)


def _measure(
    group: Sequence[Configuration], job: Mapping[str, Any], effort: Effort, progress: Progress
) -> Iterator[Measurement]:
    """The measurements of configurations that take turns."""
    with ExitStack() as stack:
        workers = []
        for configuration in group:
            progress(f"starting {describe(configuration)}")
            workers.append(stack.enter_context(Worker(configuration, job)))
        waiting = [w for w in workers if not w.error]
        while waiting:
            for worker in waiting:
                done = f"{len(worker.times)} of {effort.num_runs} runs"
                progress(f"running {describe(worker.configuration)}: {done}")
                worker.turn(effort)
            waiting = [w for w in waiting if not (w.error or w.is_done(effort))]
        yield from [worker.measurement() for worker in workers]


def describe(configuration: Configuration) -> str:
    batch = "" if configuration.batch is None else f", batch {configuration.batch}"
    threads = "" if configuration.num_threads is None else f", threads {configuration.num_threads}"
    return f"{configuration.name}{batch}{threads}"


class Worker:
    """A configuration in its process; `error` says why it runs no more."""

    def __init__(self, configuration: Configuration, job: Mapping[str, Any]) -> None:
        self.configuration = configuration
        self.times: list[int] = []
        self.error = ""
        self._seconds = 0.0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        self._report = self._ask({**job, **asdict(configuration)})

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def _ask(self, question: Any) -> Any:
        """The answer to a line of JSON, or to an empty line for None; {} once there is an error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        answer = ""
        try:
            self._process.stdin.write(f"{'' if question is None else json.dumps(question)}\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            pass
        if not answer:
            self.error = self._death()
            return {}
        found = json.loads(answer)
        if isinstance(found, dict) and "error" in found:
            self.error = found["error"]
            return {}
        return found

    def _death(self) -> str:
        code = self._process.wait()
        self._log.seek(0)
        last = self._log.read().decode(errors="replace").strip().splitlines()[-1:]
        return ": ".join([f"the process ended with code {code}", *last])

    def turn(self, effort: Effort) -> None:
        """Runs it for a tenth of a second, or once where that takes longer."""
        left = effort.num_runs - len(self.times)
        most = left if self._seconds >= effort.min_secs else None
        times = self._ask({"runs": 1, "seconds": TURN_SECONDS, "most_runs": most})
        if not self.error:
            self.times += times
            self._seconds += sum(times) * 1e-9 + max(effort.run_delay, 0) * len(times)

    def is_done(self, effort: Effort) -> bool:
        enough = len(self.times) >= effort.num_runs and self._seconds >= effort.min_secs
        return enough or self._seconds >= effort.max_secs

    def measurement(self) -> Measurement:
        end = {} if self.error else self._ask(None)
        if self.error:
            return Measurement(self.configuration, None, self.error)
        steady = Steady.of(np.array(self.times) * 1e-9)
        warnings = tuple(end.pop("warnings"))
        figures = Figures(**self._report, **end, steady=steady, warnings=warnings)
        return Measurement(self.configuration, figures)
