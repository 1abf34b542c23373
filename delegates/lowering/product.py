"""Matrix products: operands at any strides, and what becomes of the sums. Pure of operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from litegpu.graph import Array
from litegpu.schema.enums import TensorType as T

from ..program import Ref
from . import tiled_product
from .context import C_TYPES, Lowering, as_it_is
from .quantization import multipliers

PLAIN, HYBRID, REAL, FIXED, FIXED_WIDE, STORED = range(6)

PANEL = 16
FEW_ROWS = 8
SIDE = 16
DOT_BLOCK = 64
PANEL_TYPES = {
    "float": np.float32,
    "half": np.float16,
    "short": np.int16,
    "char": np.int8,
    "uchar": np.uint8,
}
ROW_TILES = ((4, 6, 1), (1, 2, 2), (0, 1, 4))
"""On CPUs, from so many rows: rows of a work item, steps of the depth that it sums apart."""


@dataclass(frozen=True, slots=True)
class Sums:
    """How sums become results: the kind of rescaling and its parameters by column.

    `bounds` are the smallest and largest result. `row_scales` belong to hybrid products. `added`:
    the bias, where it is a constant of int32.
    """

    kind: int
    bias: Ref
    bias_type: str
    bounds: tuple[float, float] | tuple[int, int]
    scales: Ref
    shifts: Ref
    row_scales: Ref
    zero_point: int = 0
    acc: str = "float"
    added: Array | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """The left operand: element (row, k) lies at row * row_step + k * depth_step."""

    ref: Ref
    ctype: str
    row_step: int
    depth_step: int
    zero_point: int = 0


@dataclass(frozen=True, slots=True)
class Right:
    """The right operand: element (k, column), `matrix_step` apart where there are several.

    `values` gives a constant as [matrices, depth, columns]; None where it is computed. `tag` names
    what `values` does.
    """

    input: int
    ctype: str
    matrices: int
    matrix_step: int
    depth_step: int
    column_step: int
    zero_point: int = 0
    values: Callable[[Array], Array] | None = None
    tag: object = ""


@dataclass(frozen=True, slots=True)
class Sizes:
    """`batches` has the left operand's offset and the right one's matrix for each product."""

    rows: int
    columns: int
    depth: int
    batches: Array = field(default_factory=lambda: np.zeros((1, 2), np.int32))


def float_sums(low: Lowering, bias: Ref, bounds: tuple[float, float]) -> Sums:
    none = low.constant(np.zeros(1, np.float32))
    unshifted = low.constant(np.zeros(1, np.int32))
    return Sums(PLAIN, bias, "float", bounds, none, unshifted, none)


def hybrid_sums(
    low: Lowering, bias: Ref, bounds: tuple[float, float], scales: Array, rows: Ref, acc: str
) -> Sums:
    held = low.constant(np.ascontiguousarray(scales, np.float32))
    unshifted = low.constant(np.zeros(1, np.int32))
    return Sums(HYBRID, bias, "float", bounds, held, unshifted, rows, 0, acc)


def integer_sums(
    low: Lowering,
    kind: int,
    real: Array,
    bias: tuple[Ref, str],
    zero_point: int,
    bounds: tuple[int, int],
    acc: str,
) -> Sums:
    """`real` are the multipliers of the columns, float64."""
    none = low.constant(np.zeros(1, np.float32))
    shifts = low.constant(np.zeros(1, np.int32))
    scales = shifts
    if kind == REAL:
        low.require(low.info.has_double, "the device has no float64")
        scales = low.constant(np.ascontiguousarray(real, np.float64))
    elif kind in (FIXED, FIXED_WIDE):
        found = multipliers(real)
        scales, shifts = map(low.constant, found)
    return Sums(kind, *bias, bounds, scales, shifts, none, zero_point, acc)


def multiply(low: Lowering, left: Left, right: Right, sizes: Sizes, sums: Sums) -> None:
    """Records the product of the present node, whose output 0 is its result."""
    low.require(sizes.depth > 0, "the product has no depth")
    if low.info.arch:
        tiled_product.multiply(low, left, right, sizes, sums)
    elif low.info.is_cpu:
        _by_panels(low, left, right, sizes, sums)
    else:
        _by_blocks(low, left, right, sizes, sums)


def _defines(left: Left, b_type: str, sums: Sums) -> dict[str, object]:
    return {
        "A_T": left.ctype,
        "B_T": b_type,
        "ACC": sums.acc,
        "RESCALE": sums.kind,
        "BIAS_T": sums.bias_type,
    }


def _finish(sums: Sums) -> list[Any]:
    buffers = [sums.bias, sums.scales, sums.shifts, sums.row_scales]
    return [*buffers, sums.zero_point, *sums.bounds]


def pack_panels(b: Array, zero_point: int, dtype: Any) -> Array:
    """[matrices, depth, columns] as panels of 16 columns, less the zero point."""
    matrices, depth, columns = b.shape
    panels = -(-columns // PANEL)
    padded = np.zeros((matrices, depth, panels * PANEL), dtype)
    with np.errstate(over="ignore"):
        padded[:, :, :columns] = b if not zero_point else b.astype(dtype) - dtype(zero_point)
    split = padded.reshape(matrices, depth, panels, PANEL)
    return np.ascontiguousarray(split.transpose(0, 2, 1, 3))


def _by_panels(low: Lowering, left: Left, right: Right, sizes: Sizes, sums: Sums) -> None:
    panels = -(-sizes.columns // PANEL)
    b_type = "short" if right.zero_point else right.ctype
    dtype = PANEL_TYPES[b_type]
    values = right.values
    if values is not None:
        zero_point = right.zero_point
        tag = ("panels", right.tag, zero_point, b_type)
        packed = low.packed(right.input, tag, lambda w: pack_panels(values(w), zero_point, dtype))
    else:
        count = right.matrices * panels * PANEL * sizes.depth
        packed = low.scratch(count * np.dtype(dtype).itemsize)
        steps = [right.matrix_step, right.depth_step, right.column_step, right.zero_point]
        low.launch(
            "matmul",
            "pack_panels",
            [panels, right.matrices],
            [low.input(right.input), packed, sizes.depth, sizes.columns, right.matrices, *steps],
            {"CPU_DEVICE": 1, "A_T": right.ctype, "B_T": b_type},
        )
    rows, unroll = next((m, u) for least, m, u in ROW_TILES if max(sizes.rows, 1) > least)
    tail = low.tail("float" if isinstance(sums.bounds[0], float) else "int")
    defines = _defines(left, b_type, sums) | {"CPU_DEVICE": 1, "MR": rows, "UNROLL": unroll}
    if sums.acc == "long":
        defines["WIDTH"] = 4
    low.launch(
        "matmul",
        "matmul_panels",
        [-(-sizes.rows // rows) * panels, len(sizes.batches)],
        [
            *(left.ref, packed, tail.output, low.constant(sizes.batches)),
            *(sizes.rows, sizes.columns, sizes.depth),
            *(left.row_step, left.depth_step, left.zero_point),
            *_finish(sums),
            *tail.args,
        ],
        defines,
        prelude=tail.prelude,
    )


def _by_blocks(low: Lowering, left: Left, right: Right, sizes: Sizes, sums: Sums) -> None:
    values = right.values
    steps = [right.matrix_step, right.depth_step, right.column_step]
    ref = low.input(right.input) if values is None else None
    if values is not None:
        narrow = low.narrow if right.ctype == "half" else as_it_is
        ref = low.packed(
            right.input,
            ("columns", right.tag),
            lambda w: narrow(np.ascontiguousarray(values(w).swapaxes(1, 2))),
        )
        steps = [sizes.depth * sizes.columns, 1, sizes.depth]
    low.require(len(sizes.batches) < 65536, "more than 65535 products")
    tail = low.tail("float" if isinstance(sums.bounds[0], float) else "int")
    args = [
        *(left.ref, ref, tail.output, low.constant(sizes.batches)),
        *(sizes.rows, sizes.columns, sizes.depth),
        *(left.row_step, left.depth_step, left.zero_point),
        *(*steps, right.zero_point),
        *_finish(sums),
        *tail.args,
    ]
    defines = _defines(left, right.ctype, sums)
    if sizes.rows <= FEW_ROWS and steps[1] == 1:
        defines["BLOCK"] = DOT_BLOCK
        threads = [sizes.columns * DOT_BLOCK, sizes.rows, len(sizes.batches)]
        block = [DOT_BLOCK, 1, 1]
        low.launch("matmul", "matmul_dot", threads, args, defines, block, tail.prelude)
        return
    micro = 4 if min(sizes.rows, sizes.columns) > 3 * SIDE else 1
    defines["MICRO"] = micro
    tiles = [-(-n // (SIDE * micro)) for n in (sizes.columns, sizes.rows)]
    threads = [tiles[0] * SIDE, tiles[1] * SIDE, len(sizes.batches)]
    block = [SIDE, SIDE, 1]
    low.launch("matmul", "matmul_tiles", threads, args, defines, block, tail.prelude)


class Rows(NamedTuple):
    """Rows as int8 values less their zero points, held as short, and the rows' scales."""

    centered: Ref
    scales: Ref


def quantize_rows(low: Lowering, rows: int, depth: int, asymmetric: bool, i: int = 0) -> Rows:
    """Float input `i`, quantised."""
    low.require(low.info.has_double, "the device has no float64")
    centered, scales = low.scratch(2 * rows * depth), low.scratch(4 * rows)
    lanes = 1 if low.info.is_cpu else DOT_BLOCK
    low.launch(
        "quantize_rows",
        "quantize_rows",
        [rows * lanes],
        [low.input(i), centered, scales, depth],
        {"BLOCK": lanes, "ASYMMETRIC": int(asymmetric), "T": low.ctype(i)},
        block=[lanes],
    )
    return Rows(centered, scales)


def element_type(dtype: T) -> str:
    return C_TYPES.get(dtype, "char")
