"""Which partitions of a delegate are too small, too many, or not worth their transfers."""

from __future__ import annotations

from collections.abc import Sequence

from .cost import cpu_seconds, tensor_bytes
from .delegate import Delegate, Refusal, Slot
from .graph import Graph
from .partition import Partition


def unworthy(
    graph: Graph, parts: Sequence[Partition], slot: Slot, by_cost: bool
) -> dict[Partition, Refusal]:
    """The partitions that the CPU keeps, and why.

    The thresholds of the user's policy replace the choice by cost, which is made only where
    `by_cost`.
    """
    limit, most = slot.policy.min_nodes_per_partition, slot.policy.max_delegated_partitions
    found: dict[Partition, Refusal] = {}
    if limit is not None:
        found.update((p, _too_small(p, limit)) for p in parts if len(p.nodes) < limit)
    if most is not None:
        largest_first = sorted((p for p in parts if p not in found), key=lambda p: -len(p.nodes))
        reason = f"max_delegated_partitions is {most} and others are larger"
        found.update((p, Refusal("too_many", reason)) for p in largest_first[most:])
    if by_cost and limit is None and most is None:
        losses = ((p, _loss(graph, p, slot.delegate)) for p in parts)
        found.update((p, Refusal("cost", loss)) for p, loss in losses if loss is not None)
    return found


def crossing_bytes(graph: Graph, part: Partition) -> tuple[int, int]:
    """Bytes that a partition takes from outside, and that it gives."""
    return (
        sum(tensor_bytes(graph, t) for t in part.inputs),
        sum(tensor_bytes(graph, t) for t in part.outputs),
    )


def _too_small(part: Partition, limit: int) -> Refusal:
    count = len(part.nodes)
    reason = f"its partition has {count} nodes; min_nodes_per_partition is {limit}"
    return Refusal("too_small", reason)


def _loss(graph: Graph, part: Partition, delegate: Delegate) -> str | None:
    """Why a partition is not worth its transfers; None where it is, or the delegate names no
    cost."""
    cost = getattr(delegate, "cost", None)
    if cost is None:
        return None
    gain = cpu_seconds(graph, part.nodes) * (1 - 1 / cost.speedup)
    price = cost.seconds_per_partition + sum(crossing_bytes(graph, part)) * cost.seconds_per_byte
    if gain > price:
        return None
    microseconds = f"{gain * 1e6:.0f} µs and cost {price * 1e6:.0f} µs"
    return f"it would gain about {microseconds} in launch and transfers"
