"""Cases of single operators: a model of one node, its inputs, and what must come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter
from litegpu.dtypes import NUMPY, encode
from litegpu.graph import ABSENT, Array, Graph, Model, Node, Quantization, Sparsity, Tensor
from litegpu.schema.enums import TensorType
from litegpu.schema.writer import write_model

from . import oracle
from .devices import delegates, no_fallback, note_claims
from .tolerance import assert_close

_TYPES = {dtype: t for t, dtype in reversed(NUMPY.items())} | {np.dtype(object): TensorType.STRING}


@dataclass(frozen=True, eq=False)
class Arg:
    """One tensor of the node: what it is, and its values where the test gives them."""

    role: str
    dtype: TensorType
    value: Array | None = None
    quant: Quantization | None = None
    shape: tuple[int, ...] = ()
    sparsity: Sparsity | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """`expected` None: LiteRT's result with the `oracle` resolver ("ref" or "opt").

    `error`: a regular expression that the RuntimeError or ValueError of allocate or invoke must
    match.
    """

    name: str
    op: str
    inputs: Sequence[Arg | None]
    outputs: Sequence[Arg]
    options: Any = None
    version: int = 1
    expected: Sequence[Any] | None = None
    oracle: str = "ref"
    custom: bool = False
    custom_options: bytes = b""
    intermediates: Sequence[Arg] = ()
    invokes: int = 1
    error: str | None = None

    def __str__(self) -> str:
        return f"{self.op} {self.name}"


def _dtype(dtype: Any, value: Array | None) -> TensorType:
    if isinstance(dtype, TensorType):
        return dtype
    found = np.dtype(dtype) if dtype is not None else np.asarray(value).dtype
    return TensorType.STRING if found.kind in "SU" else _TYPES[found]


def _quant(scale: Any, zero_point: Any, axis: int) -> Quantization | None:
    if scale is None:
        return None
    scales = np.atleast_1d(np.asarray(scale, np.float32))
    zero_points = np.broadcast_to(np.asarray(zero_point, np.int64), scales.shape).copy()
    return Quantization(scales, zero_points, axis)


def _values(value: Any, dtype: TensorType) -> Array:
    if dtype == TensorType.STRING:
        array = np.asarray(value)
        out = np.empty(array.shape, object)
        out.reshape(-1)[:] = [s if isinstance(s, bytes) else str(s).encode() for s in array.ravel()]
        return out
    return np.asarray(value, NUMPY[dtype])


def _arg(role: str, value: Any, dtype: Any, scale: Any, zero_point: Any, axis: int) -> Arg:
    kind = _dtype(dtype, value)
    array = _values(value, kind)
    return Arg(role, kind, array, _quant(scale, zero_point, axis), array.shape)


def given(
    value: Any, *, dtype: Any = None, scale: Any = None, zero_point: Any = 0, axis: int = 0
) -> Arg:
    """A run-time input; values of quantised tensors are the stored integers."""
    return _arg("given", value, dtype, scale, zero_point, axis)


def const(
    value: Any, *, dtype: Any = None, scale: Any = None, zero_point: Any = 0, axis: int = 0
) -> Arg:
    """A constant of the model."""
    return _arg("const", value, dtype, scale, zero_point, axis)


def state(
    value: Any, *, dtype: Any = None, scale: Any = None, zero_point: Any = 0, axis: int = 0
) -> Arg:
    """A variable tensor of this shape and type; variables start as zeros."""
    return _arg("state", value, dtype, scale, zero_point, axis)


def out(
    dtype: Any,
    *,
    shape: tuple[int, ...] = (),
    scale: Any = None,
    zero_point: Any = 0,
    axis: int = 0,
) -> Arg:
    """An output; its shape in the file is not relied upon."""
    return Arg("out", _dtype(dtype, None), None, _quant(scale, zero_point, axis), shape)


def _tensor(arg: Arg, name: str) -> Tensor:
    data = None
    if arg.role == "const":
        assert arg.value is not None
        data = encode(arg.value, arg.dtype)
    return Tensor(
        name,
        arg.shape,
        arg.dtype,
        quant=arg.quant,
        sparsity=arg.sparsity,
        data=data,
        is_variable=arg.role == "state",
    )


def model_of(case: Case) -> Model:
    """The case as a model of one node."""
    tensors: list[Tensor] = []

    def add(arg: Arg | None, name: str) -> int:
        if arg is None:
            return ABSENT
        tensors.append(_tensor(arg, name))
        return len(tensors) - 1

    inputs = tuple(add(arg, f"input{i}") for i, arg in enumerate(case.inputs))
    outputs = tuple(add(arg, f"output{j}") for j, arg in enumerate(case.outputs))
    intermediates = tuple(add(arg, f"intermediate{k}") for k, arg in enumerate(case.intermediates))
    options = case.custom_options if case.custom else case.options
    node = Node(case.op, case.version, inputs, outputs, options, case.custom, intermediates)
    run_time = tuple(
        t
        for t, arg in zip(inputs, case.inputs, strict=True)
        if arg is not None and arg.role == "given"
    )
    return Model((Graph(tuple(tensors), (node,), run_time, outputs, "main"),))


def feeds(case: Case) -> list[Array]:
    """The values of the run-time inputs, in order."""
    return [
        arg.value for arg in case.inputs if arg and arg.role == "given" and arg.value is not None
    ]


def run_model(
    content: bytes, inputs: Sequence[Array], device: str = "cpu", invokes: int = 1
) -> list[Any]:
    """litegpu's outputs, with its memory poisoned before every run."""
    with no_fallback():
        return _run_model(content, inputs, device, invokes)


def _run_model(content: bytes, inputs: Sequence[Array], device: str, invokes: int) -> list[Any]:
    interpreter = Interpreter(model_content=content, experimental_delegates=delegates(device))
    interpreter._session.poison = True
    details = interpreter.get_input_details()
    for detail, value in zip(details, inputs, strict=True):
        if tuple(detail["shape"]) != value.shape:
            interpreter.resize_tensor_input(detail["index"], value.shape)
    interpreter.allocate_tensors()
    for _ in range(invokes):
        for detail, value in zip(details, inputs, strict=True):
            interpreter.set_tensor(detail["index"], value)
        interpreter.invoke()
    note_claims(interpreter, device)
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def check(case: Case, device: str) -> None:
    """Runs the case on a device and compares with what is expected, or with LiteRT."""
    content = write_model(model_of(case))
    inputs = feeds(case)
    if case.error is not None:
        with pytest.raises((RuntimeError, ValueError), match=case.error):
            run_model(content, inputs, device, case.invokes)
        return
    got = run_model(content, inputs, device, case.invokes)
    expected = case.expected
    if expected is None:
        expected = _reference(case, content, inputs, device)
    assert len(got) == len(expected)
    for j, (g, e) in enumerate(zip(got, expected, strict=True)):
        assert_close(g, e, f"{case}, output {j}")


def _reference(case: Case, content: bytes, inputs: Sequence[Array], device: str) -> list[Any]:
    """LiteRT's outputs. Where it is missing, as on some machines with a GPU, devices are compared
    with the CPU, which is compared with LiteRT elsewhere."""
    if device != "cpu" and not oracle.is_installed():
        return run_model(content, inputs, "cpu", case.invokes)
    return oracle.run(content, inputs, case.oracle, case.invokes)
