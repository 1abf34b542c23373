"""Runtimes in processes of their own that take turns, and the models that they run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .networks import NETWORKS, network

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REAL_MODELS = ROOT.parent / "shared" / "models"
SLOW_MS = 300.0
"""A runtime slower than this takes fewer turns."""


class Worker:
    """One runtime with one model; `report` is None where it refused or died."""

    def __init__(
        self,
        runtime: str,
        model: Path,
        threads: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        command = [sys.executable, str(HERE / "worker.py"), runtime, str(model), str(threads)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=os.environ | (environment or {}),
        )
        self.times: list[float] = []
        self.report: dict[str, Any] | None = self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def turn(self, invokes: int) -> None:
        """Adds the times of some invokes."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{invokes}\n")
        self._process.stdin.flush()
        self.times += self._read()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    @property
    def median(self) -> float | None:
        return statistics.median(self.times) if self.times else None


def take_turns(workers: Iterable[Worker], turns: int) -> None:
    """Lets the workers that run their model time some invokes, one after the other."""
    alive = [w for w in workers if w.report is not None]
    for turn in range(turns):
        for worker in alive:
            assert worker.report is not None
            slow = worker.report["first_ms"] > SLOW_MS
            if not slow or turn % 4 == 0:
                worker.turn(1 if slow else 3)


def models(folder: Path, quick: bool, real: Path) -> Iterator[tuple[str, Path]]:
    """(name, file): the networks, float32 and int8, then the real models."""
    for name in list(NETWORKS)[: 1 if quick else None]:
        for int8 in (False, True):
            path = folder / f"{name}_{'int8' if int8 else 'float32'}.tflite"
            path.write_bytes(network(name, int8))
            yield path.stem, path
    if real.is_dir():
        found = sorted(real.glob("*.tflite"), key=lambda p: p.stat().st_size, reverse=True)
        for path in found[: 2 if quick else None]:
            yield path.stem, path


def shown(value: float | None, form: str = "{:.2f}") -> str:
    return "-" if value is None else form.format(value)
