"""The CUDA device: CuPy is imported here alone."""

from __future__ import annotations

import functools
import itertools
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from litegpu.delegate import MemoryUse
from litegpu.errors import DelegateLoadError
from litegpu.graph import Array

from .budget import Budget
from .cuda_buffer import Buffer
from .cuda_compiler import INSTALL, Compiler
from .cuda_exchange import Exchange
from .cuda_graph import Graph
from .device import DeviceInfo, in_order
from .factory import check_options, operators
from .kernel_cache import KernelCache
from .program import Kernel
from .sources import source
from .staging import Staging

if TYPE_CHECKING:
    from .gpu import GpuDelegate

PRECISIONS = ("fp32", "tf32", "fp16")
ALIGNMENT = 256
LARGEST_GRID = (2**31 - 1, 65535, 65535)

WAIT = Kernel("wait", "wait")
LAUNCH_CYCLES = 40_000
"""More than pass while the host puts a launch and an event on the stream."""

NO_DEVICE = 100
INSUFFICIENT_DRIVER = 35
LOST = frozenset({46, 101, 201, 214, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 720, 999})
"""CUDA's errors after which its context does nothing any more: the device is gone, or a kernel has
read or written where it may not."""


def _cupy() -> Any:
    try:
        import cupy  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise DelegateLoadError(f"The CUDA delegate needs CuPy: {INSTALL}. ({error})") from error
    return cupy


def create(
    *,
    device: int | str | None = None,
    precision: str = "fp32",
    cache_dir: str | None = None,
    memory_limit: int | None = None,
    check_finite: bool = False,
    graphs: bool = True,
    outputs: str = "host",
    tune: bool = False,
) -> GpuDelegate:
    """The CUDA delegate; docs/cuda.md describes the options.

    `device`: CUDA's index of a GPU, or part of its name. `graphs`: whether the launches of a
    partition are one CUDA graph. `outputs`: "device" leaves the outputs of the graph there until
    they are asked for. `tune`: whether products are cut into tiles as measurements say.
    """
    # Every Interpreter asks this module for a GPU; the lowerings are for those that have one.
    from .gpu import GpuDelegate
    from .lowering.context import Options
    from .tuning import Tuner

    switches = {"check_finite": check_finite, "graphs": graphs, "tune": tune}
    check_options(precision, PRECISIONS, memory_limit, **switches)
    if outputs not in ("host", "device"):
        raise ValueError(f"option outputs is {outputs!r}; 'host' or 'device' expected")
    chosen = CudaDevice(choose(device), cache_dir, memory_limit, graphs)
    exchange = Exchange(_cupy(), chosen, outputs == "device")
    made = GpuDelegate("cuda", chosen, Options(precision), check_finite, exchange)
    if tune:
        made.prepare = Tuner(made, made.options.plans, chosen.cache, chosen.identity).tune
    return made


@functools.cache
def finds_gpu() -> bool:
    """Whether there is a GPU that CUDA can use: only then is CUDA a default delegate."""
    try:
        return bool(devices())
    except Exception:
        return False


create.finds_gpu = finds_gpu  # type: ignore[attr-defined]
create.operators = operators  # type: ignore[attr-defined]


def devices() -> list[str]:
    """The names of all GPUs, by CUDA's index; DelegateLoadError says why there is none."""
    runtime = _cupy().cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        raise DelegateLoadError(_why_none(runtime, error)) from error
    names = [runtime.getDeviceProperties(i)["name"] for i in range(count)]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _why_none(runtime: Any, error: Any) -> str:
    if error.status == NO_DEVICE:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        hint = f" CUDA_VISIBLE_DEVICES is {visible!r}." if visible is not None else ""
        return f"CUDA finds no NVIDIA GPU.{hint}"
    if error.status != INSUFFICIENT_DRIVER:
        return f"CUDA does not start: {error}"
    installed = runtime.driverGetVersion()
    if not installed:
        return "CUDA finds no driver: install NVIDIA's driver for your GPU."
    return (
        f"The NVIDIA driver is too old: it is for CUDA {_version(installed)}, and the installed "
        f"CuPy for CUDA {_version(runtime.runtimeGetVersion())}. Install a newer driver, or "
        f"another CuPy: {INSTALL}."
    )


def _version(number: int) -> str:
    """CUDA's version, which it gives as 12040 for 12.4."""
    return f"{number // 1000}.{number % 1000 // 10}"


def choose(wanted: int | str | None) -> int:
    """The index of the GPU that an option names; the first unless it names one."""
    names = devices()
    text = "0" if wanted is None else str(wanted)
    for index, name in enumerate(names):
        if text == str(index) or (not text.isdigit() and text.lower() in name.lower()):
            return index
    listed = ", ".join(f"{index} {name}" for index, name in enumerate(names))
    raise DelegateLoadError(f"no CUDA device is called {wanted!r}; there are: {listed}")


class CudaDevice:
    """One stream on one GPU."""

    def __init__(
        self, index: int, cache_dir: str | None, memory_limit: int | None, graphs: bool
    ) -> None:
        cupy = self._cupy = _cupy()
        facts = cupy.cuda.runtime.getDeviceProperties(index)
        self.info = DeviceInfo(
            name=devices()[index],
            is_cpu=False,
            compute_units=facts["multiProcessorCount"],
            alignment=ALIGNMENT,
            local_bytes=facts["sharedMemPerBlock"],
            max_block=facts["maxThreadsPerBlock"],
            has_half=True,
            warp=32,
            arch=10 * facts["major"] + facts["minor"],
        )
        self.cache = KernelCache(Path(cache_dir) if cache_dir else None)
        self._compiler = Compiler(cupy, self.info, self.cache)
        self.identity = (self.info.name, *self._compiler.identity)
        self._budget = Budget(memory_limit, facts["totalGlobalMem"])
        self._graphs = graphs
        self._modules: dict[str, Any] = {}
        self._arrivals: list[tuple[Array, Array]] = []
        self._departures: list[Array] = []
        self.index = index
        self._device = cupy.cuda.Device(index)
        with self._device:
            self.stream = cupy.cuda.Stream(non_blocking=True)
            self._pool = cupy.cuda.MemoryPool()
            pinned = cupy.cuda.alloc_pinned_memory(Staging.SIZE)
        self._staging = Staging(np.frombuffer(pinned, np.uint8, Staging.SIZE), pinned)

    @contextmanager
    def here(self) -> Iterator[None]:
        """CUDA keeps the device, and CuPy the stream, for each thread."""
        with self._device, self.stream:
            yield

    def allocate(self, size: int) -> Any:
        self._budget.take(size, self.info.name)
        try:
            with self.here():
                memory = self._pool.malloc(size)
        except MemoryError as error:
            self._budget.give_back(size)
            raise MemoryError(f"{size} bytes on {self.info.name}: {error}") from error
        made = Buffer(memory.ptr, size, memory)
        weakref.finalize(made, self._budget.give_back, size)
        return made

    def memory_use(self) -> MemoryUse:
        return self._budget.use()

    def view(self, buffer: Any, offset: int, size: int) -> Any:
        return Buffer(buffer.pointer + offset, size, buffer)

    def upload(self, array: Array, buffer: Any) -> None:
        staged = self._staging.take(array.nbytes)
        if staged is not None:
            staged[:] = array.reshape(-1).view(np.uint8)
            array = staged
        self._departures.append(array)
        self._copy(buffer.pointer, array.ctypes.data, array.nbytes, "memcpyHostToDevice")

    def copy(self, source: Any, target: Any, size: int) -> None:
        self._copy(target.pointer, source.pointer, size, "memcpyDeviceToDevice")

    def download(self, buffer: Any, array: Array) -> None:
        staged = self._staging.take(array.nbytes)
        if staged is not None:
            self._arrivals.append((array.reshape(-1).view(np.uint8), staged))
            array = staged
        self._copy(array.ctypes.data, buffer.pointer, array.nbytes, "memcpyDeviceToHost")

    def _copy(self, to: int, start: int, size: int, kind: str) -> None:
        runtime = self._cupy.cuda.runtime
        with self._device:
            runtime.memcpyAsync(to, start, size, getattr(runtime, kind), self.stream.ptr)

    def build(self, kernels: Sequence[Kernel]) -> list[Any]:
        texts = {kernel: source(kernel, "cu") for kernel in dict.fromkeys(kernels)}
        missing = [t for t in dict.fromkeys(texts.values()) if t not in self._modules]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            binaries = list(pool.map(self._compiler.binary, missing))
        with self.here():
            for text, binary in zip(missing, binaries, strict=True):
                self._modules[text] = self._load(text, binary)
            return [self._modules[texts[k]].get_function(k.entry) for k in kernels]

    def _load(self, text: str, binary: bytes) -> Any:
        """A module; one that the cache holds broken is compiled anew."""
        module = self._cupy.cuda.Module()
        try:
            module.load(binary)
        except self._cupy.cuda.driver.CUDADriverError:
            module.load(self._compiler.compile(text))
        return module

    def bind(
        self,
        function: Any,
        threads: Sequence[int],
        block: Sequence[int],
        args: Sequence[Any],
    ) -> Callable[[], object]:
        rest = (1,) * (3 - len(threads))
        size = (*block, *rest)
        grid = (*(-(-t // b) for t, b in zip(threads, block, strict=True)), *rest)
        if any(n > most for n, most in zip(grid, LARGEST_GRID, strict=True)):
            raise ValueError(f"a grid of {grid} blocks; CUDA's largest is {LARGEST_GRID}")
        values = tuple(np.uintp(a.pointer) if isinstance(a, Buffer) else a for a in args)
        kept = tuple(args)

        def launch(_: object = kept) -> None:
            with self._device:
                function(grid, size, values, 0, self.stream)

        return launch if all(grid) else lambda: None

    def sequence(self, steps: Sequence[Callable[[], object]]) -> Callable[[], object]:
        return Graph(self._cupy, self.here, self.stream, steps) if self._graphs else in_order(steps)

    def synchronize(self) -> None:
        try:
            with self._device:
                self.stream.synchronize()
            for array, staged in self._arrivals:
                array[:] = staged
        finally:
            self._arrivals.clear()
            self._departures.clear()
            self._staging.clear()

    def timed(self, steps: Sequence[Callable[[], object]]) -> list[float]:
        cuda = self._cupy.cuda
        (wait,) = self.build([WAIT])
        cycles = np.int64(LAUNCH_CYCLES * (len(steps) + 1))
        with self.here():
            events = [cuda.Event() for _ in range(len(steps) + 1)]
            # The host gets ahead of the device, so that events lie close around the kernels.
            self.bind(wait, [1], [1], [cycles])()
            events[0].record(self.stream)
            for step, event in zip(steps, events[1:], strict=True):
                step()
                event.record(self.stream)
            self.stream.synchronize()
            pairs = itertools.pairwise(events)
            return [cuda.get_elapsed_time(start, end) * 1e-3 for start, end in pairs]

    def is_lost(self, error: Exception) -> bool:
        cuda = self._cupy.cuda
        kinds = (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError)
        return isinstance(error, kinds) and getattr(error, "status", None) in LOST
