"""What recurrent layers share: products with float, hybrid or integer weights; time-major views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..graph import Array
from ..schema.enums import ActivationFunctionType, TensorType
from . import vector_math
from .context import OpContext
from .fused import activate
from .hybrid import exact_matrix, hybrid_matrix, hybrid_product, quantize_rows, signed_bytes
from .quantized import per_tensor
from .sparse import densify

Product = Callable[[Array], Array]


def time_major(array: Array, is_time_major: bool) -> Array:
    """[time, batch, depth] of an input or output; a view."""
    return array if is_time_major else array.swapaxes(0, 1)


def row_product(product: Product, source: Array) -> Array:
    """`product` of each row of `source` [time, batch, depth], in its layout: [time, batch, n]."""
    # Batch-major inputs are transposed views: their rows are taken in the order of memory.
    swapped = not source.flags.c_contiguous
    rows = source.swapaxes(0, 1) if swapped else source
    lead, depth = rows.shape[:2], rows.shape[2]
    flat = product(rows.reshape(lead[0] * lead[1], depth))
    part = flat.reshape(*lead, flat.shape[1])
    return part.swapaxes(0, 1) if swapped else part


def weights_of(ctx: OpContext, i: int) -> Array:
    """The values of weights `i`, dense."""
    sparsity, values = ctx.tensor(i).sparsity, ctx.value(i)
    return values if sparsity is None else densify(sparsity, ctx.shape(i), values)


def product_with(ctx: OpContext, positions: Sequence[int], asymmetric: bool) -> Product:
    """rows [n, depth] -> float32 [n, columns]: the product with these weights, stacked.

    Integer weights quantise each row of activations first.
    """
    matrix = np.concatenate([weights_of(ctx, i) for i in positions])
    if ctx.dtype(positions[0]) == TensorType.FLOAT32:
        columns = matrix.T
        return lambda rows: np.matmul(rows, columns)
    scales = [np.full(ctx.shape(i)[0], per_tensor(ctx.tensor(i))[0]) for i in positions]
    packed = hybrid_matrix(matrix, np.concatenate(scales), asymmetric)
    return lambda rows: hybrid_product(quantize_rows(rows, asymmetric), packed)


def vectors(ctx: OpContext, positions: Sequence[int]) -> Array:
    """These vectors as rows of float32, integers times their scale."""
    rows = []
    for i in positions:
        value = ctx.value(i)
        if ctx.dtype(i) != TensorType.FLOAT32:
            value = np.float32(per_tensor(ctx.tensor(i))[0]) * signed_bytes(value)
        rows.append(value.astype(np.float32, copy=False))
    return np.stack(rows)


def logistic(y: Array) -> None:
    """1 / (1 + exp(-y)) in place."""
    np.negative(y, out=y)
    np.exp(y, out=y)
    y += 1
    np.reciprocal(y, out=y)


@dataclass(frozen=True, slots=True)
class Functions:
    """What a layer applies to its gates and states, in place."""

    logistic: Callable[[Array], None]
    activation: Callable[[Array], None]


def functions(activation: ActivationFunctionType, weights: TensorType) -> Functions:
    """Those of the reference to the last bit where weights are integers and states get rounded."""
    if weights == TensorType.FLOAT32:
        return Functions(logistic, lambda y: activate(y, activation))
    if activation == ActivationFunctionType.TANH:
        return Functions(vector_math.logistic, vector_math.tanh)
    return Functions(vector_math.logistic, lambda y: activate(y, activation))


def affine(
    weights: Array, zero_point: int, bias: Array | None = None
) -> Callable[[Array], NDArray[np.int64]]:
    """f(rows) = (rows - zero_point) times `weights` [columns, depth], plus bias, exactly."""
    matrix = exact_matrix(weights, 128)
    offset = -zero_point * weights.sum(axis=1, dtype=np.int64)
    if bias is not None:
        offset = offset + bias
    return lambda rows: (rows.astype(matrix.dtype) @ matrix).astype(np.int64) + offset
