"""The tensors of one graph while it is planned and run: shapes, memory, known values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import NUMPY, OBJECTS
from .errors import LimitError, OpError, ValueUnknown
from .graph import Array, Shape
from .kept import Kept
from .scratch import Scratch
from .subgraph import Call

if TYPE_CHECKING:
    from .session import Session

MOST_DIMENSIONS = 32
"""NumPy 1's bound; LiteRT's kernels take at most 8."""


class Workspace:
    """What operators see of their graph (`ops.context.Frame`).

    `shapes[t]` is None while it depends on data; `arrays[t]` is the memory of tensor t, None if
    there is none (yet); `known[t]` are values that no invoke changes. `running` is set while steps
    run: from then on the values of computed tensors may be asked for. `kept` are values that have
    not come back from a delegate.
    """

    def __init__(self, session: Session, graph_index: int, input_shapes: Sequence[Shape]) -> None:
        self.session = session
        self.graph_index = graph_index
        self.graph = session.model.graphs[graph_index]
        self.resources: dict[Any, Any] = session.resources
        self.limits = session.limits
        count = len(self.graph.tensors)
        self.shapes: list[Shape | None] = [None] * count
        self.arrays: list[Array | None] = [None] * count
        self.known: dict[int, Array] = {}
        self.running = False
        self.kept = Kept(self.array)
        self._scratch = Scratch()
        self._set_leaves(input_shapes)

    def _set_leaves(self, input_shapes: Sequence[Shape]) -> None:
        """Shapes of inputs, variables and constants."""
        for index, tensor in enumerate(self.graph.tensors):
            values = self.session.constant(self.graph_index, index)
            if values is not None:
                self.known[index] = self.arrays[index] = values
                self.shapes[index] = tensor.shape
            elif tensor.is_variable:
                self.check_size(index, tensor.shape)
                self.shapes[index] = tensor.shape
                variable = self.session.variable(self.graph_index, index, tensor.shape)
                self.arrays[index] = variable
        for index, shape in zip(self.graph.inputs, input_shapes, strict=True):
            self.check_size(index, shape)
            self.shapes[index] = shape
            if self.known.pop(index, None) is not None:
                self.arrays[index] = None

    def shape(self, tensor: int) -> Shape:
        shape = self.shapes[tensor]
        if shape is None:
            raise ValueUnknown(tensor)
        return shape

    def value(self, tensor: int) -> Array:
        array = self.known.get(tensor)
        if array is None and self.running:
            array = self.arrays[tensor]
        if array is None:
            raise ValueUnknown(tensor)
        return array

    def array(self, tensor: int) -> Array:
        array = self.arrays[tensor]
        if array is None:
            raise ValueUnknown(tensor)
        return array

    def define(self, tensor: int, shape: Shape) -> None:
        """Gives a tensor memory of this shape, unless it has just that."""
        array = self.arrays[tensor]
        if array is None or array.shape != shape:
            self.check_size(tensor, shape)
            self.arrays[tensor] = self.new_array(tensor, shape)
            self.shapes[tensor] = shape

    def publish(self, tensor: int, values: Array) -> None:
        """Copies the values of an output whose shape its step alone knows."""
        self.define(tensor, values.shape)
        np.copyto(self.array(tensor), values, casting="no")

    def scratch(self, shape: Shape, dtype: Any) -> Array:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size > self.limits.tensor_bytes:
            limit = self.limits.tensor_bytes
            raise LimitError(f"the step needs {size} bytes; limits.tensor_bytes is {limit}")
        return self._scratch.take(shape, dtype)

    def reset_scratch(self) -> None:
        """Begins another node: its scratch may be that of the last."""
        self._scratch.reset()

    def subgraph(self, index: int) -> Call:
        return Call(self.session, index)

    def new_array(self, tensor: int, shape: Shape) -> Array:
        """Memory outside of the arena; strings start empty."""
        dtype = self.graph.tensors[tensor].dtype
        array = np.empty(shape, NUMPY[dtype])
        if dtype in OBJECTS:
            array.fill(b"")
        return array

    def bytes_of(self, tensor: int, shape: Shape) -> int:
        return math.prod(shape) * NUMPY[self.graph.tensors[tensor].dtype].itemsize

    def check_size(self, tensor: int, shape: Shape) -> None:
        """Raises OpError or LimitError for a shape that no tensor may have."""
        limit = self.limits.tensor_bytes
        if any(dim < 0 for dim in shape):
            raise OpError(f"tensor {tensor} would have the negative shape {list(shape)}")
        size = self.bytes_of(tensor, shape)
        if size > limit or len(shape) > MOST_DIMENSIONS:
            name = self.graph.tensors[tensor].name
            raise LimitError(
                f"BytesRequired number of elements overflowed: tensor {tensor} ({name!r}) of shape "
                f"{list(shape)} takes {size} bytes; limits.tensor_bytes is {limit}"
            )
