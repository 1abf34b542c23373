"""What many operators ask of their nodes: options, index values, types and scales that agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from ..errors import OpError
from ..graph import Shape, Tensor
from ..schema.enums import TensorType
from .context import OpContext

Options = TypeVar("Options")

LARGEST = 2**31 - 1
"""The largest size that a dimension may have."""


def options_of(ctx: OpContext, kind: type[Options]) -> Options:
    """The node's options, with the schema's defaults where the file has none."""
    found = ctx.options
    if found is None:
        return kind()
    if not isinstance(found, kind):
        raise OpError(f"options are {type(found).__name__}; expected {kind.__name__}")
    return found


def integers(ctx: OpContext, i: int) -> list[int]:
    """The values of input `i`, int32 or int64 of any shape, in order."""
    ctx.require_dtype(i, TensorType.INT32, TensorType.INT64)
    values: list[int] = ctx.value(i).reshape(-1).tolist()
    return values


def vector(ctx: OpContext, i: int) -> list[int]:
    """`integers` of an input that must be 1-D."""
    require_rank(ctx, i, 1)
    return integers(ctx, i)


def scalar(ctx: OpContext, i: int) -> int:
    """The value of input `i`, int32 or int64 with one element."""
    require_one(ctx, i)
    return integers(ctx, i)[0]


def require_rank(ctx: OpContext, i: int, rank: int) -> None:
    if ctx.rank(i) != rank:
        raise OpError(f"input {i} has shape {list(ctx.shape(i))}; expected rank {rank}")


def require_one(ctx: OpContext, i: int) -> None:
    """Raises OpError unless input `i` has one element, of whatever rank."""
    if math.prod(ctx.shape(i)) != 1:
        raise OpError(f"input {i} has shape {list(ctx.shape(i))}; expected one element")


def require_inputs(ctx: OpContext, least: int, most: int | None = None) -> None:
    """Raises OpError unless the node has between `least` and `most` inputs (absent ones count)."""
    found = len(ctx.node.inputs)
    if not least <= found <= (least if most is None else most):
        wanted = f"{least}" if most is None else f"{least} to {most}"
        raise OpError(f"the node has {found} inputs; expected {wanted}")


def require_same_dtype(ctx: OpContext, *inputs: int) -> TensorType:
    """The type that these inputs and all outputs share; raises OpError where they differ."""
    tensors = [ctx.tensor(i) for i in inputs]
    tensors += [ctx.output_tensor(j) for j in range(len(ctx.node.outputs))]
    first = tensors[0]
    for other in tensors[1:]:
        if other.dtype != first.dtype:
            raise OpError(
                f"tensor {other.name!r} is {other.dtype.name}; "
                f"expected {first.dtype.name} as {first.name!r}"
            )
    return first.dtype


def scale_and_zero_point(tensor: Tensor) -> tuple[float, int]:
    """(scale, zero point) of a tensor quantised as a whole, else (0.0, 0): to compare by."""
    quant = tensor.quant
    if quant is None or quant.scale.size != 1 or quant.zero_point.size > 1:
        return 0.0, 0
    return float(quant.scale[0]), int(quant.zero_point[0]) if quant.zero_point.size else 0


def require_same_scale(tensor: Tensor, *others: Tensor) -> None:
    """Raises OpError unless all are quantised alike (or none is)."""
    wanted = scale_and_zero_point(tensor)
    for other in others:
        found = scale_and_zero_point(other)
        if found != wanted:
            raise OpError(
                f"tensor {other.name!r} has scale and zero point {found}; "
                f"expected {wanted} as {tensor.name!r}"
            )


def require_zero_point_zero(*tensors: Tensor) -> None:
    """Raises OpError where an int16 tensor has a zero point other than 0."""
    for tensor in tensors:
        if tensor.dtype == TensorType.INT16 and scale_and_zero_point(tensor)[1] != 0:
            raise OpError(f"int16 tensor {tensor.name!r} must have zero point 0")


def valid_shape(shape: Sequence[int]) -> Shape:
    """`shape` as a tuple; raises OpError for sizes that are negative or beyond int32."""
    if any(not 0 <= size <= LARGEST for size in shape):
        raise OpError(f"the output would have shape {list(shape)}; sizes must be in [0, 2^31)")
    return tuple(shape)
