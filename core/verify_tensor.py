"""What must hold of one tensor: sizes, stored bytes, quantisation and sparse encoding."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from .dtypes import INTEGER_RANGE, MAX_RANK, stored_bytes, string_ends
from .errors import ModelError
from .graph import Array, Graph, Quantization, Shape, SparseDimension, Sparsity, Tensor
from .schema.enums import TensorType as T

MAX_BYTES = 2**63 - 1

SMALL_INTEGERS = frozenset({T.INT2, T.INT4, T.UINT4, T.INT8, T.UINT8, T.INT16, T.UINT16})
"""Types whose quantised values the kernels compute with."""


Strings: TypeAlias = dict[int, tuple[int, int]]
"""By address of a stored string tensor that is well-formed: how many strings and bytes it has."""


def verify_tensor(tensor: Tensor, graph: Graph, strings: Strings) -> None:
    """Raises ModelError with what is wrong with a tensor of `graph`.

    `strings` holds what was found for other tensors of the model: thousands may share one buffer.
    """
    _check_shape(tensor.shape, tensor.dtype)
    if tensor.quant is not None:
        try:
            _check_quantization(tensor.quant, tensor, graph)
        except ModelError as error:
            raise ModelError(f"has invalid quantization parameters: {error}") from None
    if tensor.data is not None:
        _check_data(tensor, tensor.data, strings)


def _check_shape(shape: Shape, dtype: T) -> None:
    if len(shape) > MAX_RANK:
        raise ModelError(f"has {len(shape)} dimensions; at most {MAX_RANK} are supported.")
    if any(size < 0 for size in shape):
        raise ModelError(f"has the shape {list(shape)}; dimensions cannot be negative.")
    if stored_bytes(dtype, math.prod(max(size, 1) for size in shape)) > MAX_BYTES:
        raise ModelError(
            f"has the shape {list(shape)}: BytesRequired number of elements overflowed."
        )


def _check_data(tensor: Tensor, data: Array, known: Strings) -> None:
    elements = math.prod(tensor.shape)
    if tensor.dtype == T.VARIANT:
        raise ModelError("is a constant of type VARIANT; such values exist only at run time.")
    if tensor.dtype == T.STRING:
        try:
            strings = _count_strings(data, known)
        except ValueError as error:
            raise ModelError(f"is malformed: {error}.") from None
        if strings != elements:
            raise ModelError(
                f"stores {strings} strings; its shape {list(tensor.shape)} has {elements}."
            )
        return
    if tensor.sparsity is not None:
        try:
            elements = _stored_elements(tensor.sparsity, tensor.shape)
        except ModelError as error:
            raise ModelError(f"has invalid sparsity parameters: {error}") from None
    required = stored_bytes(tensor.dtype, elements)
    if required != data.size:
        raise ModelError(
            f"({tensor.dtype.name}{list(tensor.shape)}) requires {required} bytes, "
            f"but its buffer has {data.size}."
        )


def _count_strings(data: Array, known: Strings) -> int:
    """The number of strings in a stored tensor; ValueError where it is malformed."""
    address = data.ctypes.data
    strings, size = known.get(address, (0, 0))
    if not 0 < size <= data.size:
        ends = string_ends(data)
        strings = ends.size - 1
        known[address] = strings, int(ends[-1])
    return strings


def _check_quantization(quant: Quantization, tensor: Tensor, graph: Graph) -> None:
    rank = len(tensor.shape)
    if quant.blocks is not None:
        blocks = quant.blocks
        tensors = len(graph.tensors)
        if not 0 <= blocks.scales < tensors or not -1 <= blocks.zero_points < tensors:
            raise ModelError(
                f"scales are tensor {blocks.scales}, zero points tensor {blocks.zero_points}; "
                f"the subgraph has {tensors} tensors."
            )
        if blocks.size < 1:
            raise ModelError(f"block_size must be positive. Was {blocks.size}.")
        _check_axis(quant.axis, rank)
        return
    scales, zero_points = quant.scale.size, quant.zero_point.size
    if scales != zero_points:
        raise ModelError(
            f"QuantizationParam has {zero_points} zero_point values and {scales} scale values. "
            "Must have same number."
        )
    if quant.axis < 0:
        _check_axis(quant.axis, rank)
    # The shape () may stand for one that is not known.
    if scales > 1 and rank:
        _check_axis(quant.axis, rank)
        if scales != tensor.shape[quant.axis]:
            raise ModelError(
                f"num_scales must be 1 for per-layer quantization, or {tensor.shape[quant.axis]} "
                f"for per-axis quantization, but got {scales}."
            )
    if tensor.dtype in SMALL_INTEGERS or tensor.dtype == T.INT32:
        _check_values(quant, tensor)


def _check_axis(axis: int, rank: int) -> None:
    if not 0 <= axis < rank:
        raise ModelError(f"quantized_dimension must be in range [0, {rank}). Was {axis}.")


def _check_values(quant: Quantization, tensor: Tensor) -> None:
    wrong = ~(np.isfinite(quant.scale) & (quant.scale >= 0))
    if wrong.any():
        raise ModelError(f"scale {quant.scale[wrong][0]} is not a positive finite number.")
    # A constant may have the scale 0: its values are all 0. What is computed is divided by it.
    if tensor.data is None and tensor.dtype in SMALL_INTEGERS and not quant.scale.all():
        raise ModelError("scale is 0 for a tensor that is computed.")
    low, high = INTEGER_RANGE[tensor.dtype]
    outside = (quant.zero_point < low) | (quant.zero_point > high)
    if outside.any():
        raise ModelError(
            f"zero_point {quant.zero_point[outside][0]} is not in [{low}, {high}], "
            f"the range of {tensor.dtype.name}."
        )


def _stored_elements(sparsity: Sparsity, shape: Shape) -> int:
    """How many values a sparse tensor stores; ModelError where encoding and shape disagree."""
    order, rank = sparsity.traversal_order, len(shape)
    if len(sparsity.dimensions) != len(order):
        raise ModelError(f"{len(sparsity.dimensions)} levels for the traversal order {order}.")
    if sorted(order[:rank]) != list(range(rank)):
        raise ModelError(f"traversal order {order} must begin with a permutation of {rank} axes.")
    if sorted(order[rank:]) != list(range(rank, len(order))):
        raise ModelError(f"traversal order {order} must end with a permutation of the blocks.")
    sizes = _level_sizes(sparsity, shape)
    elements = 1
    for level, (axis, dimension) in enumerate(zip(order, sparsity.dimensions, strict=True)):
        try:
            elements = _descend(dimension, elements, sizes[axis])
        except ModelError as error:
            raise ModelError(f"level {level}: {error}") from None
    return elements


def _level_sizes(sparsity: Sparsity, shape: Shape) -> list[int]:
    """The size of each axis, blocked axes counted in blocks, then the sizes of the blocks."""
    rank, order = len(shape), sparsity.traversal_order
    if len(sparsity.block_map) != len(order) - rank:
        raise ModelError(
            f"block map {sparsity.block_map} must have {len(order) - rank} entries, "
            f"the levels beyond rank {rank}."
        )
    sizes = [*shape, *([0] * len(sparsity.block_map))]
    for level in range(rank, len(order)):
        axis = sparsity.block_map[order[level] - rank]
        block = sparsity.dimensions[level].dense_size
        if not 0 <= axis < rank:
            raise ModelError(f"block map {sparsity.block_map} names axis {axis} of {rank}.")
        if block < 1 or sizes[axis] % block:
            raise ModelError(f"blocks of {block} do not divide axis {axis} of size {sizes[axis]}.")
        sizes[axis] //= block
        sizes[order[level]] = block
    return sizes


def _descend(dimension: SparseDimension, parents: int, size: int) -> int:
    """The number of entries below `parents` entries of the level above."""
    segments, indices = dimension.segments, dimension.indices
    if segments is None or indices is None:
        if dimension.dense_size != size:
            raise ModelError(f"the dense size is {dimension.dense_size}; expected {size}.")
        return parents * size
    if segments.size != parents + 1 or segments[0] != 0 or segments[-1] != indices.size:
        raise ModelError(
            f"array_segments must have {parents + 1} entries from 0 to {indices.size}."
        )
    if np.any(segments[1:] < segments[:-1]):
        raise ModelError("array_segments must not decrease.")
    if indices.size and not 0 <= indices.min() <= indices.max() < size:
        raise ModelError(f"array_indices must be in [0, {size}).")
    starts_segment = np.zeros(indices.size + 1, bool)
    starts_segment[segments] = True
    if np.any((indices[1:] <= indices[:-1]) & ~starts_segment[1:-1]):
        raise ModelError("array_indices must increase within a segment.")
    return int(indices.size)
