"""What convolutions read: images, and windows along their dimensions."""

from __future__ import annotations

from dataclasses import dataclass

from litegpu.delegate import Unsupported
from litegpu.errors import OpError
from litegpu.graph import Shape
from litegpu.ops.window_geometry import window
from litegpu.schema.enums import Padding, TensorType

from ..program import Ref
from .context import Lowering


@dataclass(frozen=True, slots=True)
class Axis:
    """Windows along one dimension: output q reads inputs q * stride + t * dilation - before, and
    is element first + q * step of the `size` of the result."""

    outputs: int
    taps: int
    stride: int
    dilation: int
    before: int
    size: int
    step: int = 1
    first: int = 0

    @property
    def is_dense(self) -> bool:
        """Whether the outputs are all of the result."""
        return self.outputs == self.size

    def is_pointwise(self, inputs: int) -> bool:
        """Whether output q reads input q alone, and there are no others of the `inputs`."""
        alone = self.taps == self.stride == 1 and self.before == 0
        return alone and self.outputs == inputs


def axis(low: Lowering, size: int, taps: int, stride: int, dilation: int, padding: Padding) -> Axis:
    try:
        outputs, before, _ = window(size, taps, stride, dilation, padding)
    except OpError as error:
        raise Unsupported(str(error)) from None
    return Axis(outputs, taps, stride, dilation, before, outputs)


@dataclass(frozen=True, slots=True)
class Image:
    """What is convolved: its buffer, and its shape there.

    `dtype` says how it is computed, `ctype` how its elements lie in memory. Padding that another
    node would have added belongs to `Axis.before` and `Axis.outputs`.
    """

    ref: Ref
    shape: Shape
    dtype: TensorType
    ctype: str
