"""The OpenCL device: PyOpenCL is imported here alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from litegpu.errors import DelegateLoadError
from litegpu.graph import Array

from .device import DeviceInfo
from .gpu import GpuDelegate
from .kernel_cache import KernelCache
from .lowering.context import Options
from .program import Kernel
from .sources import source

NO_ICD = (
    "OpenCL finds no platform. Install your GPU's driver with its OpenCL ICD, or a CPU "
    "implementation: "
    "pip install litegpu[opencl] brings PoCL."
)


def _cl() -> Any:
    try:
        import pyopencl
    except ImportError as error:
        raise DelegateLoadError(
            "The OpenCL delegate needs PyOpenCL: pip install litegpu[opencl]"
        ) from error
    return pyopencl


def create(
    *,
    device: str | None = None,
    precision: str = "fp32",
    cache_dir: str | None = None,
    memory_limit: int | None = None,
) -> GpuDelegate:
    """The OpenCL delegate. `device`: "platform:device" indices, or part of a device's or
    platform's name."""
    if precision not in ("fp32", "fp16"):
        raise ValueError(f"option precision is {precision!r}; 'fp32' or 'fp16' expected")
    chosen = OpenCLDevice(choose(device), cache_dir, memory_limit)
    return GpuDelegate("opencl", chosen, Options(precision))


def finds_gpu() -> bool:
    """Whether a device of GPU type is there: only then is OpenCL a default delegate."""
    try:
        cl = _cl()
        return any(d.type & cl.device_type.GPU for p in cl.get_platforms() for d in p.get_devices())
    except Exception:
        return False


create.finds_gpu = finds_gpu  # type: ignore[attr-defined]


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
        self._limit = memory_limit
        self._used = 0
        self._programs: dict[str, Any] = {}
        self.info = DeviceInfo(
            name=f"{device.platform.name.strip()} {device.name.strip()}",
            is_cpu=bool(device.type & cl.device_type.CPU),
            compute_units=device.max_compute_units,
            alignment=max(device.mem_base_addr_align // 8, 128),
            local_bytes=device.local_mem_size,
            max_block=device.max_work_group_size,
            has_half="cl_khr_fp16" in device.extensions,
        )

    def allocate(self, size: int) -> Any:
        if self._limit is not None and size > self._limit:
            raise MemoryError(f"{size} bytes on {self.info.name}; memory_limit is {self._limit}")
        return self._cl.Buffer(self._context, self._cl.mem_flags.READ_WRITE, size)

    def view(self, buffer: Any, offset: int, size: int) -> Any:
        return buffer.get_sub_region(offset, size)

    def upload(self, array: Array, buffer: Any) -> None:
        self._cl.enqueue_copy(self._queue, buffer, array, is_blocking=True)

    def download(self, buffer: Any, array: Array) -> None:
        self._cl.enqueue_copy(self._queue, array, buffer, is_blocking=True)

    def build(self, kernels: Sequence[Kernel]) -> list[Any]:
        texts = {kernel: source(kernel, "cl") for kernel in dict.fromkeys(kernels)}
        missing = [t for t in dict.fromkeys(texts.values()) if t not in self._programs]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            self._programs.update(zip(missing, pool.map(self._compile, missing), strict=True))
        return [self._cl.Kernel(self._programs[texts[kernel]], kernel.entry) for kernel in kernels]

    def _compile(self, text: str) -> Any:
        cl, device = self._cl, self._device
        options = ["-cl-std=CL1.2"]
        parts = [text, *options, self.info.name, device.version, device.driver_version]
        binary = self._cache.load(parts)
        if binary is not None:
            try:
                return cl.Program(self._context, [device], [binary]).build(options)
            except cl.Error:
                binary = None
        program = cl.Program(self._context, text).build(options, cache_dir=False)
        self._cache.store(parts, program.get_info(cl.program_info.BINARIES)[0])
        return program

    def bind(
        self,
        function: Any,
        threads: Sequence[int],
        block: Sequence[int] | None,
        args: Sequence[Any],
    ) -> Callable[[], None]:
        function.set_args(*args)
        size = tuple(threads)
        if block is not None:
            size = tuple(-(-t // b) * b for t, b in zip(threads, block, strict=True))
        enqueue, queue = self._cl.enqueue_nd_range_kernel, self._queue

        def launch() -> None:
            enqueue(queue, function, size, block)

        return launch

    def synchronize(self) -> None:
        self._queue.finish()
