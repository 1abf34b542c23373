"""FULLY_CONNECTED and BATCH_MATMUL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from litegpu.dtypes import decode
from litegpu.graph import Array, Blocks, Node, Shape
from litegpu.ops.hybrid import signed_bytes
from litegpu.ops.shapes import broadcast_shape
from litegpu.schema.enums import ActivationFunctionType as Activation
from litegpu.schema.enums import FullyConnectedOptionsWeightsFormat as Format
from litegpu.schema.enums import TensorType as T
from litegpu.schema.options import BatchMatMulOptions, FullyConnectedOptions

from . import product
from .context import C_TYPES, Lowering, elements
from .product import Left, Right, Sizes, Sums, element_type
from .quantization import NO_ACTIVATION, per_tensor, result_range
from .registry import lowers

WEIGHTS = (T.FLOAT32, T.UINT8, T.INT8, T.INT16, T.INT4, T.INT2)
MOST_DEPTH = 2**31 // (255 * 128)
"""Depth up to which sums of hybrid products fit 32 bits."""


@lowers("FULLY_CONNECTED")
def fully_connected(low: Lowering, node: Node) -> None:
    options = node.options if node.options is not None else FullyConnectedOptions()
    low.require(options.weights_format == Format.DEFAULT, "the weights are shuffled")
    dtype = low.require_dtype(0, T.FLOAT32, T.UINT8, T.INT8, T.INT16)
    weights = low.require_dtype(1, *WEIGHTS)
    low.require(low.tensor(1).sparsity is None, "the weights are sparse")
    units, depth = low.shape(1)
    rows = elements(low.output_tensor().shape) // max(units, 1)
    if dtype == T.FLOAT32 and weights != T.FLOAT32:
        hybrid(low, options, rows, units, depth)
        return
    activation = options.fused_activation_function
    left = Left(low.input(0), low.ctype(0), depth, 1)
    right = weights_of(low, units, depth)
    bounds: Any = result_range(low, activation)
    if dtype == T.FLOAT32:
        bias = low.wide_input(2) if low.has(2) else low.constant(np.zeros(units, np.float32))
        sums = product.float_sums(low, bias, bounds)
    else:
        left = replace(left, zero_point=per_tensor(low.tensor(0))[1])
        sums = integer_sums(low, options, units, bounds)
    product.multiply(low, left, right, Sizes(rows, units, depth), sums)


def weights_of(
    low: Lowering,
    units: int,
    depth: int,
    change: Callable[[Array], Array] | None = None,
    tag: object = "",
    ctype: str = "",
) -> Right:
    """Weights [units, depth]; `change` is applied to constant ones."""
    quant, dtype = low.tensor(1).quant, low.dtype(1)
    shift = 0
    if quant is not None and quant.scale.size == 1 and quant.zero_point.size and change is None:
        shift = int(quant.zero_point[0])

    def values(w: Array) -> Array:
        changed = w if change is None else change(w)
        return changed.reshape(units, depth).T[None]

    return Right(
        1,
        ctype or element_type(low.options.computed(dtype)),
        1,
        0,
        1,
        depth,
        0 if dtype == T.FLOAT32 else shift,
        values if low.is_constant(1) else None,
        tag,
    )


def integer_sums(
    low: Lowering, options: FullyConnectedOptions, units: int, bounds: tuple[int, int]
) -> Sums:
    """As core/ops/fully_connected_quantized.py: the kind of scaling depends on the types."""
    in_scale = per_tensor(low.tensor(0))[0]
    out_scale, zero_point = per_tensor(low.output_tensor())
    scales = column_scales(low, units, 0)
    precise = np.broadcast_to(in_scale * scales.astype(np.float64) / out_scale, units)
    rounded = precise
    if scales.size == 1:
        exact = (np.float32(in_scale) * scales).astype(np.float64)
        rounded = np.broadcast_to(exact / out_scale, units)
    kind, real, acc = product.REAL, precise, "int"
    if low.dtype(0) == T.INT16:
        if low.dtype(1) == T.INT16:
            kind, real, acc = product.FIXED_WIDE, rounded, "long"
        elif not low.has(2) or low.dtype(2) == T.INT64:
            acc = "long"
        elif options.quantized_bias_type != T.INT32:
            kind, real = product.FIXED, rounded
    none = np.zeros(units, np.int32)
    bias = (low.input(2), C_TYPES[low.dtype(2)]) if low.has(2) else (low.constant(none), "int")
    sums = product.integer_sums(low, kind, real, bias, zero_point, bounds, acc)
    if low.has(2) and not (low.is_constant(2) and low.dtype(2) == T.INT32):
        return sums
    return replace(sums, added=low.values(2) if low.has(2) else none)


def column_scales(low: Lowering, columns: int, axis: int) -> Array:
    """The float32 scale of all columns, or that of each."""
    quant = low.tensor(1).quant
    if quant is None or quant.scale.size not in (1, columns):
        low.require(False, "the weights are not quantised as a whole or by column")
    assert quant is not None
    low.require(quant.scale.size == 1 or quant.axis == axis, "the scales lie on another axis")
    return quant.scale


def hybrid(
    low: Lowering, options: FullyConnectedOptions, rows: int, units: int, depth: int
) -> None:
    activation = options.fused_activation_function
    known = activation not in (Activation.TANH, Activation.SIGN_BIT)
    low.require(known, f"fused activation {activation.name} of hybrid products has no kernel")
    low.require(depth < MOST_DEPTH, f"a depth of {depth} does not fit 32 bits")
    quant = low.tensor(1).quant
    blocks = None if quant is None else quant.blocks
    bias = low.wide_input(2) if low.has(2) else low.constant(np.zeros(units, np.float32))
    bounds: Any = result_range(low, activation)
    if blocks is not None:
        right = blockwise(low, units, depth, blocks)
        scales, asymmetric, acc = np.ones(1, np.float32), True, "float"
    else:
        right = weights_of(low, units, depth, signed_bytes, "signed", "char")
        scales, asymmetric = column_scales(low, units, 0), options.asymmetric_quantize_inputs
        acc = "int"
    centered, row_scales = product.quantize_rows(low, rows, depth, asymmetric)
    scales = np.broadcast_to(scales, units)
    sums = product.hybrid_sums(low, bias, bounds, scales, row_scales, acc)
    left = Left(centered, "short", depth, 1)
    product.multiply(low, left, right, Sizes(rows, units, depth), sums)


def blockwise(low: Lowering, units: int, depth: int, blocks: Blocks) -> Right:
    """Weights with a scale for each block of their depth, as floats."""
    fits = blocks.size > 0 and depth % blocks.size == 0
    low.require(fits, f"blocks of {blocks.size} do not divide a depth of {depth}")
    low.require(low.is_constant(1), "weights with block scales are computed at run time")
    tensor = low.graph.tensors[blocks.scales]
    data = tensor.data
    if data is None:
        low.require(False, "the block scales are computed at run time")
    assert data is not None
    scales = decode(data, tensor.dtype, tensor.shape).astype(np.float32).reshape(-1)
    low.require(scales.size == units * (depth // blocks.size), "wrong number of block scales")

    def real(w: Array) -> Array:
        split = w.reshape(units, -1, blocks.size).astype(np.float32)
        return split * scales.reshape(units, -1, 1)

    return weights_of(low, units, depth, real, ("blocks", scales.tobytes()), "float")


@lowers("BATCH_MATMUL")
def batch_matmul(low: Lowering, node: Node) -> None:
    options = node.options if node.options is not None else BatchMatMulOptions()
    dtype = low.require_dtype(0, T.FLOAT32, T.INT8, T.INT16)
    low.require_dtype(1, T.FLOAT32, T.INT8, T.INT16)
    a, b = low.shape(0), low.shape(1)
    low.require(min(len(a), len(b)) >= 2, "an operand has rank below 2")
    depth, columns = b[-2:][::-1] if options.adj_y else b[-2:]
    rows = a[-1] if options.adj_x else a[-2]
    is_hybrid = dtype == T.FLOAT32 != low.dtype(1)
    low.require(not (is_hybrid and options.adj_x), "a transposed operand is not quantised")
    batches = batches_of(a, b)
    sizes = Sizes(rows, columns, depth, batches)
    steps = (1, rows) if options.adj_x else (depth, 1)
    left = Left(low.input(0), low.ctype(0), *steps)
    right = right_of(low, b, options.adj_y)
    if is_hybrid:
        low.require(depth < MOST_DEPTH, f"a depth of {depth} does not fit 32 bits")
        quant = low.tensor(1).quant
        scales = column_scales(low, columns, 0 if quant is None else quant.axis)
        count = elements(a[:-1])
        asymmetric = options.asymmetric_quantize_inputs
        centered, row_scales = product.quantize_rows(low, count, depth, asymmetric)
        bias = low.constant(np.zeros(columns, np.float32))
        bounds: Any = result_range(low, NO_ACTIVATION)
        scales = np.broadcast_to(scales, columns)
        sums = product.hybrid_sums(low, bias, bounds, scales, row_scales, "int")
        left = Left(centered, "short", depth, 1)
        right = replace(right, zero_point=0)
    elif dtype == T.FLOAT32:
        bias = low.constant(np.zeros(columns, np.float32))
        sums = product.float_sums(low, bias, result_range(low, NO_ACTIVATION))
    else:
        sums, zeros = integer_products(low, columns)
        left, right = replace(left, zero_point=zeros[0]), replace(right, zero_point=zeros[1])
    product.multiply(low, left, right, sizes, sums)


def right_of(low: Lowering, shape: Shape, is_adjoint: bool) -> Right:
    *_, first, second = shape
    steps = (1, second) if is_adjoint else (second, 1)

    def values(w: Array) -> Array:
        matrices = w.reshape(-1, first, second)
        return matrices.swapaxes(1, 2) if is_adjoint else matrices

    return Right(
        1,
        low.ctype(1),
        elements(shape[:-2]),
        first * second,
        *steps,
        values=values if low.is_constant(1) else None,
        tag=("matrices", is_adjoint),
    )


def batches_of(a: Shape, b: Shape) -> Array:
    """For each product: the offset of its left matrix, the number of its right one."""
    out = broadcast_shape(a[:-2], b[:-2])
    indices = []
    for shape in (a, b):
        numbers = np.arange(elements(shape[:-2]), dtype=np.int32).reshape(shape[:-2])
        indices.append(np.broadcast_to(numbers, out).reshape(-1))
    offsets = indices[0] * (a[-1] * a[-2])
    return np.ascontiguousarray(np.stack([offsets, indices[1]], axis=1), np.int32)


def integer_products(low: Lowering, columns: int) -> tuple[Sums, list[int]]:
    """(how sums are rescaled, zero points of both operands)."""
    is_short = low.dtype(0) == T.INT16
    acc = "long" if is_short else "int"
    none = np.zeros(columns, np.int32)
    bias = low.constant(none), "int"
    bounds: Any = result_range(low, NO_ACTIVATION)
    if low.output_tensor().dtype == T.INT32:
        return product.integer_sums(low, product.STORED, np.zeros(0), bias, 0, bounds, acc), [0, 0]
    (left, a_zero), (right, b_zero) = per_tensor(low.tensor(0)), per_tensor(low.tensor(1))
    scale, zero_point = per_tensor(low.output_tensor())
    real = np.full(columns, float(np.float32(left) * np.float32(right)) / scale)
    kind = product.FIXED_WIDE if is_short else product.FIXED
    sums = product.integer_sums(low, kind, real, bias, zero_point, bounds, acc)
    return replace(sums, added=none), [a_zero, b_zero]
