"""How the kernels of convolutions are built for one part: by work items, or by tiles on CUDA."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from litegpu.graph import Array
from litegpu.schema.enums import TensorType

from .channels import INT32_DEPTH
from .context import Lowering
from .tiled import Words, defines, packed, unit, words_of
from .tiles import Plan, Problem

CPU_LANES = 8
CPU_PIXELS = 6
GPU_SIDE = 16
GPU_PIXELS = 4
PATCH_DEPTH = 8
LARGEST_PATCH = 512
"""On CPUs, windows of up to so many elements in pixels of few channels are gathered first."""


@dataclass(frozen=True, slots=True)
class Size:
    """Sums of `taps` * `depth` products, `count` of them for each of `group_filters` filters in
    `groups`. `pointwise`: windows are the image's pixels, one after the other. `dense`: results
    are, too."""

    taps: int
    depth: int
    groups: int
    group_filters: int
    count: int
    pointwise: bool
    dense: bool


def padded_blocks(values: Array, groups: int, width: int) -> Array:
    """[filters, ...] as [groups * blocks, width, ...]: each group filled up with zeros."""
    grouped = values.reshape(groups, len(values) // groups, *values.shape[1:])
    short = -grouped.shape[1] % width
    padded = np.pad(grouped, [(0, 0), (0, short), *[(0, 0)] * (values.ndim - 1)])
    blocks = padded.shape[0] * padded.shape[1] // width
    return padded.reshape(blocks, width, *values.shape[1:])


def in_pairs(blocks: Array) -> Array:
    """[blocks, width, runs, depth] as int16 [blocks, runs, depth / 2, width, 2]."""
    even = np.pad(blocks, [(0, 0)] * 3 + [(0, blocks.shape[3] % 2)]).astype(np.int16)
    count, width, runs, depth = even.shape
    return even.reshape(count, width, runs, depth // 2, 2).transpose(0, 2, 3, 1, 4)


@dataclass(frozen=True, slots=True)
class Itemised:
    """A kernel of conv.cl. `gathered`: elements of a window that are gathered first, or 0;
    `paired`: whether weights lie in pairs of channels."""

    on_cpu: bool
    each: int
    pixels: int
    gathered: int
    paired: bool

    @property
    def splits(self) -> int:
        return 1

    def partial_bytes(self, size: Size) -> int:
        return 0

    @property
    def side(self) -> int:
        """Work items along each side of a block."""
        return 1 if self.on_cpu else GPU_SIDE

    @property
    def width(self) -> int:
        """Filters of a block."""
        return self.each * (CPU_LANES if self.on_cpu else GPU_SIDE)

    @property
    def packing(self) -> object:
        """All that `pack` depends on."""
        return self

    @property
    def block(self) -> list[int]:
        return [self.side, self.side]

    @property
    def defines(self) -> dict[str, object]:
        return {
            **({"W_T": "short"} if self.paired else {}),
            "CPU_DEVICE": int(self.on_cpu),
            "EACH": self.each,
            "PIXELS": self.pixels,
            "PATCH": 1 << max(4, self.gathered.bit_length()) if self.gathered else 0,
        }

    def threads(self, count: int, blocks: int) -> list[int]:
        return [-(-count // (self.pixels * self.side)) * self.side, blocks * self.side]

    def pack(self, values: Array, size: Size) -> Array:
        """[filters, height, width, depth] as the kernel reads them."""
        runs = (1, self.gathered) if self.gathered else (size.taps, size.depth)
        blocks = padded_blocks(values.reshape(len(values), *runs), size.groups, self.width)
        if self.paired:
            return in_pairs(blocks)
        return blocks.reshape(len(blocks), self.width, size.taps * size.depth).transpose(0, 2, 1)


@dataclass(frozen=True, slots=True)
class Tiled:
    """A kernel of conv.cu. `unit`: words of the image that are copied at a time; `sum_bytes`: of
    one sum."""

    words: Words
    plan: Plan
    unit: int
    pointwise: bool
    dense: bool
    sum_bytes: int

    @property
    def splits(self) -> int:
        """Into how many parts each sum is split."""
        return self.plan.splits

    def partial_bytes(self, size: Size) -> int:
        """Bytes of the sums of all parts."""
        return self.splits * size.count * size.groups * size.group_filters * self.sum_bytes

    @property
    def width(self) -> int:
        return self.plan.tile.columns

    @property
    def packing(self) -> object:
        return self.words, self.width, self.plan.tile.words

    @property
    def block(self) -> list[int]:
        return [self.plan.tile.threads, 1, 1]

    @property
    def defines(self) -> dict[str, object]:
        return {
            **defines(self.words, self.plan, self.unit),
            "W_T": "uint",
            "UNIT": self.unit,
            "POINTWISE": int(self.pointwise),
            "DENSE": int(self.dense),
            "SPLIT": int(self.splits > 1),
        }

    def threads(self, count: int, blocks: int) -> list[int]:
        tile = self.plan.tile
        return [-(-count // tile.rows) * tile.threads, blocks, self.splits]

    def pack(self, values: Array, size: Size) -> Array:
        matrices = values.reshape(size.groups, size.group_filters, size.taps * size.depth)
        return packed(matrices, self.words, self.plan)


Variant = Itemised | Tiled


def variant(low: Lowering, dtype: TensorType, ctype: str, size: Size) -> Variant:
    """The kernel for images of elements of `ctype` in memory."""
    whole = size.taps * size.depth
    is_long = dtype == TensorType.INT16 and whole >= INT32_DEPTH
    if low.info.arch:
        acc = "float" if dtype == TensorType.FLOAT32 else "long" if is_long else "int"
        words = words_of(low, ctype, acc)
        units = low.info.compute_units
        problem = Problem(size.count, size.group_filters, whole, size.groups, units)
        plan = low.plan(problem, words.arithmetic)
        copied = unit(words, ctype, size.depth)
        sum_bytes = 8 if acc == "long" else 4
        return Tiled(words, plan, copied, size.pointwise, size.dense, sum_bytes)
    on_cpu = low.info.is_cpu and not is_long
    lanes, widest = (CPU_LANES, 2) if on_cpu else (GPU_SIDE, 4)
    each = next(n for n in (1, 2, 4) if n == widest or n * lanes >= size.group_filters)
    if not on_cpu:
        return Itemised(on_cpu, each, GPU_PIXELS, 0, False)
    small = size.depth <= PATCH_DEPTH and 1 < whole <= LARGEST_PATCH
    pixels = 1 if size.count == 1 else CPU_PIXELS
    paired = dtype != TensorType.FLOAT32
    return Itemised(on_cpu, each, pixels, whole if small else 0, paired)
