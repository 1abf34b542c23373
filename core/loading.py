"""A verified model from what a caller gives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .graph import Model
from .output_types import with_output_types
from .schema.reader import open_model, read_model
from .verify import verify


def load(path: Any, content: Any) -> Model:
    """The verified model at a path, or within a buffer."""
    if path and content is not None and len(content):
        raise ValueError("Can't both provide `model_path` and `model_content`")
    if path:
        model = open_model(Path(os.fsdecode(os.fspath(path))))
    elif content is not None and len(content):
        model = read_model(memoryview(content))
    else:
        raise ValueError("`model_path` or `model_content` must be specified.")
    verify(model)
    return with_output_types(model)
