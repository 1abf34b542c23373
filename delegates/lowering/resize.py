"""Resizing of images: positions and weights are computed as on the CPU and passed as tables."""

from __future__ import annotations

import numpy as np
from litegpu.graph import Array, Node
from litegpu.ops import resize as reference
from litegpu.schema.enums import TensorType as T
from litegpu.schema.options import ResizeBilinearOptions, ResizeNearestNeighborOptions

from .context import Lowering, elements
from .copy import itemsize, pack
from .registry import lowers

FLOATS, BYTES, UNITS = range(3)
KINDS = {
    T.FLOAT32: (FLOATS, "float"),
    T.UINT8: (BYTES, "float"),
    T.INT8: (UNITS, "int"),
    T.INT16: (UNITS, "long"),
}
"""How a type is blended, and the type of the sums."""

COPIED = {1: "uchar", 2: "ushort", 4: "uint"}
CPU_TILE = 32
"""Channels of a work item on CPUs."""


def table(positions: reference.Positions) -> Array:
    """Lower and upper neighbours and the upper one's weights, floats by their bits, as int32."""
    (lower, _), (upper, weight) = positions
    bits = weight.view(np.int32) if weight.dtype == np.float32 else weight
    return np.ascontiguousarray(np.stack([lower, upper, bits]), np.int32)


@lowers("RESIZE_BILINEAR")
def resize_bilinear(low: Lowering, node: Node) -> None:
    dtype = low.require_dtype(0, *KINDS)
    options = node.options if node.options is not None else ResizeBilinearOptions()
    kind, acc = KINDS[dtype]
    along = reference.units if kind == UNITS else reference.floats
    pairs = zip(low.shape(0)[1:3], low.output_tensor().shape[1:3], strict=True)
    low.require(elements(low.shape(0)) > 0, "the input is empty")
    tables = [table(along(size, out, options)) for size, out in pairs]
    launch(low, "resize_bilinear", tables, {"T": low.ctype(), "KIND": kind, "ACC": acc})


@lowers("RESIZE_NEAREST_NEIGHBOR")
def resize_nearest(low: Lowering, node: Node) -> None:
    low.require_dtype(0, *reference.COPIED)
    options = node.options if node.options is not None else ResizeNearestNeighborOptions()
    pairs = zip(low.shape(0)[1:3], low.output_tensor().shape[1:3], strict=True)
    low.require(elements(low.shape(0)) > 0, "the input is empty")
    tables = [reference.nearest(size, out, options).astype(np.int32) for size, out in pairs]
    launch(low, "resize_nearest", tables, {"T": COPIED[itemsize(low, low.tensor(0))]})


def launch(low: Lowering, entry: str, tables: list[Array], defines: dict[str, object]) -> None:
    _, height, width, channels = low.shape(0)
    batch, out_height, out_width, _ = low.output_tensor().shape
    pixels = batch * out_height * out_width
    tile = CPU_TILE if low.info.is_cpu else pack(low, low.tensor(), pixels * channels, channels)
    rows, columns = map(low.constant, tables)
    sizes = [pixels, height, width, channels, out_height, out_width]
    low.launch(
        "resize",
        entry,
        [-(-channels // tile) * pixels],
        [low.input(), low.output(), rows, columns, *sizes],
        {**defines, "TILE": tile},
    )
