"""Options tables of the union BuiltinOptions2."""

from __future__ import annotations

from .enums import (
    CustomOptionsFormat,
    ReduceWindowFunction,
    RngAlgorithm,
    StablehloComparisonDirection,
    StablehloComparisonType,
    StablehloPrecisionConfig,
)
from .table import Enum, Numbers, boolean, enum, flatbuffer, int32, int64, string, vector


@flatbuffer
class StablehloConcatenateOptions:
    dimension: int = int64()


@flatbuffer
class StablehloBroadcastInDimOptions:
    broadcast_dimensions: Numbers | None = vector("q")


@flatbuffer
class StablehloSliceOptions:
    start_indices: Numbers | None = vector("q")
    limit_indices: Numbers | None = vector("q")
    strides: Numbers | None = vector("q")


@flatbuffer
class StablehloConvolutionOptions:
    window_strides: Numbers | None = vector("q")
    padding: Numbers | None = vector("q")
    lhs_dilation: Numbers | None = vector("q")
    rhs_dilation: Numbers | None = vector("q")
    window_reversal: Numbers | None = vector("?")
    input_batch_dimension: int = int64()
    input_feature_dimension: int = int64()
    input_spatial_dimensions: Numbers | None = vector("q")
    kernel_input_feature_dimension: int = int64()
    kernel_output_feature_dimension: int = int64()
    kernel_spatial_dimensions: Numbers | None = vector("q")
    output_batch_dimension: int = int64()
    output_feature_dimension: int = int64()
    output_spatial_dimensions: Numbers | None = vector("q")
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
    called_computations: Numbers | None = vector("i")
    custom_attributes: Numbers | None = vector("B")


@flatbuffer
class StablehloReduceOptions:
    dimensions: Numbers | None = vector("q")
    body_subgraph_index: int = int32()


@flatbuffer
class StablehloScatterOptions:
    indices_are_sorted: bool = boolean()
    update_window_dims: Numbers | None = vector("q")
    inserted_window_dims: Numbers | None = vector("q")
    scatter_dims_to_operand_dims: Numbers | None = vector("q")
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
    slice_sizes: Numbers | None = vector("q")


@flatbuffer
class StablehloPadOptions:
    edge_padding_low: Numbers | None = vector("q")
    edge_padding_high: Numbers | None = vector("q")
    interior_padding: Numbers | None = vector("q")


@flatbuffer
class StablehloIotaOptions:
    iota_dimension: int = int64()


@flatbuffer
class StablehloDotGeneralOptions:
    lhs_batching_dimensions: Numbers | None = vector("q")
    rhs_batching_dimensions: Numbers | None = vector("q")
    lhs_contracting_dimensions: Numbers | None = vector("q")
    rhs_contracting_dimensions: Numbers | None = vector("q")
    precision_config: tuple[StablehloPrecisionConfig, ...] | None = vector(
        Enum(StablehloPrecisionConfig, "I")
    )


@flatbuffer
class StablehloReduceWindowOptions:
    window_dimensions: Numbers | None = vector("q")
    window_strides: Numbers | None = vector("q")
    base_dilations: Numbers | None = vector("q")
    window_dilations: Numbers | None = vector("q")
    padding: Numbers | None = vector("q")
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
    offset_dims: Numbers | None = vector("q")
    collapsed_slice_dims: Numbers | None = vector("q")
    start_index_map: Numbers | None = vector("q")
    index_vector_dim: int = int64()
    slice_sizes: Numbers | None = vector("q")
    indices_are_sorted: bool = boolean()


@flatbuffer
class StablehloTransposeOptions:
    permutation: Numbers | None = vector("q")


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
    composite_attributes: Numbers | None = vector("B")
    composite_attributes_format: CustomOptionsFormat = enum(CustomOptionsFormat.FLEXBUFFERS)
    version: int = int32()


@flatbuffer
class StablehloShiftLeftOptions:
    pass


@flatbuffer
class StablehloCaseOptions:
    branch_subgraph_indices: Numbers | None = vector("i")
