"""Fast reductions of neighbouring axes, seen as the middle axis of [outer, reduced, inner]."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..graph import Array

TILE = 1 << 16
"""Elements that are widened at a time."""

EXACT = 1 << 24
"""float32 holds every integer up to this one."""


def middle(x: Array, axes: tuple[int, ...]) -> Array | None:
    """`x` as [outer, reduced, inner], inner > 1; None where the reduced axes are no neighbours."""
    if not axes or axes[-1] - axes[0] != len(axes) - 1:
        return None
    sizes = x.shape[: axes[0]], x.shape[axes[0] : axes[-1] + 1], x.shape[axes[-1] + 1 :]
    outer, reduced, inner = (math.prod(s) for s in sizes)
    return x.reshape(outer, reduced, inner) if inner > 1 else None


def add_up(x: Array, axes: tuple[int, ...], out: Array) -> None:
    """Writes the sums of float `x` over `axes` to `out`, which keeps the axes as 1."""
    block = middle(x, axes)
    if block is None:
        np.add.reduce(x, axis=axes, out=out, keepdims=True)
        return
    # A row of ones times the block is the sum, at the speed of BLAS.
    ones = np.ones((1, block.shape[1]), x.dtype)
    np.matmul(ones, block, out=out.reshape(block.shape[0], 1, block.shape[2]))


def add_up_integers(x: Array, axes: tuple[int, ...]) -> Array:
    """The sums of 8- or 16-bit `x` over `axes`, kept as 1, in int32 that wraps."""
    block = middle(x, axes)
    if block is None or x.dtype.itemsize > 2:
        return np.asarray(np.add.reduce(x, axis=axes, dtype=np.int32, keepdims=True))
    outer, reduced, inner = block.shape
    rows = max(1, min(TILE // (outer * inner), EXACT >> (8 * x.dtype.itemsize)))
    total = np.zeros((outer, 1, inner), np.int32)
    for first in range(0, reduced, rows):
        part = block[:, first : first + rows].astype(np.float32)
        ones = np.ones((1, part.shape[1]), np.float32)
        np.add(total, np.matmul(ones, part).astype(np.int32), out=total)
    return total.reshape([1 if i in axes else n for i, n in enumerate(x.shape)])


def fold(ufunc: Any, block: Array, out: Array, memory: Array) -> None:
    """Combines the middle axis of `block` into `out` by halves; `memory` has room for one half.

    For an associative and commutative `ufunc`. Faster than row by row where rows are short.
    """
    current, rows = block, block.shape[1]
    while rows > 1:
        half = rows // 2
        target = out if half == 1 else memory[:, :half]
        ufunc(current[:, :half], current[:, half : 2 * half], out=target)
        if rows % 2:
            ufunc(target[:, :1], current[:, rows - 1 : rows], out=target[:, :1])
        current, rows = target, half
    if current is not out:
        np.copyto(out, current)
