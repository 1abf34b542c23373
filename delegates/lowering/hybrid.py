"""Convolutions of floats with integer weights: each image is quantised as a whole, its integer
sums are kept, and scaled back by what follows the kernel (core/ops/conv_hybrid.py)."""

from __future__ import annotations

import numpy as np
from litegpu.delegate import Unsupported
from litegpu.errors import OpError
from litegpu.graph import Array
from litegpu.ops.conv_quantized import channel_scales
from litegpu.ops.hybrid import signed_bytes
from litegpu.schema.enums import ActivationFunctionType, TensorType

from ..emit import Emit
from ..fusion import Tail
from ..program import Ref
from . import product
from .channels import Arrange, Finish, Operands
from .context import Lowering, elements

MOST_PRODUCTS = 2**30 // (255 * 128)
"""Up to so many, sums pass a rescaling by 1 unchanged."""


def is_hybrid(low: Lowering, at: Operands) -> bool:
    return low.dtype(at.image) == TensorType.FLOAT32 != low.dtype(at.weights)


def scales_of(low: Lowering, at: Operands, channels: int, axis: int) -> Array:
    """The float32 scale of each channel of the weights."""
    try:
        scales = channel_scales(low.tensor(at.weights), channels, axis, zero_points=False)
    except OpError as error:
        raise Unsupported(str(error)) from None
    return np.ascontiguousarray(np.broadcast_to(scales, channels), np.float32)


def kept_sums(low: Lowering, channels: int, depth: int, arrange: Arrange) -> Finish:
    """By which kernels of quantised images leave their sums as they are."""
    low.require(depth <= MOST_PRODUCTS, f"sums of {depth} products do not fit 30 bits")
    ones = np.ones(channels, np.int32)
    biases, halves, shifts = (low.constant(arrange(n * ones)) for n in (0, 1 << 30, 1))
    limits = np.iinfo(np.int32)
    types: dict[str, object] = {"QUANTIZED": 1, "WIDE": 0, "IN_T": "short", "ACC_T": "int"}
    args: list[Ref | int | float] = [biases, halves, shifts, 0, int(limits.min), int(limits.max)]
    return Finish(args, types | {"W_T": "char"}, 0, 0, signed_bytes, False)


def quantized(
    low: Lowering, at: Operands, scales: Array, activation: ActivationFunctionType, asymmetric: bool
) -> tuple[product.Rows, Tail]:
    """The images as int16, less their zero points; and what makes results of sums."""
    from ..expressions import clamped

    images = low.shape(at.image)
    rows = product.quantize_rows(low, images[0], elements(images[1:]), asymmetric, at.image)
    shape = low.output_tensor().shape

    def value(emit: Emit) -> str:
        channel = f"(i) % {emit.integer(shape[3])}"
        image = f"(i) / {emit.integer(elements(shape[1:]))}"
        by_channel = emit.buffer(low.constant(scales), "float")
        scale = f"{by_channel}[{channel}] * {emit.buffer(rows.scales, 'float')}[{image}]"
        offset = "0.0f"
        if low.has(at.bias):
            offset = f"{emit.buffer(low.wide_input(at.bias), 'float')}[{channel}]"
        return clamped(f"scaled_back(v, {scale}, {offset})", activation)

    return rows, low.tail("int", value=value)
