"""How many threads NumPy's BLAS uses; process-wide, changed only when an interpreter wants another
number."""

from __future__ import annotations

import functools
from numbers import Integral
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

BY_DEFAULT = 1
"""As in LiteRT. More threads help large products alone; BLAS's threads spin, and slow their
neighbours."""


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


_current: int | None = None


def use_threads(count: int) -> None:
    """Sets the number of BLAS threads, unless it is that already."""
    global _current
    if count != _current:
        _controller().limit(limits=count, user_api="blas")
        _current = count


def checked_threads(count: Any) -> int:
    """The number of threads that `num_threads` stands for; ValueError if it stands for none."""
    if count is None:
        return BY_DEFAULT
    if not isinstance(count, Integral):
        raise ValueError(f"type of num_threads should be int, not {type(count).__name__}")
    if count < -1:
        raise ValueError(f"num_threads should >= -1, not {count}")
    return BY_DEFAULT if count == -1 else max(1, int(count))
