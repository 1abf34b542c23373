"""From a graph and input shapes to a list of bound steps over one arena."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .delegated import Delegated
from .delegation import Delegation, delegate, give_back
from .errors import InvokeError, PrepareError, ValueUnknown, node_error
from .graph import Array, Shape
from .kept import KeptLost, can_run_anew, passed_on
from .observer import observed
from .ops.context import OpContext
from .ops.registry import Step
from .partition import CPU, Partition
from .placement import place, shared_memory
from .preparation import prepare
from .rebinding import Rebinding
from .workspace import Workspace

if TYPE_CHECKING:
    from .session import Session


class ExecutionPlan:
    """One graph, ready to run for one set of input shapes.

    `dynamic[n]` names the tensor that keeps node n from being bound before invoke; `lifetimes` and
    `offsets` are those of the tensors in `arena`; `delegation` says who runs what, None without
    delegates. `step_nodes` are the nodes of `steps`, for a partition its first.
    """

    @np.errstate(all="ignore")
    def __init__(self, session: Session, graph_index: int, input_shapes: Sequence[Shape]) -> None:
        self.session = session
        self.graph_index = graph_index
        self.space = space = Workspace(session, graph_index, input_shapes)
        self.graph = space.graph
        self.shapes, self.arrays, self.known = space.shapes, space.arrays, space.known
        self._ops = session.ops[graph_index]
        prepared = prepare(space, self._ops)
        self.dynamic = prepared.dynamic
        self.delegation: Delegation | None = None
        parts = [Partition(CPU, tuple(range(len(self.graph.nodes))), (), ())]
        if session.slots:
            self.delegation = delegate(space, self._ops, prepared, session.slots)
            parts = self.delegation.partitions
        done = prepared.folded | self._place(parts, prepared.folded)
        self._release_unused(done)
        self.steps: list[Step] = []
        self.step_nodes: list[int] = []
        for position, part in enumerate(parts):
            self._bind_partition(position, part, done)
        if not session.preserve_all and can_run_anew(session.model):
            self._keep(passed_on(self.graph, parts, self._outwards()))

    def _place(self, parts: Sequence[Partition], folded: set[int]) -> set[int]:
        """Gives tensors their memory; returns the view nodes that need not run."""
        order: list[Sequence[int]] = []
        hidden: set[int] = set()
        views: list[int] = []
        for part in parts:
            if part.owner != CPU:
                order.append(part.nodes)
                made = {t for n in part.nodes for t in self.graph.nodes[n].outputs}
                hidden |= made - set(part.outputs)
                continue
            order += [(n,) for n in part.nodes]
            ops = ((n, self._ops[n]) for n in part.nodes)
            views += [n for n, op in ops if op is not None and op.view and n not in folded]
        if self.session.preserve_all:
            views = []
        shared = self._shared = shared_memory(self.space, views)
        placement = place(self.space, order, shared, hidden)
        self.arena, self.lifetimes = placement.arena, placement.lifetimes
        self.offsets = placement.offsets
        for t in self.graph.inputs:
            if t in self.lifetimes:
                self._initialise(t)
        return {n for n in views if self.graph.nodes[n].outputs[0] in shared}

    def _initialise(self, tensor: int) -> None:
        """Gives an input its value before any is set: that in the file, or zeros."""
        array = self.space.array(tensor)
        values = self.session.constant(self.graph_index, tensor)
        if values is not None and values.shape == array.shape:
            np.copyto(array, values)
        else:
            array.fill(0)

    def _release_unused(self, done: set[int]) -> None:
        """Forgets values that were needed only to compute other constants."""
        if self.session.preserve_all:
            return
        running = (node for n, node in enumerate(self.graph.nodes) if n not in done)
        used = {t for node in running for t in node.inputs} | set(self.graph.outputs)
        for t in [t for t in self.known if t not in used]:
            if self.session.constant(self.graph_index, t) is None:
                del self.known[t]
                self.arrays[t] = None

    def _bind_partition(self, position: int, part: Partition, done: set[int]) -> None:
        if part.owner == CPU:
            for n in part.nodes:
                if n not in done:
                    self.steps.append(self._bind(n))
                    self.step_nodes.append(n)
            return
        assert self.delegation is not None
        executable = self.delegation.executables[position]
        slot = self.session.slots[part.owner - 1]
        cpu_steps = partial(self._rebinding_steps, part.nodes)
        gave_up = partial(give_back, self.delegation, position, slot)
        self.steps.append(Delegated(self.space, part, executable, slot, cpu_steps, gave_up))
        self.step_nodes.append(part.nodes[0])

    def _outwards(self) -> set[int]:
        """The owners that keep outputs of the graph until they are asked for."""
        slots = enumerate(self.session.slots, start=1)
        return {owner for owner, s in slots if getattr(s.delegate, "keeps_outputs", False)}

    def _keep(self, tensors: Collection[int]) -> None:
        """Lets delegates keep these tensors to themselves."""
        for step in self.steps:
            if isinstance(step, Delegated):
                step.keep(tensors)

    def _bind(self, index: int) -> Step:
        node, op = self.graph.nodes[index], self._ops[index]
        assert op is not None
        if index not in self.dynamic:
            self.space.reset_scratch()
            try:
                return op.bind(OpContext(self.space, node, index))
            except ValueUnknown as unknown:
                self.dynamic[index] = unknown.tensor
            except Exception as error:
                raise self._error(PrepareError, index, error) from error
        return Rebinding(self.space, node, index, op)

    def _rebinding_steps(self, nodes: Sequence[int]) -> dict[int, Step]:
        """Steps for nodes of a partition whose delegate failed; their tensors get memory as they
        run."""
        found: dict[int, Step] = {}
        for n in nodes:
            op = self._ops[n]
            assert op is not None
            found[n] = Rebinding(self.space, self.graph.nodes[n], n, op)
        return found

    def set_inputs(self, values: Sequence[Array]) -> None:
        for tensor, value in zip(self.graph.inputs, values, strict=True):
            array = self.space.array(tensor)
            if array is not value:
                np.copyto(array, value)

    def take_inputs(self, other: ExecutionPlan) -> None:
        """Copies the inputs of another plan of the same graph whose shapes are the same."""
        other.space.kept.recall(self.graph.inputs)
        for t in self.graph.inputs:
            source, target = other.arrays[t], self.space.array(t)
            if source is not None and source.shape == target.shape:
                np.copyto(target, source)

    def run(self) -> None:
        """Runs every step in order. The caller has set the inputs."""
        try:
            self._run()
        except KeptLost:
            self._keep(())
            self._run()

    def _run(self) -> None:
        if self.session.poison:
            self._poison()
        position = 0
        self.space.running = True
        timed = self.session.deadline is not None
        observer = self.session.observer
        steps = self.steps if observer is None else observed(self, observer)
        if self.session.tracer is not None:
            steps = self.session.tracer.traced(self)
        try:
            if observer is not None:
                self.space.kept.recall(self.graph.inputs)
                observer.begins(self)
            for position, step in enumerate(steps):  # noqa: B007
                if timed:
                    self.session.check_clock()
                step()
            if observer is not None:
                observer.ends(self)
        except KeptLost:
            raise
        except Exception as error:
            step = self.steps[position]
            node = step.node if isinstance(step, Delegated) else self.step_nodes[position]
            raise self._error(InvokeError, node, error) from error
        finally:
            self.space.running = False

    def views_of(self, tensor: int) -> list[int]:
        """The tensors that nothing computes, as they share this one's memory."""
        return [t for t, root in self._shared.items() if root == tensor]

    def outputs(self) -> list[Array]:
        self.space.kept.recall(self.graph.outputs)
        return [self.space.array(t) for t in self.graph.outputs]

    def _poison(self) -> None:
        """Fills all computed memory with bytes that are NaN in every float type."""
        inputs = [self.space.array(t).copy() for t in self.graph.inputs]
        self.arena.fill(0xFF)
        self.set_inputs(inputs)

    def _error(
        self, kind: type[PrepareError | InvokeError], index: int, cause: Exception
    ) -> Exception:
        return node_error(kind, cause, self.graph, self.graph_index, index)
