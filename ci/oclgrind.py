"""`./ci/oclgrind`: runs a case of every kernel, in the variants for CPUs and for GPUs."""

from __future__ import annotations

import math
import os
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from litegpu import Interpreter, load_delegate
from litegpu.schema.writer import write_model

from tests.cases import Case, feeds, model_of
from tests.gpu.fakes import FAKES, lower
from tests.operator_cases import cases_by_operator

Entry = tuple[str, str, str]
"""(kind of device, file, entry)"""


ENOUGH = 64
"""Work items that show what neighbours do to each other; more only take longer."""


def chosen_cases() -> dict[Entry, Case]:
    """For every kernel, the smallest case of ENOUGH work items, or else the largest."""
    found: dict[Entry, tuple[tuple[bool, int], Case]] = {}
    for case in (case for cases in cases_by_operator().values() for case in cases):
        if case.error is not None:
            continue
        content = write_model(model_of(case))
        for kind, info in FAKES.items():
            for lowered in lower(content, info, feeds(case)).lowered:
                launches = lowered.program.launches
                size = sum(math.prod(launch.threads) for launch in launches)
                rank = (False, size) if size >= ENOUGH else (True, -size)
                for launch in launches:
                    entry = kind, launch.kernel.stem, launch.kernel.entry
                    if entry not in found or rank < found[entry][0]:
                        found[entry] = rank, case
    return {entry: case for entry, (_, case) in found.items()}


def run(case: Case, delegate: Any) -> None:
    """Results are not looked at: Oclgrind 21.10 has faults in the arithmetic of vectors (`max` of a
    vector and a scalar, a comparison added to a vector)."""
    interpreter = Interpreter(
        model_content=write_model(model_of(case)), experimental_delegates=[delegate]
    )
    values = feeds(case)
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.resize_tensor_input(detail["index"], value.shape)
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()


def build_one_by_one(device: Any) -> None:
    """Oclgrind 21.10 compiles one program at a time, or dies."""
    lock, build = threading.Lock(), device._compile

    def build_alone(text: str) -> Any:
        with lock:
            return build(text)

    device._compile = build_alone


def failure(kind: str, case: Case) -> str:
    """What is wrong with a case on the variant for a kind of device; empty if nothing is."""
    loaded: Any = load_delegate("opencl", {"fallback": "raise"})
    device = loaded.delegate.device
    if "Oclgrind" not in device.info.name:
        return f"{device.info.name} is not Oclgrind"
    device.info = replace(device.info, is_cpu=kind == "cpu")
    build_one_by_one(device)
    try:
        run(case, loaded)
    except RuntimeError as error:
        return str(error)
    return ""


def check(kind: str, case: Case) -> str:
    """`failure`, and what Oclgrind says, from a process of its own: simulators crash, too."""
    with tempfile.TemporaryDirectory() as folder:
        log, found = Path(folder) / "log", Path(folder) / "failure"
        child = os.fork()
        if child == 0:
            os.environ |= {"OCLGRIND_LOG": str(log), "LITEGPU_CACHE_DIR": folder}
            found.write_text(failure(kind, case))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            return f"the process died of signal {status & 127}"
        said = log.read_text() if log.exists() else ""
        return "\n".join(filter(None, [found.read_text(), said.strip()]))


def main() -> None:
    failed = 0
    cases = sorted(chosen_cases().items(), key=lambda item: item[0])
    for (kind, stem, entry), case in cases:
        if len(sys.argv) > 1 and not any(part in f"{stem}.{entry}" for part in sys.argv[1:]):
            continue
        found = check(kind, case)
        failed += bool(found)
        print(f"{kind} {stem}.{entry}: {case}: {found or 'clean'}", flush=True)
    if failed:
        raise SystemExit(f"{failed} kernels failed")
    print("nothing found")


if __name__ == "__main__":
    main()
