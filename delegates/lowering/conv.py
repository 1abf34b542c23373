"""Convolutions as sums over taps and channels; any operator with one input channel is one too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from litegpu.graph import Array, Node, Shape
from litegpu.schema.enums import ActivationFunctionType, TensorType

from ..fusion import Tail
from .channels import Matrices, Operands, finish, require_types
from .context import Lowering, Value, elements
from .conv_dots import multiply_pixels
from .conv_run_time import convolve_at_run_time, is_run_time
from .conv_variants import Size, padded_blocks, variant
from .hybrid import is_hybrid, kept_sums, quantized, scales_of
from .registry import lowers
from .windows import Axis, Image, axis

FEW_PIXELS = 8
ELEMENTS = {
    "float": np.float32,
    "half": np.float16,
    "char": np.int8,
    "uchar": np.uint8,
    "short": np.int16,
}


@dataclass(frozen=True, slots=True)
class Part:
    """One launch: windows along both dimensions, and their weights as [filters, taps, taps, depth]
    of the stored ones; `tag` tells parts of a node apart."""

    rows: Axis
    cols: Axis
    matrices: Matrices
    tag: object = 0


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
    if is_hybrid(low, at):
        scales = scales_of(low, at, low.output_tensor().shape[3], channel_axis)
        plain = channel_axis == 0 and groups == 1 and low.node.op == "CONV_2D"
        asymmetric = not plain or bool((scales != scales[0]).any())
        rows, tail = quantized(low, at, scales, activation, asymmetric)
        image = replace(image, ref=rows.centered, dtype=TensorType.INT8, ctype="short")
    else:
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
    rows, cols = part.rows, part.cols
    filters, count = low.output_tensor().shape[3], batch * rows.outputs * cols.outputs
    depth, group_filters = channels // groups, filters // groups
    pointwise = rows.is_pointwise(height) and cols.is_pointwise(width)
    dense = rows.is_dense and cols.is_dense
    taps = rows.taps * cols.taps
    size = Size(taps, depth, groups, group_filters, count, pointwise, dense)
    how = variant(low, image.dtype, image.ctype, size)

    def arrange(values: Array) -> Array:
        return padded_blocks(values, groups, how.width).reshape(-1)

    tag = (low.node.op, part.tag, groups, how.packing)
    whole = taps * depth
    if is_hybrid(low, at):
        done = kept_sums(low, filters, whole, arrange)
    else:
        done = finish(
            low, at, activation, filters, channel_axis, whole, arrange, part.matrices, tag
        )

    def pack(values: Array) -> Array:
        return how.pack(low.narrow(part.matrices(done.centered(values))), size)

    blocks = groups * -(-group_filters // how.width)
    read = [
        image.ref,
        low.packed(at.weights, ("weights", *tag, done.weights_zero_point), pack),
        low.constant(np.full(max(depth, 1), done.zero_point, ELEMENTS[image.ctype])),
    ]
    geometry = [
        *(height, width, channels, depth, group_filters, blocks // groups, filters),
        *(rows.outputs, cols.outputs, count, rows.taps, cols.taps),
        *(rows.stride, cols.stride, rows.dilation, cols.dilation, rows.before, cols.before),
        *(rows.size, cols.size, rows.step, cols.step, rows.first, cols.first),
    ]
    threads, defines = how.threads(count, blocks), {**done.defines, **how.defines}
    if how.splits == 1:
        args: list[Value] = [*read, tail.output, *done.args, *geometry, *tail.args]
        low.launch("conv", "conv", threads, args, defines, how.block, tail.prelude)
        return
    partial = low.scratch(how.partial_bytes(size))
    first: list[Value] = [*read, partial, how.splits, *geometry]
    low.launch("conv", "conv_part", threads, first, defines, how.block, tail.prelude)
    second: list[Value] = [partial, tail.output, *done.args, how.splits, *geometry, *tail.args]
    low.launch("conv", "conv_whole", [count * filters], second, defines, prelude=tail.prelude)


def unpadded(low: Lowering, rows: Axis, cols: Axis) -> tuple[Image, Axis, Axis]:
    """The image without the zeros that an absorbed PAD adds, and the windows over it."""
    ref, shape, top, left = low.unpadded()
    rows = replace(rows, before=rows.before + top)
    cols = replace(cols, before=cols.before + left)
    return Image(ref, shape, low.dtype(), low.ctype()), rows, cols


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
    groups, activation = image[3] // kernel[3], o.fused_activation_function
    if is_run_time(low):
        convolve_at_run_time(low, inside, rows, cols, groups, activation)
        return
    part = Part(rows, cols, lambda values: values)
    pointwise = rows.is_pointwise(inside.shape[1]) and cols.is_pointwise(inside.shape[2])
    count = elements(inside.shape[:3])
    few = low.info.arch and pointwise and groups == 1 and count <= FEW_PIXELS
    if few and not is_hybrid(low, Operands()):
        multiply_pixels(low, inside.ref, count, Operands(), activation)
    else:
        convolve(low, inside, Operands(), groups, activation, [part])
