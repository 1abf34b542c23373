"""The least time that a model can take on a GPU: by its arithmetic, and by its traffic."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from litegpu.cost import multiply_adds
from litegpu.delegates.lowering.elementwise import elementwise
from litegpu.delegates.lowering.registry import LOWERINGS
from litegpu.dtypes import NUMPY
from litegpu.graph import ABSENT, Graph
from litegpu.schema.enums import TensorType

ELEMENTWISE = frozenset(op for op, lower in LOWERINGS.items() if lower is elementwise)

FREE = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
"""Operators whose result is the memory of their input."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """What NVIDIA's data sheets say of a GPU: bytes/s of its memory, operations/s (two for a
    multiplication and addition) by precision: dense, of tensor cores but for fp32, with sums of
    32 bits."""

    memory: float
    peaks: dict[str, float]


def gpu(terabytes: float, fp32: float, tf32: float, fp16: float, int8: float) -> Gpu:
    """In 10^12 bytes and operations per second."""
    peaks = {"fp32": fp32, "tf32": tf32, "fp16": fp16, "int8": int8}
    return Gpu(terabytes * 1e12, {name: peak * 1e12 for name, peak in peaks.items()})


GPUS = {
    "B200": gpu(8.0, 75, 1125, 2250, 4500),
    "H200 NVL": gpu(4.8, 60, 417.5, 835.5, 1670.5),
    "H200": gpu(4.8, 67, 494.7, 989.4, 1978.9),
    "H100 NVL": gpu(3.9, 60, 417.5, 835.5, 1670.5),
    "H100 PCIe": gpu(2.0, 51.2, 378, 756, 1513),
    "H100": gpu(3.35, 67, 494.7, 989.4, 1978.9),
    "A100-SXM4-80GB": gpu(2.039, 19.5, 156, 312, 624),
    "A100 80GB PCIe": gpu(1.935, 19.5, 156, 312, 624),
    "A100": gpu(1.555, 19.5, 156, 312, 624),
    "A10": gpu(0.6, 31.2, 62.5, 125, 250),
    "L40S": gpu(0.864, 91.6, 183, 362, 733),
    "L4": gpu(0.3, 30.3, 60, 121, 242),
    "T4": gpu(0.32, 8.1, 8.1, 65, 130),
    "RTX 6000 Ada": gpu(0.96, 91.1, 182.1, 364.2, 728.5),
    "RTX 5090": gpu(1.792, 104.8, 104.8, 209.5, 838),
    "RTX 4090": gpu(1.008, 82.6, 82.6, 165.2, 660.6),
    "RTX 3090": gpu(0.936, 35.6, 35.6, 71, 284),
}
"""By a part of the name that CUDA gives a GPU; the first that fits counts."""


def find(name: str) -> Gpu | None:
    """The GPU of this name; None where the table lacks it."""
    return next((gpu for part, gpu in GPUS.items() if re.search(rf"\b{part}\b", name)), None)


@dataclass(frozen=True, slots=True)
class Work:
    """What has to be done at least: multiply-adds, and bytes read and written."""

    macs: int
    bytes: int

    def seconds(self, gpu: Gpu, precision: str) -> float:
        return max(2 * self.macs / gpu.peaks[precision], self.bytes / gpu.memory)


@dataclass(slots=True)
class Group:
    """Nodes that one kernel could compute: the tensors that it reads."""

    reads: set[int] = field(default_factory=set[int])


def size(graph: Graph, tensor: int, precision: str) -> int:
    """Bytes of a tensor on the device."""
    found = graph.tensors[tensor]
    half = precision == "fp16" and found.dtype == TensorType.FLOAT32
    width = 2 if half else NUMPY[found.dtype].itemsize
    return math.prod(found.shape) * width


def work_of(graph: Graph, nodes: Iterable[int], precision: str) -> Work:
    """Of nodes computed as one kernel, which reads what they need, and writes what others do."""
    own = set(nodes)
    made = {t for n in own for t in graph.nodes[n].outputs}
    needed = {t for n in own for t in graph.nodes[n].inputs if t != ABSENT} - made
    others = (node for n, node in enumerate(graph.nodes) if n not in own)
    wanted = {t for node in others for t in node.inputs} | set(graph.outputs)
    moved = needed | (made & wanted)
    macs = sum(multiply_adds(graph, graph.nodes[n]) for n in own)
    return Work(macs, sum(size(graph, t, precision) for t in moved))


def model_work(graph: Graph, precision: str) -> Work:
    """Of a model of which elementwise nodes are computed with those before or after them.

    They cost nothing but what else they read: one joins the group that makes its last operand, if
    that has its shape; otherwise all that use its result read its operands.
    """
    groups: list[Group] = []
    maker: dict[int, int] = {}
    sources = {t: frozenset([t]) for t in range(len(graph.tensors))}
    for node in graph.nodes:
        inputs = [t for t in node.inputs if t != ABSENT]
        (out, *_) = node.outputs
        needed = frozenset().union(*(sources[t] for t in inputs))
        last = max((maker.get(t, -1) for t in needed), default=-1)
        if node.op in FREE:
            sources[out] = sources[inputs[0]]
        elif node.op not in ELEMENTWISE:
            groups.append(Group(set(needed)))
            maker.update(dict.fromkeys(node.outputs, len(groups) - 1))
        elif any(maker.get(t) == last and same_size(graph, t, out) for t in inputs):
            groups[last].reads |= {t for t in needed if maker.get(t) != last}
            maker[out] = last
        else:
            sources[out] = needed
    return Work(
        sum(multiply_adds(graph, node) for node in graph.nodes),
        sum(size(graph, t, precision) for t in moved(graph, groups, maker, sources)),
    )


def same_size(graph: Graph, one: int, other: int) -> bool:
    return math.prod(graph.tensors[one].shape) == math.prod(graph.tensors[other].shape)


def moved(
    graph: Graph,
    groups: list[Group],
    maker: dict[int, int],
    sources: dict[int, frozenset[int]],
) -> list[int]:
    """Every tensor as often as it is read or written."""
    read = [t for group in groups for t in group.reads]
    wanted = set(read).union(*(sources[t] for t in graph.outputs))
    return read + [t for t in maker if t in wanted]
