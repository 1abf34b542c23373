"""The OpenCL device: PyOpenCL is imported here alone."""

from __future__ import annotations

import functools
import os
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from litegpu.delegate import MemoryUse
from litegpu.errors import DelegateLoadError
from litegpu.graph import Array

from .budget import Budget
from .device import DeviceInfo, in_order
from .factory import check_options, operators
from .kernel_cache import KernelCache
from .program import Kernel
from .sources import source
from .staging import Staging

if TYPE_CHECKING:
    from .gpu import GpuDelegate

NO_ICD = (
    "OpenCL finds no platform. Install your GPU's driver with its OpenCL ICD, or a CPU "
    "implementation: "
    "pip install 'litegpu[opencl]' brings PoCL."
)

PRECISIONS = ("fp32", "fp16")

LOST = ("DEVICE_NOT_AVAILABLE", "INVALID_COMMAND_QUEUE", "INVALID_CONTEXT")
"""Errors after which nothing runs on a device any more."""


def _cl() -> Any:
    try:
        import pyopencl
    except ImportError as error:
        raise DelegateLoadError(
            "The OpenCL delegate needs PyOpenCL: pip install 'litegpu[opencl]'"
        ) from error
    return pyopencl


def create(
    *,
    device: str | None = None,
    precision: str = "fp32",
    cache_dir: str | None = None,
    memory_limit: int | None = None,
    check_finite: bool = False,
) -> GpuDelegate:
    """The OpenCL delegate; docs/opencl.md describes the options.

    `device`: "platform:device" indices, or part of a device's or platform's name.
    """
    # Every Interpreter asks this module for a GPU; the lowerings are for those that have one.
    from .gpu import GpuDelegate
    from .lowering.context import Options

    check_options(precision, PRECISIONS, memory_limit, check_finite=check_finite)
    chosen = OpenCLDevice(choose(device), cache_dir, memory_limit)
    return GpuDelegate("opencl", chosen, Options(precision), check_finite)


@functools.cache
def finds_gpu() -> bool:
    """Whether a device of GPU type is there: only then is OpenCL a default delegate."""
    try:
        cl = _cl()
        return any(d.type & cl.device_type.GPU for p in cl.get_platforms() for d in p.get_devices())
    except Exception:
        return False


create.finds_gpu = finds_gpu  # type: ignore[attr-defined]
create.operators = operators  # type: ignore[attr-defined]


def devices() -> list[tuple[str, Any]]:
    """("platform:device", device) of every device; DelegateLoadError where there is none."""
    cl = _cl()
    try:
        platforms = cl.get_platforms()
    except cl.Error as error:
        raise DelegateLoadError(NO_ICD) from error
    found = []
    for p, platform in enumerate(platforms):
        try:
            found += [(f"{p}:{d}", device) for d, device in enumerate(platform.get_devices())]
        except cl.Error:
            continue
    if not found:
        raise DelegateLoadError(NO_ICD)
    return found


def choose(wanted: str | None) -> Any:
    """The device that an option or $PYOPENCL_CTX names; else the first GPU, else the first of
    any type."""
    cl = _cl()
    found = devices()
    wanted = wanted if wanted is not None else os.environ.get("PYOPENCL_CTX")
    if wanted is None:
        gpus = [device for _, device in found if device.type & cl.device_type.GPU]
        return gpus[0] if gpus else found[0][1]
    indices = wanted if ":" in wanted else f"{wanted}:0"
    for name, device in found:
        text = f"{device.platform.name} {device.name}".lower()
        if name == indices or (not wanted.replace(":", "").isdigit() and wanted.lower() in text):
            return device
    listed = ", ".join(f"{name} {device.name}" for name, device in found)
    raise DelegateLoadError(f"no OpenCL device is called {wanted!r}; there are: {listed}")


class OpenCLDevice:
    """One in-order queue on one device."""

    def __init__(self, device: Any, cache_dir: str | None, memory_limit: int | None) -> None:
        cl = self._cl = _cl()
        self._device = device
        self._context = cl.Context([device])
        self._queue = cl.CommandQueue(self._context, device)
        self._cache = KernelCache(Path(cache_dir) if cache_dir else None)
        self._budget = Budget(memory_limit, device.max_mem_alloc_size)
        # PyOpenCL's own class takes no weak references.
        self._buffer_type = type("Buffer", (cl.Buffer,), {})
        self._programs: dict[str, Any] = {}
        self._transfers: list[Any] = []
        self._arrivals: list[tuple[Array, Array]] = []
        self.info = DeviceInfo(
            name=f"{device.platform.name.strip()} {device.name.strip()}",
            is_cpu=bool(device.type & cl.device_type.CPU),
            compute_units=device.max_compute_units,
            alignment=max(device.mem_base_addr_align // 8, 128),
            local_bytes=device.local_mem_size,
            max_block=device.max_work_group_size,
            has_half="cl_khr_fp16" in device.extensions,
            has_double="cl_khr_fp64" in device.extensions,
        )
        self._staging = None if self.info.is_cpu else self._pinned()

    def _pinned(self) -> Staging:
        cl = self._cl
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.ALLOC_HOST_PTR
        both = cl.map_flags.READ | cl.map_flags.WRITE
        buffer = cl.Buffer(self._context, flags, Staging.SIZE)
        mapped, _ = cl.enqueue_map_buffer(self._queue, buffer, both, 0, (Staging.SIZE,), np.uint8)
        return Staging(mapped, buffer)

    def allocate(self, size: int) -> Any:
        self._budget.take(size, self.info.name)
        try:
            made = self._buffer_type(self._context, self._cl.mem_flags.READ_WRITE, size)
        except self._cl.Error as error:
            self._budget.give_back(size)
            raise MemoryError(f"{size} bytes on {self.info.name}: {error}") from error
        weakref.finalize(made, self._budget.give_back, size)
        return made

    def memory_use(self) -> MemoryUse:
        return self._budget.use()

    def view(self, buffer: Any, offset: int, size: int) -> Any:
        return buffer.get_sub_region(offset, size)

    def upload(self, array: Array, buffer: Any) -> None:
        staged = None if self._staging is None else self._staging.take(array.nbytes)
        if staged is not None:
            staged[:] = array.reshape(-1).view(np.uint8)
            array = staged
        # The events keep the arrays alive; PyOpenCL waits where one is dropped.
        self._transfers.append(self._cl.enqueue_copy(self._queue, buffer, array, is_blocking=False))

    def copy(self, source: Any, target: Any, size: int) -> None:
        self._cl.enqueue_copy(self._queue, target, source, byte_count=size)

    def download(self, buffer: Any, array: Array) -> None:
        staged = None if self._staging is None else self._staging.take(array.nbytes)
        if staged is not None:
            self._arrivals.append((array.reshape(-1).view(np.uint8), staged))
            array = staged
        self._transfers.append(self._cl.enqueue_copy(self._queue, array, buffer, is_blocking=False))

    def build(self, kernels: Sequence[Kernel]) -> list[Any]:
        texts = {kernel: source(kernel, "cl") for kernel in dict.fromkeys(kernels)}
        missing = [t for t in dict.fromkeys(texts.values()) if t not in self._programs]
        if len(missing) > 1:
            with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
                self._programs.update(zip(missing, pool.map(self._compile, missing), strict=True))
        elif missing:
            self._programs[missing[0]] = self._compile(missing[0])
        return [self._cl.Kernel(self._programs[texts[kernel]], kernel.entry) for kernel in kernels]

    def _compile(self, text: str) -> Any:
        cl, device = self._cl, self._device
        options = ["-cl-std=CL1.2"]
        parts = [text, *options, self.info.name, device.version, device.driver_version]
        binary = self._cache.load(parts)
        if binary is not None:
            with suppress(cl.Error):
                program = cl.Program(self._context, [device], [binary]).build(options)
                if program.num_kernels:
                    return program
        program = cl.Program(self._context, text).build(options, cache_dir=False)
        if not program.num_kernels:
            # PoCL keeps what a process killed while it built has left; other text is built anew.
            text += f"\ntypedef int again_{os.urandom(8).hex()};\n"
            program = cl.Program(self._context, text).build(options, cache_dir=False)
        self._cache.store(parts, program.get_info(cl.program_info.BINARIES)[0])
        return program

    def bind(
        self,
        function: Any,
        threads: Sequence[int],
        block: Sequence[int],
        args: Sequence[Any],
    ) -> Callable[[], object]:
        function.set_args(*args)
        size = tuple(-(-t // b) * b for t, b in zip(threads, block, strict=True))
        enqueue, local = self._cl.enqueue_nd_range_kernel, tuple(block)
        # A kernel object does not keep the buffers that are its arguments.
        kept = tuple(args)

        def launch(_: object = kept) -> object:
            return enqueue(self._queue, function, size, local)

        return launch

    def sequence(self, steps: Sequence[Callable[[], object]]) -> Callable[[], object]:
        return in_order(steps)

    def synchronize(self) -> None:
        try:
            self._queue.finish()
            for array, staged in self._arrivals:
                array[:] = staged
        finally:
            self._transfers.clear()
            self._arrivals.clear()
            if self._staging:
                self._staging.clear()

    def timed(self, steps: Sequence[Callable[[], Any]]) -> list[float]:
        self._queue.finish()
        usual = self._queue
        profiling = self._cl.command_queue_properties.PROFILING_ENABLE
        self._queue = self._cl.CommandQueue(self._context, self._device, properties=profiling)
        try:
            events = [step() for step in steps]
            self._queue.finish()
        finally:
            self._queue = usual
        return [(event.profile.end - event.profile.start) * 1e-9 for event in events]

    def is_lost(self, error: Exception) -> bool:
        lost = [getattr(self._cl.status_code, name) for name in LOST]
        return isinstance(error, self._cl.Error) and getattr(error, "code", None) in lost
