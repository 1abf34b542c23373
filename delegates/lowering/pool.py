"""Two-dimensional pools."""

from __future__ import annotations

from litegpu.dtypes import INTEGER_RANGE
from litegpu.errors import OpError
from litegpu.graph import Node
from litegpu.ops.window_geometry import window
from litegpu.schema.enums import Padding, TensorType
from litegpu.schema.options import Pool2DOptions

from .context import Lowering, elements
from .copy import pack
from .quantization import SMALL_INTEGERS, result_range
from .registry import lowers

KINDS = {"MAX_POOL_2D": 0, "AVERAGE_POOL_2D": 1, "L2_POOL_2D": 2}

CPU_TILE = 16
"""Channels of a work item on CPUs."""


@lowers(*KINDS)
def pool(low: Lowering, node: Node) -> None:
    is_l2 = node.op == "L2_POOL_2D"
    dtype = low.require_dtype(0, TensorType.FLOAT32, *(() if is_l2 else SMALL_INTEGERS))
    options = node.options if node.options is not None else Pool2DOptions()
    batch, height, width, channels = low.shape(0)
    rows = along(low, height, options.filter_height, options.stride_h, options.padding)
    columns = along(low, width, options.filter_width, options.stride_w, options.padding)
    out_height, out_width = rows[0], columns[0]
    bounds = result_range(low, options.fused_activation_function)
    taps = min(options.filter_height, height) * min(options.filter_width, width)
    tail = low.tail("float" if dtype == TensorType.FLOAT32 else "int")
    pixels = batch * out_height * out_width
    tile = CPU_TILE if low.info.is_cpu else pack(low, low.tensor(), pixels * channels, channels)
    defines = {"KIND": KINDS[node.op], "T": low.ctype(), "TILE": tile}
    defines |= accumulation(dtype, node.op, taps)
    low.launch(
        "pool",
        "pool",
        [-(-channels // tile) * pixels],
        [
            low.input(),
            tail.output,
            *(pixels, height, width, channels, out_height, out_width),
            *(options.filter_height, options.filter_width, options.stride_h, options.stride_w),
            *(rows[1], columns[1]),
            *bounds,
            *tail.args,
        ],
        defines=defines,
        prelude=tail.prelude,
    )
    low.require(elements(low.shape(0)) < 2**31, "the input has 2^31 elements or more")


def along(
    low: Lowering, size: int, filter_size: int, stride: int, padding: Padding
) -> tuple[int, int]:
    """(output size, padding before) along one dimension."""
    try:
        return window(size, filter_size, stride, 1, padding)[:2]
    except OpError as error:
        low.require(False, str(error))
        raise


def accumulation(dtype: TensorType, op: str, taps: int) -> dict[str, object]:
    """The type in which windows of up to `taps` elements are combined, and where it starts."""
    if dtype == TensorType.FLOAT32:
        return {"START": "NAN"} if op == "MAX_POOL_2D" else {}
    lowest, highest = INTEGER_RANGE[dtype]
    is_max = op == "MAX_POOL_2D"
    wide = not is_max and (taps + 1) * max(-lowest, highest) >= 2**31
    return {"IS_FLOAT": 0, "ACC": "long" if wide else "int", "START": lowest if is_max else 0}
