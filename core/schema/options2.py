"""Options tables of the union BuiltinOptions2."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .enums import (
    CustomOptionsFormat,
    ReduceWindowFunction,
    RngAlgorithm,
    StablehloComparisonDirection,
    StablehloComparisonType,
    StablehloPrecisionConfig,
)
from .table import Enum, boolean, enum, flatbuffer, int32, int64, string, vector


@flatbuffer
class StablehloConcatenateOptions:
    dimension: int = int64()


@flatbuffer
class StablehloBroadcastInDimOptions:
    broadcast_dimensions: NDArray[Any] | None = vector("q")


@flatbuffer
class StablehloSliceOptions:
    start_indices: NDArray[Any] | None = vector("q")
    limit_indices: NDArray[Any] | None = vector("q")
    strides: NDArray[Any] | None = vector("q")


@flatbuffer
class StablehloConvolutionOptions:
    window_strides: NDArray[Any] | None = vector("q")
    padding: NDArray[Any] | None = vector("q")
    lhs_dilation: NDArray[Any] | None = vector("q")
    rhs_dilation: NDArray[Any] | None = vector("q")
    window_reversal: NDArray[Any] | None = vector("?")
    input_batch_dimension: int = int64()
    input_feature_dimension: int = int64()
    input_spatial_dimensions: NDArray[Any] | None = vector("q")
    kernel_input_feature_dimension: int = int64()
    kernel_output_feature_dimension: int = int64()
    kernel_spatial_dimensions: NDArray[Any] | None = vector("q")
    output_batch_dimension: int = int64()
    output_feature_dimension: int = int64()
    output_spatial_dimensions: NDArray[Any] | None = vector("q")
    feature_group_count: int = int64()
    batch_group_count: int = int64()
    precision_config: tuple[StablehloPrecisionConfig, ...] | None = vector(
        Enum(StablehloPrecisionConfig, "I")
    )


@flatbuffer
class StablehloCustomCallOptions:
    call_target_name: str | None = string()
    has_side_effect: bool = boolean()
    backend_config: str | None = string()
    api_version: int = int32()
    called_computations: NDArray[Any] | None = vector("i")
    custom_attributes: NDArray[Any] | None = vector("B")


@flatbuffer
class StablehloReduceOptions:
    dimensions: NDArray[Any] | None = vector("q")
    body_subgraph_index: int = int32()


@flatbuffer
class StablehloScatterOptions:
    indices_are_sorted: bool = boolean()
    update_window_dims: NDArray[Any] | None = vector("q")
    inserted_window_dims: NDArray[Any] | None = vector("q")
    scatter_dims_to_operand_dims: NDArray[Any] | None = vector("q")
    index_vector_dim: int = int64()
    unique_indices: bool = boolean()
    update_computation_subgraph_index: int = int32()


@flatbuffer
class StablehloCompareOptions:
    comparison_direction: StablehloComparisonDirection = enum(
        StablehloComparisonDirection.STABLEHLO_COMPARISON_DIRECTION_EQ, "I"
    )
    compare_type: StablehloComparisonType = enum(
        StablehloComparisonType.STABLEHLO_COMPARISON_TYPE_NOTYPE, "I"
    )


@flatbuffer
class StablehloDynamicSliceOptions:
    slice_sizes: NDArray[Any] | None = vector("q")


@flatbuffer
class StablehloPadOptions:
    edge_padding_low: NDArray[Any] | None = vector("q")
    edge_padding_high: NDArray[Any] | None = vector("q")
    interior_padding: NDArray[Any] | None = vector("q")


@flatbuffer
class StablehloIotaOptions:
    iota_dimension: int = int64()


@flatbuffer
class StablehloDotGeneralOptions:
    lhs_batching_dimensions: NDArray[Any] | None = vector("q")
    rhs_batching_dimensions: NDArray[Any] | None = vector("q")
    lhs_contracting_dimensions: NDArray[Any] | None = vector("q")
    rhs_contracting_dimensions: NDArray[Any] | None = vector("q")
    precision_config: tuple[StablehloPrecisionConfig, ...] | None = vector(
        Enum(StablehloPrecisionConfig, "I")
    )


@flatbuffer
class StablehloReduceWindowOptions:
    window_dimensions: NDArray[Any] | None = vector("q")
    window_strides: NDArray[Any] | None = vector("q")
    base_dilations: NDArray[Any] | None = vector("q")
    window_dilations: NDArray[Any] | None = vector("q")
    padding: NDArray[Any] | None = vector("q")
    body_subgraph_index: int = int32()


@flatbuffer
class StablehloSortOptions:
    dimension: int = int64()
    is_stable: bool = boolean()
    comparator_subgraph_index: int = int32()


@flatbuffer
class StablehloWhileOptions:
    cond_subgraph_index: int = int32()
    body_subgraph_index: int = int32()


@flatbuffer
class StablehloGatherOptions:
    offset_dims: NDArray[Any] | None = vector("q")
    collapsed_slice_dims: NDArray[Any] | None = vector("q")
    start_index_map: NDArray[Any] | None = vector("q")
    index_vector_dim: int = int64()
    slice_sizes: NDArray[Any] | None = vector("q")
    indices_are_sorted: bool = boolean()


@flatbuffer
class StablehloTransposeOptions:
    permutation: NDArray[Any] | None = vector("q")


@flatbuffer
class DilateOptions:
    pass


@flatbuffer
class StablehloRngBitGeneratorOptions:
    algorithm: RngAlgorithm = enum(RngAlgorithm.DEFAULT)


@flatbuffer
class ReduceWindowOptions:
    reduce_function: ReduceWindowFunction = enum(ReduceWindowFunction.UNSUPPORTED, "i")


@flatbuffer
class StableHLOCompositeOptions:
    name: str | None = string()
    decomposition_subgraph_index: int = int32()
    composite_attributes: NDArray[Any] | None = vector("B")
    composite_attributes_format: CustomOptionsFormat = enum(CustomOptionsFormat.FLEXBUFFERS)
    version: int = int32()


@flatbuffer
class StablehloShiftLeftOptions:
    pass


@flatbuffer
class StablehloCaseOptions:
    branch_subgraph_indices: NDArray[Any] | None = vector("i")
