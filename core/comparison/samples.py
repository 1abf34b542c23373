"""What the compared sides get: samples, each a value for every input of the graph that is run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..conversion import convert
from ..dtypes import NUMPY
from ..entry import Entry
from ..graph import Array, Model, Shape, Tensor
from ..input_files import read_array, read_arrays
from ..loading import load
from ..metadata import normalization
from ..pictures import MODES, Normalization, Pixels, read_picture
from ..random_inputs import random_values

Sample = dict[int, Array]
"""Values by tensor index of the graph's inputs."""

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif"})


@dataclass(frozen=True, slots=True)
class Source:
    """Samples that can be gone through once; `count` is None where it is not known before."""

    text: str
    count: int | None
    samples: Iterator[Sample]


def open_any(model: str | os.PathLike[str] | bytes | Model) -> Model:
    """The verified model of a path or of a file's bytes; a `Model` as it is."""
    if isinstance(model, Model):
        return model
    if isinstance(model, str | os.PathLike):
        return load(model, None)
    if not isinstance(model, bytes | bytearray | memoryview):
        raise TypeError(f"model is {model!r}; a path, the bytes of a file, or a Model expected")
    return load(None, model)


def source(
    entry: Entry,
    inputs: Any,
    samples: int | None,
    seed: int,
    pixels: Pixels | Normalization | None,
) -> Source:
    """The samples that `inputs` names, at most `samples` of them.

    None or "random": random by type and quantisation (one where `samples` is None). A path: a .npy
    file for the only input, an .npz file by names or positions of inputs, both with one sample or a
    stack of them; a picture, or a folder of pictures. An array: as that of a .npy file. A mapping:
    one sample by names or positions. An iterable: such mappings. Inputs that are not given are
    random. Pictures are normalised as `pixels` says, as the model's metadata say where it is None,
    or else as `Pixels.AUTO`.
    """
    if samples is not None and not (isinstance(samples, int) and samples >= 1):
        raise ValueError(f"samples is {samples!r}; at least 1 expected")
    pixels = Pixels(pixels) if isinstance(pixels, str) else pixels
    if inputs is None or (isinstance(inputs, str) and inputs == "random"):
        count = 1 if samples is None else samples
        return _source(entry, "random", count, ({} for _ in range(count)), seed)
    if isinstance(inputs, Mapping):
        return _source(entry, "given", 1, iter([inputs]), seed)
    known: int | None
    if isinstance(inputs, str | os.PathLike):
        text, rows, known = _from_path(entry, Path(inputs), pixels)
    elif isinstance(inputs, np.ndarray):
        text, (rows, known) = "given", _from_array(entry, inputs, "the array")
    elif not isinstance(inputs, Iterable):
        raise TypeError(f"inputs are {inputs!r}; a path, an array, or mappings expected")
    else:
        text, rows = "given", iter(inputs)
        known = len(inputs) if isinstance(inputs, Sized) else None
    if samples is not None:
        known = samples if known is None else min(known, samples)
        rows = (row for row, _ in zip(rows, range(samples), strict=False))
    return _source(entry, text, known, rows, seed)


def _source(
    entry: Entry, text: str, count: int | None, rows: Iterable[Mapping[Any, Any]], seed: int
) -> Source:
    samples = (_completed(entry, row, seed, k) for k, row in enumerate(rows))
    return Source(text, count, samples)


def _completed(entry: Entry, given: Mapping[Any, Any], seed: int, k: int) -> Sample:
    """A value for every input, of its type: those given, and random ones."""
    if not isinstance(given, Mapping):
        raise TypeError(f"sample {k} is of type {type(given).__name__!r}; a mapping expected")
    rng = np.random.default_rng((seed, k))
    tensors = entry.graph.tensors
    found = {t: random_values(rng, tensors[t], tensors[t].shape) for t in entry.graph.inputs}
    for key, value in given.items():
        t = input_index(entry, key)
        shape = np.shape(value)
        array = convert(_known(value, tensors[t]), tensors[t], t, shape)
        found[t] = np.array(array, order="C").reshape(shape)
    return found


def _known(value: Any, tensor: Tensor) -> Any:
    """`value` with its type: files hold bfloat16 and float8 as bytes of no type."""
    dtype = NUMPY[tensor.dtype]
    untyped = isinstance(value, np.ndarray) and value.dtype.type is np.void
    return value.view(dtype) if untyped and value.dtype.itemsize == dtype.itemsize else value


def input_index(entry: Entry, key: str | int) -> int:
    """The tensor of an input by its name or position."""
    named = [t for name, t in entry.inputs if name == key]
    if named:
        return named[0]
    if isinstance(key, int) or (isinstance(key, str) and key.isdecimal()):
        position = int(key)
        if 0 <= position < len(entry.inputs):
            return entry.inputs[position][1]
    known = ", ".join(f"{i}={name!r}" for i, (name, _) in enumerate(entry.inputs)) or "none"
    raise ValueError(f"the model has no input {key!r}; its inputs: {known}")


Rows = Iterator[Mapping[Any, Any]]


def _from_path(
    entry: Entry, path: Path, pixels: Pixels | Normalization | None
) -> tuple[str, Rows, int]:
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES)
        if not files:
            raise ValueError(f"{path} has no pictures: {', '.join(sorted(PICTURES))} expected")
        return f"folder {path.name}", _pictures(entry, files, pixels), len(files)
    if not path.is_file():
        raise FileNotFoundError(f"inputs {path}: there is no such file or folder")
    if path.suffix == ".npz":
        arrays = {input_index(entry, key): array for key, array in read_arrays(path).items()}
        rows, count = _stacked(entry, arrays)
        return f"file {path.name}", rows, count
    if path.suffix == ".npy":
        rows, count = _from_array(entry, read_array(path), str(path))
        return f"file {path.name}", rows, count
    return f"file {path.name}", _pictures(entry, [path], pixels), 1


def _from_array(entry: Entry, array: Array, what: str) -> tuple[Rows, int]:
    if len(entry.inputs) != 1:
        raise ValueError(
            f"{what}: the model has {len(entry.inputs)} inputs; use an .npz file or a mapping"
        )
    return _stacked(entry, {entry.inputs[0][1]: array})


def _stacked(entry: Entry, arrays: Mapping[int, Array]) -> tuple[Rows, int]:
    """The samples in arrays of one or of a stack each; all must have as many, or just one."""
    cuts = {t: _cut(array, entry.graph.tensors[t].shape) for t, array in arrays.items()}
    counts = {count for count, _ in cuts.values()} - {1}
    if len(counts) > 1:
        raise ValueError(f"the arrays hold {sorted(counts)} samples; as many in each expected")
    count = max(counts, default=1)
    positions = {t: i for i, (_, t) in enumerate(entry.inputs)}
    rows = ({positions[t]: take(k) for t, (_, take) in cuts.items()} for k in range(count))
    return rows, count


def _cut(array: Array, shape: Shape) -> tuple[int, Callable[[int], Array]]:
    """How many samples an array holds, and what gives each: it has one dimension more than the
    input, or the input's first is 1."""
    if array.ndim == len(shape) + 1:
        return len(array), lambda k: array[k if len(array) > 1 else 0]
    if shape[:1] == (1,) and array.shape[1:] == shape[1:] and len(array) > 1:
        return len(array), lambda k: array[k : k + 1]
    return 1, lambda _: array


def _pictures(entry: Entry, files: Iterable[Path], pixels: Pixels | Normalization | None) -> Rows:
    tensors = entry.graph.tensors
    fitting = [
        (i, t)
        for i, (_, t) in enumerate(entry.inputs)
        if len(tensors[t].shape) == 4 and tensors[t].shape[3] in MODES
    ]
    if not fitting:
        raise ValueError("no input takes a picture: [1, height, width, 1, 3 or 4] expected")
    position, t = fitting[0]
    if pixels is None:
        place = entry.graph.inputs.index(t)
        pixels = normalization(entry.model, entry.index, place) or Pixels.AUTO
    for path in files:
        yield {position: read_picture(path, tensors[t], tensors[t].shape, pixels)}
