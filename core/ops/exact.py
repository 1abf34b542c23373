"""Integer matrix products by float BLAS, exact because no partial sum leaves the float's integers.

float32 holds integers up to 2^24 and float64 up to 2^53. Weights bound the sums: where a whole sum
could pass 2^24, the depth is split into parts whose sums cannot, added up in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Array

EXACT32 = 2.0**24
MOST_PARTS = 8
"""With more parts in float32, one product in float64 is faster."""


@dataclass(frozen=True, slots=True)
class ExactMatrix:
    """Integer weights [groups, depth, columns] as floats, in parts of the depth.

    `bounds`: the largest magnitude of the sums of each column, all groups' columns in a row;
    `sums`: the sums of the weights of each column.
    """

    parts: tuple[tuple[slice, Array], ...]
    bounds: NDArray[np.float64]
    sums: NDArray[np.int64]
    accumulator: Any

    def product(self, left: Array, out: Array, part: Array) -> None:
        """Writes left [groups, rows, depth] @ weights to `out` [groups, rows, columns].

        `out` is of the type `accumulator`; `part`, float32, is as `out`, for sums in parts.
        """
        if len(self.parts) == 1:
            np.matmul(left, self.parts[0][1], out=out)
            return
        for number, (depth, weights) in enumerate(self.parts):
            np.matmul(left[:, :, depth], weights, out=part)
            if number:
                np.add(out, part, out=out)
            else:
                np.copyto(out, part)


def exact_matrix(
    weights: Array, largest: int, zero_point: int = 0, accumulator: Any = None
) -> ExactMatrix:
    """Packs integer `weights` [groups, columns, depth] for inputs of magnitude up to `largest`.

    `accumulator` float64 asks for one part in float64 whatever the weights.
    """
    values = weights.astype(np.float32)
    if zero_point:
        values -= np.float32(zero_point)
    magnitudes = np.abs(values)
    bounds = magnitudes.sum(axis=2, dtype=np.float64).reshape(-1) * largest
    sums = values.sum(axis=2, dtype=np.float64).reshape(-1).astype(np.int64)
    depth = weights.shape[2]
    count = 1 if accumulator is None else MOST_PARTS + 1
    while count <= MOST_PARTS and _largest_part(magnitudes, count) * largest > EXACT32:
        count += 1
    columns_last = values.transpose(0, 2, 1)
    if count > MOST_PARTS:
        packed = columns_last.astype(np.float64, order="C")
        return ExactMatrix(((slice(0, depth), packed),), bounds, sums, np.float64)
    packed = np.ascontiguousarray(columns_last)
    parts = tuple((s, packed[:, s]) for s in _split(depth, count))
    return ExactMatrix(parts, bounds, sums, np.float32 if count == 1 else np.float64)


def depth_parts(depth: int, largest: float) -> tuple[list[slice], Any, Any]:
    """(parts of the depth, type of products, type of their sums) for products up to `largest`."""
    count = max(1, -(-depth // max(1, int(EXACT32 // max(largest, 1)))))
    if largest > EXACT32 or count > MOST_PARTS:
        return [slice(0, depth)], np.float64, np.float64
    return _split(depth, count), np.float32, np.float32 if count == 1 else np.float64


def _split(depth: int, count: int) -> list[slice]:
    ends = [depth * k // count for k in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(ends)]


def _largest_part(magnitudes: Array, count: int) -> float:
    """The largest sum of magnitudes of one part of the depth of one column."""
    return max(
        float(magnitudes[:, :, s].sum(axis=2, dtype=np.float64).max(initial=0.0))
        for s in _split(magnitudes.shape[2], count)
    )
