"""Rules of shapes that many operators share: broadcasting, axes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from ..errors import OpError
from ..graph import Shape


def debug_string(shape: Sequence[int]) -> str:
    """A shape as LiteRT writes it: `[2,3]`."""
    return "[" + ",".join(map(str, shape)) + "]"


def broadcast_shape(*shapes: Shape) -> Shape:
    """The shape that arrays of `shapes` broadcast to; raises OpError where they do not fit."""
    out = []
    for sizes in zip_longest(*(reversed(s) for s in shapes), fillvalue=1):
        others = {n for n in sizes if n != 1}
        if len(others) > 1:
            *first, last = map(debug_string, shapes)
            raise OpError(f"Given shapes, {', '.join(first)} and {last}, are not broadcastable.")
        out.append(others.pop() if others else 1)
    return tuple(reversed(out))


def normalize_axis(axis: int, rank: int) -> int:
    """`axis` counted from the front; raises OpError unless -rank <= axis < rank."""
    if not -rank <= axis < rank:
        raise OpError(f"axis {axis} is out of range for rank {rank}")
    return int(axis) % rank


def normalize_axes(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Each of `axes` counted from the front, ascending, without repeats."""
    return tuple(sorted({normalize_axis(int(a), rank) for a in axes}))
