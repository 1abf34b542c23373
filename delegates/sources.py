"""The source text of kernels: defines, prelude, common part, and the file or generated body."""

from __future__ import annotations

import functools
import re
from importlib.resources import files

from .program import Kernel

LANGUAGES = {
    "cl": ("litegpu.kernels_opencl", "common.clh"),
    "cu": ("litegpu.kernels_cuda", "common.cuh"),
}
"""The package and the common header of each kernel language, by file suffix."""

INCLUDE = re.compile(r'^#include "(.*)"\n', re.MULTILINE)


@functools.cache
def read(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


def source(kernel: Kernel, suffix: str) -> str:
    """The whole text of a kernel's program, without include directives."""
    package, header = LANGUAGES[suffix]
    defines = "".join(f"#define {name} {value}\n" for name, value in kernel.defines)

    def expanded(text: str) -> str:
        return INCLUDE.sub(
            lambda found: "" if found[1] == header else expanded(read(package, found[1])), text
        )

    body = expanded(kernel.body or read(package, f"{kernel.stem}.{suffix}"))
    return "\n".join([defines, kernel.prelude, read(package, header), body])
