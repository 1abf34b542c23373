"""Real models on GPU delegates: integers are the CPU's bit for bit, floats near to them."""

from __future__ import annotations

import pytest

from tests.delegate_runs import claim
from tests.devices import delegates
from tests.model_runs import ALL, Run, runs
from tests.tolerance import WHOLE_MODEL_ON_DELEGATE


@pytest.mark.parametrize("device", ["opencl", "cuda"])
@pytest.mark.parametrize("run", runs(ALL), ids=str)
def test_models(run: Run, device: str) -> None:
    found = claim(run, delegates(device), device)
    if found.largest is not None:
        assert found.largest <= (0 if found.exact else WHOLE_MODEL_ON_DELEGATE)
