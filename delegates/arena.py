"""The memory of a partition on the device: one arena."""

from __future__ import annotations

from typing import Any

from litegpu.graph import ABSENT, Graph
from litegpu.memory import plan
from litegpu.partition import Partition

from .device import Device
from .lowering.context import Options, byte_size
from .program import Program, Ref, lifetimes


def place(
    device: Device,
    graph: Graph,
    part: Partition,
    program: Program,
    options: Options,
    foreign: dict[Ref, Any],
) -> tuple[Any, int, dict[Ref, Any]]:
    """An arena, its size, and a view of it for every tensor and scratch buffer that is not
    `foreign`."""
    used = {t for n in part.nodes for t in (*graph.nodes[n].inputs, *graph.nodes[n].outputs)}
    sizes = {
        t: byte_size(graph.tensors[t].shape, options.stored(graph.tensors[t]))
        for t in used - {ABSENT}
    }
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
