"""What a lowering records: kernels, their launches and the memory that they use. Pure data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from litegpu.graph import Array
from litegpu.memory import Lifetime


class Memory(Enum):
    """What a buffer holds: a tensor of the graph, a packed constant, a launch's own insides, or
    whether the data were found to be wrong."""

    TENSOR = "tensor"
    CONSTANT = "constant"
    SCRATCH = "scratch"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Ref:
    """A buffer of the program: its kind, and its number (tensors: the graph's index)."""

    kind: Memory
    index: int


FLAG = Ref(Memory.FLAG, 0)
"""One int32 of the program, 0 until a kernel finds data that the operator cannot take."""

Argument = Ref | np.generic
"""What a kernel takes: a buffer, or a NumPy scalar by value."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One specialised kernel: `entry` of the file `stem`, or of `body` where it was generated.

    `defines` are macros set before the source; `prelude` are more of them, with
    parameters.
    """

    stem: str
    entry: str
    defines: tuple[tuple[str, str], ...] = ()
    prelude: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """One run of a kernel over `threads` work items (the device rounds up to whole blocks of
    `block`)."""

    kernel: Kernel
    threads: tuple[int, ...]
    block: tuple[int, ...] | None
    args: tuple[Argument, ...]
    node: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """Values packed for the device; `key` names equal content, `make` gives the array when it is
    needed."""

    key: tuple[object, ...]
    make: Callable[[], Array]


@dataclass(frozen=True, slots=True)
class Crossing:
    """How a tensor that lies in another type on the device passes its border: `staged` holds it as
    the host does, `launch` converts from there or to there."""

    staged: Ref
    launch: Launch


@dataclass(slots=True)
class Program:
    """A lowered partition; `imports` and `exports` are by tensor."""

    launches: list[Launch] = field(default_factory=list[Launch])
    constants: list[Constant] = field(default_factory=list[Constant])
    scratch: list[int] = field(default_factory=list[int])
    aliases: dict[int, int] = field(default_factory=dict[int, int])
    imports: dict[int, Crossing] = field(default_factory=dict[int, Crossing])
    exports: dict[int, Crossing] = field(default_factory=dict[int, Crossing])

    def checks_data(self) -> bool:
        """Whether a kernel may raise the flag."""
        return any(arg is FLAG for launch in self.launches for arg in launch.args)

    def root(self, tensor: int) -> int:
        """The tensor whose memory a tensor shares: itself unless it is an alias."""
        while tensor in self.aliases:
            tensor = self.aliases[tensor]
        return tensor


def lifetimes(
    program: Program, sizes: dict[int, int], inputs: tuple[int, ...], outputs: tuple[int, ...]
) -> dict[Ref, Lifetime]:
    """When each tensor and scratch buffer is in use, in launches; `sizes` are bytes by tensor.

    Inputs live from the start, outputs to the end; inputs of the partition live throughout, so that
    a failed launch leaves them whole.
    """
    end = len(program.launches)
    spans: dict[Ref, tuple[int, int]] = {}

    def touch(ref: Ref, when: int) -> None:
        first, last = spans.get(ref, (when, when))
        spans[ref] = min(first, when), max(last, when)

    for when, launch in enumerate(program.launches):
        for arg in launch.args:
            if isinstance(arg, Ref) and arg.kind in (Memory.TENSOR, Memory.SCRATCH):
                touch(arg, when)
    for crossings, when in ((program.imports, 0), (program.exports, end)):
        for crossing in crossings.values():
            touch(crossing.staged, when)
    for t in inputs:
        touch(Ref(Memory.TENSOR, program.root(t)), 0)
        touch(Ref(Memory.TENSOR, program.root(t)), end)
    for t in outputs:
        touch(Ref(Memory.TENSOR, program.root(t)), end)
    return {
        ref: Lifetime(
            program.scratch[ref.index] if ref.kind is Memory.SCRATCH else sizes[ref.index], *span
        )
        for ref, span in spans.items()
    }
