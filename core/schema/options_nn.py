"""Options tables of layers: convolution, pooling, matrices, normalisation, recurrence."""

from __future__ import annotations

from .enums import (
    ActivationFunctionType,
    CombinerType,
    FullyConnectedOptionsWeightsFormat,
    LSHProjectionType,
    LSTMKernelType,
    Padding,
    TensorType,
)
from .table import Numbers, boolean, enum, flatbuffer, float32, int32, vector


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
    num_columns_per_channel: Numbers | None = vector("i")
    embedding_dim_per_channel: Numbers | None = vector("i")


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
    weights_format: FullyConnectedOptionsWeightsFormat = enum(
        FullyConnectedOptionsWeightsFormat.DEFAULT
    )
    keep_num_dims: bool = boolean()
    asymmetric_quantize_inputs: bool = boolean()
    quantized_bias_type: TensorType = enum(TensorType.FLOAT32)
    quant_spec: Numbers | None = vector("B")


@flatbuffer
class SoftmaxOptions:
    beta: float = float32()


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
class SkipGramOptions:
    ngram_size: int = int32()
    max_skip_size: int = int32()
    include_all_ngrams: bool = boolean()


@flatbuffer
class EmbeddingLookupSparseOptions:
    combiner: CombinerType = enum(CombinerType.SUM)


@flatbuffer
class SequenceRNNOptions:
    time_major: bool = boolean()
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    asymmetric_quantize_inputs: bool = boolean()


@flatbuffer
class TransposeConvOptions:
    padding: Padding = enum(Padding.SAME)
    stride_w: int = int32()
    stride_h: int = int32()
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    quantized_bias_type: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class FakeQuantOptions:
    min: float = float32()
    max: float = float32()
    num_bits: int = int32()
    narrow_range: bool = boolean()


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
class ResizeNearestNeighborOptions:
    align_corners: bool = boolean()
    half_pixel_centers: bool = boolean()


@flatbuffer
class LeakyReluOptions:
    alpha: float = float32()


@flatbuffer
class BatchMatMulOptions:
    adj_x: bool = boolean()
    adj_y: bool = boolean()
    asymmetric_quantize_inputs: bool = boolean()


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
class GeluOptions:
    approximate: bool = boolean()
