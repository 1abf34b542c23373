"""Real models and conformance cases that lie beside the project; tests that use them skip where
they are not."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = Path(os.environ.get("LITEGPU_TEST_SHARED", Path(__file__).resolve().parents[2] / "shared"))
MODELS = sorted((SHARED / "models").glob("*.tflite"))
"""Empty where the folder is missing: pytest then skips the tests parametrised by it."""


def model_ids(path: Path) -> str:
    return path.stem


def sampled(paths: list[Path], every: int) -> list[Path]:
    """One model of `every`, for tests that take long; all where $LITEGPU_TEST_ALL_MODELS is set."""
    return paths if os.environ.get("LITEGPU_TEST_ALL_MODELS") else paths[::every]
