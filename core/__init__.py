"""litegpu: a drop-in for `tf.lite.Interpreter` that runs TensorFlow Lite models on GPU workstations."""

from . import ops as _ops
from .custom_ops import CustomOps, InterpreterWithCustomOps
from .errors import DelegateLoadError, InvokeError, LimitError, ModelError, PrepareError, ResizeError
from .interpreter import Interpreter, OpResolverType
from .limits import Limits
from .signature import SignatureRunner

__version__ = "0.1.0"

__all__ = [
    "CustomOps",
    "DelegateLoadError",
    "Interpreter",
    "InterpreterWithCustomOps",
    "InvokeError",
    "LimitError",
    "Limits",
    "ModelError",
    "OpResolverType",
    "PrepareError",
    "ResizeError",
    "SignatureRunner",
]

del _ops
