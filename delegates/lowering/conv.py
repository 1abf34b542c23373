"""Convolutions as sums over taps and channels; any operator with one input channel is one too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from litegpu.delegate import Unsupported
from litegpu.dtypes import NUMPY
from litegpu.errors import OpError
from litegpu.graph import Array, Node, Shape
from litegpu.ops.window_geometry import window
from litegpu.schema.enums import ActivationFunctionType, Padding, TensorType

from ..program import Ref
from .channels import Matrices, Operands, finish, require_types
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
    """What is convolved: its buffer, its shape, and the rows and columns of padding before it
    that another node would have added."""

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
    batch, height, width, channels = image.shape
    filters = low.output_tensor().shape[3]
    low.require(elements(image.shape) < 2**31, "the input has 2^31 elements or more")
    low.require(elements(low.output_tensor().shape) < 2**31, "the output has 2^31 elements or more")
    depth, group_filters = channels // groups, filters // groups
    prepared = []
    for part in parts:
        taps = part.rows.taps * part.cols.taps
        count = batch * part.rows.outputs * part.cols.outputs
        whole = taps * depth
        is_wide = dtype == TensorType.INT16 and whole >= 512
        on_cpu = low.info.is_cpu and not is_wide
        prepared.append((part, taps, count, on_cpu))
    tail = low.tail("float" if dtype == TensorType.FLOAT32 else "int")
    for part, taps, count, on_cpu in prepared:
        lanes = CPU_LANES if on_cpu else GPU_SIDE
        widest = 2 if on_cpu else 4
        each = next(n for n in (1, 2, 4) if n == widest or n * lanes >= group_filters)
        block_width = lanes * each
        pixels = (1 if count == 1 else CPU_PIXELS) if on_cpu else GPU_PIXELS
        gathered = on_cpu and depth <= PATCH_DEPTH and 1 < taps * depth <= LARGEST_PATCH

        def arrange(values: Array, width: int = block_width) -> Array:
            return padded_blocks(values, groups, width).reshape(-1)

        done = finish(
            low,
            at,
            activation,
            filters,
            channel_axis,
            taps * depth,
            arrange,
            part.matrices,
            (low.node.op, part.tag, groups, block_width),
        )
        paired = on_cpu and dtype != TensorType.FLOAT32

        def pack(
            values: Array,
            part: Part = part,
            width: int = block_width,
            runs: tuple[int, int] = (1, taps * depth) if gathered else (taps, depth),
            paired: bool = paired,
            centered: Matrices = done.centered,
        ) -> Array:
            matrices = part.matrices(centered(values))
            blocks = padded_blocks(matrices.reshape(filters, *runs), groups, width)
            if paired:
                return in_pairs(blocks)
            return blocks.reshape(len(blocks), width, runs[0] * runs[1]).transpose(0, 2, 1)

        layout = ("conv", low.node.op, part.tag, groups, block_width, gathered, paired)
        weights = low.packed(at.weights, (*layout, done.weights_zero_point), pack)
        defines = {
            **done.defines,
            "CPU_DEVICE": int(on_cpu),
            "EACH": each,
            "PIXELS": pixels,
            "PATCH": 1 << max(4, (taps * depth).bit_length()) if gathered else 0,
        }
        if paired:
            defines["W_T"] = "short"
        blocks = groups * -(-group_filters // block_width)
        tiles = -(-count // (pixels if on_cpu else pixels * GPU_SIDE))
        side = 1 if on_cpu else GPU_SIDE
        rows, cols = part.rows, part.cols
        low.launch(
            "conv",
            "conv",
            [tiles * side, blocks * side],
            [
                image.ref,
                weights,
                low.constant(np.full(max(depth, 1), done.zero_point, NUMPY[dtype])),
                tail.output,
                *done.args,
                *(height, width, channels, depth, group_filters, blocks // groups, filters),
                *(rows.outputs, cols.outputs, count, rows.taps, cols.taps),
                *(rows.stride, cols.stride, rows.dilation, cols.dilation),
                *(rows.before, cols.before, rows.size, cols.size, rows.step, cols.step),
                *(rows.first, cols.first),
                *tail.args,
            ],
            defines=defines,
            block=[side, side],
            prelude=tail.prelude,
        )


@lowers("CONV_2D")
def conv2d(low: Lowering, node: Node) -> None:
    o = node.options
    image, kernel = low.shape(0), low.shape(1)
    if low.dtype() == TensorType.INT16 and low.has(2) and low.dtype(2) == TensorType.INT32:
        typed = o.quantized_bias_type == TensorType.INT32
        low.require(typed, "the options leave out the type of the int32 bias")
    rows = axis(low, image[1], kernel[1], o.stride_h, o.dilation_h_factor, o.padding)
    cols = axis(low, image[2], kernel[2], o.stride_w, o.dilation_w_factor, o.padding)
    part = Part(rows, cols, lambda values: values)
    groups = image[3] // kernel[3]
    activation = o.fused_activation_function
    convolve(low, Image(low.input(), image), Operands(), groups, activation, [part])
