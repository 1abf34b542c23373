"""How tests load what may be malformed: it loads, or is refused with ModelError, at once."""

from __future__ import annotations

import time

import pytest
from litegpu import Interpreter
from litegpu.errors import ModelError
from litegpu.graph import Model
from litegpu.schema.reader import read_model
from litegpu.verify import verify

SECONDS = 5.0
"""Of processor time: far more than any of these files needs, far less than a hang."""


def load(content: bytes) -> Model:
    model = read_model(content)
    verify(model)
    return model


def loads_or_refuses(content: bytes) -> Model | None:
    """The model, or None where it is refused; any other exception fails the test."""
    try:
        return load(content)
    except ModelError:
        return None


def refused(content: bytes, message: str) -> None:
    start = time.process_time()
    with pytest.raises(ModelError, match=message):
        load(content)
    with pytest.raises(ValueError, match=message):
        Interpreter(model_content=content)
    assert time.process_time() - start < SECONDS
