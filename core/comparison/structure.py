"""What runs as one on the compared side, and what cannot be compared at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..delegated import Delegated
from ..graph import ABSENT, Graph, Model, Node
from ..partition import Partition
from .result import GraphFacts, NodeFacts

if TYPE_CHECKING:
    from ..delegate import Slot
    from ..plan import ExecutionPlan

RANDOM = frozenset({"RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL"})
"""Operators whose numbers are chance where both seeds are 0."""

CPU = "cpu"


@dataclass(frozen=True, slots=True)
class Unit:
    """Nodes that are judged as one. `group` is their position in the executable's groups, None
    where that is the whole partition; `executable` is None on the CPU."""

    graph: int
    part: Partition
    owner: str
    partition: int | None
    executable: Any = None
    group: int | None = None


def units(plan: ExecutionPlan, slots: Sequence[Slot]) -> Iterator[Unit]:
    """The units of a plan in the order of running."""
    for position, step in enumerate(plan.steps):
        if isinstance(step, Delegated):
            yield from _delegated(plan, step, slots)
        else:
            yield Unit(plan.graph_index, _single(plan, plan.step_nodes[position]), CPU, None)


def _delegated(plan: ExecutionPlan, step: Delegated, slots: Sequence[Slot]) -> Iterator[Unit]:
    assert plan.delegation is not None
    partitions = plan.delegation.partitions
    place = next(i for i, p in enumerate(partitions) if p.nodes == step.part.nodes)
    owner = slots[step.part.owner - 1].name
    executable: Any = step.executable
    if not is_observable(executable):
        yield Unit(plan.graph_index, step.part, owner, place, executable)
        return
    for k, part in enumerate(executable.groups):
        yield Unit(plan.graph_index, part, owner, place, executable, k)


def is_observable(executable: Any) -> bool:
    return all(hasattr(executable, name) for name in ("groups", "observe", "run_group"))


def _single(plan: ExecutionPlan, n: int) -> Partition:
    return Partition(0, (n,), *border(plan.graph, (n,)))


def border(graph: Graph, nodes: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(inputs, outputs) of nodes: what they take from outside, without constants, and all that
    they make."""
    used = dict.fromkeys(t for n in nodes for t in graph.nodes[n].inputs if t != ABSENT)
    made = dict.fromkeys(t for n in nodes for t in graph.nodes[n].outputs if t != ABSENT)
    inputs = tuple(t for t in used if t not in made and graph.tensors[t].data is None)
    return inputs, tuple(made)


def facts(plan: ExecutionPlan, slots: Sequence[Slot]) -> GraphFacts:
    """The graph of a plan as it is drawn."""
    graph = plan.graph
    owners = {n: u.owner for u in units(plan, slots) for n in u.part.nodes}
    nodes = tuple(
        NodeFacts(n, node.op, owners.get(n, CPU), *border(graph, (n,)))
        for n, node in enumerate(graph.nodes)
    )
    return GraphFacts(plan.graph_index, graph.name, graph.inputs, graph.outputs, nodes)


def by_chance(model: Model, graph: int) -> dict[int, int]:
    """{tensor: node} of the tensors that hang on random numbers without a seed: the node that draws
    them, or runs a graph that does."""
    found: dict[int, int] = {}
    for n, node in enumerate(model.graphs[graph].nodes):
        sources = [found[t] for t in node.inputs if t in found]
        if sources or _draws(model, node):
            found.update((t, sources[0] if sources else n) for t in node.outputs if t != ABSENT)
    return found


def _draws(model: Model, node: Node) -> bool:
    options = node.options
    if node.op in RANDOM:
        return options is None or (options.seed, options.seed2) == (0, 0)
    return any(
        _draws(model, inner)
        for graph in called(options)
        if 0 <= graph < len(model.graphs)
        for inner in model.graphs[graph].nodes
    )


def called(options: Any) -> Iterator[int]:
    """The other graphs that a node's options name."""
    for name in getattr(options, "__dataclass_fields__", ()):
        if "subgraph" in name:
            value = getattr(options, name)
            yield from [int(v) for v in value] if hasattr(value, "__len__") else [int(value or 0)]
