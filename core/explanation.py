"""Why every node runs where it runs, as data, text or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .cost import cpu_seconds
from .delegate import Refusal
from .graph import Graph
from .partition import CPU, Partition
from .worth import crossing_bytes

if TYPE_CHECKING:
    from .plan import ExecutionPlan


@dataclass(frozen=True, slots=True)
class NodePlace:
    """One node: who runs it, and why each delegate that does not has left it."""

    index: int
    op: str
    owner: str
    refusals: dict[str, Refusal]


@dataclass(frozen=True, slots=True)
class PartitionPlace:
    """One partition in the order of running; bytes cross its border at every invoke.

    `cpu_seconds` is the estimate of `cost.cpu_seconds`.
    """

    owner: str
    nodes: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    bytes_in: int
    bytes_out: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class GraphPlace:
    """One graph of the model."""

    index: int
    partitions: tuple[PartitionPlace, ...]
    nodes: tuple[NodePlace, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where the nodes of all planned graphs run; `str()` of it is a report."""

    subgraphs: tuple[GraphPlace, ...]

    def to_dict(self) -> dict[str, Any]:
        """{"subgraphs": [{"index", "partitions": [...], "nodes": [...]}]}; owner "cpu" or the
        delegate's name."""
        return {"subgraphs": [_graph_dict(graph) for graph in self.subgraphs]}

    def to_json(self, indent: int | None = 2) -> str:
        return json.dumps(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        return "\n".join(line for graph in self.subgraphs for line in _report(graph))


def explain(plans: Sequence[ExecutionPlan], names: Sequence[str]) -> Explanation:
    """The explanation of plans whose partitions are owned by delegates of these names."""
    return Explanation(tuple(_explain_graph(plan, ["cpu", *names]) for plan in plans))


def _explain_graph(plan: ExecutionPlan, names: Sequence[str]) -> GraphPlace:
    delegation = plan.delegation
    count = len(plan.graph.nodes)
    owners = ["cpu"] * count
    refusals: Sequence[dict[str, Refusal]] = [{} for _ in range(count)]
    partitions: tuple[PartitionPlace, ...] = ()
    if delegation is not None:
        refusals = delegation.refusals
        partitions = tuple(_place(delegation.graph, p, names) for p in delegation.partitions)
        for part in delegation.partitions:
            for n in part.nodes:
                owners[n] = names[part.owner]
    nodes = tuple(
        NodePlace(n, node.op, owners[n], dict(refusals[n]))
        for n, node in enumerate(plan.graph.nodes)
    )
    return GraphPlace(plan.graph_index, partitions, nodes)


def _place(graph: Graph, part: Partition, names: Sequence[str]) -> PartitionPlace:
    bytes_in, bytes_out = (0, 0) if part.owner == CPU else crossing_bytes(graph, part)
    return PartitionPlace(
        names[part.owner],
        part.nodes,
        part.inputs,
        part.outputs,
        bytes_in,
        bytes_out,
        cpu_seconds(graph, part.nodes),
    )


def _graph_dict(graph: GraphPlace) -> dict[str, Any]:
    return {
        "index": graph.index,
        "partitions": [
            {
                "owner": p.owner,
                "nodes": list(p.nodes),
                "inputs": list(p.inputs),
                "outputs": list(p.outputs),
                "bytes_in": p.bytes_in,
                "bytes_out": p.bytes_out,
                "cpu_seconds": p.cpu_seconds,
            }
            for p in graph.partitions
        ],
        "nodes": [
            {
                "index": n.index,
                "op": n.op,
                "owner": n.owner,
                "refusals": {
                    d: {"code": r.code, "reason": r.reason} for d, r in n.refusals.items()
                },
            }
            for n in graph.nodes
        ],
    }


def _report(graph: GraphPlace) -> list[str]:
    lines = [
        f"subgraph {graph.index}: {len(graph.nodes)} nodes, {len(graph.partitions)} partitions"
    ]
    for p in graph.partitions:
        crossing = "" if p.owner == "cpu" else f", {p.bytes_in} bytes in, {p.bytes_out} bytes out"
        lines.append(f"  {p.owner}: {len(p.nodes)} nodes ({spans(p.nodes)}){crossing}")
    for n in graph.nodes:
        if n.owner == "cpu":
            lines += [
                f"  node {n.index} {n.op}: {delegate} [{r.code}] {r.reason}"
                for delegate, r in n.refusals.items()
            ]
    return lines


def spans(nodes: Sequence[int]) -> str:
    """Sorted indices with runs as first-last: `0-4, 7`."""
    spans: list[list[int]] = []
    for n in sorted(nodes):
        if spans and n == spans[-1][1] + 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
