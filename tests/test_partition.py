"""Properties of the partitioner on random graphs, and its speed."""

from __future__ import annotations

import itertools
import time

from hypothesis import given, settings
from hypothesis import strategies as st
from litegpu.graph import Graph, Node, Tensor
from litegpu.partition import CPU, Partition, partition, predecessors
from litegpu.schema.enums import TensorType


def graph_of(sources: list[list[int]], variables: dict[int, int] | None = None) -> Graph:
    """Node n reads the outputs of `sources[n]` and makes tensor n; tensor -2 from the end is the
    graph's input."""
    count = len(sources)
    tensors = [Tensor(f"t{n}", (1,), TensorType.FLOAT32) for n in range(count)]
    tensors.append(Tensor("input", (1,), TensorType.FLOAT32))
    tensors.append(Tensor("state", (1,), TensorType.FLOAT32, is_variable=True))
    touching = variables or {}
    nodes = tuple(
        Node(
            "ADD",
            1,
            (*inputs, *((count + 1,) if touching.get(n) else ()), *(() if inputs else (count,))),
            (n,),
        )
        for n, inputs in enumerate(sources)
    )
    used = set(itertools.chain.from_iterable(sources))
    outputs = tuple(n for n in range(count) if n not in used)
    return Graph(tuple(tensors), nodes, (count,), outputs, "random")


@st.composite
def cases(draw: st.DrawFn, owners: int = 3) -> tuple[Graph, list[int], list[int]]:
    count = draw(st.integers(1, 14))
    sources = [
        draw(st.lists(st.integers(0, n - 1), max_size=3, unique=True)) if n else []
        for n in range(count)
    ]
    taken = draw(st.lists(st.integers(0, owners), min_size=count, max_size=count))
    ordered = sorted(draw(st.sets(st.integers(0, count - 1), max_size=4)))
    variables = dict.fromkeys(draw(st.sets(st.integers(0, count - 1), max_size=3)), 1)
    return graph_of(sources, variables), taken, ordered


def reachable(edges: list[list[int]]) -> list[set[int]]:
    """All nodes that must run before each node."""
    found: list[set[int]] = []
    for sources in edges:
        found.append(set(sources).union(*(found[p] for p in sources)))
    return found


def acyclic(groups: list[tuple[int, ...]], edges: list[list[int]]) -> bool:
    home = {n: g for g, nodes in enumerate(groups) for n in nodes}
    before = [{home[p] for n in nodes for p in edges[n]} - {g} for g, nodes in enumerate(groups)]
    done: set[int] = set()
    while len(done) < len(groups):
        ready = {g for g in range(len(groups)) if g not in done and before[g] <= done}
        if not ready:
            return False
        done |= ready
    return True


@settings(max_examples=2500, deadline=None)
@given(cases())
def test_partitions_of_random_graphs(case: tuple[Graph, list[int], list[int]]) -> None:
    graph, owners, ordered = case
    parts = partition(graph, owners, ordered)
    edges = predecessors(graph, ordered)
    assert sorted(n for p in parts for n in p.nodes) == list(range(len(owners)))
    assert all(owners[n] == p.owner for p in parts for n in p.nodes)
    done: set[int] = set()
    for part in parts:
        for n in part.nodes:
            assert set(edges[n]) <= done
            done.add(n)
    check_convex(parts, edges)
    check_borders(graph, parts)
    check_no_avoidable_split(parts, edges)


def check_convex(parts: list[Partition], edges: list[list[int]]) -> None:
    """No path leaves a partition and comes back."""
    before = reachable(edges)
    for part in parts:
        inside = set(part.nodes)
        for n in part.nodes:
            outside = before[n] - inside
            assert not any(before[m] & inside for m in outside)


def check_borders(graph: Graph, parts: list[Partition]) -> None:
    for part in parts:
        inside = set(part.nodes)
        made = {t for n in inside for t in graph.nodes[n].outputs}
        read = {t for n in inside for t in graph.nodes[n].inputs}
        others = {t for n, x in enumerate(graph.nodes) if n not in inside for t in x.inputs}
        assert set(part.inputs) == read - made
        assert set(part.outputs) == made & (others | set(graph.outputs))


def check_no_avoidable_split(parts: list[Partition], edges: list[list[int]]) -> None:
    """Joining any two partitions of one delegate would close a cycle."""
    whole = [p.nodes for p in parts if p.owner != CPU]
    singles = [(n,) for p in parts if p.owner == CPU for n in p.nodes]
    delegated = [p for p in parts if p.owner != CPU]
    for a, b in itertools.combinations(delegated, 2):
        if a.owner == b.owner:
            rest = [nodes for nodes in whole if nodes not in (a.nodes, b.nodes)]
            assert not acyclic([*rest, *singles, a.nodes + b.nodes], edges)


@settings(max_examples=500, deadline=None)
@given(cases(owners=1))
def test_the_number_of_partitions_is_minimal_for_one_delegate(
    case: tuple[Graph, list[int], list[int]],
) -> None:
    """No fewer than the longest alternation between the delegate and others on any path."""
    graph, owners, ordered = case
    edges = predecessors(graph, ordered)
    entries = []
    for n, sources in enumerate(edges):
        best = max((entries[p] + (owners[n] == 1 and owners[p] == CPU) for p in sources), default=0)
        entries.append(max(best, int(owners[n] == 1)))
    count = sum(p.owner == 1 for p in partition(graph, owners, ordered))
    assert count == max((e for n, e in enumerate(entries) if owners[n] == 1), default=0)


def test_independent_branches_join() -> None:
    """CPU -> delegate and a lone delegate node: one partition, though the lone node could run at
    once."""
    graph = graph_of([[], [], [1]])
    assert [p.nodes for p in partition(graph, [1, 0, 1])] == [(1,), (0, 2)]


def test_two_delegates_that_need_each_other_are_split() -> None:
    graph = graph_of([[], [0], [], [2]])
    parts = partition(graph, [1, 2, 2, 1])
    assert [(p.owner, p.nodes) for p in parts] == [(2, (2,)), (1, (0, 3)), (2, (1,))]


def test_single_gives_each_node_a_partition() -> None:
    graph = graph_of([[], [0], [1], [2]])
    parts = partition(graph, [1, 1, 0, 1], single=True)
    assert [p.nodes for p in parts] == [(0,), (1,), (2,), (3,)]


def test_state_keeps_program_order() -> None:
    graph = graph_of([[], [], []], {0: 1, 1: 1, 2: 1})
    parts = partition(graph, [1, 0, 1])
    assert [p.nodes for p in parts] == [(0,), (1,), (2,)]


def seconds(count: int) -> float:
    """Time to partition `count` nodes, each reading three of the ten before it, every third on
    the CPU."""
    sources = [
        sorted({n - 1 - (n * k) % 10 for k in (1, 3, 7)} & set(range(n))) for n in range(count)
    ]
    graph = graph_of(sources)
    owners = [(n * 7) % 3 for n in range(count)]
    start = time.perf_counter()
    partition(graph, owners)
    return time.perf_counter() - start


def test_ten_thousand_nodes() -> None:
    """A bound on growth, not on speed: ten times the nodes take about ten times the time."""
    few = min(seconds(1_000) for _ in range(3))
    many = min(seconds(10_000) for _ in range(3))
    assert many < 30 * few
