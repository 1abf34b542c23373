"""Rows of an embedding table: looked up one by one, or combined with weights."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..dtypes import NUMPY
from ..errors import OpError
from ..graph import Array, Quantization, Shape
from ..schema.enums import CombinerType, TensorType
from ..schema.options import EmbeddingLookupSparseOptions
from .checks import options_of, require_inputs, require_rank, valid_shape
from .context import OpContext
from .positions import flat_positions, require_within
from .registry import Step, op

QUANTIZED = (TensorType.INT8, TensorType.UINT8, TensorType.INT4, TensorType.INT2)
REAL = (TensorType.FLOAT32, TensorType.FLOAT16)


def is_hybrid(ctx: OpContext) -> bool:
    """Whether rows of integers are looked up as reals."""
    return ctx.dtype(1) != ctx.output_dtype()


def lookup_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    require_rank(ctx, 0, 1)
    ctx.require_dtype(0, TensorType.INT32)
    table = ctx.shape(1)
    ctx.require(len(table) >= 2, f"the table has shape {list(table)}; expected at least rank 2")
    if is_hybrid(ctx):
        ctx.require_dtype(1, *QUANTIZED)
        found = ctx.output_dtype()
        ctx.require(found in REAL, f"the output is {found.name}; expected FLOAT32 or FLOAT16")
        check_scales(ctx)
    return [(*ctx.shape(0), *table[1:])]


def check_scales(ctx: OpContext) -> None:
    """Raises OpError unless the table is symmetric, with a scale for all, a row, or a block."""
    tensor, table = ctx.tensor(1), ctx.shape(1)
    quant = tensor.quant
    if quant is None:
        raise OpError(f"the table {tensor.name!r} is {tensor.dtype.name} without a scale")
    if quant.blocks is not None:
        size = quant.blocks.size
        ctx.require(len(table) == 2, f"a blockwise table has shape {list(table)}; expected rank 2")
        ctx.require(
            size > 0 and table[1] % size == 0,
            f"rows of {table[1]} do not divide into blocks of {size}",
        )
        return
    ctx.require(not quant.zero_point.any(), "the table has a zero point; expected 0")
    rows = quant.scale.size
    ctx.require(
        rows == 1 or (quant.axis == 0 and rows == table[0]),
        f"the table has {rows} scales along axis {quant.axis}; expected 1, or {table[0]} on axis 0",
    )


@op("EMBEDDING_LOOKUP", prepare=lookup_shape, versions=(1, 5))
def embedding_lookup(ctx: OpContext) -> Step:
    shape = ctx.shape(1)
    rows, width = shape[0], math.prod(shape[1:])
    ids, table = ctx.input(0), ctx.input(1).reshape(rows, width)
    y = ctx.output().reshape(len(ids), width)
    if is_hybrid(ctx):
        return _scaled(ids, table, row_scales(ctx), y)

    def step() -> None:
        require_within(ids, rows)
        np.take(table, ids, axis=0, out=y, mode="clip")

    return step


def row_scales(ctx: OpContext) -> NDArray[np.float32]:
    """float32 [rows or 1, blocks in a row]."""
    quant: Quantization = ctx.tensor(1).quant  # type: ignore[assignment]
    rows, width = ctx.shape(1)[0], math.prod(ctx.shape(1)[1:])
    if quant.blocks is None:
        return quant.scale.reshape(-1, 1)
    blocks = width // quant.blocks.size
    scales = ctx.frame.value(quant.blocks.scales)
    ctx.require(
        scales.size == rows * blocks,
        f"the table has {scales.size} block scales; expected {rows} x {blocks}",
    )
    return scales.reshape(rows, blocks).astype(np.float32)


def _scaled(ids: Array, table: Array, scales: NDArray[np.float32], y: Array) -> Step:
    rows, width = table.shape
    # The reference reads uint8 as int8.
    signed = table.view(np.int8) if table.dtype == np.uint8 else table
    blocks = scales.shape[1]
    target = y.reshape(len(ids), blocks, width // blocks if blocks else 0)

    def step() -> None:
        require_within(ids, rows)
        wide = signed[ids].astype(np.float32).reshape(target.shape)
        factors = scales[ids] if len(scales) > 1 else scales
        np.multiply(wide, factors[:, :, np.newaxis], out=target, casting="same_kind")

    return step


def lookup_sparse_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 5)
    for i, rank, dtype in (
        (0, 1, TensorType.INT32),
        (1, 2, TensorType.INT32),
        (2, 1, TensorType.INT32),
        (3, 1, TensorType.FLOAT32),
    ):
        require_rank(ctx, i, rank)
        ctx.require_dtype(i, dtype)
    ctx.require_dtype(4, TensorType.FLOAT32)
    ctx.require(ctx.output_dtype() == TensorType.FLOAT32, "the output must be FLOAT32")
    count, depth = ctx.shape(1)
    ctx.require(
        ctx.shape(0) == ctx.shape(3) == (count,),
        f"there are {ctx.shape(0)[0]} ids, {count} indices, {ctx.shape(3)[0]} weights",
    )
    ctx.require(
        ctx.shape(2) == (depth,) and depth >= 1,
        f"the dense shape has {ctx.shape(2)[0]} dimensions, the indices {depth}",
    )
    table = ctx.shape(4)
    ctx.require(len(table) >= 2, f"the table has shape {list(table)}; expected at least rank 2")
    return [valid_shape((*ctx.value(2)[:-1].tolist(), *table[1:]))]


@op("EMBEDDING_LOOKUP_SPARSE", prepare=lookup_sparse_shape)
def embedding_lookup_sparse(ctx: OpContext) -> Step:
    combiner = options_of(ctx, EmbeddingLookupSparseOptions).combiner
    dims = tuple(ctx.value(2)[:-1].tolist())
    shape = ctx.shape(4)
    rows, width = shape[0], math.prod(shape[1:])
    ids, indices, weights = ctx.input(0), ctx.input(1), ctx.input(3)
    table = ctx.input(4).reshape(rows, width)
    y = ctx.output().reshape(math.prod(dims), width)

    def step() -> None:
        require_within(ids, rows)
        buckets = flat_positions(indices[:, :-1], dims)
        y.fill(0)
        starts = np.flatnonzero(np.diff(buckets, prepend=-1))
        if not starts.size:
            return
        sums = np.add.reduceat(table[ids] * weights[:, np.newaxis], starts, axis=0)
        divisors = _divisors(combiner, weights, starts)
        targets = buckets[starts]
        for runs in _waves(targets):
            np.add.at(y, targets[runs], sums[runs])
            y[targets[runs]] /= divisors[runs]

    return step


def _divisors(combiner: CombinerType, weights: Array, starts: Array) -> Array:
    """What the sum of each run is divided by, [runs, 1]."""
    if combiner == CombinerType.MEAN:
        divisors = np.add.reduceat(weights, starts)
    elif combiner == CombinerType.SQRTN:
        divisors = np.sqrt(np.add.reduceat(weights * weights, starts))
    else:
        divisors = np.ones(len(starts), NUMPY[TensorType.FLOAT32])
    return divisors[:, np.newaxis]


def _waves(targets: Array) -> list[Array]:
    """Runs in groups without repeated targets: a bucket met again is added to and divided again.

    Indices in order give one group.
    """
    order = np.argsort(targets, kind="stable")
    ordered = targets[order]
    firsts = np.flatnonzero(np.diff(ordered, prepend=-1))
    occurrence = np.arange(len(order)) - np.repeat(firsts, np.diff(firsts, append=len(order)))
    return [order[occurrence == k] for k in range(int(occurrence.max()) + 1)]
