"""A model file as the frozen graph that the runtime works on."""

from __future__ import annotations

import mmap
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..dtypes import MAX_RANK, OBJECTS, stored_bytes
from ..errors import ModelError
from ..graph import (
    Array,
    Blocks,
    Graph,
    Model,
    Node,
    Quantization,
    Shape,
    Signature,
    SparseDimension,
    Sparsity,
    Tensor,
)
from . import tables
from .buffers import Buffers
from .decode import Decoder, Malformed
from .enums import BuiltinOperator, DimensionType, TensorType

IDENTIFIER = b"TFL3"
VERSION = 3

UNSIZED = OBJECTS | {TensorType.RESOURCE}
"""Types whose stored bytes do not follow from the shape."""


def open_model(path: str | bytes | os.PathLike[Any]) -> Model:
    """The model at `path`, memory-mapped: the file stays mapped as long as an array of it lives."""
    name = os.fsdecode(path)
    try:
        with open(name, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except IsADirectoryError:
        raise ModelError(
            f"Mmap of '{name}' at offset '0' failed with error '19': it is a directory."
            "The model allocation is null/empty"
        ) from None
    except OSError as error:
        raise ModelError(
            f"Could not open '{name}'.The model allocation is null/empty ({error.strerror})"
        ) from None
    except ValueError:
        raise ModelError(
            f"mmap of size 0 requested.The model allocation is null/empty ('{name}')"
        ) from None
    return read_model(data, Path(name).parent)


def read_model(data: bytes | memoryview | mmap.mmap, directory: Path | None = None) -> Model:
    """The model that `data` holds; constants are views of it.

    External buffers are looked for in `directory`. Raises ModelError for everything that is not
    well-formed; what only the graph as a whole can tell is left to `verify`.
    """
    decoder = Decoder(data if isinstance(data, bytes) else memoryview(data).cast("B"))
    try:
        file = decoder.root(tables.Model, IDENTIFIER)
    except Malformed as error:
        raise ModelError(f"The model is not a valid Flatbuffer buffer: {error}") from None
    if file.version != VERSION:
        raise ModelError(
            f"Model provided is schema version {file.version} "
            f"not equal to supported version {VERSION}."
        )
    if not file.subgraphs:
        raise ModelError("No subgraph in the model.")
    if file.buffers is None:
        raise ModelError("No buffers in the model.")
    buffers = Buffers(file, decoder, directory)
    operators = [_operator(i, code) for i, code in enumerate(file.operator_codes or ())]
    return Model(
        tuple(_graph(i, g, operators, buffers) for i, g in enumerate(file.subgraphs)),
        tuple(_signature(i, s) for i, s in enumerate(file.signature_defs or ())),
        {m.name or "": buffers.metadata(m) for m in file.metadata or ()},
        file.description or "",
    )


def _ints(values: Array | None) -> tuple[int, ...]:
    return () if values is None else tuple(values.tolist())


def _operator(index: int, code: tables.OperatorCode) -> tuple[str, int, bool]:
    """Name, version and whether the operator is custom."""
    number = max(code.deprecated_builtin_code, code.builtin_code)
    try:
        builtin = BuiltinOperator(number)
    except ValueError:
        raise ModelError(
            f"Op builtin_code out of range: {number} (operator code {index}). "
            "Are you using old TFLite binary with newer model?"
        ) from None
    if builtin != BuiltinOperator.CUSTOM:
        return builtin.name, code.version, False
    if code.custom_code is None:
        raise ModelError(f"Operator with CUSTOM builtin_code has no custom_code: code {index}.")
    return code.custom_code, code.version, True


def _graph(
    index: int, graph: tables.SubGraph, operators: list[tuple[str, int, bool]], buffers: Buffers
) -> Graph:
    if graph.tensors is None:
        raise ModelError(f"Did not get tensors in subgraph {index}.")
    tensors: list[Tensor] = []
    for i, tensor in enumerate(graph.tensors):
        try:
            tensors.append(_tensor(tensor, buffers))
        except ModelError as error:
            where = f"Subgraph {index}, tensor {i} ({tensor.name!r})"
            raise ModelError(f"{error} {where} is invalid.") from None
    nodes: list[Node] = []
    for i, node in enumerate(graph.operators or ()):
        try:
            nodes.append(_node(node, operators, buffers))
        except ModelError as error:
            raise ModelError(f"{error} Subgraph {index}, node {i} is invalid.") from None
    inputs = _ints(graph.inputs)
    computed = {*inputs, *(tensor for node in nodes for tensor in node.outputs)}
    for i, made in enumerate(tensors):
        if i not in computed and _needs_no_bytes(made):
            tensors[i] = replace(made, data=np.empty(0, np.uint8))
    return Graph(tuple(tensors), tuple(nodes), inputs, _ints(graph.outputs), graph.name or "")


def _needs_no_bytes(tensor: Tensor) -> bool:
    """Whether the tensor is a constant for which a file need not name a buffer."""
    held = tensor.data is not None or tensor.is_variable or tensor.dtype == TensorType.VARIANT
    return 0 in tensor.shape and not held


def _tensor(tensor: tables.Tensor, buffers: Buffers) -> Tensor:
    shape = _ints(tensor.shape)
    data = buffers.of_tensor(tensor)
    if data is not None and tensor.is_variable:
        raise ModelError("A variable tensor with buffer or external buffer is not supported.")
    sparsity = None
    if data is not None and tensor.sparsity is not None:
        sparsity = _sparsity(tensor.sparsity, buffers)
    if data is not None and sparsity is None:
        data = _trimmed(data, tensor.type, shape)
    signature = _ints(tensor.shape_signature)
    return Tensor(
        tensor.name or "",
        shape,
        tensor.type,
        signature or None,
        None if tensor.quantization is None else _quantization(tensor.quantization, len(shape)),
        sparsity,
        data,
        tensor.is_variable,
    )


def _trimmed(data: Array, dtype: TensorType, shape: Shape) -> Array:
    """The bytes that the shape takes; what a file stores beyond them is padding."""
    if dtype in UNSIZED or len(shape) > MAX_RANK:
        return data
    elements = 1
    for size in shape:
        elements *= max(size, 0)
    return data[: stored_bytes(dtype, elements)]


def _quantization(quant: tables.QuantizationParameters, rank: int) -> Quantization | None:
    match quant.details:
        case tables.BlockwiseQuantization() as details:
            return _blockwise(details, quant.quantized_dimension)
        case tables.MultiAxisQuantization() as details:
            axes = _ints(details.quantized_dimensions)
            if len(axes) != 1:
                raise ModelError(
                    f"MultiAxisQuantization has {len(axes)} quantized dimensions {axes}; "
                    "one is supported."
                )
            return _blockwise(details, axes[0])
    if quant.scale is None or not quant.scale.size:
        return None
    if quant.zero_point is None:
        raise ModelError("Quantization parameters has non-null scale but null zero_point.")
    axis = quant.quantized_dimension
    # Some converters give the bias the axis of its weights; a vector, or one scale, has no choice.
    if axis >= rank and (rank == 1 or quant.scale.size == 1):
        axis = 0
    return Quantization(quant.scale, quant.zero_point, axis)


def _blockwise(
    details: tables.BlockwiseQuantization | tables.MultiAxisQuantization, axis: int
) -> Quantization:
    return Quantization(
        np.empty(0, np.float32),
        np.empty(0, np.int64),
        axis,
        Blocks(details.scales, details.zero_points, details.block_size),
    )


def _sparsity(sparsity: tables.SparsityParameters, buffers: Buffers) -> Sparsity:
    if sparsity.traversal_order is None or sparsity.dim_metadata is None:
        raise ModelError("Invalid sparsity parameter: traversal_order or dim_metadata is missing.")
    return Sparsity(
        _ints(sparsity.traversal_order),
        _ints(sparsity.block_map),
        tuple(_dimension(i, d, buffers) for i, d in enumerate(sparsity.dim_metadata)),
    )


def _dimension(
    index: int, dimension: tables.DimensionMetadata, buffers: Buffers
) -> SparseDimension:
    if dimension.format == DimensionType.DENSE:
        return SparseDimension(dimension.dense_size)
    segments, indices = dimension.array_segments, dimension.array_indices
    if segments is None or segments.values is None or indices is None or indices.values is None:
        raise ModelError(f"The {index}th sparse dimension has invalid parameters.")
    return SparseDimension(0, buffers.int32(segments.values), buffers.int32(indices.values))


def _node(node: tables.Operator, operators: list[tuple[str, int, bool]], buffers: Buffers) -> Node:
    if node.opcode_index >= len(operators):
        raise ModelError(
            f"Missing registration for opcode_index {node.opcode_index}; "
            f"there are {len(operators)} operator codes."
        )
    op, version, custom = operators[node.opcode_index]
    options: Any = node.builtin_options
    if custom:
        options = buffers.custom_options(node)
    elif options is None:
        options = node.builtin_options_2
    return Node(
        op,
        version,
        _ints(node.inputs),
        _ints(node.outputs),
        options,
        custom,
        _ints(node.intermediates),
    )


def _signature(index: int, signature: tables.SignatureDef) -> Signature:
    if signature.signature_key is None:
        raise ModelError(f"Missing exported method name for SignatureDef {index}.")
    return Signature(
        signature.signature_key,
        {m.name or "": m.tensor_index for m in signature.inputs or ()},
        {m.name or "": m.tensor_index for m in signature.outputs or ()},
        signature.subgraph_index,
    )
