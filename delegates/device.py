"""What differs between CUDA and OpenCL, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from litegpu.graph import Array

from .program import Kernel


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """Facts by which lowerings choose variants and sizes.

    `is_cpu`: an OpenCL device of CPU type, for which kernels keep tiles in registers and use no
    local memory. `alignment`: bytes, of every buffer within an arena. `local_bytes`: local (shared)
    memory of a block.
    """

    name: str
    is_cpu: bool
    compute_units: int
    alignment: int
    local_bytes: int
    max_block: int
    has_half: bool


class Device(Protocol):
    """A queue of work on one device; calls return at once but for `download` and `synchronize`."""

    @property
    def info(self) -> DeviceInfo: ...

    def allocate(self, size: int) -> Any:
        """A buffer of `size` bytes."""
        ...

    def view(self, buffer: Any, offset: int, size: int) -> Any:
        """A part of a buffer; `offset` is a multiple of `info.alignment`."""
        ...

    def upload(self, array: Array, buffer: Any) -> None:
        """Copies a C-contiguous array to the device; the array may change when this returns."""
        ...

    def download(self, buffer: Any, array: Array) -> None:
        """Copies to a C-contiguous array after all launches before; waits for it."""
        ...

    def build(self, kernels: Sequence[Kernel]) -> list[Any]:
        """A compiled function of each kernel, from the cache where it is there."""
        ...

    def bind(
        self,
        function: Any,
        threads: Sequence[int],
        block: Sequence[int] | None,
        args: Sequence[Any],
    ) -> Callable[[], None]:
        """A launch with its arguments set; calling it puts it on the queue."""
        ...

    def synchronize(self) -> None: ...
