"""Depthwise convolutions. With one input channel they are ordinary ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from litegpu.graph import Array, Node
from litegpu.schema.enums import TensorType

from .channels import Operands, finish, require_types
from .context import Lowering
from .conv import Part, convolve, require_sizes, unpadded
from .conv_run_time import depthwise_finish, is_run_time
from .hybrid import is_hybrid, kept_sums, quantized, scales_of
from .registry import lowers
from .windows import Axis, axis

CPU_PIXELS = 4
GPU_PIXELS = 2
LANES = (8, 4, 2, 1)
CUDA_LANES = (4, 2, 1)
CUDA_PATCHES = ((2, 4), (2, 2), (1, 2), (1, 1))
"""Rows and columns of a thread; the first that leaves work for the whole device is taken."""
ENOUGH = 1024
"""Threads that keep a multiprocessor busy."""
MOST_TAPS = 7
"""Along an axis, where CUDA's kernel is made for so many taps."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What each work item makes: neighbouring filters, rows and columns."""

    lanes: int
    lines: int
    pixels: int

    def counts(self, filters: int, rows: Axis, cols: Axis) -> tuple[int, int, int]:
        """How many shares the filters, the rows and the columns of an image make."""
        return (
            filters // self.lanes,
            -(-rows.outputs // self.lines),
            -(-cols.outputs // self.pixels),
        )


def cuda_shares(
    units: int, lanes: int, images: int, filters: int, rows: Axis, cols: Axis
) -> Shares:
    found = [Shares(lanes, *patch) for patch in CUDA_PATCHES]
    work = [images * math.prod(share.counts(filters, rows, cols)) for share in found]
    return next((s for s, n in zip(found, work, strict=True) if n >= units * ENOUGH), found[-1])


def known_taps(rows: Axis, cols: Axis) -> dict[str, object]:
    """Defines for a kernel that knows its windows; none where they are large or have gaps."""
    if rows.dilation != 1 or cols.dilation != 1 or max(rows.taps, cols.taps) > MOST_TAPS:
        return {}
    taps, strides = (rows.taps, cols.taps), (rows.stride, cols.stride)
    return dict(zip(("TAPS_Y", "TAPS_X", "STRIDE_Y", "STRIDE_X"), taps + strides, strict=True))


@lowers("DEPTHWISE_CONV_2D")
def depthwise_conv2d(low: Lowering, node: Node) -> None:
    o = node.options
    image, kernel = low.shape(0), low.shape(1)
    rows = axis(low, image[1], kernel[1], o.stride_h, o.dilation_h_factor, o.padding)
    cols = axis(low, image[2], kernel[2], o.stride_w, o.dilation_w_factor, o.padding)
    activation = o.fused_activation_function
    inside, rows, cols = unpadded(low, rows, cols)
    if image[3] == 1:
        low.values(1)
        part = Part(rows, cols, lambda values: values.transpose(3, 1, 2, 0))
        convolve(low, inside, Operands(), 1, activation, [part], 3)
        return
    dtype = require_types(low, Operands(), constants=not is_run_time(low))
    require_sizes(low, image)
    filters, taps = kernel[3], kernel[1] * kernel[2]
    multiplier = filters // image[3]

    def arrange(values: Array) -> Array:
        return values

    tag = ("depthwise", multiplier)
    if is_hybrid(low, Operands()):
        scales = scales_of(low, Operands(), filters, 3)
        quantized_rows, tail = quantized(low, Operands(), scales, activation, asymmetric=True)
        inside = replace(inside, ref=quantized_rows.centered)
        done = kept_sums(low, filters, taps, arrange)
    else:
        tail = low.tail("float" if dtype == TensorType.FLOAT32 else "int")
        if is_run_time(low):
            done = depthwise_finish(low, filters, activation)
        else:
            done = finish(low, Operands(), activation, filters, 3, taps, arrange, None, tag)
    if low.is_constant(1):
        weights = low.packed(
            1,
            (*tag, done.weights_zero_point),
            lambda values: low.narrow(done.centered(values).reshape(taps, filters)),
        )
    else:
        weights = low.input(1)
    vectors = (low.info.is_cpu or low.info.arch) and multiplier == 1 and not done.is_long
    widths = CUDA_LANES if low.info.arch else LANES
    lanes = next(n for n in widths if filters % n == 0) if vectors else 1
    defines: dict[str, object] = {"CPU_DEVICE": int(low.info.is_cpu), "LANES": lanes}
    run, count = 1, image[0] * rows.outputs
    if low.info.arch:
        shares = cuda_shares(low.info.compute_units, lanes, image[0], filters, rows, cols)
        threads = [image[0] * math.prod(shares.counts(filters, rows, cols))]
        defines |= known_taps(rows, cols) | {"LINES": shares.lines, "PIXELS": shares.pixels}
    else:
        pixels = defines["PIXELS"] = CPU_PIXELS if low.info.is_cpu else GPU_PIXELS
        tiles = -(-cols.outputs // pixels)
        run = max(tiles, 1) if low.info.is_cpu else 1
        threads = [filters // lanes, -(-tiles // run), count]
    low.launch(
        "depthwise",
        "depthwise",
        threads,
        [
            inside.ref,
            weights,
            tail.output,
            *done.args,
            *(done.zero_point, *inside.shape[1:], multiplier, rows.outputs, cols.outputs, count),
            *(rows.taps, cols.taps, rows.stride, cols.stride, rows.dilation, cols.dilation),
            *(rows.before, cols.before, run),
            *tail.args,
        ],
        defines=done.defines | defines,
        prelude=tail.prelude,
    )
