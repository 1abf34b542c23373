"""BATCH_MATMUL: products of the last two dimensions, the others broadcast."""

from __future__ import annotations

import math

import numpy as np

from ..dtypes import INTEGER_RANGE
from ..graph import Array, Shape
from ..schema.enums import TensorType as T
from ..schema.options import BatchMatMulOptions
from .checks import options_of, require_inputs
from .context import OpContext
from .conv_hybrid import hybrid_scales
from .conv_quantized import integer_work
from .exact import EXACT32, depth_parts
from .hybrid import quantize_rows
from .quantized import per_tensor
from .registry import Step, op
from .requantize import FixedPoint, FixedPoint64, OutputRange, Requantize
from .shapes import broadcast_shape

TYPES = {
    (T.FLOAT32, T.FLOAT32): (T.FLOAT32,),
    (T.FLOAT32, T.INT8): (T.FLOAT32,),
    (T.INT8, T.INT8): (T.INT8, T.INT32),
    (T.INT16, T.INT16): (T.INT16,),
    (T.INT16, T.INT8): (T.INT16,),
}
"""Types of both operands: possible types of the output."""


def prepare(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    types = ctx.dtype(0), ctx.dtype(1)
    ctx.require(
        ctx.output_dtype() in TYPES.get(types, ()),
        lambda: f"{types[0].name} times {types[1].name} cannot give {ctx.output_dtype().name}",
    )
    ctx.require(min(ctx.rank(0), ctx.rank(1)) >= 2, "operands must be of rank 2 or more")
    if types[0] in (T.INT8, T.INT16) and ctx.output_dtype() != T.INT32:
        tensors = ctx.tensor(0), ctx.tensor(1), ctx.output_tensor()
        zero_points = [per_tensor(t)[1] for t in tensors]
        ctx.require(types[0] == T.INT8 or not any(zero_points), "int16 needs zero points of 0")
    options = options_of(ctx, BatchMatMulOptions)
    left, right = ctx.shape(0), ctx.shape(1)
    rows, depth = swapped(left[-2:], options.adj_x)
    depth_, columns = swapped(right[-2:], options.adj_y)
    ctx.require(depth == depth_, lambda: f"shapes {left} and {right} have different inner sizes")
    return [(*broadcast_shape(left[:-2], right[:-2]), rows, columns)]


def swapped(sizes: Shape, is_adjoint: bool) -> Shape:
    return sizes[::-1] if is_adjoint else sizes


def operands(ctx: OpContext, left: Array, right: Array) -> tuple[Array, Array]:
    """Views [..., rows, depth] and [..., depth, columns]."""
    options = options_of(ctx, BatchMatMulOptions)
    return (
        left.swapaxes(-1, -2) if options.adj_x else left,
        right.swapaxes(-1, -2) if options.adj_y else right,
    )


@op("BATCH_MATMUL", prepare=prepare, versions=(1, 4))
def batch_matmul(ctx: OpContext) -> Step:
    y = ctx.output()
    if y.size == 0:
        return lambda: None
    if ctx.dtype(1) == T.FLOAT32:
        left, right = operands(ctx, ctx.input(0), ctx.input(1))

        def step() -> None:
            np.matmul(left, right, out=y)

        return step
    if ctx.dtype(0) == T.FLOAT32:
        return hybrid_step(ctx)
    return integer_step(ctx)


def hybrid_step(ctx: OpContext) -> Step:
    """Each row of the left operand is quantised on its own."""
    x, weights = operands(ctx, ctx.input(0), ctx.input(1))
    y = ctx.output()
    depth, columns = weights.shape[-2:]
    asymmetric = options_of(ctx, BatchMatMulOptions).asymmetric_quantize_inputs
    quant = ctx.tensor(1).quant
    axis = quant.axis if quant is not None else 0
    scales = hybrid_scales(ctx, columns, axis)
    dtype = np.float32 if depth * 255 * 128 <= EXACT32 else np.float64
    packed = weights.astype(dtype) if ctx.is_known(1) else None

    def step() -> None:
        rows = quantize_rows(x.reshape(-1, depth), asymmetric)
        left = rows.values.astype(dtype, copy=False)
        right = weights.astype(dtype) if packed is None else packed
        sums = np.matmul(left.reshape(x.shape), right)
        scale = rows.scales.reshape(*x.shape[:-1], 1) * scales
        np.multiply(sums, scale, out=y, casting="same_kind")

    return step


def integer_step(ctx: OpContext) -> Step:
    """Exact sums, rescaled as convolutions are; int32 outputs are the sums of stored values."""
    y = ctx.output()
    is_scaled = y.dtype != np.int32
    zero_points = [per_tensor(ctx.tensor(i))[1] if is_scaled else 0 for i in (0, 1)]
    largest = [
        max(zero - low, high - zero)
        for zero, (low, high) in zip(
            zero_points, (INTEGER_RANGE[ctx.dtype(0)], INTEGER_RANGE[ctx.dtype(1)]), strict=True
        )
    ]
    x, w = operands(ctx, ctx.input(0), ctx.input(1))
    depth, columns = w.shape[-2:]
    parts, dtype, accumulator = depth_parts(depth, math.prod(largest))
    left, right = ctx.scratch(x.shape, dtype), ctx.scratch(w.shape, dtype)
    rows = y.size // columns
    finish = requantizer(ctx, columns, float(depth * math.prod(largest)), accumulator)
    room = rows if finish is None else finish.capacity(rows)
    acc = ctx.scratch((room, columns), accumulator)
    sums = acc[:rows].reshape(y.shape)
    part = ctx.scratch(y.shape, dtype) if len(parts) > 1 else sums
    work = integer_work(ctx.scratch, room, columns, accumulator)

    def step() -> None:
        np.subtract(x, zero_points[0], out=left, dtype=dtype, casting="unsafe")
        np.subtract(w, zero_points[1], out=right, dtype=dtype, casting="unsafe")
        for number, s in enumerate(parts):
            np.matmul(left[..., s], right[..., s, :], out=part)
            if number:
                np.add(sums, part, out=sums)
            elif part is not sums:
                np.copyto(sums, part)
        if finish is None:
            np.copyto(y, sums.astype(np.int64), casting="unsafe")
        else:
            finish(acc, y.reshape(rows, columns), work)

    return step


def requantizer(
    ctx: OpContext, columns: int, bound: float, accumulator: type[np.generic]
) -> Requantize | None:
    """None for int32 outputs."""
    if ctx.output_dtype() == T.INT32:
        return None
    (left, _), (right, _) = per_tensor(ctx.tensor(0)), per_tensor(ctx.tensor(1))
    scale, zero_point = per_tensor(ctx.output_tensor())
    real = np.full(columns, float(np.float32(left) * np.float32(right)) / scale)
    rescale = FixedPoint(real) if ctx.dtype() == T.INT8 else FixedPoint64(real)
    output = OutputRange(zero_point, *INTEGER_RANGE[ctx.output_dtype()])
    offsets = np.zeros(columns, np.int64)
    return Requantize(rescale, output, offsets, np.full(columns, bound), accumulator)
