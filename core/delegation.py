"""Asks delegates for nodes, partitions the graph, and compiles what they took."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .cost import cpu_seconds, tensor_bytes
from .delegate import Delegate, DelegateWarning, Executable, Slot, Unsupported
from .dtypes import OBJECTS, encode
from .errors import PrepareError
from .graph import ABSENT, Graph, Node
from .ops.registry import Op
from .partition import CPU, Partition, partition
from .preparation import Prepared
from .workspace import Workspace


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a node is not on a delegate. `code` is stable: dynamic_shape, constant, stateful,
    excluded, unsupported, refusal_failed, cost, too_small, too_many, compile_failed, device_lost.
    """

    code: str
    reason: str


@dataclass(slots=True)
class Delegation:
    """Who runs what. `graph` is the file's with present shapes and all constants; `executables` are
    by position in `partitions`; `refusals[n]` is by delegate name."""

    graph: Graph
    partitions: list[Partition]
    executables: dict[int, Executable] = field(default_factory=dict[int, Executable])
    refusals: list[dict[str, Refusal]] = field(default_factory=list[dict[str, Refusal]])


def delegate(
    space: Workspace, ops: Sequence[Op | None], prepared: Prepared, slots: Sequence[Slot]
) -> Delegation:
    """Owners by the order of `slots`, partitions, executables; what fails to compile stays on the
    CPU."""
    graph = resolved(space)
    count = len(graph.nodes)
    found = Delegation(graph, [], refusals=[{} for _ in range(count)])
    owners = [CPU] * count
    ordered = [n for n, op in enumerate(ops) if op is not None and not op.pure]
    if space.session.keep_program_order:
        ordered = list(range(count))
    for owner, slot in enumerate(slots, 1):
        for n in range(count):
            if owners[n] == CPU:
                refusal = _refusal(space, graph, n, ops[n], prepared, slot)
                if refusal is None:
                    owners[n] = owner
                else:
                    found.refusals[n][slot.name] = refusal
        _drop_unworthy(graph, owners, owner, slot, ordered, space, found)
    parts = partition(graph, owners, ordered, space.session.single_nodes)
    if space.session.preserve_all:
        parts = [_with_all_outputs(graph, part) for part in parts]
    for part in parts:
        found.partitions.append(_compile(graph, part, slots, found))
    return found


def resolved(space: Workspace) -> Graph:
    """The graph with the shapes of this plan, and with data for every value known before invoke."""
    graph = space.graph
    tensors = list(graph.tensors)
    for t, tensor in enumerate(tensors):
        shape = space.shapes[t]
        values = space.known.get(t)
        changes: dict[str, Any] = {}
        if shape is not None and shape != tensor.shape:
            changes["shape"] = shape
        overridden = space.session.is_overridden(space.graph_index, t)
        if (
            values is not None
            and tensor.dtype not in OBJECTS
            and (tensor.data is None or overridden)
        ):
            changes["data"] = encode(values, tensor.dtype)
        if changes:
            tensors[t] = dataclasses.replace(tensor, **changes)
    return dataclasses.replace(graph, tensors=tuple(tensors))


def _refusal(
    space: Workspace, graph: Graph, index: int, op: Op | None, prepared: Prepared, slot: Slot
) -> Refusal | None:
    """Why a node is not this delegate's; None if it is."""
    node = graph.nodes[index]
    policy = slot.policy
    if slot.dead is not None:
        return Refusal("device_lost", slot.dead)
    if index in prepared.folded:
        return Refusal(
            "constant", "its inputs are constants: it was computed when tensors were allocated"
        )
    unknown = _unknown_tensor(space, node)
    if index in prepared.dynamic or unknown is not None:
        t = prepared.dynamic.get(index, unknown)
        assert t is not None
        name = graph.tensors[t].name
        return Refusal(
            "dynamic_shape", f"the shape or value of tensor {t} ({name!r}) depends on data"
        )
    if op is not None and not op.pure and not _has_variable(graph, node):
        return Refusal(
            "stateful", f"{node.op} needs the interpreter: other graphs, resources or random state"
        )
    main = space.graph_index == 0
    if (
        node.op in policy.exclude_ops
        or (main and index in policy.exclude_nodes)
        or (policy.only_nodes is not None and not (main and index in policy.only_nodes))
    ):
        return Refusal("excluded", "the options of the delegate leave it out")
    try:
        reason = slot.delegate.refusal(graph, node)
    except Unsupported as unsupported:
        reason = str(unsupported)
    except Exception as error:
        _fail(slot, (index,), error, "judge")
        return Refusal("refusal_failed", f"{type(error).__name__}: {error}")
    return None if reason is None else Refusal("unsupported", reason)


def _unknown_tensor(space: Workspace, node: Node) -> int | None:
    tensors = (*node.inputs, *node.outputs)
    return next((t for t in tensors if t != ABSENT and space.shapes[t] is None), None)


def _has_variable(graph: Graph, node: Node) -> bool:
    return any(graph.tensors[t].is_variable for t in node.inputs if t != ABSENT)


def _drop_unworthy(
    graph: Graph,
    owners: list[int],
    owner: int,
    slot: Slot,
    ordered: Sequence[int],
    space: Workspace,
    found: Delegation,
) -> None:
    """Gives partitions back that are too small, too many, or not worth their transfers."""
    parts = [
        p for p in partition(graph, owners, ordered, space.session.single_nodes) if p.owner == owner
    ]
    policy = slot.policy
    limit, most = policy.min_nodes_per_partition, policy.max_delegated_partitions
    dropped: dict[Partition, Refusal] = {}
    for part in parts:
        if limit is not None and len(part.nodes) < limit:
            reason = (
                f"its partition has {len(part.nodes)} nodes; min_nodes_per_partition is {limit}"
            )
            dropped[part] = Refusal("too_small", reason)
    if most is not None:
        kept = sorted((p for p in parts if p not in dropped), key=lambda p: -len(p.nodes))
        reason = f"max_delegated_partitions is {most} and others are larger"
        dropped.update((p, Refusal("too_many", reason)) for p in kept[most:])
    chosen_by_user = limit is not None or most is not None or space.session.keep_program_order
    if not chosen_by_user:
        for part in parts:
            loss = _loss(graph, part, slot.delegate)
            if loss is not None:
                dropped[part] = Refusal("cost", loss)
    for part, refusal in dropped.items():
        for n in part.nodes:
            owners[n] = CPU
            found.refusals[n][slot.name] = refusal


def crossing_bytes(graph: Graph, part: Partition) -> tuple[int, int]:
    """Bytes that a partition takes from outside, and that it gives."""
    return (
        sum(tensor_bytes(graph, t) for t in part.inputs),
        sum(tensor_bytes(graph, t) for t in part.outputs),
    )


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


def _with_all_outputs(graph: Graph, part: Partition) -> Partition:
    made = dict.fromkeys(t for n in part.nodes for t in graph.nodes[n].outputs if t != ABSENT)
    return dataclasses.replace(part, outputs=tuple(made))


def _compile(graph: Graph, part: Partition, slots: Sequence[Slot], found: Delegation) -> Partition:
    """The partition, its executable entered; owned by the CPU if it does not compile."""
    if part.owner == CPU:
        return part
    slot = slots[part.owner - 1]
    try:
        executable = slot.delegate.compile(graph, part)
        if not callable(getattr(executable, "run", None)):
            raise TypeError(f"compile returned {type(executable).__name__}, which has no run()")
    except Exception as error:
        _fail(slot, part.nodes, error, "compile")
        reason = f"{type(error).__name__}: {error}"
        for n in part.nodes:
            found.refusals[n][slot.name] = Refusal("compile_failed", reason)
        return dataclasses.replace(part, owner=CPU)
    found.executables[len(found.partitions)] = executable
    return part


def _fail(slot: Slot, nodes: tuple[int, ...], error: Exception, when: str) -> None:
    """Warns, or raises under fallback="raise"."""
    if slot.policy.fallback == "raise":
        cause = f"{type(error).__name__}: {error}"
        raise PrepareError(
            f"delegate {slot.name!r} failed to {when} nodes {list(nodes)}: {cause}"
        ) from error
    warnings.warn(DelegateWarning(slot.name, nodes, error, when), stacklevel=2)
