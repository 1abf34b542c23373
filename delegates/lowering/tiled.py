"""What kernels of kernels_cuda/tiles.cuh are told: how elements lie in words, how tiles are cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from litegpu.graph import Array

from .context import Lowering
from .tiles import Arithmetic, Plan, resident

WHOLE = 4
UNITS = (WHOLE, 2, 1)
"""Words that are copied at a time: at most 16 bytes."""

FLOATS = Arithmetic(1, False, 90)
INTEGERS = Arithmetic(1, False, 45)
WIDE_SUMS = Arithmetic(1, False, 20, 2)
HALVES = Arithmetic(2, False, 60)
BYTES = Arithmetic(4, False, 180)
ON_TENSOR_CORES = {
    "tf32": Arithmetic(1, True, 300),
    "half": Arithmetic(2, True, 600),
    "char": Arithmetic(4, True, 1200),
}
"""Rates are those of compute capability 8.0, at the share that such kernels reach."""

TENSOR_ARCH = {"tf32": 80, "half": 75, "char": 75}
TF32_HALF = 1 << 12
"""Half of the last bit of a TF32 that lies in float32's 32 bits."""
BYTES_ARCH = 61
"""From which architecture on there are tensor cores for a type, and products of four bytes."""


@dataclass(frozen=True, slots=True)
class Words:
    """How elements lie in words: the arithmetic, and the C type of which memory holds words as they
    are ("" where there is none)."""

    arithmetic: Arithmetic
    native: str
    element: str

    @property
    def pack(self) -> int:
        return self.arithmetic.pack


def words_of(low: Lowering, ctype: str, acc: str) -> Words:
    """Words for operands that both lie in memory as `ctype`, "" where they differ or have zero
    points; `acc` is the C type of the sums."""
    arch, tf32 = low.info.arch, low.options.precision == "tf32"
    name = "tf32" if ctype == "float" and tf32 else ctype
    if acc == "float" and ctype != "half":
        tensor = tf32 and arch >= TENSOR_ARCH["tf32"]
        return Words(ON_TENSOR_CORES["tf32"] if tensor else FLOATS, "float", "<f4")
    tensor = name in TENSOR_ARCH and arch >= TENSOR_ARCH[name]
    if ctype == "half":
        return Words(ON_TENSOR_CORES[name] if tensor else HALVES, "half", "<f2")
    if ctype == "char" and acc == "int" and arch >= BYTES_ARCH:
        return Words(ON_TENSOR_CORES[name] if tensor else BYTES, "char", "|i1")
    return Words(WIDE_SUMS if acc == "long" else INTEGERS, "", "<i4")


def unit(words: Words, ctype: str, *extents: int) -> int:
    """How many words of an operand can be copied at a time where its elements lie at multiples of
    `extents`; 0 where elements are to be gathered."""
    if ctype != words.native:
        return 0
    fits = (n for n in UNITS if all(e % (n * words.pack) == 0 for e in extents))
    return next(fits, 0)


def packed(values: Array, words: Words, plan: Plan) -> Array:
    """A right operand [matrices, columns, depth] as words [matrices, steps, columns, words of a
    step], the columns and the depth filled up with zeros to whole tiles. For TF32, the nearest
    numbers of 11 significant bits, ties away from zero."""
    matrices, columns, depth = values.shape
    tile = plan.tile
    step = tile.words * words.pack
    steps, wide = -(-depth // step), -(-columns // tile.columns) * tile.columns
    filled = np.zeros((matrices, wide, steps * step), words.element)
    filled[:, :columns, :depth] = values
    bits = filled.view(np.uint32)
    if words.arithmetic == ON_TENSOR_CORES["tf32"]:
        kept = ~np.uint32(2 * TF32_HALF - 1)
        bits = np.where(np.isfinite(filled), (bits + np.uint32(TF32_HALF)) & kept, bits)
    split = bits.reshape(matrices, wide, steps, tile.words)
    return np.ascontiguousarray(split.swapaxes(1, 2))


def defines(words: Words, plan: Plan, units: int) -> dict[str, object]:
    """Defines for operands that are copied `units` words at a time: kernels that copy fewer need
    more registers than fit several blocks."""
    tile = plan.tile
    return {
        "PACK": words.pack,
        "TENSOR": int(words.arithmetic.tensor),
        "WARPS_M": tile.warps_m,
        "WARPS_N": tile.warps_n,
        "WARP_M": tile.warp_m,
        "WARP_N": tile.warp_n,
        "TILE_WORDS": tile.words,
        "STAGES": plan.stages,
        "RESIDENT": resident(plan, words.arithmetic) if units == WHOLE else 1,
    }
