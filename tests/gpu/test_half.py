"""Float32 stored as half: every case of every operator on values that half holds, and whole
models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from litegpu.delegates.lowering.registry import LOWERINGS
from litegpu.graph import Array
from litegpu.schema.writer import write_model

from tests.cases import Arg, Case, feeds, model_of, run_model
from tests.devices import CLAIMS
from tests.operator_cases import cases_by_operator
from tests.tolerance import assert_close_as_half

HALF = "opencl fp16"
LARGEST = float(np.finfo(np.float16).max)

CASES = {op: found for op, found in cases_by_operator().items() if op in LOWERINGS}


def representable(values: Array) -> Array:
    """Float32 values rounded to ones that half holds; infinity and NaN as they are."""
    bounded = np.clip(values, -LARGEST, LARGEST)
    return np.where(np.isinf(values), values, bounded).astype(np.float16).astype(np.float32)


def rounded(arg: Arg | None) -> Arg | None:
    if arg is None or arg.value is None or arg.value.dtype != np.float32:
        return arg
    return replace(arg, value=representable(arg.value))


def on_half(case: Case) -> Case:
    """The case with values that half holds."""
    return replace(case, inputs=[rounded(arg) for arg in case.inputs])


@pytest.mark.parametrize("op", sorted(CASES))
def test_operator(op: str) -> None:
    """What half stores is the CPU's result, rounded once; integers are the CPU's."""
    for case in CASES[op]:
        if case.error is None:
            check(on_half(case))


def check(case: Case) -> None:
    content, inputs = write_model(model_of(case)), feeds(case)
    CLAIMS.clear()
    got = run_model(content, inputs, HALF, case.invokes)
    if not any(claimed for _, claimed in CLAIMS):
        return
    expected = run_model(content, inputs, "cpu", case.invokes)
    for j, (g, e) in enumerate(zip(got, expected, strict=True)):
        assert_close_as_half(g, e, f"{case}, output {j}")
