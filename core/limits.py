"""Bounds on what a model may ask for; a caller may change each of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one interpreter may use before LimitError is raised.

    Sizes are in bytes. `invoke_seconds` is checked between nodes; None means no bound.
    """

    tensor_bytes: int = 2 << 30
    total_bytes: int = 8 << 30
    call_depth: int = 32
    loop_iterations: int = 10_000_000
    invoke_seconds: float | None = None
