"""Choice between two tensors by a condition."""

from __future__ import annotations

from math import prod

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType as T
from .checks import require_inputs, require_same_dtype
from .context import OpContext
from .registry import Step, op
from .shapes import broadcast_shape, debug_string


def check(ctx: OpContext) -> Shape | None:
    """Checks types; the shape declared for the output where every tensor has but one element."""
    require_inputs(ctx, 3)
    ctx.require_dtype(0, T.BOOL)
    require_same_dtype(ctx, 1, 2)
    declared = ctx.output_tensor().shape
    if all(prod(s) == 1 for s in (ctx.shape(0), ctx.shape(1), ctx.shape(2), declared)):
        return declared
    return None


def prepare_select(ctx: OpContext) -> list[Shape]:
    single = check(ctx)
    if single is not None:
        return [single]
    condition, x, y = ctx.shape(0), ctx.shape(1), ctx.shape(2)
    if x != y:
        raise OpError(f"shapes {debug_string(x)} and {debug_string(y)} must be the same")
    if condition not in (x, (), x[:1]):
        raise OpError(
            f"the condition has shape {debug_string(condition)}; "
            f"expected {debug_string(x)}, its first dimension, or a scalar"
        )
    return [x]


def prepare_select_v2(ctx: OpContext) -> list[Shape]:
    single = check(ctx)
    if single is not None:
        return [single]
    return [broadcast_shape(ctx.shape(0), ctx.shape(1), ctx.shape(2))]


def choice(condition: Array, x: Array, y: Array, out: Array) -> Step:
    """The step that writes x where `condition` holds, else y; all broadcast to `out`."""

    def step() -> None:
        np.copyto(out, y)
        np.copyto(out, x, where=condition)

    return step


def operands(ctx: OpContext) -> list[Array]:
    """The inputs; those of one element as scalars, which broadcast to any rank."""
    arrays = [ctx.input(i) for i in range(3)]
    return [a.reshape(()) if a.size == 1 else a for a in arrays]


@op("SELECT", prepare=prepare_select, versions=(1, 4))
def select(ctx: OpContext) -> Step:
    condition, x, y = operands(ctx)
    out = ctx.output()
    if condition.shape == x.shape[:1]:
        condition = condition.reshape(condition.shape + (1,) * (x.ndim - 1))
    return choice(condition, x, y, out)


@op("SELECT_V2", prepare=prepare_select_v2, versions=(1, 2))
def select_v2(ctx: OpContext) -> Step:
    condition, x, y = operands(ctx)
    return choice(condition, x, y, ctx.output())
