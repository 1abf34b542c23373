"""Convolutions of single pixels, few of them, as matrix products of few rows: on CUDA a warp makes
each element, as wide loads of the weights are what counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from litegpu.delegate import Unsupported
from litegpu.errors import OpError
from litegpu.ops.conv_quantized import real_multipliers
from litegpu.schema.enums import ActivationFunctionType, TensorType

from ..program import Ref
from . import product
from .channels import Operands, require_types
from .context import C_TYPES, Lowering
from .product import Left, Right, Sizes, Sums
from .quantization import per_tensor, result_range


def multiply_pixels(
    low: Lowering, image: Ref, count: int, at: Operands, activation: ActivationFunctionType
) -> None:
    """Launches the convolution of `count` pixels by filters of 1 by 1, in one group."""
    dtype = require_types(low, at)
    filters, depth = low.output_tensor().shape[3], low.shape(at.weights)[3]
    is_byte = dtype == TensorType.UINT8
    right = Right(
        at.weights,
        low.ctype(at.weights),
        1,
        0,
        1,
        depth,
        per_tensor(low.tensor(at.weights))[1] if is_byte else 0,
        lambda values: values.reshape(filters, depth).T[None],
        "pixels",
    )
    left = Left(image, low.ctype(at.image), depth, 1)
    if dtype == TensorType.FLOAT32:
        none = low.constant(np.zeros(filters, np.float32))
        bias = low.wide_input(at.bias) if low.has(at.bias) else none
        sums = product.float_sums(low, bias, result_range(low, activation))
    else:
        zero_point = per_tensor(low.tensor(at.image))[1]
        left = Left(image, low.ctype(at.image), depth, 1, zero_point)
        sums = _integer_sums(low, at, filters, result_range(low, activation))
    product.multiply(low, left, right, Sizes(count, filters, depth), sums)


def _integer_sums(low: Lowering, at: Operands, filters: int, bounds: Any) -> Sums:
    tensors = low.tensor(at.image), low.tensor(at.weights), low.output_tensor()
    try:
        real = real_multipliers(*tensors, filters, 0)
    except OpError as error:
        raise Unsupported(str(error)) from None
    is_wide = tensors[0].dtype == TensorType.INT16
    if low.has(at.bias):
        is_wide = is_wide and low.dtype(at.bias) == TensorType.INT64
        bias = low.wide_input(at.bias), C_TYPES[low.dtype(at.bias)]
    else:
        bias = low.constant(np.zeros(filters, np.int32)), "int"
    kind, acc = (product.FIXED_WIDE, "long") if is_wide else (product.FIXED, "int")
    zero_point = per_tensor(tensors[2])[1]
    return product.integer_sums(low, kind, real, bias, zero_point, bounds, acc)
