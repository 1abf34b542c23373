"""Which elementwise nodes are computed by the kernel that makes their input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from litegpu.dtypes import decode
from litegpu.graph import ABSENT, Graph, Node
from litegpu.partition import Partition
from litegpu.schema.enums import TensorType

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


@dataclass(frozen=True, slots=True)
class Border:
    """A tensor without the border that a PAD adds: which it is, and the rows and columns before
    it."""

    source: int
    top: int
    left: int


CONVOLUTIONS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})
"""Operators whose kernels read zeros (of the input's quantisation) outside of their image."""


class Fusion:
    """The nodes of one partition as far as fusion needs to know them.

    A node is fused into the maker of one of its operands if nobody else reads that operand, the
    shapes are the same, and its other operands are there by then or are fused, too.
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
        self.borders: dict[int, Border] = {}

    def lowered(self, node: Node) -> None:
        """Says that the outputs of a node have been computed by the launches so far."""
        self._available.update(node.outputs)

    def followers(self, tensor: int) -> tuple[int, ...]:
        """The nodes that may be computed with the maker of `tensor`, by shapes and readers alone:
        its only reader, or two of which the second joins what the first makes with `tensor`, as in
        x * sigmoid(x). None where there are none."""
        readers = dict.fromkeys(self._readers.get(tensor, []))
        if tensor in self._outputs or len(readers) not in (1, 2):
            return ()
        if len(readers) == 1:
            (only,) = readers
            return (only,) if self._joins(only, tensor, tensor) else ()
        for first, second in permutations(readers):
            made = self._graph.nodes[first].outputs
            alone = len(made) == 1 and set(self._readers.get(made[0], [])) == {second}
            if alone and made[0] not in self._outputs and self._joins(first, tensor, tensor):
                return (first, second) if self._joins(second, tensor, made[0]) else ()
        return ()

    def _joins(self, n: int, *known: int) -> bool:
        """Whether node `n` makes one tensor of the shape of `known` ones, of these and of what is
        there."""
        node, tensors = self._graph.nodes[n], self._graph.tensors
        if len(node.outputs) != 1 or tensors[node.outputs[0]].shape != tensors[known[0]].shape:
            return False
        others = (t for t in node.inputs if t not in (ABSENT, *known))
        return all(t in self._available or tensors[t].data is not None for t in others)

    def absorb(self, n: int) -> bool:
        """Whether node `n` is a PAD that the convolution reading it makes needless.

        It is if it adds zeros around the images alone, and nobody else reads what it makes.
        """
        node = self._graph.nodes[n]
        tensors = self._graph.tensors
        if node.op != "PAD" or len(node.inputs) != 2:
            return False
        padded = node.outputs[0]
        amounts, source = tensors[node.inputs[1]], tensors[node.inputs[0]]
        readers = self._readers.get(padded, [])
        if len(readers) != 1 or padded in self._outputs or amounts.data is None:
            return False
        reader = self._graph.nodes[readers[0]]
        if reader.op not in CONVOLUTIONS or reader.inputs[0] != padded or len(source.shape) != 4:
            return False
        if tensors[reader.inputs[1]].dtype != source.dtype == TensorType.FLOAT32:
            # The image is quantised with its border, whose place decides how elements are rounded.
            return False
        pairs = decode(amounts.data, amounts.dtype, amounts.shape).tolist()
        inside = pairs[0] == pairs[3] == [0, 0] and min(map(min, pairs)) >= 0
        if source.data is not None or source.is_variable or not inside:
            return False
        self.borders[padded] = Border(node.inputs[0], pairs[1][0], pairs[2][0])
        return True
