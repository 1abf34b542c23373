"""`litegpu.profile`: what takes how long in a model, by node, on the CPU and on delegates."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .benchmark_result import Steady
from .benchmarking import environment
from .graph import Model
from .interpreter import Interpreter
from .plugins import as_delegate
from .profile_result import PartitionTime, Profile, WorkTime, by_partition
from .random_inputs import random_values
from .tracing import DOWNLOAD, INVOKE, KERNEL, NODE, UPLOAD, Span, Tracer

Key = tuple[int, tuple[int, ...], str]
"""A graph, nodes of it that are computed together, and who does."""


def profile(
    model: str | os.PathLike[str],
    delegates: Sequence[Any] | None = None,
    *,
    num_runs: int = 20,
    warmup_runs: int = 1,
    num_threads: int | None = None,
    inputs: Mapping[int, Any] | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> Profile:
    """How long every node, partition and transfer takes, per invoke.

    `delegates` are what `Interpreter` takes as `experimental_delegates`, or names. `inputs` are
    arrays by position; inputs without one are random. After `warmup_runs` the model runs `num_runs`
    times as it is, and as often with every step timed: CPU nodes by the host's clock, kernels by
    the device's, where the delegate tells (`run_timed`).
    """
    path = Path(model)
    names = [delegates] if isinstance(delegates, str) else delegates
    chosen = None if names is None else [as_delegate(d) for d in names]
    with Interpreter(path, None, chosen, num_threads) as interpreter:
        _set_inputs(interpreter, inputs or {}, seed)
        return profile_interpreter(
            interpreter,
            path.name,
            num_runs=num_runs,
            warmup_runs=warmup_runs,
            progress=progress,
        )


def profile_interpreter(
    interpreter: Interpreter,
    name: str,
    *,
    num_runs: int = 20,
    warmup_runs: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> Profile:
    """`profile` of an interpreter whose inputs are set; `name` is what reports call its model."""
    if num_runs < 1:
        raise ValueError(f"num_runs is {num_runs}; a number > 0 expected")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        progress("warming up")
        for _ in range(max(warmup_runs, 1)):
            interpreter.invoke()
        progress(f"{num_runs} plain runs")
        plain = [_invoke(interpreter, run).seconds for run in range(num_runs)]
        progress(f"{num_runs} profiled runs")
        spans = _trace(interpreter, num_runs)
    return Profile(
        name,
        {s.name: str(getattr(s.delegate, "description", "")) for s in interpreter._slots},
        environment(),
        Steady.of(plain),
        Steady.of([s.seconds for s in spans if s.kind == INVOKE]),
        _work(interpreter._model, spans, num_runs),
        _partitions(spans, num_runs),
        tuple(sorted(spans, key=lambda span: span.start)),
        tuple(str(w.message) for w in caught),
    )


def _set_inputs(interpreter: Interpreter, inputs: Mapping[int, Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = interpreter._model.graphs[0]
    values = {}
    for position in inputs.keys() - range(len(graph.inputs)):
        raise ValueError(f"the model has no input {position!r}; it has {len(graph.inputs)}")
    for position, t in enumerate(graph.inputs):
        tensor = graph.tensors[t]
        given = position in inputs
        values[t] = inputs[position] if given else random_values(rng, tensor, tensor.shape)
        if given:
            interpreter.resize_tensor_input(t, np.shape(values[t]))
    interpreter.allocate_tensors()
    for t, value in values.items():
        interpreter.set_tensor(t, value)


def _invoke(interpreter: Interpreter, run: int) -> Span:
    start = time.perf_counter()
    interpreter.invoke()
    return Span(INVOKE, "invoke", "", start, time.perf_counter() - start, run)


def _trace(interpreter: Interpreter, runs: int) -> list[Span]:
    """The spans of so many invokes; one more, before them, is not counted."""
    tracer = interpreter._session.tracer = Tracer()
    try:
        interpreter.invoke()
        tracer.spans.clear()
        for tracer.run in range(runs):
            tracer.spans.append(_invoke(interpreter, tracer.run))
    finally:
        interpreter._session.tracer = None
    return tracer.spans


@dataclass(slots=True)
class _Sum:
    calls: int = 0
    seconds: float = 0.0
    total: float = 0.0
    kernels: dict[str, None] = field(default_factory=dict[str, None])


def _work(model: Model, spans: Sequence[Span], runs: int) -> tuple[WorkTime, ...]:
    """The pieces of work, the most expensive first."""
    sums: dict[Key, _Sum] = {}
    for span in spans:
        if span.kind == NODE:
            _count(sums, span, span.seconds - span.inner)
    for partition, told in by_partition(spans):
        kernels = [span for span in told if span.kind == KERNEL]
        last: Key | None = None
        for span in kernels:
            key = (span.graph, span.nodes, span.owner)
            _count(sums, span, span.seconds, called=key != last)
            sums[key].kernels[span.name] = None
            last = key
        if not kernels:
            _count(sums, partition, partition.seconds)
    found = [_work_time(model, key, total, runs) for key, total in sums.items()]
    return tuple(sorted(found, key=lambda work: -work.seconds))


def _count(sums: dict[Key, _Sum], span: Span, seconds: float, called: bool = True) -> None:
    total = sums.setdefault((span.graph, span.nodes, span.owner), _Sum())
    total.calls += called
    total.seconds += seconds
    total.total += span.seconds


def _work_time(model: Model, key: Key, total: _Sum, runs: int) -> WorkTime:
    graph_index, nodes, owner = key
    graph = model.graphs[graph_index]
    outputs = graph.nodes[nodes[-1]].outputs if nodes else ()
    return WorkTime(
        graph_index,
        nodes,
        tuple(graph.nodes[n].op for n in nodes),
        graph.tensors[outputs[0]].name if outputs else "",
        owner,
        total.calls / runs,
        total.seconds / runs,
        total.total / runs,
        tuple(total.kernels),
    )


def _partitions(spans: Sequence[Span], runs: int) -> tuple[PartitionTime, ...]:
    """The partitions on delegates, in the order of their first run."""
    found: dict[Key, list[tuple[Span, list[Span]]]] = {}
    for partition, told in by_partition(spans):
        key = (partition.graph, partition.nodes, partition.owner)
        found.setdefault(key, []).append((partition, told))
    return tuple(_partition_time(key, all_, runs) for key, all_ in found.items())


def _partition_time(
    key: Key, all_: Sequence[tuple[Span, Sequence[Span]]], runs: int
) -> PartitionTime:
    told = [span for _, spans in all_ for span in spans]

    def seconds(kind: str) -> float:
        return sum(span.seconds for span in told if span.kind == kind) / runs

    def size(kind: str) -> float:
        return sum(span.bytes for span in told if span.kind == kind) / runs

    graph, nodes, owner = key
    return PartitionTime(
        graph,
        owner,
        nodes,
        len(all_) / runs,
        sum(partition.seconds for partition, _ in all_) / runs,
        seconds(KERNEL),
        size(UPLOAD),
        seconds(UPLOAD),
        size(DOWNLOAD),
        seconds(DOWNLOAD),
    )
