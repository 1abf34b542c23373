"""Options tables of the union BuiltinOptions."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .enums import *
from .table import *


@flatbuffer
class Conv2DOptions:
    padding: Padding = enum(Padding.SAME)
    stride_w: int = int32()
    stride_h: int = int32()
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    dilation_w_factor: int = int32(1)
    dilation_h_factor: int = int32(1)
    quantized_bias_type: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class DepthwiseConv2DOptions:
    padding: Padding = enum(Padding.SAME)
    stride_w: int = int32()
    stride_h: int = int32()
    depth_multiplier: int = int32()
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    dilation_w_factor: int = int32(1)
    dilation_h_factor: int = int32(1)


@flatbuffer
class ConcatEmbeddingsOptions:
    num_channels: int = int32()
    num_columns_per_channel: NDArray[Any] | None = vector("i")
    embedding_dim_per_channel: NDArray[Any] | None = vector("i")


@flatbuffer
class LSHProjectionOptions:
    type: LSHProjectionType = enum(LSHProjectionType.UNKNOWN)


@flatbuffer
class Pool2DOptions:
    padding: Padding = enum(Padding.SAME)
    stride_w: int = int32()
    stride_h: int = int32()
    filter_width: int = int32()
    filter_height: int = int32()
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)


@flatbuffer
class SVDFOptions:
    rank: int = int32()
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    asymmetric_quantize_inputs: bool = boolean()


@flatbuffer
class RNNOptions:
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    asymmetric_quantize_inputs: bool = boolean()


@flatbuffer
class FullyConnectedOptions:
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    weights_format: FullyConnectedOptionsWeightsFormat = enum(FullyConnectedOptionsWeightsFormat.DEFAULT)
    keep_num_dims: bool = boolean()
    asymmetric_quantize_inputs: bool = boolean()
    quantized_bias_type: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class SoftmaxOptions:
    beta: float = float32()


@flatbuffer
class ConcatenationOptions:
    axis: int = int32()
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)


@flatbuffer
class AddOptions:
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    pot_scale_int16: bool = boolean(True)


@flatbuffer
class L2NormOptions:
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)


@flatbuffer
class LocalResponseNormalizationOptions:
    radius: int = int32()
    bias: float = float32()
    alpha: float = float32()
    beta: float = float32()


@flatbuffer
class LSTMOptions:
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    cell_clip: float = float32()
    proj_clip: float = float32()
    kernel_type: LSTMKernelType = enum(LSTMKernelType.FULL)
    asymmetric_quantize_inputs: bool = boolean()


@flatbuffer
class ResizeBilinearOptions:
    new_height: int = int32()
    new_width: int = int32()
    align_corners: bool = boolean()
    half_pixel_centers: bool = boolean()


@flatbuffer
class CallOptions:
    subgraph: int = uint32()


@flatbuffer
class ReshapeOptions:
    new_shape: NDArray[Any] | None = vector("i")


@flatbuffer
class SkipGramOptions:
    ngram_size: int = int32()
    max_skip_size: int = int32()
    include_all_ngrams: bool = boolean()


@flatbuffer
class SpaceToDepthOptions:
    block_size: int = int32()


@flatbuffer
class EmbeddingLookupSparseOptions:
    combiner: CombinerType = enum(CombinerType.SUM)


@flatbuffer
class MulOptions:
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)


@flatbuffer
class PadOptions:
    pass


@flatbuffer
class GatherOptions:
    axis: int = int32()
    batch_dims: int = int32(0)


@flatbuffer
class BatchToSpaceNDOptions:
    pass


@flatbuffer
class SpaceToBatchNDOptions:
    pass


@flatbuffer
class TransposeOptions:
    pass


@flatbuffer
class ReducerOptions:
    keep_dims: bool = boolean()


@flatbuffer
class SubOptions:
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    pot_scale_int16: bool = boolean(True)


@flatbuffer
class DivOptions:
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)


@flatbuffer
class SqueezeOptions:
    squeeze_dims: NDArray[Any] | None = vector("i")


@flatbuffer
class SequenceRNNOptions:
    time_major: bool = boolean()
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    asymmetric_quantize_inputs: bool = boolean()


@flatbuffer
class StridedSliceOptions:
    begin_mask: int = int32()
    end_mask: int = int32()
    ellipsis_mask: int = int32()
    new_axis_mask: int = int32()
    shrink_axis_mask: int = int32()
    offset: bool = boolean()


@flatbuffer
class ExpOptions:
    pass


@flatbuffer
class TopKV2Options:
    pass


@flatbuffer
class SplitOptions:
    num_splits: int = int32()


@flatbuffer
class LogSoftmaxOptions:
    pass


@flatbuffer
class CastOptions:
    in_data_type: TensorType = enum(TensorType.FLOAT32)
    out_data_type: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class DequantizeOptions:
    pass


@flatbuffer
class MaximumMinimumOptions:
    pass


@flatbuffer
class ArgMaxOptions:
    output_type: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class LessOptions:
    pass


@flatbuffer
class NegOptions:
    pass


@flatbuffer
class PadV2Options:
    pass


@flatbuffer
class GreaterOptions:
    pass


@flatbuffer
class GreaterEqualOptions:
    pass


@flatbuffer
class LessEqualOptions:
    pass


@flatbuffer
class SelectOptions:
    pass


@flatbuffer
class SliceOptions:
    pass


@flatbuffer
class TransposeConvOptions:
    padding: Padding = enum(Padding.SAME)
    stride_w: int = int32()
    stride_h: int = int32()
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    quantized_bias_type: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class SparseToDenseOptions:
    validate_indices: bool = boolean()


@flatbuffer
class TileOptions:
    pass


@flatbuffer
class ExpandDimsOptions:
    pass


@flatbuffer
class EqualOptions:
    pass


@flatbuffer
class NotEqualOptions:
    pass


@flatbuffer
class ShapeOptions:
    out_type: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class PowOptions:
    pass


@flatbuffer
class ArgMinOptions:
    output_type: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class FakeQuantOptions:
    min: float = float32()
    max: float = float32()
    num_bits: int = int32()
    narrow_range: bool = boolean()


@flatbuffer
class PackOptions:
    values_count: int = int32()
    axis: int = int32()


@flatbuffer
class LogicalOrOptions:
    pass


@flatbuffer
class OneHotOptions:
    axis: int = int32()


@flatbuffer
class LogicalAndOptions:
    pass


@flatbuffer
class LogicalNotOptions:
    pass


@flatbuffer
class UnpackOptions:
    num: int = int32()
    axis: int = int32()


@flatbuffer
class FloorDivOptions:
    pass


@flatbuffer
class SquareOptions:
    pass


@flatbuffer
class ZerosLikeOptions:
    pass


@flatbuffer
class FillOptions:
    pass


@flatbuffer
class BidirectionalSequenceLSTMOptions:
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    cell_clip: float = float32()
    proj_clip: float = float32()
    merge_outputs: bool = boolean()
    time_major: bool = boolean(True)
    asymmetric_quantize_inputs: bool = boolean()


@flatbuffer
class BidirectionalSequenceRNNOptions:
    time_major: bool = boolean()
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    merge_outputs: bool = boolean()
    asymmetric_quantize_inputs: bool = boolean()


@flatbuffer
class UnidirectionalSequenceLSTMOptions:
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    cell_clip: float = float32()
    proj_clip: float = float32()
    time_major: bool = boolean()
    asymmetric_quantize_inputs: bool = boolean()
    diagonal_recurrent_tensors: bool = boolean()


@flatbuffer
class FloorModOptions:
    pass


@flatbuffer
class RangeOptions:
    pass


@flatbuffer
class ResizeNearestNeighborOptions:
    align_corners: bool = boolean()
    half_pixel_centers: bool = boolean()


@flatbuffer
class LeakyReluOptions:
    alpha: float = float32()


@flatbuffer
class SquaredDifferenceOptions:
    pass


@flatbuffer
class MirrorPadOptions:
    mode: MirrorPadMode = enum(MirrorPadMode.REFLECT)


@flatbuffer
class AbsOptions:
    pass


@flatbuffer
class SplitVOptions:
    num_splits: int = int32()


@flatbuffer
class UniqueOptions:
    idx_out_type: TensorType = enum(TensorType.INT32)


@flatbuffer
class ReverseV2Options:
    pass


@flatbuffer
class AddNOptions:
    pass


@flatbuffer
class GatherNdOptions:
    pass


@flatbuffer
class CosOptions:
    pass


@flatbuffer
class WhereOptions:
    pass


@flatbuffer
class RankOptions:
    pass


@flatbuffer
class ReverseSequenceOptions:
    seq_dim: int = int32()
    batch_dim: int = int32(0)


@flatbuffer
class MatrixDiagOptions:
    pass


@flatbuffer
class QuantizeOptions:
    pass


@flatbuffer
class MatrixSetDiagOptions:
    pass


@flatbuffer
class HardSwishOptions:
    pass


@flatbuffer
class IfOptions:
    then_subgraph_index: int = int32()
    else_subgraph_index: int = int32()


@flatbuffer
class WhileOptions:
    cond_subgraph_index: int = int32()
    body_subgraph_index: int = int32()


@flatbuffer
class DepthToSpaceOptions:
    block_size: int = int32()


@flatbuffer
class NonMaxSuppressionV4Options:
    pass


@flatbuffer
class NonMaxSuppressionV5Options:
    pass


@flatbuffer
class ScatterNdOptions:
    pass


@flatbuffer
class SelectV2Options:
    pass


@flatbuffer
class DensifyOptions:
    pass


@flatbuffer
class SegmentSumOptions:
    pass


@flatbuffer
class BatchMatMulOptions:
    adj_x: bool = boolean()
    adj_y: bool = boolean()
    asymmetric_quantize_inputs: bool = boolean()


@flatbuffer
class CumsumOptions:
    exclusive: bool = boolean()
    reverse: bool = boolean()


@flatbuffer
class CallOnceOptions:
    init_subgraph_index: int = int32()


@flatbuffer
class BroadcastToOptions:
    pass


@flatbuffer
class Rfft2dOptions:
    pass


@flatbuffer
class Conv3DOptions:
    padding: Padding = enum(Padding.SAME)
    stride_d: int = int32()
    stride_w: int = int32()
    stride_h: int = int32()
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    dilation_d_factor: int = int32(1)
    dilation_w_factor: int = int32(1)
    dilation_h_factor: int = int32(1)


@flatbuffer
class HashtableOptions:
    table_id: int = int32()
    key_dtype: TensorType = enum(TensorType.FLOAT32)
    value_dtype: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class HashtableFindOptions:
    pass


@flatbuffer
class HashtableImportOptions:
    pass


@flatbuffer
class HashtableSizeOptions:
    pass


@flatbuffer
class VarHandleOptions:
    container: str | None = string()
    shared_name: str | None = string()


@flatbuffer
class ReadVariableOptions:
    pass


@flatbuffer
class AssignVariableOptions:
    pass


@flatbuffer
class RandomOptions:
    seed: int = int64()
    seed2: int = int64()


@flatbuffer
class BucketizeOptions:
    boundaries: NDArray[Any] | None = vector("f")


@flatbuffer
class GeluOptions:
    approximate: bool = boolean()


@flatbuffer
class DynamicUpdateSliceOptions:
    pass


@flatbuffer
class UnsortedSegmentProdOptions:
    pass


@flatbuffer
class UnsortedSegmentMaxOptions:
    pass


@flatbuffer
class UnsortedSegmentMinOptions:
    pass


@flatbuffer
class UnsortedSegmentSumOptions:
    pass


@flatbuffer
class ATan2Options:
    pass


@flatbuffer
class SignOptions:
    pass


@flatbuffer
class BitcastOptions:
    pass


@flatbuffer
class BitwiseXorOptions:
    pass


@flatbuffer
class RightShiftOptions:
    pass


BuiltinOptions: tuple[type | None, ...] = (
    None,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    ConcatEmbeddingsOptions,
    LSHProjectionOptions,
    Pool2DOptions,
    SVDFOptions,
    RNNOptions,
    FullyConnectedOptions,
    SoftmaxOptions,
    ConcatenationOptions,
    AddOptions,
    L2NormOptions,
    LocalResponseNormalizationOptions,
    LSTMOptions,
    ResizeBilinearOptions,
    CallOptions,
    ReshapeOptions,
    SkipGramOptions,
    SpaceToDepthOptions,
    EmbeddingLookupSparseOptions,
    MulOptions,
    PadOptions,
    GatherOptions,
    BatchToSpaceNDOptions,
    SpaceToBatchNDOptions,
    TransposeOptions,
    ReducerOptions,
    SubOptions,
    DivOptions,
    SqueezeOptions,
    SequenceRNNOptions,
    StridedSliceOptions,
    ExpOptions,
    TopKV2Options,
    SplitOptions,
    LogSoftmaxOptions,
    CastOptions,
    DequantizeOptions,
    MaximumMinimumOptions,
    ArgMaxOptions,
    LessOptions,
    NegOptions,
    PadV2Options,
    GreaterOptions,
    GreaterEqualOptions,
    LessEqualOptions,
    SelectOptions,
    SliceOptions,
    TransposeConvOptions,
    SparseToDenseOptions,
    TileOptions,
    ExpandDimsOptions,
    EqualOptions,
    NotEqualOptions,
    ShapeOptions,
    PowOptions,
    ArgMinOptions,
    FakeQuantOptions,
    PackOptions,
    LogicalOrOptions,
    OneHotOptions,
    LogicalAndOptions,
    LogicalNotOptions,
    UnpackOptions,
    FloorDivOptions,
    SquareOptions,
    ZerosLikeOptions,
    FillOptions,
    BidirectionalSequenceLSTMOptions,
    BidirectionalSequenceRNNOptions,
    UnidirectionalSequenceLSTMOptions,
    FloorModOptions,
    RangeOptions,
    ResizeNearestNeighborOptions,
    LeakyReluOptions,
    SquaredDifferenceOptions,
    MirrorPadOptions,
    AbsOptions,
    SplitVOptions,
    UniqueOptions,
    ReverseV2Options,
    AddNOptions,
    GatherNdOptions,
    CosOptions,
    WhereOptions,
    RankOptions,
    ReverseSequenceOptions,
    MatrixDiagOptions,
    QuantizeOptions,
    MatrixSetDiagOptions,
    HardSwishOptions,
    IfOptions,
    WhileOptions,
    DepthToSpaceOptions,
    NonMaxSuppressionV4Options,
    NonMaxSuppressionV5Options,
    ScatterNdOptions,
    SelectV2Options,
    DensifyOptions,
    SegmentSumOptions,
    BatchMatMulOptions,
    CumsumOptions,
    CallOnceOptions,
    BroadcastToOptions,
    Rfft2dOptions,
    Conv3DOptions,
    HashtableOptions,
    HashtableFindOptions,
    HashtableImportOptions,
    HashtableSizeOptions,
    VarHandleOptions,
    ReadVariableOptions,
    AssignVariableOptions,
    RandomOptions,
    BucketizeOptions,
    GeluOptions,
    DynamicUpdateSliceOptions,
    UnsortedSegmentProdOptions,
    UnsortedSegmentMaxOptions,
    UnsortedSegmentMinOptions,
    UnsortedSegmentSumOptions,
    ATan2Options,
    SignOptions,
    BitcastOptions,
    BitwiseXorOptions,
    RightShiftOptions,
)
