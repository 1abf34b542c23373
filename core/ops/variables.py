"""Resource variables: values that outlive an invoke, shared by all graphs under a name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType
from ..schema.options import VarHandleOptions
from .checks import options_of, require_inputs, require_one
from .context import OpContext
from .registry import Step, op


def variable_id(resources: dict[Any, Any], container: str, name: str) -> int:
    """The number of the variable of this name: counted up as names are first met."""
    ids: dict[tuple[str, str], int] = resources.setdefault("variable ids", {})
    return ids.setdefault((container, name), len(ids))


def handle_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 0)
    found = ctx.output_dtype()
    ctx.require(
        found in (TensorType.RESOURCE, TensorType.INT32),
        f"the output is {found.name}; expected RESOURCE",
    )
    declared = ctx.output_tensor().shape
    return [declared if math.prod(declared) == 1 else ()]


@op("VAR_HANDLE", prepare=handle_shape)
def var_handle(ctx: OpContext) -> Step:
    options = options_of(ctx, VarHandleOptions)
    number = variable_id(ctx.resources, options.container or "", options.shared_name or "")
    y = ctx.output()
    return lambda: y.fill(number)


def _check_handle(ctx: OpContext) -> None:
    ctx.require_dtype(0, TensorType.RESOURCE, TensorType.INT32)
    require_one(ctx, 0)


def read_shape(ctx: OpContext) -> list[Shape | None]:
    """The file's shape where it declares one; a scalar may as well stand for an unknown rank."""
    require_inputs(ctx, 1)
    _check_handle(ctx)
    tensor = ctx.output_tensor()
    known = tensor.shape and -1 not in (tensor.shape_signature or ())
    return [tensor.shape if known else None]


@op("READ_VARIABLE", prepare=read_shape, pure=False)
def read_variable(ctx: OpContext) -> Step:
    handle, resources = ctx.input(0), ctx.resources
    dtype = ctx.output_dtype()
    y = None if read_shape(ctx)[0] is None else ctx.output()

    def step() -> None:
        held, value = _value(resources, handle)
        if held != dtype:
            raise OpError(f"the variable holds {held.name}; the output is {dtype.name}")
        if y is None:
            ctx.publish(0, value)
        elif y.size == value.size:
            np.copyto(y, value.reshape(y.shape))
        else:
            raise OpError(
                f"the variable has shape {list(value.shape)}; the output declares {list(y.shape)}"
            )

    return step


def _value(resources: dict[Any, Any], handle: Array) -> tuple[TensorType, Array]:
    number = int(handle.reshape(-1)[0])
    found = resources.get(("variable", number))
    if found is None:
        raise OpError(f"variable {number} is read before it was assigned")
    return found  # type: ignore[no-any-return]


def assign_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    _check_handle(ctx)
    ctx.tensor(1)
    return []


@op("ASSIGN_VARIABLE", prepare=assign_shape, pure=False)
def assign_variable(ctx: OpContext) -> Step:
    handle, x, resources = ctx.input(0), ctx.input(1), ctx.resources
    dtype = ctx.dtype(1)

    def step() -> None:
        key = ("variable", int(handle.reshape(-1)[0]))
        held = resources.get(key)
        if held is not None and held[0] == dtype and held[1].shape == x.shape:
            np.copyto(held[1], x)
        else:
            resources[key] = (dtype, x.copy())

    return step
