"""`litegpu run`: one model on given or random inputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .cli_delegate import summary
from .cli_outputs import Entry, Timings, show, write
from .graph import Array, Tensor
from .interpreter import Interpreter
from .pictures import Pixels, read_picture
from .random_inputs import random_values

RANDOM = "random"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the user asked for."""

    model: Path
    inputs: tuple[str, ...] = ()
    output: Path | None = None
    signature: str | None = None
    num_threads: int | None = None
    runs: int = 10
    seed: int = 0
    pixels: Pixels = Pixels.AUTO
    labels: Path | None = None


def run_model(options: RunOptions, delegates: Sequence[Any] | None) -> None:
    """Runs the model, on these delegates or (None) the default ones, and prints what came out."""
    started = time.perf_counter()
    with Interpreter(options.model, None, delegates, options.num_threads) as interpreter:
        load = time.perf_counter() - started
        entry = _entry(interpreter, options.signature)
        values = _values(entry, options)
        labels = None if options.labels is None else options.labels.read_text().split("\n")
        if options.signature is None:
            outputs, timings = _run_main(interpreter, entry, values, load, options.runs)
        else:
            outputs, timings = _run_signature(interpreter, entry, values, load, options)
        places = interpreter.explain() if interpreter._slots else None
    show(options.model.name, entry, outputs, timings, labels)
    if places is not None:
        print(f"ran on: {summary(places)}")
    if options.output is not None:
        write(options.output, entry, outputs)


def _entry(interpreter: Interpreter, key: str | None) -> Entry:
    model = interpreter._model
    if key is None:
        graph = model.graphs[0]
        return Entry(
            graph,
            [(graph.tensors[t].name, t) for t in graph.inputs],
            [(graph.tensors[t].name, t) for t in graph.outputs],
        )
    for signature in model.signatures:
        if signature.key == key:
            graph = model.graphs[signature.graph]
            return Entry(graph, sorted(signature.inputs.items()), sorted(signature.outputs.items()))
    known = ", ".join(repr(s.key) for s in model.signatures) or "none"
    raise ValueError(f"the model has no signature {key!r}; its signatures: {known}")


# Inputs.


def _values(entry: Entry, options: RunOptions) -> list[Array]:
    """The value of every input, in order."""
    sources = [RANDOM] * len(entry.inputs)
    for spec in options.inputs:
        position, source = _assignment(entry, spec)
        if position is not None:
            sources[position] = source
        elif source == RANDOM:
            sources = [RANDOM] * len(sources)
        elif len(sources) == 1:
            sources[0] = source
        else:
            raise ValueError(
                f"--input {spec}: the model has {len(sources)} inputs, so say which: "
                + ", ".join(f"{i}={name!r}" for i, (name, _) in enumerate(entry.inputs))
            )
    rng = np.random.default_rng(options.seed)
    tensors = [entry.graph.tensors[t] for _, t in entry.inputs]
    return [
        _value(source, tensor, rng, options.pixels)
        for source, tensor in zip(sources, tensors, strict=True)
    ]


def _assignment(entry: Entry, spec: str) -> tuple[int | None, str]:
    """(position of the input that a `[NAME=]VALUE` names, VALUE); names may hold `=` themselves."""
    if spec == RANDOM or Path(spec).exists():
        return None, spec
    named = [i for i, (name, _) in enumerate(entry.inputs) if name and spec.startswith(f"{name}=")]
    if named:
        position = max(named, key=lambda i: len(entry.inputs[i][0]))
        return position, spec[len(entry.inputs[position][0]) + 1 :]
    name, equals, source = spec.partition("=")
    if equals and name.isdecimal() and int(name) < len(entry.inputs):
        return int(name), source
    if equals:
        known = ", ".join(repr(name) for name, _ in entry.inputs) or "none"
        raise ValueError(f"--input {spec}: the model has no input {name!r}; its inputs: {known}")
    raise FileNotFoundError(f"--input {spec}: there is no such file")


def _value(source: str, tensor: Tensor, rng: np.random.Generator, pixels: Pixels) -> Array:
    if source == RANDOM:
        return random_values(rng, tensor, tensor.shape)
    path = Path(source)
    if path.suffix == ".npy":
        loaded: Array = np.load(path, allow_pickle=False)
        return loaded
    return read_picture(path, tensor, tensor.shape, pixels)


# Running.


def _run_main(
    interpreter: Interpreter, entry: Entry, values: Sequence[Array], load: float, runs: int
) -> tuple[list[Any], Timings]:
    for (_, t), value in zip(entry.inputs, values, strict=True):
        if value.shape != entry.graph.tensors[t].shape:
            interpreter.resize_tensor_input(t, value.shape)
    started = time.perf_counter()
    interpreter.allocate_tensors()
    allocate = time.perf_counter() - started

    def once() -> list[Any]:
        return [interpreter.get_tensor(t) for _, t in entry.outputs]

    for (_, t), value in zip(entry.inputs, values, strict=True):
        interpreter.set_tensor(t, value)
    outputs, invokes = _timed(interpreter.invoke, once, runs)
    return outputs, Timings(load, allocate, invokes)


def _run_signature(
    interpreter: Interpreter,
    entry: Entry,
    values: Sequence[Array],
    load: float,
    options: RunOptions,
) -> tuple[list[Any], Timings]:
    runner = interpreter.get_signature_runner(options.signature)
    arguments = {name: value for (name, _), value in zip(entry.inputs, values, strict=True)}
    found: Mapping[str, Any] = {}

    def call() -> None:
        nonlocal found
        found = runner(**arguments)

    def results() -> list[Any]:
        return [found[name] for name, _ in entry.outputs]

    outputs, invokes = _timed(call, results, options.runs)
    return outputs, Timings(load, None, invokes)


def _timed(
    step: Callable[[], None], results: Callable[[], list[Any]], runs: int
) -> tuple[list[Any], list[float]]:
    """The results after the first run (later ones may depend on state), and the seconds of each."""
    outputs: list[Any] = []
    seconds = []
    for i in range(runs):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
        if i == 0:
            outputs = results()
    return outputs, seconds
