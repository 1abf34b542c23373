"""EMBEDDING_LOOKUP with float and quantised tables, EMBEDDING_LOOKUP_SPARSE with every combiner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.dtypes import encode
from litegpu.graph import Blocks, Graph, Model, Node, Quantization, Tensor
from litegpu.schema.enums import CombinerType, TensorType
from litegpu.schema.options import EmbeddingLookupSparseOptions
from litegpu.schema.writer import write_model

from tests import oracle
from tests.cases import Case, check, const, given, out, run_model
from tests.tolerance import assert_close
from tests.values import PLAIN

RNG = np.random.default_rng(7)
IDS = np.array([3, 0, 3, 2], np.int32)


def table(shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    return RNG.integers(-100, 100, shape).astype(dtype)


def plain(name: str, ids: Any, values: Any, **rest: Any) -> Case:
    found = np.asarray(values)
    return Case(
        name,
        "EMBEDDING_LOOKUP",
        [given(np.asarray(ids, np.int32)), const(found)],
        [out(found.dtype)],
        **rest,
    )


def hybrid(
    name: str,
    shape: tuple[int, ...],
    dtype: TensorType,
    scale: Any,
    *,
    result: Any = np.float32,
    axis: int = 0,
    zero_point: int = 0,
    error: str | None = None,
) -> Case:
    low, high = {"INT8": (-128, 128), "UINT8": (0, 256), "INT4": (-8, 8), "INT2": (-2, 2)}[
        dtype.name
    ]
    values = RNG.integers(low, high, shape)
    arg = const(values, dtype=dtype, scale=scale, zero_point=zero_point, axis=axis)
    return Case(name, "EMBEDDING_LOOKUP", [given(IDS), arg], [out(result)], version=5, error=error)


SCALES = np.array([0.5, 0.1, 3e-5, 700], np.float32)

LOOKUP = [
    *(plain(np.dtype(d).name, IDS, table((5, 3), d)) for d in PLAIN if d != np.uint8),
    plain("rank 4", IDS, table((4, 2, 3, 2))),
    plain("no ids", [], table((4, 2)), expected=[np.zeros((0, 2), np.float32)]),
    *(
        hybrid(f"{dtype.name} {form}", shape, dtype, scale)
        for dtype in (TensorType.INT8, TensorType.UINT8, TensorType.INT4, TensorType.INT2)
        for form, scale in (("scale", 0.125), ("row scales", SCALES))
        for shape in ((4, 8), (4, 2, 4))
    ),
    hybrid("INT8 to float16", (4, 6), TensorType.INT8, SCALES[:1] * 0.5, result=np.float16),
    plain("negative id", [-1], table((4, 2)), error="out of bounds"),
    plain("id too large", [4], table((4, 2)), error="out of bounds"),
    plain("empty table", [0], np.zeros((0, 2), np.float32), error="out of bounds"),
    plain("table is a vector", [0], table((4,)), error="rank 2"),
    plain("ids are a matrix", [[0]], table((4, 2)), error="rank 1"),
    hybrid("too few scales", (4, 6), TensorType.INT8, SCALES[:3], error="got 3"),
    hybrid("scales along columns", (4, 4), TensorType.INT8, SCALES, axis=1, error="axis 1"),
    hybrid("no scale", (4, 4), TensorType.INT8, None, error="without a scale"),
    hybrid("zero point", (4, 4), TensorType.INT8, 0.5, zero_point=3, error="zero point"),
]


def sparse_case(
    name: str,
    combiner: CombinerType,
    ids: Any,
    indices: Any,
    shape: Any,
    *,
    width: tuple[int, ...] = (3,),
    **rest: Any,
) -> Case:
    places = np.asarray(ids, np.int32)
    weights = RNG.uniform(0.1, 2, places.shape).astype(np.float32)
    return Case(
        name,
        "EMBEDDING_LOOKUP_SPARSE",
        [
            given(places),
            given(np.asarray(indices, np.int32).reshape(len(places), -1)),
            given(np.asarray(shape, np.int32)),
            given(weights),
            const(RNG.standard_normal((5, *width)).astype(np.float32)),
        ],
        [out(np.float32)],
        EmbeddingLookupSparseOptions(combiner=combiner),
        **rest,
    )


SPARSE = [
    case
    for combiner in CombinerType
    for case in (
        sparse_case(f"{combiner.name} rows", combiner, [1, 3, 0], [[0, 0], [2, 0], [2, 1]], [3, 2]),
        sparse_case(
            f"{combiner.name} rank 3",
            combiner,
            [1, 3, 0, 4],
            [[0, 0, 0], [0, 1, 0], [0, 1, 1], [1, 1, 0]],
            [2, 2, 2],
            width=(2, 2),
        ),
        sparse_case(
            f"{combiner.name} out of order", combiner, [1, 3, 0], [[1, 0], [0, 0], [1, 1]], [2, 2]
        ),
    )
] + [
    sparse_case("id too large", CombinerType.SUM, [5], [[0, 0]], [2, 2], error="out of bounds"),
    sparse_case("negative id", CombinerType.SUM, [-1], [[0, 0]], [2, 2], error="out of bounds"),
    sparse_case("index too large", CombinerType.SUM, [1], [[2, 0]], [2, 2], error="out of bounds"),
    sparse_case("shape does not fit", CombinerType.SUM, [1], [[0, 0]], [2], error="dense shape"),
    sparse_case("negative shape", CombinerType.SUM, [1], [[0, 0]], [-2, 2], error="-2"),
]

CASES = [*LOOKUP, *SPARSE]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_embedding(case: Case, device: str) -> None:
    check(case, device)


def blockwise_model(dtype: TensorType, size: int) -> bytes:
    low, high = (-8, 8) if dtype == TensorType.INT4 else (-2, 2)
    values = RNG.integers(low, high, (4, 64)).astype(np.int8)
    count = max(1, 64 // size) if size > 0 else 1
    scales = RNG.uniform(0.01, 1, (4, count)).astype(np.float16)
    empty = Quantization(
        np.zeros(0, np.float32),
        np.zeros(0, np.int64),
        0,
        Blocks(scales=2, zero_points=-1, size=size),
    )
    tensors = (
        Tensor("ids", (4,), TensorType.INT32),
        Tensor("table", values.shape, dtype, quant=empty, data=encode(values, dtype)),
        Tensor("scales", scales.shape, TensorType.FLOAT16, data=encode(scales, TensorType.FLOAT16)),
        Tensor("rows", (4, 64), TensorType.FLOAT32),
    )
    node = Node("EMBEDDING_LOOKUP", 5, (0, 1), (3,))
    return write_model(Model((Graph(tensors, (node,), (0,), (3,)),)))


@pytest.mark.parametrize("dtype", [TensorType.INT4, TensorType.INT2])
@pytest.mark.parametrize("size", [16, 32, 64])
def test_blockwise_table(dtype: TensorType, size: int) -> None:
    content = blockwise_model(dtype, size)
    [got] = run_model(content, [IDS])
    [expected] = oracle.run(content, [IDS], "opt")
    assert_close(got, expected)


@pytest.mark.parametrize("size", [0, -16, 24, 128])
def test_blocks_that_do_not_fit(size: int) -> None:
    with pytest.raises((RuntimeError, ValueError), match=r"blocks of|block_size"):
        run_model(blockwise_model(TensorType.INT4, size), [IDS])
