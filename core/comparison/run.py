"""The compared side while it goes through the samples, and the result of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..delegate import DelegateWarning
from ..entry import Entry
from ..ops.registry import Op
from ..warning import warn
from .cumulative import Cumulative
from .interruption import Interruption
from .isolated import Isolated
from .ledger import Ledger
from .litert import PeerError
from .result import FAILED, OK, WRONG, Comparison, GroupResult, RunFacts, TensorResult
from .samples import Sample, Source
from .sides import Reference, Side
from .structure import Unit, facts, is_observable, units

if TYPE_CHECKING:
    from ..plan import ExecutionPlan

Progress = Callable[[int, int | None], None]
"""Is told how many samples are done, and of how many where that is known."""


@dataclass
class Run:
    """The compared side while it goes through the samples."""

    entered: Entry
    delegate: Any
    mode: str
    ledger: Ledger
    reset: bool
    custom_ops: Mapping[str, Op] | None

    def __post_init__(self) -> None:
        self.side = Side(self.entered, [self.delegate], self.custom_ops)
        self.observation = ""
        self.done = 0
        self.interrupted = False
        self.notes: list[str] = []
        self.fell_back = False
        self._kept: dict[int, Sample] = {}

    def all(self, peer: Reference, given: Source, progress: Progress | None) -> None:
        """Runs every sample; ends early at Ctrl-C, or where the reference died after the first."""
        try:
            with Interruption() as interruption:
                for k, sample in enumerate(given.samples):
                    with self._heard():
                        self._one(k, sample, peer)
                    self._keep(k, sample)
                    self.done = k + 1
                    if progress is not None:
                        progress(self.done, given.count)
                    if interruption.asked:
                        raise KeyboardInterrupt
        except KeyboardInterrupt:
            self.interrupted = True
        except PeerError as error:
            if not self.done:
                raise
            self.interrupted = True
            self.notes.append(f"sample {self.done}: {error}")
        if not self.done:
            if self.interrupted:
                raise KeyboardInterrupt
            raise ValueError("the inputs have no samples")

    def _one(self, k: int, sample: Sample, peer: Reference) -> None:
        if not self.observation:
            self._choose(sample)
        trace = peer.trace(sample, self.reset)
        if self.mode == "isolated":
            Isolated(self.side, self.ledger).check(k, trace)
            return
        observer = Cumulative(self.ledger, k, trace)
        outputs = self.side.run(sample, self.reset, observer)
        for graph in observer.unmatched:
            self._note(f"some runs of subgraph {graph} have none of the reference beside them")
        for t, values in zip(self.entered.output_tensors, outputs, strict=True):
            if t not in observer.shown and t in trace[-1].values:
                self.ledger.compare(k, self.entered.index, t, trace[-1].values[t], values)

    def _keep(self, k: int, sample: Sample) -> None:
        """Keeps the samples at which a tensor that is beyond tolerance is worst, the last one that
        made the delegate fail, and the first."""
        used = {0, k} if self.ledger.failures else {0}
        for metrics in self.ledger.metrics.values():
            if not metrics.within:
                used.add(0 if metrics.worst is None else metrics.worst.sample)
        if k in used:
            self._kept[k] = sample
        self._kept = {i: s for i, s in self._kept.items() if i in used}

    def sample_of(self, group: GroupResult) -> Sample:
        """The sample at which a group was worst."""
        made = (self.ledger.metrics.get((group.graph, t)) for t in group.outputs)
        wrong = [m for m in made if m is not None and m.worst is not None and not m.within]
        worst = max(wrong, key=lambda m: m.error, default=None)
        k = max(self._kept) if worst is None or worst.worst is None else worst.worst.sample
        return self._kept.get(k, self._kept[max(self._kept)])

    def _choose(self, sample: Sample) -> None:
        """How the delegate's insides can be seen."""
        self.side.plan(sample)
        found = [u.executable for u in self._units() if u.executable is not None]
        if all(is_observable(x) for x in found):
            self.observation = "tensors"
        elif self.mode == "isolated":
            self.observation = "nodes"
            self.side = Side(self.entered, [self.delegate], self.custom_ops, single_nodes=True)
        else:
            self.observation = "partitions"
        if not found:
            self._note("the delegate runs no node")

    def _plans(self) -> list[ExecutionPlan]:
        """The plans of all graphs, the one that is run first."""
        graphs = range(len(self.entered.model.graphs))
        found = [p for g in graphs if (p := self.side.session.latest_plan(g)) is not None]
        return sorted(found, key=lambda plan: plan.graph_index != self.entered.index)

    def _units(self) -> list[Unit]:
        return [u for plan in self._plans() for u in units(plan, self.side.slots)]

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Notes what delegates fail to do; other warnings are passed on."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DelegateWarning)
            yield
        for warning in caught:
            if isinstance(warning.message, DelegateWarning):
                self.fell_back = True
                self._note(str(warning.message))
            else:
                warn(str(warning.message))

    def result(
        self, peer: Reference, given: Source, name: str, seed: int, seconds: float
    ) -> Comparison:
        from .. import __version__

        side, ledger = self.side, self.ledger
        found = self._units()
        if self.mode == "isolated":
            found = [u for u in found if u.executable is not None]
        tensors = ledger.tensors(found)
        groups = ledger.groups(found, self.mode == "cumulative")
        judged: Sequence[TensorResult | GroupResult] = groups
        if self.mode == "cumulative":
            judged = [t for t in tensors if t.is_output]
        verdicts = {x.verdict for x in judged}
        verdict = WRONG if WRONG in verdicts else OK
        if self.fell_back or FAILED in verdicts:
            verdict = FAILED if verdict == OK else verdict
        run = RunFacts(
            version=__version__,
            model=name,
            signature=self.entered.signature,
            delegate=side.name,
            reference=peer.name,
            mode=self.mode,
            observation=self.observation,
            source=given.text,
            seed=seed,
            samples=self.done,
            interrupted=self.interrupted,
            seconds=seconds,
            notes=(*self.notes, *peer.notes),
        )
        drawn = tuple(facts(plan, side.slots) for plan in self._plans())
        return Comparison(run, drawn, tensors, groups, verdict)
