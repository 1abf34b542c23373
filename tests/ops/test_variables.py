"""Resource variables through whole models: assigned, read, reshaped, shared between graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter
from litegpu.graph import Graph, Model, Node, Signature, Tensor
from litegpu.schema.enums import TensorType
from litegpu.schema.options import VarHandleOptions
from litegpu.schema.writer import write_model

from tests import oracle
from tests.cases import run_model
from tests.tolerance import assert_close

T = TensorType
RNG = np.random.default_rng(142)


def handle(output: int, name: str = "v", container: str = "") -> Node:
    return Node("VAR_HANDLE", 1, (), (output,), VarHandleOptions(container, name))


def assign_then_read(
    dtype: TensorType,
    *,
    written: str = "v",
    read: str = "v",
    signature: tuple[int, ...] | None = None,
    declared: tuple[int, ...] = (2, 3),
    read_as: TensorType | None = None,
) -> bytes:
    tensors = (
        Tensor("x", (2, 3), dtype),
        Tensor("written", (1,), T.RESOURCE),
        Tensor("read", (1,), T.RESOURCE),
        Tensor("y", declared, read_as or dtype, shape_signature=signature),
    )
    nodes = (
        handle(1, written),
        Node("ASSIGN_VARIABLE", 1, (1, 0), ()),
        handle(2, read),
        Node("READ_VARIABLE", 1, (2,), (3,)),
    )
    return write_model(Model((Graph(tensors, nodes, (0,), (3,)),)))


def values(dtype: TensorType, shape: tuple[int, ...] = (2, 3)) -> Any:
    if dtype == T.STRING:
        found = np.empty(shape, object)
        found[...] = b"text"
        return found
    return RNG.integers(0, 2, shape).astype(
        {
            T.FLOAT32: np.float32,
            T.INT32: np.int32,
            T.INT64: np.int64,
            T.INT8: np.int8,
            T.UINT8: np.uint8,
            T.BOOL: np.bool_,
            T.FLOAT16: np.float16,
        }[dtype]
    )


@pytest.mark.parametrize(
    "dtype", [T.FLOAT32, T.INT32, T.INT64, T.INT8, T.UINT8, T.BOOL, T.FLOAT16], ids=lambda d: d.name
)
@pytest.mark.parametrize("declared", [(2, 3), ()], ids=["declared", "unknown"])
def test_reads_what_was_assigned(dtype: TensorType, declared: tuple[int, ...]) -> None:
    content, x = assign_then_read(dtype, declared=declared), values(dtype)
    [got] = run_model(content, [x], invokes=2)
    [expected] = oracle.run(content, [x], invokes=2)
    assert_close(got, expected)
    assert_close(got, x)


def test_strings() -> None:
    x = values(T.STRING)
    [got] = run_model(assign_then_read(T.STRING, declared=()), [x])
    assert_close(got, x)


@pytest.mark.parametrize("shape", [(4, 1), (), (0, 2), (3,)], ids=str)
def test_the_shape_follows_the_value_where_none_is_declared(shape: tuple[int, ...]) -> None:
    x = values(T.FLOAT32, shape)
    for content in (
        assign_then_read(T.FLOAT32, declared=()),
        assign_then_read(T.FLOAT32, declared=(1, 3), signature=(-1, 3)),
    ):
        [got] = run_model(content, [x])
        assert_close(got, x)


def test_a_value_that_does_not_fit_the_declared_shape_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"shape \[4, 1\]"):
        run_model(assign_then_read(T.FLOAT32), [values(T.FLOAT32, (4, 1))])


def test_reading_before_any_assignment_is_refused() -> None:
    with pytest.raises(RuntimeError, match="read before it was assigned"):
        run_model(assign_then_read(T.FLOAT32, read="other"), [values(T.FLOAT32)])


def test_reading_as_another_type_is_refused() -> None:
    with pytest.raises(RuntimeError, match="holds FLOAT32"):
        run_model(assign_then_read(T.FLOAT32, read_as=T.INT32), [values(T.FLOAT32)])


def test_a_handle_of_several_elements_is_refused() -> None:
    tensors = (Tensor("h", (2,), T.RESOURCE), Tensor("y", (2,), T.FLOAT32))
    graph = Graph(tensors, (Node("READ_VARIABLE", 1, (0,), (1,)),), (0,), (1,))
    with pytest.raises(RuntimeError, match="one element"):
        run_model(write_model(Model((graph,))), [np.zeros(2, np.int32)])


def writer_and_reader(names: tuple[str, str], containers: tuple[str, str] = ("", "")) -> bytes:
    write = Graph(
        (Tensor("x", (3,), T.FLOAT32), Tensor("h", (1,), T.RESOURCE)),
        (handle(1, names[0], containers[0]), Node("ASSIGN_VARIABLE", 1, (1, 0), ())),
        (0,),
        (),
    )
    read = Graph(
        (Tensor("h", (1,), T.RESOURCE), Tensor("y", (3,), T.FLOAT32)),
        (handle(0, names[1], containers[1]), Node("READ_VARIABLE", 1, (0,), (1,))),
        (),
        (1,),
    )
    signatures = (Signature("write", {"x": 0}, {}, 0), Signature("read", {}, {"y": 1}, 1))
    return write_model(Model((write, read), signatures))


def test_variables_are_shared_by_name_between_graphs() -> None:
    interpreter = Interpreter(model_content=writer_and_reader(("a", "a")))
    write = interpreter.get_signature_runner("write")
    read = interpreter.get_signature_runner("read")
    for x in (np.float32([1, 2, 3]), np.float32([4, 5, 6])):
        write(x=x)
        np.testing.assert_array_equal(read()["y"], x)
        interpreter.reset_all_variables()
        np.testing.assert_array_equal(read()["y"], x)


@pytest.mark.parametrize(
    ("names", "containers"), [(("a", "b"), ("", "")), (("a", "a"), ("one", "two"))], ids=str
)
def test_other_names_and_containers_are_other_variables(
    names: tuple[str, str], containers: tuple[str, str]
) -> None:
    interpreter = Interpreter(model_content=writer_and_reader(names, containers))
    interpreter.get_signature_runner("write")(x=np.zeros(3, np.float32))
    with pytest.raises(RuntimeError, match="read before it was assigned"):
        interpreter.get_signature_runner("read")()


def test_interpreters_do_not_share_variables() -> None:
    content = writer_and_reader(("a", "a"))
    Interpreter(model_content=content).get_signature_runner("write")(x=np.zeros(3, np.float32))
    with pytest.raises(RuntimeError, match="read before it was assigned"):
        Interpreter(model_content=content).get_signature_runner("read")()
