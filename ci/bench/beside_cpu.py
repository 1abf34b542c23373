"""`ci/bench/gpu`: a GPU delegate beside litegpu's CPU runtime, each in a process of its own."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from litegpu import DelegateLoadError, load_delegate
from litegpu.schema.writer import write_model

from ci.tables import markdown

from .builder import Builder
from .turns import Worker, models, shown, take_turns

ONE_NODE = "one node"
"""The model whose time on the delegate is the overhead of a partition."""


def one_node() -> bytes:
    """The sum of two vectors of 64."""
    net = Builder(int8=False)
    x, y = net.value((1, 64)), net.value((1, 64))
    return write_model(net.model([x, y], [net.add(x, y)]))


def measure(model: Path, device: str, precision: str, threads: int, turns: int) -> dict[str, Any]:
    """Medians in ms and reports of the CPU and the device, and of the device's first start."""
    runtime = f"{device}:{precision}"
    with tempfile.TemporaryDirectory() as cache, ExitStack() as stack:
        caches = {"LITEGPU_CACHE_DIR": f"{cache}/litegpu", "POCL_CACHE_DIR": f"{cache}/pocl"}
        cold = Worker(runtime, model, threads, caches)
        cold.close()
        workers = {
            "cpu": Worker("litegpu", model, threads),
            "device": Worker(runtime, model, threads, caches),
        }
        for worker in workers.values():
            stack.callback(worker.close)
        take_turns(workers.values(), turns)
        found = {name: {"ms": w.median, **(w.report or {})} for name, w in workers.items()}
        return {**found, "cold": cold.report or {}}


def start_s(report: dict[str, Any]) -> float | None:
    """From an imported litegpu to the first result."""
    if "load_s" not in report:
        return None
    return float(report["load_s"] + report["allocate_s"] + report["first_ms"] / 1e3)


def table(results: list[dict[str, Any]], device: str) -> str:
    times = ["CPU ms", f"{device} ms", "ratio", "cold start s", "warm start s"]
    rows = []
    for result in results:
        cpu, found = result["cpu"], result["device"]
        nodes = found.get("nodes", {})
        ratio = found["ms"] / cpu["ms"] if found["ms"] and cpu["ms"] else None
        row = (
            result["model"],
            f"{nodes.get(device, 0)}/{sum(nodes.values())}",
            shown(cpu["ms"], "{:.3f}"),
            shown(found["ms"], "{:.3f}"),
            shown(ratio),
            shown(start_s(result["cold"])),
            shown(start_s(found)),
        )
        rows.append(row)
    return markdown(["model", "claimed", *times], rows)


def run(options: argparse.Namespace) -> int:
    """Prints the medians of many turns; 2 where there is no such device."""
    device, precision = options.device, options.precision[0]
    try:
        loaded = load_delegate(device, {"precision": precision})
    except DelegateLoadError as error:
        print(f"{device} cannot be measured here: {error}", file=sys.stderr)
        return 2
    info = loaded.delegate.device.info  # type: ignore[attr-defined]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        single = Path(folder) / "single.tflite"
        single.write_bytes(one_node())
        found = models(Path(folder), options.quick, options.models)
        for name, path in ((ONE_NODE, single), *found):
            print(name, file=sys.stderr)
            turns = 200 if name == ONE_NODE else 5 if options.quick else 20
            measured = measure(path, device, precision, options.threads, turns)
            results.append({"model": name, **measured})
    print(f"{device}: {info.name}, {info.compute_units} compute units, {precision}\n")
    print(table(results, device))
    overhead = results[0]["device"]["ms"]
    if overhead is not None:
        print(f"\nAn invoke of a partition of one node takes {overhead * 1e3:.0f} µs.")
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0
