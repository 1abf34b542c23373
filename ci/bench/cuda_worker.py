"""One runtime on a GPU in a process of its own: JSON lines in, JSON lines out.

    python -m ci.bench.cuda_worker RUNTIME DEVICE

RUNTIME is one of runtimes.RUNTIMES. Each line in is an object: {"prepare": {model, batch,
precision}}, {"time": runs, "whole": whether from host to host}, or {"expensive": true}. Each line
out has "error", or what was asked for.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, TextIO

from .runtimes import Case, Missing, Runner, Runtime, load

FATAL = ("CUDA error", "cudaError", "CUDA_ERROR", "DeviceLost")
"""Parts of errors after which a process can do nothing more on its GPU."""


class Session:
    """The runtime, and the case that it has prepared."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._runner: Runner | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "prepare" in request:
            self._runner = None
            start = time.perf_counter()
            self._runner = self._runtime.prepare(Case(**request["prepare"]))
            return {"prepare_s": time.perf_counter() - start, **self._runner.facts}
        assert self._runner is not None
        if "expensive" in request:
            return {"expensive": self._runner.expensive()}
        run = self._runner.from_host if request["whole"] else self._runner.on_device
        times = []
        for _ in range(request["time"]):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return {"seconds": times}


def serve(name: str, device: str, lines: TextIO, out: TextIO) -> None:
    """Answers until the end of `lines`; at once says what runtime it is, or that there is none."""

    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=out, flush=True)

    try:
        runtime = load(name, device)
    except Missing as missing:
        say({"missing": str(missing)})
        return
    session = Session(runtime)
    say({"version": runtime.version()})
    for line in lines:
        try:
            answer = session.answer(json.loads(line))
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            answer = {"error": text, "fatal": any(part in text for part in FATAL)}
        say(answer)


def main() -> None:
    # What libraries print must not come between the answers.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.argv[1], sys.argv[2], sys.stdin, out)


if __name__ == "__main__":
    main()
