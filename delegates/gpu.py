"""The GPU delegate: lowers, places memory, builds and runs partitions, the same for every
device."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from litegpu.delegate import BadData, Unsupported
from litegpu.graph import ABSENT, Array, Graph, Node
from litegpu.memory import plan
from litegpu.partition import Partition

from . import lowering as _lowering  # noqa: F401  (registers every lowering)
from .device import Device
from .lowering.context import Lowering, Options, tensor_size
from .lowering.registry import LOWERINGS
from .program import FLAG, Constant, Launch, Memory, Program, Ref, lifetimes


class ConstantCache:
    """Constants on the device by content: shared by shapes, partitions and interpreters, freed
    with the last."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._buffers: weakref.WeakValueDictionary[tuple[object, ...], _Held] = (
            weakref.WeakValueDictionary()
        )
        self._lock = threading.Lock()

    def get(self, constant: Constant) -> _Held:
        with self._lock:
            held = self._buffers.get(constant.key)
            if held is None:
                array = constant.make()
                buffer = self._device.allocate(max(1, array.nbytes))
                if array.nbytes:
                    self._device.upload(np.ascontiguousarray(array), buffer)
                held = self._buffers[constant.key] = _Held(buffer)
            return held


class _Held:
    """A device buffer that lives as long as someone holds this."""

    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer


class GpuDelegate:
    """Takes every node that has a lowering; one device, one queue. Safe for several interpreters
    and threads."""

    def __init__(self, name: str, device: Device, options: Options) -> None:
        self.name = name
        self.device = device
        self.options = options
        self._constants = ConstantCache(device)
        self._lock = threading.Lock()

    def refusal(self, graph: Graph, node: Node) -> str | None:
        lower = None if node.custom else LOWERINGS.get(node.op)
        if lower is None:
            return f"{node.op} has no GPU kernel"
        low = Lowering(graph, self.device.info, self.options)
        try:
            low.node = node
            lower(low, node)
        except Unsupported as unsupported:
            return str(unsupported)
        return None

    def compile(self, graph: Graph, part: Partition) -> GpuExecutable:
        program = lower_partition(graph, part, self.device, self.options)
        return GpuExecutable(self.device, self._constants, self._lock, graph, part, program)


def lower_partition(graph: Graph, part: Partition, device: Device, options: Options) -> Program:
    """The launches of a partition, in order."""
    low = Lowering(graph, device.info, options, part)
    assert low.fusion is not None
    for n in part.nodes:
        if n in low.fusion.fused:
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
    """A partition on the device: one arena, bound launches, transfers at the border only."""

    def __init__(
        self,
        device: Device,
        constants: ConstantCache,
        lock: threading.Lock,
        graph: Graph,
        part: Partition,
        program: Program,
    ) -> None:
        self._device = device
        self._lock = lock
        self.program = program
        self._held = [constants.get(constant) for constant in program.constants]
        self._variables = [i for i, t in enumerate(part.inputs) if graph.tensors[t].is_variable]
        buffers = _place(device, graph, part, program)
        self._flag = self._new_flag() if program.checks_data() else None
        buffers[FLAG] = self._flag
        self._inputs = [buffers[Ref(Memory.TENSOR, program.root(t))] for t in part.inputs]
        self._outputs = [buffers[Ref(Memory.TENSOR, program.root(t))] for t in part.outputs]
        functions = device.build([launch.kernel for launch in program.launches])
        self.steps: list[Callable[[], None]] = [
            device.bind(
                function,
                launch.threads,
                launch.block,
                [self._argument(a, buffers) for a in launch.args],
            )
            for function, launch in zip(functions, program.launches, strict=True)
        ]

    def _argument(self, arg: Any, buffers: dict[Ref, Any]) -> Any:
        if not isinstance(arg, Ref):
            return arg
        return self._held[arg.index].buffer if arg.kind is Memory.CONSTANT else buffers[arg]

    def _new_flag(self) -> Any:
        flag = self._device.allocate(4)
        self._device.upload(np.zeros(1, np.int32), flag)
        return flag

    def _check_flag(self) -> None:
        """Raises BadData, and lowers the flag, where a kernel raised it."""
        found = np.zeros(1, np.int32)
        self._device.download(self._flag, found)
        if found[0]:
            self._device.upload(np.zeros(1, np.int32), self._flag)
            raise BadData("a kernel found an index that is out of range")

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        device = self._device
        with self._lock:
            for array, buffer in zip(inputs, self._inputs, strict=True):
                if array.nbytes:
                    device.upload(array, buffer)
            for step in self.steps:
                step()
            if self._flag is not None:
                self._check_flag()
            for array, buffer in zip(outputs, self._outputs, strict=True):
                if array.nbytes:
                    device.download(buffer, array)
            for i in self._variables:
                device.download(self._inputs[i], inputs[i])
            device.synchronize()


def _place(device: Device, graph: Graph, part: Partition, program: Program) -> dict[Ref, Any]:
    """A view of one arena for every tensor and scratch buffer."""
    used = {t for n in part.nodes for t in (*graph.nodes[n].inputs, *graph.nodes[n].outputs)}
    sizes = {t: tensor_size(graph.tensors[t]) for t in used - {ABSENT}}
    spans = lifetimes(program, sizes, part.inputs, part.outputs)
    alignment = device.info.alignment
    offsets, size = plan(list(spans.values()), alignment)
    arena = device.allocate(max(size, alignment))
    return {
        ref: device.view(arena, offset, max(life.size, 1))
        for (ref, life), offset in zip(spans.items(), offsets, strict=True)
    }
