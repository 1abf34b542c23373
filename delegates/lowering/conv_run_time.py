"""Convolutions of floats whose weights or biases are computed at run time: windows are copied one
after the other, and multiplied as a matrix."""

from __future__ import annotations

import numpy as np
from litegpu.schema.enums import ActivationFunctionType, TensorType

from ..program import Ref
from . import product
from .channels import Finish
from .context import Lowering, as_it_is
from .copy import View, copy, fill, itemsize, view
from .product import Left, Right, Sizes
from .quantization import result_range
from .windows import Axis, Image

WEIGHTS, BIAS = 1, 2


def is_run_time(low: Lowering) -> bool:
    """Whether the node computes with floats that are not all constant."""
    computed = [i for i in (WEIGHTS, BIAS) if low.has(i) and not low.is_constant(i)]
    floats = low.dtype(0) == low.dtype(WEIGHTS) == TensorType.FLOAT32
    return floats and bool(computed)


def bias_of(low: Lowering, filters: int) -> Ref:
    if low.has(BIAS):
        return low.wide_input(BIAS)
    return low.constant(np.zeros(filters, np.float32))


def inside(axis: Axis, tap: int, size: int) -> tuple[slice, slice]:
    """(outputs, inputs) of which a tap reads elements of the image."""
    offset = tap * axis.dilation - axis.before
    first = max(0, -(offset // axis.stride))
    last = min(axis.outputs, (size - 1 - offset) // axis.stride + 1)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    start = first * axis.stride + offset
    stop = start + (last - first - 1) * axis.stride + 1
    return slice(first, last), slice(start, stop, axis.stride)


def convolve_at_run_time(
    low: Lowering,
    image: Image,
    rows: Axis,
    cols: Axis,
    groups: int,
    activation: ActivationFunctionType,
) -> None:
    low.require(groups == 1, "weights of groups are computed at run time; constants expected")
    batch, height, width, channels = image.shape
    filters, taps = low.output_tensor().shape[3], rows.taps * cols.taps
    size = itemsize(low, low.tensor(0))
    shape = [batch, rows.outputs, cols.outputs, taps, channels]
    count = int(np.prod(shape, dtype=np.int64))
    low.require(count < 2**31, "the windows have 2^31 elements or more")
    windows = view(low.scratch(max(1, count * size)), shape, size)
    x = view(image.ref, image.shape, size)
    fill(low, windows)
    for tap in range(taps):
        down, up = inside(rows, tap // cols.taps, height)
        along, across = inside(cols, tap % cols.taps, width)
        part: View = windows.seen(windows.array[:, down, along, tap])
        copy(low, x.seen(x.array[:, up, across]), part)
    depth = taps * channels
    left = Left(windows.ref, image.ctype, depth, 1)
    right = Right(WEIGHTS, low.ctype(WEIGHTS), 1, 0, 1, depth)
    bounds: tuple[float, float] = result_range(low, activation)
    sums = product.float_sums(low, bias_of(low, filters), bounds)
    product.multiply(low, left, right, Sizes(count // depth, filters, depth), sums)


def depthwise_finish(low: Lowering, filters: int, activation: ActivationFunctionType) -> Finish:
    """By which the kernel of depthwise convolutions finishes its sums."""
    types: dict[str, object] = {"IN_T": low.ctype(0), "W_T": low.ctype(WEIGHTS), "ACC_T": "float"}
    args = [bias_of(low, filters), *result_range(low, activation)]
    return Finish(args, types, 0, 0, as_it_is, False)
