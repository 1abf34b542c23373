"""Random values for the inputs of a model, by their types."""

from __future__ import annotations

import numpy as np

from .dtypes import INTEGER_RANGE, NUMPY, OBJECTS
from .graph import Array, Shape, Tensor
from .schema.enums import TensorType

MOST_INDEX = 2
"""Integers that carry no scale are mostly indices or tokens: they stay below this."""


def random_values(rng: np.random.Generator, tensor: Tensor, shape: Shape) -> Array:
    """Values that any model should bear.

    Floats are uniform in [-1, 1), quantised and 8- or 16-bit integers cover their type, other
    integers are 0 or 1, strings are short words.
    """
    dtype, kind = tensor.dtype, NUMPY[tensor.dtype]
    if dtype in OBJECTS:
        return _words(rng, shape)
    if dtype == TensorType.BOOL:
        return rng.integers(0, 2, shape).astype(kind)
    if dtype in INTEGER_RANGE:
        low, high = INTEGER_RANGE[dtype]
        if tensor.quant is None and kind.itemsize > 2:
            low, high = 0, MOST_INDEX - 1
        return rng.integers(low, high, shape, dtype=kind.type, endpoint=True)
    if kind.kind == "c":
        return (rng.uniform(-1, 1, shape) + 1j * rng.uniform(-1, 1, shape)).astype(kind)
    return np.asarray(rng.uniform(-1, 1, shape)).astype(kind)


def _words(rng: np.random.Generator, shape: Shape) -> Array:
    words = np.empty(shape, object)
    flat = words.reshape(-1)
    for i in range(flat.size):
        flat[i] = bytes(rng.integers(97, 123, rng.integers(1, 8), dtype=np.uint8))
    return words
