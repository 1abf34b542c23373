"""`litegpu.compare`: a delegate beside a reference, on any number of samples."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..delegate import DelegateWarning
from ..graph import Model
from ..ops.registry import Op
from ..pictures import Normalization, Pixels
from ..plugins import LoadedDelegate, load_delegate
from ..warning import warn
from .cumulative import Cumulative
from .isolated import Isolated
from .ledger import Ledger
from .litert import LiteRT, PeerError
from .result import FAILED, OK, WRONG, Comparison, GroupResult, RunFacts, TensorResult
from .samples import Entry, Sample, Source, entry, open_any, source
from .sides import Reference, Side
from .structure import Unit, facts, is_observable, units
from .tolerances import tolerances as tolerances_of

Progress = Callable[[int, int | None], None]
"""Is told how many samples are done, and of how many where that is known."""

MODES = ("cumulative", "isolated")


def compare(
    model: str | os.PathLike[str] | bytes | Model,
    delegate: Any,
    inputs: Any = None,
    *,
    reference: Any = "cpu",
    mode: str = "cumulative",
    tensors: Any = "all",
    samples: int | None = None,
    seed: int = 0,
    tolerances: Mapping[str, Any] | float | None = None,
    pixels: Pixels | Normalization | None = None,
    signature: str | None = None,
    reset_variables: bool = True,
    custom_ops: Mapping[str, Op] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """How far what a delegate computes is from a reference, tensor by tensor.

    `delegate` is what `experimental_delegates` takes, or a name for `load_delegate`; `reference`
    "cpu", "litert" (in a process of its own), or another delegate. In `mode` "cumulative" both
    sides run the whole model; in "isolated" each group of the delegate's nodes runs on the
    reference's own tensors, so that errors do not add up. What is computed is bit for bit what
    `invoke()` computes.

    `inputs`, `samples`, `seed` and `pixels` say what they get (see `comparison.samples.source`);
    `tensors` is "all", or indices, names or patterns of names; `tolerances` are described at
    `comparison.tolerances.tolerances`. Variables start anew for each sample unless
    `reset_variables` is False. Ctrl-C ends the run, and the result is that of the samples so far.
    Raises ValueError for arguments that make no sense, and RuntimeError where a side cannot run
    the model.
    """
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; {' or '.join(map(repr, MODES))} expected")
    started = time.perf_counter()
    compared = load_delegate(delegate) if isinstance(delegate, str) else delegate
    made = open_any(model)
    entered = entry(made, signature)
    given = source(entered, inputs, samples, seed, pixels)
    limits = tolerances_of(tolerances, mode, precision(compared))
    ledger = Ledger(made, entered.index, entered.outputs, limits, tensors, mode == "cumulative")
    run = Run(entered, compared, mode, ledger, reset_variables, custom_ops)
    peer = _reference(entered, reference, mode, custom_ops)
    try:
        run.all(peer, given, progress)
    finally:
        peer.close()
    return run.result(peer, given, _name(model), seed, time.perf_counter() - started)


def _name(model: Any) -> str:
    return Path(os.fspath(model)).name if isinstance(model, str | os.PathLike) else "model"


def precision(delegate: Any) -> str:
    """The delegate's option of this name."""
    return (
        str(delegate.options.get("precision", "fp32"))
        if isinstance(delegate, LoadedDelegate)
        else "fp32"
    )


def _reference(
    entered: Entry, reference: Any, mode: str, custom_ops: Mapping[str, Op] | None
) -> Reference:
    if reference == "litert":
        return LiteRT(entered)
    if reference == "cpu":
        return Side(entered, (), custom_ops)
    other = load_delegate(reference) if isinstance(reference, str) else reference
    return Side(entered, [other], custom_ops, preserve_all=mode == "isolated")


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

    def all(self, peer: Reference, given: Source, progress: Progress | None) -> None:
        """Runs every sample; ends early at Ctrl-C, or where the reference died after the first."""
        try:
            for k, sample in enumerate(given.samples):
                with self._heard():
                    self._one(k, sample, peer)
                self.done = k + 1
                if progress is not None:
                    progress(self.done, given.count)
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
        for t, values in zip(self.entered.outputs, outputs, strict=True):
            if (self.entered.index, t) not in self.ledger.metrics and t in trace[-1].values:
                self.ledger.compare(k, self.entered.index, t, trace[-1].values[t], values)

    def _choose(self, sample: Sample) -> None:
        """How the delegate's insides can be seen."""
        plan = self.side.plan(sample)
        found = [u.executable for u in units(plan, self.side.slots) if u.executable is not None]
        if all(is_observable(x) for x in found):
            self.observation = "tensors"
        elif self.mode == "isolated":
            self.observation = "nodes"
            self.side = Side(self.entered, [self.delegate], self.custom_ops, single_nodes=True)
        else:
            self.observation = "partitions"
        if not found:
            self._note("the delegate runs no node of this graph")

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
        graphs = range(len(self.entered.model.graphs))
        plans = [p for g in graphs if (p := side.session.latest_plan(g)) is not None]
        plans.sort(key=lambda plan: plan.graph_index != self.entered.index)
        found: list[Unit] = [u for plan in plans for u in units(plan, side.slots)]
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
        drawn = tuple(facts(plan, side.slots) for plan in plans)
        return Comparison(run, drawn, tensors, groups, verdict)
