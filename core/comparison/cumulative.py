"""Both sides run the whole model; every tensor of the one is compared as soon as it is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..graph import Array
from .ledger import Ledger
from .trace import Invocation

if TYPE_CHECKING:
    from ..plan import ExecutionPlan


class Cumulative:
    """Compares what a session computes for one sample with the reference's trace (an `Observer`).

    The k-th run of a graph is compared with the reference's k-th. `unmatched` are the graphs that
    ran more often than the reference shows; `shown` the tensors of the graph that runs first.
    """

    def __init__(self, ledger: Ledger, sample: int, trace: Sequence[Invocation]) -> None:
        self._ledger = ledger
        self._sample = sample
        self._traces: dict[int, list[Invocation]] = {}
        for run in trace:
            self._traces.setdefault(run.graph, []).append(run)
        self._begun: Counter[int] = Counter()
        self._open: list[Invocation | None] = []
        self.unmatched: set[int] = set()
        self.shown: set[int] = set()

    def begins(self, plan: ExecutionPlan) -> None:
        runs = self._traces.get(plan.graph_index, [])
        k = self._begun[plan.graph_index]
        self._begun[plan.graph_index] += 1
        self._open.append(runs[k] if k < len(runs) else None)
        if k >= len(runs):
            self.unmatched.add(plan.graph_index)

    def before(self, plan: ExecutionPlan, nodes: Sequence[int]) -> None:
        """Nothing is compared before it is made."""

    def made(self, plan: ExecutionPlan, tensor: int, values: Array) -> None:
        run = self._open[-1]
        if len(self._open) == 1:
            self.shown.add(tensor)
        expected = None if run is None else run.values.get(tensor)
        if expected is not None:
            self._ledger.compare(self._sample, plan.graph_index, tensor, expected, values)

    def ends(self, plan: ExecutionPlan) -> None:
        self._open.pop()
