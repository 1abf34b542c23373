"""Parts of tensors at a stride, with axes added and dropped."""

from __future__ import annotations

from litegpu.graph import Node
from litegpu.ops.strided_slice import StridedSlice, effective_axes
from litegpu.schema.options import StridedSliceOptions

from .context import Lowering
from .copy import copy, source, target
from .registry import lowers


@lowers("STRIDED_SLICE")
def strided_slice(low: Lowering, node: Node) -> None:
    found = node.options
    options = found if isinstance(found, StridedSliceOptions) else StridedSliceOptions()
    begins, ends, strides = (low.values(i).tolist() for i in (1, 2, 3))
    axes = effective_axes(options, low.shape(0), len(begins))
    spec = StridedSlice(options, tuple(axes), tuple(ends), tuple(strides))
    x, y = source(low, 0, [axis.size for axis in axes]), target(low)
    part = x.array[(*spec.index(begins), ...)]
    low.require(part.shape == y.array.shape, "the slice is not all inside")
    copy(low, x.seen(part), y)
