"""Transposed convolutions as ordinary ones: outputs of one phase of the strides read inputs one
after another, with every stride-th tap in reverse order."""

from __future__ import annotations

from itertools import product

from litegpu.graph import Array, Node
from litegpu.schema.enums import TensorType

from .channels import Operands
from .context import Lowering
from .conv import Axis, Image, Part, axis, convolve
from .registry import lowers

AT = Operands(image=2, weights=1, bias=3)

MOST_PHASES = 256


def phases(size: int, taps: int, stride: int, before: int) -> list[tuple[Axis, int]]:
    """The windows of each phase, and the first of its taps."""
    found = []
    for phase in range(min(stride, size)):
        first = (phase + before) % stride
        count = max(0, -(-(taps - first) // stride))
        outputs = -(-(size - phase) // stride)
        offset = (phase + before - first) // stride - (count - 1)
        found.append((Axis(outputs, count, 1, 1, -offset, size, stride, phase), first))
    return found


@lowers("TRANSPOSE_CONV")
def transpose_conv(low: Lowering, node: Node) -> None:
    o = node.options
    low.require_dtype(0, TensorType.INT32)
    shape, kernel = low.output_tensor().shape, low.shape(AT.weights)
    low.require(o.stride_h * o.stride_w <= MOST_PHASES, "the strides make too many phases")
    vertical, horizontal = (
        phases(shape[a], kernel[a], s, axis(low, shape[a], kernel[a], s, 1, o.padding).before)
        for a, s in ((1, o.stride_h), (2, o.stride_w))
    )

    def part(rows: tuple[Axis, int], cols: tuple[Axis, int]) -> Part:
        def matrices(values: Array) -> Array:
            own = values[:, rows[1] :: o.stride_h, cols[1] :: o.stride_w]
            return own[:, ::-1, ::-1]

        return Part(rows[0], cols[0], matrices, (rows[1], cols[1], o.stride_h, o.stride_w))

    parts = [part(rows, cols) for rows, cols in product(vertical, horizontal)]
    image = Image(
        low.input(AT.image), low.shape(AT.image), low.dtype(AT.image), low.ctype(AT.image)
    )
    convolve(low, image, AT, 1, o.fused_activation_function, parts)
