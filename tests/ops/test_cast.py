"""Every pair of types cast as LiteRT casts it, extremes and NaN included; bits taken for others."""

from __future__ import annotations

import itertools
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from litegpu.dtypes import INTEGER_RANGE
from litegpu.schema.enums import TensorType as T
from litegpu.schema.options import BitcastOptions, CastOptions

from tests.cases import Case, check, const, given, out
from tests.values import PACKED, PLAIN, name, values

LITERT = (
    np.float32,
    np.float16,
    ml_dtypes.bfloat16,
    np.float64,
    np.int8,
    np.int16,
    np.int32,
    np.int64,
    np.uint8,
    np.uint16,
    np.uint32,
    np.bool_,
    np.complex64,
)
EDGES = [2**k for k in (1, 2, 3, 4, 7, 8, 11, 15, 16, 24, 31, 32, 53, 62, 63, 64)]
REALS = np.array(
    [0.0, -0.0, 0.5, 1.5, 2.5, 0.4999, 1e-45, 6e-8, 65504, 65520, 1e20, 3.4e38, np.nan, np.inf]
    + [float(edge) + step for edge in EDGES for step in (-1, -0.5, 0, 0.5, 1)]
)
WHOLE = np.array([0, 3, 2049, 4097] + [n + step for n in EDGES for step in (-1, 0, 1)], object)


def extremes(dtype: Any) -> Any:
    """Values at which conversions round, saturate or wrap, of both signs."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return np.array([True, False, True])
    if kind.kind in "iu":
        wrapped = np.concatenate([WHOLE, -WHOLE]) % 2 ** (8 * kind.itemsize)
        return wrapped.astype(np.uint64).astype(kind)
    both = np.concatenate([REALS, -REALS])
    with np.errstate(all="ignore"):
        return (both + 1j * both[::-1]).astype(kind) if kind.kind == "c" else both.astype(kind)


def cast(x: Any, source: Any, target: Any, **more: Any) -> Case:
    role = more.pop("role", given)
    label = f"{name(source)} to {name(target)} {list(x.shape)} {role.__name__}"
    inputs = [role(x, dtype=source)]
    return Case(label, "CAST", inputs, [out(target)], CastOptions(), **more)


def saturated(x: Any, target: T) -> Any:
    """float32 to a few bits: towards zero, NaN to the largest."""
    low, high = INTEGER_RANGE[target]
    kind = np.uint8 if low == 0 else np.int8
    return np.trunc(np.clip(np.where(np.isnan(x), high, x), low, high)).astype(kind)


SMALL = extremes(np.float32)
CASTS = [
    *(cast(extremes(a), a, b) for a, b in itertools.product(LITERT, LITERT)),
    *(cast(SMALL, np.float32, p, expected=[saturated(SMALL, p)]) for p in PACKED),
    *(cast(SMALL[:5], np.float32, p) for p in PACKED),
    *(
        cast(
            np.arange(*INTEGER_RANGE[p]),
            p,
            np.float32,
            role=const,
            expected=[np.arange(*INTEGER_RANGE[p], dtype=np.float32)],
        )
        for p in PACKED
    ),
    *(
        cast(
            np.arange(0, 250, 3.5, dtype=np.float32),
            np.float32,
            d,
            expected=[np.arange(0, 250, 3.5, dtype=np.float32).astype(kind).view(np.int8)],
        )
        for d, kind in [
            (T.FLOAT8_E4M3FN, ml_dtypes.float8_e4m3fn),
            (T.FLOAT8_E5M2, ml_dtypes.float8_e5m2),
        ]
    ),
    cast(
        np.array([-1.5, 2.0**64, 7], np.float64),
        np.float64,
        np.uint64,
        expected=[np.array([0, 2**64 - 1, 7], np.uint64)],
    ),
    cast(
        np.array([2**64 - 1, 3], np.uint64),
        np.uint64,
        np.int32,
        expected=[np.array([-1, 3], np.int32)],
    ),
    cast(np.float32(3.7), np.float32, np.int32),
    cast(values((2, 3, 4)), np.float32, np.int8),
    cast(values((0, 3)), np.float32, np.int8, expected=[np.empty((0, 3), np.int8)]),
    cast(values((2, 3), np.int8), np.int8, T.INT4, error="FLOAT32 alone"),
    cast(values((2, 3), object), T.STRING, np.float32, error="cannot be cast"),
    cast(values((2, 3)), np.float32, T.STRING, error="cannot be cast"),
]


def bitcast(shape: tuple[int, ...], source: Any, target: Any, **more: Any) -> Case:
    label = f"{name(source)} {list(shape)} to {name(target)}"
    inputs = [given(values(shape, source))]
    return Case(label, "BITCAST", inputs, [out(target)], BitcastOptions(), **more)


INTEGERS = (np.int8, np.uint16, np.int32, np.uint64)
BITCASTS = [
    *(
        bitcast((3, np.dtype(b).itemsize // np.dtype(a).itemsize), a, b)
        for a, b in itertools.product(INTEGERS, INTEGERS)
        if np.dtype(a).itemsize < np.dtype(b).itemsize
    ),
    *(
        bitcast((3, 2), a, b)
        for a, b in itertools.product(INTEGERS, INTEGERS)
        if np.dtype(a).itemsize >= np.dtype(b).itemsize
    ),
    *(bitcast((2, 3), a, b) for a, b in [(np.float32, np.int32), (np.int16, np.float16)]),
    *(bitcast((3, 2), dtype, np.uint16) for dtype in PLAIN if dtype not in (np.float64, *INTEGERS)),
    bitcast((2, 3), np.float64, np.uint16),
    bitcast((), np.int32, np.uint8),
    bitcast((2,), np.int16, np.int32),
    bitcast((0, 2), np.int16, np.int32, expected=[np.empty(0, np.int32)]),
    bitcast((2, 3), np.int16, np.int32, error="expected 2 elements"),
    bitcast((), np.int16, np.int32, error="expected 2 elements"),
    bitcast((4,), np.int8, T.STRING, error="no bits"),
    bitcast((4,), np.int8, T.INT4, error="no bits"),
]

CASES = [*CASTS, *BITCASTS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cast(case: Case, device: str) -> None:
    check(case, device)
