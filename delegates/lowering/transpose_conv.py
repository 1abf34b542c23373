"""Transposed convolutions as ordinary ones: outputs of one phase of the strides read inputs one
after another, with every stride-th tap in reverse order."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import product

from litegpu.graph import Array, Node
from litegpu.ops.transpose_conv_bias import MEDIAPIPE, SAME
from litegpu.schema.enums import ActivationFunctionType, TensorType

from .channels import Operands
from .context import Lowering
from .conv import Part, convolve
from .registry import lowers
from .windows import Axis, Image, axis

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
    shape, kernel, strides = (
        low.output_tensor().shape,
        low.shape(AT.weights),
        (o.stride_h, o.stride_w),
    )
    before = [
        axis(low, shape[a], kernel[a], stride, 1, o.padding).before
        for a, stride in zip((1, 2), strides, strict=True)
    ]
    by_phases(low, AT, strides, before, o.fused_activation_function)


@lowers("Convolution2DTransposeBias", custom=True)
def convolution_2d_transpose_bias(low: Lowering, node: Node) -> None:
    """MediaPipe's, whose options are the paddings and strides of a C struct."""
    raw = bytes(node.options or b"")
    low.require(len(raw) >= 12, f"{len(raw)} bytes of options; expected 12 or more")
    padding, *found = struct.unpack("<3i", raw[:12])
    strides = found[1], found[0]
    low.require(min(strides) > 0, f"strides {strides} must be positive")
    at, before = Operands(MEDIAPIPE.image, MEDIAPIPE.weights, MEDIAPIPE.bias), []
    for a, stride in zip((1, 2), strides, strict=True):
        rest = low.shape(at.weights)[a] - (low.shape(at.image)[a] - 1) % stride - 1
        before.append(max(0, rest) // 2 if padding == SAME else 0)
    by_phases(low, at, strides, before, ActivationFunctionType.NONE)


def by_phases(
    low: Lowering,
    at: Operands,
    strides: tuple[int, int],
    before: Sequence[int],
    activation: ActivationFunctionType,
) -> None:
    """One ordinary convolution for each phase of the strides."""
    shape, kernel = low.output_tensor().shape, low.shape(at.weights)
    low.require(strides[0] * strides[1] <= MOST_PHASES, "the strides make too many phases")
    vertical, horizontal = (
        phases(shape[a + 1], kernel[a + 1], strides[a], before[a]) for a in (0, 1)
    )

    def part(rows: tuple[Axis, int], cols: tuple[Axis, int]) -> Part:
        def matrices(values: Array) -> Array:
            own = values[:, rows[1] :: strides[0], cols[1] :: strides[1]]
            return own[:, ::-1, ::-1]

        return Part(rows[0], cols[0], matrices, (rows[1], cols[1], *strides))

    parts = [part(rows, cols) for rows, cols in product(vertical, horizontal)]
    image = Image(
        low.input(at.image), low.shape(at.image), low.dtype(at.image), low.ctype(at.image)
    )
    convolve(low, image, at, 1, activation, parts)
