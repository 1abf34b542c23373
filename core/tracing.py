"""When every step of a session ran, and for how long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .delegate import Timing
from .delegated import Delegated
from .ops.registry import Step
from .partition import CPU

if TYPE_CHECKING:
    from .plan import ExecutionPlan

CPU_NAME = "cpu"
INVOKE, NODE, PARTITION = "invoke", "node", "partition"
KERNEL, UPLOAD, DOWNLOAD = "kernel", "upload", "download"
"""Kinds of spans; the last three happen on a delegate."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time. Seconds; `start` is of `time.perf_counter`.

    `nodes` are indices in graph `graph`; `owner` is who ran them. `inner` are the seconds of other
    nodes within: those of graphs that a node calls. `run` counts invokes from 0.
    """

    kind: str
    name: str
    owner: str
    start: float
    seconds: float
    run: int
    graph: int = 0
    nodes: tuple[int, ...] = ()
    bytes: int = 0
    inner: float = 0.0


class Tracer:
    """Collects the spans of a session whose `tracer` it is; `run` is what they are counted as."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.run = 0
        self._inner: list[float] = []

    def traced(self, plan: ExecutionPlan) -> list[Step]:
        """The steps of a plan, each of which leaves spans."""
        return [
            partial(self._delegated, plan, step)
            if isinstance(step, Delegated)
            else partial(self._on_cpu, plan, step, n)
            for step, n in zip(plan.steps, plan.step_nodes, strict=True)
        ]

    def _on_cpu(self, plan: ExecutionPlan, step: Step, node: int) -> None:
        self._inner.append(0.0)
        start = time.perf_counter()
        step()
        seconds = time.perf_counter() - start
        inner = self._inner.pop()
        self._add(NODE, plan, (node,), CPU_NAME, start, seconds, inner)

    def _delegated(self, plan: ExecutionPlan, step: Delegated) -> None:
        start = time.perf_counter()
        timings = step.run_timed()
        seconds = time.perf_counter() - start
        owner = CPU if step.fell_back else step.part.owner
        name = CPU_NAME if owner == CPU else plan.session.slots[owner - 1].name
        self._add(PARTITION, plan, step.part.nodes, name, start, seconds)
        end = 0.0
        for timing in timings:
            begin = end if timing.start is None else timing.start
            end = begin + timing.seconds
            self.spans.append(self._timing(plan, timing, name, start + begin))

    def _add(
        self,
        kind: str,
        plan: ExecutionPlan,
        nodes: tuple[int, ...],
        owner: str,
        start: float,
        seconds: float,
        inner: float = 0.0,
    ) -> None:
        if self._inner:
            self._inner[-1] += seconds
        name = plan.graph.nodes[nodes[0]].op if kind == NODE else f"{len(nodes)} nodes"
        graph = plan.graph_index
        self.spans.append(
            Span(kind, name, owner, start, seconds, self.run, graph, nodes, inner=inner)
        )

    def _timing(self, plan: ExecutionPlan, timing: Timing, owner: str, start: float) -> Span:
        return Span(
            timing.kind,
            timing.name,
            owner,
            start,
            timing.seconds,
            self.run,
            plan.graph_index,
            tuple(timing.nodes),
            timing.bytes,
        )
