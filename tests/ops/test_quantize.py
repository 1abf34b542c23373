"""QUANTIZE and DEQUANTIZE: pairs of types, per tensor and per channel, at the edges of types."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from litegpu.dtypes import INTEGER_RANGE, NUMPY
from litegpu.graph import Blocks, Graph, Node, Quantization, Tensor
from litegpu.schema.enums import TensorType as T
from litegpu.schema.options import DequantizeOptions, QuantizeOptions

from tests.cases import Arg, Case, check, const, given, out, run_model
from tests.models import constant, single
from tests.tolerance import assert_close

F32 = np.float32
REAL = np.concatenate(
    [
        np.array([0, -0.0, 0.25, -0.25, 0.75, 1.25, 1e-30, 31.999998, 1e5, -1e5], F32),
        np.nextafter(F32(0.25), F32(0)) * np.array([1, -1], F32),
        np.random.default_rng(0).normal(0, 40, 500).astype(F32),
    ]
)
STORED = (T.UINT8, T.INT8, T.INT16, T.INT4, T.UINT4)


def middle(dtype: T) -> int:
    """A zero point that a type may have and that is not a round number."""
    return {T.UINT8: 121, T.INT8: -7, T.INT16: 0, T.INT4: 1, T.UINT4: 7, T.INT32: 0, T.INT2: -1}[
        dtype
    ]


def quantize(name: str, x: Arg, y: Arg, **more: Any) -> Case:
    return Case(
        f"{x.dtype.name} to {y.dtype.name} {name}",
        "QUANTIZE",
        [x],
        [y],
        QuantizeOptions(),
        version=more.pop("version", 3),
        **more,
    )


def dequantize(name: str, x: Arg, **more: Any) -> Case:
    return Case(
        f"{x.dtype.name} {name}", "DEQUANTIZE", [x], [out(F32)], DequantizeOptions(), 6, **more
    )


def every(dtype: T, count: int = 300) -> Any:
    """The whole range of a small type; both ends and a sample of a larger one."""
    low, high = INTEGER_RANGE[dtype]
    if high - low < 70000:
        return np.arange(low, high + 1).astype(NUMPY[dtype])
    inner = np.random.default_rng(1).integers(low, high, count, np.int64)
    return np.concatenate([[low, low + 1, -1, 0, 1, high - 1, high], inner]).astype(NUMPY[dtype])


CASES = [
    quantize(f"scale {scale}", given(REAL), out(dtype, scale=scale, zero_point=middle(dtype)))
    for dtype in STORED
    for scale in (0.5, 0.37, 1e-3, 100.0, 2.0**-12)
]
PER_CHANNEL = np.random.default_rng(2).normal(0, 30, (3, 4, 5)).astype(F32)
CASES += [
    quantize(
        f"per channel of axis {axis}",
        given(PER_CHANNEL),
        out(
            dtype,
            scale=np.linspace(0.05, 0.9, PER_CHANNEL.shape[axis]),
            zero_point=np.arange(PER_CHANNEL.shape[axis]),
            axis=axis,
        ),
    )
    for dtype in STORED[:3]
    for axis in range(3)
]
# LiteRT gives the lowest value for what lies beyond int32: the cast is undefined in C++.
SATURATED = np.array([1e30, -1e30, np.inf, -np.inf, np.nan], F32)
CASES += [
    quantize(
        "saturates",
        given(SATURATED),
        out(dtype, scale=1.0, zero_point=middle(dtype)),
        expected=[np.array([high, low, high, low, low], NUMPY[dtype])],
    )
    for dtype in STORED
    for low, high in [INTEGER_RANGE[dtype]]
]
PAIRS = [
    (x, y)
    for x, targets in {
        T.INT32: (T.INT8, T.INT16),
        T.INT16: (T.INT8, T.INT16, T.INT32),
        T.INT8: (T.UINT8, T.INT8, T.INT16),
        T.UINT8: (T.UINT8, T.INT8, T.INT16),
    }.items()
    for y in targets
]
CASES += [
    quantize(
        f"scales {before} {after}",
        given(every(x), dtype=x, scale=before, zero_point=middle(x)),
        out(y, scale=after, zero_point=middle(y)),
    )
    for x, y in PAIRS
    for before, after in ((0.5, 0.5), (0.5, 0.31), (0.31, 0.5), (0.002, 7.0), (1.7, 0.01))
    if x != T.INT32 or after > 0.1
]
CASES += [
    quantize(
        "by 128",
        given(every(x), scale=0.1, zero_point=zero_points[0]),
        out(y, scale=0.1, zero_point=zero_points[1]),
    )
    for x, y, zero_points in ((T.INT8, T.UINT8, (-1, 127)), (T.UINT8, T.INT8, (127, -1)))
]

CASES += [
    dequantize(
        f"scale {scale}", given(every(dtype), dtype=dtype, scale=scale, zero_point=zero_point)
    )
    for dtype in (T.UINT8, T.INT8, T.INT16)
    for scale in (0.37, 1e-30, 3e30)
    for zero_point in {0, middle(dtype)}
]
CASES += [
    dequantize(
        "constant", const(every(dtype), dtype=dtype, scale=0.37, zero_point=middle(dtype)), **more
    )
    for dtype in (T.INT4, T.INT2, T.UINT8, T.INT8, T.INT16)
    for more in [{"expected": [(every(dtype).astype(F32) - F32(middle(dtype))) * F32(0.37)]}]
]
CASES += [
    dequantize(
        f"per channel of axis {axis}",
        kind(
            np.random.default_rng(3).integers(low, high, (3, 4, 5), np.int64, endpoint=True),
            dtype=dtype,
            scale=np.linspace(0.1, 0.7, (3, 4, 5)[axis]),
            zero_point=zero_point,
            axis=axis,
        ),
    )
    for dtype, kind in ((T.UINT8, given), (T.INT8, given), (T.INT8, const), (T.INT4, const))
    for low, high in [INTEGER_RANGE[dtype]]
    for axis in range(3)
    for zero_point in (0, middle(dtype))
]
SMALL = np.array([0, -0.0, 1, -2.5, 0.0625, np.inf, -np.inf, np.nan, 240, 1e-7], F32)
CASES += [
    dequantize("values", kind(SMALL.astype(dtype)), expected=[SMALL.astype(dtype).astype(F32)])
    for dtype in (np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)
    for kind in (given, const)
]
NONE = np.empty((0, 3), F32)
CASES += [
    quantize("empty", given(NONE), out(T.INT8, scale=0.5), expected=[NONE.astype(np.int8)]),
    quantize("scalar", given(F32(3.3)), out(T.INT8, scale=0.5), expected=[np.int8(7)]),
    dequantize("scalar", given(np.int8(-3), scale=0.5, zero_point=1), expected=[F32(-2)]),
    dequantize("empty", given(NONE.astype(np.int8), scale=0.5), expected=[NONE]),
]
CASES += [
    quantize(f"scale {scale}", given(REAL), out(T.INT8, scale=scale), error="scale")
    for scale in (None, 0.0, -1.0, np.nan)
]
CASES += [
    quantize("type", given(REAL), out(T.INT32, scale=1.0), error="FLOAT32 to INT32"),
    quantize("type", given(np.zeros(3, np.float16)), out(T.INT8, scale=1.0), error="FLOAT16"),
    quantize(
        "zero point",
        given(every(T.INT16), scale=1.0, zero_point=1),
        out(T.INT16, scale=1.0),
        error="zero point",
    ),
    quantize("channels", given(PER_CHANNEL), out(T.INT8, scale=[1.0, 2.0]), error="scales"),
    quantize(
        "axis", given(PER_CHANNEL), out(T.INT8, scale=[1.0] * 3, axis=7), error="axis|dimension"
    ),
    dequantize("no scale", given(np.zeros(3, np.int8)), error="scale"),
    dequantize("type", given(np.zeros(3, np.int32), scale=1.0), error="INT32"),
    dequantize(
        "zero point", given(np.zeros(3, np.int16), scale=1.0, zero_point=1), error="zero point"
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_quantize(case: Case, device: str) -> None:
    check(case, device)


BLOCKS = np.arange(-12, 12).astype(np.int8).reshape(3, 8)
BLOCK_SCALES = np.array([0.5, 1, 2, 4, 0.25, 8], np.float16)


def in_blocks(size: int, scales: Any) -> bytes:
    quant = Quantization(np.empty(0, F32), np.empty(0, np.int64), 0, Blocks(1, -1, size))
    tensors = (
        constant("x", BLOCKS, T.INT8, quant),
        constant("scales", scales, T.FLOAT16),
        Tensor("y", BLOCKS.shape, T.FLOAT32),
    )
    node = Node("DEQUANTIZE", 6, (0,), (2,), DequantizeOptions())
    return single(Graph(tensors, (node,), (), (2,), "main"))


def test_dequantize_blocks() -> None:
    """Not in LiteRT, which gives zeros: each run of 4 elements of a row has a scale."""
    (got,) = run_model(in_blocks(4, BLOCK_SCALES), [])
    expected = BLOCKS.reshape(6, 4).astype(F32) * BLOCK_SCALES.astype(F32)[:, None]
    assert_close(got, expected.reshape(BLOCKS.shape))


@pytest.mark.parametrize(("size", "count"), [(3, 8), (0, 6), (4, 5), (-4, 6), (16, 1)])
def test_blocks_that_do_not_fit(size: int, count: int) -> None:
    with pytest.raises((RuntimeError, ValueError), match=r"block|Block"):
        run_model(in_blocks(size, np.ones(count, np.float16)), [])
