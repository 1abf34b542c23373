"""Named entry points of a model: SignatureRunner, as tf.lite has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .conversion import convert
from .delegate import DeviceValue
from .details import tensor_details
from .device_io import adopted, exported, on_host, set_input
from .dtypes import NUMPY
from .graph import Array, Model, Shape, Signature

if TYPE_CHECKING:
    from .interpreter import Interpreter
    from .plan import ExecutionPlan


def signature_list(model: Model) -> dict[str, dict[str, list[str]]]:
    return {
        s.key: {"inputs": sorted(s.inputs), "outputs": sorted(s.outputs)} for s in model.signatures
    }


def full_signature_list(model: Model) -> dict[str, dict[str, dict[str, int]]]:
    return {
        s.key: {
            "inputs": dict(sorted(s.inputs.items())),
            "outputs": dict(sorted(s.outputs.items())),
        }
        for s in model.signatures
    }


class SignatureRunner:
    """Runs one signature of an interpreter's model: `runner(name=array, …)` gives {name: array}.

    Every call takes the shapes of its arguments; it needs no allocate_tensors().
    """

    def __init__(
        self, interpreter: Interpreter | None = None, signature_key: str | None = None
    ) -> None:
        if interpreter is None:
            raise ValueError("None interpreter provided.")
        self._interpreter = interpreter
        self._signature = _find(interpreter._model, signature_key)
        self._graph = interpreter._model.graphs[self._signature.graph]
        self._inputs = sorted(self._signature.inputs)
        self._outputs = sorted(self._signature.outputs)
        self._shapes: list[Shape] = [self._graph.tensors[t].shape for t in self._graph.inputs]

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        """Runs the signature; ValueError if an input is missing, unknown, or of another dtype."""
        interpreter = self._interpreter
        interpreter._check_usable()
        interpreter._ensure_no_views()
        if len(kwargs) != len(self._inputs):
            raise ValueError(
                "Invalid number of inputs provided for running a SignatureDef, expected "
                f"{len(self._inputs)} vs provided {len(kwargs)}"
            )
        values = self._values(kwargs)
        self._shapes = [values[t].shape if t in values else s for t, s in self._current_shapes()]
        with interpreter._busy:
            plan = interpreter._signature_plan(self._signature.graph, self._shapes)
            for t, value in values.items():
                set_input(plan, t, value)
            interpreter._run(plan)
            return {name: _result(plan, self._signature.outputs[name]) for name in self._outputs}

    def _values(self, arguments: Mapping[str, Any]) -> dict[int, Array | DeviceValue]:
        values: dict[int, Array | DeviceValue] = {}
        for name, value in arguments.items():
            if name not in self._signature.inputs:
                raise ValueError(f"Invalid Input name ({name}) for SignatureDef")
            index = self._signature.inputs[name]
            found = adopted(self._interpreter._slots, value)
            if found is not None and found.dtype == NUMPY[self._graph.tensors[index].dtype]:
                values[index] = found
                continue
            host = value if found is None else on_host(found)
            values[index] = convert(host, self._graph.tensors[index], index, tuple(host.shape))
        return values

    def _current_shapes(self) -> list[tuple[int, Shape]]:
        return list(zip(self._graph.inputs, self._shapes, strict=True))

    def get_input_details(self) -> dict[str, dict[str, Any]]:
        """{input name: details}."""
        shapes = dict(self._current_shapes())
        return {n: self._details(self._signature.inputs[n], shapes) for n in self._inputs}

    def get_output_details(self) -> dict[str, dict[str, Any]]:
        """{output name: details}; shapes are those of the last call."""
        plan = self._interpreter._session.latest_plan(self._signature.graph)
        shapes: dict[int, Shape] = {}
        if plan is not None:
            shapes = {t: s for t, s in enumerate(plan.shapes) if s is not None}
        return {n: self._details(self._signature.outputs[n], shapes) for n in self._outputs}

    def _details(self, index: int, shapes: Mapping[int, Shape]) -> dict[str, Any]:
        tensor = self._graph.tensors[index]
        shape = shapes.get(index, tensor.shape)
        compress = self._interpreter._compress
        return tensor_details(self._graph, index, shape, tensor.shape_signature or shape, compress)


def _find(model: Model, key: str | None) -> Signature:
    if key is None:
        if len(model.signatures) != 1:
            raise ValueError(
                f"SignatureDef signature_key is None and model has {len(model.signatures)} "
                "Signatures. "
                "None is only allowed when the model has 1 SignatureDef"
            )
        return model.signatures[0]
    if not key:
        raise ValueError("None signature_key provided.")
    for signature in model.signatures:
        if signature.key == key:
            return signature
    raise ValueError(f'Invalid signature_key provided: "{key}".')


def _result(plan: ExecutionPlan, tensor: int) -> Any:
    """A copy of an output: on the device where a delegate keeps it there."""
    found = exported(plan, tensor)
    if found is not None:
        return found
    plan.space.kept.recall([tensor])
    array = plan.space.array(tensor)
    return array[()] if array.ndim == 0 and not array.dtype.hasobject else array.copy()
