"""The CUDA device: choice, errors, kernel cache, graphs, transfers, failures; on a fake CuPy."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from litegpu import DelegateLoadError, DelegateWarning, Interpreter, load_delegate
from litegpu.delegates import cuda
from litegpu.delegates.staging import Staging

from tests import models
from tests.cuda_on_cpu import compiler, fake_cupy
from tests.devices import no_fallback

X = np.array([[1, -2, 3], [-4, 5, -6]], np.float32)
EXPECTED = np.maximum(X + 1, 0) + 10
ONE_BY_ONE = "captures no graph, and launches kernels one by one"


@pytest.fixture(autouse=True)
def module() -> Iterator[Any]:
    """The fake CuPy, installed; what it says of GPUs is forgotten with it."""
    if compiler.compiler() is None:
        pytest.skip("there is no C++ compiler")
    cuda.finds_gpu.cache_clear()
    with fake_cupy.installed() as made:
        yield made
    cuda.finds_gpu.cache_clear()


def run(interpreter: Interpreter, value: Any = X) -> Any:
    interpreter.resize_tensor_input(0, value.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def chain(**options: Any) -> Interpreter:
    delegate = load_delegate("cuda", options)
    return Interpreter(model_content=models.chain(), experimental_delegates=[delegate])


def device_of(interpreter: Interpreter) -> Any:
    return interpreter._slots[0].delegate.device  # type: ignore[attr-defined]


def steps_of(interpreter: Interpreter) -> Any:
    """The launches of the first partition."""
    plan = interpreter._plan
    assert plan is not None
    assert plan.delegation is not None
    executable: Any = next(iter(plan.delegation.executables.values()))
    return executable.steps


# What keeps CUDA from starting.


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def test_without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(DelegateLoadError, match=r"needs CuPy: pip install 'litegpu\[cuda13\]'"):
        load_delegate("cuda")
    assert not cuda.finds_gpu()


@pytest.mark.parametrize(
    ("status", "driver", "message"),
    [
        (35, 0, "finds no driver: install NVIDIA's driver"),
        (35, 12040, r"driver is too old: it is for CUDA 12\.4, .* CuPy for CUDA 13\.0"),
        (100, 13000, r"finds no NVIDIA GPU\. CUDA_VISIBLE_DEVICES is '-1'"),
        (999, 13000, "CUDA does not start: cudaError 999"),
    ],
)
def test_without_a_device(
    module: Any, monkeypatch: pytest.MonkeyPatch, status: int, driver: int, message: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    module.cuda.runtime.getDeviceCount = failing(fake_cupy.CUDARuntimeError(status))
    module.cuda.runtime.driverGetVersion = lambda: driver
    with pytest.raises(DelegateLoadError, match=message):
        load_delegate("cuda")
    assert not cuda.finds_gpu()


def test_a_gpu_is_a_default() -> None:
    assert cuda.finds_gpu()


def test_without_nvrtc(module: Any) -> None:
    module.cuda.nvrtc.getVersion = failing(RuntimeError("No such file: libnvrtc.so"))
    with pytest.raises(DelegateLoadError, match=r"NVRTC is missing: pip install.*libnvrtc\.so"):
        load_delegate("cuda")


def architecture(module: Any, major: int, minor: int) -> None:
    facts = fake_cupy.properties(0) | {"major": major, "minor": minor}
    module.cuda.runtime.getDeviceProperties = lambda index: facts


def test_an_old_gpu(module: Any) -> None:
    architecture(module, 6, 1)
    expected = r"compute capability 6\.1; CUDA 13\.0 compiles for 7\.5 and newer"
    with pytest.raises(DelegateLoadError, match=expected):
        load_delegate("cuda")


@pytest.mark.parametrize(
    ("major", "minor", "kind"), [(8, 0, "sm_80"), (8, 6, "compute_80"), (12, 0, "compute_90")]
)
def test_architectures(module: Any, major: int, minor: int, kind: str) -> None:
    """What NVRTC does not know is compiled for the nearest older, and finished by the driver."""
    architecture(module, major, minor)
    options: list[Any] = []
    compile_program = module.cuda.nvrtc.compileProgram
    module.cuda.nvrtc.compileProgram = lambda program, given: (
        options.append(given),
        compile_program(program, given),
    )
    interpreter = chain(cache_dir="/dev/null/none")
    assert device_of(interpreter).info.arch == 10 * major + minor
    np.testing.assert_array_equal(run(interpreter), EXPECTED)
    assert options
    assert all(f"--gpu-architecture={kind}" in given for given in options)


# Choice of the device, and other options.


@pytest.mark.parametrize(
    ("wanted", "index"), [(None, 0), (0, 0), (1, 1), ("1", 1), ("titan", 1), ("CUDA on", 0)]
)
def test_device_by_index_or_name(module: Any, wanted: Any, index: int) -> None:
    names = [fake_cupy.NAME, "TITAN V"]
    runtime = module.cuda.runtime
    runtime.getDeviceCount = lambda: 2
    runtime.getDeviceProperties = lambda i: {"name": names[i].encode()}
    assert cuda.choose(wanted) == index
    with pytest.raises(DelegateLoadError, match=r"is called 'Voodoo'; there are: 0 CUDA.*1 TITAN"):
        cuda.choose("Voodoo")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": 7}, "no CUDA device is called 7; there are: 0 CUDA on CPU"),
        ({"precision": "fp8"}, "precision is 'fp8'; 'fp32' or 'tf32' or 'fp16' expected"),
        ({"memory_limit": "much"}, "memory_limit is 'much'; a number of bytes expected"),
        ({"graphs": "no"}, "graphs is 'no'; true or false expected"),
        ({"colour": "red"}, "no option 'colour'; it has .*graphs.*"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DelegateLoadError, match=message):
        load_delegate("cuda", options)


# Memory.


def test_memory_is_counted_and_given_back() -> None:
    interpreter = chain()
    run(interpreter)
    device = device_of(interpreter)
    assert device.memory_use().now > 0
    del interpreter
    gc.collect()
    assert device.memory_use().now == 0


def test_out_of_memory(module: Any) -> None:
    """The CPU runs what finds no room, whether the user or the device limits it."""
    with pytest.warns(DelegateWarning, match="memory_limit is 100"):
        np.testing.assert_array_equal(run(chain(memory_limit=100)), EXPECTED)
    interpreter = chain()
    device = device_of(interpreter)
    device._pool.malloc = failing(fake_cupy.OutOfMemoryError("Out of memory"))
    with pytest.warns(DelegateWarning, match="MemoryError: .* bytes on CUDA on CPU: Out of memory"):
        np.testing.assert_array_equal(run(interpreter), EXPECTED)
    assert device.memory_use().now == 0


def test_staged_transfers() -> None:
    """Copies go through pinned memory as far as it goes, and several runs do not mix them up."""
    interpreter = chain()
    for rows in (2, Staging.SIZE // 12 // 2, Staging.SIZE // 12 + 1, 2):
        x = np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)
        with no_fallback():
            np.testing.assert_array_equal(run(interpreter, x), np.maximum(x + 1, 0) + 10)


# The kernel cache.


def compiled(module: Any, cache: Path) -> int:
    """How many programs a run compiles."""
    count = 0
    create = module.cuda.nvrtc.createProgram

    def counted(*args: Any) -> Any:
        nonlocal count
        count += 1
        return create(*args)

    module.cuda.nvrtc.createProgram = counted
    np.testing.assert_array_equal(run(chain(cache_dir=str(cache))), EXPECTED)
    module.cuda.nvrtc.createProgram = create
    return count


def test_kernels_are_compiled_once(module: Any, tmp_path: Path) -> None:
    first = compiled(module, tmp_path)
    assert first == len(list(tmp_path.glob("*/*.bin"))) > 0
    assert compiled(module, tmp_path) == 0
    module.__version__ = "another CuPy"
    assert compiled(module, tmp_path) == first


def test_broken_binaries_are_compiled_anew(module: Any, tmp_path: Path) -> None:
    first = compiled(module, tmp_path)
    for path in tmp_path.glob("*/*.bin"):
        path.write_bytes(b"no binary")
    assert compiled(module, tmp_path) == first
    assert compiled(module, tmp_path) == 0


def test_refused_kernels(module: Any, tmp_path: Path) -> None:
    """What NVRTC says comes with the warning, and the CPU runs the nodes."""
    module.cuda.nvrtc.compileProgram = failing(fake_cupy.NVRTCError("NVRTC_ERROR_COMPILATION"))
    expected = r"NVRTC refuses a kernel: NVRTC_ERROR_COMPILATION\nerror: #error"
    with pytest.warns(DelegateWarning, match=expected):
        np.testing.assert_array_equal(run(chain(cache_dir=str(tmp_path))), EXPECTED)


# Graphs.


class Counted(fake_cupy.Graph):
    """Counts the graphs that are made, and how often they are launched."""

    made = launched = 0

    def __init__(self, actions: Any) -> None:
        super().__init__(actions)
        Counted.made += 1

    def launch(self, stream: Any) -> None:
        super().launch(stream)
        Counted.launched += 1


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[Counted]:
    monkeypatch.setattr(fake_cupy, "Graph", Counted)
    Counted.made = Counted.launched = 0
    return Counted


def test_a_graph_for_each_shape(counted: type[Counted]) -> None:
    """The first run of a shape does without."""
    interpreter, longer = chain(), np.concatenate([X, X])
    for x in (X, 2 * X, longer, 3 * X, 2 * longer):
        with no_fallback():
            np.testing.assert_array_equal(run(interpreter, x), np.maximum(x + 1, 0) + 10)
    assert (counted.made, counted.launched) == (2, 3)


def test_without_graphs(counted: type[Counted]) -> None:
    np.testing.assert_array_equal(run(chain(graphs=False)), EXPECTED)
    assert counted.made == 0


def test_capture_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(stream: Any, mode: int) -> None:
        raise fake_cupy.CUDARuntimeError(901, "capture")

    interpreter = chain()
    monkeypatch.setattr(fake_cupy.Stream, "begin_capture", refuse)
    np.testing.assert_array_equal(run(interpreter), EXPECTED)
    with pytest.warns(UserWarning, match=ONE_BY_ONE) as caught:
        np.testing.assert_array_equal(run(interpreter), EXPECTED)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(run(interpreter), EXPECTED)


# Running.


def test_a_failing_launch_runs_on_the_cpu() -> None:
    interpreter = chain(graphs=False)
    run(interpreter)
    steps_of(interpreter)[0] = failing(RuntimeError("the device is tired"))
    with pytest.warns(DelegateWarning, match="the device is tired"):
        np.testing.assert_array_equal(run(interpreter, X * 2), np.maximum(X * 2 + 1, 0) + 10)


@pytest.mark.parametrize(("status", "code"), [(700, "device_lost"), (1, "run_failed")])
def test_a_lost_device_is_not_asked_again(module: Any, status: int, code: str) -> None:
    interpreter = chain()
    run(interpreter)
    device = device_of(interpreter)
    device.stream.synchronize = failing(fake_cupy.CUDARuntimeError(status, "illegal address"))
    with pytest.warns(DelegateWarning, match="illegal address"):
        np.testing.assert_array_equal(run(interpreter), EXPECTED)
    codes = {r.code for n in interpreter.explain().subgraphs[0].nodes for r in n.refusals.values()}
    assert codes == {code}


def test_errors_of_lost_devices() -> None:
    device = device_of(chain())
    assert device.is_lost(fake_cupy.CUDADriverError(719))
    assert not device.is_lost(fake_cupy.CUDARuntimeError(2))
    assert not device.is_lost(RuntimeError("719"))


def test_timings_of_launches() -> None:
    interpreter = chain()
    run(interpreter)
    seconds = device_of(interpreter).timed(steps_of(interpreter))
    assert len(seconds) == len(steps_of(interpreter))
    assert all(0 < s < 1 for s in seconds)


def test_grids() -> None:
    device = device_of(chain())
    function = SimpleNamespace()
    with pytest.raises(ValueError, match=r"a grid of \(1, 70000, 1\) blocks; CUDA's largest is"):
        device.bind(function, (32, 70000), (32, 1), [])
    device.bind(function, (32, 0), (32, 1), [])()
