"""Sums of products of shifted images, a tile of rows at a time.

Tiles are copied padded, their columns sorted by phase of the stride: then what a tap reads of a row
is contiguous whatever the stride, and one product runs over many pixels. `einsum` multiplies and
adds in one pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..graph import Array
from .patches import Axis, Scratch, padded_copy
from .tiles import repeats, spans

TILE = 1 << 16
"""Elements of the results of a tile."""

RUN = 2048
"""Elements that one product should run over."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Some rows of one image: `output` [pixels, channels] is their place in the node's output.

    `windows` are views [row taps, column taps, rows, runs, elements], one for each phase; `result`
    and `product` are [rows, runs, elements].
    """

    image: int
    output: Array
    result: Array
    product: Array
    windows: tuple[Array, ...]
    fills: tuple[Array, ...]
    copies: tuple[tuple[Array, Array], ...]

    def sum_taps(self, weights: tuple[Array, ...], fill: float) -> None:
        """Writes the sums over taps of weights times windows; padding reads as `fill`."""
        for part in self.fills:
            part.fill(fill)
        for target, source in self.copies:
            np.copyto(target, source)
        if not self.windows:
            self.result.fill(0)
            return
        np.einsum("ijrpn,ijn->rpn", self.windows[0], weights[0], out=self.result)
        for windows, weight in zip(self.windows[1:], weights[1:], strict=True):
            np.einsum("ijrpn,ijn->rpn", windows, weight, out=self.product)
            np.add(self.result, self.product, out=self.result)


@dataclass(frozen=True, slots=True)
class Phase:
    """The column taps first, first + step, ... read the columns offset, offset + stride, ..."""

    first: int
    step: int
    offset: int


def phases(columns: Axis) -> list[Phase]:
    """One for each column modulo the stride that taps read."""
    step = columns.stride // gcd(columns.stride, columns.dilation)
    firsts = range(min(step, columns.taps))
    return [Phase(t, step, t * columns.dilation % columns.stride) for t in firsts]


class Taps:
    """The tiles of images [batch, height, width, channels] for an output `y`.

    `dtype` is the type of products and sums. `in_place`: floats are summed in the output itself,
    else in `sums` [capacity, channels], whose first rows are then a tile's results.
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
        self._phases = phases(columns) if rows.taps else []
        width = columns.outputs
        self._run = _pixels_of_run(width, self._channels)
        height = max(1, min(rows.outputs, TILE // max(1, width * self._channels)))
        together = repeats(self._channels)
        self.capacity = -(-height * width // together) * together
        self._in_place = in_place and y.dtype == dtype
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

    def weights(self, kernel: Array) -> tuple[Array, ...]:
        """Filters [taps, channels] by phase, repeated for the pixels of a run."""
        by_tap = kernel.astype(self._padded.dtype, copy=False)
        by_tap = by_tap.reshape(self._rows.taps, self._columns.taps, self._channels)
        return tuple(np.tile(by_tap[:, p.first :: p.step], self._run) for p in self._phases)

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
            tuple(self._windows(padded, stop - start)),
            tuple(fill for fills, _ in loads for fill in fills),
            tuple(copy for _, copies in loads for copy in copies),
        )

    def _windows(self, padded: Array, height: int) -> Iterator[Array]:
        rows, columns = self._rows, self._columns
        down, _, across, element = padded.strides
        for number, phase in enumerate(self._phases):
            count = len(range(phase.first, columns.taps, phase.step))
            first = phase.first * columns.dilation // columns.stride
            step = phase.step * columns.dilation // columns.stride
            yield as_strided(
                padded[:, number, first:],
                (
                    rows.taps,
                    count,
                    height,
                    columns.outputs // self._run,
                    self._run * self._channels,
                ),
                (
                    down * rows.dilation,
                    across * step,
                    down * rows.stride,
                    across * self._run,
                    element,
                ),
                writeable=False,
            )

    def _loads(
        self, padded: Array, image: Array, top: int
    ) -> Iterator[tuple[list[Array], list[tuple[Array, Array]]]]:
        """The fills and copies of each phase; channels are repeated for a depth multiplier."""
        channels, stride = image.shape[2], self._columns.stride
        target = padded.reshape(*padded.shape[:3], channels, self._channels // channels)
        for number, phase in enumerate(self._phases):
            left = phase.offset - self._columns.before
            outside = max(0, -(left // stride))
            lines = image[:, left + outside * stride :: stride, :, None]
            yield padded_copy(target[:, number], lines, top, -outside)


def _pixels_of_run(width: int, channels: int) -> int:
    """The largest divisor of `width` for which that many pixels are about a run."""
    most = max(1, min(width, RUN // max(1, channels)))
    return next(n for n in range(most, 0, -1) if width % n == 0)
