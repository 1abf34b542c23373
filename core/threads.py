"""How many threads NumPy's BLAS uses; process-wide, changed only when an interpreter wants another number."""

from __future__ import annotations

import functools
import os

from threadpoolctl import ThreadpoolController

MOST_BY_DEFAULT = 4
"""More threads than this seldom help at batch 1, and spinning BLAS threads slow their neighbours."""


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


_current: int | None = None


def default_threads() -> int:
    return min(MOST_BY_DEFAULT, len(os.sched_getaffinity(0)))


def use_threads(count: int) -> None:
    """Sets the number of BLAS threads, unless it is that already."""
    global _current
    if count != _current:
        _controller().limit(limits=count, user_api="blas")
        _current = count
