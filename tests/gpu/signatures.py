"""What kernels take, read from their source after the preprocessor."""

from __future__ import annotations

import functools
import io
import re
from dataclasses import replace

import numpy as np
from litegpu.delegates.program import Argument, Kernel, Ref
from litegpu.delegates.sources import source
from pcpp import Preprocessor  # type: ignore[import-untyped]

SCALARS = {
    "char": np.int8,
    "uchar": np.uint8,
    "short": np.int16,
    "ushort": np.uint16,
    "int": np.int32,
    "uint": np.uint32,
    "long": np.int64,
    "ulong": np.uint64,
    "float": np.float32,
    "double": np.float64,
}
"""NumPy's scalar of each type that a kernel takes by value."""

ENTRY = {
    "cl": r"__kernel\s+void\s+{}\s*\(([^)]*)\)",
    "cu": r'extern "C" __global__ void\s+(?:__launch_bounds__\([^)]*\)+\s*)?{}\s*\(([^)]*)\)',
}
"""The parameters of an entry, by kernel language."""


def parameters(kernel: Kernel, suffix: str = "cl") -> tuple[str, ...]:
    """The parameters that a kernel declares, as C text."""
    text = _preprocessed(replace(kernel, entry=""), suffix)
    found = re.search(ENTRY[suffix].format(re.escape(kernel.entry)), text)
    assert found, f"{kernel.stem}.{suffix} has no kernel {kernel.entry!r}"
    return tuple(" ".join(p.split()) for p in found[1].split(","))


@functools.cache
def _preprocessed(kernel: Kernel, suffix: str) -> str:
    preprocessor = Preprocessor()
    preprocessor.line_directive = None
    preprocessor.parse(source(kernel, suffix))
    text = io.StringIO()
    preprocessor.write(text)
    assert preprocessor.return_code == 0
    return text.getvalue()


def accepts(parameter: str, arg: Argument) -> bool:
    """Whether an argument is of the kind that the parameter is: a buffer, or this very scalar."""
    if isinstance(arg, Ref):
        return "*" in parameter
    return "*" not in parameter and type(arg) is SCALARS[parameter.split()[-2]]
