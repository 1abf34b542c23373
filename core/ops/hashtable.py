"""Hash tables: resources filled once and looked up by id; and HASHTABLE_LOOKUP in sorted keys."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType
from ..schema.options import HashtableOptions
from .checks import options_of, require_inputs, require_one, require_rank
from .context import OpContext
from .registry import Step, op

PAIRS = (
    (TensorType.INT64, TensorType.STRING),
    (TensorType.STRING, TensorType.INT64),
)
"""The (key, value) types that tables may have."""


@dataclass(slots=True)
class Hashtable:
    """A table of one interpreter; `filled` once it was imported, after which it stays as it is."""

    key: TensorType
    value: TensorType
    filled: bool = False
    items: dict[Any, Any] = field(default_factory=dict[Any, Any])


def _require_pair(key: TensorType, value: TensorType) -> None:
    if (key, value) not in PAIRS:
        raise OpError(
            f"keys are {key.name} and values {value.name}; "
            "expected INT64 and STRING, or STRING and INT64"
        )


def _table(resources: dict[Any, Any], handle: Array) -> Hashtable:
    found = resources.get(("hashtable", int(handle.reshape(-1)[0])))
    if found is None:
        raise OpError(f"there is no hashtable {int(handle.reshape(-1)[0])}")
    return found  # type: ignore[no-any-return]


def _typed_table(
    resources: dict[Any, Any], handle: Array, key: TensorType, value: TensorType
) -> Hashtable:
    table = _table(resources, handle)
    if (table.key, table.value) != (key, value):
        raise OpError(
            f"the hashtable maps {table.key.name} to {table.value.name}; "
            f"the node {key.name} to {value.name}"
        )
    return table


def _check_handle(ctx: OpContext) -> None:
    ctx.require_dtype(0, TensorType.RESOURCE)
    require_one(ctx, 0)


def hashtable_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 0)
    options = options_of(ctx, HashtableOptions)
    _require_pair(options.key_dtype, options.value_dtype)
    found = ctx.output_dtype()
    ctx.require(found == TensorType.RESOURCE, f"the output is {found.name}; expected RESOURCE")
    return [(1,)]


@op("HASHTABLE", prepare=hashtable_shape, pure=False)
def hashtable(ctx: OpContext) -> Step:
    options = options_of(ctx, HashtableOptions)
    y, resources = ctx.output(), ctx.resources
    key = ("hashtable", options.table_id)

    def step() -> None:
        y.fill(options.table_id)
        if key not in resources:
            resources[key] = Hashtable(options.key_dtype, options.value_dtype)

    return step


def find_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    _check_handle(ctx)
    _require_pair(ctx.dtype(1), ctx.output_dtype())
    ctx.require_dtype(2, ctx.output_dtype())
    ctx.require(math.prod(ctx.shape(2)) >= 1, "the default value is empty")
    return [ctx.shape(1)]


@op("HASHTABLE_FIND", prepare=find_shape, pure=False)
def find(ctx: OpContext) -> Step:
    handle, keys, default = (ctx.input(i) for i in range(3))
    y, resources = ctx.output(), ctx.resources
    types = ctx.dtype(1), ctx.output_dtype()

    def step() -> None:
        table = _typed_table(resources, handle, *types)
        if not table.filled:
            raise OpError("the hashtable is used before its import")
        items, missing = table.items, default.reshape(-1)[0]
        y.reshape(-1)[:] = [items.get(key, missing) for key in keys.reshape(-1).tolist()]

    return step


def import_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    _check_handle(ctx)
    _require_pair(ctx.dtype(1), ctx.dtype(2))
    ctx.require(
        ctx.shape(1) == ctx.shape(2),
        f"keys have shape {list(ctx.shape(1))}, values {list(ctx.shape(2))}",
    )
    return []


@op("HASHTABLE_IMPORT", prepare=import_shape, pure=False)
def import_(ctx: OpContext) -> Step:
    handle, keys, values = (ctx.input(i) for i in range(3))
    resources = ctx.resources
    types = ctx.dtype(1), ctx.dtype(2)

    def step() -> None:
        table = _typed_table(resources, handle, *types)
        if table.filled:
            return
        for key, value in zip(keys.reshape(-1).tolist(), values.reshape(-1).tolist(), strict=True):
            table.items.setdefault(key, value)
        table.filled = True

    return step


def size_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    _check_handle(ctx)
    found = ctx.output_dtype()
    ctx.require(found == TensorType.INT64, f"the output is {found.name}; expected INT64")
    return [(1,)]


@op("HASHTABLE_SIZE", prepare=size_shape, pure=False)
def size(ctx: OpContext) -> Step:
    handle, y, resources = ctx.input(0), ctx.output(), ctx.resources

    def step() -> None:
        y.fill(len(_table(resources, handle).items))

    return step


def lookup_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    for i in (0, 1):
        ctx.require_dtype(i, TensorType.INT32)
        require_rank(ctx, i, 1)
    values = ctx.shape(2)
    ctx.require(
        len(values) >= 1 and values[0] == ctx.shape(1)[0],
        f"values have shape {list(values)} for {ctx.shape(1)[0]} keys",
    )
    ctx.require(ctx.dtype(2) != TensorType.STRING or len(values) == 1, "strings must be a vector")
    found = ctx.output_dtype(0), ctx.output_dtype(1)
    ctx.require(
        found == (ctx.dtype(2), TensorType.UINT8),
        f"the outputs are {found[0].name} and {found[1].name}; "
        f"expected {ctx.dtype(2).name} and UINT8",
    )
    return [(*ctx.shape(0), *values[1:]), ctx.shape(0)]


@op("HASHTABLE_LOOKUP", prepare=lookup_shape)
def lookup(ctx: OpContext) -> Step:
    wanted, keys, values = (ctx.input(i) for i in range(3))
    y, hits = ctx.output(0), ctx.output(1)
    zero: Any = b"" if ctx.dtype(2) == TensorType.STRING else 0

    def step() -> None:
        if not len(keys):
            raise OpError("the table of keys is empty")
        rows = bisect(keys, wanted)
        found = rows >= 0
        np.copyto(hits, found)
        np.take(values, rows, axis=0, out=y, mode="clip")
        y[~found] = zero

    return step


def bisect(keys: Array, wanted: Array) -> NDArray[np.intp]:
    """Where C's `bsearch` finds each of `wanted` in ascending `keys`, -1 where it does not."""
    rows = np.full(wanted.shape, -1, np.intp)
    low, high = np.zeros(wanted.shape, np.intp), np.full(wanted.shape, len(keys), np.intp)
    while True:
        open_ = (low < high) & (rows < 0)
        if not open_.any():
            return rows
        middle = np.where(open_, (low + high) // 2, 0)
        found = keys[middle]
        rows = np.where(open_ & (found == wanted), middle, rows)
        low = np.where(open_ & (found < wanted), middle + 1, low)
        high = np.where(open_ & (found > wanted), middle, high)
