"""The dicts that describe tensors and nodes, laid out as tf.lite.Interpreter does."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dtypes import NUMPY, decode
from .graph import ABSENT, Array, Graph, Node, Quantization, Shape, Sparsity, Tensor
from .schema.enums import TensorType

_RAW_BYTES = frozenset({TensorType.FLOAT8_E4M3FN, TensorType.FLOAT8_E5M2})


def numpy_type(dtype: TensorType) -> type:
    """The NumPy scalar class that details show: np.bytes_ for strings, np.int8 for float8."""
    if dtype == TensorType.STRING:
        return np.bytes_
    return np.int8 if dtype in _RAW_BYTES else NUMPY[dtype].type


def tensor_details(
    graph: Graph, index: int, shape: Shape, signature: Shape, compress_zero_points: bool = False
) -> dict[str, Any]:
    """One tensor: name, index, shape, dtype, quantisation, sparsity; arrays are int32 or
    float32."""
    tensor = graph.tensors[index]
    return {
        "name": tensor.name,
        "index": index,
        "shape": np.array(shape, np.int32),
        "shape_signature": np.array(signature, np.int32),
        "dtype": numpy_type(tensor.dtype),
        "quantization": _per_tensor(tensor.quant),
        "quantization_parameters": _quantization(graph, tensor, compress_zero_points),
        "sparsity_parameters": _sparsity(tensor.sparsity),
    }


def _per_tensor(quant: Quantization | None) -> tuple[float, int]:
    if quant is None or quant.scale.size != 1:
        return 0.0, 0
    return float(quant.scale[0]), int(quant.zero_point[0]) if quant.zero_point.size else 0


def _quantization(graph: Graph, tensor: Tensor, compress: bool) -> dict[str, Any]:
    quant = tensor.quant
    scales: Array = np.empty(0, np.float32)
    zero_points: Array = np.empty(0, np.int32)
    axis = block_size = 0
    if quant is not None and quant.blocks is not None:
        block_size = quant.blocks.size
        axis = quant.axis
        scales = _flat(graph, quant.blocks.scales, scales)
        zero_points = _flat(graph, quant.blocks.zero_points, zero_points)
    elif quant is not None and quant.scale.size:
        scales = np.array(quant.scale, np.float32)
        zero_points = np.array(quant.zero_point, np.int64).astype(np.int32)
        if compress and zero_points.size > 1 and (zero_points == zero_points[0]).all():
            zero_points = zero_points[:1]
        axis = quant.axis
    return {
        "scales": scales,
        "zero_points": zero_points,
        "quantized_dimension": axis,
        "block_size": block_size,
    }


def _flat(graph: Graph, index: int, default: Array) -> Array:
    """The values of a constant tensor, 1-D; `default` where there is none."""
    if not 0 <= index < len(graph.tensors) or graph.tensors[index].data is None:
        return default
    tensor = graph.tensors[index]
    assert tensor.data is not None
    return decode(tensor.data, tensor.dtype, tensor.shape).reshape(-1).copy()


def _sparsity(sparsity: Sparsity | None) -> dict[str, Any]:
    if sparsity is None:
        return {}
    levels = [
        {"format": 0, "dense_size": d.dense_size}
        if d.segments is None
        else {"format": 1, "array_segments": d.segments, "array_indices": d.indices}
        for d in sparsity.dimensions
    ]
    found: dict[str, Any] = {"traversal_order": np.array(sparsity.traversal_order, np.int32)}
    if sparsity.block_map:
        found["block_map"] = np.array(sparsity.block_map, np.int32)
    return found | {"dim_metadata": levels}


def op_details(graph: Graph, node: Node, index: int) -> dict[str, Any]:
    """One node: index, op_name, tensor indices (-1 = absent), and the NumPy classes of what is
    there."""

    def types(tensors: tuple[int, ...]) -> list[type]:
        return [numpy_type(graph.tensors[t].dtype) for t in tensors if t != ABSENT]

    return {
        "index": index,
        "op_name": node.op,
        "inputs": np.array(node.inputs, np.int32),
        "outputs": np.array(node.outputs, np.int32),
        "operand_types": types(node.inputs),
        "result_types": types(node.outputs),
    }
