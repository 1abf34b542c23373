"""Whole models against LiteRT: integers equal, floats within the tolerance of whole models."""

from __future__ import annotations

import litegpu
import numpy as np
import pytest
from litegpu.schema.reader import open_model

from .model_runs import ALL, CPU, Run, compare, inputs_of, outputs, runs
from .tolerance import WHOLE_MODEL

REFUSED = {
    "tflm__audio_preprocessor_float": r"unresolved custom op: SignalWindow",
    "tflm__audio_preprocessor_int8": r"unresolved custom op: SignalWindow",
    "tflm__person_detect_vela": r"unresolved custom op: ethos-u",
}
"""What litegpu says of the models that it does not run; LiteRT refuses them too."""

UNDEFINED = {"tflm__keyword_scrambled_8bit"}
"""Models on which LiteRT writes past its buffers (SVDF of int8 state, taken for int16) and dies.

What litegpu computes there is held to a formula in tests/ops/test_svdf.py.
"""

RUNS = runs([path for path in ALL if path.stem not in {*REFUSED, *UNDEFINED}])


@pytest.mark.parametrize("run", RUNS, ids=str)
def test_agrees_with_litert(run: Run) -> None:
    found = compare(run, litegpu)
    bound = 0 if found.exact else WHOLE_MODEL
    assert found.largest <= bound, f"differs by {found.largest:.3g} from {found.resolver}"


@pytest.mark.parametrize("run", runs([p for p in ALL if p.stem in UNDEFINED]), ids=str)
def test_runs_where_litert_is_undefined(run: Run) -> None:
    steps = inputs_of(run, open_model(run.path))
    first, second = (
        outputs(litegpu, run.path.read_bytes(), steps, run.signature, CPU) for _ in range(2)
    )
    for a, b in zip(first, second, strict=True):
        np.testing.assert_equal(a, b)


@pytest.mark.parametrize("run", runs([p for p in ALL if p.stem in REFUSED]), ids=str)
def test_refuses_in_one_clear_line(run: Run) -> None:
    steps = inputs_of(run, open_model(run.path))
    with pytest.raises((RuntimeError, ValueError), match=REFUSED[run.path.stem]):
        outputs(litegpu, run.path.read_bytes(), steps, run.signature, CPU)
