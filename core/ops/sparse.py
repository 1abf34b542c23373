"""Sparse constants decoded: levels of the TACO format (arXiv:1804.10112), with blocks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import OpError
from ..graph import Array, Shape, SparseDimension, Sparsity
from ..schema.enums import TensorType
from .checks import require_inputs, require_same_dtype
from .context import OpContext
from .registry import Step, op

Indices = NDArray[np.int64]

DATA_TYPES = (TensorType.FLOAT32, TensorType.FLOAT16, TensorType.INT8, TensorType.INT32)


def level_sizes(sparsity: Sparsity, shape: Shape) -> tuple[list[int], list[int]]:
    """(sizes of the tensor's dimensions counted in blocks, sizes of the blocks).

    Raises OpError where order, block map and levels do not fit `shape`.
    """
    rank, blocks = len(shape), len(sparsity.block_map)
    order = sparsity.traversal_order
    if sorted(order) != list(range(rank + blocks)) or len(sparsity.dimensions) != len(order):
        raise OpError(
            f"traversal order {list(order)} with {len(sparsity.dimensions)} levels does not fit "
            f"rank {rank} with {blocks} blocked dimensions"
        )
    if list(sparsity.block_map) != sorted(set(sparsity.block_map) & set(range(rank))):
        raise OpError(f"block map {list(sparsity.block_map)} does not fit rank {rank}")
    if any(d >= rank for d in order[:rank]):
        raise OpError(f"traversal order {list(order)} has blocks before dimensions")
    outer, inner = list(shape), [0] * blocks
    for level in range(rank, rank + blocks):
        block = order[level] - rank
        size, dim = sparsity.dimensions[level].dense_size, sparsity.block_map[block]
        if size < 1 or shape[dim] % size:
            raise OpError(f"dimension {dim} of {shape[dim]} does not divide into blocks of {size}")
        inner[block] = size
        outer[dim] = shape[dim] // size
    return outer, inner


class Children(NamedTuple):
    """One level down: where each child lies, its coordinate, the place of its parent."""

    positions: Indices
    coordinates: Indices
    owners: Indices


def expand_level(dimension: SparseDimension, size: int, parents: Indices, most: int) -> Children:
    """The children of `parents`, at most `most`; raises OpError for a level that does not fit."""
    if dimension.segments is None or dimension.indices is None:
        if dimension.dense_size != size:
            raise OpError(f"a dense level has size {dimension.dense_size}; expected {size}")
        _require_at_most(most, len(parents) * size)
        coordinates = np.tile(np.arange(size), len(parents))
        owners = np.repeat(np.arange(len(parents)), size)
        return Children(parents[owners] * size + coordinates, coordinates, owners)
    segments = dimension.segments.astype(np.int64)
    indices = dimension.indices.astype(np.int64)
    if (
        len(segments) <= int(parents.max(initial=-1)) + 1
        or np.any(np.diff(segments, prepend=0) < 0)
        or segments[-1] > len(indices)
        or np.any((indices < 0) | (indices >= size))
    ):
        raise OpError(f"a compressed level of size {size} has segments or indices out of range")
    counts = segments[parents + 1] - segments[parents]
    total = int(counts.sum())
    _require_at_most(most, total)
    owners = np.repeat(np.arange(len(parents)), counts)
    firsts = segments[parents] - np.cumsum(counts) + counts
    positions = firsts[owners] + np.arange(total)
    return Children(positions, indices[positions], owners)


def _require_at_most(most: int, found: int) -> None:
    if found > most:
        raise OpError(f"the encoding has {found} values or more; expected at most {most}")


def densify(sparsity: Sparsity, shape: Shape, values: Array) -> Array:
    """The dense array of compressed `values`, 1-D; raises OpError for an encoding that is wrong."""
    outer, inner = level_sizes(sparsity, shape)
    rank, elements = len(shape), math.prod(shape)
    parents = np.zeros(1, np.int64)
    coordinates = [np.zeros(1, np.int64) for _ in shape]
    for level, dim in enumerate(sparsity.traversal_order):
        size = outer[dim] if dim < rank else inner[dim - rank]
        children = expand_level(sparsity.dimensions[level], size, parents, elements)
        parents = children.positions
        coordinates = [c[children.owners] for c in coordinates]
        if dim < rank:
            coordinates[dim] = children.coordinates
        else:
            target = sparsity.block_map[dim - rank]
            coordinates[target] = coordinates[target] * size + children.coordinates
    if len(parents) > len(values):
        raise OpError(f"the encoding needs {len(parents)} values; found {len(values)}")
    dense = np.zeros(shape, values.dtype)
    dense[tuple(coordinates)] = values[: len(parents)]
    return dense


def dense_input(ctx: OpContext, i: int) -> Array:
    """The memory of input `i`, or its dense values where it is a sparse constant."""
    sparsity = ctx.tensor(i).sparsity
    return ctx.input(i) if sparsity is None else densify(sparsity, ctx.shape(i), ctx.value(i))


def densify_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    ctx.require_dtype(0, *DATA_TYPES)
    require_same_dtype(ctx, 0)
    ctx.require(ctx.tensor(0).sparsity is not None, "the input is not sparse")
    return [ctx.shape(0)]


@op("DENSIFY", prepare=densify_shape)
def densify_op(ctx: OpContext) -> Step:
    sparsity = ctx.tensor(0).sparsity
    if sparsity is None:
        raise OpError("the input is not sparse")
    dense = densify(sparsity, ctx.shape(0), ctx.value(0))
    y = ctx.output()
    return lambda: np.copyto(y, dense)
