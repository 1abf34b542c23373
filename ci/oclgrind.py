"""`./ci/oclgrind`: runs a case of every kernel, in the variants for CPUs and for GPUs."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Any

from litegpu import Interpreter, load_delegate
from litegpu.schema.writer import write_model

from tests.cases import Case, feeds, model_of, run_model
from tests.gpu.fakes import FAKES, lower
from tests.operator_cases import cases_by_operator
from tests.tolerance import assert_close

Entry = tuple[str, str, str]
"""(kind of device, file, entry)"""


ENOUGH = 64
"""Work items that show what neighbours do to each other; more only take longer."""


def chosen_cases() -> dict[Entry, Case]:
    """For every kernel, the smallest case that launches it with ENOUGH work items, or the largest."""
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


def run(case: Case, delegate: Any) -> list[Any]:
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
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def main() -> None:
    delegates: dict[str, Any] = {}
    for kind in FAKES:
        loaded: Any = load_delegate("opencl", {"fallback": "raise"})
        device = loaded.delegate.device
        device.info = replace(device.info, is_cpu=kind == "cpu")
        delegates[kind] = loaded
    print(f"on {delegates['cpu'].delegate.device.info.name}")
    for (kind, stem, entry), case in sorted(chosen_cases().items(), key=lambda item: item[0]):
        if len(sys.argv) > 1 and not any(part in f"{stem}.{entry}" for part in sys.argv[1:]):
            continue
        print(f"{kind} {stem}.{entry}: {case}", flush=True)
        expected = run_model(write_model(model_of(case)), feeds(case))
        for got, want in zip(run(case, delegates[kind]), expected, strict=True):
            assert_close(got, want, str(case))


if __name__ == "__main__":
    main()
