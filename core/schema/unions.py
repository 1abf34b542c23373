"""The unions of options: the table of each member number, and the table of each operator."""

from __future__ import annotations

from . import options as o
from . import options2 as o2
from .enums import BuiltinOperator

# fmt: off
BuiltinOptions: tuple[type | None, ...] = (
    None, o.Conv2DOptions, o.DepthwiseConv2DOptions, o.ConcatEmbeddingsOptions,
    o.LSHProjectionOptions, o.Pool2DOptions, o.SVDFOptions, o.RNNOptions,
    o.FullyConnectedOptions, o.SoftmaxOptions, o.ConcatenationOptions, o.AddOptions,
    o.L2NormOptions, o.LocalResponseNormalizationOptions, o.LSTMOptions,
    o.ResizeBilinearOptions, o.CallOptions, o.ReshapeOptions, o.SkipGramOptions,
    o.SpaceToDepthOptions, o.EmbeddingLookupSparseOptions, o.MulOptions, o.PadOptions,
    o.GatherOptions, o.BatchToSpaceNDOptions, o.SpaceToBatchNDOptions, o.TransposeOptions,
    o.ReducerOptions, o.SubOptions, o.DivOptions, o.SqueezeOptions, o.SequenceRNNOptions,
    o.StridedSliceOptions, o.ExpOptions, o.TopKV2Options, o.SplitOptions, o.LogSoftmaxOptions,
    o.CastOptions, o.DequantizeOptions, o.MaximumMinimumOptions, o.ArgMaxOptions, o.LessOptions,
    o.NegOptions, o.PadV2Options, o.GreaterOptions, o.GreaterEqualOptions, o.LessEqualOptions,
    o.SelectOptions, o.SliceOptions, o.TransposeConvOptions, o.SparseToDenseOptions,
    o.TileOptions, o.ExpandDimsOptions, o.EqualOptions, o.NotEqualOptions, o.ShapeOptions,
    o.PowOptions, o.ArgMinOptions, o.FakeQuantOptions, o.PackOptions, o.LogicalOrOptions,
    o.OneHotOptions, o.LogicalAndOptions, o.LogicalNotOptions, o.UnpackOptions,
    o.FloorDivOptions, o.SquareOptions, o.ZerosLikeOptions, o.FillOptions,
    o.BidirectionalSequenceLSTMOptions, o.BidirectionalSequenceRNNOptions,
    o.UnidirectionalSequenceLSTMOptions, o.FloorModOptions, o.RangeOptions,
    o.ResizeNearestNeighborOptions, o.LeakyReluOptions, o.SquaredDifferenceOptions,
    o.MirrorPadOptions, o.AbsOptions, o.SplitVOptions, o.UniqueOptions, o.ReverseV2Options,
    o.AddNOptions, o.GatherNdOptions, o.CosOptions, o.WhereOptions, o.RankOptions,
    o.ReverseSequenceOptions, o.MatrixDiagOptions, o.QuantizeOptions, o.MatrixSetDiagOptions,
    o.HardSwishOptions, o.IfOptions, o.WhileOptions, o.DepthToSpaceOptions,
    o.NonMaxSuppressionV4Options, o.NonMaxSuppressionV5Options, o.ScatterNdOptions,
    o.SelectV2Options, o.DensifyOptions, o.SegmentSumOptions, o.BatchMatMulOptions,
    o.CumsumOptions, o.CallOnceOptions, o.BroadcastToOptions, o.Rfft2dOptions, o.Conv3DOptions,
    o.HashtableOptions, o.HashtableFindOptions, o.HashtableImportOptions,
    o.HashtableSizeOptions, o.VarHandleOptions, o.ReadVariableOptions, o.AssignVariableOptions,
    o.RandomOptions, o.BucketizeOptions, o.GeluOptions, o.DynamicUpdateSliceOptions,
    o.UnsortedSegmentProdOptions, o.UnsortedSegmentMaxOptions, o.UnsortedSegmentMinOptions,
    o.UnsortedSegmentSumOptions, o.ATan2Options, o.SignOptions, o.BitcastOptions,
    o.BitwiseXorOptions, o.RightShiftOptions,
)
BuiltinOptions2: tuple[type | None, ...] = (
    None, o2.StablehloConcatenateOptions, o2.StablehloBroadcastInDimOptions,
    o2.StablehloSliceOptions, o2.StablehloConvolutionOptions, o2.StablehloCustomCallOptions,
    o2.StablehloReduceOptions, o2.StablehloScatterOptions, o2.StablehloCompareOptions,
    o2.StablehloDynamicSliceOptions, o2.StablehloPadOptions, o2.StablehloIotaOptions,
    o2.StablehloDotGeneralOptions, o2.StablehloReduceWindowOptions, o2.StablehloSortOptions,
    o2.StablehloWhileOptions, o2.StablehloGatherOptions, o2.StablehloTransposeOptions,
    o2.DilateOptions, o2.StablehloRngBitGeneratorOptions, o2.ReduceWindowOptions,
    o2.StableHLOCompositeOptions, o2.StablehloShiftLeftOptions, o2.StablehloCaseOptions,
)
# fmt: on

_SHARED: dict[str, type] = {
    "AVERAGE_POOL_2D": o.Pool2DOptions,
    "CONV_3D_TRANSPOSE": o.Conv3DOptions,
    "L2_NORMALIZATION": o.L2NormOptions,
    "L2_POOL_2D": o.Pool2DOptions,
    "MAXIMUM": o.MaximumMinimumOptions,
    "MAX_POOL_2D": o.Pool2DOptions,
    "MEAN": o.ReducerOptions,
    "MINIMUM": o.MaximumMinimumOptions,
    "MULTINOMIAL": o.RandomOptions,
    "RANDOM_STANDARD_NORMAL": o.RandomOptions,
    "RANDOM_UNIFORM": o.RandomOptions,
    "REDUCE_ALL": o.ReducerOptions,
    "REDUCE_ANY": o.ReducerOptions,
    "REDUCE_MAX": o.ReducerOptions,
    "REDUCE_MIN": o.ReducerOptions,
    "REDUCE_PROD": o.ReducerOptions,
    "SUM": o.ReducerOptions,
    "UNIDIRECTIONAL_SEQUENCE_RNN": o.SequenceRNNOptions,
}


def _by_name() -> dict[str, type]:
    classes = [cls for cls in BuiltinOptions + BuiltinOptions2 if cls is not None]
    names = {cls.__name__.removesuffix("Options").upper(): cls for cls in classes}
    codes = {code: names.get(code.replace("_", "")) for code in BuiltinOperator.__members__}
    return {code: cls for code, cls in codes.items() if cls is not None} | _SHARED


OPTIONS_OF = _by_name()
"""The options table of each builtin operator that has one."""
