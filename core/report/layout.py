"""Where the boxes of a directed graph lie: in layers from top to bottom, few crossings, short
edges.

The steps are those of Sugiyama, Tagawa, Toda 1981: layers by longest paths, bends where an edge
crosses a layer, orders by barycentres, and places as near to their neighbours' as the order
allows (isotonic regression).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BOX_WIDTH, BOX_HEIGHT = 168, 44
COLUMN_GAP, ROW_GAP = 24, 28
BEND_WIDTH = 8
MOST_LAYERS = 60
"""Edges across more layers than this have no bends, and may run below boxes."""

SWEEPS = 6

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layout:
    """`centers` of the boxes at the middle of their upper side, and their `layers`; `routes` of the
    edges as (x, y) from box to box, two for each layer that they cross."""

    width: float
    height: float
    centers: tuple[Point, ...]
    layers: tuple[int, ...]
    routes: tuple[tuple[Point, ...], ...]


def layered(count: int, edges: Sequence[tuple[int, int]]) -> Layout:
    """The layout of boxes 0 to `count` - 1; edges that close a cycle are drawn upwards."""
    layers = _layers(count, edges)
    chains, columns = _bends(layers, edges)
    widths = [BOX_WIDTH] * count + [BEND_WIDTH] * (sum(map(len, columns)) - count)
    above: list[list[int]] = [[] for _ in widths]
    below: list[list[int]] = [[] for _ in widths]
    for chain in chains:
        for a, b in itertools.pairwise(chain):
            below[a].append(b)
            above[b].append(a)
    _untangle(columns, above, below)
    xs = _places(columns, widths, above, below)
    row = BOX_HEIGHT + ROW_GAP
    tops = [0.0] * len(widths)
    for level, column in enumerate(columns):
        for v in column:
            tops[v] = float(level * row)
    routes = tuple(
        _route([(xs[v], tops[v]) for v in chain], up=layers[chain[0]] > layers[chain[-1]])
        for chain in chains
    )
    width = max((xs[v] for v in range(count)), default=0.0) + BOX_WIDTH / 2
    return Layout(
        max([width, *(x for route in routes for x, _ in route)]),
        len(columns) * row - ROW_GAP if columns else 0.0,
        tuple((xs[v], tops[v]) for v in range(count)),
        tuple(layers),
        routes,
    )


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each box: one below the lowest box that leads to it; sources lie just above what
    they lead to."""
    after: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for a, b in edges:
        after[a].append(b)
        waiting[b] += 1
    sources = [v for v in range(count) if not waiting[v]]
    found = [0] * count
    ready, rest, done = list(reversed(sources)), 0, [False] * count
    for _ in range(count):
        while not ready:
            if not done[rest] and waiting[rest] > 0:
                waiting[rest] = 0
                ready.append(rest)
            rest += 1
        v = ready.pop()
        done[v] = True
        for w in after[v]:
            if not done[w]:
                found[w] = max(found[w], found[v] + 1)
                waiting[w] -= 1
                if waiting[w] == 0:
                    ready.append(w)
    for v in sources:
        found[v] = max(min((found[w] for w in after[v]), default=1) - 1, 0)
    return found


def _bends(
    layers: Sequence[int], edges: Sequence[tuple[int, int]]
) -> tuple[list[list[int]], list[list[int]]]:
    """(the boxes and bends along each edge, the boxes and bends of each layer); bends count on from
    the boxes."""
    columns: list[list[int]] = [[] for _ in range(max(layers, default=-1) + 1)]
    for v, layer in enumerate(layers):
        columns[layer].append(v)
    free = len(layers)
    chains = []
    for a, b in edges:
        crossed = range(layers[a] + 1, layers[b])
        if len(crossed) > MOST_LAYERS:
            crossed = range(0)
        bends = list(range(free, free + len(crossed)))
        free += len(crossed)
        for bend, layer in zip(bends, crossed, strict=True):
            columns[layer].append(bend)
        chains.append([a, *bends, b])
    return chains, columns


def _untangle(
    columns: list[list[int]], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]
) -> None:
    """Sorts each layer by the mean position of what its boxes lead from, then of what they lead
    to, in turns."""
    position = np.zeros(len(above))
    for column in columns:
        position[column] = range(len(column))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = above if down else below
        for column in columns if down else reversed(columns):
            means = {
                v: float(position[neighbours[v]].mean()) if neighbours[v] else float(position[v])
                for v in column
            }
            column.sort(key=means.__getitem__)
            position[column] = range(len(column))


def _places(
    columns: Sequence[Sequence[int]],
    widths: Sequence[int],
    above: Sequence[Sequence[int]],
    below: Sequence[Sequence[int]],
) -> list[float]:
    """The x of each box's middle, from half a box on."""
    xs = np.zeros(len(widths))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for column in columns if down else reversed(columns):
            wanted = []
            for v in column:
                near = [*above[v], *below[v]] if sweep else above[v]
                wanted.append(float(xs[near].mean()) if near else float(xs[v]))
            xs[column] = _spread(wanted, [widths[v] for v in column])
    if len(xs):
        xs -= min(xs[v] - widths[v] / 2 for v in range(len(widths)))
    return [round(float(x), 1) for x in xs]


def _spread(wanted: Sequence[float], widths: Sequence[int]) -> list[float]:
    """The places in order that are nearest to the wanted ones in squares, and do not overlap."""
    offsets = [0.0]
    for a, b in itertools.pairwise(widths):
        offsets.append(offsets[-1] + (a + b) / 2 + COLUMN_GAP)
    blocks: list[tuple[float, int]] = []
    for place, offset in zip(wanted, offsets, strict=False):
        mean, size = place - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    means = (mean for mean, size in blocks for _ in range(size))
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _route(tops: Sequence[Point], up: bool) -> tuple[Point, ...]:
    """From the lower side of the first box, straight through each layer, to the upper side of the
    last."""
    (x, y), *bends, (end_x, end_y) = tops
    start = (x, y if up else y + BOX_HEIGHT)
    passed = [p for bx, by in bends for p in ((bx, by), (bx, by + BOX_HEIGHT))]
    return (start, *passed, (end_x, end_y + BOX_HEIGHT if up else end_y))
