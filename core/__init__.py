"""litegpu: a drop-in for `tf.lite.Interpreter` that runs TensorFlow Lite models on GPU
workstations."""

from typing import TYPE_CHECKING, Any

from . import ops as _ops
from .custom_ops import CustomOps, InterpreterWithCustomOps
from .delegate import (
    Cost,
    Delegate,
    DelegateWarning,
    DeviceLost,
    Executable,
    Unsupported,
)
from .errors import (
    DelegateLoadError,
    InvokeError,
    LimitError,
    ModelError,
    PrepareError,
    ResizeError,
)
from .interpreter import Interpreter, OpResolverType
from .limits import Limits
from .partition import Partition
from .plugins import load_delegate, register_delegate
from .signature import SignatureRunner

if TYPE_CHECKING:
    from .benchmarking import benchmark
    from .comparison.bisection import bisect
    from .comparison.extraction import extract
    from .comparison.running import compare
    from .profiling import profile

__version__ = "0.1.0"

__all__ = [
    "Cost",
    "CustomOps",
    "Delegate",
    "DelegateLoadError",
    "DelegateWarning",
    "DeviceLost",
    "Executable",
    "Interpreter",
    "InterpreterWithCustomOps",
    "InvokeError",
    "LimitError",
    "Limits",
    "ModelError",
    "OpResolverType",
    "Partition",
    "PrepareError",
    "ResizeError",
    "SignatureRunner",
    "Unsupported",
    "benchmark",
    "bisect",
    "compare",
    "extract",
    "load_delegate",
    "profile",
    "register_delegate",
]

del _ops

_TOOLS = {
    "benchmark": "benchmarking",
    "bisect": "comparison.bisection",
    "compare": "comparison.running",
    "extract": "comparison.extraction",
    "profile": "profiling",
}
"""Modules of functions that programs which only run models need not import."""


def __getattr__(name: str) -> Any:
    if name not in _TOOLS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f".{_TOOLS[name]}", __name__), name)
    return found
