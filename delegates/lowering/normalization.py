"""L2 and local response normalisation over the last dimension."""

from __future__ import annotations

from typing import Any

from litegpu.dtypes import INTEGER_RANGE
from litegpu.graph import Node
from litegpu.ops.normalization import OUTPUT_SCALE_BITS, OUTPUT_ZERO_POINT
from litegpu.schema.enums import TensorType as T
from litegpu.schema.options import LocalResponseNormalizationOptions

from .context import Lowering, elements
from .quantization import per_tensor
from .registry import lowers


@lowers("L2_NORMALIZATION")
def l2_normalization(low: Lowering, node: Node) -> None:
    dtype = low.require_dtype(0, T.FLOAT32, *OUTPUT_ZERO_POINT)
    shape = low.shape(0)
    low.require(len(shape) > 0, "the input has rank 0")
    rows, columns = elements(shape[:-1]) if shape[-1] else 0, shape[-1]
    args: list[Any] = [low.input(), low.output(), rows, columns]
    threads = [rows * low.info.warp]
    if dtype == T.FLOAT32:
        low.launch("normalization", "l2_normalization", threads, args, {"T": low.ctype()})
        return
    zero_points = [per_tensor(low.tensor(0))[1], OUTPUT_ZERO_POINT[dtype]]
    left = OUTPUT_SCALE_BITS if dtype == T.UINT8 else 0
    limits = INTEGER_RANGE[dtype]
    low.launch(
        "normalization",
        "l2_normalization_bytes",
        threads,
        [*args, *zero_points, left, *limits],
        {"T": low.ctype()},
    )


@lowers("LOCAL_RESPONSE_NORMALIZATION")
def local_response_normalization(low: Lowering, node: Node) -> None:
    low.require_dtype(0, T.FLOAT32)
    options = node.options if node.options is not None else LocalResponseNormalizationOptions()
    shape = low.shape(0)
    count, channels = elements(shape), shape[-1]
    radius = min(options.radius, channels)
    low.launch(
        "normalization",
        "local_response_normalization",
        [count],
        [
            *(low.input(), low.output(), count, channels, radius),
            *(float(options.bias), float(options.alpha), float(options.beta)),
        ],
        {"T": low.ctype()},
    )
