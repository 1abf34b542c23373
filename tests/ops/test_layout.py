"""Elements reordered and repeated, against NumPy and LiteRT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from litegpu.schema.enums import TensorType
from litegpu.schema.options import (
    ReverseSequenceOptions,
    ReverseV2Options,
    TileOptions,
    TransposeOptions,
)

from tests.cases import Case, check, const, given, out
from tests.values import PACKED, PLAIN, name, values, vector

STRING = TensorType.STRING
LITERT = (np.float32, np.uint8, np.int8, np.int16, np.int32, np.int64, np.bool_)


def sample(shape: tuple[int, ...], dtype: Any) -> Any:
    return values(shape, object if dtype == STRING else dtype)


def moved(
    op: str,
    shape: tuple[int, ...],
    numbers: list[int],
    dtype: Any,
    options: Any,
    version: int,
    *,
    index: Any = np.int32,
    role: Any = const,
    **more: Any,
) -> Case:
    """An operator of one input and a vector of numbers."""
    source = const if dtype in PACKED else given
    inputs = [source(sample(shape, dtype), dtype=dtype), role(np.array(numbers, index))]
    label = f"{name(dtype)} {list(shape)} {numbers} {name(index)} {role.__name__}"
    return Case(label, op, inputs, [out(dtype)], options, version, **more)


def transpose(
    shape: tuple[int, ...], axes: list[int], dtype: Any = np.float32, **more: Any
) -> Case:
    if "error" not in more and "expected" not in more:
        more["expected"] = [sample(shape, dtype).transpose(axes)]
    return moved("TRANSPOSE", shape, axes, dtype, TransposeOptions(), 4, **more)


TRANSPOSES = [
    *(transpose((2, 3, 4), [2, 0, 1], d) for d in (*PLAIN, *PACKED, STRING)),
    *(
        transpose((2, 3, 4), axes, d, role=r, expected=None)
        for axes in ([0, 2, 1], [-1, 0, -2], [2, 1, 0], [0, 1, 2])
        for d in LITERT
        for r in (const, given)
    ),
    *(transpose((2, 1, 3, 2, 1, 2)[:n], list(range(n))[::-1]) for n in range(7)),
    transpose((1, 2, 1, 2, 1, 2, 1, 3), [7, 0, 6, 1, 5, 2, 4, 3], expected=None),
    transpose((0, 3, 2), [2, 0, 1]),
    *(transpose((2, 64, 1, 34, 257), axes) for axes in ([4, 0, 1, 2, 3], [0, 3, 2, 4, 1])),
    transpose((300, 1024), [1, 0]),
    transpose((70, 65, 600), [2, 1, 0], np.int8),
    *(
        transpose((2, 3, 4), axes, role=r, error="each of 3 axes once")
        for axes in ([0, 0, 1], [0, 1], [0, 1, 3], [-4, 0, 1], [0, -3, 1], [0, 1, 2, 3])
        for r in (const, given)
    ),
]


def tile(shape: tuple[int, ...], counts: list[int], dtype: Any = np.float32, **more: Any) -> Case:
    if "error" not in more and "expected" not in more:
        more["expected"] = [np.tile(sample(shape, dtype), counts)]
    return moved("TILE", shape, counts, dtype, TileOptions(), 2, **more)


TILES = [
    *(tile((2, 3), [2, 3], d) for d in (*PLAIN, *PACKED, STRING)),
    *(
        tile((2, 1, 3), [1, 2, 2], d, index=t, role=r, expected=None)
        for d in LITERT
        for t in (np.int32, np.int64)
        for r in (const, given)
    ),
    tile((2, 3), [2, 2], STRING, expected=None),
    tile((), []),
    tile((2, 3), [0, 2]),
    tile((0, 3), [4, 2]),
    tile((1, 2) * 4, [2, 1] * 4),
    *(
        tile((2, 3), counts, role=r, error="at least 0")
        for counts in ([1], [1, -1], [1, 1, 1])
        for r in (const, given)
    ),
    tile((2,), [2**31 - 1], error="sizes must be"),
    tile((1, 1), [2**31 - 1] * 2, error="limits"),
    tile((2,), [2**62], index=np.int64, error="sizes must be"),
]


def reverse(shape: tuple[int, ...], axes: list[int], dtype: Any = np.float32, **more: Any) -> Case:
    if "error" not in more and "expected" not in more:
        more["expected"] = [np.flip(sample(shape, dtype), tuple(axes))]
    return moved("REVERSE_V2", shape, axes, dtype, ReverseV2Options(), 3, **more)


REVERSES = [
    *(reverse((2, 3, 4), [0, 2], d) for d in (*PLAIN, *PACKED, STRING)),
    *(
        reverse((2, 3, 4), axes, d, role=r, expected=None)
        for axes in ([1], [-1], [1, 0], [0, 1, 2])
        for d in LITERT
        for r in (const, given)
    ),
    *(reverse((2, 3), axes) for axes in ([], [-2], [1, -2])),
    reverse((0, 3), [0, 1]),
    *(
        reverse((2, 3), axes, role=r, error="out of range|must not repeat")
        for axes in ([2], [-3], [0, 0], [1, -1])
        for r in (const, given)
    ),
]


def reverse_sequence(
    shape: tuple[int, ...],
    lengths: list[int],
    axes: tuple[int, int],
    dtype: Any = np.float32,
    **more: Any,
) -> Case:
    """`axes`: (sequence, batch). Expected: each row's first elements turned around."""
    sequence, batch = axes
    if "error" not in more and "expected" not in more:
        y = sample(shape, dtype).copy()
        rows = np.moveaxis(y, (batch, sequence), (0, 1))
        for row, length in zip(rows, lengths, strict=True):
            row[:length] = row[:length][::-1].copy()
        more["expected"] = [y]
    options = ReverseSequenceOptions(seq_dim=sequence, batch_dim=batch)
    made = moved("REVERSE_SEQUENCE", shape, lengths, dtype, options, 1, **more)
    return replace(made, name=f"{made.name} axes {axes}")


SEQUENCES = [
    *(reverse_sequence((3, 4, 2), [0, 2, 4], (1, 0), d) for d in (*PLAIN, STRING)),
    *(
        reverse_sequence((3, 4, 2, 3), lengths, axes, d, index=t, role=r, expected=None)
        for lengths, axes in [([3, 1, 0, 2], (0, 1)), ([4, 2, 1], (1, 0)), ([2, 1, 3], (0, 3))]
        for d in (np.float32, np.uint8, np.int16, np.int32, np.int64)
        for t in (np.int32, np.int64)
        for r in (const, given)
    ),
    reverse_sequence((2, 0), [0, 0], (1, 0)),
    reverse_sequence((0, 2), [], (1, 0)),
    *(
        reverse_sequence((2, 3), lengths, (1, 0), role=r, error=r"must be in \[0, 3\]")
        for lengths in ([4, 0], [1, 4], [-1, 2])
        for r in (const, given)
    ),
    reverse_sequence((2, 3), [1], (1, 0), error="expected 2"),
    *(
        reverse_sequence((2, 3), [1, 1], axes, error="expected two axes")
        for axes in [(0, 0), (2, 0), (-1, 0), (1, -2), (1, 5)]
    ),
    Case(
        "matrix of lengths",
        "REVERSE_SEQUENCE",
        [given(values((2, 3))), const(vector(1, 1).reshape(1, 2))],
        [out(np.float32)],
        ReverseSequenceOptions(seq_dim=1),
        error="rank 1",
    ),
]

CASES = [*TRANSPOSES, *TILES, *REVERSES, *SEQUENCES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_layout(case: Case, device: str) -> None:
    check(case, device)
