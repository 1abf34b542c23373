"""STABLEHLO_GATHER and STABLEHLO_SCATTER: windows at the edges, every update, wrong layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.dtypes import NUMPY
from litegpu.graph import Graph, Model, Node, Tensor
from litegpu.schema.enums import TensorType
from litegpu.schema.options2 import StablehloGatherOptions, StablehloScatterOptions
from litegpu.schema.writer import write_model

from tests import oracle
from tests.cases import Case, check, given, out, run_model
from tests.tolerance import assert_close
from tests.values import PLAIN

T = TensorType
RNG = np.random.default_rng(201)
TYPES = {dtype: t for t, dtype in reversed(NUMPY.items())}


def dims(*values: int) -> Any:
    return np.array(values, np.int64)


def gather_case(
    name: str,
    operand: Any,
    indices: Any,
    *,
    offset: Any = (),
    collapsed: Any = (),
    index_map: Any = (),
    vector_dim: int,
    sizes: Any,
    kind: Any = np.int32,
    **rest: Any,
) -> Case:
    x, starts = np.asarray(operand), np.asarray(indices, kind)
    batch = starts.ndim - (vector_dim < starts.ndim)
    declared = (1,) * (batch + len(offset))
    return Case(
        name,
        "STABLEHLO_GATHER",
        [given(x), given(starts)],
        [out(x.dtype, shape=declared)],
        StablehloGatherOptions(
            offset_dims=dims(*offset),
            collapsed_slice_dims=dims(*collapsed),
            start_index_map=dims(*index_map),
            index_vector_dim=vector_dim,
            slice_sizes=dims(*sizes),
        ),
        **rest,
    )


def numbers(shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    return RNG.integers(-9, 9, shape).astype(dtype)


GRID = numbers((3, 4, 2))
SPEC = {
    "offset": (2, 3),
    "collapsed": (0,),
    "index_map": (1, 0),
    "vector_dim": 2,
    "sizes": (1, 2, 2),
}
SPEC_INDICES = [[[0, 0], [1, 0], [2, 1]], [[0, 1], [1, 1], [0, 9]]]

GATHER = [
    gather_case("of the specification", GRID, SPEC_INDICES, **SPEC),
    gather_case("int64 indices", GRID, SPEC_INDICES, **SPEC, kind=np.int64),
    *(
        gather_case(np.dtype(d).name, GRID.astype(d), SPEC_INDICES, **SPEC)
        for d in PLAIN
        if d != np.float32
    ),
    gather_case(
        "clamped starts",
        GRID,
        [[-5, 9], [3, -1]],
        offset=(1, 2, 3),
        index_map=(0, 1),
        vector_dim=1,
        sizes=(2, 3, 2),
    ),
    gather_case(
        "offsets first",
        numbers((5, 4)),
        [[3], [0], [2]],
        offset=(0,),
        collapsed=(0,),
        index_map=(0,),
        vector_dim=1,
        sizes=(1, 4),
    ),
    gather_case(
        "vectors first",
        numbers((5, 4)),
        [[3, 0, 9], [1, 2, 3]],
        collapsed=(0, 1),
        index_map=(0, 1),
        vector_dim=0,
        sizes=(1, 1),
    ),
    gather_case(
        "implied vectors",
        np.arange(5, dtype=np.float32),
        [3, 1, 9],
        collapsed=(0,),
        index_map=(0,),
        vector_dim=1,
        sizes=(1,),
        expected=[np.float32([3, 1, 4])],
    ),
    gather_case(
        "without index map",
        np.float32([[1, 2], [3, 4]]),
        np.zeros((3, 0)),
        offset=(1, 2),
        vector_dim=1,
        sizes=(1, 2),
        expected=[np.float32([[[1, 2]]] * 3)],
    ),
    gather_case(
        "scalar operand",
        np.float32(7),
        np.zeros((3, 0)),
        vector_dim=1,
        sizes=(),
        expected=[np.float32([7, 7, 7])],
    ),
    gather_case(
        "empty slices",
        numbers((2, 3)),
        [[0], [1]],
        offset=(1, 2),
        index_map=(0,),
        vector_dim=1,
        sizes=(0, 3),
        expected=[np.zeros((2, 0, 3), np.float32)],
    ),
]

BAD_GATHER = [
    gather_case(name, GRID, SPEC_INDICES, **(SPEC | changes), error=error)
    for name, error, changes in (
        ("slices too large", "slices", {"sizes": (1, 5, 2)}),
        ("slices negative", "slices", {"sizes": (1, -1, 2)}),
        ("slices of another rank", "slices", {"sizes": (1, 2)}),
        ("collapsed out of range", "collapsed", {"collapsed": (3,)}),
        ("collapsed negative", "collapsed", {"collapsed": (-1,)}),
        ("collapsed repeats", "collapsed", {"collapsed": (0, 0)}),
        ("collapsed is not 1", "collapsed", {"collapsed": (1,)}),
        ("map out of range", "start_index_map", {"index_map": (1, 3)}),
        ("map too short", "start_index_map", {"index_map": (1,)}),
        ("vector dim out of range", "index_vector_dim", {"vector_dim": 4}),
        ("vector dim negative", "index_vector_dim", {"vector_dim": -1}),
        ("offset out of range", "offset_dims", {"offset": (2, 4)}),
        ("offset negative", "offset_dims", {"offset": (-1, 3)}),
        ("too few offsets", "offset_dims", {"offset": (2,)}),
        ("float indices", "FLOAT32", {"kind": np.float32}),
    )
]

CASES = [*GATHER, *BAD_GATHER]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gather(case: Case, device: str) -> None:
    check(case, device)


UPDATES = ("", "STABLEHLO_ADD", "STABLEHLO_MULTIPLY", "STABLEHLO_MAXIMUM", "STABLEHLO_MINIMUM")


def scatter_model(
    x: Any,
    indices: Any,
    updates: Any,
    computation: tuple[str, ...] = ("STABLEHLO_ADD",),
    *,
    windows: Any = (1, 2),
    inserted: Any = (0,),
    index_map: Any = (1, 0),
    vector_dim: int = 1,
    subgraph: int = 1,
) -> bytes:
    dtype = TYPES[x.dtype]
    tensors = (
        Tensor("x", x.shape, dtype),
        Tensor("indices", indices.shape, TYPES[indices.dtype]),
        Tensor("updates", updates.shape, dtype),
        Tensor("y", x.shape, dtype),
    )
    options = StablehloScatterOptions(
        update_window_dims=dims(*windows),
        inserted_window_dims=dims(*inserted),
        scatter_dims_to_operand_dims=dims(*index_map),
        index_vector_dim=vector_dim,
        update_computation_subgraph_index=subgraph,
    )
    node = Node("STABLEHLO_SCATTER", 1, (0, 1, 2), (3,), options)
    scalars = tuple(Tensor(n, (), dtype) for n in "abcd"[: 2 + len(computation)])
    inner = tuple(Node(op, 1, (i, 1), (i + 2,)) for i, op in enumerate(computation))
    update = Graph(scalars, inner, (0, 1), (len(inner) + 1,))
    return write_model(Model((Graph(tensors, (node,), (0, 1, 2), (3,)), update)))


PLACES = np.array([[0, 1], [3, 2], [0, 1], [-1, 0], [2, 5]], np.int32)
JOINED: list[Any] = [np.float32, np.float16, np.int8, np.int16, np.int32, np.int64]
REPLACED: list[Any] = [*JOINED, np.float64, np.uint8, np.uint32, np.bool_]


@pytest.mark.parametrize(
    ("update", "dtype"),
    [("", d) for d in REPLACED] + [(update, d) for update in UPDATES[1:] for d in JOINED],
    ids=lambda v: v or "replace" if isinstance(v, str) else np.dtype(v).name,
)
def test_scatter(update: str, dtype: Any) -> None:
    x, updates = RNG.integers(-100, 100, (3, 4, 2)).astype(dtype), numbers((5, 2, 2), dtype)
    content = scatter_model(x, PLACES, updates, (update,) if update else ())
    [got] = run_model(content, [x, PLACES, updates])
    [expected] = oracle.run(content, [x, PLACES, updates])
    assert_close(got, expected)


@pytest.mark.parametrize("update", UPDATES, ids=lambda u: u or "replace")
def test_nan(update: str) -> None:
    x = np.array([np.nan, 1, np.nan, np.inf], np.float32)
    places, updates = np.int32([[0], [1], [2], [3]]), np.array([2, np.nan, np.nan, -np.inf], "f4")
    form: Any = {"windows": (), "inserted": (0,), "index_map": (0,)}
    content = scatter_model(x, places, updates, (update,) if update else (), **form)
    [got] = run_model(content, [x, places, updates])
    [expected] = oracle.run(content, [x, places, updates])
    assert_close(got, expected)


def test_scatter_of_nothing() -> None:
    x, places, updates = numbers((3, 4, 2)), np.zeros((0, 2), np.int64), numbers((0, 2, 2))
    [got] = run_model(scatter_model(x, places, updates), [x, places, updates])
    assert_close(got, x)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"windows": (1, 3)}, "update_window_dims"),
        ({"windows": (2, 1)}, "update_window_dims"),
        ({"windows": (-1, 2)}, "update_window_dims"),
        ({"windows": (1,)}, "rank 3"),
        ({"inserted": (3,)}, "inserted_window_dims"),
        ({"inserted": ()}, "rank 3"),
        ({"index_map": (0, 3)}, "operand_dims"),
        ({"index_map": (0, 0)}, "operand_dims"),
        ({"index_map": (0,)}, "operand_dims"),
        ({"vector_dim": 3}, "index_vector_dim"),
        ({"vector_dim": -1}, "index_vector_dim"),
        ({"vector_dim": 0}, "operand_dims"),
        ({"subgraph": 2}, "subgraph"),
        ({"subgraph": -1}, "subgraph"),
        ({"computation": ("STABLEHLO_ADD", "STABLEHLO_ADD")}, "update computation"),
        ({"computation": ("SUB",)}, "update computation"),
    ],
    ids=str,
)
def test_wrong_layouts_are_refused(changes: Any, error: str) -> None:
    x, updates = numbers((3, 4, 2)), numbers((5, 2, 2))
    with pytest.raises((RuntimeError, ValueError), match=error):
        run_model(scatter_model(x, PLACES, updates, **changes), [x, PLACES, updates])
