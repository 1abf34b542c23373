"""The two sides of a comparison: sessions of one model, and what ran in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..delegate import Policy
from ..entry import Entry
from ..graph import Array, Shape
from ..limits import Limits
from ..ops.registry import Op
from ..plugins import slots
from ..session import Session
from ..threads import BY_DEFAULT, use_threads
from .samples import Sample
from .trace import Invocation, Recorder

if TYPE_CHECKING:
    from ..observer import Observer
    from ..plan import ExecutionPlan


class Reference(Protocol):
    """The side that is taken to be right.

    `notes` say what it does not show.
    """

    name: str
    notes: list[str]

    def trace(self, sample: Sample, reset: bool) -> list[Invocation]:
        """What it computes for a sample, run by run of every graph; `reset` variables before."""
        ...

    def close(self) -> None: ...


class Side:
    """A session that runs samples of one entry: on the CPU alone, or with delegates."""

    def __init__(
        self,
        entry: Entry,
        delegates: Sequence[Any] = (),
        custom_ops: Mapping[str, Op] | None = None,
        preserve_all: bool = False,
        single_nodes: bool = False,
    ) -> None:
        self._entry = entry
        self.slots = slots(delegates)
        for slot in self.slots:
            slot.policy = _policy(slot.policy, single_nodes)
        self.name = self.slots[0].name if self.slots else "cpu"
        self.notes: list[str] = []
        self.session = Session(
            entry.model,
            Limits(),
            custom_ops or {},
            preserve_all,
            self.slots,
            keep_program_order=single_nodes,
            single_nodes=single_nodes,
        )

    def plan(self, sample: Sample) -> ExecutionPlan:
        """The plan of the entry's graph for the shapes of a sample."""
        return self.plan_of(self._entry.index, [sample[t].shape for t in self._entry.graph.inputs])

    def plan_of(self, graph: int, shapes: Sequence[Shape]) -> ExecutionPlan:
        with np.errstate(all="ignore"):
            return self.session.plan(graph, shapes)

    def run(self, sample: Sample, reset: bool, observer: Observer | None = None) -> list[Array]:
        """The outputs for a sample, valid until the next run."""
        plan = self.plan(sample)
        if reset:
            self.session.reset_variables()
        plan.set_inputs([sample[t] for t in self._entry.graph.inputs])
        with self._observed(observer), np.errstate(all="ignore"):
            use_threads(BY_DEFAULT)
            self.session.start_clock()
            plan.run()
            plan.space.kept.recall(self._entry.output_tensors)
        return [plan.space.array(t) for t in self._entry.output_tensors]

    @contextmanager
    def _observed(self, observer: Observer | None) -> Iterator[None]:
        self.session.observer = observer
        try:
            yield
        finally:
            self.session.observer = None

    def trace(self, sample: Sample, reset: bool) -> list[Invocation]:
        recorder = Recorder(self._entry.index)
        self.run(sample, reset, recorder)
        for graph, count in recorder.dropped.items():
            note = f"some runs of subgraph {graph} took too much memory and were not looked into"
            if count and note not in self.notes:
                self.notes.append(note)
        return recorder.invocations

    def close(self) -> None:
        self.session.forget_plans()


def _policy(policy: Policy, single_nodes: bool) -> Policy:
    """The user's, but failures are noted, and single nodes are never too small."""
    if single_nodes:
        policy = replace(policy, min_nodes_per_partition=None, max_delegated_partitions=None)
    return replace(policy, fallback="cpu")
