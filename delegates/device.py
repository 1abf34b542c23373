"""What differs between CUDA and OpenCL, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from litegpu.delegate import DeviceValue, MemoryUse
from litegpu.graph import Array, Shape

from .program import Kernel


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """Facts by which lowerings choose variants and sizes.

    `is_cpu`: an OpenCL device of CPU type, for which kernels keep tiles in registers and use no
    local memory. `alignment`: bytes, of every buffer within an arena. `local_bytes`: local (shared)
    memory of a block. `has_double`: whether kernels may compute in float64. `warp`: neighbouring
    work items that exchange values without local memory; some kernels give a row to so many.
    `arch`: the compute capability of an NVIDIA GPU (86 is 8.6), by which CUDA kernels use its
    tensor cores; 0 elsewhere.
    """

    name: str
    is_cpu: bool
    compute_units: int
    alignment: int
    local_bytes: int
    max_block: int
    has_half: bool
    has_double: bool = True
    warp: int = 1
    arch: int = 0


BLOCKS = {True: (64, 8, 1), False: (256, 64, 32, 8, 1)}
"""Sizes of blocks for kernels that do not ask for one, by `DeviceInfo.is_cpu`: few, as some drivers
compile a kernel anew for each."""

GROUPS_PER_UNIT = 4
"""Blocks that keep a compute unit of a CPU busy to the end."""


def default_block(threads: Sequence[int], info: DeviceInfo) -> tuple[int, ...]:
    """A block for a kernel that works with any: along the first axis, and small enough that there
    is work for every core of a CPU."""
    total = math.prod(threads)
    enough = GROUPS_PER_UNIT * info.compute_units if info.is_cpu else 1
    fits = (b for b in BLOCKS[info.is_cpu] if b <= threads[0] and total >= b * enough)
    return (min(next(fits, 1), info.max_block), *(1 for _ in threads[1:]))


def in_order(steps: Sequence[Callable[[], object]]) -> Callable[[], object]:
    """All steps, one after another."""

    def run() -> None:
        for step in steps:
            step()

    return run


class Device(Protocol):
    """A queue of work on one device. Calls return at once but for `build` and `synchronize`, and
    are made by one thread at a time, but for `build` and `allocate`."""

    @property
    def info(self) -> DeviceInfo: ...

    def allocate(self, size: int) -> Any:
        """A buffer of `size` bytes; MemoryError where the device or the user has no room for it."""
        ...

    def memory_use(self) -> MemoryUse:
        """The bytes of all buffers that `allocate` made."""
        ...

    def view(self, buffer: Any, offset: int, size: int) -> Any:
        """A part of a buffer; `offset` is a multiple of `info.alignment`."""
        ...

    def upload(self, array: Array, buffer: Any) -> None:
        """Copies a C-contiguous array to the device; it must stay as it is until `synchronize`."""
        ...

    def copy(self, source: Any, target: Any, size: int) -> None:
        """Copies bytes from buffer to buffer after all launches before."""
        ...

    def download(self, buffer: Any, array: Array) -> None:
        """Copies to a C-contiguous array after all launches before; it is filled when
        `synchronize` returns."""
        ...

    def build(self, kernels: Sequence[Kernel]) -> list[Any]:
        """A compiled function of each kernel, from the cache where it is there."""
        ...

    def bind(
        self,
        function: Any,
        threads: Sequence[int],
        block: Sequence[int],
        args: Sequence[Any],
    ) -> Callable[[], object]:
        """A launch over whole blocks; calling it puts it on the queue. It keeps its arguments."""
        ...

    def sequence(self, steps: Sequence[Callable[[], object]]) -> Callable[[], object]:
        """All of these launches, which `bind` made, in order, as the device does it best; it
        may ask for the steps when it is first called or later, and then never again."""
        ...

    def synchronize(self) -> None:
        """Waits for all that was put on the queue."""
        ...

    def timed(self, steps: Sequence[Callable[[], object]]) -> list[float]:
        """Runs launches that `bind` made; the seconds of each on the device."""
        ...

    def is_lost(self, error: Exception) -> bool:
        """Whether an error says that the device is gone, and nothing can run on it any more."""
        ...


class Exchange(Protocol):
    """Takes arrays of other libraries that lie on the device, and gives such arrays out."""

    keeps_outputs: bool

    def adopt(self, value: Any) -> DeviceValue | None: ...

    def export(self, buffer: Any, shape: Shape, dtype: np.dtype[Any]) -> Any: ...
