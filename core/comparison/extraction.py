"""`litegpu.extract`: some nodes of a model as a model of their own, with inputs from a real run."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..custom_ops import CustomOps, registered
from ..cut import cut
from ..delegation import resolved
from ..dtypes import decode
from ..entry import Entry, entry
from ..graph import Array, Graph, Model, Tensor
from ..ops.registry import Op
from ..pictures import Normalization, Pixels
from ..schema.writer import write_model
from .samples import Sample, open_any, source
from .sides import Side
from .structure import border, called
from .trace import Invocation


@dataclass(frozen=True, slots=True)
class Extract:
    """A model of some nodes. `inputs` and `outputs` are what the CPU gave them and made of it, by
    the names of the tensors, or by position where names are not distinct."""

    model: Model
    nodes: tuple[int, ...]
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]

    def write(self, model: Path | str, inputs: Path | str | None = None) -> None:
        """Writes the .tflite file, and the inputs as an .npz file."""
        Path(model).write_bytes(write_model(self.model))
        if inputs is not None:
            np.savez(inputs, **dict(self.inputs))  # type: ignore[arg-type]


def extract(
    model: str | os.PathLike[str] | bytes | Model,
    nodes: str | Iterable[int],
    inputs: Any = None,
    *,
    seed: int = 0,
    pixels: Pixels | Normalization | None = None,
    signature: str | None = None,
    custom_op_registerers: Sequence[Callable[[CustomOps], Any]] = (),
) -> Extract:
    """A model of these nodes of the main graph (or of a signature's), which may be given as text:
    "12..15", "3, 7".

    Its inputs are what the nodes take from others, variables included, with the values that they
    have when the model runs on the CPU on the first sample of `inputs` (see
    `comparison.samples.source`); its outputs what others read of them, or all where nobody does.
    """
    made = open_any(model)
    entered = entry(made, signature)
    chosen = node_indices(nodes, len(entered.graph.nodes))
    sample = next(source(entered, inputs, 1, seed, pixels).samples, None)
    if sample is None:
        raise ValueError("the inputs have no samples")
    return extract_at(entered, chosen, sample, registered(custom_op_registerers))


def extract_at(
    entered: Entry,
    nodes: Sequence[int],
    sample: Sample,
    custom_ops: Mapping[str, Op] | None = None,
    graph: int | None = None,
) -> Extract:
    """The same for one sample; nodes of another graph (`graph`) as in its first run."""
    side = Side(entered, (), custom_ops, preserve_all=True)
    index = entered.index if graph is None else graph
    trace = [run for run in side.trace(sample, True) if run.graph == index]
    if not trace:
        raise ValueError(f"subgraph {index} does not run on this sample")
    plan = side.plan_of(index, trace[0].shapes)
    shaped = resolved(plan.space)
    taken, made = border(shaped, nodes)
    read = _read_elsewhere(shaped, nodes)
    given = [t for t in made if t in read] or list(made)
    small = cut(_unknown(shaped, made), nodes, taken, given)
    if any(True for n in nodes for _ in called(shaped.nodes[n].options)):
        small = Model((small.graphs[0], *entered.model.graphs[1:]))
    found = trace[0]
    before = [_value(shaped, found, nodes, t) for t in taken]
    after = [_value(shaped, found, nodes, t) for t in given]
    return Extract(
        small,
        tuple(nodes),
        _named([shaped.tensors[t] for t in taken], before),
        _named([shaped.tensors[t] for t in given], after),
    )


def _read_elsewhere(graph: Graph, nodes: Sequence[int]) -> set[int]:
    inside = frozenset(nodes)
    others = (node for n, node in enumerate(graph.nodes) if n not in inside)
    return {t for node in others for t in node.inputs} | set(graph.outputs)


def _unknown(graph: Graph, tensors: Iterable[int]) -> Graph:
    """The graph without the data of tensors that were computed before it ran."""
    changed = list(graph.tensors)
    for t in tensors:
        changed[t] = replace(changed[t], data=None)
    return replace(graph, tensors=tuple(changed))


def _value(graph: Graph, run: Invocation, nodes: Sequence[int], tensor: int) -> Array:
    if graph.tensors[tensor].is_variable:
        return next(run.before[n, tensor] for n in nodes if (n, tensor) in run.before)
    data = graph.tensors[tensor].data
    if tensor not in run.values and data is not None:
        return decode(data, graph.tensors[tensor].dtype, graph.tensors[tensor].shape)
    if tensor not in run.values:
        name = graph.tensors[tensor].name
        raise ValueError(f"tensor {tensor} ({name!r}), which the nodes read, has no value")
    return run.values[tensor]


def _named(tensors: Sequence[Tensor], arrays: Sequence[Array]) -> dict[str, Array]:
    names = [tensor.name for tensor in tensors]
    clear = len(set(names)) == len(names) and not any(n.isdecimal() or n in UNFIT for n in names)
    keys = names if clear else [str(i) for i in range(len(names))]
    return dict(zip(keys, map(_storable, arrays), strict=True))


UNFIT = frozenset({"", "file", "allow_pickle"})
"""Names that mean something else to `numpy.savez`."""


def _storable(array: Array) -> Array:
    return array.astype(np.bytes_) if array.dtype.hasobject else array


SPAN = re.compile(r"\s*(\d+)\s*(?:(?:\.\.|-)\s*(\d+)\s*)?")


def node_indices(nodes: str | Iterable[int], count: int) -> list[int]:
    """Sorted node indices from numbers, or from text such as "12..15, 20"; ValueError where one is
    not below `count`."""
    if isinstance(nodes, str):
        found: set[int] = set()
        for part in nodes.split(","):
            span = SPAN.fullmatch(part)
            if span is None:
                raise ValueError(f"nodes {nodes!r}: numbers, and spans such as 12..15, expected")
            first = int(span[1])
            found.update(range(first, int(span[2] or first) + 1))
    elif isinstance(nodes, Iterable) and all(hasattr(n, "__index__") for n in nodes):
        found = {int(n) for n in nodes}
    else:
        found = set()
    if not found or min(found) < 0 or max(found) >= count:
        raise ValueError(f"nodes {nodes!r}: indices from 0 to {count - 1} expected")
    return sorted(found)
