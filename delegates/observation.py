"""Looking into a partition on the device: what its launches make, and launches of a few nodes
alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from litegpu.delegate import Seen
from litegpu.dtypes import NUMPY
from litegpu.graph import ABSENT, Array, Graph, Tensor
from litegpu.partition import Partition
from litegpu.schema.enums import TensorType

from .device import Device
from .program import Memory, Program, Ref


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes computed by the same launches, and the tensors in memory that those read and write.

    `ready[k]` are the tensors that are complete after launch k. A node without launches, whose
    output is its input's memory, is a group of its own.
    """

    part: Partition
    launches: range
    ready: dict[int, list[int]]


def launch_groups(graph: Graph, part: Partition, program: Program) -> list[Group]:
    """The groups of a partition, in the order of running; each node is in one at most."""
    found: list[Group] = []
    there = {program.root(t) for t in part.inputs}
    makers = {t: n for n in part.nodes for t in graph.nodes[n].outputs if t != ABSENT}
    for launches in _runs(program):
        touched = _touched(graph, program, launches)
        outputs = [t for t in touched if t not in there]
        inputs = [t for t in touched if t in there]
        nodes = _computed(graph, program, makers, outputs, there)
        there.update(outputs)
        ready: dict[int, list[int]] = {}
        for t in outputs:
            ready.setdefault(touched[t], []).append(t)
        found.append(Group(_partition(part, nodes, inputs, outputs), launches, ready))
    covered = {n for group in found for n in group.part.nodes}
    for n in part.nodes:
        if n not in covered:
            node = graph.nodes[n]
            inputs = [node.inputs[0]] if node.outputs[0] in program.aliases else []
            outputs = [t for t in node.outputs if t != ABSENT]
            found.append(Group(_partition(part, [n], inputs, outputs), range(0), {}))
    order = {n: i for i, n in enumerate(part.nodes)}
    return sorted(found, key=lambda group: max(map(order.__getitem__, group.part.nodes)))


def _runs(program: Program) -> Iterable[range]:
    """Launches of one node that follow each other; those of no node are left out."""
    start = 0
    for k, launch in enumerate(program.launches):
        last = k + 1 == len(program.launches) or program.launches[k + 1].node != launch.node
        if last:
            if launch.node >= 0:
                yield range(start, k + 1)
            start = k + 1


def _touched(graph: Graph, program: Program, launches: range) -> dict[int, int]:
    """{tensor in memory: the last of these launches that has it as an argument}."""
    found: dict[int, int] = {}
    for k in launches:
        for arg in program.launches[k].args:
            if isinstance(arg, Ref) and arg.kind is Memory.TENSOR:
                found[arg.index] = k
    return {t: k for t, k in found.items() if math.prod(graph.tensors[t].shape)}


def _computed(
    graph: Graph,
    program: Program,
    makers: dict[int, int],
    outputs: Sequence[int],
    there: set[int],
) -> list[int]:
    """The nodes between the tensors that are in memory and `outputs`, in the order of the file."""
    found: set[int] = set()
    waiting = list(outputs)
    while waiting:
        n = makers.get(waiting.pop())
        if n is not None and n not in found:
            found.add(n)
            waiting += [t for t in graph.nodes[n].inputs if program.root(t) not in there]
    return sorted(found)


def _partition(
    part: Partition, nodes: Sequence[int], inputs: Sequence[int], outputs: Sequence[int]
) -> Partition:
    return Partition(part.owner, tuple(nodes), tuple(inputs), tuple(outputs))


class Observation:
    """The launches of a partition, one by one: bound as a whole run has them, on its memory."""

    def __init__(
        self,
        device: Device,
        graph: Graph,
        part: Partition,
        program: Program,
        steps: Sequence[Callable[[], object]],
        buffers: Mapping[Ref, Any],
        stored: Callable[[Tensor], TensorType],
    ) -> None:
        self._device = device
        self._graph = graph
        self._program = program
        self._steps = steps
        self._buffers = buffers
        self._stored = stored
        self._borrowed = {program.root(t) for t in part.inputs}
        self.groups = launch_groups(graph, part, program)

    def launch(self, seen: Seen) -> None:
        """Puts every launch on the queue, and shows each tensor after the launch that completes
        it."""
        ready = {k: tensors for group in self.groups for k, tensors in group.ready.items()}
        for t in self._borrowed:
            self._show_views(t, seen)
        for k, step in enumerate(self._steps):
            step()
            for t in ready.get(k, ()):
                self._show(t, t, seen)
                self._show_views(t, seen)

    def _show_views(self, root: int, seen: Seen) -> None:
        for t in self._program.aliases:
            if self._program.root(t) == root:
                self._show(root, t, seen)

    def _show(self, root: int, tensor: int, seen: Seen) -> None:
        array = self._host_array(root)
        if array.nbytes:
            self._device.download(self._buffer(root), array)
            self._device.synchronize()
        described = self._graph.tensors[tensor]
        seen(tensor, array.astype(NUMPY[described.dtype], copy=False).reshape(described.shape))

    def run_group(self, group: Group, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Runs a group's launches on these inputs; outputs that they leave are NaN or -1."""
        if not group.launches:
            for source, target in zip(inputs, outputs, strict=False):
                np.copyto(target, source.reshape(target.shape))
            return
        device, part = self._device, group.part
        made = [self._host_array(t) for t in part.outputs]
        poison = [np.full(array.nbytes, 0xFF, np.uint8) for array in made]
        given = [
            x.astype(self._dtype(t), copy=False) for t, x in zip(part.inputs, inputs, strict=True)
        ]
        for t, array in zip((*part.outputs, *part.inputs), (*poison, *given), strict=True):
            device.upload(array, self._buffer(t))
        for k in group.launches:
            self._steps[k]()
        variables = [i for i, t in enumerate(part.inputs) if self._graph.tensors[t].is_variable]
        for t, array in zip(part.outputs, made, strict=True):
            device.download(self._buffer(t), array)
        for i in variables:
            device.download(self._buffer(part.inputs[i]), inputs[i])
        device.synchronize()
        for array, output in zip(made, outputs, strict=True):
            np.copyto(output, array)

    def _buffer(self, tensor: int) -> Any:
        return self._buffers[Ref(Memory.TENSOR, tensor)]

    def _dtype(self, tensor: int) -> np.dtype[Any]:
        return NUMPY[self._stored(self._graph.tensors[tensor])]

    def _host_array(self, tensor: int) -> Array:
        return np.empty(self._graph.tensors[tensor].shape, self._dtype(tensor))
