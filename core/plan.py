"""From a graph and input shapes to a list of bound steps over one arena."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import NUMPY, OBJECTS
from .errors import InvokeError, LimitError, OpError, PrepareError, ValueUnknown
from .graph import ABSENT, Array, Node, Shape
from .memory import ALIGNMENT, Lifetime, plan
from .ops.context import OpContext
from .ops.registry import Op, Step
from .rebinding import Rebinding, check_outputs
from .scratch import Scratch
from .subgraph import Call

if TYPE_CHECKING:
    from .session import Session


class ExecutionPlan:
    """One graph, ready to run for one set of input shapes.

    `shapes[t]` is None while it depends on data; `arrays[t]` is the memory of tensor t, None if there is
    none (yet); `known[t]` are values that no invoke changes; `dynamic[n]` names the tensor that keeps node
    n from being planned now.
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
        self.dynamic: dict[int, int] = {}
        self.lifetimes: dict[int, Lifetime] = {}
        self.arena: Array = np.empty(0, np.uint8)
        self.steps: list[Step] = []
        self._step_nodes: list[int] = []
        self._running = False
        self._scratch = Scratch()
        self._ops = session.ops[graph_index]
        self._alias: dict[int, int] = {}
        self._done: set[int] = set()
        self._set_leaves(input_shapes)
        self._prepare_nodes()
        self._place()
        self._bind_nodes()

    # What an operator's context asks for.

    def shape(self, tensor: int) -> Shape:
        shape = self.shapes[tensor]
        if shape is None:
            raise ValueUnknown(tensor)
        return shape

    def value(self, tensor: int) -> Array:
        array = self.known.get(tensor)
        if array is None and self._running:
            array = self.arrays[tensor]
        if array is None:
            raise ValueUnknown(tensor)
        return array

    def array(self, tensor: int) -> Array:
        array = self.arrays[tensor]
        if array is None:
            raise ValueUnknown(tensor)
        return array

    def scratch(self, shape: Shape, dtype: Any) -> Array:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size > self.limits.tensor_bytes:
            limit = self.limits.tensor_bytes
            raise LimitError(f"the step needs {size} bytes; limits.tensor_bytes is {limit}")
        return self._scratch.take(shape, dtype)

    def subgraph(self, index: int) -> Call:
        return Call(self.session, index)

    def define(self, tensor: int, shape: Shape) -> None:
        """Gives a dynamic tensor memory of this shape, unless it has just that."""
        array = self.arrays[tensor]
        if array is None or array.shape != shape:
            self._check_size(tensor, shape)
            self.arrays[tensor] = self._new_array(tensor, shape)
            self.shapes[tensor] = shape

    def publish(self, tensor: int, values: Array) -> None:
        """Copies the values of an output whose shape its step alone knows."""
        self.define(tensor, values.shape)
        np.copyto(self.array(tensor), values, casting="no")

    # Allocation.

    def _set_leaves(self, input_shapes: Sequence[Shape]) -> None:
        """Shapes of inputs, variables and constants."""
        for index, tensor in enumerate(self.graph.tensors):
            values = self.session.constant(self.graph_index, index)
            if values is not None:
                self.known[index] = self.arrays[index] = values
                self.shapes[index] = tensor.shape
            elif tensor.is_variable:
                self._check_size(index, tensor.shape)
                self.shapes[index] = tensor.shape
                variable = self.session.variable(self.graph_index, index, tensor.shape)
                self.arrays[index] = variable
        for index, shape in zip(self.graph.inputs, input_shapes, strict=True):
            self._check_size(index, shape)
            self.shapes[index] = shape
            if self.known.pop(index, None) is not None:
                self.arrays[index] = None

    def _prepare_nodes(self) -> None:
        made = set(self.graph.inputs) | self.known.keys()
        made |= {t for t, a in enumerate(self.arrays) if a is not None}
        for index, (node, op) in enumerate(zip(self.graph.nodes, self._ops, strict=True)):
            try:
                if op is None:
                    raise OpError(unresolved(node.op))
                missing = [t for t in node.inputs if t != ABSENT and t not in made]
                if missing:
                    name = self.graph.tensors[missing[0]].name
                    raise OpError(f"input tensor {missing[0]} ({name!r}) is never computed. ")
                self._prepare(index, node, op)
            except ValueUnknown as unknown:
                self.dynamic[index] = unknown.tensor
            except Exception as error:
                raise self._error(PrepareError, index, error, "prepare") from error
            made.update(node.outputs)

    def _prepare(self, index: int, node: Node, op: Op) -> None:
        ctx = OpContext(self, node, index)
        shapes = op.prepare(ctx)
        check_outputs(node, shapes)
        for tensor, shape in zip(node.outputs, shapes, strict=False):
            if tensor != ABSENT and shape is not None:
                self._check_size(tensor, shape)
                self.shapes[tensor] = tuple(shape)
        if op.view and not self.session.preserve_all:
            self._share(node, index)
        elif op.of_shapes or (op.pure and self._constant_inputs(node)):
            self._fold(ctx, op)

    def _constant_inputs(self, node: Node) -> bool:
        return all(t == ABSENT or t in self.known for t in node.inputs)

    def _share(self, node: Node, index: int) -> None:
        """Lets a view's output be its input's memory where nobody can tell."""
        source, target = node.inputs[0], node.outputs[0]
        tensors = self.graph.tensors
        if source in self.known and target not in self.graph.outputs:
            shape = self.shape(target)
            self.known[target] = self.arrays[target] = self.known[source].reshape(shape)
            self._done.add(index)
        elif (
            source not in self.graph.inputs
            and self.arrays[source] is None
            and self.arrays[target] is None
            and tensors[source].dtype == tensors[target].dtype
            and tensors[source].dtype not in OBJECTS
        ):
            self._alias[target] = self._alias.get(source, source)
            self._done.add(index)

    def _fold(self, ctx: OpContext, op: Op) -> None:
        """Computes a node of constants once; an error is left for invoke to find."""
        node = ctx.node
        outputs = [t for t in node.outputs if t != ABSENT]
        if any(self.shapes[t] is None or self.arrays[t] is not None for t in outputs):
            return
        try:
            for t in outputs:
                self.arrays[t] = self._new_array(t, self.shape(t))
            self._scratch.reset()
            with np.errstate(all="ignore"):
                op.bind(ctx)()
        except (OpError, ValueUnknown):
            for t in outputs:
                self.arrays[t] = None
            return
        self.known.update((t, self.array(t)) for t in outputs)
        if any(t in self.graph.outputs for t in outputs):
            for t in outputs:
                self.arrays[t] = None
        else:
            self._done.add(ctx.index)

    def _place(self) -> None:
        """Gives every tensor of known shape that a step computes its place in the arena."""
        end = len(self.graph.nodes)
        first: dict[int, int] = dict.fromkeys(self.graph.inputs, 0)
        last: dict[int, int] = dict.fromkeys(self.graph.inputs, end)
        for index, node in enumerate(self.graph.nodes):
            for t in node.inputs:
                last[t] = max(last.get(t, 0), index)
            for t in node.outputs:
                first.setdefault(t, index)
                last[t] = max(last.get(t, 0), index)
        last.update(dict.fromkeys(self.graph.outputs, end))
        for target, root in self._alias.items():
            last[root] = max(last[root], last[target])
        if self.session.preserve_all:
            last = dict.fromkeys(last, end)
        for t, start in first.items():
            if t == ABSENT or t in self._alias or self.arrays[t] is not None:
                continue
            shape = self.shapes[t]
            if shape is None:
                continue
            if self.graph.tensors[t].dtype in OBJECTS:
                self.arrays[t] = self._new_array(t, shape)
            else:
                self.lifetimes[t] = Lifetime(self._bytes(t, shape), start, last[t])
        offsets, size = plan(list(self.lifetimes.values()))
        if size > self.limits.total_bytes:
            limit = self.limits.total_bytes
            raise LimitError(f"the arena needs {size} bytes; limits.total_bytes is {limit}")
        self.arena = aligned_bytes(size)
        for t, offset in zip(self.lifetimes, offsets, strict=True):
            dtype = NUMPY[self.graph.tensors[t].dtype]
            view = self.arena[offset : offset + self.lifetimes[t].size].view(dtype)
            self.arrays[t] = view.reshape(self.shape(t))
        for target, root in self._alias.items():
            self.arrays[target] = self.array(root).reshape(self.shape(target))
        for t in self.graph.inputs:
            if t in self.lifetimes:
                self._initialise(t)

    def _initialise(self, tensor: int) -> None:
        """Gives an input its value before any is set: that in the file, or zeros."""
        array = self.array(tensor)
        values = self.session.constant(self.graph_index, tensor)
        if values is not None and values.shape == array.shape:
            np.copyto(array, values)
        else:
            array.fill(0)

    def _bind_nodes(self) -> None:
        for index, (node, op) in enumerate(zip(self.graph.nodes, self._ops, strict=True)):
            assert op is not None
            if index in self._done:
                continue
            try:
                step = self._bind(index, node, op)
            except Exception as error:
                raise self._error(PrepareError, index, error, "prepare") from error
            self.steps.append(step)
            self._step_nodes.append(index)
        self._release_folded()

    def _bind(self, index: int, node: Node, op: Op) -> Step:
        if index not in self.dynamic:
            self._scratch.reset()
            try:
                return op.bind(OpContext(self, node, index))
            except ValueUnknown as unknown:
                self.dynamic[index] = unknown.tensor
        return Rebinding(self, node, index, op)

    def _release_folded(self) -> None:
        """Forgets values that were needed only to compute other constants."""
        if self.session.preserve_all:
            return
        used = {t for i in self._step_nodes for t in self.graph.nodes[i].inputs}
        used.update(self.graph.outputs)
        for t in [t for t in self.known if t not in used]:
            if self.session.constant(self.graph_index, t) is None:
                del self.known[t]
                self.arrays[t] = None

    # Running.

    def set_inputs(self, values: Sequence[Array]) -> None:
        for tensor, value in zip(self.graph.inputs, values, strict=True):
            np.copyto(self.array(tensor), value)

    def run(self) -> None:
        """Runs every step in order. The caller has set the inputs."""
        if self.session.poison:
            self._poison()
        position = 0
        self._running = True
        timed = self.session.deadline is not None
        try:
            for position, step in enumerate(self.steps):  # noqa: B007
                if timed:
                    self.session.check_clock()
                step()
        except Exception as error:
            index = self._step_nodes[position]
            raise self._error(InvokeError, index, error, "invoke") from error
        finally:
            self._running = False

    def outputs(self) -> list[Array]:
        return [self.array(t) for t in self.graph.outputs]

    def reset_scratch(self) -> None:
        self._scratch.reset()

    def _poison(self) -> None:
        """Fills all computed memory with bytes that are NaN in every float type."""
        inputs = [self.array(t).copy() for t in self.graph.inputs]
        self.arena.fill(0xFF)
        self.set_inputs(inputs)

    def _new_array(self, tensor: int, shape: Shape) -> Array:
        array = np.empty(shape, NUMPY[self.graph.tensors[tensor].dtype])
        if self.graph.tensors[tensor].dtype in OBJECTS:
            array.fill(b"")
        return array

    def _bytes(self, tensor: int, shape: Shape) -> int:
        size = NUMPY[self.graph.tensors[tensor].dtype].itemsize
        for dim in shape:
            size *= dim
        return size

    def _check_size(self, tensor: int, shape: Shape) -> None:
        limit = self.limits.tensor_bytes
        if any(dim < 0 for dim in shape):
            raise OpError(f"tensor {tensor} would have the negative shape {list(shape)}")
        size = self._bytes(tensor, shape)
        if size > limit or len(shape) > 32:
            name = self.graph.tensors[tensor].name
            raise LimitError(
                f"BytesRequired number of elements overflowed: tensor {tensor} ({name!r}) of shape "
                f"{list(shape)} takes {size} bytes; limits.tensor_bytes is {limit}"
            )

    def _error(self, kind: type[Exception], index: int, cause: Exception, what: str) -> Exception:
        node = self.graph.nodes[index]
        text = str(cause) if isinstance(cause, OpError | kind) else f"{type(cause).__name__}: {cause}"
        where = f"node {index}" if self.graph_index == 0 else f"subgraph {self.graph_index}, node {index}"
        output = next((self.graph.tensors[t].name for t in node.outputs if t != ABSENT), "")
        if isinstance(cause, LimitError):
            kind = LimitError
        if not isinstance(cause, kind):
            text = f"{node.op} ({where}, {output!r}): {text}\n"
        return kind(f"{text}Node number {index} ({node.op}) failed to {what}.")


def aligned_bytes(size: int) -> Array:
    """`size` bytes (uint8), the first at a multiple of the arena's alignment."""
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


def unresolved(name: str) -> str:
    if name.startswith("Flex"):
        return (
            "Select TensorFlow op(s), included in the given model, is(are) not supported by this "
            f"interpreter: {name}. Make sure you apply/link the Flex delegate before inference. "
            "See instructions: https://www.tensorflow.org/lite/guide/ops_select "
        )
    return (
        f"Encountered unresolved custom op: {name}.\n"
        "See instructions: https://www.tensorflow.org/lite/guide/ops_custom "
    )
