"""Runtimes on one GPU that take turns with one case after another."""

from __future__ import annotations

import dataclasses
import json
import os
import selectors
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .runtimes import Case
from .turns import ROOT

ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_CPP_MIN_LOG_LEVEL": "3"}
TURNS = 15
TURN_S = 0.02
"""A turn of a runtime takes about so long, but at least one run."""

MOST_RUNS = 30


class Process:
    """A runtime in a process, which is started when it is needed, and again when it was lost.

    `missing` says why there is no such runtime; `version` is empty until it has started.
    """

    def __init__(self, name: str, device: str, limit_s: float) -> None:
        self.name = name
        self._command = [sys.executable, "-m", "ci.bench.cuda_worker", name, device]
        self._limit_s = limit_s
        self._process: subprocess.Popen[str] | None = None
        self.missing: str | None = None
        self.version = ""

    def start(self) -> None:
        if self._process is not None or self.missing is not None:
            return
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            cwd=ROOT,
            env=os.environ | ENVIRONMENT,
        )
        answer = self._read()
        self.version = answer.get("version", "")
        self.missing = answer.get("missing") or answer.get("error")
        if self.missing is not None:
            self.close()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer; {"error": why} where the process refuses, dies, or takes too long."""
        self.start()
        if self._process is None:
            return {"error": self.missing}
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.close()
            return {"error": "the process died"}
        answer = self._read()
        if answer.get("fatal"):
            self.close()
        return answer

    def _read(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(self._limit_s):
                self._process.kill()
                self.close()
                return {"error": f"it took more than {self._limit_s:.0f} s"}
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            self.close()
            return {"error": f"the process ended with status {status}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._process = None


def measure(case: Case, processes: Iterable[Process]) -> dict[str, Any]:
    """Of each runtime: what is known of the prepared case, and the medians of its runs in seconds,
    on the device and from host to host; "error" where it has none."""
    found: dict[str, dict[str, Any]] = {}
    ready = []
    for process in processes:
        found[process.name] = process.ask({"prepare": dataclasses.asdict(case)})
        if "error" not in found[process.name]:
            ready.append(process)
    for key, whole in (("device_s", False), ("host_s", True)):
        take_turns(ready, found, key, whole)
    for process in ready:
        found[process.name] |= process.ask({"expensive": True})
    return {**dataclasses.asdict(case), "runtimes": found}


def take_turns(
    processes: Iterable[Process], found: Mapping[str, dict[str, Any]], key: str, whole: bool
) -> None:
    """Adds the medians as `key`, with the tenth and ninetieth percentiles."""
    alive = [p for p in processes if "error" not in found[p.name]]
    counts: dict[str, int] = {}
    times: dict[str, list[float]] = {p.name: [] for p in alive}
    for _ in range(1 + TURNS):
        for process in list(alive):
            runs = counts.get(process.name, 2)
            answer = process.ask({"time": runs, "whole": whole})
            if "error" in answer:
                found[process.name]["error"] = answer["error"]
                alive.remove(process)
            elif process.name in counts:
                times[process.name] += answer["seconds"]
            else:
                last = answer["seconds"][-1]
                counts[process.name] = max(1, min(MOST_RUNS, round(TURN_S / max(last, 1e-9))))
    for process in alive:
        ordered = sorted(times[process.name])
        found[process.name][key] = statistics.median(ordered)
        tenth = len(ordered) // 10
        found[process.name][f"{key}_range"] = [ordered[tenth], ordered[-1 - tenth]]


def read(path: Path) -> list[dict[str, Any]]:
    """The cases that an earlier run has measured."""
    if not path.exists():
        return []
    found: list[dict[str, Any]] = json.loads(path.read_text())["cases"]
    return found
