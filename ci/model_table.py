"""`./ci/model_table`: litegpu against LiteRT on every model in ci/data and ../shared/models."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import litegpu
from litegpu.schema.reader import open_model

from tests.model_runs import ALL, CPU, Run, compare, inputs_of, outputs, runs
from tests.tolerance import WHOLE_MODEL

INVOKES = 5

PAGE = """# Models

Made by `./ci/model_table > docs/models.md`: real models, and models from the test-suites of other
projects, on random inputs, twice each, on the CPU, against LiteRT. `equal`: bit for bit. `agrees`:
floats within 1e-4 of the largest magnitude; the largest difference is relative to that. `against`:
the resolver (ref: BUILTIN_REF; opt: BUILTIN_WITHOUT_DEFAULT_DELEGATES, where ref lacks an operator
or is wrong; micro: TensorFlow Lite Micro, where LiteRT crashes). Times are medians on a machine
with two busy cores: they tell milliseconds from seconds.
"""


def row(run: Run) -> tuple[str, bool]:
    """One line of the table, and whether litegpu agrees with LiteRT."""
    model = open_model(run.path)
    nodes = sum(len(graph.nodes) for graph in model.graphs)
    try:
        found = compare(run, litegpu)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].replace("|", "\\|")
        kind = "refused" if _refused(run) else "failed"
        return f"| {run} | {nodes} | {kind}: {reason} | | | |", False
    agrees = found.largest <= (0 if found.exact else WHOLE_MODEL)
    outcome = "equal" if found.largest == 0 else "agrees" if agrees else "differs"
    line = f"| {run} | {nodes} | {outcome} | {found.largest:.2g} | {found.resolver} |"
    return f"{line} {1e3 * _seconds(run):.2f} |", agrees


def _refused(run: Run) -> bool:
    """Whether it is litegpu that does not run the model."""
    try:
        _run(run)
    except (RuntimeError, ValueError):
        return True
    return False


def _run(run: Run) -> list[dict[str, Any]]:
    steps = inputs_of(run, open_model(run.path))
    return outputs(litegpu, run.path.read_bytes(), steps, run.signature, CPU)


def _seconds(run: Run) -> float:
    """The median of some invokes after the first, with inputs set."""
    kind = litegpu.OpResolverType[CPU]
    interpreter = litegpu.Interpreter(run.path, experimental_op_resolver_type=kind)
    (step, *_) = inputs_of(run, open_model(run.path))
    if run.signature is not None:
        runner = interpreter.get_signature_runner(run.signature)
        return _median(lambda: runner(**step))
    interpreter.allocate_tensors()
    for i, detail in enumerate(interpreter.get_input_details()):
        interpreter.set_tensor(detail["index"], step[str(i)])
    return _median(interpreter.invoke)


def _median(call: Any) -> float:
    call()
    seconds = []
    for _ in range(INVOKES):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return median(seconds)


def main(parts: Sequence[str]) -> None:
    print(PAGE)
    print("| model | nodes | outcome | largest difference | against | invoke, ms |")
    print("|---|---|---|---|---|---|")
    wanted = [run for run in runs(ALL) if not parts or any(part in str(run) for part in parts)]
    agreeing = 0
    for run in wanted:
        line, agrees = row(run)
        agreeing += agrees
        print(line, flush=True)
    print(f"\n{agreeing} of {len(wanted)} agree with LiteRT.")


if __name__ == "__main__":
    main(sys.argv[1:])
