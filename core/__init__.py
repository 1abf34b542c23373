"""litegpu: a drop-in for `tf.lite.Interpreter` that runs TensorFlow Lite models on GPU
workstations."""

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
    "load_delegate",
    "register_delegate",
]

del _ops
