"""A delegate that runs litegpu's own CPU operators: for tests of all that surrounds delegates."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np

from .cut import cut
from .delegate import Executable
from .graph import Array, Graph, Node
from .limits import Limits
from .ops.registry import CUSTOM
from .partition import Partition
from .session import Session

Accepts = Callable[[Graph, Node], bool]


def any_node(_graph: Graph, _node: Node) -> bool:
    return True


def random_half(seed: int) -> Accepts:
    """Accepts about half of all nodes, always the same for a seed."""

    def accepts(graph: Graph, node: Node) -> bool:
        return bool(zlib.crc32(f"{seed} {graph.name} {node.outputs}".encode()) & 1)

    return accepts


class ReferenceDelegate:
    """Takes the nodes that `accepts` accepts, and gives exactly what the CPU gives."""

    def __init__(self, accepts: Accepts = any_node, name: str = "reference") -> None:
        self.name = name
        self._accepts = accepts

    def refusal(self, graph: Graph, node: Node) -> str | None:
        if node.custom and node.op not in CUSTOM:
            return f"custom operator {node.op} is not litegpu's own"
        return None if self._accepts(graph, node) else "it was told not to take this node"

    def compile(self, graph: Graph, part: Partition) -> Executable:
        return _Reference(graph, part)


class _Reference:
    def __init__(self, graph: Graph, part: Partition) -> None:
        model = cut(graph, part.nodes, part.inputs, part.outputs)
        shapes = [graph.tensors[t].shape for t in part.inputs]
        self._plan = Session(model, Limits(), {}).plan(0, shapes)
        self._variables = [i for i, t in enumerate(part.inputs) if graph.tensors[t].is_variable]

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        self._plan.set_inputs(inputs)
        self._plan.run()
        for output, values in zip(outputs, self._plan.outputs(), strict=True):
            np.copyto(output, values)
        for i in self._variables:
            np.copyto(inputs[i], self._plan.space.array(self._plan.graph.inputs[i]))


def half() -> ReferenceDelegate:
    """The delegate of seed 0; what `run_conformance --delegate litegpu.reference_delegate:half`
    takes."""
    return ReferenceDelegate(random_half(0))
