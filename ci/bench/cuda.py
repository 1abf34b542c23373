"""`ci/bench/gpu --device cuda`: litegpu beside PyTorch and JAX on one GPU, in one run."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from litegpu import DelegateLoadError, load_delegate
from litegpu.schema.reader import open_model

from .cuda_tables import text_of
from .cuda_turns import Process, measure, read
from .networks import NETWORKS, network
from .runtimes import PRECISIONS, RUNTIMES, Case
from .turns import Worker

Result = dict[str, Any]


def networks(
    names: Sequence[str], batches: Sequence[int], precisions: Sequence[str]
) -> Iterator[Case]:
    """The cases by their value: the smallest and the largest batch first."""
    ordered = sorted(set(batches))
    outer = [*ordered[:1], *ordered[1:][-1:], *ordered[1:-1]]
    for batch, precision, name in product(outer, precisions, names):
        yield Case(name, batch, precision)


def real_models(folder: Path, precisions: Sequence[str]) -> Iterator[Case]:
    """The models of a folder: in float precisions where they have floats, else as they are."""
    for path in sorted(folder.glob("*.tflite")) if folder.is_dir() else ():
        types = {t.dtype.name for t in open_model(path).graphs[0].tensors}
        floats = [p for p in precisions if p != "int8"]
        for precision in floats if "FLOAT32" in types else ["int8"]:
            yield Case(str(path), 1, precision)


def start_up(name: str, precision: str, device: str) -> Result:
    """Seconds from the start of a process to the first result, with an empty cache of kernels and
    with a filled one."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / f"{name}.tflite"
        model.write_bytes(network(name, precision == "int8"))
        runtime = device if precision == "int8" else f"{device}:{precision}"
        caches = {"LITEGPU_CACHE_DIR": f"{folder}/litegpu", "CUPY_CACHE_DIR": f"{folder}/cupy"}
        found = []
        for _ in range(2):
            start = time.perf_counter()
            worker = Worker(runtime, model, 1, caches)
            seconds = time.perf_counter() - start if worker.report else None
            found.append((seconds, worker.report or {}))
            worker.close()
    (cold, _), (warm, report) = found
    return {
        "model": name,
        "precision": precision,
        "cold_s": cold,
        "warm_s": warm,
        "import_s": report.get("import_s"),
    }


def same(case: Case, measured: Result) -> bool:
    return (case.model, case.batch, case.precision) == (
        measured["model"],
        measured["batch"],
        measured["precision"],
    )


def write(result: Result, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gpu.json").write_text(json.dumps(result, indent=1) + "\n")
    (folder / "gpu.md").write_text(text_of(result))


def run(options: argparse.Namespace) -> int:
    """Measures, and writes what there is after every case; goes on where an earlier run of the same
    folder stopped."""
    try:
        info = load_delegate(options.device).delegate.device.info  # type: ignore[attr-defined]
    except DelegateLoadError as error:
        print(f"{options.device} cannot be measured here: {error}", file=sys.stderr)
        return 2
    end = time.monotonic() + options.limit
    processes = [Process(n, options.device, options.case_limit) for n in options.runtimes]
    for process in processes:
        process.start()
    old = read(options.output / "gpu.json") if not options.again else []
    result: Result = {
        "gpu": info.name,
        "versions": {p.name: p.version for p in processes if p.missing is None},
        "missing": {p.name: p.missing for p in processes if p.missing is not None},
        "starts": [],
        "cases": old,
    }
    present = [process for process in processes if process.missing is None]
    cases = [*networks(options.networks, options.batch, options.precision)]
    cases += real_models(options.models, options.precision) if options.models else []
    try:
        for case in cases:
            if any(same(case, one) for one in old):
                continue
            if time.monotonic() > end:
                print("The time is up; the same command goes on from here.", file=sys.stderr)
                break
            print(case, file=sys.stderr, flush=True)
            result["cases"].append(measure(case, present))
            write(result, options.output)
    finally:
        for process in processes:
            process.close()
    for name in options.networks if time.monotonic() < end else ():
        precision = options.precision[0]
        result["starts"].append(start_up(name, precision, options.device))
    write(result, options.output)
    print(text_of(result))
    return 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that are of use with CUDA alone."""
    group = parser.add_argument_group("with --device cuda")

    def listed(name: str, known: Sequence[str]) -> None:
        text = f"of {', '.join(known)}"
        group.add_argument(
            f"--{name}", nargs="+", choices=known, default=list(known), metavar="NAME", help=text
        )

    listed("networks", list(NETWORKS))
    listed("runtimes", list(RUNTIMES))
    group.add_argument("--batch", nargs="+", type=int, default=[1, 8, 64, 256])
    group.add_argument("--output", type=Path, default=Path("build/bench"), help="folder of results")
    group.add_argument("--limit", type=float, default=3600, help="seconds for all")
    group.add_argument("--case-limit", type=float, default=300, help="seconds for one answer")
    group.add_argument("--again", action="store_true", help="also what is in the folder already")
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=PRECISIONS,
        default=["fp32", "fp16", "int8", "tf32"],
        metavar="NAME",
        help=f"of {', '.join(PRECISIONS)}; the first alone with another --device",
    )
