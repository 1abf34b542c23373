"""Deep comparison of frozen data that holds arrays, where `==` compares identities."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


def difference(a: Any, b: Any, path: str = "") -> str:
    """Where `a` and `b` first differ, bit for bit; empty when they are equal."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        same = a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        return "" if same else f"{path}: {a!r} != {b!r}"
    if type(a) is not type(b):
        return f"{path}: {a!r} != {b!r}"
    if dataclasses.is_dataclass(a):
        parts = [
            difference(getattr(a, f.name), getattr(b, f.name), f"{path}.{f.name}")
            for f in dataclasses.fields(a)
        ]
        return next(filter(None, parts), "")
    if isinstance(a, tuple):
        if len(a) != len(b):
            return f"{path}: {len(a)} != {len(b)} items"
        pairs = enumerate(zip(a, b, strict=True))
        parts = [difference(x, y, f"{path}[{i}]") for i, (x, y) in pairs]
        return next(filter(None, parts), "")
    return "" if a == b else f"{path}: {a!r} != {b!r}"
