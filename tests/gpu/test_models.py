"""Real models on OpenCL: integers are the CPU's bit for bit, floats near to them."""

from __future__ import annotations

import pytest

from tests.delegate_runs import claim
from tests.devices import delegates
from tests.model_runs import ALL, Run, runs
from tests.tolerance import WHOLE_MODEL_ON_DELEGATE


@pytest.mark.parametrize("run", runs(ALL), ids=str)
def test_models_on_opencl(run: Run) -> None:
    found = claim(run, delegates("opencl"), "opencl")
    if found.largest is not None:
        assert found.largest <= (0 if found.exact else WHOLE_MODEL_ON_DELEGATE)
