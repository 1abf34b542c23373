"""Matrix products on CUDA: tiles of sums, or for few rows an element of each by a warp."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from litegpu.graph import Array

from ..program import Ref
from .context import Lowering, Value
from .tiled import WHOLE, defines, packed, unit, words_of
from .tiles import Plan, Problem, steps_of

if TYPE_CHECKING:
    from .product import Left, Right, Sizes, Sums

FEW_ROWS = 8
DOT_BLOCK = 128
WARP = 32
LOAD = 16
"""Bytes of the widest load of a thread."""
SIZES = {"float": 4, "half": 2, "short": 2, "char": 1, "uchar": 1}
"""Bytes of an element, by C type."""


def multiply(low: Lowering, left: Left, right: Right, sizes: Sizes, sums: Sums) -> None:
    """Records the product of the present node."""
    contiguous = right.values is not None or right.depth_step == 1
    if sizes.rows <= FEW_ROWS and contiguous:
        _by_dots(low, left, right, sizes, sums)
    else:
        _by_tiles(low, left, right, sizes, sums)


def without_zero_point(
    low: Lowering, left: Left, right: Right, sums: Sums
) -> tuple[Left, Sums] | None:
    """The operand and sums with what the left one's zero point adds taken off the bias; None where
    that varies, or weights have a zero point of their own."""
    if left.zero_point == 0 == right.zero_point:
        return left, sums
    added, values, zero_point = sums.added, right.values, left.zero_point
    if right.zero_point or added is None or values is None or right.matrices != 1:
        return None

    def bias(w: Array) -> Array:
        products: Array = values(w)[0].sum(axis=0, dtype=np.int64)
        total: Array = added - zero_point * products
        return total.astype(np.int32)

    tag = ("bias", right.tag, zero_point, added.tobytes())
    ref = low.packed(right.input, tag, bias)
    return replace(left, zero_point=0), replace(sums, bias=ref, bias_type="int")


@dataclass(frozen=True, slots=True)
class _Product:
    """A product whose operands are placed: `steps` from matrix to matrix, along the depth and from
    column to column of the right one."""

    low: Lowering
    left: Left
    right: Ref
    steps: list[int]
    zero_point: int
    sizes: Sizes
    sums: Sums

    @property
    def extents(self) -> list[int]:
        return [self.sizes.rows, self.sizes.columns, self.sizes.depth]

    @property
    def operands(self) -> list[int]:
        left = self.left
        own = [left.row_step, left.depth_step, left.zero_point]
        return [*self.extents, *own, *self.steps, self.zero_point]

    @property
    def finish(self) -> list[Any]:
        sums = self.sums
        buffers = [sums.bias, sums.scales, sums.shifts, sums.row_scales]
        return [*buffers, sums.zero_point, *sums.bounds]

    def launch(self, entry: str, threads: list[int], made: dict[str, object], block: int) -> None:
        """One launch that makes all results."""
        low, sizes, sums = self.low, self.sizes, self.sums
        low.require(threads[2] < 65536, "more than 65535 products")
        tail = low.tail("float" if isinstance(sums.bounds[0], float) else "int")
        read = [self.left.ref, self.right, tail.output, low.constant(sizes.batches)]
        args = [*read, *self.operands, *self.finish, *tail.args]
        low.launch("matmul", entry, threads, args, self._kinds | made, [block, 1, 1], tail.prelude)

    def launch_parts(
        self, threads: list[int], made: dict[str, object], block: int, splits: int
    ) -> None:
        """One launch for the parts of all sums, and one that adds them."""
        low, sizes, sums = self.low, self.sizes, self.sums
        batches, count = low.constant(sizes.batches), len(sizes.batches)
        low.require(threads[2] * splits < 65536, "more than 65535 parts of products")
        tail = low.tail("float" if isinstance(sums.bounds[0], float) else "int")
        results = count * sizes.rows * sizes.columns
        partial = low.scratch(splits * results * (8 if sums.acc == "long" else 4))
        defines = self._kinds | made | {"SPLIT": 1}
        first: list[Value] = [self.left.ref, self.right, partial, batches, splits, count]
        grid = [*threads[:2], threads[2] * splits]
        args = [*first, *self.operands]
        low.launch("matmul", "matmul_part", grid, args, defines, [block, 1, 1], tail.prelude)
        second: list[Value] = [partial, tail.output, batches, splits, count, *self.extents]
        args = [*second, *self.finish, *tail.args]
        low.launch("matmul", "matmul_whole", [results], args, defines, prelude=tail.prelude)

    @property
    def _kinds(self) -> dict[str, object]:
        sums = self.sums
        return {"ACC": sums.acc, "RESCALE": sums.kind, "BIAS_T": sums.bias_type}


def _by_dots(low: Lowering, left: Left, right: Right, sizes: Sizes, sums: Sums) -> None:
    values, depth = right.values, sizes.depth
    steps, ref = [right.matrix_step, 1, right.column_step], None
    if values is not None:
        steps = [depth * sizes.columns, 1, depth]
        ref = low.packed(
            right.input,
            ("columns", right.tag),
            lambda w: _stored(low, right.ctype, np.ascontiguousarray(values(w).swapaxes(1, 2))),
        )
    vector = LOAD // max(SIZES[left.ctype], SIZES[right.ctype])
    while any(n % vector for n in (depth, *steps[::2])):
        vector //= 2
    offsets = [left.row_step, *sizes.batches[:, 0].tolist()]
    rows = 1 << (max(sizes.rows, 1) - 1).bit_length()
    made: dict[str, object] = {
        "A_T": left.ctype,
        "B_T": right.ctype,
        "BLOCK": DOT_BLOCK,
        "ROWS": rows,
        "VECTOR": vector,
        "A_VECTORS": int(left.depth_step == 1 and not any(n % vector for n in offsets)),
    }
    threads = [-(-sizes.columns * WARP // DOT_BLOCK) * DOT_BLOCK, 1, len(sizes.batches)]
    held = low.input(right.input) if ref is None else ref
    product = _Product(low, left, held, steps, right.zero_point, sizes, sums)
    product.launch("matmul_dot", threads, made, DOT_BLOCK)


def _by_tiles(low: Lowering, left: Left, right: Right, sizes: Sizes, sums: Sums) -> None:
    both = left.ctype if left.ctype == right.ctype else ""
    if both == "char":
        found = without_zero_point(low, left, right, sums)
        if found is None:
            both = ""
        else:
            left, sums = found
    words = words_of(low, both, sums.acc)
    columns, depth, batches = sizes.columns, sizes.depth, len(sizes.batches)
    problem = Problem(sizes.rows, columns, depth, batches, low.info.compute_units)
    plan = low.plan(problem, words.arithmetic)
    offsets = [left.row_step, *sizes.batches[:, 0].tolist()]
    left_unit = _unit(words, left.ctype, depth, left.depth_step, offsets)
    right_unit = WHOLE
    made: dict[str, object] = {"A_T": left.ctype, "B_T": right.ctype, "A_UNIT": left_unit}
    values = right.values
    if values is not None:

        def pack(w: Array) -> Array:
            held = _stored(low, words.native, values(w).swapaxes(1, 2))
            centered = held if not right.zero_point else held.astype(np.int32) - right.zero_point
            return packed(centered, words, plan)

        key = (words.element, plan.tile.columns, plan.tile.words, right.zero_point)
        ref = low.packed(right.input, ("words", right.tag, key), pack)
        made |= {"B_T": "uint", "PACKED": 1}
        steps = [_matrix_words(sizes, plan, words.pack), 1, 1]
    else:
        ref = low.input(right.input)
        steps = [right.matrix_step, right.depth_step, right.column_step]
        right_unit = _unit(words, right.ctype, depth, steps[1], [steps[0], steps[2]])
        made |= {"B_UNIT": right_unit, "B_ALONG_COLUMNS": int(steps[1] != 1)}
    made |= {"A_ALONG_ROWS": int(left.depth_step != 1)}
    made |= defines(words, plan, min(left_unit, right_unit))
    tile = plan.tile
    threads = [-(-sizes.rows // tile.rows) * tile.threads, -(-columns // tile.columns), batches]
    product = _Product(low, left, ref, steps, right.zero_point, sizes, sums)
    if plan.splits == 1:
        product.launch("matmul_tiles", threads, made, tile.threads)
    else:
        product.launch_parts(threads, made, tile.threads, plan.splits)


def _stored(low: Lowering, ctype: str, values: Array) -> Array:
    return low.narrow(values) if ctype == "half" else values


def _matrix_words(sizes: Sizes, plan: Plan, pack: int) -> int:
    """Words of one packed matrix."""
    tile = plan.tile
    wide = -(-sizes.columns // tile.columns) * tile.columns
    return steps_of(sizes.depth, tile, pack) * wide * tile.words


def _unit(words: Any, ctype: str, depth: int, step: int, offsets: list[int]) -> int:
    if step == 1:
        return unit(words, ctype, depth, *offsets)
    return 1 if words.pack == 1 and ctype == words.native else 0
