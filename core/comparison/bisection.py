"""`litegpu.bisect`: the least set of delegated nodes that makes the outputs wrong."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from ..custom_ops import CustomOps, registered
from ..delegate import Delegate, DelegateWarning, Executable
from ..entry import Entry, entry
from ..graph import Graph, Model, Node
from ..ops.registry import Op
from ..partition import Partition
from ..pictures import Normalization, Pixels
from ..plugins import LoadedDelegate, as_delegate
from .metrics import Metrics
from .result import plain
from .running import precision
from .samples import Sample, open_any, source
from .sides import Side
from .structure import units
from .tolerances import Tolerances, require_known
from .tolerances import tolerances as tolerances_of

NodeId = tuple[int, int]
"""(graph, node)."""

Progress = Callable[[int, int], None]
"""Is told how many sets were tried, and how many nodes are still suspected."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A delegated node."""

    graph: int
    node: int
    op: str


@dataclass(frozen=True, slots=True)
class Bisection:
    """`nodes`: with these alone on the delegate an output is beyond tolerance, and with any one of
    them less it is not; empty where the outputs are right with all nodes on it.

    `rest_is_right`: so they are with all other nodes on the delegate. `delegated` is how many nodes
    it takes, `trials` how many sets were tried; `error` is the largest error of outputs (as
    `TensorResult.error`) with `nodes` alone.
    """

    delegate: str
    nodes: tuple[Suspect, ...]
    rest_is_right: bool
    error: float
    delegated: int
    trials: int
    samples: int

    def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = plain(asdict(self))
        return found


def bisect(
    model: str | os.PathLike[str] | bytes | Model,
    delegate: Any,
    inputs: Any = None,
    *,
    samples: int | None = None,
    seed: int = 0,
    tolerances: Mapping[str, Any] | float | None = None,
    pixels: Pixels | Normalization | None = None,
    signature: str | None = None,
    custom_op_registerers: Sequence[Callable[[CustomOps], Any]] = (),
    progress: Progress | None = None,
) -> Bisection:
    """The least set of nodes that, run by the delegate, make an output differ from the CPU's.

    Nodes that the delegate computes as one go together at first, and apart in the end: it is
    compiled anew for each set. All samples are run for each set, and are kept in memory; the other
    arguments are those of `compare`. Least means that no node can be left out, not that there is no
    smaller set.
    """
    compared = as_delegate(delegate)
    entered = entry(open_any(model), signature)
    require_known(tolerances, entered.model)
    given = list(source(entered, inputs, samples, seed, pixels).samples)
    if not given:
        raise ValueError("the inputs have no samples")
    limits = tolerances_of(tolerances, "cumulative", precision(compared))
    custom_ops = registered(custom_op_registerers)
    search = Search(entered, compared, given, limits, custom_ops, progress)
    return search.run()


class Restricted:
    """A delegate that takes only some of the nodes that it could."""

    def __init__(self, delegate: Delegate, allowed: Collection[Node]) -> None:
        self.name = delegate.name
        self._delegate = delegate
        self._allowed = frozenset(allowed)

    def refusal(self, graph: Graph, node: Node) -> str | None:
        if node not in self._allowed:
            return "it was told not to take this node"
        return self._delegate.refusal(graph, node)

    def compile(self, graph: Graph, part: Partition) -> Executable:
        return self._delegate.compile(graph, part)


class Search:
    """Delta debugging over sets of nodes (Zeller, Hildebrandt 2002, doi:10.1109/32.988498)."""

    def __init__(
        self,
        entered: Entry,
        delegate: Any,
        samples: Sequence[Sample],
        tolerances: Tolerances,
        custom_ops: Mapping[str, Op] | None,
        progress: Progress | None,
    ) -> None:
        self._entered = entered
        self._delegate = delegate.delegate if isinstance(delegate, LoadedDelegate) else delegate
        self._samples = samples
        self._tolerances = tolerances
        self._custom_ops = custom_ops
        self._progress = progress
        self._errors: dict[frozenset[NodeId], tuple[bool, float]] = {}
        cpu = Side(entered, (), custom_ops)
        self._expected = [[x.copy() for x in cpu.run(s, True)] for s in samples]
        self._groups = self._delegated(delegate)

    def _delegated(self, delegate: Any) -> list[tuple[NodeId, ...]]:
        """The nodes that the delegate takes, those together that it computes as one."""
        side = Side(self._entered, [delegate], self._custom_ops)
        with _quiet():
            side.run(self._samples[0], True)
        plans = (side.session.latest_plan(g) for g in range(len(self._entered.model.graphs)))
        found = chain.from_iterable(units(p, side.slots) for p in plans if p is not None)
        return [
            tuple((u.graph, n) for n in u.part.nodes) for u in found if u.executable is not None
        ]

    def run(self) -> Bisection:
        everything = [n for group in self._groups for n in group]
        guilty: list[NodeId] = []
        if self._wrong(everything):
            groups = self._least(self._groups)
            guilty = [n for (n,) in self._least([(n,) for group in groups for n in group])]
        rest = [n for n in everything if n not in set(guilty)]
        graphs = self._entered.model.graphs
        return Bisection(
            delegate=self._delegate.name,
            nodes=tuple(Suspect(g, n, graphs[g].nodes[n].op) for g, n in sorted(guilty)),
            rest_is_right=not self._wrong(rest),
            error=self._judge(guilty)[1],
            delegated=len(everything),
            trials=len(self._errors),
            samples=len(self._samples),
        )

    def _least(self, groups: Sequence[tuple[NodeId, ...]]) -> list[tuple[NodeId, ...]]:
        """Groups that are wrong together, and right without any one of them; `groups` are wrong."""
        found, parts = list(groups), 2
        while len(found) > 1:
            size = -(-len(found) // parts)
            slices = [found[i : i + size] for i in range(0, len(found), size)]
            rests = [[g for g in found if g not in piece] for piece in slices]
            smaller = next((s for s in (*slices, *rests) if s and self._wrong(chain(*s))), None)
            if smaller is None and size == 1:
                break
            if smaller is None:
                parts = min(2 * parts, len(found))
                continue
            parts = 2 if smaller in slices else max(parts - 1, 2)
            found = smaller
            if self._progress is not None:
                self._progress(len(self._errors), sum(map(len, found)))
        return found

    def _wrong(self, nodes: Any) -> bool:
        return self._judge(list(nodes))[0]

    def _judge(self, nodes: Collection[NodeId]) -> tuple[bool, float]:
        """Whether an output is beyond tolerance with just these nodes on the delegate, and the
        largest error."""
        key = frozenset(nodes)
        if not key:
            return False, 0.0
        if key not in self._errors:
            self._errors[key] = self._measure(key)
        return self._errors[key]

    def _measure(self, nodes: frozenset[NodeId]) -> tuple[bool, float]:
        graphs = self._entered.model.graphs
        allowed = [graphs[g].nodes[n] for g, n in nodes]
        side = Side(self._entered, [Restricted(self._delegate, allowed)], self._custom_ops)
        tensors = self._entered.graph.tensors
        metrics = [
            Metrics(tensors[t], self._tolerances.of(tensors[t]))
            for t in self._entered.output_tensors
        ]
        with _quiet():
            for k, sample in enumerate(self._samples):
                found = side.run(sample, True)
                for m, want, got in zip(metrics, self._expected[k], found, strict=True):
                    m.update(k, want, got)
        side.close()
        return any(not m.within for m in metrics), max((m.error for m in metrics), default=0.0)


def _quiet() -> warnings.catch_warnings[Any]:
    return warnings.catch_warnings(action="ignore", category=DelegateWarning)
