"""The public class against LiteRT: the same probes run on both, and what they see must agree."""

from __future__ import annotations

import pickle
import threading
import warnings
from pathlib import Path
from typing import Any

import litegpu
import numpy as np
import pytest
from litegpu import Interpreter, Limits, OpResolverType
from litegpu.errors import OpError

from . import api_probes, models, oracle

SAME = [
    ("details", models.chain),
    ("details", models.two_inputs),
    ("details", models.quantized),
    ("details", models.scalar),
    ("details", models.strings),
    ("op_details", models.chain),
    ("op_details", models.quantized),
    ("bad_indices", models.chain),
    ("bad_values", models.chain),
    ("unallocated", models.chain),
    ("layouts", models.chain),
    ("rank_zero", models.scalar),
    ("views", models.chain),
    ("resizing", models.chain),
    ("bad_sizes", models.chain),
    ("bad_sizes", models.two_inputs),
    ("rank_change", models.chain),
    ("constants", models.chain),
    ("signatures", models.two_signatures),
    ("signatures", models.one_signature),
    ("runner", models.two_signatures),
    ("only_runner", models.one_signature),
    ("no_signatures", models.chain),
    ("construction", models.chain),
    ("fails_to_load", models.unregistered),
    ("fails_to_allocate", models.custom),
    ("fails_to_allocate", lambda: models.custom("FlexAddV2")),
    ("fails_to_allocate", models.mismatch),
    ("fails_to_invoke", models.gather),
    ("text", models.strings),
    ("variables", models.accumulator),
    ("compressed", models.quantized),
    ("preserved", models.chain),
    ("data_dependent", models.where),
]

PHRASES = (
    "Dimension mismatch",
    "Got value of type",
    "There is at least 1 reference to internal data",
    "Invalid tensor index",
    "Invalid subgraph index",
    "Invalid node index",
    "Tensor is unallocated",
    "Tensor data is null",
    "Invoke called on model that is not ready",
    "ResizeInputTensorStrict only allows",
    "Shape should be 1D",
    "number of elements overflowed",
    "Invalid number of inputs provided",
    "Invalid Input name",
    "SignatureDef signature_key is None",
    "Invalid signature_key provided",
    "None signature_key provided",
    "must be specified",
    "Can't both provide",
    "Could not open",
    "The model is not a valid Flatbuffer buffer",
    "Unrecognized passed in op resolver type",
    "Didn't find op for builtin opcode",
    "Encountered unresolved custom op: Sinh",
    "Select TensorFlow op(s)",
    "failed to prepare",
    "failed to invoke",
    "are not broadcastable",
    "PyBytes_AsStringAndSize() failed",
    "Passed in value type is not a numpy array",
    "subgraph_index is out of range",
    "type of num_threads should be int",
)
"""What people match on: where LiteRT's message has one, litegpu's has it too."""


def agree(got: Any, expected: Any, path: str = "") -> None:
    """Equal data; for exceptions, a type that catches as LiteRT's does and the same phrases."""
    if isinstance(expected, tuple) and expected and expected[0] == "raises":
        assert isinstance(got, tuple), f"{path}: no error; expected {expected}"
        assert got[0] == "raises", f"{path}: {got} where {expected} was expected"
        assert set(expected[1]) <= set(got[1]), f"{path}: {got} where {expected} was expected"
        missing = [p for p in PHRASES if p in expected[2] and p not in got[2]]
        assert not missing, f"{path}: {missing} not in {got[2]!r}"
    elif isinstance(expected, list | tuple):
        assert type(got) is type(expected), f"{path}: {got} where {expected} was expected"
        assert len(got) == len(expected), f"{path}: {got} where {expected} was expected"
        for i, (g, e) in enumerate(zip(got, expected, strict=True)):
            agree(g, e, f"{path}[{i}]")
    else:
        assert got == expected, f"{path}: {got} where {expected} was expected"


@pytest.mark.parametrize(
    ("probe", "model"), SAME, ids=[f"{p} {getattr(m, '__name__', 'flex')}" for p, m in SAME]
)
def test_agrees_with_litert(probe: str, model: Any) -> None:
    content = model()
    expected = oracle.evaluate("tests.api_probes", probe, model=content)
    agree(getattr(api_probes, probe)(litegpu, content), expected)


@pytest.mark.parametrize("count", [-1, 0, 1, 2, np.int64(2), None, True])
def test_num_threads_that_are_accepted(count: Any) -> None:
    Interpreter(model_content=models.chain(), num_threads=count)


@pytest.mark.parametrize("count", [-2, 4.2, "1"])
def test_num_threads_that_are_refused(count: Any) -> None:
    with pytest.raises(ValueError, match="num_threads"):
        Interpreter(model_content=models.chain(), num_threads=count)


def run(interpreter: Interpreter, value: Any) -> Any:
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


ONES = np.ones((2, 3), np.float32)


def test_all_arguments_may_be_positional() -> None:
    it = Interpreter(
        None,
        models.chain(),
        [],
        1,
        OpResolverType.BUILTIN_REF,
        False,
        False,
        False,
        True,
        False,
        False,
    )
    assert it.experimental_compress_quantization_zero_points
    np.testing.assert_array_equal(run(it, ONES), 12)


@pytest.mark.parametrize(
    "kind", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, np.uint8)]
)
def test_model_content_of_any_buffer_type(kind: Any) -> None:
    np.testing.assert_array_equal(run(Interpreter(model_content=kind(models.chain())), ONES), 12)


def test_model_path_of_any_kind(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(models.chain())
    for form in (path, str(path), str(path).encode()):
        np.testing.assert_array_equal(run(Interpreter(form), ONES), 12)


def test_big_endian_input_is_converted() -> None:
    it = Interpreter(model_content=models.chain())
    np.testing.assert_array_equal(run(it, ONES.astype(">f4")), 12)


def test_intermediate_tensor_needs_preserve() -> None:
    it = Interpreter(model_content=models.chain())
    run(it, ONES)
    with pytest.raises(ValueError, match="experimental_preserve_all_tensors"):
        it.get_tensor(2)


def test_preserve_warns_once_for_default_resolvers() -> None:
    def caught(resolver: OpResolverType) -> list[Any]:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            Interpreter(
                model_content=models.chain(),
                experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=resolver,
            )
        return found

    assert len(caught(OpResolverType.AUTO)) == len(caught(OpResolverType.BUILTIN)) == 1
    assert "experimental_preserve_all_tensors" in str(caught(OpResolverType.AUTO)[0].message)
    assert not caught(OpResolverType.BUILTIN_REF)
    assert not caught(OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)


def test_messages_do_not_accumulate() -> None:
    it = Interpreter(model_content=models.gather())
    it.allocate_tensors()
    it.set_tensor(1, np.array([9, 9], np.int32))
    texts = []
    for _ in range(2):
        with pytest.raises(RuntimeError) as caught:
            it.invoke()
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    assert "GATHER (node 0, 'y')" in texts[0]


def test_errors_are_of_both_worlds() -> None:
    it = Interpreter(model_content=models.chain())
    for kind in (RuntimeError, ValueError):
        with pytest.raises(kind, match="not ready"):
            it.invoke()


def test_runner_takes_method_name_and_has_a_view_guard() -> None:
    it = Interpreter(model_content=models.two_signatures())
    runner = it.get_signature_runner(method_name="plus")
    u = np.ones(2, np.float32)
    np.testing.assert_array_equal(runner(u=u, v=u)["p"], 2)
    view = it.tensor(0)()
    with pytest.raises(RuntimeError, match="reference to internal data"):
        runner(u=u, v=u)
    del view
    runner(u=u, v=u)


def test_signature_runner_needs_an_interpreter() -> None:
    with pytest.raises(ValueError, match="None interpreter provided"):
        litegpu.SignatureRunner()


def test_view_outlives_the_interpreter() -> None:
    it = Interpreter(model_content=models.chain())
    run(it, ONES)
    view = it.tensor(4)()
    del it
    np.testing.assert_array_equal(view, 12)


def test_constants_can_be_set() -> None:
    it = Interpreter(model_content=models.chain())
    run(it, ONES)
    it.set_tensor(3, np.full(3, 100, np.float32))
    it.invoke()
    np.testing.assert_array_equal(it.get_tensor(4), 102)


def test_pickle(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(models.chain())
    for it in (Interpreter(str(path), num_threads=2), Interpreter(model_content=models.chain())):
        it.allocate_tensors()
        np.testing.assert_array_equal(run(pickle.loads(pickle.dumps(it)), ONES), 12)


def test_close() -> None:
    with Interpreter(model_content=models.chain()) as it:
        run(it, ONES)
    it.close()
    for call in (it.invoke, it.allocate_tensors, lambda: it.get_tensor(4)):
        with pytest.raises(RuntimeError, match="closed"):
            call()


def register_sinh(ops: litegpu.CustomOps) -> None:
    @ops.op("Sinh", prepare=lambda ctx: [ctx.shape(0)])
    def sinh(ctx: Any) -> Any:
        x, y = ctx.input(0), ctx.output(0)
        return lambda: np.sinh(x, out=y)


def test_custom_op_in_python() -> None:
    x = np.array([0, 1, -2], np.float32)
    it = litegpu.InterpreterWithCustomOps([register_sinh], model_content=models.custom())
    np.testing.assert_allclose(run(it, x), np.sinh(x))
    np.testing.assert_allclose(run(pickle.loads(pickle.dumps(it)), x), np.sinh(x))
    with pytest.raises(RuntimeError, match="unresolved custom op: Sinh"):
        Interpreter(model_content=models.custom()).allocate_tensors()


def test_custom_op_registerers_that_fail() -> None:
    with pytest.raises(ValueError, match="Looking up symbol 'RegisterSinh' failed"):
        litegpu.InterpreterWithCustomOps(["RegisterSinh"], model_content=models.custom())

    def broken(_: Any) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        litegpu.InterpreterWithCustomOps([broken], model_content=models.custom())


def test_custom_op_errors_name_the_node() -> None:
    def register(ops: litegpu.CustomOps) -> None:
        @ops.op("Sinh", prepare=lambda ctx: [ctx.shape(0)])
        def sinh(ctx: Any) -> Any:
            def step() -> None:
                raise OpError("no sinh today")

            return step

    it = litegpu.InterpreterWithCustomOps([register], model_content=models.custom())
    it.allocate_tensors()
    with pytest.raises(RuntimeError, match="no sinh today") as caught:
        it.invoke()
    assert "Node number 0 (Sinh) failed to invoke" in str(caught.value)


def test_limits() -> None:
    with pytest.raises(RuntimeError, match=r"limits\.tensor_bytes is 8"):
        Interpreter(model_content=models.chain(), limits=Limits(tensor_bytes=8)).allocate_tensors()
    with pytest.raises(RuntimeError, match=r"limits\.total_bytes is 8"):
        Interpreter(model_content=models.chain(), limits=Limits(total_bytes=8)).allocate_tensors()
    it = Interpreter(model_content=models.chain(), limits=Limits(invoke_seconds=0.0))
    it.allocate_tensors()
    with pytest.raises(RuntimeError, match="invoke_seconds"):
        it.invoke()


def test_plans_are_kept_by_shape() -> None:
    it = Interpreter(model_content=models.chain())
    plans = []
    for rows in (2, 5, 2):
        it.resize_tensor_input(0, [rows, 3])
        np.testing.assert_array_equal(
            run(it, np.ones((rows, 3), np.float32)), np.full((rows, 3), 12)
        )
        plans.append(it._plan)
    assert plans[0] is plans[2]
    assert plans[0] is not plans[1]


def test_one_interpreter_in_two_threads_is_an_error_and_no_wrong_result() -> None:
    entered, leave = threading.Event(), threading.Event()

    def register(ops: litegpu.CustomOps) -> None:
        @ops.op("Sinh", prepare=lambda ctx: [ctx.shape(0)])
        def wait(ctx: Any) -> Any:
            y = ctx.output(0)

            def step() -> None:
                entered.set()
                leave.wait(10)
                y.fill(1)

            return step

    it = litegpu.InterpreterWithCustomOps([register], model_content=models.custom())
    it.allocate_tensors()
    thread = threading.Thread(target=it.invoke)
    thread.start()
    entered.wait(10)
    x = np.ones(3, np.float32)
    calls = (it.invoke, it.allocate_tensors, lambda: it.set_tensor(0, x), lambda: it.get_tensor(1))
    for call in calls:
        with pytest.raises(RuntimeError, match="one interpreter per thread"):
            call()
    leave.set()
    thread.join()
    np.testing.assert_array_equal(it.get_tensor(1), 1)


def test_interpreters_in_threads_of_their_own() -> None:
    results: dict[int, Any] = {}

    def work(n: int) -> None:
        it = Interpreter(model_content=models.chain(), num_threads=1)
        for _ in range(50):
            results[n] = run(it, np.full((2, 3), n, np.float32))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(4):
        np.testing.assert_array_equal(results[n], n + 11)
