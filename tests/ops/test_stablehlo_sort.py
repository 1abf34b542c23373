"""STABLEHLO_SORT, for which LiteRT has no kernel, against NumPy: simple and composed keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from litegpu.dtypes import NUMPY
from litegpu.graph import Graph, Model, Node, Tensor
from litegpu.schema.enums import TensorType
from litegpu.schema.options2 import StablehloSortOptions
from litegpu.schema.writer import write_model

from tests.cases import run_model
from tests.tolerance import assert_close

T = TensorType
RNG = np.random.default_rng(199)
TYPES = {dtype: t for t, dtype in reversed(NUMPY.items())}
Nodes = Sequence[tuple[str, tuple[int, ...]]]


def sort_model(
    inputs: Sequence[Any], nodes: Nodes, dimension: int = -1, result: TensorType = T.BOOL
) -> bytes:
    """`nodes` of the comparison: (operator, tensors), each making the next tensor, a BOOL."""
    types = [TYPES[x.dtype] for x in inputs]
    count = len(inputs)
    tensors = [
        Tensor(f"x{i}", x.shape, t) for i, (x, t) in enumerate(zip(inputs, types, strict=True))
    ]
    tensors += [
        Tensor(f"y{i}", x.shape, t) for i, (x, t) in enumerate(zip(inputs, types, strict=True))
    ]
    options = StablehloSortOptions(dimension=dimension, is_stable=True, comparator_subgraph_index=1)
    outputs = tuple(range(count, 2 * count))
    node = Node("STABLEHLO_SORT", 1, tuple(range(count)), outputs, options)
    sides = [Tensor(f"{side}{i}", (), t) for i, t in enumerate(types) for side in "ab"]
    made = [Tensor(f"c{i}", (), result) for i in range(len(nodes))]
    inner = tuple(Node(op, 1, used, (2 * count + i,)) for i, (op, used) in enumerate(nodes))
    comparison = Graph(
        (*sides, *made), inner, tuple(range(2 * count)), (2 * count + len(nodes) - 1,)
    )
    main = Graph(tuple(tensors), (node,), tuple(range(count)), outputs)
    return write_model(Model((main, comparison)))


SIMPLE: dict[str, tuple[Nodes, bool]] = {
    "less": ([("LESS", (0, 1))], True),
    "greater": ([("GREATER", (0, 1))], False),
    "less swapped": ([("LESS", (1, 0))], False),
    "not less or equal": ([("LESS_EQUAL", (0, 1)), ("LOGICAL_NOT", (2,))], False),
    "both": ([("LESS", (0, 1)), ("LESS_EQUAL", (0, 1)), ("LOGICAL_AND", (2, 3))], True),
}


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("comparison", SIMPLE)
@pytest.mark.parametrize(
    ("shape", "axis"), [((9,), 0), ((3, 16), 1), ((5, 3, 4), 0), ((1, 1), 1), ((2, 0), 1)], ids=str
)
def test_one_key(comparison: str, dtype: Any, shape: tuple[int, ...], axis: int) -> None:
    nodes, ascending = SIMPLE[comparison]
    x = RNG.integers(-20, 20, shape).astype(dtype)
    [got] = run_model(sort_model([x], nodes, axis), [x])
    expected = np.sort(x, axis=axis)
    assert_close(got, expected if ascending else np.flip(expected, axis))


@pytest.mark.parametrize("comparison", SIMPLE)
@pytest.mark.parametrize("size", [2, 7, 64, 100])
def test_equal_keys_keep_their_order(comparison: str, size: int) -> None:
    nodes, ascending = SIMPLE[comparison]
    # The first tensors of a second input shift the comparison's own by two.
    shifted = [(op, tuple(t if t < 2 else t + 2 for t in used)) for op, used in nodes]
    keys, places = RNG.integers(0, 4, size).astype(np.int32), np.arange(size, dtype=np.float32)
    got = run_model(sort_model([keys, places], shifted, 0), [keys, places])
    order = np.argsort(keys if ascending else -keys, kind="stable")
    assert_close(got[0], keys[order])
    assert_close(got[1], places[order])


def test_two_keys() -> None:
    first, second = (RNG.integers(0, 3, (4, 21)).astype(np.int32) for _ in range(2))
    nodes = [
        ("LESS", (0, 1)),
        ("EQUAL", (0, 1)),
        ("GREATER", (2, 3)),
        ("LOGICAL_AND", (5, 6)),
        ("LOGICAL_OR", (4, 7)),
    ]
    got = run_model(sort_model([first, second], nodes, 1), [first, second])
    order = np.lexsort((-second, first), axis=1)
    assert_close(got[0], np.take_along_axis(first, order, 1))
    assert_close(got[1], np.take_along_axis(second, order, 1))


X = np.float32([[3, 1, 2]])


@pytest.mark.parametrize(
    ("inputs", "nodes", "dimension", "result", "error"),
    [
        ([X], SIMPLE["less"][0], 2, T.BOOL, "axis 2"),
        ([X], SIMPLE["less"][0], -3, T.BOOL, "axis -3"),
        ([X, X[:, :2]], [("LESS", (0, 1))], 1, T.BOOL, "shape"),
        ([X], [("ADD", (0, 1))], 1, T.FLOAT32, "one BOOL"),
    ],
    ids=["axis", "negative axis", "shapes", "result"],
)
def test_wrong_models_are_refused(
    inputs: Any, nodes: Nodes, dimension: int, result: TensorType, error: str
) -> None:
    with pytest.raises((RuntimeError, ValueError), match=error):
        run_model(sort_model(inputs, nodes, dimension, result), inputs)
