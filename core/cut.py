"""Cuts a partition out of a graph as a model of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from .graph import ABSENT, Graph, Model, Node


def cut(graph: Graph, nodes: Sequence[int], inputs: Sequence[int], outputs: Sequence[int]) -> Model:
    """A model of these nodes alone, in this order, with constants of their own.

    `inputs` and `outputs` are tensor indices of `graph`; variable tensors may be among the inputs.
    """
    used = dict.fromkeys([*inputs, *outputs])
    for node in (graph.nodes[n] for n in nodes):
        used.update(dict.fromkeys((*node.inputs, *node.outputs, *node.intermediates)))
        used.update(dict.fromkeys(_scales(graph, node)))
    used.pop(ABSENT, None)
    new = {t: i for i, t in enumerate(used)} | {ABSENT: ABSENT}

    def renumbered(tensors: Sequence[int]) -> tuple[int, ...]:
        return tuple(new[t] for t in tensors)

    tensors = []
    for t in used:
        tensor = graph.tensors[t]
        if tensor.quant is not None and tensor.quant.blocks is not None:
            blocks = tensor.quant.blocks
            blocks = dataclasses.replace(
                blocks,
                scales=new[blocks.scales],
                zero_points=new.get(blocks.zero_points, ABSENT),
            )
            quant = dataclasses.replace(tensor.quant, blocks=blocks)
            tensor = dataclasses.replace(tensor, quant=quant)
        tensors.append(tensor)
    kept = tuple(
        dataclasses.replace(
            node,
            inputs=renumbered(node.inputs),
            outputs=renumbered(node.outputs),
            intermediates=renumbered(node.intermediates),
        )
        for node in (graph.nodes[n] for n in nodes)
    )
    main = Graph(tuple(tensors), kept, renumbered(inputs), renumbered(outputs), graph.name)
    return Model((main,))


def _scales(graph: Graph, node: Node) -> list[int]:
    """Tensors that hold the scales and zero points of blockwise quantised inputs."""
    quants = (graph.tensors[t].quant for t in node.inputs if t != ABSENT)
    blocks = [q.blocks for q in quants if q is not None and q.blocks is not None]
    return [t for b in blocks for t in (b.scales, b.zero_points) if t != ABSENT]
