"""An estimate of what nodes take on the CPU: linear in operations and bytes.

The constants are those of one core of a desktop CPU with NumPy: about 20 GFLOP/s in matrix
products, 5 GB/s through memory, 2 microseconds a step. They decide only whether a partition is
worth its transfers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from .dtypes import NUMPY
from .graph import ABSENT, Graph, Node

SECONDS_PER_NODE = 2e-6
SECONDS_PER_BYTE = 2e-10
SECONDS_PER_MULTIPLY_ADD = 1e-10

_PRODUCTS = {
    "CONV_2D": lambda out, w: math.prod(out) * math.prod(w[1:]),
    "CONV_3D": lambda out, w: math.prod(out) * math.prod(w[:-1]),
    "DEPTHWISE_CONV_2D": lambda out, w: math.prod(out) * math.prod(w[1:3]),
    "FULLY_CONNECTED": lambda out, w: math.prod(out) * w[-1],
    "BATCH_MATMUL": lambda out, w: math.prod(out) * w[-2],
}
"""Multiply-adds by output and weight shape (input 1), of the operators in which they dominate."""


def tensor_bytes(graph: Graph, tensor: int) -> int:
    return math.prod(graph.tensors[tensor].shape) * NUMPY[graph.tensors[tensor].dtype].itemsize


def multiply_adds(graph: Graph, node: Node) -> int:
    """Multiply-adds of a node; 0 where memory traffic dominates."""
    product = _PRODUCTS.get(node.op)
    if product is None or len(node.inputs) < 2:
        return 0
    weights = graph.tensors[node.inputs[1]].shape
    return product(graph.tensors[node.outputs[0]].shape, weights) if len(weights) > 1 else 0


def cpu_seconds(graph: Graph, nodes: Iterable[int]) -> float:
    """Estimated time of these nodes on the CPU."""
    total = 0.0
    for node in (graph.nodes[n] for n in nodes):
        moved = sum(tensor_bytes(graph, t) for t in (*node.inputs, *node.outputs) if t != ABSENT)
        total += SECONDS_PER_NODE + moved * SECONDS_PER_BYTE
        total += multiply_adds(graph, node) * SECONDS_PER_MULTIPLY_ADD
    return total
