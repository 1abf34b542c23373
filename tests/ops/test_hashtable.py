"""Hash tables through whole models, HASHTABLE_LOOKUP as single cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter
from litegpu.dtypes import NUMPY, encode
from litegpu.graph import Graph, Model, Node, Tensor
from litegpu.schema.enums import TensorType
from litegpu.schema.options import CallOnceOptions, HashtableOptions
from litegpu.schema.writer import write_model

from tests import oracle
from tests.cases import Case, check, const, given, out, run_model
from tests.tolerance import assert_close
from tests.values import PLAIN, name, values

RNG = np.random.default_rng(136)
T = TensorType


def lookup_case(label: str, wanted: Any, keys: Any, rows: Any, **rest: Any) -> Case:
    found = np.asarray(rows)
    kind = T.STRING if found.dtype.kind in "SU" else found.dtype
    return Case(
        label,
        "HASHTABLE_LOOKUP",
        [given(np.asarray(wanted, np.int32)), const(np.asarray(keys, np.int32)), const(rows)],
        [out(kind), out(np.uint8)],
        **rest,
    )


FLOATS = RNG.standard_normal((4, 3)).astype(np.float32)
CASES = [
    lookup_case("rows", [1234, -292, -11, 0], [-11, 0, 1234, 2**30], FLOATS),
    lookup_case("vector", [5, 6, 5], [1, 5, 9], np.float32([1, 2, 3])),
    lookup_case("int8 rank 3", [9, 1], [1, 5, 9], RNG.integers(-9, 9, (3, 2, 2)).astype(np.int8)),
    *(lookup_case(name(d), [9, 1], [1, 5, 9], values((3, 2), d)) for d in PLAIN),
    lookup_case("strings", [5, 7, 9, -1], [1, 5, 9], np.array(["one", "", "nine"])),
    lookup_case("repeated keys", [3, 3, 2], [1, 3, 3, 3], FLOATS),
    lookup_case("keys out of order", [7, 1, 3, 5], [7, 1, 5, 3], FLOATS),
    *(lookup_case(f"{n} keys", range(-1, n + 1), range(n), np.arange(n) * 1.5) for n in (1, 2, 9)),
    lookup_case(
        "nothing wanted",
        [],
        [1, 2],
        np.float32([1, 2]),
        expected=[np.zeros(0, np.float32), np.zeros(0, np.uint8)],
    ),
    lookup_case("no keys", [1], [], np.zeros((0, 2), np.float32), error="empty"),
    lookup_case("values do not fit", [1], [1, 2], FLOATS, error="values"),
    lookup_case("wanted matrix", [[1]], [1], FLOATS[:1], error="rank 1"),
    lookup_case("scalar values", [1], [1], np.float32(3), error="values"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_hashtable_lookup(case: Case, device: str) -> None:
    check(case, device)


class Builder:
    """One graph, built tensor by tensor."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.nodes: list[Node] = []

    def tensor(self, dtype: TensorType, shape: tuple[int, ...], values: Any = None) -> int:
        data = None if values is None else encode(np.array(values, NUMPY[dtype]), dtype)
        self.tensors.append(Tensor(f"t{len(self.tensors)}", shape, dtype, data=data))
        return len(self.tensors) - 1

    def node(self, op: str, inputs: Any, outputs: Any, options: Any = None) -> None:
        self.nodes.append(Node(op, 1, tuple(inputs), tuple(outputs), options))

    def graph(self, inputs: Any = (), outputs: Any = ()) -> Graph:
        return Graph(tuple(self.tensors), tuple(self.nodes), tuple(inputs), tuple(outputs))


def initializer(key: TensorType, value: TensorType, keys: Any, values: Any, table: int) -> Graph:
    b = Builder()
    handle = b.tensor(T.RESOURCE, (1,))
    b.node("HASHTABLE", [], [handle], HashtableOptions(table, key, value))
    contents = b.tensor(key, (len(keys),), keys), b.tensor(value, (len(values),), values)
    b.node("HASHTABLE_IMPORT", [handle, *contents], [])
    return b.graph()


def table_model(
    key: TensorType,
    value: TensorType,
    keys: Any,
    values: Any,
    default: Any,
    *,
    filled: bool = True,
    declared: tuple[TensorType, TensorType] | None = None,
) -> bytes:
    """Finds keys of any shape in the table that a graph called once fills, and gives its size."""
    b = Builder()
    if filled:
        b.node("CALL_ONCE", [], [], CallOnceOptions(init_subgraph_index=1))
    handle = b.tensor(T.RESOURCE, (1,))
    b.node("HASHTABLE", [], [handle], HashtableOptions(4, *(declared or (key, value))))
    wanted, missing = b.tensor(key, (2,)), b.tensor(value, (), default)
    found, count = b.tensor(value, (2,)), b.tensor(T.INT64, (1,))
    b.node("HASHTABLE_FIND", [handle, wanted, missing], [found])
    b.node("HASHTABLE_SIZE", [handle], [count])
    main = b.graph([wanted], [found, count])
    return write_model(Model((main, initializer(key, value, keys, values, 4))))


NAMES = [b"zero", b"one", b"", b"one", b"three"]
NUMBERS = [0, 1, -5, 1, 2**40]


@pytest.mark.parametrize("shape", [(3,), (2, 2), (), (0,)], ids=str)
@pytest.mark.parametrize("key", [T.INT64, T.STRING])
def test_find(key: TensorType, shape: tuple[int, ...]) -> None:
    if key == T.INT64:
        content = table_model(key, T.STRING, NUMBERS, NAMES, b"missing")
        wanted = RNG.choice(np.array([*NUMBERS, 77]), shape).reshape(shape)
    else:
        content = table_model(key, T.INT64, NAMES, NUMBERS, -1)
        wanted = np.empty(shape, object)
        wanted[...] = RNG.choice(np.array([*NAMES, b"none"], object), shape)
    got = run_model(content, [wanted], invokes=2)
    if wanted.ndim and wanted.size:
        expected = oracle.run(content, [wanted], "opt", invokes=2)
    else:
        pairs = {1: b"one", 2**40: b"three", 0: b"zero", -5: b""}
        items = pairs if key == T.INT64 else {v: k for k, v in pairs.items()}
        default: Any = b"missing" if key == T.INT64 else -1
        found = [items.get(k, default) for k in wanted.ravel().tolist()]
        expected = [np.array(found, NUMPY[T.STRING if key == T.INT64 else T.INT64]).reshape(shape)]
        expected.append(np.array([4]))
    for g, e in zip(got, expected, strict=True):
        assert_close(g, e)


def test_an_import_after_the_first_is_ignored() -> None:
    content = table_model(T.INT64, T.STRING, [1, 2], [b"a", b"b"], b"?")
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    for _ in range(3):
        interpreter.set_tensor(1, np.array([2, 9]))
        interpreter.invoke()
        assert interpreter.get_tensor(3).tolist() == [b"b", b"?"]
        assert interpreter.get_tensor(4).tolist() == [2]


def test_a_table_without_import_is_refused() -> None:
    content = table_model(T.INT64, T.STRING, [1], [b"a"], b"?", filled=False)
    with pytest.raises(RuntimeError, match="before its import"):
        run_model(content, [np.array([1, 2])])


def test_a_table_of_other_types_is_refused() -> None:
    content = table_model(
        T.INT64, T.STRING, [1], [b"a"], b"?", declared=(T.STRING, T.INT64), filled=False
    )
    with pytest.raises(RuntimeError, match="maps STRING to INT64"):
        run_model(content, [np.array([1, 2])])


@pytest.mark.parametrize("pair", [(T.INT32, T.STRING), (T.INT64, T.INT64), (T.FLOAT32, T.INT64)])
def test_types_without_table_are_refused(pair: tuple[TensorType, TensorType]) -> None:
    content = table_model(T.INT64, T.STRING, [1], [b"a"], b"?", declared=pair)
    with pytest.raises(RuntimeError, match="expected INT64 and STRING"):
        run_model(content, [np.array([1, 2])])


def test_a_handle_of_no_table_is_refused() -> None:
    b = Builder()
    handle, count = b.tensor(T.RESOURCE, (1,)), b.tensor(T.INT64, (1,))
    b.node("VAR_HANDLE", [], [handle])
    b.node("HASHTABLE_SIZE", [handle], [count])
    content = write_model(Model((b.graph([], [count]),)))
    with pytest.raises(RuntimeError, match="no hashtable 0"):
        run_model(content, [])
