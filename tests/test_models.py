"""Whole models against LiteRT: integers equal, floats within the tolerance of whole models."""

from __future__ import annotations

import litegpu
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

RUNS = runs([path for path in ALL if path.stem not in REFUSED])


@pytest.mark.parametrize("run", RUNS, ids=str)
def test_agrees_with_litert(run: Run) -> None:
    found = compare(run, litegpu)
    bound = 0 if found.exact else WHOLE_MODEL
    assert found.largest <= bound, f"differs by {found.largest:.3g} from {found.resolver}"


@pytest.mark.parametrize("run", runs([p for p in ALL if p.stem in REFUSED]), ids=str)
def test_refuses_in_one_clear_line(run: Run) -> None:
    steps = inputs_of(run, open_model(run.path))
    with pytest.raises((RuntimeError, ValueError), match=REFUSED[run.path.stem]):
        outputs(litegpu, run.path.read_bytes(), steps, run.signature, CPU)
