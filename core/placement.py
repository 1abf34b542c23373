"""Memory of the tensors that steps compute: one arena by lifetimes; views share their input's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .dtypes import NUMPY, OBJECTS
from .errors import LimitError
from .graph import ABSENT, Array
from .memory import ALIGNMENT, Lifetime, plan
from .workspace import Workspace


@dataclass(frozen=True, slots=True)
class Placement:
    """`lifetimes` (in positions of the runnable order) and `offsets` of the tensors in `arena`
    (uint8)."""

    arena: Array
    lifetimes: Mapping[int, Lifetime]
    offsets: Mapping[int, int]


def shared_memory(space: Workspace, views: Sequence[int]) -> dict[int, int]:
    """{output: input whose memory it shares} for those of the view nodes where nobody can tell."""
    graph = space.graph
    found: dict[int, int] = {}
    for index in views:
        source, target = graph.nodes[index].inputs[0], graph.nodes[index].outputs[0]
        if (
            source not in graph.inputs
            and space.arrays[source] is None
            and space.arrays[target] is None
            and space.shapes[target] is not None
            and graph.tensors[source].dtype == graph.tensors[target].dtype
            and graph.tensors[source].dtype not in OBJECTS
        ):
            found[target] = found.get(source, source)
    return found


def place(
    space: Workspace,
    order: Sequence[Sequence[int]],
    shared: Mapping[int, int],
    hidden: Collection[int],
) -> Placement:
    """Gives every tensor of known shape its memory.

    `order` are the groups of nodes in the order in which they run: what a group uses lives as long
    as all of it. `hidden` tensors need none.
    """
    first, last = _spans(space, order)
    for target, root in shared.items():
        last[root] = max(last[root], last[target])
    if space.session.preserve_all:
        last = dict.fromkeys(last, len(order))
    lifetimes: dict[int, Lifetime] = {}
    for t, start in first.items():
        shape = space.shapes[t]
        if t in shared or t in hidden or space.arrays[t] is not None or shape is None:
            continue
        if space.graph.tensors[t].dtype in OBJECTS:
            space.arrays[t] = space.new_array(t, shape)
        else:
            lifetimes[t] = Lifetime(space.bytes_of(t, shape), start, last[t])
    offsets, size = plan(list(lifetimes.values()))
    limit = space.limits.total_bytes
    if size > limit:
        raise LimitError(f"the arena needs {size} bytes; limits.total_bytes is {limit}")
    arena = aligned_bytes(size)
    for t, offset in zip(lifetimes, offsets, strict=True):
        view = arena[offset : offset + lifetimes[t].size].view(NUMPY[space.graph.tensors[t].dtype])
        space.arrays[t] = view.reshape(space.shape(t))
    for target, root in shared.items():
        space.arrays[target] = space.array(root).reshape(space.shape(target))
    return Placement(arena, lifetimes, dict(zip(lifetimes, offsets, strict=True)))


def _spans(
    space: Workspace, order: Sequence[Sequence[int]]
) -> tuple[dict[int, int], dict[int, int]]:
    """The first and the last position at which each tensor is in use."""
    graph, end = space.graph, len(order)
    first = dict.fromkeys(graph.inputs, 0)
    last = dict.fromkeys(graph.inputs, end)
    for position, group in enumerate(order):
        for node in (graph.nodes[n] for n in group):
            for t in (*node.inputs, *node.outputs):
                if t != ABSENT:
                    last[t] = max(last.get(t, 0), position)
            for t in node.outputs:
                if t != ABSENT:
                    first.setdefault(t, position)
    last.update(dict.fromkeys(graph.outputs, end))
    return first, last


def aligned_bytes(size: int) -> Array:
    """`size` bytes (uint8), the first at a multiple of the arena's alignment."""
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]
