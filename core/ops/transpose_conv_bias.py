"""MediaPipe's custom transposed convolution with a bias."""

from __future__ import annotations

import struct

from ..graph import Shape
from ..schema.enums import ActivationFunctionType as Activation
from ..schema.enums import TensorType as T
from .checks import require_inputs, require_rank, valid_shape
from .context import OpContext
from .registry import Step, op
from .transpose_conv import Landing, Operands, check_operands, float_step

MEDIAPIPE = Operands(1, 0, 2)
SAME = 1
"""The C enumeration of paddings has it so."""


def mediapipe_windows(ctx: OpContext) -> tuple[list[int], list[int], list[int]]:
    """(output sizes, strides, padding before) along height and width.

    The options are the first three int32 of TensorFlow Lite's C struct TfLiteTransposeConvParams.
    """
    raw = bytes(ctx.options or b"")
    ctx.require(len(raw) >= 12, lambda: f"{len(raw)} bytes of options; expected 12 or more")
    padding, *strides = struct.unpack("<3i", raw[:12])
    strides.reverse()
    ctx.require(min(strides) > 0, lambda: f"strides {strides} must be positive")
    sizes, before = [], []
    for axis, stride in zip((1, 2), strides, strict=True):
        size, kernel = ctx.shape(MEDIAPIPE.image)[axis], ctx.shape(MEDIAPIPE.weights)[axis]
        cut = max(0, kernel - (size - 1) % stride - 1) if padding == SAME else 0
        sizes.append(stride * (size - 1) + kernel - cut)
        before.append(cut // 2)
    return sizes, strides, before


def prepare_mediapipe(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 3)
    for i in range(3):
        ctx.require_dtype(i, T.FLOAT32)
    require_rank(ctx, MEDIAPIPE.bias, 1)
    check_operands(ctx, MEDIAPIPE)
    height, width = mediapipe_windows(ctx)[0]
    batch, filters = ctx.shape(MEDIAPIPE.image)[0], ctx.shape(MEDIAPIPE.weights)[0]
    return [valid_shape((batch, height, width, filters))]


@op("Convolution2DTransposeBias", prepare=prepare_mediapipe, custom=True)
def convolution_2d_transpose_bias(ctx: OpContext) -> Step:
    """MediaPipe's transposed convolution: sizes follow from the input, input 2 is the bias."""
    if ctx.output().size == 0:
        return lambda: None
    _, strides, before = mediapipe_windows(ctx)
    x, kernel = ctx.shape(MEDIAPIPE.image), ctx.shape(MEDIAPIPE.weights)
    landing = Landing(ctx.output().shape, x, kernel, strides, before)
    return float_step(ctx, landing, MEDIAPIPE, Activation.NONE)
