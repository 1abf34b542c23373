"""int32 biases of int16 convolutions whose options leave the bias's type out.

LiteRT takes them for int64: two of them make one, and the second half of the channels gets what the
file has behind them. Converters write the type, so such files are rare; the result is reproduced
as far as it is defined by the file.
"""

from __future__ import annotations

import numpy as np

from ..graph import Array
from ..schema.enums import TensorType
from .context import OpContext


def is_untyped(ctx: OpContext) -> bool:
    """Whether input 2 is such a bias of an int16 CONV_2D."""
    stated = getattr(ctx.options, "quantized_bias_type", TensorType.INT32)
    return (
        ctx.dtype(0) == TensorType.INT16
        and ctx.has(2)
        and ctx.dtype(2) == TensorType.INT32
        and stated != TensorType.INT32
        and ctx.tensor(2).data is not None
    )


def as_int64(ctx: OpContext) -> Array:
    """What LiteRT adds to each channel, read from the bias onwards; zeros behind the file."""
    data = ctx.tensor(2).data
    assert data is not None
    whole = data.base if isinstance(data.base, np.ndarray) else data
    start = data.ctypes.data - whole.ctypes.data
    found = np.zeros(2 * data.size, np.uint8)
    rest = whole.reshape(-1).view(np.uint8)[start : start + found.size]
    found[: rest.size] = rest
    return found.view(np.int64)
