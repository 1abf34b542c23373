"""Index data checked against the tensor it points into, and turned into row-major positions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..errors import OpError
from ..graph import Array, Shape


def require_within(indices: Array, size: int, what: str = "index") -> None:
    """Raises OpError unless every element of `indices` lies in [0, size)."""
    if not indices.size:
        return
    low, high = int(indices.min()), int(indices.max())
    if low < 0 or high >= size:
        found = low if low < 0 else high
        raise OpError(f"{what} {found} is out of bounds; expected 0 <= {what} < {size}")


def row_major_strides(dims: Shape) -> NDArray[np.int64]:
    """How many elements lie between neighbours along each of `dims`."""
    return np.array([math.prod(dims[d + 1 :]) for d in range(len(dims))], np.int64)


def flat_positions(indices: Array, dims: Shape) -> NDArray[np.int64]:
    """Row-major positions, in an array of shape `dims`, of index tuples [n, len(dims)].

    Raises OpError where a tuple lies outside.
    """
    wide = indices.astype(np.int64, copy=False)
    outside = ((wide < 0) | (wide >= np.array(dims, np.int64))).any(axis=1)
    if outside.any():
        found = wide[int(outside.argmax())].tolist()
        raise OpError(f"index {found} is out of bounds for shape {list(dims)}")
    positions: NDArray[np.int64] = wide @ row_major_strides(dims)
    return positions
