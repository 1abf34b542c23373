"""CUDA C++ compiled by NVRTC, which needs no GPU, and what ptxas says of each kernel."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litegpu.delegates.cuda_compiler import OPTIONS
from litegpu.delegates.kernel_cache import KernelCache

VERBOSE = (*OPTIONS, "--ptxas-options=-v")


class CompileError(RuntimeError):
    """The compiler refused a text; the message is its log."""


@dataclass(frozen=True)
class Resources:
    """What a kernel needs: registers of a thread; bytes of shared memory of a block, of a thread's
    stack, and of what registers are spilled to and loaded from."""

    registers: int
    shared: int
    stack: int
    spilled: int


def _nvrtc() -> Any:
    from cuda.bindings import nvrtc

    return nvrtc


def _checked(answer: tuple[Any, ...]) -> Any:
    """The value beside NVRTC's status; CompileError unless that is success."""
    status, *values = answer
    if status != _nvrtc().nvrtcResult.NVRTC_SUCCESS:
        raise CompileError(str(status))
    return values[0] if values else None


def architectures() -> list[int]:
    """The architectures for which NVRTC compiles, as 75 for sm_75, oldest first."""
    return sorted(_checked(_nvrtc().nvrtcGetSupportedArchs()))


def compile_text(text: str, arch: int) -> dict[str, Resources]:
    """The resources of each kernel of a program, by name; it may include no header."""
    nvrtc, options = _nvrtc(), [f"--gpu-architecture=sm_{arch}", *VERBOSE]
    program = _checked(nvrtc.nvrtcCreateProgram(text.encode(), b"kernel.cu", 0, [], []))
    try:
        (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [o.encode() for o in options])
        log = b" " * _checked(nvrtc.nvrtcGetProgramLogSize(program))
        _checked(nvrtc.nvrtcGetProgramLog(program, log))
    finally:
        nvrtc.nvrtcDestroyProgram(program)
    said = log.decode().rstrip("\0 \n")
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise CompileError(said or str(status))
    return read_log(said)


def read_log(log: str) -> dict[str, Resources]:
    """The resources of each kernel that a verbose log of ptxas tells of."""
    found = {}
    for part in log.split("Compiling entry function '")[1:]:

        def number(pattern: str, part: str = part) -> int:
            return sum(int(n) for n in re.findall(rf"(\d+) {pattern}", part))

        found[part.partition("'")[0]] = Resources(
            number("registers"), number("bytes smem"), number("bytes stack"), number("bytes spill")
        )
    return found


def compile_cached(text: str, arch: int, folder: Path) -> dict[str, Resources]:
    """`compile_text`, of which success is kept in a folder."""
    cache = KernelCache(folder)
    key = [text, str(arch), str(_nvrtc().nvrtcVersion()), *VERBOSE]
    known = cache.load(key)
    if known is None:
        made = compile_text(text, arch)
        content = {name: dataclasses.asdict(resources) for name, resources in made.items()}
        cache.store(key, json.dumps(content).encode())
        return made
    return {name: Resources(**values) for name, values in json.loads(known).items()}
