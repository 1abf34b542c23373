"""Sums of products of shifted images, a tile of rows at a time.

Tiles are copied padded, their columns sorted by phase of the stride: then what a tap reads of a row
is contiguous whatever the stride, and products run over many pixels at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph import Array
from .patches import Axis, Scratch, padded_copy
from .tiles import RUN, repeats, spans

TILE = 1 << 15
"""Elements of the results of a tile."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Some rows of one image: `output` [pixels, channels] is their place in the node's output.

    `taps[k]` is what tap k reads, of the shape of `result` and `product`: [rows, runs, elements].
    """

    image: int
    output: Array
    result: Array
    product: Array
    taps: tuple[Array, ...]
    fills: tuple[Array, ...]
    copies: tuple[tuple[Array, Array], ...]

    def sum_taps(self, weights: Array, fill: float) -> None:
        """Writes the sum of `weights[k] * taps[k]` to `result`; padding reads as `fill`."""
        for part in self.fills:
            part.fill(fill)
        for target, source in self.copies:
            np.copyto(target, source)
        if not self.taps:
            self.result.fill(0)
            return
        np.multiply(self.taps[0], weights[0], out=self.result)
        for tap, weight in zip(self.taps[1:], weights[1:], strict=True):
            np.multiply(tap, weight, out=self.product)
            np.add(self.result, self.product, out=self.result)


class Taps:
    """The tiles of images [batch, height, width, channels] for an output `y`.

    `dtype` is the type of products and sums. `in_place`: floats are summed in the output itself, else
    in `sums` [capacity, channels], whose first rows are then a tile's results.
    """

    def __init__(
        self,
        images: Array,
        rows: Axis,
        columns: Axis,
        y: Array,
        dtype: Any,
        scratch: Scratch,
        in_place: bool = True,
    ) -> None:
        self._rows, self._columns = rows, columns
        self._channels = y.shape[3]
        width = columns.outputs
        self._run = _pixels_of_run(width, self._channels)
        height = max(1, min(rows.outputs, TILE // max(1, width * self._channels)))
        together = repeats(self._channels)
        self.capacity = -(-height * width // together) * together
        self._in_place = in_place and y.dtype == dtype
        steps = [t * columns.dilation for t in range(columns.taps)]
        self._phases = sorted({step % columns.stride for step in steps})
        length = -(-columns.reach(width) // columns.stride)
        self._padded = scratch(
            (rows.reach(height), len(self._phases), length, self._channels), dtype
        )
        self._product = scratch((height * width * self._channels,), dtype)
        size = 0 if self._in_place else self.capacity
        self.sums = scratch((size, self._channels), dtype)
        self.tiles = [
            self._tile(images[number], number, start, stop, y[number, start:stop])
            for number in range(len(images))
            for start, stop in spans(rows.outputs, height)
        ]

    def weights(self, kernel: Array) -> Array:
        """Filters [taps, channels] repeated for the pixels of a run."""
        return np.tile(kernel.astype(self._padded.dtype, copy=False), (1, self._run))

    def _tile(self, image: Array, number: int, start: int, stop: int, output: Array) -> Tile:
        rows = self._rows
        padded = self._padded[: rows.reach(stop - start)]
        loads = list(self._loads(padded, image, start * rows.stride - rows.before))
        shape = (stop - start, -1, self._run * self._channels)
        flat = output if self._in_place else self.sums.reshape(-1)[: output.size]
        return Tile(
            number,
            output.reshape(-1, self._channels),
            flat.reshape(shape),
            self._product[: output.size].reshape(shape),
            tuple(tap.reshape(shape) for tap in self._reads(padded, stop - start)),
            tuple(fill for fills, _ in loads for fill in fills),
            tuple(copy for _, copies in loads for copy in copies),
        )

    def _reads(self, padded: Array, height: int) -> Iterator[Array]:
        """What each tap reads, [height, width, channels]."""
        rows, columns = self._rows, self._columns
        for down in range(rows.taps):
            first = down * rows.dilation
            lines = padded[first : first + (height - 1) * rows.stride + 1 : rows.stride]
            for across in range(columns.taps):
                place, phase = divmod(across * columns.dilation, columns.stride)
                yield lines[:, self._phases.index(phase), place : place + columns.outputs]

    def _loads(
        self, padded: Array, image: Array, top: int
    ) -> Iterator[tuple[list[Array], list[tuple[Array, Array]]]]:
        """The fills and copies of each phase; channels are repeated for a depth multiplier."""
        channels = image.shape[2]
        multiplier = self._channels // channels
        target = padded.reshape(*padded.shape[:3], channels, multiplier)
        stride = self._columns.stride
        for number, phase in enumerate(self._phases):
            left = phase - self._columns.before
            outside = max(0, -(left // stride))
            lines = image[:, left + outside * stride :: stride, :, None]
            yield padded_copy(target[:, number], lines, top, -outside)


def _pixels_of_run(width: int, channels: int) -> int:
    """The largest divisor of `width` for which that many pixels are about a run."""
    most = max(1, min(width, RUN // max(1, channels)))
    return next(n for n in range(most, 0, -1) if width % n == 0)
