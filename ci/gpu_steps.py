"""`./ci/gpu`: proves the CUDA delegate on the GPU of this machine, step by step."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litegpu import DelegateLoadError, load_delegate

from ci.gpu_checks import CHECKS
from ci.tables import markdown
from tests.shared import SHARED

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "gpu"
TOOLKITS = ("/usr/local/cuda", *(f"/usr/local/cuda-{v}" for v in ("13.0", "12.9", "12.8")))
CONFORMANCE = SHARED / "conformance" / "run_conformance.py"
PACKAGES = ("numpy", "cupy-cuda13x", "cupy-cuda12x", "ai-edge-litert", "hypothesis", "pcpp")
"""Of which the versions are recorded."""

GPU = {"LITEGPU_TEST_CUDA": "gpu", "LITEGPU_REQUIRE_DEVICES": "cuda"}

REPORTED = r"^========= (Error|Invalid|Misaligned|Race|Warp|Program hit)"
"""How compute-sanitizer begins what it has found."""

Found = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """A command; `needs` says what it lacks here, or gives an empty text. `failing`: what, in its
    output, means failure although the command says otherwise."""

    what: str
    command: Callable[[Path], Sequence[str]]
    limit_s: float
    needs: Callable[[], str] = lambda: ""
    failing: str = ""


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def pytest(*arguments: str) -> Callable[[Path], list[str]]:
    """The test-suite, in several processes where pytest-xdist is there."""
    count = min(8, os.cpu_count() or 1)
    parallel = ["-n", str(count)] if importlib.util.find_spec("xdist") else []
    usual = ["-q", "-p", "no:cacheprovider", *parallel]
    return lambda _: python("-m", "pytest", *usual, *arguments)


def check(name: str) -> Step:
    what = (CHECKS[name].__doc__ or "").partition(".")[0]
    return Step(" ".join(what.split()), lambda _: python("-m", "ci.gpu_checks", name), 180)


def sanitizer() -> str | None:
    """The path of compute-sanitizer, on PATH or in CUDA's toolkit."""
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), *TOOLKITS]
    folders = [os.environ.get("PATH", ""), *(f"{home}/bin" for home in homes if home)]
    return shutil.which("compute-sanitizer", path=os.pathsep.join(folders))


def state_of(name: str, folder: Path) -> Path:
    """Where a step notes what it has done, for when it goes on."""
    return folder / f"{name}.done"


def sanitize(tool: str) -> Step:
    def command(folder: Path) -> list[str]:
        cases = python("-m", "ci.gpu_cases", str(state_of(tool, folder)))
        options = ["--report-api-errors", "no"] if tool == "memcheck" else []
        return [sanitizer() or "", "--tool", tool, *options, "--error-exitcode", "9", *cases]

    missing = "compute-sanitizer is not installed"
    return Step(
        f"compute-sanitizer {tool} over all operator cases",
        command,
        600,
        lambda: "" if sanitizer() else missing,
        REPORTED,
    )


def conformance(_: Path) -> list[str]:
    delegate = ["--delegate", "ci.gpu_checks:conformance"]
    return python(str(CONFORMANCE), "litegpu", *delegate, "--jobs", "8", "--timeout", "60")


def without_models() -> str:
    return "" if (SHARED / "models").is_dir() else f"there is no {SHARED / 'models'}"


def without_conformance() -> str:
    return "" if CONFORMANCE.exists() else f"there is no {CONFORMANCE}"


def without_opencl() -> str:
    try:
        load: Any = load_delegate("opencl")
    except DelegateLoadError as error:
        return str(error)
    is_cpu = load.delegate.device.info.is_cpu
    return "OpenCL has no GPU here" if is_cpu else ""


STEPS = {
    "operators": Step("operator cases", pytest("tests/ops", "-k", "[cuda"), 600),
    "replay": check("replay"),
    "out_of_memory": check("out_of_memory"),
    "models": Step(
        "real models beside the CPU",
        pytest("tests/gpu/test_models.py", "-k", "cuda"),
        600,
        without_models,
    ),
    "device": Step("tests of the delegate", pytest("tests/gpu", "-k", "not test_models"), 600),
    "memory": check("memory"),
    "threads": check("threads"),
    "interpreters": check("interpreters"),
    "resize": check("resize"),
    "memcheck": sanitize("memcheck"),
    "racecheck": sanitize("racecheck"),
    "conformance": Step("conformance", conformance, 600, without_conformance),
    "opencl": Step(
        "operator cases and models with OpenCL",
        pytest("tests/ops", "tests/gpu", "-k", "opencl"),
        600,
        without_opencl,
    ),
    "suite": Step(
        "all other tests", pytest("tests", "--ignore=tests/ops", "--ignore=tests/gpu"), 600
    ),
}
"""By their value: what is likely to find most in least time comes first."""


def execute(name: str, step: Step, folder: Path, limit_s: float, goes_on: bool = False) -> Found:
    """Runs a step; its output goes to a file, after what is there if it `goes_on`."""
    missing = step.needs()
    if missing:
        return {"status": "left out", "summary": missing, "seconds": 0.0}
    log, start = folder / f"{name}.log", time.monotonic()
    if not goes_on:
        state_of(name, folder).unlink(missing_ok=True)
    with log.open("a" if goes_on else "w") as file:
        process = subprocess.Popen(
            step.command(folder),
            cwd=ROOT,
            env=os.environ | GPU,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = "failed" if process.wait(limit_s) else "passed"
        except subprocess.TimeoutExpired:
            status = "timed out"
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    text = log.read_text(errors="replace")
    if step.failing and re.search(step.failing, text, re.MULTILINE):
        status = "failed"
    lines = [line.strip(" =") for line in text.splitlines() if line.strip(" =")]
    return {
        "status": status,
        "summary": lines[-1] if lines else "",
        "seconds": time.monotonic() - start,
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def text_of(result: Mapping[str, Any], steps: Mapping[str, Step]) -> str:
    """The results as Markdown."""
    rows = []
    for name, step in steps.items():
        found = result["steps"].get(name, {"status": "not run", "summary": "", "seconds": None})
        seconds = None if found["seconds"] is None else round(found["seconds"])
        rows.append([name, step.what, found["status"], seconds, found["summary"]])
    head = ", ".join([result["gpu"], *(f"{n} {v}" for n, v in result["versions"].items())])
    return f"{head}\n\n{markdown(['step', 'what', 'result', 's', 'last line'], rows)}\n"


def run(
    names: Sequence[str], steps: Mapping[str, Step], result: Found, folder: Path, limit_s: float
) -> None:
    """Runs steps that have not passed yet, and writes what is known after each."""
    end = time.monotonic() + limit_s
    for name in names:
        left = end - time.monotonic()
        earlier = result["steps"].get(name, {}).get("status")
        if earlier == "passed" or left <= 0:
            continue
        print(f"{name} …", file=sys.stderr, flush=True)
        limit = min(left, steps[name].limit_s)
        found = execute(name, steps[name], folder, limit, earlier == "timed out")
        result["steps"][name] = found
        print(f"{name}: {found['status']}: {found['summary']}", file=sys.stderr, flush=True)
        (folder / "results.json").write_text(json.dumps(result, indent=1) + "\n")
        (folder / "results.md").write_text(text_of(result, steps))


def exit_code(result: Mapping[str, Any], names: Sequence[str]) -> int:
    """0 where all steps passed or could not be run here."""
    found = [result["steps"].get(name, {}).get("status") for name in names]
    return 0 if all(status in ("passed", "left out") for status in found) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    listed = f"of {', '.join(STEPS)}; all unless given"
    parser.add_argument(
        "--steps", nargs="+", choices=list(STEPS), default=list(STEPS), metavar="STEP", help=listed
    )
    parser.add_argument("--limit", type=float, default=3600, help="seconds for all steps")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder of results and logs")
    parser.add_argument("--again", action="store_true", help="also steps that have passed")
    options = parser.parse_args()
    try:
        loaded: Any = load_delegate("cuda")
    except DelegateLoadError as error:
        print(f"ci/gpu needs a GPU: {error}", file=sys.stderr)
        return 2
    folder: Path = options.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    earlier = folder / "results.json"
    known: Found = {}
    if earlier.exists() and not options.again:
        known = json.loads(earlier.read_text())["steps"]
    result: Found = {
        "gpu": loaded.delegate.device.info.name,
        "versions": versions(),
        "steps": known,
    }
    run(options.steps, STEPS, result, folder, options.limit)
    print(text_of(result, STEPS))
    return exit_code(result, options.steps)


if __name__ == "__main__":
    sys.exit(main())
