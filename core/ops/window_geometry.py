"""Where the windows of convolutions and pools lie along one dimension."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import OpError
from ..schema.enums import Padding

LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Tap:
    """A filter element along one dimension: the outputs it reaches and the inputs they read."""

    index: int
    outputs: slice
    inputs: slice


def window(
    in_size: int, filter_size: int, stride: int, dilation: int, padding: Padding
) -> tuple[int, int, int]:
    """(output size, padding before, padding after) along one dimension.

    SAME gives ceil(in / stride) outputs and puts the odd element of padding after; VALID gives as
    many as fit, 0 where the filter is wider than the input. Raises OpError for sizes, strides or
    dilations that are not positive and for results beyond int32.
    """
    if in_size < 0 or filter_size <= 0 or stride <= 0 or dilation <= 0:
        raise OpError(
            f"input size {in_size}, filter size {filter_size}, stride {stride}, "
            f"dilation {dilation}; filter, stride and dilation must be positive"
        )
    reach = (filter_size - 1) * dilation + 1
    match padding:
        case Padding.SAME:
            out_size = -(-in_size // stride)
        case Padding.VALID:
            out_size = max(0, (in_size + stride - reach) // stride)
        case _:
            raise OpError(f"padding is {padding}; expected SAME or VALID")
    total = max(0, (out_size - 1) * stride + reach - in_size)
    if total > LARGEST:
        raise OpError(f"a padding of {total} elements is beyond int32")
    return out_size, total // 2, total - total // 2


def taps(
    in_size: int, out_size: int, filter_size: int, stride: int, dilation: int, before: int
) -> list[Tap]:
    """The filter elements that read at least one input, each with matching output and input slices.

    What a tap would read in the padding is left out of its slices.
    """
    reaching: list[Tap] = []
    nearest = max(0, -((out_size - 1) * stride - before) // dilation)
    furthest = min(filter_size, (in_size - 1 + before) // dilation + 1)
    for index in range(nearest, furthest):
        offset = index * dilation - before
        first = max(0, -(offset // stride))
        last = min(out_size, (in_size - 1 - offset) // stride + 1)
        if first < last:
            start = first * stride + offset
            stop = (last - 1) * stride + offset + 1
            reaching.append(Tap(index, slice(first, last), slice(start, stop, stride)))
    return reaching
