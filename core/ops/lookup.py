"""Functions of stored integers: by table where few values occur, else tile by tile in the cache.

A kernel gives its exact function once, on int64 arrays; here it is evaluated for every byte, pair
of bytes or int16 when the node is bound, and the step only looks results up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

from ..dtypes import INTEGER_RANGE
from ..graph import Array, Shape, Tensor
from .quantized import Int64s, per_tensor, round_half_away
from .registry import Step

Unary = Callable[[Array], Array]
Binary = Callable[[Array, Array], Array]

TABLE_FROM = 4096
"""Elements from which a table of 2^16 entries pays."""

TILE = 8192
"""Elements that a step without a table works on at once."""


def every_value(dtype: Any) -> Int64s:
    """Every value of an 8- or 16-bit integer type, in the order of its bits read as unsigned."""
    bits = 8 * np.dtype(dtype).itemsize
    values: Int64s = np.arange(1 << bits, dtype=f"u{bits // 8}").view(dtype).astype(np.int64)
    return values


def unsigned(x: Array) -> Array:
    """The bits of `x` as unsigned numbers, sharing its memory."""
    return x.view(f"u{x.dtype.itemsize}")


def pointwise(x: Array, y: Array, function: Unary) -> Step:
    """The step y = function(x); `function` takes int64 arrays and its results fit `y`."""
    if x.dtype.itemsize == 1 or (x.dtype.itemsize == 2 and x.size >= TABLE_FROM):
        table = function(every_value(x.dtype)).astype(y.dtype)
        index = unsigned(x).reshape(-1)
        flat = y.reshape(-1)

        def look_up() -> None:
            np.take(table, index, out=flat, mode="clip")

        return look_up
    tiles = [(x[t], y[t]) for t in tiles_of(y.shape)]

    def step() -> None:
        for source, target in tiles:
            np.copyto(target, function(source.astype(np.int64)), casting="unsafe")

    return step


def pairwise(a: Array, b: Array, y: Array, function: Binary) -> Step:
    """The step y = function(a, b) with broadcasting; see `pointwise`."""
    if a.shape == b.shape:
        a, b, y = a.reshape(-1), b.reshape(-1), y.reshape(-1)
    left, right = np.broadcast_to(a, y.shape), np.broadcast_to(b, y.shape)
    if a.dtype.itemsize == 1 and b.dtype.itemsize == 1 and y.size >= TABLE_FROM:
        return pairwise_by_table(left, right, y, function)
    tiles = [(left[t], right[t], y[t]) for t in tiles_of(y.shape)]

    def step() -> None:
        for first, second, target in tiles:
            result = function(first.astype(np.int64), second.astype(np.int64))
            np.copyto(target, result, casting="unsafe")

    return step


def pairwise_by_table(a: Array, b: Array, y: Array, function: Binary) -> Step:
    """`pairwise` for bytes: one look-up among all 65,536 pairs per element."""
    rows, columns = every_value(a.dtype)[:, None], every_value(b.dtype)
    table = function(rows, columns).astype(y.dtype).reshape(-1)
    memory = np.empty(TILE, np.intp)
    tiles = []
    for t in tiles_of(y.shape):
        target = y[t]
        index = memory[: target.size].reshape(target.shape)
        tiles.append((unsigned(a[t]), unsigned(b[t]), index, target))

    def step() -> None:
        for first, second, index, target in tiles:
            np.multiply(first, 256, out=index, dtype=np.intp)
            np.add(index, second, out=index)
            np.take(table, index, out=target, mode="clip")

    return step


def tiles_of(shape: Shape) -> Iterator[tuple[Any, ...]]:
    """Indices that cut an array of `shape` into contiguous pieces of at most TILE elements."""
    if 0 in shape:
        return
    axis, inner = len(shape), 1
    while axis > 0 and inner * shape[axis - 1] <= TILE:
        axis -= 1
        inner *= shape[axis]
    if axis == 0:
        yield (...,)
        return
    rows = TILE // inner
    starts = range(0, shape[axis - 1], rows)
    for outer in product(*map(range, shape[: axis - 1])):
        for start in starts:
            yield (*outer, slice(start, start + rows))


def dequantized(stored: Array, tensor: Tensor) -> Array:
    """scale * (stored - zero point) in float32."""
    scale, zero_point = per_tensor(tensor)
    real: Array = np.float32(scale) * (stored - zero_point).astype(np.float32)
    return real


def real_byte_function(function: Unary, source: Tensor, target: Tensor) -> Unary:
    """The stored result of a real function of stored 8-bit inputs, as in the reference's tables."""
    scale, zero_point = per_tensor(target)
    low, high = INTEGER_RANGE[target.dtype]

    def stored(x: Array) -> Array:
        real = np.asarray(function(dequantized(x, source)), np.float32)
        rounded = round_half_away(real * (np.float32(1) / np.float32(scale))) + np.float32(
            zero_point
        )
        limited: Array = np.fmin(np.fmax(rounded, low), high).astype(np.int64)
        return limited

    return stored


def int16_table(
    function: Unary, source: tuple[float, int], target: tuple[float, int], dtype: Any = np.float32
) -> Int64s:
    """513 samples of a real function over int16, bent by half the error amid two of them.

    `source` and `target` are (scale, zero point); `dtype` is the precision that is computed in.
    """
    real = np.dtype(dtype).type
    low, high = -(2**15), 2**15 - 1
    scale, zero_point = real(source[0]), source[1]
    least, most = scale * real(low - zero_point), scale * real(high - zero_point)
    step = (most - least) / real(512)
    scale, zero_point = real(target[0]), target[1]
    span = scale * real(high - zero_point) - scale * real(low - zero_point)
    inverse = real(2**16) / span
    at = least + np.arange(513).astype(dtype) * step
    at_middle = at[:512] + step / real(2)
    value = function(at) * inverse
    sample = round_half_away(value)
    middle = round_half_away(function(at_middle) * inverse)
    between = round_half_away((value[1:] + sample[:512]) / real(2))
    bias = round_half_away((between - middle) / real(2))
    last = round_half_away(np.asarray(function(np.asarray([most], dtype)), dtype) * inverse)
    table = np.concatenate([sample[:512] - bias, last])
    fitting: Int64s = np.clip(np.nan_to_num(table, nan=0.0), low, high).astype(np.int64)
    return fitting


def interpolated(x: Array, table: Int64s) -> Int64s:
    """The values of int16 `x` on a table of 513 samples, between which it runs straight."""
    index = 256 + (x >> 7)
    base = table[index]
    slope = (table[index + 1] - base).astype(np.int16).astype(np.int64)
    between: Int64s = (base + ((slope * (x & 0x7F) + 64) >> 7)).astype(np.int16).astype(np.int64)
    return between


def real_int16_function(function: Unary, source: Tensor, target: Tensor) -> Unary:
    """The stored result of a real function for stored int16 inputs: 513 samples, interpolated."""
    table = int16_table(function, per_tensor(source), per_tensor(target))
    return lambda x: interpolated(x, table)
