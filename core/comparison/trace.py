"""What the reference computed for one sample: the tensors of every run of every graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..graph import ABSENT, Array, Shape

if TYPE_CHECKING:
    from ..plan import ExecutionPlan

MOST_BYTES = 256 << 20
"""What tensors of bodies of control flow may take; runs beyond are not looked into."""


@dataclass(slots=True)
class Invocation:
    """One run of a graph: its inputs and all that it computed.

    `before[n, t]` is what variable t held when node n began.
    """

    graph: int
    shapes: tuple[Shape, ...]
    values: dict[int, Array] = field(default_factory=dict[int, Array])
    before: dict[tuple[int, int], Array] = field(default_factory=dict[tuple[int, int], Array])


class Recorder:
    """Keeps copies of what a session computes for one sample (an `Observer`).

    `dropped` counts the runs of each graph that were not kept, as their tensors took too much.
    """

    def __init__(self, main: int) -> None:
        self.invocations: list[Invocation] = []
        self.dropped: Counter[int] = Counter()
        self._main = main
        self._bytes = 0
        self._open: list[Invocation] = []

    def begins(self, plan: ExecutionPlan) -> None:
        shapes = tuple(plan.space.shape(t) for t in plan.graph.inputs)
        run = Invocation(plan.graph_index, shapes)
        self._open.append(run)
        for t in plan.graph.inputs:
            self._keep(run, t, plan.space.array(t))

    def before(self, plan: ExecutionPlan, nodes: Sequence[int]) -> None:
        run = self._open[-1]
        for n in nodes:
            for t in plan.graph.nodes[n].inputs:
                if t != ABSENT and plan.graph.tensors[t].is_variable:
                    run.before[n, t] = plan.space.array(t).copy()

    def made(self, plan: ExecutionPlan, tensor: int, values: Array) -> None:
        self._keep(self._open[-1], tensor, values)

    def _keep(self, run: Invocation, tensor: int, values: Array) -> None:
        if run.graph == self._main or self._bytes < MOST_BYTES:
            run.values[tensor] = values.copy()
        if run.graph != self._main:
            self._bytes += values.nbytes

    def ends(self, plan: ExecutionPlan) -> None:
        run = self._open.pop()
        if run.graph == self._main or self._bytes < MOST_BYTES:
            self.invocations.append(run)
        else:
            self.dropped[run.graph] += 1
