"""One runtime in a process of its own: commands on standard input, JSON lines on standard output.

    worker.py RUNTIME MODEL THREADS

RUNTIME is litegpu, xnnpack, ref, or the name of a delegate of litegpu, with its precision after a
colon where it is not the default ("cuda:fp16"). The first line out says how
long import, load, allocation and the first invoke took and what memory they needed; each line in
is a number of invokes to time.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

LITERT = "ai_edge_litert.interpreter"
RESOLVERS = {"xnnpack": "AUTO", "ref": "BUILTIN_REF"}
"""LiteRT's resolvers by the names of runtimes."""


def peak_mib() -> float:
    """The most memory that this process has had resident, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def interpreter(runtime: str, model: str, threads: int) -> Any:
    if runtime not in RESOLVERS:
        import litegpu

        name, _, precision = runtime.partition(":")
        options = {"precision": precision} if precision else {}
        delegates = [] if name == "litegpu" else [litegpu.load_delegate(name, options)]
        return litegpu.Interpreter(
            model_path=model, num_threads=threads, experimental_delegates=delegates
        )
    litert: Any = importlib.import_module(LITERT)
    return litert.Interpreter(
        model_path=model,
        num_threads=threads,
        experimental_op_resolver_type=litert.OpResolverType[RESOLVERS[runtime]],
    )


def fill_inputs(made: Any) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    for detail in made.get_input_details():
        shape, dtype = detail["shape"], np.dtype(detail["dtype"])
        if dtype.kind == "f":
            value: Any = rng.normal(0, 0.5, shape)
        elif dtype.kind in "iu":
            value = rng.integers(0, 100, shape)
        else:
            continue
        made.set_tensor(detail["index"], np.asarray(value, dtype))


def arena_bytes(made: Any) -> int | None:
    """Bytes of litegpu's arena; LiteRT does not tell."""
    arena = getattr(getattr(made, "_plan", None), "arena", None)
    return None if arena is None else int(arena.nbytes)


def owners(made: Any) -> dict[str, int]:
    """How many nodes each delegate, or the CPU, runs; empty for LiteRT."""
    if not hasattr(made, "explain"):
        return {}
    return Counter(node.owner for graph in made.explain().subgraphs for node in graph.nodes)


def main() -> None:
    runtime, model, threads = sys.argv[1:4]
    start = time.perf_counter()
    importlib.import_module(LITERT if runtime in RESOLVERS else "litegpu")
    imported = time.perf_counter()
    made = interpreter(runtime, model, int(threads))
    loaded = time.perf_counter()
    made.allocate_tensors()
    allocated = time.perf_counter()
    fill_inputs(made)
    before = time.perf_counter()
    made.invoke()
    report = {
        "import_s": imported - start,
        "load_s": loaded - imported,
        "allocate_s": allocated - loaded,
        "first_ms": (time.perf_counter() - before) * 1e3,
        "arena_bytes": arena_bytes(made),
        "peak_mib": peak_mib(),
        "nodes": owners(made),
    }
    print(json.dumps(report), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            before = time.perf_counter()
            made.invoke()
            times.append((time.perf_counter() - before) * 1e3)
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
