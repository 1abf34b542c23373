"""Placement of tensors in one arena: pure functions of sizes and lifetimes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .graph import Array

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector load."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A buffer of `size` bytes that is in use from step `first` to step `last`, both included."""

    size: int
    first: int
    last: int


def plan(lifetimes: Sequence[Lifetime], alignment: int = ALIGNMENT) -> tuple[list[int], int]:
    """(offset of each buffer, size of the arena), with no two live buffers overlapping.

    Greedy by size: the largest first, each into the lowest gap between those alive at the same time
    (Pisarchyk and Lee 2020, arXiv:2001.03288, section 5.2).
    """
    count = len(lifetimes)
    offsets = np.zeros(count, np.int64)
    sizes = np.array([-(-life.size // alignment) * alignment for life in lifetimes], np.int64)
    first = np.array([life.first for life in lifetimes], np.int64)
    last = np.array([life.last for life in lifetimes], np.int64)
    order = np.lexsort((first, -sizes))
    arena = 0
    for position, i in enumerate(order):
        placed = order[:position]
        alive = placed[(first[placed] <= last[i]) & (last[placed] >= first[i])]
        offsets[i] = _lowest_gap(offsets[alive], sizes[alive], int(sizes[i]))
        arena = max(arena, int(offsets[i] + sizes[i]))
    return offsets.tolist(), arena


def _lowest_gap(offsets: Array, sizes: Array, size: int) -> int:
    """The lowest offset at which `size` bytes overlap none of the given buffers."""
    if not offsets.size:
        return 0
    order = np.argsort(offsets, kind="stable")
    starts = offsets[order]
    ends = np.maximum.accumulate(starts + sizes[order])
    before = np.concatenate(([0], ends[:-1]))
    fits = np.flatnonzero(starts - before >= size)
    return int(before[fits[0]] if fits.size else ends[-1])


def largest_live_sum(lifetimes: Sequence[Lifetime]) -> int:
    """Bytes alive at the busiest step: no arena can be smaller."""
    if not lifetimes:
        return 0
    change = np.zeros(max(life.last for life in lifetimes) + 2, np.int64)
    for life in lifetimes:
        change[life.first] += life.size
        change[life.last + 1] -= life.size
    return int(np.cumsum(change).max())
