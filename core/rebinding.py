"""Steps of nodes whose shapes or packed values depend on data: prepared and bound while the graph
runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .errors import OpError, ValueUnknown
from .graph import ABSENT, Array, Node, Shape
from .ops.context import OpContext
from .ops.registry import Op, Step

if TYPE_CHECKING:
    from .workspace import Workspace


class Rebinding:
    """Runs a node with the step bound last as long as its inputs' memory and deciding values stay
    the same; with one of `Op.anew` always."""

    def __init__(self, space: Workspace, node: Node, index: int, op: Op) -> None:
        self._space = space
        self._node = node
        self._index = index
        self._op = op
        self._step: Step | None = None
        self._inputs: list[Array | None] = []
        self._consumed: list[tuple[int, Array]] = []

    def __call__(self) -> None:
        if self._step is None or not self._is_current():
            self._step = self._bind()
        self._step()

    def _arrays(self) -> list[Array | None]:
        return [None if t == ABSENT else self._space.arrays[t] for t in self._node.inputs]

    def _is_current(self) -> bool:
        if self._op.anew is not None:
            return True
        arrays = self._arrays()
        return (
            self._op.pure
            and all(a is b for a, b in zip(arrays, self._inputs, strict=True))
            and all(np.array_equal(arrays[i], value) for i, value in self._consumed)  # type: ignore[arg-type]
        )

    def _bind(self) -> Step:
        space, node = self._space, self._node
        ctx = OpContext(space, node, self._index)
        space.reset_scratch()
        try:
            shapes = self._op.prepare(ctx)
            check_outputs(node, shapes)
            if self._op.anew is not None:
                return self._op.anew(ctx)
            for tensor, shape in zip(node.outputs, shapes, strict=False):
                if tensor != ABSENT and shape is not None:
                    space.define(tensor, tuple(shape))
            step = self._op.bind(ctx)
        except ValueUnknown as unknown:
            raise OpError(str(unknown)) from unknown
        self._inputs = self._arrays()
        self._consumed = [
            (i, value.copy())
            for i, value in ctx.consumed.items()
            if node.inputs[i] not in space.known
        ]
        return step


def check_outputs(node: Node, shapes: Sequence[Shape | None]) -> None:
    if len(shapes) < len(node.outputs) or (shapes and not node.outputs):
        raise OpError(f"the node has {len(node.outputs)} outputs; this op has {len(shapes)}")
