"""Reductions over windows against LiteRT and against windows that NumPy cuts out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.graph import Graph, Model, Node, Tensor
from litegpu.schema.enums import ReduceWindowFunction, TensorType
from litegpu.schema.options import AddOptions, MaximumMinimumOptions, MulOptions
from litegpu.schema.options2 import (
    ReduceWindowOptions,
    StablehloReduceOptions,
    StablehloReduceWindowOptions,
)
from litegpu.schema.writer import write_model

from tests import oracle
from tests.cases import Case, check, const, given, out, run_model
from tests.models import constant
from tests.tolerance import assert_close

F = ReduceWindowFunction
TYPES = {
    np.bool_: TensorType.BOOL,
    np.int8: TensorType.INT8,
    np.int16: TensorType.INT16,
    np.int32: TensorType.INT32,
    np.int64: TensorType.INT64,
    np.uint8: TensorType.UINT8,
    np.float32: TensorType.FLOAT32,
    np.float64: TensorType.FLOAT64,
}
BODIES: dict[str, Any] = {
    "ADD": AddOptions(),
    "MUL": MulOptions(),
    "MAXIMUM": MaximumMinimumOptions(),
    "MINIMUM": MaximumMinimumOptions(),
    "STABLEHLO_ADD": None,
    "STABLEHLO_MULTIPLY": None,
    "STABLEHLO_MAXIMUM": None,
    "STABLEHLO_MINIMUM": None,
    "LOGICAL_AND": None,
    "LOGICAL_OR": None,
}


def values(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    if dtype == np.bool_:
        return rng.random(shape) < 0.5
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 2, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def plain(
    x: Any, initial: Any, window: Any, stride: Any, dilation: Any, function: F, **more: Any
) -> Case:
    attributes = [const(np.array(v, np.int64)) for v in (window, stride, dilation)]
    name = f"{x.dtype} {list(x.shape)} {window} by {stride} dilated {dilation} {function.name}"
    inputs = [given(x), const(np.array(initial, x.dtype)), *attributes]
    options = ReduceWindowOptions(reduce_function=function)
    return Case(name, "REDUCE_WINDOW", inputs, [out(x.dtype)], options, **more)


GEOMETRIES = [
    ((5, 6), (2, 3), (1, 1), (1, 1)),
    ((7,), (3,), (2,), (2,)),
    ((2, 5, 4), (1, 2, 2), (1, 3, 2), (1, 2, 1)),
    ((4, 4), (1, 1), (1, 1), (1, 1)),
    ((3, 3), (4, 1), (1, 1), (1, 1)),
    ((2, 3, 2, 3, 2, 3), (2, 1, 1, 2, 1, 3), (1,) * 6, (1,) * 6),
]
CASES = [
    plain(values(shape, dtype, i), 1, window, stride, dilation, function)
    for dtype in (np.int8, np.int16, np.int32, np.int64, np.uint8, np.float32, np.float64)
    for function in (F.ADD, F.MUL, F.MINIMUM, F.MAXIMUM, F.ALL, F.ANY)
    for i, (shape, window, stride, dilation) in enumerate(
        GEOMETRIES[:3] if function == F.MUL else GEOMETRIES
    )
]
CASES += [
    plain(values(shape, np.bool_, i), initial, window, stride, dilation, function)
    for function, initial in ((F.ALL, True), (F.ANY, False))
    for i, (shape, window, stride, dilation) in enumerate(GEOMETRIES)
]
SQUARE = values((3, 4), np.float32)
CASES += [
    plain(SQUARE, 0, (2, 2), (1, 0), (1, 1), F.ADD, error="positive"),
    plain(SQUARE, 0, (2, 2), (1, 1), (0, 1), F.ADD, error="positive"),
    plain(SQUARE, 0, (-1, 2), (1, 1), (1, 1), F.ADD, error="positive"),
    plain(SQUARE, 0, (2,), (1, 1), (1, 1), F.ADD, error="one per axis"),
    plain(SQUARE, 0, (2, 2), (1, 1), (1, 1), F.UNSUPPORTED, error="reduce_function"),
    plain(np.float32(3), 0, (), (), (), F.ADD, error="scalar"),
    plain(SQUARE, (), (2, 2), (1, 1), (1, 1), F.ADD, error="initial value is empty"),
    plain(
        SQUARE,
        0,
        (2**40, 1),
        (1, 1),
        (1, 1),
        F.ADD,
        expected=[np.empty((0, 4), np.float32)],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_reduce_window(case: Case, device: str) -> None:
    check(case, device)


def body(op: str, dtype: Any) -> Graph:
    scalars = tuple(Tensor(name, (), TYPES[dtype]) for name in ("a", "b", "c"))
    return Graph(scalars, (Node(op, 1, (0, 1), (2,), BODIES.get(op)),), (0, 1), (2,), "body")


def with_body(op: str, options: Any, x: Any, initial: Any, bodies: tuple[Graph, ...]) -> bytes:
    dtype = TYPES[x.dtype.type]
    tensors = (
        Tensor("x", x.shape, dtype),
        constant("initial", np.array(initial, x.dtype), dtype),
        Tensor("y", (), dtype),
    )
    main = Graph(tensors, (Node(op, 1, (0, 1), (2,), options),), (0,), (2,), "main")
    return write_model(Model((main, *bodies)))


def sliding(
    x: Any,
    initial: Any,
    op: str,
    *,
    window: Any,
    stride: Any = None,
    base: Any = None,
    dilation: Any = None,
    padding: Any = None,
) -> bytes:
    options = StablehloReduceWindowOptions(
        window_dimensions=np.array(window, np.int64),
        window_strides=None if stride is None else np.array(stride, np.int64),
        base_dilations=None if base is None else np.array(base, np.int64),
        window_dilations=None if dilation is None else np.array(dilation, np.int64),
        padding=None if padding is None else np.array(padding, np.int64),
        body_subgraph_index=1,
    )
    return with_body("STABLEHLO_REDUCE_WINDOW", options, x, initial, (body(op, x.dtype.type),))


SPREADS: list[dict[str, Any]] = [
    {"window": (2, 2)},
    {"window": (2, 3), "stride": (2, 1), "padding": (1, 1, 0, 2)},
    {"window": (2, 2), "base": (2, 3)},
    {"window": (3, 2), "base": (3, 1), "dilation": (2, 2), "padding": (2, 0, 1, 1)},
    {"window": (1, 2), "padding": (-1, -2, 0, -1)},
    {"window": (2, 2), "base": (2, 2), "padding": (-1, 3, -3, -1), "stride": (1, 2)},
    {"window": (2, 2), "base": (2, 2), "padding": (-2, 0, 1, -2)},
    {"window": (1, 1), "stride": (3, 2)},
    {"window": (9, 9)},
]


PLAIN_BODIES = ("ADD", "MUL", "MAXIMUM", "MINIMUM")
ARITHMETIC = [
    (op, dtype)
    for op in BODIES
    for dtype in (np.int8, np.int16, np.int32, np.int64, np.float32)
    if op.startswith("STABLEHLO") or (op in PLAIN_BODIES and dtype not in (np.int8, np.int16))
]


@pytest.mark.parametrize(("op", "dtype"), ARITHMETIC, ids=str)
@pytest.mark.parametrize("spread", SPREADS, ids=str)
def test_stablehlo_reduce_window(spread: dict[str, Any], dtype: Any, op: str) -> None:
    x = values((5, 6), dtype, 3)
    content = sliding(x, 2, op, **spread)
    (got,) = run_model(content, [x])
    (expected,) = oracle.run(content, [x], "ref")
    assert_close(got, expected)


@pytest.mark.parametrize(("op", "initial"), [("LOGICAL_AND", True), ("LOGICAL_OR", False)])
@pytest.mark.parametrize("spread", SPREADS, ids=str)
def test_logical_windows(spread: dict[str, Any], op: str, initial: bool) -> None:
    x = values((5, 6), np.bool_, 3)
    content = sliding(x, initial, op, **spread)
    (got,) = run_model(content, [x])
    (expected,) = oracle.run(content, [x], "ref")
    assert_close(got, expected)


BAD_SPREADS: list[tuple[dict[str, Any], str]] = [
    ({"window": (2, 2), "padding": (-5, -5, 0, 0)}, "empty tensor"),
    ({"window": (2, 2), "padding": (-2, -3, 0, 0)}, "empty tensor"),
    ({"window": (2, 2), "stride": (0, 1)}, "positive"),
    ({"window": (2, 2), "base": (0, 1)}, "positive"),
    ({"window": (2, 2), "dilation": (1, -1)}, "positive"),
    ({"window": (2, 0)}, "positive"),
    ({"window": (2,)}, "expected 2 values"),
    ({"window": (2, 2), "stride": (1,)}, "expected 2"),
    ({"window": (2, 2), "padding": (1, 1)}, "expected 4"),
    ({"window": (2, 2), "padding": (2**40, 0, 0, 0)}, "bytes"),
]


@pytest.mark.parametrize(("spread", "error"), BAD_SPREADS, ids=str)
def test_bad_windows(spread: dict[str, Any], error: str) -> None:
    x = values((5, 6), np.float32)
    with pytest.raises((RuntimeError, ValueError), match=error):
        run_model(sliding(x, 0, "ADD", **spread), [x])


def reducing(op: str, x: Any, initial: Any, dimensions: Any, **more: Any) -> bytes:
    options = StablehloReduceOptions(
        dimensions=np.array(dimensions, np.int64), body_subgraph_index=more.get("index", 1)
    )
    bodies = more.get("bodies", (body(op, x.dtype.type),))
    return with_body("STABLEHLO_REDUCE", options, x, initial, bodies)


REDUCTIONS = {
    "STABLEHLO_ADD": (np.add, 5),
    "STABLEHLO_MULTIPLY": (np.multiply, 2),
    "STABLEHLO_MAXIMUM": (np.maximum, 1),
    "STABLEHLO_MINIMUM": (np.minimum, -1),
}


@pytest.mark.parametrize("op", REDUCTIONS)
@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.float32], ids=str)
@pytest.mark.parametrize("dimensions", [(0,), (2, 1), (), (0, 1, 2)], ids=str)
def test_stablehlo_reduce(op: str, dtype: Any, dimensions: Any) -> None:
    x = values((2, 3, 4), dtype, 1)
    ufunc, initial = REDUCTIONS[op]
    (got,) = run_model(reducing(op, x, initial, dimensions), [x])
    expected = ufunc.reduce(x, axis=dimensions, dtype=dtype, initial=dtype(initial))
    assert_close(got, np.asarray(expected))


@pytest.mark.parametrize(("op", "ufunc"), [("LOGICAL_AND", np.all), ("LOGICAL_OR", np.any)])
def test_stablehlo_reduce_of_booleans(op: str, ufunc: Any) -> None:
    x = values((3, 4), np.bool_, 1)
    (got,) = run_model(reducing(op, x, op == "LOGICAL_AND", (1,)), [x])
    assert_close(got, ufunc(x, axis=1))


def test_bodies_that_are_not_known() -> None:
    x = values((3, 4), np.float32, 1)
    scalars = tuple(Tensor(name, (), TensorType.FLOAT32) for name in "abcd")
    nodes = Node("ADD", 1, (0, 1), (2,), AddOptions()), Node("ADD", 1, (2, 1), (3,), AddOptions())
    two = Graph(scalars, nodes, (0, 1), (3,), "two")
    cases: list[tuple[bytes, str]] = [
        (reducing("DIV", x, 0, (1,)), "the body is"),
        (reducing("ADD", x, 0, (1,), bodies=(two,)), "the body is"),
        (reducing("ADD", x, 0, (1,), index=7), "7"),
        (reducing("ADD", x, 0, (1,), index=-1), "-1"),
        (reducing("ADD", x, 0, (2,)), "axis 2"),
    ]
    for content, error in cases:
        with pytest.raises((RuntimeError, ValueError), match=error):
            run_model(content, [x])
