"""Calls of another graph of the model from a control-flow node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .errors import OpError
from .graph import Array, Graph, Shape

if TYPE_CHECKING:
    from .plan import ExecutionPlan
    from .session import Session


class Call:
    """One call site; the callee's memory is shared by all sites, so results are valid until the
    next call."""

    def __init__(self, session: Session, index: int) -> None:
        self._session = session
        self._index = index
        self._shapes: list[Shape] | None = None
        self._plan: ExecutionPlan | None = None
        self._moved: frozenset[int] = frozenset()

    @property
    def graph(self) -> Graph:
        """The callee as the file has it; raises OpError for an index that the file does not
        have."""
        graphs = self._session.model.graphs
        if not 0 <= self._index < len(graphs):
            raise OpError(f"subgraph {self._index} does not exist; the model has {len(graphs)}")
        return graphs[self._index]

    def output_shapes(self, inputs: Sequence[Shape]) -> list[Shape | None]:
        """Output shapes for these input shapes, None for those that depend on data."""
        plan = self._select(list(inputs))
        return [plan.shapes[t] for t in plan.graph.outputs]

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Copies the inputs in, runs the graph, and returns the memory of its outputs.

        An input that comes out in another position is copied: setting that one would change it.
        """
        plan = self._select([value.shape for value in inputs])
        plan.set_inputs(inputs)
        plan.run()
        return [
            value.copy() if position in self._moved else value
            for position, value in enumerate(plan.outputs())
        ]

    def _select(self, shapes: list[Shape]) -> ExecutionPlan:
        if self._plan is None or shapes != self._shapes:
            self._plan = self._make(shapes)
            self._shapes = shapes
            self._moved = _moved(self._plan.graph)
        return self._plan

    def _make(self, shapes: list[Shape]) -> ExecutionPlan:
        graphs = self._session.model.graphs
        if 0 <= self._index < len(graphs) and len(graphs[self._index].inputs) != len(shapes):
            found = len(graphs[self._index].inputs)
            raise OpError(
                f"subgraph {self._index} takes {found} inputs; the node gives {len(shapes)}"
            )
        return self._session.plan(self._index, shapes)


def _moved(graph: Graph) -> frozenset[int]:
    """The positions of outputs that are inputs of other positions."""
    inputs = graph.inputs
    return frozenset(
        position
        for position, t in enumerate(graph.outputs)
        if t in inputs and inputs[position : position + 1] != (t,)
    )
