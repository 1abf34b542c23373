"""Convolutions as sums over taps and channels; any operator with one input channel is one too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from litegpu.delegate import Unsupported
from litegpu.dtypes import NUMPY
from litegpu.errors import OpError
from litegpu.graph import Array, Node, Shape
from litegpu.ops.window_geometry import window
from litegpu.schema.enums import ActivationFunctionType, Padding, TensorType

from ..fusion import Tail
from ..program import Ref
from .channels import INT32_DEPTH, Matrices, Operands, finish, require_types
from .context import Lowering, elements
from .registry import lowers

CPU_LANES = 8
CPU_PIXELS = 6
GPU_SIDE = 16
GPU_PIXELS = 4
PATCH_DEPTH = 8
LARGEST_PATCH = 512
"""On CPUs, windows of up to so many elements in pixels of few channels are gathered first."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Windows along one dimension: output q reads inputs q * stride + t * dilation - before, and
    is element first + q * step of the `size` of the result."""

    outputs: int
    taps: int
    stride: int
    dilation: int
    before: int
    size: int
    step: int = 1
    first: int = 0


def axis(low: Lowering, size: int, taps: int, stride: int, dilation: int, padding: Padding) -> Axis:
    try:
        outputs, before, _ = window(size, taps, stride, dilation, padding)
    except OpError as error:
        raise Unsupported(str(error)) from None
    return Axis(outputs, taps, stride, dilation, before, outputs)


@dataclass(frozen=True, slots=True)
class Image:
    """What is convolved: its buffer, and its shape there.

    Padding that another node would have added belongs to `Axis.before` and `Axis.outputs`.
    """

    ref: Ref
    shape: Shape


@dataclass(frozen=True, slots=True)
class Part:
    """One launch: windows along both dimensions, and their weights as [filters, taps, taps, depth]
    of the stored ones; `tag` tells parts of a node apart."""

    rows: Axis
    cols: Axis
    matrices: Matrices
    tag: object = 0


def padded_blocks(values: Array, groups: int, width: int) -> Array:
    """[filters, ...] as [groups * blocks, width, ...]: each group filled up with zeros."""
    grouped = values.reshape(groups, len(values) // groups, *values.shape[1:])
    short = -grouped.shape[1] % width
    padded = np.pad(grouped, [(0, 0), (0, short), *[(0, 0)] * (values.ndim - 1)])
    blocks = padded.shape[0] * padded.shape[1] // width
    return padded.reshape(blocks, width, *values.shape[1:])


def in_pairs(blocks: Array) -> Array:
    """[blocks, width, runs, depth] as int16 [blocks, runs, depth / 2, width, 2]."""
    even = np.pad(blocks, [(0, 0)] * 3 + [(0, blocks.shape[3] % 2)]).astype(np.int16)
    count, width, runs, depth = even.shape
    return even.reshape(count, width, runs, depth // 2, 2).transpose(0, 2, 3, 1, 4)


@dataclass(frozen=True, slots=True)
class Variant:
    """How the kernel is built for one part, see conv.cl. `gathered`: elements of a window that are
    gathered first, or 0; `paired`: whether weights lie in pairs of channels."""

    on_cpu: bool
    each: int
    pixels: int
    gathered: int
    paired: bool

    @property
    def side(self) -> int:
        """Work items along each side of a block."""
        return 1 if self.on_cpu else GPU_SIDE

    @property
    def width(self) -> int:
        """Filters of a block."""
        return self.each * (CPU_LANES if self.on_cpu else GPU_SIDE)


def variant(
    low: Lowering, dtype: TensorType, taps: int, depth: int, group_filters: int, count: int
) -> Variant:
    """The kernel for sums of `taps` * `depth` products, `count` of them for each filter."""
    is_long = dtype == TensorType.INT16 and taps * depth >= INT32_DEPTH
    on_cpu = low.info.is_cpu and not is_long
    lanes, widest = (CPU_LANES, 2) if on_cpu else (GPU_SIDE, 4)
    each = next(n for n in (1, 2, 4) if n == widest or n * lanes >= group_filters)
    if not on_cpu:
        return Variant(on_cpu, each, GPU_PIXELS, 0, False)
    small = depth <= PATCH_DEPTH and 1 < taps * depth <= LARGEST_PATCH
    pixels = 1 if count == 1 else CPU_PIXELS
    paired = dtype != TensorType.FLOAT32
    return Variant(on_cpu, each, pixels, taps * depth if small else 0, paired)


def packed_weights(values: Array, groups: int, taps: int, depth: int, how: Variant) -> Array:
    """[filters, height, width, depth] as the kernel reads them."""
    runs = (1, how.gathered) if how.gathered else (taps, depth)
    blocks = padded_blocks(values.reshape(len(values), *runs), groups, how.width)
    if how.paired:
        return in_pairs(blocks)
    return blocks.reshape(len(blocks), how.width, taps * depth).transpose(0, 2, 1)


def convolve(
    low: Lowering,
    image: Image,
    at: Operands,
    groups: int,
    activation: ActivationFunctionType,
    parts: Sequence[Part],
    channel_axis: int = 0,
) -> None:
    """Launches every part; the parts write different elements of the node's output."""
    dtype = require_types(low, at)
    require_sizes(low, image.shape)
    tail = low.tail("float" if dtype == TensorType.FLOAT32 else "int")
    for part in parts:
        launch(low, image, at, groups, activation, part, channel_axis, tail)


def require_sizes(low: Lowering, image: Shape) -> None:
    """Raises Unsupported where 32 bits do not hold an index."""
    for name, shape in (("input", image), ("output", low.output_tensor().shape)):
        low.require(elements(shape) < 2**31, f"the {name} has 2^31 elements or more")


def launch(
    low: Lowering,
    image: Image,
    at: Operands,
    groups: int,
    activation: ActivationFunctionType,
    part: Part,
    channel_axis: int,
    tail: Tail,
) -> None:
    batch, height, width, channels = image.shape
    dtype, rows, cols = low.dtype(at.image), part.rows, part.cols
    filters, taps = low.output_tensor().shape[3], rows.taps * cols.taps
    depth, group_filters = channels // groups, filters // groups
    count = batch * rows.outputs * cols.outputs
    how = variant(low, dtype, taps, depth, group_filters, count)

    def arrange(values: Array) -> Array:
        return padded_blocks(values, groups, how.width).reshape(-1)

    tag = (low.node.op, part.tag, groups, how)
    done = finish(
        low, at, activation, filters, channel_axis, taps * depth, arrange, part.matrices, tag
    )

    def pack(values: Array) -> Array:
        return packed_weights(part.matrices(done.centered(values)), groups, taps, depth, how)

    blocks = groups * -(-group_filters // how.width)
    low.launch(
        "conv",
        "conv",
        [-(-count // (how.pixels * how.side)) * how.side, blocks * how.side],
        [
            image.ref,
            low.packed(at.weights, ("weights", *tag, done.weights_zero_point), pack),
            low.constant(np.full(max(depth, 1), done.zero_point, NUMPY[dtype])),
            tail.output,
            *done.args,
            *(height, width, channels, depth, group_filters, blocks // groups, filters),
            *(rows.outputs, cols.outputs, count, rows.taps, cols.taps),
            *(rows.stride, cols.stride, rows.dilation, cols.dilation, rows.before, cols.before),
            *(rows.size, cols.size, rows.step, cols.step, rows.first, cols.first),
            *tail.args,
        ],
        defines={
            **done.defines,
            **({"W_T": "short"} if how.paired else {}),
            "CPU_DEVICE": int(how.on_cpu),
            "EACH": how.each,
            "PIXELS": how.pixels,
            "PATCH": 1 << max(4, how.gathered.bit_length()) if how.gathered else 0,
        },
        block=[how.side, how.side],
        prelude=tail.prelude,
    )


def unpadded(low: Lowering, rows: Axis, cols: Axis) -> tuple[Image, Axis, Axis]:
    """The image without the zeros that an absorbed PAD adds, and the windows over it."""
    ref, shape, top, left = low.unpadded()
    rows = replace(rows, before=rows.before + top)
    cols = replace(cols, before=cols.before + left)
    return Image(ref, shape), rows, cols


@lowers("CONV_2D")
def conv2d(low: Lowering, node: Node) -> None:
    o = node.options
    image, kernel = low.shape(0), low.shape(1)
    if low.dtype() == TensorType.INT16 and low.has(2) and low.dtype(2) == TensorType.INT32:
        typed = o.quantized_bias_type == TensorType.INT32
        low.require(typed, "the options leave out the type of the int32 bias")
    rows = axis(low, image[1], kernel[1], o.stride_h, o.dilation_h_factor, o.padding)
    cols = axis(low, image[2], kernel[2], o.stride_w, o.dilation_w_factor, o.padding)
    inside, rows, cols = unpadded(low, rows, cols)
    part = Part(rows, cols, lambda values: values)
    groups = image[3] // kernel[3]
    activation = o.fused_activation_function
    convolve(low, inside, Operands(), groups, activation, [part])
