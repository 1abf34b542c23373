"""Which elementwise nodes are computed by the kernel that makes their input."""

from __future__ import annotations

from collections.abc import Sequence

from litegpu.graph import ABSENT, Graph, Node
from litegpu.partition import Partition

from .program import Argument, Ref


class Tail:
    """What a kernel does after it has computed a value.

    `output` is the buffer that it writes, `prelude` defines EPILOGUE(v, i), EPILOGUE_ARGS and
    OUT_T, `args` follow the kernel's own arguments.
    """

    def __init__(self, output: Ref, prelude: str, args: Sequence[Argument]) -> None:
        self.output = output
        self.prelude = prelude
        self.args = list(args)


class Fusion:
    """The nodes of one partition as far as fusion needs to know them.

    A node is fused into the maker of one of its operands if nobody else reads that operand, the
    shapes are the same, and its other operands are there by then.
    """

    def __init__(self, graph: Graph, part: Partition) -> None:
        self._graph = graph
        self._readers: dict[int, list[int]] = {}
        for n in part.nodes:
            for t in graph.nodes[n].inputs:
                if t != ABSENT:
                    self._readers.setdefault(t, []).append(n)
        self._outputs = frozenset(part.outputs)
        self._available = set(part.inputs)
        self.fused: set[int] = set()

    def lowered(self, node: Node) -> None:
        """Says that the outputs of a node have been computed by the launches so far."""
        self._available.update(node.outputs)

    def follower(self, tensor: int) -> int | None:
        """The node that may be computed with the maker of `tensor`, by shapes and readers alone."""
        readers = self._readers.get(tensor, [])
        if len(readers) != 1 or tensor in self._outputs:
            return None
        node = self._graph.nodes[readers[0]]
        tensors = self._graph.tensors
        if len(node.outputs) != 1 or tensors[node.outputs[0]].shape != tensors[tensor].shape:
            return None
        others = (t for t in node.inputs if t not in (ABSENT, tensor))
        if all(t in self._available or tensors[t].data is not None for t in others):
            return readers[0]
        return None
