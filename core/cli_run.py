"""`litegpu run`: one model on given or random inputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cli_delegate import summary
from .cli_inputs import input_values
from .cli_outputs import Timings, show, write
from .entry import Entry, entry
from .graph import Array
from .interpreter import Interpreter
from .pictures import Pixels


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
        entered = entry(interpreter._model, options.signature)
        values = input_values(entered, options.inputs, options.seed, options.pixels)
        labels = None if options.labels is None else _lines(options.labels)
        if options.signature is None:
            outputs, timings = _run_main(interpreter, entered, values, load, options.runs)
        else:
            outputs, timings = _run_signature(interpreter, entered, values, load, options)
        places = interpreter.explain() if interpreter._slots else None
    show(options.model.name, entered, outputs, timings, labels)
    if places is not None:
        print(f"ran on: {summary(places)}")
    if options.output is not None:
        write(options.output, entered, outputs)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text: {error}") from error


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
