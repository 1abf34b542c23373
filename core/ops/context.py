"""What an operator sees of its node: shapes, values, memory. One interface for prepare and bind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..dtypes import NUMPY
from ..errors import OpError, ValueUnknown
from ..graph import ABSENT, Array, Graph, Node, Shape, Tensor
from ..limits import Limits
from ..schema.enums import TensorType


class SubgraphCall(Protocol):
    """Another graph of the model, run from a control-flow node with memory of its own."""

    @property
    def graph(self) -> Graph:
        """The graph as the file has it; raises OpError where there is none of this index."""
        ...

    def output_shapes(self, inputs: Sequence[Shape]) -> Sequence[Shape | None]:
        """Output shapes for these input shapes, None for those that depend on data."""
        ...

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        """Runs it; the results are valid until the next call of the same graph."""
        ...


class Frame(Protocol):
    """The tensors of one running graph, as the context sees them."""

    @property
    def graph(self) -> Graph: ...
    @property
    def resources(self) -> dict[Any, Any]: ...
    @property
    def limits(self) -> Limits: ...

    def shape(self, tensor: int) -> Shape: ...
    def value(self, tensor: int) -> Array: ...
    def array(self, tensor: int) -> Array: ...
    def define(self, tensor: int, shape: Shape) -> None: ...
    def publish(self, tensor: int, values: Array) -> None: ...
    def scratch(self, shape: Shape, dtype: Any) -> Array: ...
    def subgraph(self, index: int) -> SubgraphCall: ...


class OpContext:
    """One node within a frame. `i` and `j` are positions in the node's inputs and outputs.

    In `prepare`: options, dtypes, shapes, quantisation, and `value` of inputs known before invoke.
    In `bind`, also `input`, `output` and `scratch`, whose arrays stay valid for the life of the
    step.
    """

    def __init__(self, frame: Frame, node: Node, index: int) -> None:
        self.frame = frame
        self.node = node
        self.index = index
        self.options: Any = node.options
        self.consumed: dict[int, Array] = {}

    def has(self, i: int) -> bool:
        """Whether input `i` is present (optional inputs may be missing or -1)."""
        return i < len(self.node.inputs) and self.node.inputs[i] != ABSENT

    def tensor(self, i: int) -> Tensor:
        """The declaration of input `i`: name, dtype, quantisation. Its `shape` may be stale: use
        `shape(i)`."""
        if not self.has(i):
            raise OpError(f"input {i} is required, but absent")
        return self.frame.graph.tensors[self.node.inputs[i]]

    def output_tensor(self, j: int = 0) -> Tensor:
        if j >= len(self.node.outputs) or self.node.outputs[j] == ABSENT:
            raise OpError(f"output {j} is required, but absent")
        return self.frame.graph.tensors[self.node.outputs[j]]

    def dtype(self, i: int = 0) -> TensorType:
        return self.tensor(i).dtype

    def output_dtype(self, j: int = 0) -> TensorType:
        return self.output_tensor(j).dtype

    def shape(self, i: int = 0) -> Shape:
        """The shape of input `i`; raises ValueUnknown while it depends on data (the runtime calls
        again)."""
        self.tensor(i)
        return self.frame.shape(self.node.inputs[i])

    def rank(self, i: int = 0) -> int:
        return len(self.shape(i))

    def value(self, i: int) -> Array:
        """The values of input `i` where they decide shapes or are packed; raises ValueUnknown
        before invoke.

        The runtime prepares and binds the node anew when these values change.
        """
        self.tensor(i)
        array = self.frame.value(self.node.inputs[i])
        self.consumed[i] = array
        return array

    def is_known(self, i: int) -> bool:
        """Whether `value(i)` is known now (a constant, or computed from constants)."""
        try:
            self.value(i)
        except ValueUnknown:
            return False
        return True

    def input(self, i: int = 0) -> Array:
        """The memory of input `i`: read-only by convention, but for variable tensors."""
        self.tensor(i)
        return self.frame.array(self.node.inputs[i])

    def output(self, j: int = 0) -> Array:
        """The memory of output `j`, C-contiguous; the step must write every element."""
        self.output_tensor(j)
        return self.frame.array(self.node.outputs[j])

    def define(self, j: int, shape: Shape) -> Array:
        """The memory of output `j`, within a step of `Op.anew`, which from now on has this
        shape."""
        self.frame.define(self.node.outputs[j], shape)
        return self.output(j)

    def publish(self, j: int, values: Array) -> None:
        """Sets output `j`, within a step, where `prepare` gave None for its shape, or of
        `Op.anew`."""
        self.frame.publish(self.node.outputs[j], values)

    def scratch(self, shape: Shape, dtype: Any) -> Array:
        """Memory that is the step's own while it runs, with any content, shared with the other
        nodes."""
        return self.frame.scratch(shape, dtype)

    def subgraph(self, index: int) -> SubgraphCall:
        return self.frame.subgraph(index)

    @property
    def resources(self) -> dict[Any, Any]:
        """What outlives an invoke and is shared by all graphs: variables and hashtables by their
        ids."""
        return self.frame.resources

    @property
    def limits(self) -> Limits:
        return self.frame.limits

    def require(self, condition: bool, message: str | Callable[[], str]) -> None:
        """Raises OpError with `message` unless `condition`."""
        if not condition:
            raise OpError(message if isinstance(message, str) else message())

    def require_dtype(self, i: int, *allowed: TensorType) -> TensorType:
        """The dtype of input `i`, which must be one of `allowed`."""
        dtype = self.dtype(i)
        if dtype not in allowed:
            names = ", ".join(d.name for d in allowed)
            raise OpError(
                f"input {i} ({self.tensor(i).name!r}) is {dtype.name}; this op takes {names}"
            )
        return dtype

    def numpy_dtype(self, i: int = 0) -> Any:
        return NUMPY[self.dtype(i)]
