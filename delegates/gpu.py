"""The GPU delegate: lowers, places memory, builds and runs partitions, the same for every
device."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from litegpu.delegate import BadData, DeviceLost, Unsupported
from litegpu.dtypes import NUMPY, OBJECTS
from litegpu.graph import ABSENT, Array, Graph, Node
from litegpu.memory import plan
from litegpu.partition import Partition

from . import lowering as _lowering  # noqa: F401  (registers every lowering)
from .constants import ConstantCache
from .device import Device, default_block
from .lowering.context import Lowering, Options, byte_size
from .lowering.registry import LOWERINGS
from .program import FLAG, Launch, Memory, Program, Ref, lifetimes


class _Made:
    """An output of a partition on the device, which later partitions read where it lies.

    `runs` counts how often the device has computed it: a reader that finds it unchanged since its
    own last run knows that the CPU stood in for the device.
    """

    def __init__(self, buffer: Any, *owners: object) -> None:
        self.buffer = buffer
        self.runs = 0
        self._owners = owners


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the device took for one launch; `node` is the index in the graph of the first node
    that it computes."""

    node: int
    op: str
    kernel: str
    seconds: float


class GpuDelegate:
    """Takes every node that has a lowering; one device, one queue. Safe for several interpreters
    and threads.

    `check_finite`: a partition that makes NaN or infinity of finite inputs has failed. `poison`
    fills the arena of a partition with NaN before every run. `timings`, where it is a list, is told
    of every launch; the launches then wait for each other.
    """

    def __init__(
        self, name: str, device: Device, options: Options, check_finite: bool = False
    ) -> None:
        self.name = name
        self.device = device
        self.options = options
        self.check_finite = check_finite
        self.poison = False
        self.timings: list[Timing] | None = None
        self.lock = threading.Lock()
        self.constants = ConstantCache(device, self.lock)
        self.made: weakref.WeakValueDictionary[tuple[int, int], _Made] = (
            weakref.WeakValueDictionary()
        )

    def refusal(self, graph: Graph, node: Node) -> str | None:
        lower = None if node.custom else LOWERINGS.get(node.op)
        if lower is None:
            return f"{node.op} has no GPU kernel"
        for t in (*node.inputs, *node.outputs):
            if t != ABSENT and graph.tensors[t].dtype in OBJECTS:
                return f"{graph.tensors[t].dtype.name} is not a type of numbers"
        low = Lowering(graph, self.device.info, self.options)
        try:
            low.node = node
            lower(low, node)
        except Unsupported as unsupported:
            return str(unsupported)
        return None

    def compile(self, graph: Graph, part: Partition) -> GpuExecutable:
        return GpuExecutable(
            self, graph, part, lower_partition(graph, part, self.device, self.options)
        )


def lower_partition(graph: Graph, part: Partition, device: Device, options: Options) -> Program:
    """The launches of a partition, in order."""
    low = Lowering(graph, device.info, options, part)
    assert low.fusion is not None
    for n in part.nodes:
        if n in low.fusion.fused or low.fusion.absorb(n):
            low.fusion.lowered(graph.nodes[n])
            continue
        low.node = graph.nodes[n]
        first = len(low.program.launches)
        LOWERINGS[low.node.op](low, low.node)
        for k in range(first, len(low.program.launches)):
            launch = low.program.launches[k]
            low.program.launches[k] = Launch(
                launch.kernel, launch.threads, launch.block, launch.args, n
            )
        low.fusion.lowered(graph.nodes[n])
    return low.program


class GpuExecutable:
    """A partition on the device: one arena, bound launches, transfers at the border only.

    What an earlier partition of the same delegate made is read where it lies.
    """

    def __init__(
        self, delegate: GpuDelegate, graph: Graph, part: Partition, program: Program
    ) -> None:
        device = self._device = delegate.device
        self._delegate = delegate
        self._graph = graph
        self._part = part
        self.program = program
        self._held = [delegate.constants.get(constant) for constant in program.constants]
        self._variables = [i for i, t in enumerate(part.inputs) if graph.tensors[t].is_variable]
        self._floats = [
            i for i, t in enumerate(part.outputs) if NUMPY[graph.tensors[t].dtype].kind == "f"
        ]
        earlier = {i: delegate.made.get((id(graph), t)) for i, t in enumerate(part.inputs)}
        self._borrowed = {
            i: made for i, made in earlier.items() if made and i not in self._variables
        }
        self._seen = dict.fromkeys(self._borrowed, 0)
        foreign = {
            Ref(Memory.TENSOR, part.inputs[i]): made.buffer for i, made in self._borrowed.items()
        }
        self._arena, self._arena_size, buffers = _place(device, graph, part, program, foreign)
        self._flag = self._new_flag() if program.checks_data() else None
        buffers[FLAG] = self._flag
        self._inputs = [buffers[Ref(Memory.TENSOR, program.root(t))] for t in part.inputs]
        self._outputs = [buffers[Ref(Memory.TENSOR, program.root(t))] for t in part.outputs]
        self._made = [_Made(buffer, self._arena, graph, self._borrowed) for buffer in self._outputs]
        for t, made in zip(part.outputs, self._made, strict=True):
            delegate.made[id(graph), t] = made
        functions = device.build([launch.kernel for launch in program.launches])
        self.steps: list[Callable[[], object]] = [
            device.bind(
                function,
                launch.threads,
                launch.block or default_block(launch.threads, device.info),
                [self._argument(a, buffers) for a in launch.args],
            )
            for function, launch in zip(functions, program.launches, strict=True)
        ]

    @cached_property
    def _launch_all(self) -> Callable[[], object]:
        return self._device.sequence(self.steps)

    def _argument(self, arg: Any, buffers: dict[Ref, Any]) -> Any:
        if not isinstance(arg, Ref):
            return arg
        return self._held[arg.index].buffer if arg.kind is Memory.CONSTANT else buffers[arg]

    def _new_flag(self) -> Any:
        flag = self._device.allocate(4)
        with self._delegate.lock:
            self._clear(flag)
        return flag

    def _clear(self, flag: Any) -> None:
        self._device.upload(np.zeros(1, np.int32), flag)
        self._device.synchronize()

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        device = self._device
        with self._delegate.lock:
            try:
                self._start(inputs)
                self._finish(inputs, outputs)
            except Exception as error:
                with suppress(Exception):
                    device.synchronize()
                if device.is_lost(error):
                    raise DeviceLost(f"{device.info.name}: {error}") from error
                raise
        if self._delegate.check_finite:
            self._check_finite(inputs, outputs)
        for made in self._made:
            made.runs += 1

    def _start(self, inputs: Sequence[Array]) -> None:
        """Puts the inputs that the device lacks and the launches on the queue."""
        device = self._device
        if self._delegate.poison:
            device.upload(np.full(self._arena_size, 0xFF, np.uint8), self._arena)
        for i, (array, buffer) in enumerate(zip(inputs, self._inputs, strict=True)):
            if array.nbytes and not self._is_there(i):
                device.upload(array, buffer)
        if self._delegate.timings is None:
            self._launch_all()
        else:
            self._delegate.timings += self._timed()

    def _is_there(self, i: int) -> bool:
        """Whether an earlier partition has left input `i` on the device in this invoke."""
        made = self._borrowed.get(i)
        if made is None or made.runs == self._seen[i]:
            return False
        self._seen[i] = made.runs
        return True

    def _timed(self) -> list[Timing]:
        launches = self.program.launches
        seconds = self._device.timed(self.steps)
        return [
            Timing(launch.node, self._graph.nodes[launch.node].op, launch.kernel.entry, duration)
            for launch, duration in zip(launches, seconds, strict=True)
        ]

    def _finish(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Copies the results, once they are known to be right."""
        device = self._device
        found = np.zeros(1, np.int32)
        if self._flag is not None:
            device.download(self._flag, found)
            if self._variables:
                # Outputs may be filled in vain, as the CPU fills them again; variables may not.
                device.synchronize()
        if not found[0]:
            for array, buffer in zip(outputs, self._outputs, strict=True):
                if array.nbytes:
                    device.download(buffer, array)
            for i in self._variables:
                device.download(self._inputs[i], inputs[i])
        device.synchronize()
        if found[0]:
            self._clear(self._flag)
            raise BadData("a kernel found an index that is out of range")

    def _check_finite(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """FloatingPointError where an output has NaN or infinity, and no input has."""
        for j in self._floats:
            if np.isfinite(outputs[j]).all():
                continue
            if all(x.dtype.kind != "f" or np.isfinite(x).all() for x in inputs):
                name = self._graph.tensors[self._part.outputs[j]].name
                raise FloatingPointError(
                    f"tensor {self._part.outputs[j]} ({name!r}) has NaN or infinity, which no "
                    f"input has; precision is {self._delegate.options.precision}"
                )


def _place(
    device: Device, graph: Graph, part: Partition, program: Program, foreign: dict[Ref, Any]
) -> tuple[Any, int, dict[Ref, Any]]:
    """An arena, its size, and a view of it for every tensor and scratch buffer that is not
    `foreign`."""
    used = {t for n in part.nodes for t in (*graph.nodes[n].inputs, *graph.nodes[n].outputs)}
    sizes = {t: byte_size(graph.tensors[t].shape, graph.tensors[t].dtype) for t in used - {ABSENT}}
    spans = lifetimes(program, sizes, part.inputs, part.outputs)
    own = {ref: life for ref, life in spans.items() if ref not in foreign}
    alignment = device.info.alignment
    offsets, size = plan(list(own.values()), alignment)
    size = max(size, alignment)
    arena = device.allocate(size)
    views = {
        ref: device.view(arena, offset, max(life.size, 1))
        for (ref, life), offset in zip(own.items(), offsets, strict=True)
    }
    return arena, size, views | foreign
