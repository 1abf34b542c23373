"""What `--input` gives to a model's inputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .entry import Entry
from .graph import Array, Tensor
from .input_files import read_array
from .pictures import Pixels, read_picture
from .random_inputs import random_values

RANDOM = "random"


def input_values(
    entry: Entry, specs: Sequence[str], seed: int = 0, pixels: Pixels = Pixels.AUTO
) -> list[Array]:
    """The value of every input, in order: those that `[NAME=]VALUE` texts give, others random."""
    given = given_values(entry, specs, pixels)
    rng = np.random.default_rng(seed)
    tensors = [entry.graph.tensors[t] for _, t in entry.inputs]
    return [
        given[i] if i in given else random_values(rng, tensor, tensor.shape)
        for i, tensor in enumerate(tensors)
    ]


def given_values(
    entry: Entry, specs: Sequence[str], pixels: Pixels = Pixels.AUTO
) -> dict[int, Array]:
    """The values of the inputs that `[NAME=]VALUE` texts give, by position; others are random."""
    tensors = [entry.graph.tensors[t] for _, t in entry.inputs]
    return {
        i: _read(source, tensor, pixels)
        for i, (source, tensor) in enumerate(zip(_sources(entry, specs), tensors, strict=True))
        if source != RANDOM
    }


def _sources(entry: Entry, specs: Sequence[str]) -> list[str]:
    """Where the value of every input comes from, in order."""
    sources = [RANDOM] * len(entry.inputs)
    for spec in specs:
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
    return sources


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


def _read(source: str, tensor: Tensor, pixels: Pixels) -> Array:
    path = Path(source)
    if path.suffix == ".npy":
        return read_array(path)
    return read_picture(path, tensor, tensor.shape, pixels)
