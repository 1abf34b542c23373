"""Which nodes run together: pure functions of a graph and of who takes each node."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .graph import ABSENT, Graph

CPU = 0


@dataclass(frozen=True, slots=True)
class Partition:
    """Nodes that run as one.

    `owner` is 0 for the CPU, else the position of a delegate counted from 1. `nodes` are in an
    order in which they can run. `inputs` are the tensors that it takes from outside, without
    constants; `outputs` those that it makes and that others, or the caller, read.
    """

    owner: int
    nodes: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def partition(
    graph: Graph,
    owners: Sequence[int],
    ordered: Collection[int] = (),
    single: bool = False,
) -> list[Partition]:
    """Partitions in runnable order; every node is in exactly one, and each is convex.

    `owners[n]` is who takes node n. Nodes in `ordered` keep their program order among themselves,
    as those do that touch the same variable tensor. `single` gives each delegated node a partition
    of its own.

    For one delegate the number of its partitions is the least possible: a node's level counts how
    often a path to it enters the delegate, so that nodes of one level never depend on each other
    through other owners, and every next level does. Delegates come one after the other, each on the
    graph in which the partitions of the former are single nodes. Linear in nodes and edges.
    """
    edges = predecessors(graph, ordered)
    cluster = list(range(len(owners)))
    if not single:
        for owner in sorted(set(owners) - {CPU}):
            cluster = _merge(edges, owners, cluster, owner)
    return _partitions(graph, owners, _runnable(edges, owners, cluster))


def predecessors(graph: Graph, ordered: Collection[int] = ()) -> list[list[int]]:
    """For each node, the nodes that must run before it."""
    producer: dict[int, int] = {}
    touched: dict[int, int] = {}
    last_ordered = -1
    in_order = frozenset(ordered)
    before: list[list[int]] = []
    for index, node in enumerate(graph.nodes):
        found = {producer[t] for t in node.inputs if t in producer}
        for t in {*node.inputs, *node.outputs}:
            if t != ABSENT and graph.tensors[t].is_variable:
                found.add(touched.get(t, index))
                touched[t] = index
        if index in in_order:
            found.add(last_ordered)
            last_ordered = index
        found -= {index, -1}
        before.append(sorted(found))
        producer.update((t, index) for t in node.outputs if t != ABSENT)
    return before


def _merge(
    edges: Sequence[Sequence[int]], owners: Sequence[int], cluster: Sequence[int], owner: int
) -> list[int]:
    """Clusters in which the owner's nodes of one level are one; a cluster is named by its first
    node."""
    before = _contract(edges, cluster)
    level: dict[int, int] = {}
    head: dict[int, int] = {}
    renamed: dict[int, int] = {}
    for c in _topological(before, owners):
        mine = owners[c] == owner
        entering = (level[p] + (mine and owners[p] != owner) for p in before[c])
        level[c] = max(entering, default=-1)
        if mine:
            level[c] = max(level[c], 0)
            renamed[c] = head.setdefault(level[c], c)
    first: dict[int, int] = {}
    for n, c in enumerate(cluster):
        first.setdefault(renamed.get(c, c), n)
    return [first[renamed.get(c, c)] for c in cluster]


def _contract(edges: Sequence[Sequence[int]], cluster: Sequence[int]) -> dict[int, set[int]]:
    """The edges between clusters."""
    before: dict[int, set[int]] = {c: set() for c in cluster}
    for n, sources in enumerate(edges):
        before[cluster[n]].update(cluster[p] for p in sources)
    for c, others in before.items():
        others.discard(c)
    return before


def _topological(before: Mapping[int, set[int]], owners: Sequence[int]) -> list[int]:
    """The clusters in a runnable order that stays with the CPU as long as it can; ties in program
    order."""
    after: dict[int, list[int]] = {c: [] for c in before}
    waiting = {c: len(sources) for c, sources in before.items()}
    for c, sources in before.items():
        for p in sources:
            after[p].append(c)
    ready: tuple[list[int], list[int]] = ([], [])
    for c, count in waiting.items():
        if not count:
            heapq.heappush(ready[owners[c] != CPU], c)
    order = []
    while ready[0] or ready[1]:
        c = heapq.heappop(ready[0] or ready[1])
        order.append(c)
        for successor in after[c]:
            waiting[successor] -= 1
            if not waiting[successor]:
                heapq.heappush(ready[owners[successor] != CPU], successor)
    return order


def _runnable(
    edges: Sequence[Sequence[int]], owners: Sequence[int], cluster: Sequence[int]
) -> list[list[int]]:
    """The nodes of each cluster, clusters in runnable order; neighbouring CPU nodes are one."""
    members: dict[int, list[int]] = {}
    for n, c in enumerate(cluster):
        members.setdefault(c, []).append(n)
    groups: list[list[int]] = []
    for c in _topological(_contract(edges, cluster), owners):
        if groups and owners[c] == CPU == owners[groups[-1][0]]:
            groups[-1].extend(members[c])
        else:
            groups.append(members[c])
    return groups


def _partitions(
    graph: Graph, owners: Sequence[int], groups: Sequence[Sequence[int]]
) -> list[Partition]:
    home: dict[int, int] = {n: g for g, nodes in enumerate(groups) for n in nodes}
    maker = {t: home[n] for n, node in enumerate(graph.nodes) for t in node.outputs}
    read_elsewhere = set(graph.outputs)
    for n, node in enumerate(graph.nodes):
        read_elsewhere.update(t for t in node.inputs if maker.get(t, home[n]) != home[n])
    found = []
    for nodes in groups:
        used = dict.fromkeys(t for n in nodes for t in graph.nodes[n].inputs if t != ABSENT)
        made = dict.fromkeys(t for n in nodes for t in graph.nodes[n].outputs if t != ABSENT)
        inputs = tuple(t for t in used if t not in made and graph.tensors[t].data is None)
        outputs = tuple(t for t in made if t in read_elsewhere)
        found.append(Partition(owners[nodes[0]], tuple(nodes), inputs, outputs))
    return found
