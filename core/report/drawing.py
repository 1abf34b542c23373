"""The graph of a comparison as boxes and lines: all of it, and in brief."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..comparison.result import FAILED, OK, WRONG, Comparison, GraphFacts
from .layout import Layout, Point, layered

BRIEF_FROM = 60
"""Boxes from which on a graph is also drawn in brief."""

SHOWN_GUILTY = 12
"""Groups of the ranking that are drawn by themselves in brief."""

INPUT, OUTPUT, GROUP = "input", "output", "group"


@dataclass(frozen=True, slots=True)
class Item:
    """What a box stands for: tensors that go in or come out, or groups (positions in
    `Comparison.groups`) and nodes."""

    kind: str
    nodes: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    tensors: tuple[int, ...] = ()


def drawings(result: Comparison, graph: GraphFacts) -> dict[str, Any]:
    """{"all": drawing, "brief": drawing or None} of one graph, as the page draws them."""
    items, edges = _whole(result, graph)
    found: dict[str, Any] = {"all": _drawn(items, edges), "brief": None}
    if len(items) >= BRIEF_FROM:
        brief, edges = _brief(result, items, edges)
        if len(brief) < len(items):
            found["brief"] = _drawn(brief, edges)
    return found


Edges = list[tuple[int, int]]


def _whole(result: Comparison, graph: GraphFacts) -> tuple[list[Item], Edges]:
    """A box for each input, group, node without group, and output."""
    items = [Item(INPUT, tensors=(t,)) for t in graph.inputs if t >= 0]
    maker = {item.tensors[0]: k for k, item in enumerate(items)}
    grouped: dict[int, int] = {}
    for g, group in enumerate(result.groups):
        if group.graph == graph.index:
            grouped |= {n: len(items) for n in group.nodes}
            items.append(Item(GROUP, group.nodes, (g,)))
    for node in graph.nodes:
        if node.index not in grouped:
            grouped[node.index] = len(items)
            items.append(Item(GROUP, (node.index,)))
    maker |= {t: grouped[node.index] for node in graph.nodes for t in node.outputs}
    edges = {
        (maker[t], grouped[node.index]): None
        for node in graph.nodes
        for t in node.inputs
        if t in maker and maker[t] != grouped[node.index]
    }
    for t in dict.fromkeys(graph.outputs):
        if t in maker:
            edges[maker[t], len(items)] = None
            items.append(Item(OUTPUT, tensors=(t,)))
    return items, list(edges)


def _brief(result: Comparison, items: Sequence[Item], edges: Edges) -> tuple[list[Item], Edges]:
    """The guilty groups, what is beside them, inputs and outputs; others that follow each other
    and share owner and verdict are one box.

    Boxes are joined along an order in which all edges lead on, so that no cycle can come of it.
    """
    shown = _shown(result, items, edges)
    order = _order(len(items), edges)
    joined: list[Item] = []
    place = [0] * len(items)
    previous: tuple[Any, ...] | None = None
    for v in order:
        item = items[v]
        key = None if v in shown else _kind(result, item)
        if key is None or key != previous:
            joined.append(item)
        else:
            last = joined[-1]
            joined[-1] = Item(GROUP, last.nodes + item.nodes, last.groups + item.groups)
        previous = key
        place[v] = len(joined) - 1
    kept = {(place[a], place[b]): None for a, b in edges if place[a] != place[b]}
    return joined, list(kept)


def _shown(result: Comparison, items: Sequence[Item], edges: Edges) -> set[int]:
    """The boxes that stand by themselves in brief."""
    guilty = [id(g) for g in result.ranking[:SHOWN_GUILTY]]
    if result.first_divergence is not None:
        guilty.append(id(result.first_divergence))
    named = {
        k
        for k, item in enumerate(items)
        if any(id(result.groups[g]) in guilty for g in item.groups)
    }
    ends = {k for k, item in enumerate(items) if item.kind != GROUP}
    beside = {v for edge in edges for v in edge if named & set(edge)}
    return named | ends | beside


def _kind(result: Comparison, item: Item) -> tuple[Any, ...]:
    if not item.groups:
        return ("",)
    group = result.groups[item.groups[0]]
    verdict = WRONG if group.verdict in (WRONG, FAILED) else OK
    return verdict, group.owner, group.partition


def _order(count: int, edges: Edges) -> list[int]:
    """The boxes such that edges lead on, and otherwise as they are numbered."""
    after: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for a, b in edges:
        after[a].append(b)
        waiting[b] += 1
    found: list[int] = []
    ready = [v for v in range(count) if not waiting[v]]
    while ready:
        v = heapq.heappop(ready)
        found.append(v)
        for w in after[v]:
            waiting[w] -= 1
            if not waiting[w]:
                heapq.heappush(ready, w)
    return found + [v for v in range(count) if waiting[v] > 0]


def _drawn(items: Sequence[Item], edges: Edges) -> dict[str, Any]:
    layout: Layout = layered(len(items), edges)
    boxes = [
        {
            "kind": item.kind,
            "x": x,
            "y": y,
            "layer": layer,
            "nodes": list(item.nodes),
            "groups": list(item.groups),
            "tensors": list(item.tensors),
        }
        for item, (x, y), layer in zip(items, layout.centers, layout.layers, strict=True)
    ]
    lines = [
        {"from": a, "to": b, "d": _path(route)}
        for (a, b), route in zip(edges, layout.routes, strict=True)
    ]
    return {"width": layout.width, "height": layout.height, "boxes": boxes, "edges": lines}


def _path(route: Sequence[Point]) -> str:
    """An SVG path: curves between layers, straight lines across them."""
    (x, y), *rest = route
    parts = [f"M{x:g} {y:g}"]
    for next_x, next_y in rest:
        if next_x == x:
            parts.append(f"V{next_y:g}")
        else:
            middle = (y + next_y) / 2
            parts.append(f"C{x:g} {middle:g} {next_x:g} {middle:g} {next_x:g} {next_y:g}")
        x, y = next_x, next_y
    return "".join(parts)
