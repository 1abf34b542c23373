"""A sample of the conformance cases on GPU delegates.

All of them: `run_conformance.py litegpu --delegate MODULE:FUNCTION`, of a function that loads one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from litegpu import OpResolverType

from tests.devices import delegates, no_fallback
from tests.test_conformance_delegated import load, sample
from tests.test_models_delegated import outcomes
from tests.tolerance import assert_close


@pytest.mark.parametrize("device", ["opencl", "cuda"])
@pytest.mark.parametrize("case", sample())
def test_cases(case: str, device: str, tmp_path: Path) -> None:
    """Integers are the CPU's, floats as near as those of one operator; random ones have its shapes
    and types."""
    loaded = delegates(device)
    run, steps, random = load(case, tmp_path)
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    _, expected = outcomes(run, steps, experimental_op_resolver_type=resolver)
    with no_fallback():
        _, got = outcomes(run, steps, experimental_delegates=loaded)
    for have, want in zip(got, expected, strict=True):
        if isinstance(want, type):
            assert have is want
            continue
        assert have.keys() == want.keys()
        for name, value in want.items():
            found = np.asarray(have[name])
            assert (found.shape, found.dtype) == (value.shape, value.dtype)
            if not random:
                assert_close(found, value, f"{case}, output {name}")
