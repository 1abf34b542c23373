"""Depthwise convolutions. With one input channel they are ordinary ones."""

from __future__ import annotations

from litegpu.graph import Array, Node
from litegpu.schema.enums import TensorType

from .channels import Operands, finish, require_types
from .context import Lowering
from .conv import Part, axis, convolve, require_sizes, unpadded
from .registry import lowers

CPU_PIXELS = 4
GPU_PIXELS = 2
LANES = (8, 4, 2, 1)


@lowers("DEPTHWISE_CONV_2D")
def depthwise_conv2d(low: Lowering, node: Node) -> None:
    o = node.options
    image, kernel = low.shape(0), low.shape(1)
    rows = axis(low, image[1], kernel[1], o.stride_h, o.dilation_h_factor, o.padding)
    cols = axis(low, image[2], kernel[2], o.stride_w, o.dilation_w_factor, o.padding)
    activation = o.fused_activation_function
    inside, rows, cols = unpadded(low, rows, cols)
    if image[3] == 1:
        part = Part(rows, cols, lambda values: values.transpose(3, 1, 2, 0))
        convolve(low, inside, Operands(), 1, activation, [part], 3)
        return
    dtype = require_types(low, Operands())
    require_sizes(low, image)
    filters, taps = kernel[3], kernel[1] * kernel[2]
    multiplier = filters // image[3]

    def arrange(values: Array) -> Array:
        return values

    tag = ("depthwise", multiplier)
    done = finish(low, Operands(), activation, filters, 3, taps, arrange, None, tag)
    weights = low.packed(
        1,
        (*tag, done.weights_zero_point),
        lambda values: low.narrow(done.centered(values).reshape(taps, filters)),
    )
    tail = low.tail("float" if dtype == TensorType.FLOAT32 else "int")
    vectors = low.info.is_cpu and multiplier == 1 and not done.is_long
    lanes = next(n for n in LANES if filters % n == 0) if vectors else 1
    pixels = CPU_PIXELS if low.info.is_cpu else GPU_PIXELS
    tiles = -(-cols.outputs // pixels)
    run = tiles if low.info.is_cpu else 1
    count = image[0] * rows.outputs
    low.launch(
        "depthwise",
        "depthwise",
        [filters // lanes, -(-tiles // max(run, 1)), count],
        [
            inside.ref,
            weights,
            tail.output,
            *done.args,
            *(done.zero_point, *inside.shape[1:], multiplier, rows.outputs, cols.outputs, count),
            *(rows.taps, cols.taps, rows.stride, cols.stride, rows.dilation, cols.dilation),
            *(rows.before, cols.before, run),
            *tail.args,
        ],
        defines={
            **done.defines,
            "CPU_DEVICE": int(low.info.is_cpu),
            "LANES": lanes,
            "PIXELS": pixels,
        },
        prelude=tail.prelude,
    )
