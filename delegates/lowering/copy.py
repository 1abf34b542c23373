"""Copies between strided parts of tensors: what most operators that move data come down to.

Parts are described by NumPy arrays that are never read: indexing, transposing and broadcasting
them gives the shapes, strides and offsets of the copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from litegpu.dtypes import NUMPY, OBJECTS
from litegpu.graph import Array, Shape, Tensor

from ..program import Ref
from .context import Lowering, Value

UNITS = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong", 16: "uint4"}
"""The type that moves so many bytes at once."""

BLOCK = 256
TILE = 16
WIDE_TILE, LINES = 32, 8
"""GPUs move a tile with LINES lines of threads."""
MOST_BLOCKS = 65535
"""Blocks along the second and the third dimension of a launch, at most."""

THREADS_PER_UNIT = 512
"""Threads that keep a multiprocessor of CUDA busy, at least."""

CHUNK_BYTES = 1 << 16
"""What one work item of a CPU copies at most."""

_ORIGIN = np.zeros(16, np.uint8)
_UNREAD: dict[int, np.dtype[Any]] = {n: np.dtype(f"u{n}") for n in (1, 2, 4, 8)}
_UNREAD[16] = np.dtype(np.complex128)


def address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A part of a buffer. `array` is for its shape and strides alone; its values do not exist."""

    ref: Ref
    array: Array

    def seen(self, array: Array) -> View:
        """Another part of the same buffer: `array` is a view of `self.array`."""
        return replace(self, array=array)

    @property
    def offset(self) -> int:
        """Bytes from the start of the buffer."""
        return address(self.array) - address(_ORIGIN)


def view(ref: Ref, shape: Sequence[int], itemsize: int) -> View:
    """A whole buffer, row-major."""
    dtype = _UNREAD[itemsize]
    strides = [itemsize * math.prod(shape[d + 1 :]) for d in range(len(shape))]
    base = _ORIGIN[:itemsize].view(dtype).reshape(())
    return View(ref, np.lib.stride_tricks.as_strided(base, tuple(shape), strides))


def itemsize(low: Lowering, tensor: Tensor) -> int:
    """Bytes of an element on the device; strings and variants are refused."""
    low.require(tensor.dtype not in OBJECTS, f"{tensor.dtype.name} is not a type of numbers")
    return NUMPY[low.options.computed(tensor.dtype)].itemsize


def source(low: Lowering, i: int, shape: Sequence[int] | None = None) -> View:
    """Input `i`, seen in another shape of as many elements where `shape` is given."""
    size = itemsize(low, low.tensor(i))
    return view(low.input(i), low.shape(i) if shape is None else shape, size)


def target(low: Lowering, j: int = 0, shape: Sequence[int] | None = None) -> View:
    """Output `j`, likewise."""
    tensor = low.output_tensor(j)
    return view(low.output(j), tensor.shape if shape is None else shape, itemsize(low, tensor))


def block(low: Lowering) -> tuple[int] | None:
    """Blocks of kernels with one work item an element."""
    return None if low.info.is_cpu else (min(BLOCK, low.info.max_block),)


def pack(low: Lowering, tensor: Tensor, count: int, run: int = 16) -> int:
    """How many neighbouring elements of a tensor, at most 16 bytes, a thread of CUDA takes: a
    divisor of `run`, and few enough that `count` elements are work for the whole device."""
    if low.info.warp == 1:
        return 1
    room = count // (THREADS_PER_UNIT * low.info.compute_units)
    most = max(1, min(16 // itemsize(low, tensor), room))
    return max(n for n in (1, 2, 4, 8, 16) if n <= most and run % n == 0)


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a copy: its size and its strides in source and target."""

    size: int
    x: int
    y: int


def merged(shape: Shape, x: Sequence[int], y: Sequence[int]) -> list[Axis]:
    """The same elements by as few axes as can be, the target's largest strides first."""
    axes = [Axis(*axis) for axis in zip(shape, x, y, strict=True) if axis[0] != 1]
    axes.sort(key=lambda axis: -abs(axis.y))
    out: list[Axis] = []
    for axis in axes:
        if out and (out[-1].x, out[-1].y) == (axis.x * axis.size, axis.y * axis.size):
            out[-1] = Axis(out[-1].size * axis.size, axis.x, axis.y)
        else:
            out.append(axis)
    return out or [Axis(1, 0, 0)]


def widest(axes: Sequence[Axis], size: int, offsets: Sequence[int], repeated: bool) -> int:
    """The largest unit in bytes that all runs, strides and offsets are multiples of."""
    *outer, run = axes
    if run.y != size or run.x != (0 if repeated else size):
        return size
    numbers = [run.size * size, *offsets, *(s for axis in outer for s in (axis.x, axis.y))]
    return max(n for n in UNITS if n == size or all(number % n == 0 for number in numbers))


def in_units(axes: Sequence[Axis], size: int, unit: int) -> list[Axis]:
    """Axes whose strides are bytes, in elements of `unit` bytes."""
    *outer, run = [Axis(axis.size, axis.x // unit, axis.y // unit) for axis in axes]
    if unit != size:
        run = Axis(axes[-1].size * size // unit, int(axes[-1].x > 0), 1)
    return [*outer, run]


def geometry(low: Lowering, axes: Sequence[Axis]) -> Ref:
    """int32 [3, axes]: sizes, strides of the source, strides of the target."""
    rows = np.array([[a.size for a in axes], [a.x for a in axes], [a.y for a in axes]], np.int64)
    largest = int(np.abs(rows).max(initial=0))
    low.require(largest < 2**31, "the tensor has 2^31 elements or more")
    return low.constant(rows.astype(np.int32))


def copy(low: Lowering, x: View, y: View, repeated: bool = False) -> None:
    """Records the launch that copies `x`, broadcast to the shape of `y`, into `y`.

    `repeated`: x is one element, and its buffer holds it again and again for 16 bytes.
    """
    if not y.array.size:
        return
    shape = y.array.shape
    given = x.array if x.array.shape == shape else np.broadcast_to(x.array, shape)
    axes = merged(shape, given.strides, y.array.strides)
    size, offsets = given.itemsize, (x.seen(given).offset, y.offset)
    unit = widest(axes, size, offsets, repeated)
    axes = in_units(axes, size, unit)
    starts = [offset // unit for offset in offsets]
    if not tiled(low, x.ref, y.ref, axes, starts, unit):
        strided(low, x.ref, y.ref, axes, starts, unit)


def strided(
    low: Lowering, x: Ref, y: Ref, axes: Sequence[Axis], starts: Sequence[int], unit: int
) -> None:
    defines = {"T": UNITS[unit], "CPU_DEVICE": int(low.info.is_cpu)}
    count = math.prod(axis.size for axis in axes)
    if not low.info.is_cpu:
        args: list[Value] = [x, y, geometry(low, axes), len(axes), *starts, count]
        low.launch("copy", "copy_strided", [count], args, defines, block(low))
        return
    axes = [Axis(1, 0, 0), *axes] if len(axes) == 1 else axes
    *_, rows, run = (axis.size for axis in axes)
    rows_each, run_each = shares(low, count, rows, run, unit)
    threads = [-(-run // run_each), -(-rows // rows_each), count // (rows * run)]
    args = [x, y, geometry(low, axes), len(axes), *starts, run_each, rows_each]
    low.launch("copy", "copy_strided", threads, args, defines)


def shares(low: Lowering, count: int, rows: int, run: int, unit: int) -> tuple[int, int]:
    """How many rows, and how many elements of each, one work item of a CPU moves: enough to be
    worth its start, and few enough that every core has work."""
    share = max(1, min(count // (4 * low.info.compute_units), CHUNK_BYTES // unit))
    return min(rows, max(1, share // run)), min(run, share)


def tiled(
    low: Lowering, x: Ref, y: Ref, axes: Sequence[Axis], starts: Sequence[int], unit: int
) -> bool:
    """Records a copy by square tiles where source and target run along different axes."""
    *outer, run = axes
    across = [axis for axis in outer if axis.x == 1]
    if run.y != 1 or run.x == 1 or not across:
        return False
    rest = [axis for axis in outer if axis is not across[0]]
    count = math.prod(axis.size for axis in rest)
    shorter = min(run.size, across[0].size)
    tile = WIDE_TILE if shorter > TILE and not low.info.is_cpu else TILE
    sizes = [across[0].size, run.size]
    tiles = [-(-n // tile) for n in reversed(sizes)]
    fits = low.info.max_block >= tile * LINES and max(tiles[1], count) <= MOST_BLOCKS
    if shorter < TILE // 2 or not (low.info.is_cpu or fits):
        return False
    defines = {"T": UNITS[unit], "CPU_DEVICE": int(low.info.is_cpu), "TILE": tile}
    args: list[Value] = [x, y, geometry(low, rest), len(rest), *starts, *sizes, run.x, across[0].y]
    if low.info.is_cpu:
        low.launch("copy", "copy_tiles", [*tiles, count], args, defines)
    else:
        defines["LINES"] = LINES
        threads = [tiles[0] * tile, tiles[1] * LINES, count]
        low.launch("copy", "copy_tiles", threads, args, defines, (tile, LINES, 1))
    return True


def copy_by_table(low: Lowering, x: View, y: View, table: Array) -> None:
    """Copies bytes, each replaced by its entry of `table`, uint8 [256]."""
    if not y.array.size:
        return
    axes = merged(y.array.shape, x.array.strides, y.array.strides)
    count = math.prod(axis.size for axis in axes)
    args: list[Value] = [x.ref, y.ref, geometry(low, axes), len(axes), x.offset, y.offset]
    low.launch(
        "copy",
        "copy_by_table",
        [count],
        [*args, low.constant(table), count],
        {"T": UNITS[1]},
        block(low),
    )


def fill(low: Lowering, y: View, value: int = 0) -> None:
    """Records the launch that writes the integer `value` all over `y`."""
    size = y.array.itemsize
    copy(low, view(low.constant(repetition(value, size)), (), size), y, repeated=True)


def repetition(value: int, size: int) -> Array:
    """16 bytes of `value` in two's complement, `size` bytes each time."""
    return np.frombuffer(value.to_bytes(size, "little", signed=value < 0) * (16 // size), np.uint8)
