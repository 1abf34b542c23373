"""A module `cupy` with what delegates/cuda.py uses of it: its device is the CPU.

Streams do their work when they are waited for, and no sooner: what the delegate does with memory
too early, or reads too early, is seen.
"""

from __future__ import annotations

import ctypes
import itertools
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from . import compiler

NAME = "CUDA on CPU"
ARCHITECTURES = [75, 80, 90]
MEMORY = 4 << 30
ALIGNMENT = 512
MAGIC = b"text of CUDA\0"
CAPTURE_FORBIDS = 900
LAUNCH_FAILURE = 719

libc = ctypes.CDLL(None)


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(f"cudaError {status}: {message}")
        self.status = status


class CUDADriverError(RuntimeError):
    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(f"CUDA_ERROR {status}: {message}")
        self.status = status


class OutOfMemoryError(MemoryError):
    pass


class NVRTCError(RuntimeError):
    pass


class Device:
    def __init__(self, device: int) -> None:
        self.id = device

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Stream:
    """Actions in order; `synchronize` does them."""

    numbers = itertools.count(1)
    current: ClassVar[list[Stream]] = []
    all: ClassVar[weakref.WeakValueDictionary[int, Stream]] = weakref.WeakValueDictionary()

    def __init__(self, null: bool = False, non_blocking: bool = False) -> None:
        self.ptr = 0 if null else next(self.numbers)
        self.all[self.ptr] = self
        self._waiting: list[Callable[[], None]] = []
        self._captured: list[Callable[[], None]] | None = None

    def __enter__(self) -> Stream:
        self.current.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        self.current.pop()

    def put(self, action: Callable[[], None]) -> None:
        (self._waiting if self._captured is None else self._captured).append(action)

    def synchronize(self) -> None:
        if self._captured is not None:
            raise CUDARuntimeError(CAPTURE_FORBIDS, "a stream that captures cannot be waited for")
        while self._waiting:
            self._waiting.pop(0)()

    def begin_capture(self, mode: int | None = None) -> None:
        self._captured = []

    def end_capture(self) -> Graph:
        captured, self._captured = self._captured, None
        assert captured is not None
        return Graph(captured)

    def wait_event(self, event: Event) -> None:
        self.put(event.happen)


class Graph:
    def __init__(self, actions: Sequence[Callable[[], None]]) -> None:
        self._actions = actions

    def launch(self, stream: Stream) -> None:
        for action in self._actions:
            stream.put(action)


class Event:
    def __init__(self, block: bool = False, disable_timing: bool = False) -> None:
        self._stream: Stream | None = None
        self.seconds: float | None = None

    def record(self, stream: Stream) -> None:
        self._stream, self.seconds = stream, None
        stream.put(self._reached)

    def _reached(self) -> None:
        self.seconds = time.perf_counter()

    def happen(self) -> None:
        """What a stream that waits for the event does."""
        if self._stream is not None and self.seconds is None:
            self._stream.synchronize()


def get_elapsed_time(start: Event, end: Event) -> float:
    assert start.seconds is not None
    assert end.seconds is not None
    return (end.seconds - start.seconds) * 1e3


class MemoryPointer:
    """Memory of exactly `size` bytes, so that a sanitizer knows its end; at first it holds NaN."""

    def __init__(self, size: int) -> None:
        place = ctypes.c_void_p()
        failed = libc.posix_memalign(
            ctypes.byref(place), ctypes.c_size_t(ALIGNMENT), ctypes.c_size_t(size)
        )
        if failed or place.value is None:
            raise OutOfMemoryError(f"{size} bytes")
        self.ptr = place.value
        ctypes.memset(self.ptr, 0xFF, size)
        weakref.finalize(self, libc.free, ctypes.c_void_p(self.ptr))


class ndarray:
    """An array on the device; `host` is NumPy's view of it."""

    def __init__(self, host: Any) -> None:
        self.host = host
        self.shape, self.dtype, self.nbytes = host.shape, host.dtype, host.nbytes
        self.data = SimpleNamespace(ptr=host.ctypes.data)
        self.device = Device(0)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, self.device.id)

    def __dlpack__(self, *, stream: int) -> ndarray:
        return self

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": self.dtype.str, "array": self, "version": 3}


def from_dlpack(value: Any) -> ndarray:
    """The producer lets the current stream wait for its own."""
    made: ndarray = value.__dlpack__(stream=Stream.current[-1].ptr)
    return made


def asarray(value: Any) -> ndarray:
    facts = value.__cuda_array_interface__
    if facts.get("stream") is not None:
        Stream.all[facts["stream"]].synchronize()
    made: ndarray = facts["array"]
    return made


def ascontiguousarray(array: ndarray) -> ndarray:
    if array.host.flags.c_contiguous:
        return array
    made = empty(array.shape, array.dtype)
    Stream.current[-1].put(lambda: np.copyto(made.host, array.host))
    return made


def empty(shape: tuple[int, ...], dtype: Any) -> ndarray:
    return ndarray(np.full(shape, -99, dtype))


class MemoryPool:
    def malloc(self, size: int) -> MemoryPointer:
        if size > MEMORY:
            raise OutOfMemoryError(f"Out of memory allocating {size} bytes")
        return MemoryPointer(size)


class Function:
    def __init__(self, entry: compiler.Entry) -> None:
        self._entry = entry

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: tuple[np.generic, ...],
        shared_mem: int = 0,
        stream: Stream | None = None,
    ) -> None:
        assert stream is not None
        assert shared_mem == 0
        assert all(isinstance(arg, np.generic) for arg in args)
        stream.put(lambda: self._run(grid, block, args))

    def _run(self, grid: Sequence[int], block: Sequence[int], args: Sequence[np.generic]) -> None:
        failure = self._entry.run(grid, block, args)
        if failure:
            raise CUDARuntimeError(LAUNCH_FAILURE, failure)


class Module:
    def __init__(self) -> None:
        self._text = ""

    def load(self, binary: bytes) -> None:
        if not binary.startswith(MAGIC):
            raise CUDADriverError(200, "this is no binary")
        self._text = binary.removeprefix(MAGIC).decode()

    def get_function(self, name: str) -> Function:
        return Function(compiler.entry(self._text, name))


class Compiler:
    """NVRTC: the binary is the text, of which `Module` compiles the kernels that are asked for."""

    def __init__(self) -> None:
        self._programs: dict[int, str] = {}
        self._numbers = itertools.count(1)

    def createProgram(self, text: str, name: str, headers: Any, names: Any) -> int:
        number = next(self._numbers)
        self._programs[number] = text
        return number

    def compileProgram(self, program: int, options: Sequence[str]) -> None:
        if "#error" in self._programs[program]:
            raise NVRTCError("NVRTC_ERROR_COMPILATION (6)")

    def getCUBIN(self, program: int) -> bytes:
        return MAGIC + self._programs[program].encode()

    getPTX = getCUBIN

    def getProgramLog(self, program: int) -> str:
        return f"error: #error directive in {len(self._programs[program])} characters"

    def destroyProgram(self, program: int) -> None:
        del self._programs[program]


def memcpy_async(to: int, start: int, size: int, kind: int, stream: int) -> None:
    Stream.all[stream].put(lambda: void(ctypes.memmove(to, start, size)))


def void(_: object) -> None:
    pass


def properties(index: int) -> dict[str, Any]:
    return {
        "name": NAME.encode(),
        "multiProcessorCount": 132,
        "sharedMemPerBlock": 49152,
        "maxThreadsPerBlock": 1024,
        "totalGlobalMem": MEMORY,
        "major": 9,
        "minor": 0,
    }


def make() -> Any:
    """The module."""
    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=lambda: 1,
        getDeviceProperties=properties,
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 13000,
        memcpyAsync=memcpy_async,
        memcpyHostToDevice=1,
        memcpyDeviceToHost=2,
        memcpyDeviceToDevice=3,
        streamCaptureModeThreadLocal=1,
    )
    nvrtc = Compiler()
    module: Any = ModuleType("cupy")
    module.__version__ = "0 (CPU)"
    for function in (asarray, ascontiguousarray, empty, from_dlpack):
        setattr(module, function.__name__, function)
    module.cuda = SimpleNamespace(
        Device=Device,
        Event=Event,
        MemoryPool=MemoryPool,
        Module=Module,
        Stream=Stream,
        alloc_pinned_memory=lambda size: ctypes.create_string_buffer(size),
        driver=SimpleNamespace(CUDADriverError=CUDADriverError),
        get_elapsed_time=get_elapsed_time,
        nvrtc=SimpleNamespace(
            NVRTCError=NVRTCError,
            compileProgram=nvrtc.compileProgram,
            createProgram=nvrtc.createProgram,
            destroyProgram=nvrtc.destroyProgram,
            getCUBIN=nvrtc.getCUBIN,
            getPTX=nvrtc.getPTX,
            getProgramLog=nvrtc.getProgramLog,
            getSupportedArchs=lambda: ARCHITECTURES,
            getVersion=lambda: (13, 0),
        ),
        runtime=runtime,
    )
    return module


@contextmanager
def installed(module: Any = None) -> Any:
    """While it lasts, `import cupy` gives this module."""
    import sys

    before = sys.modules.get("cupy")
    sys.modules["cupy"] = module or make()
    try:
        yield sys.modules["cupy"]
    finally:
        del sys.modules["cupy"]
        if before is not None:
            sys.modules["cupy"] = before
