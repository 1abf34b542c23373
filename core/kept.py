"""Tensors that stay with a delegate between its partitions, and come back when somebody needs
them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from .errors import InvokeError
from .graph import ABSENT, Array, Graph, Model
from .partition import CPU, Partition
from .schema.enums import TensorType

STATES = frozenset({TensorType.RESOURCE, TensorType.VARIANT})

Fetch = Callable[[Array], None]


class KeptLost(InvokeError):
    """A delegate could not give back what it kept; the graph must run anew, nothing kept."""


class Kept:
    """The tensors of one graph whose values are with a delegate alone; `fetch` copies each."""

    def __init__(self, array: Callable[[int], Array]) -> None:
        self._array = array
        self._fetch: dict[int, Fetch] = {}

    def __contains__(self, tensor: int) -> bool:
        return tensor in self._fetch

    def keep(self, tensor: int, fetch: Fetch) -> None:
        self._fetch[tensor] = fetch

    def forget(self, tensors: Iterable[int]) -> None:
        """Says that these tensors have been computed here."""
        for t in tensors:
            self._fetch.pop(t, None)

    def recall(self, tensors: Iterable[int]) -> None:
        """Gives these tensors their values; KeptLost where the delegate fails."""
        for t in tensors:
            fetch = self._fetch.pop(t, None)
            if fetch is not None:
                try:
                    fetch(self._array(t))
                except Exception as error:
                    raise KeptLost(f"tensor {t}: {type(error).__name__}: {error}") from error


def can_run_anew(model: Model) -> bool:
    """Whether a graph of the model may start again in the middle of a run: no node of any keeps
    something from one run to the next."""
    tensors = (t for graph in model.graphs for t in graph.tensors)
    stateful = any(t.is_variable or t.dtype in STATES for t in tensors)
    return not stateful and not any(n.custom for graph in model.graphs for n in graph.nodes)


def passed_on(
    graph: Graph, parts: Sequence[Partition], outwards: Collection[int] = ()
) -> frozenset[int]:
    """The outputs of delegates' partitions that only later partitions of the same delegate read;
    outputs of the graph where the user, too, reads what these owners keep."""
    owner = {n: part.owner for part in parts for n in part.nodes}
    readers: dict[int, set[int]] = {}
    for n, node in enumerate(graph.nodes):
        for t in node.inputs:
            if t != ABSENT:
                readers.setdefault(t, set()).add(owner.get(n, CPU))
    found = ((t, part.owner) for part in parts if part.owner != CPU for t in part.outputs)
    return frozenset(
        t
        for t, own in found
        if readers.get(t, {own}) == {own} and (t not in graph.outputs or own in outwards)
    )
