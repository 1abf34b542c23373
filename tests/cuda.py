"""The CUDA delegate of tests: on the CPU, or on the GPU if $LITEGPU_TEST_CUDA is "gpu"."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from litegpu import DelegateLoadError, load_delegate

from .cuda_on_cpu import compiler, fake_cupy


def load_cuda(name: str = "cuda", options: Mapping[str, Any] | None = None) -> Any:
    """The delegate; DelegateLoadError where there is no GPU, or no compiler to do without."""
    if os.environ.get("LITEGPU_TEST_CUDA") == "gpu":
        return load_delegate(name, options)
    if compiler.compiler() is None:
        raise DelegateLoadError("CUDA on the CPU needs a C++ compiler: $CXX, c++, g++ or clang++")
    with fake_cupy.installed():
        loaded: Any = load_delegate(name, options)
    if compiler.sanitizes():
        # Tensors get memory of their own, so that their ends are seen.
        device = loaded.delegate.device
        device.view = lambda buffer, offset, size: device.allocate(size)
    return loaded
