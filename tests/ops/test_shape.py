"""Shapes read, changed and combined: every type, -1, empty tensors, what LiteRT refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter
from litegpu.graph import Graph, Model, Node, Tensor
from litegpu.schema.enums import TensorType
from litegpu.schema.options import ExpandDimsOptions, ReshapeOptions, ShapeOptions, SqueezeOptions
from litegpu.schema.writer import write_model

from tests.cases import Case, check, const, given, out
from tests.values import PACKED, PLAIN, name, values, vector

STRING = TensorType.STRING


def reshape(
    shape: tuple[int, ...],
    new: list[int],
    *,
    source: str = "const",
    dtype: Any = np.float32,
    **more: Any,
) -> Case:
    """The new shape is a constant, a run-time input or in the options."""
    x = given(values(shape, object if dtype == STRING else dtype), dtype=dtype)
    wanted = np.array(new, np.int32)
    label = f"{name(dtype)} {list(shape)} to {new} from {source}"
    inputs = [x] if source == "options" else [x, {"const": const, "given": given}[source](wanted)]
    options = ReshapeOptions(new_shape=wanted if source == "options" else None)
    return Case(label, "RESHAPE", inputs, [out(dtype)], options, **more)


RESHAPES = [
    *(reshape((2, 6), [3, -1], dtype=d) for d in (*PLAIN, STRING)),
    *(reshape((2, 3, 4), [4, -1, 2], source=s) for s in ("const", "given", "options")),
    *(reshape((1, 1), [], source=s) for s in ("const", "given", "options")),
    reshape((), [1, 1]),
    reshape((1,), [0], source="options", expected=[values((1,)).reshape(())]),
    *(
        reshape(shape, new, expected=[np.zeros(to, np.float32)])
        for shape, new, to in [
            ((0, 3), [3, -1], (3, 0)),
            ((0, 3), [-1], (0,)),
            ((2, 0), [0, -1], (0, 2)),
            ((0,), [0, 5], (0, 5)),
        ]
    ),
    *(
        reshape((2, 3), new, source=source, error=message)
        for source in ("const", "given", "options")
        for new, message in [
            ([-1, -1], "at most one"),
            ([4, 2], "does not fit"),
            ([-1, 4], "does not fit"),
            ([-2, -3], "none less"),
            ([2**31 - 1, 2**31 - 1, 2**31 - 1], "does not fit"),
        ]
    ),
    *(
        Case(
            d.name,
            "RESHAPE",
            [const(values((3, 4), d), dtype=d), const(vector(2, 6))],
            [out(d)],
            ReshapeOptions(),
            expected=[values((3, 4), d).reshape(2, 6)],
        )
        for d in PACKED
    ),
]


def squeeze(shape: tuple[int, ...], dims: list[int], dtype: Any = np.float32, **more: Any) -> Case:
    x = given(values(shape, object if dtype == STRING else dtype), dtype=dtype)
    options = SqueezeOptions(squeeze_dims=np.array(dims, np.int32))
    label = f"{name(dtype)} {list(shape)} {dims}"
    if dtype == STRING:
        more |= {"version": 2, "oracle": "opt"}
    return Case(label, "SQUEEZE", [x], [out(dtype)], options, **more)


SQUEEZES = [
    *(squeeze((1, 2, 1, 3), [0, -2], d) for d in (*PLAIN, STRING)),
    squeeze((1, 2, 1, 3), []),
    squeeze((1, 1), []),
    squeeze((), []),
    squeeze((1, 2, 1), [2, -1, 2]),
    squeeze((0, 1), [1], expected=[np.zeros((0,), np.float32)]),
    squeeze((1, 2), [1], error="not 1"),
    squeeze((1, 2), [2], error="out of range"),
    squeeze((1, 2), [-3], error="out of range"),
]


def expand_dims(shape: tuple[int, ...], axis: Any, dtype: Any = np.float32, **more: Any) -> Case:
    x = given(values(shape, object if dtype == STRING else dtype), dtype=dtype)
    role = more.pop("role", const)
    label = f"{name(dtype)} {list(shape)} at {axis} {axis.dtype} {role.__name__}"
    return Case(label, "EXPAND_DIMS", [x, role(axis)], [out(dtype)], ExpandDimsOptions(), **more)


EXPANSIONS = [
    *(expand_dims((2, 3), np.int32(1), d) for d in (*PLAIN, STRING)),
    *(
        expand_dims((2, 3), t(a), role=r)
        for a in (-3, -1, 0, 2)
        for t in (np.int32, np.int64)
        for r in (const, given)
    ),
    expand_dims((), vector(0)),
    expand_dims((0, 2), np.int32(1), expected=[np.zeros((0, 1, 2), np.float32)]),
    *(
        expand_dims((2, 3), np.int32(a), role=r, error="out of range")
        for a in (3, -4)
        for r in (const, given)
    ),
    expand_dims((2, 3), vector(0, 1), error="one element"),
]

INDEX_TYPES = {np.int32: TensorType.INT32, np.int64: TensorType.INT64}
READS = [
    *(
        Case(
            f"{name(d)} {list(s)} as {name(t)}",
            "SHAPE",
            [given(values(s, object if d == STRING else d), dtype=d)],
            [out(t)],
            ShapeOptions(out_type=INDEX_TYPES[t]),
            expected=[np.array(s, t)],
        )
        for d in (*PLAIN, STRING)
        for s in (((), (0,), (2, 0, 3), (1, 2, 3, 4, 5)) if d == np.float32 else ((2, 3),))
        for t in INDEX_TYPES
    ),
    *(
        Case(
            f"{name(d)} {list(s)}",
            "RANK",
            [given(values(s, object if d == STRING else d), dtype=d)],
            [out(np.int32)],
            expected=[np.int32(len(s))],
        )
        for d in (*PLAIN, STRING)
        for s in (((), (0,), (2, 0, 3), (1, 1, 1, 1, 1, 1)) if d == np.float32 else ((2, 3),))
    ),
    Case("float", "SHAPE", [given(values((2,)))], [out(np.float32)], ShapeOptions(), error="INT32"),
]


def broadcast_args(a: list[int], b: list[int], t: Any, role: Any, **more: Any) -> Case:
    label = f"{a} {b} {name(t)} {role.__name__}"
    inputs = [role(np.array(a, t)), const(np.array(b, t))]
    return Case(label, "BROADCAST_ARGS", inputs, [out(t)], **more)


BROADCASTS = [
    *(
        broadcast_args(a, b, t, r, expected=[np.array(np.broadcast_shapes(a, b), t)])
        for a, b in [
            ([2, 1, 3], [4, 1]),
            ([], [2, 3]),
            ([], []),
            ([1], [7]),
            ([0, 2], [1]),
            ([5, 1, 2], [5, 3, 1]),
        ]
        for t in (np.int32, np.int64)
        for r in (const, given)
    ),
    *(
        broadcast_args(a, b, np.int32, r, error="not broadcastable")
        for a, b in [([2], [3]), ([2, 1], [3, 4]), ([0], [2])]
        for r in (const, given)
    ),
]


def broadcast_to(
    shape: tuple[int, ...], new: list[int], dtype: Any = np.float32, t: Any = np.int32, **more: Any
) -> Case:
    role = more.pop("role", const)
    label = f"{name(dtype)} {list(shape)} to {new} {name(t)} {role.__name__}"
    inputs = [given(values(shape, dtype)), role(np.array(new, t))]
    return Case(label, "BROADCAST_TO", inputs, [out(dtype)], version=3, **more)


BROADCASTS += [
    *(broadcast_to((3, 1), [2, 3, 4], d) for d in PLAIN),
    *(
        broadcast_to((2, 1, 3), [4, 2, 5, 3], t=t, role=r)
        for t in (np.int32, np.int64)
        for r in (const, given)
    ),
    broadcast_to((), [2, 2]),
    broadcast_to((), []),
    broadcast_to((1, 2, 1, 2, 1, 2), [3, 2, 3, 2, 3, 2]),
    broadcast_to((1, 3), [0, 3], expected=[np.zeros((0, 3), np.float32)]),
    *(
        broadcast_to(s, n, role=r, error="cannot be broadcast|sizes must be")
        for s, n in [
            ((3,), [2]),
            ((2, 3), [3]),
            ((1,), [-1]),
            ((2,), [1]),
            ((1, 1), [2**31 - 1, -4]),
        ]
        for r in (const, given)
    ),
    broadcast_to((1,), [2**31 - 1] * 4, error="limits"),
]

CASES = [*RESHAPES, *SQUEEZES, *EXPANSIONS, *READS, *BROADCASTS]


def test_shapes_are_known_before_invoke() -> None:
    """What is computed from a shape alone gives static shapes, also after a resize."""
    tensors = (
        Tensor("x", (2, 3), TensorType.FLOAT32),
        Tensor("sizes", (2,), TensorType.INT32),
        Tensor("one", (), TensorType.FLOAT32, data=np.ones(1, np.float32).view(np.uint8)),
        Tensor("y", (1, 1), TensorType.FLOAT32),
    )
    nodes = (
        Node("SHAPE", 1, (0,), (1,), ShapeOptions(out_type=TensorType.INT32)),
        Node("FILL", 1, (1, 2), (3,)),
    )
    model = Model((Graph(tensors, nodes, (0,), (3,)),))
    interpreter = Interpreter(model_content=write_model(model))
    for shape in ((2, 3), (4, 1), (0, 5)):
        interpreter.resize_tensor_input(0, shape)
        interpreter.allocate_tensors()
        assert tuple(interpreter.get_output_details()[0]["shape"]) == shape
        interpreter.invoke()
        np.testing.assert_array_equal(interpreter.get_tensor(3), np.ones(shape, np.float32))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_shape(case: Case, device: str) -> None:
    check(case, device)
