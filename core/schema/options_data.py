"""Options tables of operators on data: arithmetic, shapes, reductions, control flow, variables."""

from __future__ import annotations

from .enums import ActivationFunctionType, MirrorPadMode, TensorType
from .table import Numbers, boolean, enum, flatbuffer, int32, int64, string, uint32, vector


@flatbuffer
class ConcatenationOptions:
    axis: int = int32()
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)


@flatbuffer
class AddOptions:
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)
    pot_scale_int16: bool = boolean(True)


@flatbuffer
class CallOptions:
    subgraph: int = uint32()


@flatbuffer
class ReshapeOptions:
    new_shape: Numbers | None = vector("i")


@flatbuffer
class SpaceToDepthOptions:
    block_size: int = int32()


@flatbuffer
class MulOptions:
    fused_activation_function: ActivationFunctionType = enum(ActivationFunctionType.NONE)


@flatbuffer
class GatherOptions:
    axis: int = int32()
    batch_dims: int = int32(0)


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
    squeeze_dims: Numbers | None = vector("i")


@flatbuffer
class StridedSliceOptions:
    begin_mask: int = int32()
    end_mask: int = int32()
    ellipsis_mask: int = int32()
    new_axis_mask: int = int32()
    shrink_axis_mask: int = int32()
    offset: bool = boolean()


@flatbuffer
class SplitOptions:
    num_splits: int = int32()


@flatbuffer
class CastOptions:
    in_data_type: TensorType = enum(TensorType.FLOAT32)
    out_data_type: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class ArgMaxOptions:
    output_type: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class SparseToDenseOptions:
    validate_indices: bool = boolean()


@flatbuffer
class ShapeOptions:
    out_type: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class ArgMinOptions:
    output_type: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class PackOptions:
    values_count: int = int32()
    axis: int = int32()


@flatbuffer
class OneHotOptions:
    axis: int = int32()


@flatbuffer
class UnpackOptions:
    num: int = int32()
    axis: int = int32()


@flatbuffer
class MirrorPadOptions:
    mode: MirrorPadMode = enum(MirrorPadMode.REFLECT)


@flatbuffer
class SplitVOptions:
    num_splits: int = int32()


@flatbuffer
class UniqueOptions:
    idx_out_type: TensorType = enum(TensorType.INT32)


@flatbuffer
class ReverseSequenceOptions:
    seq_dim: int = int32()
    batch_dim: int = int32(0)


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
class CumsumOptions:
    exclusive: bool = boolean()
    reverse: bool = boolean()


@flatbuffer
class CallOnceOptions:
    init_subgraph_index: int = int32()


@flatbuffer
class HashtableOptions:
    table_id: int = int32()
    key_dtype: TensorType = enum(TensorType.FLOAT32)
    value_dtype: TensorType = enum(TensorType.FLOAT32)


@flatbuffer
class VarHandleOptions:
    container: str | None = string()
    shared_name: str | None = string()


@flatbuffer
class RandomOptions:
    seed: int = int64()
    seed2: int = int64()


@flatbuffer
class BucketizeOptions:
    boundaries: Numbers | None = vector("f")
