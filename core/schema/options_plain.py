"""Options tables without fields: a file names them, but they say nothing."""

from __future__ import annotations

from .table import flatbuffer


@flatbuffer
class PadOptions:
    pass


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
class ExpOptions:
    pass


@flatbuffer
class TopKV2Options:
    pass


@flatbuffer
class LogSoftmaxOptions:
    pass


@flatbuffer
class DequantizeOptions:
    pass


@flatbuffer
class MaximumMinimumOptions:
    pass


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
class PowOptions:
    pass


@flatbuffer
class LogicalOrOptions:
    pass


@flatbuffer
class LogicalAndOptions:
    pass


@flatbuffer
class LogicalNotOptions:
    pass


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
class FloorModOptions:
    pass


@flatbuffer
class RangeOptions:
    pass


@flatbuffer
class SquaredDifferenceOptions:
    pass


@flatbuffer
class AbsOptions:
    pass


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
class BroadcastToOptions:
    pass


@flatbuffer
class Rfft2dOptions:
    pass


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
class ReadVariableOptions:
    pass


@flatbuffer
class AssignVariableOptions:
    pass


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
