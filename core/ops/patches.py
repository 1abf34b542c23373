"""The windows of an image as matrices, a tile of output pixels at a time (im2col in cache)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..graph import Array, Shape
from ..schema.enums import Padding
from .tiles import spans, tile_rows
from .window_geometry import taps, window

Scratch = Callable[[Shape, Any], Array]


@dataclass(frozen=True, slots=True)
class Axis:
    """Windows along one dimension: output `o` reads inputs o * stride + t * dilation - before.

    `taps` counts only the filter elements from `first` on that reach the input anywhere.
    """

    size: int
    outputs: int
    stride: int
    dilation: int
    before: int
    first: int
    taps: int

    def reach(self, outputs: int) -> int:
        """How many inputs `outputs` neighbouring windows span."""
        if self.taps == 0:
            return 0
        return (outputs - 1) * self.stride + (self.taps - 1) * self.dilation + 1

    @property
    def is_plain(self) -> bool:
        """Whether each output reads the one input of its own index."""
        return (self.taps, self.stride, self.before, self.outputs) == (1, 1, 0, self.size)


def axis(size: int, filter_size: int, stride: int, dilation: int, padding: Padding) -> Axis:
    """The windows of a convolution along one dimension; raises OpError as `window` does."""
    outputs, before, _ = window(size, filter_size, stride, dilation, padding)
    reaching = taps(size, outputs, filter_size, stride, dilation, before)
    first, last = (reaching[0].index, reaching[-1].index) if reaching else (0, -1)
    start = before - first * dilation
    return Axis(size, outputs, stride, dilation, start, first, last - first + 1)


@dataclass(frozen=True, slots=True)
class Tile:
    """Windows of pixels start..stop of one image, as `matrix` [groups, pixels, taps * channels].

    `load` fills it; `start` and `stop` count the pixels of all images in a row.
    """

    image: int
    start: int
    stop: int
    matrix: Array
    fills: tuple[Array, ...]
    copies: tuple[tuple[Array, Array], ...]

    def load(self, fill: float) -> None:
        for part in self.fills:
            part.fill(fill)
        for target, source in self.copies:
            np.copyto(target, source)


def padded_copy(
    target: Array, image: Array, top: int, left: int
) -> tuple[list[Array], list[tuple[Array, Array]]]:
    """(parts to fill, (target, source) pairs to copy): target[r, c] is image[top + r, left + c].

    What lies outside of the image is filled.
    """
    rows, columns = target.shape[:2]
    first, last = _inside(rows, top, image.shape[0])
    begin, end = _inside(columns, left, image.shape[1])
    middle = target[first:last]
    fills = [target[:first], target[last:], middle[:, :begin], middle[:, end:]]
    source = image[top + first : top + last, left + begin : left + end]
    copies = [(middle[:, begin:end], source)] if source.size else []
    return [f for f in fills if f.size], copies


def _inside(count: int, offset: int, size: int) -> tuple[int, int]:
    """Which of `count` positions from `offset` on lie within a size."""
    first = min(max(-offset, 0), count)
    return first, max(first, min(count, size - offset))


class Patches:
    """The tiles of images [batch, height, width, channels] under a filter.

    `dtype` is the type of the matrices; `columns` the channels of the output, which the tiles' size
    takes into account.
    """

    def __init__(
        self,
        images: Array,
        rows: Axis,
        columns: Axis,
        groups: int,
        outputs: int,
        dtype: Any,
        scratch: Scratch,
    ) -> None:
        self._images, self._rows, self._columns = images, rows, columns
        self._groups, self._dtype = groups, np.dtype(dtype)
        self._channels = images.shape[3]
        depth = rows.taps * columns.taps * self._channels
        pixels = tile_rows(depth + outputs, max(1, rows.outputs * columns.outputs))
        self._across = min(columns.outputs, pixels)
        self._down = max(1, min(rows.outputs, pixels // max(1, self._across)))
        self.pixels = self._across * self._down
        self._is_plain = rows.is_plain and columns.is_plain
        self._is_direct = self._is_plain and images.dtype == self._dtype
        if not self._is_direct:
            shape = rows.reach(self._down), columns.reach(self._across), self._channels
            self._padded = scratch(shape, self._dtype)
        if not self._is_plain:
            self._matrix = scratch((self.pixels * depth,), self._dtype)
        self.tiles = list(self._all_tiles())

    def _all_tiles(self) -> Iterator[Tile]:
        rows, columns = self._rows.outputs, self._columns.outputs
        for number in range(len(self._images)):
            for top, bottom in spans(rows, self._down):
                for left, right in spans(columns, self._across):
                    start = (number * rows + top) * columns + left
                    yield self._tile(number, start, top, bottom, left, right)

    def _tile(self, number: int, start: int, top: int, bottom: int, left: int, right: int) -> Tile:
        image = self._images[number]
        pixels = (bottom - top) * (right - left)
        stop = start + pixels
        if self._is_direct:
            return Tile(number, start, stop, self._grouped(image[top:bottom, left:right]), (), ())
        y = top * self._rows.stride - self._rows.before
        x = left * self._columns.stride - self._columns.before
        height, width = self._rows.reach(bottom - top), self._columns.reach(right - left)
        source = image[max(y, 0) : y + height, max(x, 0) : x + width]
        fills: list[Array] = []
        copies: list[tuple[Array, Array]] = []
        if image.dtype != self._dtype or source.shape[:2] != (height, width):
            flat = self._padded.reshape(-1)[: height * width * self._channels]
            target = flat.reshape(height, width, self._channels)
            fills, copies = padded_copy(target, image, y, x)
            source = target
        if self._is_plain:
            matrix = self._grouped(source)
        else:
            windows = self._windows(source, bottom - top, right - left)
            matrix = self._matrix[: windows.size].reshape(self._groups, pixels, -1)
            copies.append((matrix.reshape(windows.shape), windows))
        return Tile(number, start, stop, matrix, tuple(fills), tuple(copies))

    def _grouped(self, image: Array) -> Array:
        """[groups, pixels, channels of a group] of pixels as they lie."""
        per_group = self._channels // self._groups
        return image.reshape(-1, self._groups, per_group).transpose(1, 0, 2)

    def _windows(self, source: Array, height: int, width: int) -> Array:
        """A view [groups, height, width, row taps, column taps, channels of a group]."""
        down, across, channel = source.strides
        per_group = self._channels // self._groups
        rows, columns = self._rows, self._columns
        return as_strided(
            source,
            (self._groups, height, width, rows.taps, columns.taps, per_group),
            (
                per_group * channel,
                down * rows.stride,
                across * columns.stride,
                down * rows.dilation,
                across * columns.dilation,
                channel,
            ),
            writeable=False,
        )
