"""STABLEHLO_GATHER and STABLEHLO_SCATTER: windows of a tensor read or updated at index vectors.

Names and rules are those of the StableHLO specification.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType
from ..schema.options2 import StablehloGatherOptions, StablehloScatterOptions
from .checks import options_of, require_inputs, require_same_dtype
from .context import OpContext
from .positions import row_major_strides
from .registry import Step, op


def dimensions(values: Any, what: str, rank: int, ascending: bool = False) -> tuple[int, ...]:
    """`values` as distinct dimensions of a tensor of `rank`; raises OpError where they are not."""
    found = () if values is None else tuple(int(v) for v in values)
    bad = len(set(found)) != len(found) or any(not 0 <= v < rank for v in found)
    if bad or (ascending and list(found) != sorted(found)):
        raise OpError(f"{what} {list(found)} are no distinct dimensions of a tensor of rank {rank}")
    return found


def index_vectors(indices: Array, vector_dim: int) -> Array:
    """`indices` with the index vectors last; of length 1 where no dimension holds them."""
    if vector_dim == indices.ndim:
        return indices[..., np.newaxis]
    return np.moveaxis(indices, vector_dim, -1)


def vectors_shape(ctx: OpContext, vector_dim: int) -> tuple[Shape, int]:
    """(shape of the batch of index vectors, their length)."""
    ctx.require_dtype(1, TensorType.INT32, TensorType.INT64)
    shape = ctx.shape(1)
    ctx.require(
        0 <= vector_dim <= len(shape),
        f"index_vector_dim is {vector_dim} for indices of shape {list(shape)}",
    )
    length = shape[vector_dim] if vector_dim < len(shape) else 1
    return (*shape[:vector_dim], *shape[vector_dim + 1 :]), length


@dataclass(frozen=True, slots=True)
class GatherLayout:
    """`offsets`: where the window's kept dimensions lie in the output of shape `out`."""

    out: Shape
    offsets: tuple[int, ...]
    collapsed: tuple[int, ...]
    index_map: tuple[int, ...]
    sizes: Shape
    vector_dim: int


def gather_layout(ctx: OpContext) -> GatherLayout:
    options = options_of(ctx, StablehloGatherOptions)
    operand = ctx.shape(0)
    sizes = () if options.slice_sizes is None else tuple(int(n) for n in options.slice_sizes)
    ctx.require(
        len(sizes) == len(operand)
        and all(0 <= n <= dim for n, dim in zip(sizes, operand, strict=True)),
        f"slices of {list(sizes)} do not fit in an operand of {list(operand)}",
    )
    collapsed = dimensions(options.collapsed_slice_dims, "collapsed_slice_dims", len(operand))
    ctx.require(
        all(sizes[d] == 1 for d in collapsed), f"collapsed dimensions {list(collapsed)} are not 1"
    )
    batch, length = vectors_shape(ctx, options.index_vector_dim)
    index_map = dimensions(options.start_index_map, "start_index_map", len(operand))
    ctx.require(
        len(index_map) == length,
        f"index vectors have {length} elements; start_index_map has {len(index_map)}",
    )
    window = [n for d, n in enumerate(sizes) if d not in collapsed]
    rank = len(batch) + len(window)
    offsets = dimensions(options.offset_dims, "offset_dims", rank, ascending=True)
    ctx.require(
        len(offsets) == len(window), f"offset_dims has {len(offsets)} dimensions for {len(window)}"
    )
    out = list(batch)
    for place, size in zip(offsets, window, strict=True):
        out.insert(place, size)
    return GatherLayout(tuple(out), offsets, collapsed, index_map, sizes, options.index_vector_dim)


def gather_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_same_dtype(ctx, 0)
    return [gather_layout(ctx).out]


@op("STABLEHLO_GATHER", prepare=gather_shape)
def gather(ctx: OpContext) -> Step:
    layout = gather_layout(ctx)
    x, y = ctx.input(0), ctx.output()
    vectors = index_vectors(ctx.input(1), layout.vector_dim)
    if not y.size:
        return lambda: None
    windows = sliding_window_view(x, layout.sizes) if x.ndim else x
    kept = np.moveaxis(y, layout.offsets, range(-len(layout.offsets), 0))
    target = np.expand_dims(kept, tuple(vectors.ndim - 1 + d for d in sorted(layout.collapsed)))
    last = [dim - size for dim, size in zip(x.shape, layout.sizes, strict=True)]

    def step() -> None:
        starts: list[Any] = [0] * x.ndim
        for place, d in enumerate(layout.index_map):
            starts[d] = np.clip(vectors[..., place], 0, last[d])
        np.copyto(target, windows[tuple(starts)])

    return step


UPDATES: dict[str, np.ufunc] = {
    "STABLEHLO_ADD": np.add,
    "ADD": np.add,
    "STABLEHLO_MULTIPLY": np.multiply,
    "MUL": np.multiply,
    "STABLEHLO_MAXIMUM": np.maximum,
    "MAXIMUM": np.maximum,
    "STABLEHLO_MINIMUM": np.minimum,
    "MINIMUM": np.minimum,
    "STABLEHLO_AND": np.bitwise_and,
    "STABLEHLO_OR": np.bitwise_or,
}
"""What an update computation of one operator does; one without operators replaces the value."""


def update_of(ctx: OpContext) -> np.ufunc | None:
    """How an update joins a value; None where it replaces it."""
    index = options_of(ctx, StablehloScatterOptions).update_computation_subgraph_index
    nodes = ctx.subgraph(index).graph.nodes
    if not nodes:
        return None
    found = UPDATES.get(nodes[0].op) if len(nodes) == 1 else None
    if found is None:
        names = ", ".join(node.op for node in nodes)
        raise OpError(f"the update computation is {names}; expected one of {', '.join(UPDATES)}")
    return found


@dataclass(frozen=True, slots=True)
class ScatterLayout:
    """`windows`: dimensions of the updates within a window, in the order of the operand's."""

    windows: tuple[int, ...]
    inserted: tuple[int, ...]
    index_map: tuple[int, ...]
    vector_dim: int


def scatter_layout(ctx: OpContext) -> ScatterLayout:
    options = options_of(ctx, StablehloScatterOptions)
    operand, updates = ctx.shape(0), ctx.shape(2)
    rank = len(operand)
    windows = dimensions(
        options.update_window_dims, "update_window_dims", len(updates), ascending=True
    )
    inserted = dimensions(options.inserted_window_dims, "inserted_window_dims", rank)
    ctx.require(
        len(windows) + len(inserted) == rank,
        f"{len(windows)} window and {len(inserted)} inserted dimensions do not make rank {rank}",
    )
    batch, length = vectors_shape(ctx, options.index_vector_dim)
    index_map = dimensions(
        options.scatter_dims_to_operand_dims, "scatter_dims_to_operand_dims", rank
    )
    ctx.require(
        len(index_map) == length,
        f"index vectors have {length} elements; scatter_dims_to_operand_dims has {len(index_map)}",
    )
    found = tuple(n for d, n in enumerate(updates) if d not in windows)
    ctx.require(
        found == batch,
        f"updates of shape {list(updates)} have {list(found)} beside their windows; "
        f"expected {list(batch)} as the indices",
    )
    return ScatterLayout(windows, inserted, index_map, options.index_vector_dim)


def scatter_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    require_same_dtype(ctx, 0, 2)
    ctx.require(
        ctx.dtype(0) not in (TensorType.STRING, TensorType.VARIANT, TensorType.RESOURCE),
        f"the input is {ctx.dtype(0).name}; expected numbers or BOOL",
    )
    scatter_layout(ctx)
    update_of(ctx)
    return [ctx.shape(0)]


@op("STABLEHLO_SCATTER", prepare=scatter_shape)
def scatter(ctx: OpContext) -> Step:
    layout, apply = scatter_layout(ctx), _apply(update_of(ctx))
    x, y, updates = ctx.input(0), ctx.output(), ctx.input(2)
    vectors = index_vectors(ctx.input(1), layout.vector_dim)
    if not updates.size or not y.size:
        return lambda: np.copyto(y, x)
    within = window_indices(updates.shape, layout, y.ndim)
    batch = [d for d in range(updates.ndim) if d not in layout.windows]
    strides = row_major_strides(y.shape)

    def step() -> None:
        np.copyto(y, x)
        positions = np.zeros(updates.shape, np.int64)
        inside = np.ones(updates.shape, np.bool_)
        for d, dim in enumerate(y.shape):
            index = within[d]
            if d in layout.index_map:
                start = vectors[..., layout.index_map.index(d)].astype(np.int64)
                index = index + _spread(start, batch, updates.ndim)
            inside &= (index >= 0) & (index < dim)
            positions += index * strides[d]
        apply(y.reshape(-1), positions[inside], updates[inside])

    return step


def window_indices(updates: Shape, layout: ScatterLayout, rank: int) -> list[NDArray[np.int64]]:
    """For each dimension of the operand the place in the window, to broadcast over the updates."""
    places = iter(layout.windows)
    found = []
    for d in range(rank):
        if d in layout.inserted:
            found.append(np.zeros((1,) * len(updates), np.int64))
        else:
            place = next(places)
            found.append(_spread(np.arange(updates[place]), [place], len(updates)))
    return found


def _spread(values: Array, dims: Sequence[int], rank: int) -> Array:
    """`values` with its dimensions at `dims` of `rank`, the others 1."""
    shape = [1] * rank
    for d, size in zip(dims, values.shape, strict=True):
        shape[d] = size
    return values.reshape(shape)


def _apply(update: np.ufunc | None) -> Callable[[Array, Array, Array], None]:
    def replace(target: Array, positions: Array, values: Array) -> None:
        target[positions] = values

    def choose(target: Array, positions: Array, values: Array) -> None:
        # std::max and std::min never take a NaN over a value.
        usable = values == values
        ufunc.at(target, positions[usable], values[usable])

    def join(target: Array, positions: Array, values: Array) -> None:
        ufunc.at(target, positions, values)

    if update is None:
        return replace
    ufunc = update
    return choose if ufunc in (np.maximum, np.minimum) else join
