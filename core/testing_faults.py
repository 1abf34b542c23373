"""Planted faults: a delegate that computes one node wrongly, to try what should find it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .delegate import Delegate, Executable, Seen
from .dtypes import INTEGER_RANGE, NUMPY
from .graph import ABSENT, Array, Graph, Node, Tensor
from .partition import Partition
from .plugins import load_delegate

Corrupt = Callable[[Array, Array, Tensor], Any]
"""What becomes of a node's output: its values, those that it had the run before, and the tensor."""


def _bias(values: Array, _: Array, tensor: Tensor) -> Any:
    if tensor.dtype in INTEGER_RANGE:
        low, high = INTEGER_RANGE[tensor.dtype]
        step = 5 if values.dtype.itemsize < 4 else 1
        return np.where(values > high - step, values - step, values + step).clip(low, high)
    return values + 0.1 * (1 + np.abs(values).max(initial=0))


def _scale(values: Array, _: Array, __: Tensor) -> Any:
    return values * 3 // 2 if values.dtype.kind in "iu" else values * 1.25


def _rounding(values: Array, _: Array, __: Tensor) -> Any:
    if values.dtype.kind in "iu":
        return values // 8 * 8
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.trunc(mantissa * 8) / 8, exponent)


def _nan(values: Array, _: Array, tensor: Tensor) -> Any:
    extreme = INTEGER_RANGE.get(tensor.dtype, (np.nan, np.nan))
    found = values.copy()
    flat = found.reshape(-1)
    flat[:1] = extreme[1] if flat[:1] == extreme[0] else extreme[0]
    return found


def _stale(_: Array, before: Array, __: Tensor) -> Any:
    return before


def _shift(values: Array, _: Array, __: Tensor) -> Any:
    return np.roll(values.reshape(-1), 1).reshape(values.shape)


def _sign(values: Array, _: Array, tensor: Tensor) -> Any:
    low, high = INTEGER_RANGE.get(tensor.dtype, (0, 0))
    return low + high - values


def _cut(values: Array, _: Array, __: Tensor) -> Any:
    found = values.copy()
    found.reshape(-1)[values.size // 2 :] = 0
    return found


def _saturation(values: Array, _: Array, __: Tensor) -> Any:
    middle = values.astype(np.float64).mean() if values.size else 0
    return np.minimum(values, np.array(middle).astype(values.dtype))


def _reversal(values: Array, _: Array, __: Tensor) -> Any:
    return values.reshape(-1)[::-1].reshape(values.shape)


KINDS: dict[str, Corrupt] = {
    "bias": _bias,
    "scale": _scale,
    "rounding": _rounding,
    "nan": _nan,
    "stale": _stale,
    "shift": _shift,
    "sign": _sign,
    "cut": _cut,
    "saturation": _saturation,
    "reversal": _reversal,
}
"""Faults by name: a constant added; a wrong factor; low bits dropped; the first element NaN (of
integers the lowest); the values of the run before (zeros at first); every element that of its left
neighbour; another sign; the second half not computed; what is above the mean cut off; the order of
the elements reversed."""


class FaultyDelegate:
    """Another delegate, but for one node: what makes the tensor called `tensor` has a fault.

    That node is compiled alone, between what comes before and after it; what goes from piece to
    piece goes through the host. `changed` counts the runs in which the fault made a difference.
    """

    def __init__(self, delegate: Delegate, kind: str, tensor: str) -> None:
        if kind not in KINDS:
            raise ValueError(f"fault {kind!r} is unknown; there are {', '.join(KINDS)}")
        self.name = f"faulty {delegate.name}"
        self.delegate = delegate
        self.kind = kind
        self.tensor = tensor
        self.changed = 0

    def refusal(self, graph: Graph, node: Node) -> str | None:
        return self.delegate.refusal(graph, node)

    def compile(self, graph: Graph, part: Partition) -> Executable:
        faulty = [i for i, n in enumerate(part.nodes) if self.is_faulty(graph, n)]
        parts = _pieces(graph, part, faulty[0]) if faulty else [part]
        pieces = [_Piece(self, graph, p, self.is_faulty(graph, p.nodes[0])) for p in parts]
        looked_into = all(hasattr(p.executable, "run_group") for p in pieces if not p.faulty)
        return (_ObservedPieces if looked_into else _Pieces)(graph, part, pieces)

    def is_faulty(self, graph: Graph, n: int) -> bool:
        outputs = (t for t in graph.nodes[n].outputs if t != ABSENT)
        return any(graph.tensors[t].name == self.tensor for t in outputs)

    def corrupt(self, values: Array, before: Array, tensor: Tensor) -> None:
        """Changes the values in place as the kind of fault does."""
        with np.errstate(all="ignore"):
            if values.dtype.kind == "b":
                wrong = before if self.kind == "stale" else ~values
            else:
                wrong = KINDS[self.kind](values, before, tensor).astype(values.dtype)
        self.changed += wrong.tobytes() != values.tobytes()
        np.copyto(values, wrong)


def create(of: str, kind: str, tensor: str, **options: Any) -> FaultyDelegate:
    """The delegate that `load_delegate(of, options)` gives, with a fault: for
    `load_delegate("litegpu.testing_faults:create", {"of": …})`."""
    return FaultyDelegate(load_delegate(of, options), kind, tensor)


def _pieces(graph: Graph, part: Partition, at: int) -> list[Partition]:
    """What comes before the node at this position of a partition, the node, and what comes
    after."""
    nodes = part.nodes
    found: list[Partition] = []
    for piece in (nodes[:at], nodes[at : at + 1], nodes[at + 1 :]):
        if not piece:
            continue
        inside = frozenset(piece)
        used = dict.fromkeys(t for n in piece for t in graph.nodes[n].inputs if t != ABSENT)
        made = dict.fromkeys(t for n in piece for t in graph.nodes[n].outputs if t != ABSENT)
        elsewhere = {t for n in nodes if n not in inside for t in graph.nodes[n].inputs}
        inputs = tuple(t for t in used if t not in made and graph.tensors[t].data is None)
        outputs = tuple(t for t in made if t in part.outputs or t in elsewhere)
        found.append(Partition(part.owner, piece, inputs, outputs))
    return found


class _Piece:
    """A part of a partition, compiled; `faulty` is the node with the fault."""

    def __init__(
        self, delegate: FaultyDelegate, graph: Graph, part: Partition, faulty: bool
    ) -> None:
        self.part = part
        self.faulty = faulty
        # A graph of its own: the delegate may read what it made itself from its device, where
        # there is no fault.
        self.executable: Any = delegate.delegate.compile(dataclasses.replace(graph), part)
        self._delegate = delegate
        self._graph = graph
        self._before: dict[int, Array] = {}

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        self.executable.run(inputs, outputs)
        if not self.faulty:
            return
        for t, values in zip(self.part.outputs, outputs, strict=True):
            tensor = self._graph.tensors[t]
            if tensor.name != self._delegate.tensor:
                continue
            right = values.copy()
            before = self._before.get(t, np.zeros_like(right))
            self._delegate.corrupt(values, before, tensor)
            self._before[t] = right


class _Pieces:
    """A partition run piece by piece, through memory of the host."""

    def __init__(self, graph: Graph, part: Partition, pieces: Sequence[_Piece]) -> None:
        self._graph = graph
        self._part = part
        self._pieces = pieces

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        self._run(inputs, outputs, None)

    def _run(self, inputs: Sequence[Array], outputs: Sequence[Array], seen: Seen | None) -> None:
        values = dict(zip(self._part.inputs, inputs, strict=True))
        values.update(zip(self._part.outputs, outputs, strict=True))
        for piece in self._pieces:
            for t in piece.part.outputs:
                tensor = self._graph.tensors[t]
                values.setdefault(t, np.empty(tensor.shape, NUMPY[tensor.dtype]))
            given = [values[t] for t in piece.part.inputs]
            made = [values[t] for t in piece.part.outputs]
            if seen is None or piece.faulty:
                piece.run(given, made)
            else:
                piece.executable.observe(given, made, seen)
            for t, array in zip(piece.part.outputs, made, strict=True):
                if seen is not None:
                    seen(t, array)


class _ObservedPieces(_Pieces):
    """Pieces into which the delegate lets one look."""

    def __init__(self, graph: Graph, part: Partition, pieces: Sequence[_Piece]) -> None:
        super().__init__(graph, part, pieces)
        self._groups: list[tuple[_Piece, int]] = []
        self.groups: list[Partition] = []
        for piece in pieces:
            parts = [piece.part] if piece.faulty else list(piece.executable.groups)
            self.groups += parts
            self._groups += [(piece, k) for k in range(len(parts))]

    def observe(self, inputs: Sequence[Array], outputs: Sequence[Array], seen: Seen) -> None:
        self._run(inputs, outputs, seen)

    def run_group(self, group: int, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        piece, k = self._groups[group]
        if piece.faulty:
            piece.run(inputs, outputs)
        else:
            piece.executable.run_group(k, inputs, outputs)
