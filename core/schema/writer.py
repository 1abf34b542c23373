"""The graph as a model file: what `reader` reads back equal, and LiteRT loads."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import ModelError
from ..graph import Array, Graph, Model, Node, Quantization, Signature, Sparsity, Tensor
from . import tables
from .encode import encode
from .enums import BuiltinOperator, DimensionType
from .reader import IDENTIFIER, VERSION
from .unions import BuiltinOptions, BuiltinOptions2

ALIGNMENT = 16
INLINE_BYTES = 2**31 - 2**26
"""Constants beyond this many bytes in all are stored behind the tables, which end before 2 GB."""

OUTSIDE = 2**63
"""Stands for an offset until the size of the tables is known."""

INT8_CODES = BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES


def write_model(model: Model, *, inline_bytes: int = INLINE_BYTES) -> bytes:
    """The bytes of a .tflite file; ModelError where the format cannot hold the model."""
    constants = _Constants()
    try:
        file = _file(model, constants)
        if sum(array.size for array in constants.arrays) <= inline_bytes:
            return _inline(file, constants.arrays)
        return _outside(file, constants.arrays)
    except (ValueError, OverflowError) as error:
        raise ModelError(f"The model cannot be written: {error}.") from error


def _file(model: Model, constants: _Constants) -> tables.Model:
    """The tables of the model, without its buffers."""
    codes = _Codes()
    graphs = tuple(_graph(g, codes, constants) for g in model.graphs)
    metadata = tuple(
        tables.Metadata(name, constants.index(np.frombuffer(data, np.uint8)))
        for name, data in model.metadata.items()
    )
    return tables.Model(
        version=VERSION,
        operator_codes=tuple(codes.tables),
        subgraphs=graphs,
        description=model.description or None,
        metadata=metadata or None,
        signature_defs=tuple(map(_signature, model.signatures)) or None,
    )


def _inline(file: tables.Model, arrays: list[Array]) -> bytes:
    buffers = tables.Buffer(), *(tables.Buffer(data=array) for array in arrays)
    return bytes(encode(replace(file, buffers=buffers), IDENTIFIER))


def _outside(file: tables.Model, arrays: list[Array]) -> bytes:
    """The tables, then the constants, each at an aligned offset from the start of the file."""
    offsets = [OUTSIDE] * len(arrays)
    head = encode(replace(file, buffers=_located(offsets, arrays)), IDENTIFIER)
    end = len(head)
    parts: list[bytes] = []
    for i, array in enumerate(arrays):
        padding = -end % ALIGNMENT
        offsets[i] = end + padding
        parts += [bytes(padding), array.tobytes()]
        end = offsets[i] + array.size
    head = encode(replace(file, buffers=_located(offsets, arrays)), IDENTIFIER)
    return b"".join([head, *parts])


def _located(offsets: list[int], arrays: list[Array]) -> tuple[tables.Buffer, ...]:
    located = zip(offsets, arrays, strict=True)
    return tables.Buffer(), *(tables.Buffer(offset=o, size=a.size) for o, a in located)


class _Constants:
    """The distinct constants of a file; buffer 0 means none."""

    def __init__(self) -> None:
        self.arrays: list[Array] = []
        self.known: dict[bytes, int] = {}

    def index(self, data: Array) -> int:
        flat = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        key = hashlib.blake2b(flat.data if flat.size else b"").digest()
        if key not in self.known:
            self.arrays.append(flat)
            self.known[key] = len(self.arrays)
        return self.known[key]


class _Codes:
    """The distinct operator codes of a file."""

    def __init__(self) -> None:
        self.tables: list[tables.OperatorCode] = []
        self.known: dict[tuple[str, int, bool], int] = {}

    def index(self, node: Node) -> int:
        key = node.op, node.version, node.custom
        if key not in self.known:
            self.known[key] = len(self.tables)
            self.tables.append(self.table(*key))
        return self.known[key]

    @staticmethod
    def table(op: str, version: int, custom: bool) -> tables.OperatorCode:
        name = "CUSTOM" if custom else op
        if name not in BuiltinOperator.__members__:
            raise ModelError(
                f"Operator {op!r} is not a builtin; set `custom` for custom operators."
            )
        code = BuiltinOperator[name]
        return tables.OperatorCode(min(code, INT8_CODES), op if custom else None, version, code)


def _graph(graph: Graph, codes: _Codes, constants: _Constants) -> tables.SubGraph:
    return tables.SubGraph(
        tensors=tuple(_tensor(t, constants) for t in graph.tensors),
        inputs=_vector(graph.inputs),
        outputs=_vector(graph.outputs),
        operators=tuple(_node(n, codes) for n in graph.nodes),
        name=graph.name or None,
    )


def _vector(values: tuple[int, ...]) -> Array:
    return np.asarray(values, np.int32)


def _tensor(tensor: Tensor, constants: _Constants) -> tables.Tensor:
    signature = tensor.shape_signature
    return tables.Tensor(
        shape=_vector(tensor.shape),
        type=tensor.dtype,
        buffer=0 if tensor.data is None else constants.index(tensor.data),
        name=tensor.name,
        quantization=None if tensor.quant is None else _quantization(tensor.quant),
        is_variable=tensor.is_variable,
        sparsity=None if tensor.sparsity is None else _sparsity(tensor.sparsity),
        shape_signature=None if signature is None else _vector(signature),
        has_rank=True,
    )


def _quantization(quant: Quantization) -> tables.QuantizationParameters:
    if quant.blocks is not None:
        blocks = quant.blocks
        details = tables.BlockwiseQuantization(blocks.scales, blocks.zero_points, blocks.size)
        return tables.QuantizationParameters(details=details, quantized_dimension=quant.axis)
    return tables.QuantizationParameters(
        scale=quant.scale, zero_point=quant.zero_point, quantized_dimension=quant.axis
    )


def _sparsity(sparsity: Sparsity) -> tables.SparsityParameters:
    dimensions: list[tables.DimensionMetadata] = []
    for dimension in sparsity.dimensions:
        if dimension.segments is None or dimension.indices is None:
            dimensions.append(tables.DimensionMetadata(dense_size=dimension.dense_size))
            continue
        dimensions.append(
            tables.DimensionMetadata(
                format=DimensionType.SPARSE_CSR,
                array_segments=tables.Int32Vector(dimension.segments),
                array_indices=tables.Int32Vector(dimension.indices),
            )
        )
    return tables.SparsityParameters(
        traversal_order=_vector(sparsity.traversal_order),
        block_map=_vector(sparsity.block_map) if sparsity.block_map else None,
        dim_metadata=tuple(dimensions),
    )


def _node(node: Node, codes: _Codes) -> tables.Operator:
    fields: dict[str, Any] = {}
    if node.custom:
        if node.options:
            fields["custom_options"] = np.frombuffer(node.options, np.uint8)
    elif node.options is not None:
        fields[_union_of(node)] = node.options
    return tables.Operator(
        opcode_index=codes.index(node),
        inputs=_vector(node.inputs),
        outputs=_vector(node.outputs),
        intermediates=_vector(node.intermediates) if node.intermediates else None,
        **fields,
    )


def _union_of(node: Node) -> str:
    if type(node.options) in BuiltinOptions:
        return "builtin_options"
    if type(node.options) in BuiltinOptions2:
        return "builtin_options_2"
    raise ModelError(f"{node.op}: {type(node.options).__name__} is not an options table")


def _signature(signature: Signature) -> tables.SignatureDef:
    return tables.SignatureDef(
        inputs=tuple(tables.TensorMap(n, i) for n, i in signature.inputs.items()),
        outputs=tuple(tables.TensorMap(n, i) for n, i in signature.outputs.items()),
        signature_key=signature.key,
        subgraph_index=signature.graph,
    )
