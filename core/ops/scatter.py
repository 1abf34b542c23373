"""Values written where index tuples say: SCATTER_ND adds, SPARSE_TO_DENSE keeps the last."""

from __future__ import annotations

import math

import numpy as np

from ..graph import Shape
from ..schema.enums import TensorType
from .checks import (
    require_inputs,
    require_one,
    require_rank,
    require_same_dtype,
    valid_shape,
    vector,
)
from .context import OpContext
from .positions import flat_positions
from .registry import Step, op

NUMBERS = (
    TensorType.FLOAT32,
    TensorType.FLOAT16,
    TensorType.FLOAT64,
    TensorType.BFLOAT16,
    TensorType.INT8,
    TensorType.UINT8,
    TensorType.INT16,
    TensorType.UINT16,
    TensorType.INT32,
    TensorType.UINT32,
    TensorType.INT64,
    TensorType.UINT64,
)


def scatter_nd_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    ctx.require_dtype(0, TensorType.INT32, TensorType.INT64)
    ctx.require_dtype(1, *NUMBERS, TensorType.BOOL)
    require_same_dtype(ctx, 1)
    indices, updates = ctx.shape(0), ctx.shape(1)
    ctx.require(len(indices) >= 1, "indices is a scalar; expected at least a vector")
    ctx.require(len(updates) >= 1, "updates is a scalar; expected at least a vector")
    shape = valid_shape(vector(ctx, 2))
    *outer, depth = indices
    wanted = (*outer, *shape[depth:])
    ctx.require(
        depth <= len(shape) and updates == wanted,
        f"updates has shape {list(updates)}; indices {list(indices)} into {list(shape)} "
        f"need {list(wanted)}",
    )
    return [shape]


@op("SCATTER_ND", prepare=scatter_nd_shape)
def scatter_nd(ctx: OpContext) -> Step:
    *outer, depth = ctx.shape(0)
    y = ctx.output()
    dims, inner = y.shape[:depth], math.prod(y.shape[depth:])
    indices = ctx.input(0).reshape(math.prod(outer), depth)
    updates = ctx.input(1).reshape((len(indices),) if inner == 1 else (len(indices), inner))
    target = y.reshape(math.prod(dims), *updates.shape[1:])

    def step() -> None:
        target.fill(0)
        np.add.at(target, flat_positions(indices, dims), updates)

    return step


def sparse_to_dense_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 4)
    ctx.require_dtype(0, TensorType.INT32, TensorType.INT64)
    ctx.require_dtype(2, *NUMBERS, TensorType.BOOL)
    require_same_dtype(ctx, 2, 3)
    require_one(ctx, 3)
    indices, values = ctx.shape(0), ctx.shape(2)
    ctx.require(len(indices) <= 2, f"indices has rank {len(indices)}; expected at most 2")
    ctx.require(len(values) <= 1, f"values has rank {len(values)}; expected at most 1")
    require_rank(ctx, 1, 1)
    depth = indices[1] if len(indices) == 2 else 1
    ctx.require(
        ctx.shape(1) == (depth,),
        f"indices of shape {list(indices)} need an output of rank {depth}; found {ctx.shape(1)[0]}",
    )
    count = indices[0] if indices else 1
    ctx.require(
        values in ((), (count,)), f"values has shape {list(values)}; expected a scalar or [{count}]"
    )
    return [valid_shape(vector(ctx, 1))]


@op("SPARSE_TO_DENSE", prepare=sparse_to_dense_shape, versions=(1, 3))
def sparse_to_dense(ctx: OpContext) -> Step:
    y = ctx.output()
    dims, target = y.shape, y.reshape(-1)
    shape = ctx.shape(0)
    indices = ctx.input(0).reshape(shape if len(shape) == 2 else (-1, 1))
    values, default = ctx.input(2), ctx.input(3).reshape(())

    def step() -> None:
        target.fill(default[()])
        target[flat_positions(indices, dims)] = values

    return step
