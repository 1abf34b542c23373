"""Plans of products, measured on the device when they are first needed, and kept on disk."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median

from litegpu.graph import ABSENT, Graph
from litegpu.partition import Partition

from .gpu import GpuDelegate, GpuExecutable, lower_partition
from .kernel_cache import KernelCache
from .lowering.plans import Plans, Question, candidates
from .lowering.tiles import Plan, Tile

CANDIDATES = 6
"""Plans that are measured for a product: those that cost least by the model."""

REPEATS = 5
RUNS = 20
"""Runs that are timed as one: hosts take longer to launch a small kernel than it runs."""

WARM = 2
"""Runs after which a sequence is captured as a graph."""


class Tuner:
    """Measures the products of partitions before these are lowered.

    `identity` is all on which times depend beside the product: device, architecture, versions.
    """

    def __init__(
        self, delegate: GpuDelegate, plans: Plans, cache: KernelCache, identity: Sequence[str]
    ) -> None:
        self._delegate = delegate
        self._plans = plans
        self._cache = cache
        self._lock = threading.Lock()
        self._identity = ["plan", *identity, delegate.options.precision]

    def tune(self, graph: Graph, part: Partition) -> None:
        """Answers what lowering the partition asks for; another tuner may have done so already."""
        with self._lock:
            for n in part.nodes:
                alone = _alone(graph, part.owner, n)
                for question in self._questions(graph, alone):
                    if question not in self._plans.measured:
                        self._answer(question, graph, alone)

    def _questions(self, graph: Graph, alone: Partition) -> Sequence[Question]:
        asked: list[Question] = []
        self._plans.asked = asked
        try:
            lower_partition(graph, alone, self._delegate.device, self._delegate.options)
        finally:
            self._plans.asked = None
        return list(dict.fromkeys(asked))

    def _answer(self, question: Question, graph: Graph, alone: Partition) -> None:
        parts = [*self._identity, repr(question)]
        kept = self._cache.load(parts)
        plan = None if kept is None else _decoded(kept)
        if plan is None:
            plan = self._fastest(question, graph, alone)
            self._cache.store(parts, json.dumps(asdict(plan)).encode())
        self._plans.measured[question] = plan

    def _fastest(self, question: Question, graph: Graph, alone: Partition) -> Plan:
        """The plan with which the node takes least time; all are compiled at once."""
        delegate, plans = self._delegate, candidates(question, CANDIDATES)
        programs = []
        for plan in plans:
            self._plans.measured[question] = plan
            programs.append(lower_partition(graph, alone, delegate.device, delegate.options))
        del self._plans.measured[question]
        delegate.device.build([launch.kernel for p in programs for launch in p.launches])
        seconds = [
            self._seconds(GpuExecutable(delegate, graph, alone, program)) for program in programs
        ]
        return plans[seconds.index(min(seconds))]

    def _seconds(self, executable: GpuExecutable) -> float:
        """How long the device takes for RUNS of the node, one after the other."""
        device = self._delegate.device
        with self._delegate.lock:
            run = device.sequence(executable.steps * RUNS)
            for _ in range(WARM):
                run()
            return median(device.timed([run])[0] for _ in range(REPEATS))


def _alone(graph: Graph, owner: int, n: int) -> Partition:
    """A partition of one node."""
    node = graph.nodes[n]
    inputs = [t for t in node.inputs if t != ABSENT and graph.tensors[t].data is None]
    outputs = [t for t in node.outputs if t != ABSENT]
    return Partition(owner, (n,), tuple(dict.fromkeys(inputs)), tuple(outputs))


def _decoded(kept: bytes) -> Plan | None:
    """The plan that a file holds; None where it is broken."""
    try:
        fields = json.loads(kept)
        return Plan(Tile(**fields.pop("tile")), **fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
