"""What `litegpu run` shows: outputs, best classes, timings; and the files it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .dtypes import INTEGER_RANGE
from .entry import Entry
from .graph import Array, Tensor

TOP = 5
"""Classes shown of an output that is a vector."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds."""

    load: float
    allocate: float | None
    invokes: Sequence[float]


def real_values(stored: Any, tensor: Tensor) -> Array:
    """What the stored integers of a tensor with one scale stand for; other values as they are."""
    array, quant = np.asarray(stored), tensor.quant
    if quant is None or quant.scale.size != 1 or tensor.dtype not in INTEGER_RANGE:
        return array
    real: Array = (array.astype(np.float32) - np.float32(quant.zero_point[0])) * quant.scale[0]
    return real


def show(
    title: str,
    entry: Entry,
    outputs: Sequence[Any],
    timings: Timings,
    labels: Sequence[str] | None,
) -> None:
    """Prints the outputs, the best classes of those that are vectors, and the timings."""
    console = Console()
    table = Table("output", "shape", "dtype", "min", "max", "mean", title=escape(title))
    rankings = []
    for (name, t), stored in zip(entry.outputs, outputs, strict=True):
        tensor = entry.graph.tensors[t]
        real = real_values(stored, tensor)
        shape = "x".join(map(str, real.shape)) or "scalar"
        table.add_row(escape(name), shape, _dtype_text(tensor), *_statistics(real))
        if real.size > 1 and real.size == real.shape[-1] and real.dtype.kind in "iuf":
            rankings.append(_ranking(name, real.ravel(), labels))
    console.print(table)
    for ranking in rankings:
        console.print(ranking)
    console.print(_timing_table(timings))


def _dtype_text(tensor: Tensor) -> str:
    text = tensor.dtype.name.lower()
    quantised = tensor.quant is not None and tensor.quant.scale.size == 1
    return f"{text}, quantised" if quantised and tensor.dtype in INTEGER_RANGE else text


def _statistics(values: Array) -> tuple[str, str, str]:
    if not values.size or values.dtype.kind in "OSUc":
        return "", "", ""
    wide = values.astype(np.float64)
    return f"{wide.min():.6g}", f"{wide.max():.6g}", f"{wide.mean():.6g}"


def _ranking(name: str, scores: Array, labels: Sequence[str] | None) -> Table:
    table = Table("class", "score", title=f"top {min(TOP, scores.size)} of {escape(name)}")
    best: list[int] = np.argsort(-scores.astype(np.float64), kind="stable")[:TOP].tolist()
    for i in best:
        label = labels[i] if labels is not None and i < len(labels) else str(i)
        table.add_row(escape(label), f"{scores[i]:.6g}")
    return table


def _timing_table(timings: Timings) -> Table:
    rest = list(timings.invokes[1:]) or list(timings.invokes)
    table = Table(
        "load", "allocate", "first invoke", f"median of {len(rest)}", title="milliseconds"
    )
    allocate = "" if timings.allocate is None else f"{1e3 * timings.allocate:.3f}"
    table.add_row(
        f"{1e3 * timings.load:.3f}",
        allocate,
        f"{1e3 * timings.invokes[0]:.3f}",
        f"{1e3 * median(rest):.3f}",
    )
    return table


def write(folder: Path, entry: Entry, outputs: Sequence[Any]) -> None:
    """Writes one .npy file per output, named by its position and its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, ((name, _), value) in enumerate(zip(entry.outputs, outputs, strict=True)):
        plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in name)
        array = np.asarray(value)
        if array.dtype.hasobject:
            array = array.astype(np.bytes_)
        np.save(folder / f"{i}_{plain}.npy", array)
