"""Fixtures that every test may use."""

from __future__ import annotations

from typing import Any

import pytest

DEVICES = ("cpu",)


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Any:
    """Where operator cases run."""
    return request.param
