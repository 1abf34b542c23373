"""Asks delegates for nodes, partitions the graph, and compiles what they took."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .delegate import Delegate, DelegateWarning, Executable, Refusal, Slot, Unsupported
from .dtypes import encode
from .errors import PrepareError
from .graph import ABSENT, Graph, Node
from .ops.registry import Op
from .partition import CPU, Partition, partition
from .preparation import Prepared
from .schema.enums import TensorType
from .warning import warn
from .workspace import Workspace
from .worth import unworthy


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
    single = space.session.single_nodes
    for owner, slot in enumerate(slots, 1):
        free = [n for n in range(count) if owners[n] == CPU]
        for n, refusal in _judge(space, graph, free, ops, prepared, slot).items():
            if refusal is None:
                owners[n] = owner
            else:
                found.refusals[n][slot.name] = refusal
        own = [p for p in partition(graph, owners, ordered, single) if p.owner == owner]
        dropped = unworthy(graph, own, slot, by_cost=not space.session.keep_program_order)
        for part, refusal in dropped.items():
            for n in part.nodes:
                owners[n] = CPU
                found.refusals[n][slot.name] = refusal
    parts = partition(graph, owners, ordered, single)
    if space.session.preserve_all:
        parts = [_with_all_outputs(graph, part) for part in parts]
    for part in parts:
        found.partitions.append(part)
        if part.owner != CPU:
            _compile(found, len(found.partitions) - 1, slots[part.owner - 1])
    return found


def give_back(found: Delegation, position: int, slot: Slot, refusal: Refusal) -> None:
    """Makes the CPU the owner of a partition, for this reason."""
    part = found.partitions[position]
    found.partitions[position] = dataclasses.replace(part, owner=CPU)
    found.executables.pop(position, None)
    for n in part.nodes:
        found.refusals[n][slot.name] = refusal


def resolved(space: Workspace) -> Graph:
    """The graph with the shapes of this plan, and with data for every value known before invoke.

    Inputs have none, even where the file gives them a first value.
    """
    graph = space.graph
    tensors, inputs = list(graph.tensors), frozenset(graph.inputs)
    for t, tensor in enumerate(tensors):
        shape = space.shapes[t]
        values = space.known.get(t)
        changes: dict[str, Any] = {}
        if shape is not None and shape != tensor.shape:
            changes["shape"] = shape
        overridden = space.session.is_overridden(space.graph_index, t)
        if (
            values is not None
            and tensor.dtype != TensorType.VARIANT
            and (tensor.data is None or overridden)
        ):
            changes["data"] = encode(values, tensor.dtype)
        if t in inputs and tensor.data is not None:
            changes["data"] = None
        if changes:
            tensors[t] = dataclasses.replace(tensor, **changes)
    return dataclasses.replace(graph, tensors=tuple(tensors))


def _judge(
    space: Workspace,
    graph: Graph,
    nodes: Sequence[int],
    ops: Sequence[Op | None],
    prepared: Prepared,
    slot: Slot,
) -> dict[int, Refusal | None]:
    """Why each of these nodes is not this delegate's; None for those that are.

    Nodes at which `refusal` raises are named together, in one warning.
    """
    found: dict[int, Refusal | None] = {}
    failures: dict[int, Exception] = {}
    if slot.dead is not None and slot.policy.fallback == "raise":
        raise PrepareError(f"delegate {slot.name!r} cannot run any more: {slot.dead}")
    for n in nodes:
        found[n] = _kept(space, graph, n, ops[n], prepared, slot)
        if found[n] is not None:
            continue
        try:
            found[n] = _answer(slot.delegate, graph, graph.nodes[n])
        except Exception as error:
            failures[n] = error
            slot.note(error)
            found[n] = Refusal("refusal_failed", f"{type(error).__name__}: {error}")
    if failures:
        _fail(slot, tuple(failures), next(iter(failures.values())), "judge")
    return found


def _kept(
    space: Workspace, graph: Graph, index: int, op: Op | None, prepared: Prepared, slot: Slot
) -> Refusal | None:
    """Why a delegate is not even asked about a node."""
    node = graph.nodes[index]
    policy = slot.policy
    if slot.dead is not None:
        return Refusal("device_lost", slot.dead)
    if index in prepared.folded:
        return Refusal(
            "constant", "its inputs are constants: it was computed when tensors were allocated"
        )
    unknown = prepared.dynamic.get(index, _unknown_tensor(space, node))
    if unknown is not None:
        name = graph.tensors[unknown].name
        return Refusal(
            "dynamic_shape", f"the shape or value of tensor {unknown} ({name!r}) depends on data"
        )
    impure = op is not None and not op.pure and not _has_variable(graph, node.inputs)
    if impure or _calls_graphs(node):
        return Refusal(
            "stateful", f"{node.op} needs the interpreter: other graphs, resources or random state"
        )
    if _has_variable(graph, node.outputs):
        return Refusal("stateful", "a variable tensor is its output, not its input")
    main = space.graph_index == 0
    if (
        node.op in policy.exclude_ops
        or (main and index in policy.exclude_nodes)
        or (policy.only_nodes is not None and not (main and index in policy.only_nodes))
    ):
        return Refusal("excluded", "the options of the delegate leave it out")
    return None


def _answer(delegate: Delegate, graph: Graph, node: Node) -> Refusal | None:
    """What the delegate says of a node; TypeError where it says neither text nor None."""
    try:
        reason: object = delegate.refusal(graph, node)
    except Unsupported as unsupported:
        reason = str(unsupported)
    if reason is None:
        return None
    if not isinstance(reason, str):
        raise TypeError(f"refusal returned {reason!r}; a text or None expected")
    return Refusal("unsupported", reason)


def _unknown_tensor(space: Workspace, node: Node) -> int | None:
    tensors = (*node.inputs, *node.outputs)
    return next((t for t in tensors if t != ABSENT and space.shapes[t] is None), None)


def _calls_graphs(node: Node) -> bool:
    """Whether the options name other graphs of the model, which delegates do not see."""
    return any("subgraph" in name for name in getattr(node.options, "__dataclass_fields__", ()))


def _has_variable(graph: Graph, tensors: Sequence[int]) -> bool:
    return any(graph.tensors[t].is_variable for t in tensors if t != ABSENT)


def _with_all_outputs(graph: Graph, part: Partition) -> Partition:
    made = dict.fromkeys(t for n in part.nodes for t in graph.nodes[n].outputs if t != ABSENT)
    return dataclasses.replace(part, outputs=tuple(made))


def _compile(found: Delegation, position: int, slot: Slot) -> None:
    """Enters the executable of a partition, or gives it back."""
    part = found.partitions[position]
    if slot.dead is not None:
        give_back(found, position, slot, Refusal("device_lost", slot.dead))
        return
    try:
        executable = slot.delegate.compile(found.graph, part)
        if not callable(getattr(executable, "run", None)):
            raise TypeError(f"compile returned {type(executable).__name__}, which has no run()")
    except Exception as error:
        slot.note(error)
        reason = f"{type(error).__name__}: {error}"
        give_back(found, position, slot, Refusal("compile_failed", reason))
        _fail(slot, part.nodes, error, "compile")
        return
    found.executables[position] = executable


def _fail(slot: Slot, nodes: tuple[int, ...], error: Exception, when: str) -> None:
    """Warns, or raises under fallback="raise"."""
    if slot.policy.fallback == "raise":
        cause = f"{type(error).__name__}: {error}"
        raise PrepareError(
            f"delegate {slot.name!r} failed to {when} nodes {list(nodes)}: {cause}"
        ) from error
    warn(DelegateWarning(slot.name, nodes, error, when))
