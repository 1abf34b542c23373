"""What is done to the sums of each output channel of convolutions: bias, scale, range."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from litegpu.delegate import Unsupported
from litegpu.errors import OpError
from litegpu.graph import Array
from litegpu.ops.conv_quantized import BIASES, WEIGHTS, real_multipliers
from litegpu.schema.enums import ActivationFunctionType, TensorType

from ..program import Ref
from .context import C_TYPES, Lowering
from .quantization import multipliers, per_tensor, result_range

FLOAT_WEIGHTS = (TensorType.FLOAT32, TensorType.INT8, TensorType.UINT8, TensorType.INT4)

INT32_DEPTH = 512
"""With fewer products than this, sums of int16 times int8 fit 32 bits."""


class Operands(NamedTuple):
    """Positions of a node's inputs."""

    image: int = 0
    weights: int = 1
    bias: int = 2


Arrange = Callable[[Array], Array]
"""Pads and orders one value a channel as the kernel reads them."""

Matrices = Callable[[Array], Array]
"""Makes [filters, height, width, depth] of the stored weights."""


def require_types(low: Lowering, at: Operands, constants: bool = True) -> TensorType:
    """The image's type; raises Unsupported unless the others fit it, and are constants."""
    dtype = low.require_dtype(at.image, TensorType.FLOAT32, *WEIGHTS)
    low.require(low.output_tensor().dtype == dtype, "input and output differ in type")
    is_float = dtype == TensorType.FLOAT32
    low.require_dtype(at.weights, *(FLOAT_WEIGHTS if is_float else WEIGHTS[dtype]))
    if low.has(at.bias):
        low.require_dtype(at.bias, *((TensorType.FLOAT32,) if is_float else BIASES[dtype]))
        low.values(at.bias) if constants else None
    low.values(at.weights) if constants else None
    return dtype


@dataclass(frozen=True, slots=True)
class Finish:
    """Arguments and defines by which a kernel finishes its sums.

    `zero_point` is what padding reads, `centered` makes weights less `weights_zero_point`.
    """

    args: list[Ref | int | float]
    defines: dict[str, object]
    zero_point: int
    weights_zero_point: int
    centered: Matrices
    is_long: bool


def finish(
    low: Lowering,
    at: Operands,
    activation: ActivationFunctionType,
    channels: int,
    channel_axis: int,
    depth: int,
    arrange: Arrange,
    matrices: Matrices | None,
    tag: object,
) -> Finish:
    """`matrices` are the weights whose sums take the input's zero point off; None if the kernel
    does. `depth`: products of a sum. `tag` names what `arrange` and `matrices` do."""
    bounds = result_range(low, activation)
    image, weights = low.tensor(at.image), low.tensor(at.weights)
    bias = low.values(at.bias).reshape(-1) if low.has(at.bias) else None
    key = (tag, None if bias is None else hashlib.blake2b(bias.tobytes()).digest())
    if image.dtype == TensorType.FLOAT32:
        added = np.zeros(channels, np.float32) if bias is None else bias
        ref = low.computed(("bias", "float", channels, *key), lambda: arrange(added))
        types: dict[str, object] = {"IN_T": low.ctype(at.image), "W_T": low.ctype(at.weights)}
        types["ACC_T"] = "float"
        return Finish([ref, *bounds], types, 0, 0, lambda values: values, False)

    zero_point, output_zero_point = per_tensor(image)[1], per_tensor(low.output_tensor())[1]
    is_wide = image.dtype == TensorType.INT16 and (bias is None or bias.dtype == np.int64)
    is_long = is_wide and depth >= INT32_DEPTH
    weights_zero_point = per_tensor(weights)[1] if image.dtype == TensorType.UINT8 else 0

    def centered(values: Array) -> Array:
        if image.dtype != TensorType.UINT8:
            return values
        return values.astype(np.int16) - np.int16(weights_zero_point)

    def added_bias(values: Array) -> Array:
        total = np.zeros(channels, np.int64) if bias is None else bias.astype(np.int64)
        if matrices is not None:
            sums = matrices(centered(values)).sum(axis=(1, 2, 3), dtype=np.int64)
            total = total - zero_point * sums
        return arrange(total).astype(np.int64 if is_wide else np.int32)

    try:
        real = real_multipliers(image, weights, low.output_tensor(), channels, channel_axis)
    except OpError as error:
        raise Unsupported(str(error)) from None
    scales = ("scales", tag, real.tobytes())
    zero_points = zero_point, weights_zero_point
    types = {
        "QUANTIZED": 1,
        "WIDE": int(is_wide),
        "IN_T": C_TYPES[image.dtype],
        "W_T": "short" if image.dtype == TensorType.UINT8 else "char",
        "ACC_T": "long" if is_long else "int",
    }
    args: list[Ref | int | float] = [
        low.packed(at.weights, ("bias", is_wide, matrices is None, zero_points, *key), added_bias),
        low.computed((*scales, 0), lambda: arrange(multipliers(real)[0])),
        low.computed((*scales, 1), lambda: arrange(multipliers(real)[1])),
        output_zero_point,
        *bounds,
    ]
    return Finish(args, types, zero_point, weights_zero_point, centered, is_long)
