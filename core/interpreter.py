"""The public class: tf.lite.Interpreter's names, arguments, layouts and exceptions."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import numpy as np

from . import access
from .conversion import convert
from .delegate import Slot
from .details import op_details, tensor_details
from .device_io import adopted, exported, fits, on_host, set_input, take_back
from .errors import InvokeError
from .exclusive import Exclusive
from .explanation import Explanation, explain
from .graph import Array, Graph, Shape
from .limits import Limits
from .loading import load
from .ops.registry import Op
from .plan import ExecutionPlan
from .plugins import default_delegates, slots, warn_of_unused
from .schema.enums import TensorType
from .session import Session
from .signature import SignatureRunner, full_signature_list, signature_list
from .threads import checked_threads, use_threads
from .views import Views
from .warning import warn

_VIEW_ALIVE = """There is at least 1 reference to internal data
      in the interpreter in the form of a numpy array or slice. Be sure to
      only hold the function returned from tensor() if you are using raw
      data access."""

_RAW_BYTES = frozenset({TensorType.FLOAT8_E4M3FN, TensorType.FLOAT8_E5M2})


class OpResolverType(IntEnum):
    """Which kernels and delegates run; litegpu has one set of CPU kernels, the reference."""

    AUTO = 0
    BUILTIN = 1
    BUILTIN_REF = 2
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3


class Interpreter:
    """Runs a TensorFlow Lite model; a drop-in for `tf.lite.Interpreter`.

    `model_path` or `model_content` (bytes or any buffer) is required. `num_threads` is an int >=
    -1: 0 means 1, -1 and None let litegpu choose. `limits` bounds memory and work (see `Limits`).

    Raises ValueError for a malformed model or argument; `allocate_tensors` and `invoke` raise
    RuntimeError (which is a ValueError too) naming the node that cannot run.
    """

    def __init__(
        self,
        model_path: str | bytes | os.PathLike[Any] | None = None,
        model_content: Any = None,
        experimental_delegates: Sequence[Any] | None = None,
        num_threads: int | None = None,
        experimental_op_resolver_type: OpResolverType = OpResolverType.AUTO,
        experimental_preserve_all_tensors: bool = False,
        experimental_disable_delegate_clustering: bool = False,
        experimental_default_delegate_latest_features: bool = False,
        experimental_compress_quantization_zero_points: bool = False,
        experimental_disable_delegate_node_fusion: bool = False,
        experimental_force_delegate_node_profiling: bool = False,
        *,
        limits: Limits = Limits(),  # noqa: B008
    ) -> None:
        arguments = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self._arguments: dict[str, Any] = arguments
        self._open(arguments)

    _custom_ops: Mapping[str, Op] = MappingProxyType({})

    def _open(self, arguments: Mapping[str, Any]) -> None:
        resolver = arguments["experimental_op_resolver_type"]
        if not isinstance(resolver, OpResolverType):
            raise ValueError(f"Unrecognized passed in op resolver type: {resolver}")
        self._threads = checked_threads(arguments["num_threads"])
        self._preserve = bool(arguments["experimental_preserve_all_tensors"])
        self._compress = bool(arguments["experimental_compress_quantization_zero_points"])
        self._delegates = arguments["experimental_delegates"]
        self._slots = self._choose_delegates(resolver)
        if self._preserve and resolver in (OpResolverType.AUTO, OpResolverType.BUILTIN):
            warn(
                "Warning: Enabling `experimental_preserve_all_tensors` with the BUILTIN or AUTO "
                "op resolver is intended for debugging purposes only. Be aware that this can "
                "significantly increase memory usage by storing all intermediate tensors."
            )
        self._model = load(arguments["model_path"], arguments["model_content"])
        self._session = Session(
            self._model,
            arguments["limits"],
            self._custom_ops,
            self._preserve,
            self._slots,
            bool(arguments["experimental_disable_delegate_clustering"]),
            bool(arguments["experimental_disable_delegate_node_fusion"]),
        )
        graph = self._model.graphs[0]
        self._resized: dict[int, Shape] = {}
        self._plan: ExecutionPlan | None = None
        self._last_plan: ExecutionPlan | None = None
        self._views = Views()
        self._busy = Exclusive()
        self._closed = False
        self._input_shapes = [graph.tensors[t].shape for t in graph.inputs]

    def _choose_delegates(self, resolver: OpResolverType) -> list[Slot]:
        """The delegates that were passed, or the default ones; none under a debugging resolver."""
        given = self._delegates
        if resolver in (
            OpResolverType.BUILTIN_REF,
            OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        ):
            if given:
                warn_of_unused(given, resolver.name)
            return []
        if given is not None:
            return slots(given)
        return [] if self._preserve else slots(default_delegates())

    # Running.

    def allocate_tensors(self) -> None:
        """Plans the graph for the present input shapes: prepares, places and binds every node."""
        self._check_usable()
        self._ensure_no_views()
        use_threads(self._threads)
        with self._busy:
            self._use_plan(self._session.plan(0, self._input_shapes))

    def _use_plan(self, plan: ExecutionPlan) -> None:
        """Makes `plan` the current one; inputs whose shape has not changed keep their values."""
        previous = self._last_plan
        if previous is not None and previous is not plan:
            plan.take_inputs(previous)
        self._plan = self._last_plan = plan

    def invoke(self) -> None:
        """Runs the graph on the inputs that were set; releases the GIL wherever NumPy does."""
        self._check_usable()
        self._ensure_no_views()
        if self._plan is None:
            raise InvokeError(
                "Invoke called on model that is not ready. Call allocate_tensors() first."
            )
        self._run(self._plan)

    def _run(self, plan: ExecutionPlan) -> None:
        with self._busy, np.errstate(all="ignore"):
            use_threads(self._threads)
            self._session.start_clock()
            plan.run()

    def _signature_plan(self, graph: int, shapes: Sequence[Shape]) -> ExecutionPlan:
        """The plan for a signature's graph; the main graph's becomes the interpreter's own."""
        plan = self._session.plan(graph, shapes)
        if graph == 0:
            self._input_shapes = list(shapes)
            self._use_plan(plan)
        return plan

    def _check_usable(self) -> None:
        if self._closed:
            raise InvokeError("The interpreter is closed.")

    def _safe_to_run(self) -> bool:
        return not self._views.alive()

    def _ensure_no_views(self) -> None:
        if not self._safe_to_run():
            raise RuntimeError(_VIEW_ALIVE)

    # Tensors.

    def set_tensor(self, tensor_index: int, value: Any) -> None:
        """Copies `value` into a tensor of the main graph; dtype and shape must be the tensor's."""
        self._check_usable()
        index = access.tensor_index(tensor_index, self._graph)
        shape = self._shape_now(index)
        with self._busy:
            found = adopted(self._slots, value)
            if found is not None and self._plan is not None and fits(self._plan, index, found):
                set_input(self._plan, index, found)
                return
            value = value if found is None else on_host(found)
            self._set(index, convert(value, self._graph.tensors[index], index, shape))

    def _set(self, index: int, array: Array) -> None:
        if self._session.constant(0, index) is not None and index not in self._graph.inputs:
            self._session.set_constant(0, index, array)
            if self._plan is not None:
                self._use_plan(self._session.plan(0, self._input_shapes))
            return
        target = None if self._plan is None else self._plan.arrays[index]
        if target is None:
            raise ValueError(
                "Cannot set tensor: Tensor is unallocated. Try calling allocate_tensors() first"
            )
        if index in self._graph.inputs and self._plan is not None:
            set_input(self._plan, index, array)
        else:
            np.copyto(target, array)

    def get_tensor(self, tensor_index: int, subgraph_index: int = 0) -> Any:
        """A copy of a tensor's values; of rank 0, a NumPy scalar."""
        array = self._readable(tensor_index, subgraph_index)
        dtype = self._model.graphs[subgraph_index].tensors[tensor_index].dtype
        if dtype in _RAW_BYTES:
            array = array.view(np.int8)
        with self._busy:
            scalar = array.ndim == 0 and not array.dtype.hasobject
            return array[()] if scalar else array.copy()

    def get_tensor_dlpack(self, tensor_index: int) -> Any:
        """A copy of a tensor's values as an array that others take through DLPack
        (`torch.from_dlpack`): on the device where a delegate keeps the tensor there, else NumPy's.
        """
        self._check_usable()
        index = access.tensor_index(tensor_index, self._graph)
        with self._busy:
            found = None if self._plan is None else exported(self._plan, index)
        return np.array(self._readable(index, 0)) if found is None else found

    def tensor(self, tensor_index: int) -> Callable[[], Any]:
        """A function that gives a writable view of a tensor's memory.

        Hold the function, not the view: while a view is alive, invoke, allocate_tensors and
        resize_tensor_input raise RuntimeError.
        """

        def view() -> Any:
            array = self._readable(tensor_index, 0)
            if self._plan is not None and tensor_index in self._graph.inputs:
                take_back(self._plan, tensor_index)
            return (
                array[()]
                if array.ndim == 0 and not array.dtype.hasobject
                else self._views.make(array)
            )

        return view

    def _readable(self, index: Any, subgraph_index: Any) -> Array:
        """The memory of a tensor whose value is defined."""
        self._check_usable()
        subgraph = access.graph_index(subgraph_index, len(self._model.graphs))
        graph = self._model.graphs[subgraph]
        position = access.tensor_index(index, graph)
        constant = self._session.constant(subgraph, position)
        if constant is not None and position not in graph.inputs:
            return constant
        plan = self._session.latest_plan(subgraph) if subgraph and self._plan else self._plan
        return access.defined_values(plan, position)

    @property
    def _graph(self) -> Graph:
        return self._model.graphs[0]

    def _shape_now(self, index: int) -> Shape:
        """The shape of a tensor of the main graph as far as it is known."""
        if index in self._graph.inputs:
            return self._input_shapes[self._graph.inputs.index(index)]
        if self._last_plan is not None:
            known = self._last_plan.shapes[index]
            if known is not None:
                return known
        return self._resized.get(index, self._graph.tensors[index].shape)

    # Shapes.

    def resize_tensor_input(self, input_index: int, tensor_size: Any, strict: bool = False) -> None:
        """Changes the shape of an input; call allocate_tensors() afterwards.

        `strict` allows only the dimensions that are unknown (-1) in the tensor's signature to
        change.
        """
        self._check_usable()
        self._ensure_no_views()
        index, shape = access.resize_target(input_index, tensor_size, self._graph)
        if strict:
            tensor = self._graph.tensors[index]
            access.check_strict(tensor, index, self._shape_now(index), shape)
        if shape == self._shape_now(index):
            return
        if index in self._graph.inputs:
            self._input_shapes[self._graph.inputs.index(index)] = shape
        self._resized[index] = shape
        self._plan = None

    def reset_all_variables(self) -> None:
        """Zeroes every variable tensor; resource variables keep their values."""
        self._check_usable()
        self._session.reset_variables()

    # Details.

    def get_input_details(self) -> list[dict[str, Any]]:
        return [self._get_tensor_details(i, 0) for i in self._graph.inputs]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [self._get_tensor_details(i, 0) for i in self._graph.outputs]

    def get_tensor_details(self, subgraph_index: int = 0) -> list[dict[str, Any]]:
        """Details of every tensor of a graph."""
        count = len(self._model.graphs)
        if not 0 <= subgraph_index < count:
            raise ValueError(
                f"subgraph_index is out of range: {subgraph_index} for the model, which has "
                f"{count} subgraphs."
            )
        tensors = self._model.graphs[subgraph_index].tensors
        return [self._get_tensor_details(i, subgraph_index) for i in range(len(tensors))]

    def _get_tensor_details(self, tensor_index: int, subgraph_index: int = 0) -> dict[str, Any]:
        graph = self._model.graphs[subgraph_index]
        index = access.tensor_index(tensor_index, graph)
        tensor = graph.tensors[index]
        shape = self._shape_now(index) if subgraph_index == 0 else tensor.shape
        signature = tensor.shape_signature if tensor.shape_signature else shape
        return tensor_details(graph, index, shape, signature, self._compress)

    def _get_op_details(self, op_index: int) -> dict[str, Any]:
        nodes = self._graph.nodes
        if not 0 <= op_index < len(nodes):
            raise ValueError(f"Invalid node index {op_index}; the graph has {len(nodes)} nodes")
        return op_details(self._graph, nodes[op_index], op_index)

    def _get_ops_details(self) -> list[dict[str, Any]]:
        return [self._get_op_details(i) for i in range(len(self._graph.nodes))]

    def explain(self) -> Explanation:
        """Who runs each node and why, for all graphs that are planned: needs allocate_tensors(), or
        a call of a signature."""
        self._check_usable()
        others = (self._session.latest_plan(g) for g in range(1, len(self._model.graphs)))
        plans = [plan for plan in (self._plan, *others) if plan is not None]
        if not plans:
            raise InvokeError("explain() needs allocate_tensors() first.")
        return explain(plans, [slot.name for slot in self._slots])

    def num_subgraphs(self) -> int:
        return len(self._model.graphs)

    @property
    def experimental_compress_quantization_zero_points(self) -> bool:
        return self._compress

    # Signatures.

    def get_signature_list(self) -> dict[str, dict[str, list[str]]]:
        """{key: {"inputs": names, "outputs": names}}, names sorted."""
        return signature_list(self._model)

    def _get_full_signature_list(self) -> dict[str, dict[str, dict[str, int]]]:
        return full_signature_list(self._model)

    def get_signature_runner(
        self, signature_key: str | None = None, *, method_name: str | None = None
    ) -> SignatureRunner:
        """A callable that runs one signature; None where the model has just one."""
        self._check_usable()
        return SignatureRunner(self, method_name if signature_key is None else signature_key)

    # Life.

    def close(self) -> None:
        """Releases the model and all memory; views that are still held stay valid."""
        if not self._closed:
            self._closed = True
            self._plan = self._last_plan = None
            self._session.forget_plans()

    def __enter__(self) -> Interpreter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self._arguments)
        if state["model_content"] is not None:
            state["model_content"] = bytes(state["model_content"])
        return state

    def __setstate__(self, arguments: dict[str, Any]) -> None:
        self.__init__(**arguments)  # type: ignore[misc]
