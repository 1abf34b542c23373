"""Tables of quantised functions, filled by the CPU reference: exact by construction."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from litegpu.dtypes import NUMPY
from litegpu.graph import Array, Graph, Model, Node
from litegpu.limits import Limits
from litegpu.schema.enums import TensorType
from litegpu.session import Session

INDEX_BITS = {
    TensorType.INT8: 8,
    TensorType.UINT8: 8,
    TensorType.BOOL: 8,
    TensorType.INT16: 16,
}
"""Types whose every value can index a table."""


def stored_table(graph: Graph, node: Node, positions: Sequence[int]) -> Array:
    """The node's first output for every stored value of the inputs at `positions` (one or two).

    Entry k of one input is for the value whose bits are k; two inputs give a matrix, flattened by
    rows. The other inputs must be constants.
    """
    tensors = list(graph.tensors)
    ranges = []
    for i in positions:
        dtype = tensors[node.inputs[i]].dtype
        bits = INDEX_BITS[dtype]
        ranges.append(np.arange(2**bits, dtype=f"u{bits // 8}").view(NUMPY[dtype]))
    values = [np.ascontiguousarray(grid) for grid in np.meshgrid(*ranges, indexing="ij")]
    fresh = len(tensors)
    inputs = list(node.inputs)
    for i, value in zip(positions, values, strict=True):
        base = tensors[node.inputs[i]]
        tensors.append(
            dataclasses.replace(base, shape=value.shape, data=None, shape_signature=None)
        )
        inputs[i] = len(tensors) - 1
    run_time = tuple(range(fresh, len(tensors)))
    table_node = dataclasses.replace(node, inputs=tuple(inputs))
    main = Graph(tuple(tensors), (table_node,), run_time, node.outputs[:1], "table")
    plan = Session(Model((main,)), Limits(), {}).plan(0, [v.shape for v in values])
    plan.set_inputs(values)
    plan.run()
    return plan.outputs()[0].reshape(-1).copy()
