"""Reductions over any axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from litegpu.delegate import Unsupported
from litegpu.dtypes import INTEGER_RANGE
from litegpu.errors import OpError
from litegpu.graph import Node, Shape
from litegpu.ops.shapes import normalize_axes
from litegpu.schema.enums import TensorType as T

from ..device import DeviceInfo
from .context import C_TYPES, Lowering, elements
from .quantization import SMALL_INTEGERS, multiplier, per_tensor
from .registry import lowers

KINDS = {
    "SUM": 0,
    "MEAN": 0,
    "REDUCE_PROD": 1,
    "REDUCE_MAX": 2,
    "REDUCE_MIN": 3,
    "REDUCE_ANY": 4,
    "REDUCE_ALL": 5,
}
PLAIN, MEAN, FIXED, SCALED = range(4)

BOOLEAN_KINDS = {"SUM": 4, "REDUCE_MAX": 4, "REDUCE_ANY": 4}
"""Of booleans: these ask for any, all others for all."""

WRAPPING = {T.INT32: "uint", T.INT64: "ulong"}
"""Accumulators of integers whose sums and products wrap."""

CPU_TILE = 16
SHARE, LEAST_LANES, MOST_LANES = 16, 32, 256
"""GPUs give a row so many lanes that each combines SHARE elements, within these bounds."""
COLUMNS, MOST_SLICES, MOST_ITEMS = 32, 32, 1024
"""GPUs give COLUMNS columns a block that cuts them into slices of at least SHARE elements, as long
as there are fewer than MOST_ITEMS work items a unit."""


@dataclass(frozen=True, slots=True)
class Axes:
    """Sizes and strides of neighbouring axes that are reduced, or kept, together."""

    sizes: list[int] = field(default_factory=list[int])
    strides: list[int] = field(default_factory=list[int])


def views(shape: Shape, axes: Sequence[int]) -> tuple[Axes, Axes]:
    """(kept, reduced) axes of a row-major tensor, neighbours merged, at least one each."""
    kept, reduced = Axes(), Axes()
    step, last = 1, None
    for axis in reversed(range(len(shape))):
        if shape[axis] == 1:
            continue
        side = reduced if axis in axes else kept
        if side is last:
            side.sizes[0] *= shape[axis]
        else:
            side.sizes.insert(0, shape[axis])
            side.strides.insert(0, step)
        step *= shape[axis]
        last = side
    for side in (kept, reduced):
        if not side.sizes:
            side.sizes.append(1)
            side.strides.append(1)
    return kept, reduced


def reduced_axes(low: Lowering) -> tuple[int, ...]:
    rank = len(low.shape(0))
    try:
        return normalize_axes(low.values(1).reshape(-1).tolist(), rank) if rank else ()
    except OpError as error:
        raise Unsupported(str(error)) from None


@lowers(*KINDS)
def reduce(low: Lowering, node: Node) -> None:
    numbers = (T.FLOAT32, T.INT32, T.INT64, *SMALL_INTEGERS)
    dtype = low.require_dtype(0, *numbers, T.BOOL)
    shape = low.shape(0)
    low.require(elements(shape) > 0, "the input is empty")
    kept, reduced = views(shape, reduced_axes(low))
    count = math.prod(reduced.sizes)
    geometry = low.constant(
        np.array([*kept.sizes, *kept.strides, *reduced.sizes, *reduced.strides], np.int32)
    )
    ranks = [len(kept.sizes), len(reduced.sizes)]
    if dtype in SMALL_INTEGERS and node.op == "REDUCE_PROD" and low.tensor(0).quant is not None:
        product(low, geometry, ranks, kept, count)
        return
    defines, result = computation(low, node.op, dtype, count)
    inner = kept.sizes[-1] if kept.strides[-1] == 1 else 1
    outputs = math.prod(kept.sizes)
    tail = low.tail("float" if dtype == T.FLOAT32 else "int")
    args: list[Any] = [low.input(), tail.output, geometry, *ranks, outputs // inner, inner, count]
    args += [*result, *tail.args]
    rows = reduced.strides[-1] == 1
    entry, threads, block, sizes = work(low.info, outputs, inner, count, rows)
    low.launch("reduce", entry, threads, args, defines | sizes, block, tail.prelude)


def work(
    info: DeviceInfo, outputs: int, inner: int, count: int, rows: bool
) -> tuple[str, list[int], list[int] | None, dict[str, int]]:
    """(entry, threads, block, defines) by which `count` elements, contiguous where `rows`, become
    each of the outputs, of which `inner` are neighbours."""
    if info.is_cpu:
        tile = CPU_TILE if inner > 1 else 1
        sizes = {"TILE": tile, "ROWS": int(rows and inner == 1)}
        return "reduce", [-(-inner // tile) * (outputs // inner)], None, sizes
    if rows and count >= LEAST_LANES:
        lanes = LEAST_LANES
        while lanes * SHARE < count and 2 * lanes <= min(MOST_LANES, info.max_block):
            lanes *= 2
        return "reduce_block", [outputs * lanes], [lanes], {"BLOCK": lanes}
    most = min(MOST_SLICES, info.max_block // COLUMNS)
    slices = min(most, count // SHARE, info.compute_units * MOST_ITEMS // outputs)
    if slices < 2:
        return "reduce", [outputs], None, {}
    slices = 1 << (slices.bit_length() - 1)
    threads = [-(-outputs // COLUMNS) * COLUMNS, slices]
    return "reduce_columns", threads, [COLUMNS, slices], {"SLICES": slices}


def computation(
    low: Lowering, op: str, dtype: T, count: int
) -> tuple[dict[str, object], list[int | np.float32]]:
    """(defines of the type and kind, arguments that say how the result is made)."""
    kind = KINDS[op]
    if dtype == T.BOOL:
        kind = BOOLEAN_KINDS.get(op, 5)
    is_float = dtype == T.FLOAT32
    defines: dict[str, object] = {"KIND": kind, "T": low.ctype(), "IS_FLOAT": int(is_float)}
    defines["START"] = start_of(kind, dtype)
    defines["ACC"] = "float" if is_float else WRAPPING.get(dtype, "int")
    result: list[int | np.float32] = [0, 0, 0, 0, 0, 0, np.float32(0), np.float32(0)]
    if kind in (2, 3) and not is_float:
        defines["ACC"] = "long" if dtype == T.INT64 else "int"
    if dtype in SMALL_INTEGERS and kind == 0:
        defines["ACC"] = "uint"
        defines["RESULT"], result = rescaling(low, op, dtype, count)
    elif op == "MEAN":
        low.require(dtype != T.BOOL, "MEAN of BOOL has no GPU kernel")
        defines["RESULT"] = MEAN
        defines["ACC"] = "float" if is_float else "long"
    return defines, result


def start_of(kind: int, dtype: T) -> str:
    """What changes no result, as C text."""
    if kind in (2, 3):
        bounds = {T.FLOAT32: ("NAN", "NAN"), T.INT64: ("LONG_MIN", "LONG_MAX")}
        return bounds.get(dtype, ("INT_MIN", "INT_MAX"))[kind - 2]
    return "1" if kind in (1, 5) else "0"


def rescaling(low: Lowering, op: str, dtype: T, count: int) -> tuple[int, list[int | np.float32]]:
    """How sums of quantised values become stored results: as core/ops/reduce_quantized.py."""
    in_scale, in_zero = per_tensor(low.tensor(0))
    out_scale, out_zero = per_tensor(low.output_tensor())
    lowest, highest = INTEGER_RANGE[dtype]
    if op == "MEAN" or dtype == T.UINT8:
        divisor = count if op == "MEAN" else 1
        scale, shift = multiplier(in_scale / out_scale)
        spare = max(0, min(divisor.bit_length() - 1, 32, 31 + shift))
        scale, shift = (scale << spare) // divisor, shift - spare
        offset = int(np.int64(in_zero * count).astype(np.int32))
        zeros = [np.float32(0), np.float32(0)]
        return FIXED, [scale, shift, offset, out_zero, lowest, highest, *zeros]
    real = np.float32(in_scale) / np.float32(out_scale)
    bias = np.float32(-in_zero) * real * np.float32(count)
    return SCALED, [0, 0, 0, out_zero, lowest, highest, real, bias]


def product(low: Lowering, geometry: Any, ranks: list[int], kept: Axes, count: int) -> None:
    """Products of quantised values."""
    dtype = low.dtype(0)
    in_scale, in_zero = per_tensor(low.tensor(0))
    out_scale, out_zero = per_tensor(low.output_tensor())
    scaling = multiplier(in_scale / out_scale ** (1.0 / count))
    outputs = math.prod(kept.sizes)
    tail = low.tail("int")
    sizes = [*ranks, 1, outputs, count]
    result = [*scaling, in_zero, out_zero, *INTEGER_RANGE[dtype]]
    low.launch(
        "reduce",
        "reduce_product",
        [outputs],
        [low.input(), tail.output, geometry, *sizes, *result, *tail.args],
        {"T": C_TYPES[dtype], "ACC": "int", "IS_FLOAT": 0},
        prelude=tail.prelude,
    )
