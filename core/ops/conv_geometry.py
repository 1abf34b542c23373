"""What 2-D convolutions check of their operands, and where their windows lie."""

from __future__ import annotations

from ..schema.enums import TensorType as T
from ..schema.options import Conv2DOptions, DepthwiseConv2DOptions
from .checks import require_inputs, require_rank
from .context import OpContext
from .patches import Axis, axis


def axes(ctx: OpContext, o: Conv2DOptions | DepthwiseConv2DOptions) -> tuple[Axis, Axis]:
    """The windows along height and along width."""
    (_, height, width, _), (_, filter_height, filter_width, _) = ctx.shape(0), ctx.shape(1)
    return (
        axis(height, filter_height, o.stride_h, o.dilation_h_factor, o.padding),
        axis(width, filter_width, o.stride_w, o.dilation_w_factor, o.padding),
    )


def require_images(ctx: OpContext) -> T:
    """The type of the input, an NHWC image; neither it nor the filter may be empty."""
    require_inputs(ctx, 2, 3)
    dtype = ctx.require_dtype(0, T.FLOAT32, T.UINT8, T.INT8, T.INT16)
    require_rank(ctx, 0, 4)
    require_rank(ctx, 1, 4)
    ctx.require(ctx.output_dtype() == dtype, "input and output must be of one type")
    image, kernel = ctx.shape(0), ctx.shape(1)
    ctx.require(min(image[1:]) > 0, lambda: f"the input has shape {image}; expected no empty one")
    ctx.require(min(kernel) > 0, lambda: f"the filter has shape {kernel}; expected no empty one")
    return dtype
