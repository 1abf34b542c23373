"""Nodes whose shapes depend on data, from invoke to invoke: results and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter
from litegpu.graph import Array, Graph, Node, Quantization, Tensor
from litegpu.schema import options as o
from litegpu.schema.enums import TensorType

from tests import oracle
from tests.models import F32, I32, single

PARTS = [
    ([0, 0], [2, 3]),
    ([1, 1], [5, 2]),
    ([1, 1], [5, 2]),
    ([6, 0], [0, 3]),
    ([2, 1], [-1, -1]),
    ([0, 0], [2, 3]),
]
"""(begin, size) of slices of [6, 3]."""


def slice_and_append(dtype: TensorType, *scales: float) -> bytes:
    """z of x [6, 3], begin, size and row [1, n]: y, a slice of x, and the row below it.

    `scales` are those of x, y, row and z.
    """
    x, y, row, z = (_quantization(s) for s in scales or (None,) * 4)
    tensors = (
        Tensor("x", (6, 3), dtype, quant=x),
        Tensor("begin", (2,), I32),
        Tensor("size", (2,), I32),
        Tensor("row", (1, 3), dtype, shape_signature=(1, -1), quant=row),
        Tensor("y", (1, 1), dtype, shape_signature=(-1, -1), quant=y),
        Tensor("z", (1, 1), dtype, shape_signature=(-1, -1), quant=z),
    )
    join = Node("CONCATENATION", 1, (4, 3), (5,), o.ConcatenationOptions(axis=-2))
    nodes = (Node("SLICE", 1, (0, 1, 2), (4,), o.SliceOptions()), join)
    return single(Graph(tensors, nodes, (0, 1, 2, 3), (5,), "main"))


def _quantization(scale: float | None) -> Quantization | None:
    if scale is None:
        return None
    return Quantization(np.array([scale], np.float32), np.array([0], np.int64))


def invoke(it: Interpreter, *values: Array) -> Any:
    for detail, value in zip(it.get_input_details(), values, strict=True):
        it.set_tensor(detail["index"], value)
    it.invoke()
    return it.get_tensor(it.get_output_details()[0]["index"])


def allocated(content: bytes, columns: int) -> Interpreter:
    it = Interpreter(model_content=content, experimental_delegates=[])
    it.resize_tensor_input(3, [1, columns])
    it.allocate_tensors()
    it._session.poison = True
    return it


X = np.arange(18).reshape(6, 3)


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "scales"),
    [(F32, ()), (TensorType.UINT8, (0.5, 0.5, 0.5, 0.5)), (TensorType.UINT8, (1, 1, 0.5, 2))],
    ids=["float32", "uint8", "rescaled"],
)
def test_shapes_follow_the_data(dtype: TensorType, scales: tuple[float, ...], columns: int) -> None:
    content = slice_and_append(dtype, *scales)
    kind = np.float32 if dtype == F32 else np.uint8
    it, row = allocated(content, columns), np.full((1, columns), 40, kind)
    for begin, size in PARTS:
        inputs = [X.astype(kind), np.int32(begin), np.int32(size), row]
        width = size[1] if size[1] >= 0 else 3 - begin[1]
        if width != columns:
            with pytest.raises(RuntimeError, match=r"CONCATENATION .* expected .* but for axis 0"):
                invoke(it, *inputs)
            continue
        got, expected = invoke(it, *inputs), oracle.run(content, inputs)[0]
        assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("begin", "size"), [([5, 0], [2, 3]), ([-1, 0], [1, 3]), ([0, 0], [1, -2]), ([7, 0], [-1, 3])]
)
def test_slices_outside_are_refused_after_others_ran(begin: list[int], size: list[int]) -> None:
    it, x = allocated(slice_and_append(F32), 3), X.astype(np.float32)
    for _ in range(2):
        got = invoke(it, x, np.int32([1, 0]), np.int32([2, 3]), x[:1])
        np.testing.assert_array_equal(got, x[[1, 2, 0]])
        with pytest.raises(
            RuntimeError, match=r"SLICE \(node 0, 'y'\): a slice from .* not inside"
        ):
            invoke(it, x, np.int32(begin), np.int32(size), x[:1])
