"""The OpenCL device: options, errors, the kernel cache, threads, memory, failures, timings."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litegpu import DelegateLoadError, DelegateWarning, Interpreter, load_delegate
from litegpu.delegates.program import Kernel
from litegpu.delegates.sources import source
from litegpu.delegates.staging import Staging
from litegpu.graph import Graph, Model, Node, Tensor
from litegpu.schema import options as o
from litegpu.schema.writer import write_model

from tests import models
from tests.devices import delegates, no_fallback
from tests.models import F32, add_node, constant

KERNELS = Path(__file__).resolve().parents[2] / "kernels_opencl"
X = np.array([[1, -2, 3], [-4, 5, -6]], np.float32)
EXPECTED = np.maximum(X + 1, 0) + 10


@pytest.fixture(autouse=True)
def _opencl() -> None:
    """Skips where OpenCL has no device."""
    delegates("opencl")


def run(interpreter: Interpreter, value: Any = X) -> Any:
    interpreter.resize_tensor_input(0, value.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def chain(delegate: Any, model: bytes | None = None) -> Interpreter:
    content = models.chain() if model is None else model
    return Interpreter(model_content=content, experimental_delegates=[delegate])


def owners(interpreter: Interpreter) -> list[str]:
    return [n.owner for n in interpreter.explain().subgraphs[0].nodes]


# Kernels.


@pytest.mark.parametrize("path", sorted(KERNELS.glob("*.cl")), ids=lambda path: path.stem)
def test_every_file_compiles_alone(path: Path) -> None:
    import pyopencl as cl

    device = delegates("opencl")[0].delegate.device
    text = source(Kernel(path.stem, ""), "cl")
    program = cl.Program(device._context, text).build(["-cl-std=CL1.2"])
    assert program.num_kernels > 0


# Choice of the device, and other options.


@pytest.mark.parametrize("wanted", ["0", "0:0", "portable", "PORTABLE Computing"])
def test_device_by_index_or_name(wanted: str) -> None:
    found = load_delegate("opencl", {"device": wanted})
    np.testing.assert_array_equal(run(chain(found)), EXPECTED)


def test_device_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYOPENCL_CTX", "7:3")
    with pytest.raises(
        DelegateLoadError, match=r"no OpenCL device is called '7:3'; there are: 0:0"
    ):
        load_delegate("opencl")
    load_delegate("opencl", {"device": "0:0"})
    monkeypatch.setenv("PYOPENCL_CTX", "0")
    load_delegate("opencl")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "Cray-1"}, "no OpenCL device is called 'Cray-1'; there are: 0:0 "),
        ({"precision": "tf32"}, "precision is 'tf32'; 'fp32' or 'fp16' expected"),
        ({"memory_limit": -1}, "memory_limit is -1; a number of bytes expected"),
        ({"check_finite": "no"}, "check_finite is 'no'; true or false expected"),
        ({"fallback": "maybe"}, "fallback is 'maybe'"),
        ({"colour": "red"}, "no option 'colour'; it has .*cache_dir.*check_finite.*device"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DelegateLoadError, match=message):
        load_delegate("opencl", options)


def test_a_cpu_is_no_default() -> None:
    from litegpu.delegates import opencl

    kinds = {device.type for _, device in opencl.devices()}
    import pyopencl as cl

    assert opencl.finds_gpu() == any(kind & cl.device_type.GPU for kind in kinds)


def test_without_pyopencl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyopencl", None)
    with pytest.raises(DelegateLoadError, match=r"pip install 'litegpu\[opencl\]'"):
        load_delegate("opencl")


@pytest.mark.parametrize("refuses", [True, False])
def test_without_a_platform(monkeypatch: pytest.MonkeyPatch, refuses: bool) -> None:
    """A loader without drivers says so by an error, or by an empty list."""
    import pyopencl as cl

    def platforms() -> list[Any]:
        if refuses:
            raise cl.LogicError("clGetPlatformIDs", cl.status_code.PLATFORM_NOT_FOUND_KHR, "")
        return []

    monkeypatch.setattr(cl, "get_platforms", platforms)
    expected = r"OpenCL finds no platform\..*pip install 'litegpu\[opencl\]'"
    with pytest.raises(DelegateLoadError, match=expected):
        load_delegate("opencl")


def test_memory_limit_leaves_the_partition_to_the_cpu() -> None:
    interpreter = chain(load_delegate("opencl", {"memory_limit": 100}))
    with pytest.warns(DelegateWarning, match=r"memory_limit is 100") as caught:
        result = run(interpreter)
    np.testing.assert_array_equal(result, EXPECTED)
    assert len(caught) == 1
    assert owners(interpreter) == ["cpu", "cpu"]


def test_memory_is_counted_and_given_back() -> None:
    delegate = load_delegate("opencl")
    budget = delegate.delegate.device._budget  # type: ignore[attr-defined]
    interpreter = chain(delegate)
    run(interpreter)
    assert budget._used > 0
    assert len(delegate.delegate.constants) > 0  # type: ignore[attr-defined]
    del interpreter
    import gc

    gc.collect()
    assert budget._used == 0
    assert len(delegate.delegate.constants) == 0  # type: ignore[attr-defined]


def test_interpreters_share_constants() -> None:
    delegate = load_delegate("opencl")
    first = chain(delegate)
    run(first)
    counted = len(delegate.delegate.constants)  # type: ignore[attr-defined]
    second = chain(delegate)
    run(second, np.concatenate([X, X]))
    assert len(delegate.delegate.constants) == counted  # type: ignore[attr-defined]


def test_check_finite() -> None:
    """Infinity that no input has is a failure of the delegate; what inputs have passes."""
    tensors = (Tensor("x", (2, 3), F32), Tensor("y", (2, 3), F32))
    model = write_model(Model((Graph(tensors, (Node("EXP", 1, (0,), (1,)),), (0,), (1,), "main"),)))
    strict = load_delegate("opencl", {"check_finite": True})
    with no_fallback():
        run(chain(strict, model), X)
        run(chain(strict, model), np.where(X > 4, np.inf, X).astype(np.float32))
    with pytest.warns(DelegateWarning, match="has NaN or infinity, which no input has"):
        assert np.isinf(run(chain(strict, model), X * 1000)).any()


# The kernel cache.

SECOND = """
import sys, numpy as np
import litegpu
from litegpu.delegates import kernel_cache
from tests import models
hits, misses, load = 0, 0, kernel_cache.KernelCache.load
def counted(self, parts):
    global hits, misses
    found = load(self, parts)
    hits, misses = hits + (found is not None), misses + (found is None)
    return found
kernel_cache.KernelCache.load = counted
delegate = litegpu.load_delegate("opencl", {"cache_dir": sys.argv[1]})
it = litegpu.Interpreter(model_content=models.chain(), experimental_delegates=[delegate])
it.allocate_tensors()
it.set_tensor(0, np.array([[1, -2, 3], [-4, 5, -6]], np.float32))
it.invoke()
print(hits, misses, it.get_tensor(4).ravel().tolist())
"""


def process(cache: Path) -> tuple[int, int, list[float]]:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", SECOND, str(cache)]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    hits, misses, values = found.stdout.split(maxsplit=2)
    return int(hits), int(misses), [float(v) for v in values.strip("[]\n").split(",")]


def test_a_second_process_builds_nothing(tmp_path: Path) -> None:
    cache = tmp_path / "kernels"
    built = process(cache)
    assert built[0] == 0 < built[1]
    assert len(list(cache.glob("*/*.bin"))) == built[1]
    assert process(cache) == (built[1], 0, built[2])


def test_broken_binaries_are_built_anew(tmp_path: Path) -> None:
    built = process(tmp_path)
    for path in tmp_path.glob("*/*.bin"):
        path.write_bytes(b"no binary")
    assert process(tmp_path)[2] == built[2]


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("not a folder")
    assert process(path)[2] == EXPECTED.ravel().tolist()


# Running.


def test_batches_back_and_forth() -> None:
    (delegate,) = delegates("opencl")
    interpreter = chain(delegate)
    for batch in (1, 8, 1):
        x = np.arange(batch * 3, dtype=np.float32).reshape(batch, 3) - 5
        with no_fallback():
            np.testing.assert_array_equal(run(interpreter, x), np.maximum(x + 1, 0) + 10)


def test_interpreters_in_threads() -> None:
    (delegate,) = delegates("opencl")
    failures: list[object] = []

    def work(seed: int) -> None:
        x = np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32)
        interpreter, expected = chain(delegate), np.maximum(x + 1, 0) + 10
        failures.extend(k for k in range(100) if not np.array_equal(run(interpreter, x), expected))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    with no_fallback():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures


def resident_kib() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("this system does not tell how much memory is resident")
    (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmRSS:"))
    return int(line.split()[1])


def test_memory_does_not_grow() -> None:
    (delegate,) = delegates("opencl")
    interpreter = chain(delegate)
    x = np.ones((64, 3), np.float32)
    run(interpreter, x)
    for _ in range(100):
        interpreter.invoke()
    before = resident_kib()
    for _ in range(1000):
        interpreter.invoke()
    assert resident_kib() - before < 2048


def gap(middle: str = "CUMSUM") -> bytes:
    """y = neg(a) + cumsum(a) with a = abs(x): the CPU's node is between two of the delegate, which
    share `a`."""
    tensors = (
        *(Tensor(name, (2, 3), F32, shape_signature=(-1, 3)) for name in "xabcy"),
        constant("axis", np.int32(1), models.I32),
    )
    nodes = (
        Node("ABS", 1, (0,), (1,)),
        Node(middle, 1, (1, 5), (2,), o.CumsumOptions()),
        Node("NEG", 1, (1,), (3,)),
        add_node(3, 2, 4),
    )
    return write_model(Model((Graph(tensors, nodes, (0,), (4,), "main"),)))


def test_partitions_share_what_is_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second partition uploads only what the CPU made; after a failure of the first, all."""
    delegate = load_delegate("opencl", {"exclude_ops": ["CUMSUM"], "min_nodes_per_partition": 1})
    interpreter = chain(delegate, gap())
    run(interpreter)
    assert owners(interpreter) == ["opencl", "cpu", "opencl", "opencl"]
    device = delegate.delegate.device  # type: ignore[attr-defined]
    uploads: list[int] = []
    upload = device.upload

    def counted(array: Any, buffer: Any) -> None:
        uploads.append(array.size)
        upload(array, buffer)

    monkeypatch.setattr(device, "upload", counted)
    expected = np.cumsum(np.abs(X), 1) - np.abs(X)
    for x in (X, -X, 2 * X):
        uploads.clear()
        assert np.array_equal(run(interpreter, x), np.cumsum(np.abs(x), 1) - np.abs(x))
    assert len(uploads) == len(shared(interpreter)) + 1
    break_first(interpreter)
    with pytest.warns(DelegateWarning):
        assert np.array_equal(run(interpreter), expected)
    uploads.clear()
    assert np.array_equal(run(interpreter, 3 * X), 3 * expected)
    assert len(uploads) == 2


def shared(interpreter: Interpreter) -> list[int]:
    """The inputs of the second of the delegate's partitions that the first does not make."""
    parts = [p for p in interpreter.explain().subgraphs[0].partitions if p.owner == "opencl"]
    return [t for t in parts[1].inputs if t not in parts[0].outputs]


def tired() -> None:
    raise RuntimeError("the device is tired")


def break_first(interpreter: Interpreter, fail: Callable[[], object] = tired) -> None:
    """Lets the first launch of the first partition fail from now on."""
    plan = interpreter._plan
    assert plan is not None
    assert plan.delegation is not None
    executable: Any = next(iter(plan.delegation.executables.values()))
    executable.steps[0] = fail


def test_a_failing_launch_runs_on_the_cpu() -> None:
    interpreter = chain(load_delegate("opencl"))
    run(interpreter)
    break_first(interpreter)
    with pytest.warns(DelegateWarning, match="the device is tired"):
        np.testing.assert_array_equal(run(interpreter, X * 2), np.maximum(X * 2 + 1, 0) + 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(run(interpreter), EXPECTED)
    assert owners(interpreter) == ["cpu", "cpu"]


def test_a_failing_launch_raises_if_asked() -> None:
    interpreter = chain(load_delegate("opencl", {"fallback": "raise"}))
    run(interpreter)
    break_first(interpreter)
    with pytest.raises(RuntimeError, match="the device is tired"):
        run(interpreter)


def test_a_lost_device_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyopencl as cl
    from litegpu.delegates import opencl

    interpreter = chain(load_delegate("opencl"))
    run(interpreter)
    device: Any = interpreter._slots[0].delegate.device  # type: ignore[attr-defined]
    program = cl.Program(device._context, "kernel void k() {}").build()
    break_first(interpreter, lambda: cl.Kernel(program, "missing"))
    monkeypatch.setattr(opencl, "LOST", ("INVALID_KERNEL_NAME",))
    with pytest.warns(DelegateWarning, match="DeviceLost"):
        run(interpreter)
    longer = np.concatenate([X, X])
    np.testing.assert_array_equal(run(interpreter, longer), np.maximum(longer + 1, 0) + 10)
    codes = {r.code for n in interpreter.explain().subgraphs[0].nodes for r in n.refusals.values()}
    assert codes == {"device_lost"}


def test_timings_of_launches() -> None:
    loaded = load_delegate("opencl")
    interpreter = chain(loaded)
    run(interpreter)
    plan = interpreter._plan
    assert plan is not None
    assert plan.delegation is not None
    executable: Any = plan.delegation.executables[0]
    output = np.zeros_like(EXPECTED)
    began = time.perf_counter()
    timings = executable.run_timed([X], [output])
    took = time.perf_counter() - began
    np.testing.assert_array_equal(output, EXPECTED)
    assert [t.kind for t in timings] == [
        "upload",
        *["kernel"] * len(executable.program.launches),
        "download",
    ]
    assert {n for t in timings for n in t.nodes} == {0, 1}
    assert (timings[0].name, timings[0].bytes) == ("x", X.nbytes)
    assert (timings[-1].name, timings[-1].bytes) == ("y", output.nbytes)
    assert all(t.seconds > 0 for t in timings)
    assert sum(t.seconds for t in timings) < took
    starts = [t.start for t in timings]
    assert starts == sorted(starts)
    np.testing.assert_array_equal(run(interpreter), EXPECTED)


def test_copies_on_the_device() -> None:
    (delegate,) = delegates("opencl")
    device = delegate.delegate.device
    one, other, found = device.allocate(24), device.allocate(24), np.zeros_like(X)
    with delegate.delegate.lock:
        device.upload(X, one)
        device.upload(found, other)
        device.copy(one, other, 12)
        device.download(other, found)
        device.synchronize()
    np.testing.assert_array_equal(found, [X[0], [0, 0, 0]])


def test_staged_transfers() -> None:
    """GPUs copy through pinned memory, as far as it goes; PoCL can do so, too."""
    loaded = load_delegate("opencl")
    device: Any = loaded.delegate.device  # type: ignore[attr-defined]
    device._staging = device._pinned()
    interpreter = chain(loaded)
    for rows in (2, Staging.SIZE // 12 // 2, Staging.SIZE // 12 + 1, 2):
        x = np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)
        with no_fallback():
            np.testing.assert_array_equal(run(interpreter, x), np.maximum(x + 1, 0) + 10)
