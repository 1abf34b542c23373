"""NVRTC, CUDA's compiler, as CuPy gives it."""

from __future__ import annotations

from typing import Any

from litegpu.errors import DelegateLoadError

from .device import DeviceInfo
from .kernel_cache import KernelCache

INSTALL = "pip install 'litegpu[cuda13]', or 'litegpu[cuda12]' for a driver of CUDA 12"
OPTIONS = ("--std=c++17", "--diag-suppress=177", "--device-as-default-execution-space")


class Compiler:
    """NVRTC for one architecture, with a cache on disk."""

    def __init__(self, cupy: Any, info: DeviceInfo, cache: KernelCache) -> None:
        nvrtc = self._nvrtc = cupy.cuda.nvrtc
        try:
            version = ".".join(map(str, nvrtc.getVersion()))
            known = nvrtc.getSupportedArchs()
        except Exception as error:
            raise DelegateLoadError(
                f"CUDA's compiler NVRTC is missing: {INSTALL}. ({error})"
            ) from error
        usable = [arch for arch in known if arch <= info.arch]
        if not usable:
            raise DelegateLoadError(
                f"{info.name} is of compute capability {info.arch / 10}; CUDA {version} compiles "
                f"for {min(known) / 10} and newer. {INSTALL}."
            )
        # For a GPU that is newer than NVRTC, the driver compiles what NVRTC makes.
        self._is_final = max(usable) == info.arch
        kind = "sm" if self._is_final else "compute"
        self._options = (*OPTIONS, f"--gpu-architecture={kind}_{max(usable)}")
        self.identity = (*self._options, f"NVRTC {version}", f"CuPy {cupy.__version__}")
        self._cache = cache

    def binary(self, text: str) -> bytes:
        """What the text is compiled to, from the cache where it is there."""
        return self._cache.load(self._parts(text)) or self.compile(text)

    def compile(self, text: str) -> bytes:
        nvrtc = self._nvrtc
        program = nvrtc.createProgram(text, "kernel.cu", (), ())
        try:
            nvrtc.compileProgram(program, self._options)
            get = nvrtc.getCUBIN if self._is_final else nvrtc.getPTX
            binary = bytes(get(program))
        except nvrtc.NVRTCError as error:
            log = nvrtc.getProgramLog(program)
            raise RuntimeError(f"NVRTC refuses a kernel: {error}\n{log}") from error
        finally:
            nvrtc.destroyProgram(program)
        self._cache.store(self._parts(text), binary)
        return binary

    def _parts(self, text: str) -> list[str]:
        return [text, *self.identity]
