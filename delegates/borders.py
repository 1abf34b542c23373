"""Tensors that lie on the device in another type than the user's arrays: conversions at the border
of a partition."""

from __future__ import annotations

from collections.abc import Sequence

from litegpu.partition import Partition

from .lowering.context import C_TYPES, Lowering, byte_size, elements
from .program import Crossing, Memory, Ref


def cross_borders(low: Lowering, part: Partition) -> None:
    """Adds how narrowed inputs and outputs of the partition pass its border."""
    imports, exports = low.program.imports, low.program.exports
    imports.update((t, _crossing(low, t, inwards=True)) for t in _narrowed(low, part.inputs))
    exports.update((t, _crossing(low, t, inwards=False)) for t in _narrowed(low, part.outputs))


def _narrowed(low: Lowering, tensors: Sequence[int]) -> list[int]:
    found = ((t, low.graph.tensors[t]) for t in tensors)
    return [t for t, tensor in found if low.options.narrowed(tensor) and elements(tensor.shape)]


def _crossing(low: Lowering, t: int, *, inwards: bool) -> Crossing:
    tensor = low.graph.tensors[t]
    staged = low.scratch(byte_size(tensor.shape, tensor.dtype))
    own = C_TYPES[tensor.dtype], staged
    narrow = C_TYPES[low.options.stored(tensor)], Ref(Memory.TENSOR, low.program.root(t))
    source, target = (own, narrow) if inwards else (narrow, own)
    low.convert(source[1], source[0], target[1], target[0], tensor.shape)
    return Crossing(staged, low.program.launches.pop())
