"""Output types that an operator decides, whatever the file declares, as LiteRT's kernels do."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from .graph import ABSENT, Graph, Model, Node, Tensor
from .schema.enums import TensorType

_LIKE_FIRST = (
    "ADD_N BITWISE_XOR CEIL DENSIFY DYNAMIC_UPDATE_SLICE EXP EXPAND_DIMS FAKE_QUANT FLOOR "
    "FLOOR_DIV FLOOR_MOD GATHER GATHER_ND MATRIX_DIAG MATRIX_SET_DIAG MAXIMUM MINIMUM NEG POW "
    "PRELU RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RIGHT_SHIFT ROUND STABLEHLO_SHIFT_LEFT "
    "ZEROS_LIKE"
)
_LIKE_SECOND = "ADD DIV FILL SCATTER_ND SELECT SELECT_V2 SQUARED_DIFFERENCE SUB"
_TRUTHS = "EQUAL NOT_EQUAL LESS LESS_EQUAL GREATER GREATER_EQUAL LOGICAL_AND LOGICAL_OR"

SAME_AS_INPUT = {
    **dict.fromkeys(_LIKE_FIRST.split(), 0),
    **dict.fromkeys(_LIKE_SECOND.split(), 1),
    "SPARSE_TO_DENSE": 2,
}
"""The position of the input whose type the first output has."""

FIXED = {
    **dict.fromkeys(_TRUTHS.split(), TensorType.BOOL),
    "BUCKETIZE": TensorType.INT32,
    "DEQUANTIZE": TensorType.FLOAT32,
    "RANK": TensorType.INT32,
    "RFFT2D": TensorType.COMPLEX64,
    "WHERE": TensorType.INT64,
}


def with_output_types(model: Model) -> Model:
    """The model with the types that its operators decide; itself where the file declares them."""
    graphs = tuple(_with_output_types(graph) for graph in model.graphs)
    if all(a is b for a, b in zip(graphs, model.graphs, strict=True)):
        return model
    return dataclasses.replace(model, graphs=graphs)


def _with_output_types(graph: Graph) -> Graph:
    tensors = list(graph.tensors)
    changed = False
    for node in graph.nodes:
        found = _decided(node, tensors)
        if found is not None and node.outputs and node.outputs[0] != ABSENT:
            output = node.outputs[0]
            if tensors[output].dtype != found and tensors[output].data is None:
                tensors[output] = dataclasses.replace(tensors[output], dtype=found)
                changed = True
    return dataclasses.replace(graph, tensors=tuple(tensors)) if changed else graph


def _decided(node: Node, tensors: Sequence[Tensor]) -> TensorType | None:
    """The type of the node's first output, where the operator decides it."""
    if node.custom:
        return None
    position = SAME_AS_INPUT.get(node.op)
    if position is None:
        return FIXED.get(node.op)
    if position >= len(node.inputs) or node.inputs[position] == ABSENT:
        return None
    return tensors[node.inputs[position]].dtype
