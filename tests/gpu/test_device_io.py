"""Arrays of other libraries on CUDA's device: in without the host, and out; on a fake CuPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from litegpu import DelegateWarning, Interpreter, load_delegate
from litegpu.graph import Graph, Model, Node, Signature, Tensor
from litegpu.schema import options as o
from litegpu.schema.writer import write_model

from tests import models
from tests.cuda_on_cpu import compiler, fake_cupy
from tests.devices import no_fallback
from tests.models import F32, add_node

X = np.array([[1, -2, 3], [-4, 5, -6]], np.float32)
EXPECTED = np.maximum(X + 1, 0) + 10


@pytest.fixture(autouse=True)
def module() -> Iterator[Any]:
    if compiler.compiler() is None:
        pytest.skip("there is no C++ compiler")
    with fake_cupy.installed() as made:
        yield made


class Torch:
    """An array that its library's stream has still to fill; known by DLPack alone."""

    def __init__(self, values: Any, device: int = 0) -> None:
        self.array = fake_cupy.ndarray(np.full_like(values, 777))
        self.array.device.id = device
        self.stream = fake_cupy.Stream()
        self.stream.put(lambda: np.copyto(self.array.host, values))
        self.shape, self.dtype = values.shape, values.dtype

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, self.array.device.id)

    def __dlpack__(self, *, stream: int) -> Any:
        event = fake_cupy.Event()
        event.record(self.stream)
        fake_cupy.Stream.all[stream].wait_event(event)
        return self.array


class Numba:
    """The same, known by `__cuda_array_interface__`."""

    def __init__(self, values: Any) -> None:
        made = Torch(values)
        self.shape, self.dtype, self.stream = made.shape, made.dtype, made.stream
        self.__cuda_array_interface__ = {
            **made.array.__cuda_array_interface__,
            "stream": self.stream.ptr,
        }


KINDS = {"torch": Torch, "numba": Numba, "transposed": lambda x: Transposed(x)}


class Transposed(Torch):
    """An array whose rows are not contiguous."""

    def __init__(self, values: Any) -> None:
        super().__init__(values)
        self.array = fake_cupy.ndarray(np.full(values.T.shape, 777, values.dtype).T)


class Transfers:
    """Bytes that cross the border to the host and from it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, interpreter: Interpreter) -> None:
        self.up = self.down = 0
        device: Any = interpreter._slots[0].delegate.device  # type: ignore[attr-defined]
        upload, download = device.upload, device.download

        def counted_upload(array: Any, buffer: Any) -> None:
            self.up += array.nbytes
            upload(array, buffer)

        def counted_download(buffer: Any, array: Any) -> None:
            self.down += array.nbytes
            download(buffer, array)

        monkeypatch.setattr(device, "upload", counted_upload)
        monkeypatch.setattr(device, "download", counted_download)


def ready(model: bytes | None = None, **options: Any) -> Interpreter:
    delegate = load_delegate("cuda", options)
    content = models.chain() if model is None else model
    interpreter = Interpreter(model_content=content, experimental_delegates=[delegate])
    interpreter.allocate_tensors()
    return interpreter


def output(interpreter: Interpreter) -> int:
    index: int = interpreter.get_output_details()[0]["index"]
    return index


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_inputs_stay_on_the_device(
    kind: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = ready(precision=precision)
    transfers = Transfers(monkeypatch, interpreter)
    with no_fallback():
        for values in (X, 2 * X):
            interpreter.set_tensor(0, KINDS[kind](values))
            for _ in range(2):
                interpreter.invoke()
                expected = np.maximum(values + 1, 0) + 10
                np.testing.assert_array_equal(interpreter.get_tensor(4), expected)
    assert transfers.up == 0
    np.testing.assert_array_equal(interpreter.get_tensor(0), 2 * X)


def test_the_host_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set from the host counts, by a copy or by a view, after what lay on the device."""
    interpreter = ready()
    interpreter.set_tensor(0, Torch(X))
    interpreter.set_tensor(0, 2 * X)
    interpreter.invoke()
    np.testing.assert_array_equal(interpreter.get_tensor(4), np.maximum(2 * X + 1, 0) + 10)
    interpreter.set_tensor(0, Torch(X))
    view = interpreter.tensor(0)
    view()[0] = 50
    interpreter.invoke()
    changed = np.concatenate([np.full((1, 3), 50, np.float32), X[1:]])
    np.testing.assert_array_equal(interpreter.get_tensor(4), np.maximum(changed + 1, 0) + 10)


def test_shapes_of_inputs_on_the_device() -> None:
    """A new shape is a new plan; what fits neither is refused as any other array is."""
    interpreter = ready()
    interpreter.set_tensor(0, Torch(X))
    with pytest.raises(ValueError, match="Dimension mismatch"):
        interpreter.set_tensor(0, Torch(np.zeros((4, 3), np.float32)))
    with pytest.raises(ValueError, match="Got value of type INT32"):
        interpreter.set_tensor(0, Torch(np.zeros((2, 3), np.int32)))
    with pytest.raises(ValueError, match="the Torch lies on a device"):
        interpreter.set_tensor(0, Torch(X, device=1))
    interpreter.resize_tensor_input(0, (4, 3))
    interpreter.allocate_tensors()
    interpreter.resize_tensor_input(0, (2, 3))
    interpreter.allocate_tensors()
    interpreter.invoke()
    assert interpreter.get_tensor(4).shape == (2, 3)


def branches() -> bytes:
    """y = cumsum(x) + x, the CUMSUM on the CPU: both it and the delegate read the input."""
    tensors = (
        *(Tensor(name, (2, 3), F32) for name in "xcy"),
        models.constant("axis", np.int32(1), models.I32),
    )
    nodes = (Node("CUMSUM", 1, (0, 3), (1,), o.CumsumOptions()), add_node(0, 1, 2))
    signature = Signature("serve", {"x": 0}, {"y": 2}, 0)
    graph = Graph(tensors, nodes, (0,), (2,), "main")
    return write_model(Model((graph,), signatures=(signature,)))


def test_the_cpu_reads_an_input_of_the_device() -> None:
    interpreter = ready(branches(), exclude_ops=["CUMSUM"], min_nodes_per_partition=1)
    interpreter.set_tensor(0, Torch(X))
    interpreter.invoke()
    np.testing.assert_allclose(interpreter.get_tensor(2), np.cumsum(X, 1) + X)


def test_the_cpu_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the device fails, inputs come back from it."""
    interpreter = ready()
    interpreter.set_tensor(0, Torch(X))
    plan = interpreter._plan
    assert plan is not None
    (executable,) = plan.delegation.executables.values()  # type: ignore[union-attr]

    def tired() -> None:
        raise RuntimeError("tired")

    executable.steps[0] = tired  # type: ignore[attr-defined]
    with pytest.warns(DelegateWarning, match="tired"):
        interpreter.invoke()
    np.testing.assert_array_equal(interpreter.get_tensor(4), EXPECTED)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_outputs_stay_on_the_device(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter = ready(outputs="device", precision=precision)
    transfers = Transfers(monkeypatch, interpreter)
    results = []
    for values in (X, 2 * X):
        interpreter.set_tensor(0, Torch(values))
        interpreter.invoke()
        results.append(interpreter.get_tensor_dlpack(4))
    assert (transfers.up, transfers.down) == (0, 0)
    for values, result in zip((X, 2 * X), results, strict=True):
        assert isinstance(result, fake_cupy.ndarray)
        np.testing.assert_array_equal(result.host, np.maximum(values + 1, 0) + 10)
    np.testing.assert_array_equal(interpreter.get_tensor(4), np.maximum(2 * X + 1, 0) + 10)
    assert transfers.down == X.nbytes


def test_outputs_come_to_the_host_by_default() -> None:
    interpreter = ready()
    interpreter.set_tensor(0, X)
    interpreter.invoke()
    assert isinstance(interpreter.get_tensor_dlpack(4), np.ndarray)


@pytest.mark.parametrize("outputs", ["host", "device"])
def test_signatures(outputs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter = ready(branches(), outputs=outputs)
    transfers = Transfers(monkeypatch, interpreter)
    runner = interpreter.get_signature_runner("serve")
    for values in (X, 2 * X):
        found = runner(x=Torch(values))["y"]
        value = found.host if outputs == "device" else found
        np.testing.assert_allclose(value, np.cumsum(values, 1) + values)
    assert transfers.up == 0
    assert (transfers.down == 0) == (outputs == "device")
    found = runner(x=X)["y"]
    np.testing.assert_allclose(found.host if outputs == "device" else found, np.cumsum(X, 1) + X)


def test_a_device_that_is_lost_keeps_nothing() -> None:
    """An output that cannot come back is an error, not an old value."""
    interpreter = ready(outputs="device")
    interpreter.set_tensor(0, X)
    interpreter.invoke()
    device: Any = interpreter._slots[0].delegate.device  # type: ignore[attr-defined]

    def gone() -> None:
        raise fake_cupy.CUDARuntimeError(719, "gone")

    device.stream.synchronize = gone
    with pytest.raises(RuntimeError, match="tensor 4: DeviceLost"):
        interpreter.get_tensor(4)
