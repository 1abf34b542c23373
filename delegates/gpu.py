"""The GPU delegate: lowers, places memory, builds and runs partitions, the same for every
device."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

import numpy as np
from litegpu.delegate import BadData, DeviceLost, DeviceValue, MemoryUse, Seen, Timing, Unsupported
from litegpu.dtypes import NUMPY, OBJECTS
from litegpu.graph import ABSENT, Array, Graph, Node
from litegpu.partition import Partition

from . import lowering as _lowering  # noqa: F401  (registers every lowering)
from .arena import place
from .borders import cross_borders
from .constants import ConstantCache
from .device import Device, Exchange, default_block
from .lowering.context import Lowering, Options
from .lowering.registry import lowering_of
from .observation import Observation
from .program import FLAG, Crossing, Launch, Memory, Program, Ref
from .stopwatch import Stopwatch


class _Made:
    """An output of a partition on the device, which later partitions read where it lies.

    `runs` counts how often the device has computed it: a reader that finds it unchanged since its
    own last run knows that the CPU stood in for the device.
    """

    def __init__(self, buffer: Any, *owners: object) -> None:
        self.buffer = buffer
        self.runs = 0
        self._owners = owners


class GpuDelegate:
    """Takes every node that has a lowering; one device, one queue. Safe for several interpreters
    and threads.

    `exchange` is how arrays of other libraries come and go. `prepare`, where it is set, is called
    before a partition is lowered.
    `check_finite`: a partition that makes NaN or infinity of finite inputs has failed. `poison`
    fills the arena of a partition with NaN before every run.
    """

    def __init__(
        self,
        name: str,
        device: Device,
        options: Options,
        check_finite: bool = False,
        exchange: Exchange | None = None,
    ) -> None:
        self.name = name
        self.exchange = exchange
        self.prepare: Callable[[Graph, Partition], object] | None = None
        self.device = device
        self.options = options
        self.check_finite = check_finite
        self.poison = False
        self.lock = threading.Lock()
        self.constants = ConstantCache(device, self.lock)
        self.made: weakref.WeakValueDictionary[tuple[int, int], _Made] = (
            weakref.WeakValueDictionary()
        )

    @property
    def keeps_outputs(self) -> bool:
        return self.exchange is not None and self.exchange.keeps_outputs

    def adopt(self, value: Any) -> DeviceValue | None:
        if self.exchange is None:
            return None
        with self.lock:
            return self.exchange.adopt(value)

    @property
    def description(self) -> str:
        precision = self.options.precision
        return self.device.info.name + (f", {precision}" if precision != "fp32" else "")

    def memory_use(self) -> MemoryUse:
        return self.device.memory_use()

    def refusal(self, graph: Graph, node: Node) -> str | None:
        lower = lowering_of(node)
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
        if self.prepare is not None:
            self.prepare(graph, part)
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
        lower = lowering_of(low.node)
        assert lower is not None
        lower(low, low.node)
        for k in range(first, len(low.program.launches)):
            launch = low.program.launches[k]
            low.program.launches[k] = Launch(
                launch.kernel, launch.threads, launch.block, launch.args, n
            )
        low.fusion.lowered(graph.nodes[n])
    cross_borders(low, part)
    return low.program


class GpuExecutable:
    """A partition on the device: one arena, bound launches, transfers at the border only.

    What an earlier partition of the same delegate made is read where it lies.
    """

    def __init__(
        self, delegate: GpuDelegate, graph: Graph, part: Partition, program: Program
    ) -> None:
        self._device = delegate.device
        self._delegate = delegate
        self._graph = graph
        self._part = part
        self.program = program
        self._held = [delegate.constants.get(constant) for constant in program.constants]
        self._variables = [i for i, t in enumerate(part.inputs) if graph.tensors[t].is_variable]
        self._watch: Stopwatch | None = None
        self._kept: frozenset[int] = frozenset()
        self._given: dict[int, Any] = {}
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
        self._arena, self._arena_size, buffers = place(
            delegate.device, graph, part, program, delegate.options, foreign
        )
        self._buffers = buffers
        self._flag = self._new_flag() if program.checks_data() else None
        buffers[FLAG] = self._flag
        self._inputs = [buffers[Ref(Memory.TENSOR, program.root(t))] for t in part.inputs]
        self._outputs = [buffers[Ref(Memory.TENSOR, program.root(t))] for t in part.outputs]
        self._made = [_Made(buffer, self._arena, graph, self._borrowed) for buffer in self._outputs]
        for t, made in zip(part.outputs, self._made, strict=True):
            delegate.made[id(graph), t] = made
        self._imports = self._crossings(program.imports, part.inputs, self._inputs)
        self._exports = self._crossings(program.exports, part.outputs, self._outputs)
        self.steps = self._bind(program.launches)

    def _bind(self, launches: Sequence[Launch]) -> list[Callable[[], object]]:
        device = self._device
        functions = device.build([launch.kernel for launch in launches])
        return [
            device.bind(
                function,
                launch.threads,
                launch.block or default_block(launch.threads, device.info),
                [self._argument(a, self._buffers) for a in launch.args],
            )
            for function, launch in zip(functions, launches, strict=True)
        ]

    def _crossings(
        self, crossings: dict[int, Crossing], tensors: Sequence[int], buffers: list[Any]
    ) -> dict[int, Callable[[], object]]:
        """Conversions by position; `buffers` become those that the host reads and writes."""
        found = [(i, crossings[t]) for i, t in enumerate(tensors) if t in crossings]
        for i, crossing in found:
            buffers[i] = self._buffers[crossing.staged]
        steps = self._bind([crossing.launch for _, crossing in found])
        return {i: step for (i, _), step in zip(found, steps, strict=True)}

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

    def keep(self, outputs: Sequence[int]) -> None:
        self._kept = frozenset() if self._delegate.check_finite else frozenset(outputs)

    def give(self, input: int, value: DeviceValue | None) -> bool:
        if value is None or self._delegate.check_finite:
            self._given.pop(input, None)
            return value is None
        self._given[input] = value
        return True

    def export(self, output: int) -> Any:
        assert self._delegate.exchange is not None
        tensor = self._graph.tensors[self._part.outputs[output]]
        with self._on_device():
            if output in self._exports:
                self._exports[output]()
            return self._delegate.exchange.export(
                self._outputs[output], tensor.shape, NUMPY[tensor.dtype]
            )

    def fetch(self, output: int, array: Array) -> None:
        with self._on_device():
            self._bring(output, array)
            self._device.synchronize()

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        self.observe(inputs, outputs, None)

    def observe(self, inputs: Sequence[Array], outputs: Sequence[Array], seen: Seen | None) -> None:
        with self._on_device():
            self._start(inputs, seen)
            self._finish(inputs, outputs, self._kept if seen is None else frozenset())
        if self._delegate.check_finite:
            self._check_finite(inputs, outputs)
        for made in self._made:
            made.runs += 1

    def run_timed(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> list[Timing]:
        watch = self._watch = Stopwatch(self._device, self._graph)
        try:
            self.run(inputs, outputs)
        finally:
            self._watch = None
        return watch.timings

    @contextmanager
    def _on_device(self) -> Iterator[None]:
        """The device for this thread alone, its queue empty in the end."""
        device = self._device
        with self._delegate.lock:
            try:
                yield
            except Exception as error:
                with suppress(Exception):
                    device.synchronize()
                if device.is_lost(error):
                    raise DeviceLost(f"{device.info.name}: {error}") from error
                raise

    @cached_property
    def _observation(self) -> Observation:
        return Observation(
            self._device,
            self._graph,
            self._part,
            self.program,
            self.steps,
            self._buffers,
            self._delegate.options.stored,
        )

    @property
    def groups(self) -> list[Partition]:
        return [group.part for group in self._observation.groups]

    def run_group(self, group: int, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        found = np.zeros(1, np.int32)
        with self._on_device():
            self._observation.run_group(self._observation.groups[group], inputs, outputs)
            if self._flag is not None:
                self._device.download(self._flag, found)
                self._device.synchronize()
                self._check_flag(found)

    def _check_flag(self, found: Array) -> None:
        """BadData where a kernel has raised the flag, which is cleared."""
        if found[0]:
            self._clear(self._flag)
            raise BadData("a kernel found an index that is out of range")

    def _start(self, inputs: Sequence[Array], seen: Seen | None) -> None:
        """Puts the inputs that the device lacks and the launches on the queue."""
        device = self._device
        if self._delegate.poison:
            device.upload(np.full(self._arena_size, 0xFF, np.uint8), self._arena)
        for i, (array, buffer) in enumerate(zip(inputs, self._inputs, strict=True)):
            if array.nbytes and not self._is_there(i):
                if i in self._given:
                    device.copy(self._given[i].buffer, buffer, array.nbytes)
                else:
                    device.upload(array, buffer)
                if i in self._imports:
                    self._imports[i]()
                if self._watch:
                    self._watch.transferred("upload", self._part.inputs[i], array.nbytes)
        if seen is not None:
            self._observation.launch(seen)
        elif self._watch:
            self._watch.launch(self.program.launches, self.steps, self.groups)
        else:
            self._launch_all()

    def _is_there(self, i: int) -> bool:
        """Whether an earlier partition has left input `i` on the device in this invoke."""
        made = self._borrowed.get(i)
        if made is None or made.runs == self._seen[i]:
            return False
        self._seen[i] = made.runs
        return True

    def _finish(
        self, inputs: Sequence[Array], outputs: Sequence[Array], kept: frozenset[int]
    ) -> None:
        """Copies the results but those that are kept, once they are known to be right."""
        device = self._device
        found = np.zeros(1, np.int32)
        if self._flag is not None:
            device.download(self._flag, found)
            if self._variables:
                # Outputs may be filled in vain, as the CPU fills them again; variables may not.
                device.synchronize()
        if not found[0]:
            for j, array in enumerate(outputs):
                if j not in kept:
                    self._bring(j, array)
            for i in self._variables:
                device.download(self._inputs[i], inputs[i])
        device.synchronize()
        self._check_flag(found)

    def _bring(self, output: int, array: Array) -> None:
        """Puts the way of an output to the host on the queue."""
        if not array.nbytes:
            return
        if output in self._exports:
            self._exports[output]()
        self._device.download(self._outputs[output], array)
        if self._watch:
            self._watch.transferred("download", self._part.outputs[output], array.nbytes)

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
