"""What all plans of one interpreter share: the model, its operators, constants and state."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .delegate import Slot
from .dtypes import BYTES_PER_STRING, NUMPY, OBJECTS, PACKED_BITS, decode
from .errors import LimitError, ModelError, OpError
from .graph import Array, Model, Node, Shape, Tensor
from .limits import Limits
from .observer import Observer
from .ops.registry import BUILTIN, CUSTOM, Op
from .plan import ExecutionPlan
from .schema.enums import TensorType
from .tracing import Tracer

CACHED_PLANS = 16
"""Plans kept per graph, by input shapes; the least recently used goes first."""


class Session:
    """Plans are looked up by graph and input shapes; variables and resources outlive them.

    `preserve_all` keeps every tensor; `keep_program_order` runs nodes as the file has them;
    `single_nodes` gives each delegated node a partition of its own; `poison` fills memory with NaN
    before every run; `observer` is shown every tensor that is computed; `tracer` times the steps.
    """

    def __init__(
        self,
        model: Model,
        limits: Limits,
        custom_ops: Mapping[str, Op],
        preserve_all: bool = False,
        slots: Sequence[Slot] = (),
        keep_program_order: bool = False,
        single_nodes: bool = False,
    ) -> None:
        self.model = model
        self.limits = limits
        self.preserve_all = preserve_all
        self.slots = slots
        self.keep_program_order = keep_program_order
        self.single_nodes = single_nodes
        self.poison = False
        self.observer: Observer | None = None
        self.tracer: Tracer | None = None
        self.resources: dict[Any, Any] = {}
        self.deadline: float | None = None
        self.ops = [
            [_resolve(node, index, custom_ops) for index, node in enumerate(graph.nodes)]
            for graph in model.graphs
        ]
        self._constants: dict[tuple[int, int], Array] = {}
        self._copies: dict[tuple[int, int, TensorType, Shape], Array] = {}
        self._copied = 0
        self._overridden: set[tuple[int, int]] = set()
        self._variables: dict[tuple[int, int], Array] = {}
        self._plans: dict[int, OrderedDict[tuple[Shape, ...], ExecutionPlan]] = {}
        self._planning: list[int] = []

    def plan(self, graph: int, shapes: Sequence[Shape]) -> ExecutionPlan:
        """The plan of a graph for these input shapes, made now unless it was made before."""
        if not 0 <= graph < len(self.model.graphs):
            raise OpError(
                f"subgraph {graph} does not exist; the model has {len(self.model.graphs)}"
            )
        key = tuple(shapes)
        plans = self._plans.setdefault(graph, OrderedDict())
        found = plans.get(key)
        if found is not None:
            plans.move_to_end(key)
            return found
        if graph in self._planning:
            raise OpError(f"subgraph {graph} calls itself, directly or through others")
        if len(self._planning) >= self.limits.call_depth:
            raise LimitError(
                f"subgraphs are nested deeper than limits.call_depth={len(self._planning)}"
            )
        self._planning.append(graph)
        try:
            plans[key] = made = ExecutionPlan(self, graph, key)
        finally:
            self._planning.pop()
        if len(plans) > CACHED_PLANS:
            plans.popitem(last=False)
        return made

    def latest_plan(self, graph: int) -> ExecutionPlan | None:
        """The plan of a graph that was asked for last."""
        plans = self._plans.get(graph)
        return next(reversed(plans.values())) if plans else None

    def forget_plans(self) -> None:
        """Drops every plan: constants have changed."""
        self._plans.clear()

    def constant(self, graph: int, index: int) -> Array | None:
        """The values of a constant tensor (sparse ones compressed, 1-D); None if it is computed."""
        found = self._constants.get((graph, index))
        if found is None:
            tensor = self.model.graphs[graph].tensors[index]
            if tensor.data is None:
                return None
            found = self._constants[graph, index] = self._decoded(tensor, tensor.data)
        return found

    def _decoded(self, tensor: Tensor, data: Array) -> Array:
        """The values of a constant; those that take memory are shared, as the bytes may be."""
        if tensor.dtype != TensorType.STRING and tensor.dtype not in PACKED_BITS:
            return decode_constant(tensor)
        key = data.ctypes.data, data.size, tensor.dtype, tensor.shape
        found = self._copies.get(key)
        if found is None:
            elements = math.prod(tensor.shape)
            each = BYTES_PER_STRING if tensor.dtype == TensorType.STRING else 1
            self._copied += elements * each + data.size
            if self._copied > self.limits.total_bytes:
                raise LimitError(
                    f"constant {tensor.name!r} cannot be decoded: with those before it takes "
                    f"{self._copied} bytes; limits.total_bytes is {self.limits.total_bytes}"
                )
            found = self._copies[key] = decode_constant(tensor)
        return found

    def set_constant(self, graph: int, index: int, values: Array) -> None:
        self._constants[graph, index] = values.copy()
        self._overridden.add((graph, index))
        self.forget_plans()

    def is_overridden(self, graph: int, index: int) -> bool:
        """Whether a constant has another value than the file's."""
        return (graph, index) in self._overridden

    def variable(self, graph: int, index: int, shape: Shape) -> Array:
        """The memory of a variable tensor, kept from plan to plan while its shape stays."""
        found = self._variables.get((graph, index))
        if found is None or found.shape != shape:
            tensor = self.model.graphs[graph].tensors[index]
            found = self._variables[graph, index] = new_array(shape, tensor)
            found.fill(initial_value(tensor))
        return found

    def reset_variables(self) -> None:
        for (graph, index), array in self._variables.items():
            array.fill(initial_value(self.model.graphs[graph].tensors[index]))

    def start_clock(self) -> None:
        """Starts the time that `limits.invoke_seconds` allows."""
        seconds = self.limits.invoke_seconds
        self.deadline = None if seconds is None else time.monotonic() + seconds

    def check_clock(self) -> None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise LimitError(
                f"invoke took longer than limits.invoke_seconds={self.limits.invoke_seconds}"
            )


def decode_constant(tensor: Tensor) -> Array:
    """The values of a tensor's stored bytes; sparse tensors give their compressed values, 1-D."""
    assert tensor.data is not None
    if tensor.sparsity is not None:
        return tensor.data.view(NUMPY[tensor.dtype])
    try:
        return decode(tensor.data, tensor.dtype, tensor.shape)
    except ValueError as error:
        raise ModelError(f"tensor {tensor.name!r}: {error}") from error


def new_array(shape: Shape, tensor: Tensor) -> Array:
    """Memory for one tensor outside of any arena; strings start empty."""
    array = np.empty(shape, NUMPY[tensor.dtype])
    if tensor.dtype in OBJECTS:
        array.fill(b"")
    return array


def initial_value(tensor: Tensor) -> Any:
    """What fills a variable tensor at first and on reset: 0; its zero point where int8."""
    if tensor.dtype in OBJECTS:
        return b""
    quant = tensor.quant
    if tensor.dtype == TensorType.INT8 and quant is not None and quant.zero_point.size == 1:
        return quant.zero_point.astype(np.int8)[0]
    return 0


def _resolve(node: Node, index: int, custom_ops: Mapping[str, Op]) -> Op | None:
    """The operator of a node; None for a custom operator that nobody registered."""
    if node.custom:
        return custom_ops.get(node.op) or CUSTOM.get(node.op)
    found = BUILTIN.get(node.op)
    if found is None or not found.versions[0] <= node.version <= found.versions[1]:
        known = "" if found is None else " litegpu has versions {}-{}.".format(*found.versions)
        raise ModelError(
            f"Didn't find op for builtin opcode '{node.op}' version '{node.version}'. An older "
            "version of "
            "this builtin might be supported. Are you using an old TFLite binary with a newer "
            "model?"
            f"{known} First used by node {index}.\nRegistration failed.\n"
        )
    return found
