"""The tables that make up a model file."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .enums import CustomOptionsFormat, DimensionType, TensorType
from .table import (
    Table,
    boolean,
    enum,
    flatbuffer,
    int8,
    int32,
    string,
    table,
    uint32,
    uint64,
    union,
    vector,
)
from .unions import BuiltinOptions, BuiltinOptions2


@flatbuffer
class CustomQuantization:
    custom: NDArray[Any] | None = vector("B")


@flatbuffer
class BlockwiseQuantization:
    scales: int = int32()
    zero_points: int = int32()
    block_size: int = int32()


@flatbuffer
class MultiAxisQuantization:
    scales: int = int32()
    zero_points: int = int32()
    block_size: int = int32()
    quantized_dimensions: NDArray[Any] | None = vector("i")


@flatbuffer
class QuantizationParameters:
    min: NDArray[Any] | None = vector("f")
    max: NDArray[Any] | None = vector("f")
    scale: NDArray[Any] | None = vector("f")
    zero_point: NDArray[Any] | None = vector("q")
    details: CustomQuantization | BlockwiseQuantization | MultiAxisQuantization | None = union(
        lambda: QuantizationDetails
    )
    quantized_dimension: int = int32()


@flatbuffer
class Int32Vector:
    values: NDArray[Any] | None = vector("i")


@flatbuffer
class Uint16Vector:
    values: NDArray[Any] | None = vector("H")


@flatbuffer
class Uint8Vector:
    values: NDArray[Any] | None = vector("B")


@flatbuffer
class DimensionMetadata:
    format: DimensionType = enum(DimensionType.DENSE)
    dense_size: int = int32()
    array_segments: Int32Vector | Uint16Vector | Uint8Vector | None = union(
        lambda: SparseIndexVector
    )
    array_indices: Int32Vector | Uint16Vector | Uint8Vector | None = union(
        lambda: SparseIndexVector
    )


@flatbuffer
class SparsityParameters:
    traversal_order: NDArray[Any] | None = vector("i")
    block_map: NDArray[Any] | None = vector("i")
    dim_metadata: tuple[DimensionMetadata, ...] | None = vector(Table(lambda: DimensionMetadata))


@flatbuffer
class VariantSubType:
    shape: NDArray[Any] | None = vector("i")
    type: TensorType = enum(TensorType.FLOAT32)
    has_rank: bool = boolean(False)


@flatbuffer
class Tensor:
    shape: NDArray[Any] | None = vector("i")
    type: TensorType = enum(TensorType.FLOAT32)
    buffer: int = uint32()
    name: str | None = string()
    quantization: QuantizationParameters | None = table(lambda: QuantizationParameters)
    is_variable: bool = boolean(False)
    sparsity: SparsityParameters | None = table(lambda: SparsityParameters)
    shape_signature: NDArray[Any] | None = vector("i")
    has_rank: bool = boolean(False)
    variant_tensors: tuple[VariantSubType, ...] | None = vector(Table(lambda: VariantSubType))
    external_buffer: int = uint32()


@flatbuffer
class OperatorCode:
    deprecated_builtin_code: int = int8()
    custom_code: str | None = string()
    version: int = int32(1)
    builtin_code: int = int32()


@flatbuffer
class Operator:
    opcode_index: int = uint32()
    inputs: NDArray[Any] | None = vector("i")
    outputs: NDArray[Any] | None = vector("i")
    builtin_options: object | None = union(lambda: BuiltinOptions)
    custom_options: NDArray[Any] | None = vector("B")
    custom_options_format: CustomOptionsFormat = enum(CustomOptionsFormat.FLEXBUFFERS)
    mutating_variable_inputs: NDArray[Any] | None = vector("?")
    intermediates: NDArray[Any] | None = vector("i")
    large_custom_options_offset: int = uint64()
    large_custom_options_size: int = uint64()
    builtin_options_2: object | None = union(lambda: BuiltinOptions2)
    debug_metadata_index: int = int32(-1)


@flatbuffer
class SubGraph:
    tensors: tuple[Tensor, ...] | None = vector(Table(lambda: Tensor))
    inputs: NDArray[Any] | None = vector("i")
    outputs: NDArray[Any] | None = vector("i")
    operators: tuple[Operator, ...] | None = vector(Table(lambda: Operator))
    name: str | None = string()
    debug_metadata_index: int = int32(-1)


@flatbuffer
class Buffer:
    data: NDArray[Any] | None = vector("B", alignment=16)
    offset: int = uint64()
    size: int = uint64()


@flatbuffer
class ExternalBufferGroup:
    name: str | None = string()


@flatbuffer
class ExternalBuffer:
    id: int = uint32()
    group: int = uint32()
    offset: int = uint64()
    length: int = uint64()
    packing: str | None = string()


@flatbuffer
class Metadata:
    name: str | None = string()
    buffer: int = uint32()


@flatbuffer
class TensorMap:
    name: str | None = string()
    tensor_index: int = uint32()


@flatbuffer
class SignatureDef:
    inputs: tuple[TensorMap, ...] | None = vector(Table(lambda: TensorMap))
    outputs: tuple[TensorMap, ...] | None = vector(Table(lambda: TensorMap))
    signature_key: str | None = string()
    deprecated_tag: str | None = string()
    subgraph_index: int = uint32()


@flatbuffer
class Model:
    version: int = uint32()
    operator_codes: tuple[OperatorCode, ...] | None = vector(Table(lambda: OperatorCode))
    subgraphs: tuple[SubGraph, ...] | None = vector(Table(lambda: SubGraph))
    description: str | None = string()
    buffers: tuple[Buffer, ...] | None = vector(Table(lambda: Buffer))
    metadata_buffer: NDArray[Any] | None = vector("i")
    metadata: tuple[Metadata, ...] | None = vector(Table(lambda: Metadata))
    signature_defs: tuple[SignatureDef, ...] | None = vector(Table(lambda: SignatureDef))
    external_buffer_groups: tuple[ExternalBufferGroup, ...] | None = vector(
        Table(lambda: ExternalBufferGroup)
    )
    external_buffers: tuple[ExternalBuffer, ...] | None = vector(Table(lambda: ExternalBuffer))


QuantizationDetails: tuple[type | None, ...] = (
    None,
    CustomQuantization,
    BlockwiseQuantization,
    MultiAxisQuantization,
)


SparseIndexVector: tuple[type | None, ...] = (
    None,
    Int32Vector,
    Uint16Vector,
    Uint8Vector,
)
