"""Libraries of single kernels, made from CUDA text by a C++ compiler of the CPU."""

from __future__ import annotations

import ctypes
import functools
import itertools
import os
import platform
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from litegpu.delegates.kernel_cache import KernelCache, default_directory

HERE = Path(__file__).resolve().parent
COMPILERS = ("c++", "g++", "clang++")
RUNTIME = ("scheduler.cpp", "fiber.h", "place.h")
HEADERS = ("cuda.h", "place.h")

COMMON = ("-std=c++17", "-shared", "-fPIC", "-w", f"-I{HERE}", "-fno-math-errno")
KERNEL = ("-O1", "-fwrapv", "-fno-strict-aliasing", "-funsigned-char")
"""As CUDA does it: integers wrap, and memory is read as any type."""

CONTRACTED = ("-mfma", "-ffp-contract=fast", "-fexpensive-optimizations")
SEPARATE = ("-ffp-contract=off",)

RUNNING = threading.Lock()
"""One launch at a time: the scheduler knows but one."""

SANITIZER = ("-g", "-fsanitize=address,alignment", "-fno-sanitize-recover=all")


class CompileError(Exception):
    """The compiler's messages."""


def sanitizes() -> bool:
    """Whether kernels are built to stop where they leave their buffers ($LITEGPU_CUDA_ON_CPU_ASAN);
    the process must have loaded the sanitizer's library first."""
    return bool(os.environ.get("LITEGPU_CUDA_ON_CPU_ASAN"))


@functools.cache
def compiler() -> str | None:
    """$CXX, or the first C++ compiler of the system."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else COMPILERS
    return next(filter(None, map(shutil.which, names)), None)


@functools.cache
def arithmetic() -> tuple[str, ...]:
    """Options that contract products and sums as NVRTC does, where the CPU can: a kernel whose
    integers hang on separate roundings is found out."""
    facts = Path("/proc/cpuinfo")
    has_fma = facts.exists() and " fma " in facts.read_text()
    return CONTRACTED if has_fma and platform.machine() == "x86_64" else SEPARATE


@functools.cache
def _identity() -> str:
    version = subprocess.run([str(compiler()), "--version"], capture_output=True, text=True)
    return f"{platform.machine()} {version.stdout}"


@functools.cache
def _cache() -> KernelCache:
    return KernelCache(default_directory() / "cuda_on_cpu")


def _built(text: str, options: Sequence[str], depends: Sequence[str]) -> Path:
    """The library made of `text`, from the cache where it is there."""
    options = [*COMMON, *options, *(SANITIZER if sanitizes() else ())]
    parts = [text, *options, _identity(), *((HERE / name).read_text() for name in depends)]
    path = _cache().path(parts)
    if path.exists():
        return path
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "library.so"
        command = [str(compiler()), *options, "-x", "c++", "-", "-o", str(made)]
        plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        done = subprocess.run(command, input=text, capture_output=True, text=True, env=plain)
        if done.returncode:
            raise CompileError(done.stderr)
        _cache().store(parts, made.read_bytes())
    assert path.exists(), f"{path} cannot be written"
    return path


@functools.cache
def _runtime() -> ctypes.CDLL:
    """The scheduler, whose symbols the kernels' libraries find."""
    path = _built(f'#include "{RUNTIME[0]}"\n', ("-O2",), RUNTIME)
    library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    library.cuda_on_cpu_launch.restype = ctypes.c_char_p
    return library


@dataclass(frozen=True)
class Entry:
    """One kernel, ready to run. `sizes`: the bytes of its parameters. `waits`: it has barriers, or
    threads that exchange values."""

    name: str
    function: ctypes._FuncPointer
    sizes: list[int]
    shared: int
    shared_bytes: int
    waits: bool

    def run(
        self, grid: Sequence[int], block: Sequence[int], args: Sequence[np.generic]
    ) -> str | None:
        """Runs all blocks; what went wrong. $LITEGPU_CUDA_ON_CPU_ORDER: "backwards" runs the last
        threads first."""
        held = [np.asarray(arg) for arg in args]
        given = [a.nbytes for a in held]
        if given != self.sizes:
            return f"{self.name} takes arguments of {self.sizes} bytes, and was given {given}"
        places = (ctypes.c_void_p * max(1, len(held)))(*(a.ctypes.data for a in held))
        backwards = os.environ.get("LITEGPU_CUDA_ON_CPU_ORDER") == "backwards"
        with RUNNING:
            failure = _runtime().cuda_on_cpu_launch(
                self.function,
                places,
                (ctypes.c_uint * 3)(*grid),
                (ctypes.c_uint * 3)(*block),
                ctypes.c_bool(self.waits),
                ctypes.c_bool(backwards),
                ctypes.c_void_p(self.shared),
                ctypes.c_size_t(self.shared_bytes),
            )
            return failure.decode() if failure else None


@functools.cache
def entry(text: str, name: str) -> Entry:
    """The kernel `name` of a program's text; others in it are left out."""
    _runtime()
    alone = text.replace('extern "C" __global__', "__global__")
    whole = f'#include "cuda.h"\n#line 1\n{alone}\nCUDA_ON_CPU_ENTRY({name})\n'
    path = _built(whole, (*KERNEL, *arithmetic()), HEADERS)
    library = ctypes.CDLL(str(path))
    library.cuda_on_cpu_shared.restype = ctypes.c_void_p
    library.cuda_on_cpu_sizes.restype = ctypes.POINTER(ctypes.c_uint)
    sizes = list(itertools.takewhile(bool, library.cuda_on_cpu_sizes()))
    size = ctypes.c_size_t()
    shared = library.cuda_on_cpu_shared(ctypes.byref(size)) or 0
    binary = path.read_bytes()
    waits = any(symbol in binary for symbol in (b"cuda_on_cpu_barrier", b"cuda_on_cpu_exchange"))
    return Entry(name, library.cuda_on_cpu_entry, sizes, shared, size.value, waits)
