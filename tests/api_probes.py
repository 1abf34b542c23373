"""What a caller sees of an interpreter, as plain data: run on litegpu here and on LiteRT in its own
process.

Each probe takes the module (`litegpu`, or LiteRT's `interpreter`) and a model. `attempt` records
the exception that a call raises: its TFLite base type and its message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

KINDS = (AttributeError, TypeError, ValueError, RuntimeError, OSError)


def plain(value: Any) -> Any:
    """Arrays as (dtype, shape, values), classes as names, containers likewise."""
    if isinstance(value, np.ndarray):
        return "array", value.dtype.name, value.shape, value.tolist()
    if isinstance(value, np.generic):
        return "scalar", value.dtype.name, value.item()
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, dict):
        return [(k, plain(v)) for k, v in value.items()]
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def attempt(call: Callable[[], Any]) -> Any:
    try:
        return plain(call())
    except Exception as error:
        return "raises", [k.__name__ for k in KINDS if isinstance(error, k)], str(error)


def open_model(tf: Any, model: bytes, allocate: bool = True, **kwargs: Any) -> Any:
    kwargs.setdefault("experimental_op_resolver_type", tf.OpResolverType.BUILTIN_REF)
    interpreter = tf.Interpreter(model_content=model, **kwargs)
    if allocate:
        interpreter.allocate_tensors()
    return interpreter


def details(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model)
    return plain([it.get_input_details(), it.get_output_details(), it.get_tensor_details()])


def op_details(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model)
    return [
        plain(it._get_ops_details()),
        attempt(lambda: it._get_op_details(99)),
        it.num_subgraphs(),
    ]


def bad_indices(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model)
    x = np.zeros((2, 3), np.float32)
    it.set_tensor(0, x)
    function = it.tensor(99)
    return [
        attempt(lambda: it.get_tensor(99)),
        attempt(lambda: it.get_tensor(-1)),
        attempt(lambda: it.set_tensor(99, x)),
        attempt(function),
        attempt(lambda: it.get_tensor(1.0)),
        attempt(lambda: it.get_tensor("0")),
        attempt(lambda: it.get_tensor(np.int64(0))),
        attempt(lambda: it.get_tensor(0, 5)),
        attempt(lambda: it.get_tensor_details(1)),
    ]


def bad_values(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model)
    values = [
        np.zeros((2, 3), np.float64),
        [[0, 1, 2], [3, 4, 5]],
        np.zeros((2, 3), np.int32),
        np.zeros(3, np.float32),
        np.zeros((2, 4), np.float32),
        np.zeros((1, 3), np.float32),
        np.array([["a"] * 3] * 2, object),
        np.float32(1),
    ]
    return [attempt(lambda v=v: it.set_tensor(0, v)) for v in values]


def unallocated(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model, allocate=False)
    return [
        attempt(lambda: it.set_tensor(0, np.zeros((2, 3), np.float32))),
        attempt(lambda: it.get_tensor(0)),
        attempt(it.tensor(0)),
        attempt(it.invoke),
        attempt(lambda: it.get_tensor(1)),
    ]


def layouts(tf: Any, model: bytes) -> Any:
    """Non-contiguous and Fortran-ordered inputs; results own their data."""
    it = open_model(tf, model)
    base = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = []
    for value in (base[::2], np.asfortranarray(base[:2]), base[:2][:, ::-1]):
        it.set_tensor(0, value)
        it.invoke()
        result = it.get_tensor(4)
        found.append([plain(result), bool(result.flags.owndata)])
    return found


def rank_zero(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model)
    it.set_tensor(0, np.float32(2.5))
    it.invoke()
    return [plain(it.get_tensor(1)), plain(it.tensor(1)()), plain(it.get_input_details())]


def views(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model)
    function = it.tensor(0)
    view = function()
    view[:] = 4
    guarded = [
        attempt(it.invoke),
        attempt(it.allocate_tensors),
        attempt(lambda: it.resize_tensor_input(0, [1, 3])),
    ]
    part = view[0]
    del view
    guarded.append(attempt(it.invoke))
    unguarded = [attempt(lambda: it.get_tensor(0)), attempt(it.get_input_details)]
    del part
    free = attempt(it.invoke)
    return [guarded, unguarded, free, plain(it.get_tensor(4)), it._safe_to_run()]


def resizing(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model)
    it.resize_tensor_input(0, [4, 3])
    pending = [
        plain(it.get_input_details()),
        attempt(it.invoke),
        attempt(lambda: it.get_tensor(0)),
        attempt(lambda: it.set_tensor(0, np.zeros((4, 3), np.float32))),
    ]
    it.allocate_tensors()
    it.set_tensor(0, np.ones((4, 3), np.float32))
    it.invoke()
    done = [
        plain(it.get_tensor(it.get_output_details()[0]["index"])),
        plain(it.get_output_details()),
    ]
    return pending + done


def bad_sizes(tf: Any, model: bytes) -> Any:
    """A fresh interpreter for each attempt: LiteRT's messages accumulate."""
    shape = open_model(tf, model).get_input_details()[0]["shape"]
    rank = len(shape)

    def resize(index: int, size: Any, strict: bool = False) -> Any:
        it = open_model(tf, model)
        return attempt(lambda: it.resize_tensor_input(index, size, strict))

    return [
        resize(0, 3),
        resize(99, [1, 3]),
        resize(0, [-2] * rank),
        resize(0, [7] * rank, strict=True),
        resize(0, [1] * (rank + 1), strict=True),
        resize(0, shape, strict=True),
    ]


def rank_change(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model)
    found = []
    for shape in ([2, 2, 3], [0, 3], [2.7, 3]):
        it.resize_tensor_input(0, shape)
        it.allocate_tensors()
        now = it.get_input_details()[0]["shape"]
        it.set_tensor(0, np.ones(now, np.float32))
        it.invoke()
        found.append(plain(it.get_tensor(4)))
    return found


def constants(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model, allocate=False)
    return plain(it.get_tensor(1))


def signatures(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model, allocate=False)
    return [plain(it.get_signature_list()), plain(it._get_full_signature_list())]


def runner(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model, allocate=False)
    plus, double = it.get_signature_runner("plus"), it.get_signature_runner("double")
    u, v = np.array([1, 2], np.float32), np.array([10, 20], np.float32)
    return [
        plain(plus(u=u, v=v)),
        plain(double(w=np.ones(3, np.float32))),
        plain(double(w=np.ones(5, np.float32))),
        plain(plus.get_input_details()),
        plain(double.get_output_details()),
        attempt(lambda: plus(u=u)),
        attempt(lambda: plus(u=u, q=v)),
        attempt(lambda: plus(u=u, v=[1.0, 2.0])),
        attempt(lambda: plus(u=u, v=v.astype(np.float64))),
        attempt(lambda: it.get_signature_runner()),
        attempt(lambda: it.get_signature_runner("zzz")),
        attempt(lambda: it.get_signature_runner("")),
    ]


def only_runner(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model, allocate=False)
    return plain(it.get_signature_runner()(x=np.array([3, 4], np.float32)))


def no_signatures(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model)
    return [plain(it.get_signature_list()), attempt(lambda: it.get_signature_runner())]


def construction(tf: Any, model: bytes) -> Any:
    def make(**kwargs: Any) -> Callable[[], Any]:
        return lambda: tf.Interpreter(**kwargs) and "made"

    both = {"model_path": "a.tflite", "model_content": model}
    return [
        attempt(make()),
        attempt(make(model_path="")),
        attempt(make(model_content=b"")),
        attempt(make(**both)),
        attempt(make(model_path="missing.tflite")),
        attempt(make(model_path=".")),
        attempt(make(model_path=3)),
        attempt(make(model_content=b"no flatbuffer at all, but long enough to look at")),
        attempt(make(model_content=model[:200])),
        attempt(make(model_content=model[:3])),
        attempt(make(model_content=model, experimental_op_resolver_type="x")),
        attempt(make(model_content=model, unknown_keyword=1)),
        attempt(make(model_content=model, num_threads=4.2)),
        attempt(make(model_content=model, num_threads="1")),
        attempt(make(model_content=model, num_threads=-2)),
        attempt(make(model_content=model, num_threads=True)),
        attempt(make(model_content=model, num_threads=2)),
    ]


def fails_to_load(tf: Any, model: bytes) -> Any:
    return attempt(lambda: tf.Interpreter(model_content=model) and "made")


def fails_to_allocate(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model, allocate=False)
    return attempt(it.allocate_tensors)


def fails_to_invoke(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model)
    it.set_tensor(0, np.arange(4, dtype=np.float32))
    it.set_tensor(1, np.array([1, 9], np.int32))
    failed = attempt(it.invoke)
    it.set_tensor(1, np.array([1, 3], np.int32))
    return [failed, attempt(it.invoke), plain(it.get_tensor(2))]


def text(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model)
    found = [plain(it.get_input_details())]
    for value in (
        np.array([b"ab", b"c\0d"], object),
        np.array(["\u00fc", "xyz"]),
        np.array([b"q", b"rs"]),
    ):
        it.set_tensor(0, value)
        it.invoke()
        found.append(plain(it.get_tensor(2)))
    found.append(attempt(lambda: it.set_tensor(0, np.array([1, 2], object))))
    found.append(attempt(lambda: it.set_tensor(0, ["a", "b"])))
    return found


def variables(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model)
    it.set_tensor(0, np.zeros(2, np.float32))
    it.set_tensor(1, np.array([5, 6], np.float32))
    found = []

    def read() -> None:
        it.invoke()
        found.append(plain(it.get_tensor(2)))

    read()
    it.allocate_tensors()
    it.set_tensor(0, np.zeros(2, np.float32))
    read()
    it.reset_all_variables()
    read()
    return found


def compressed(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model, experimental_compress_quantization_zero_points=True)
    flag = it.experimental_compress_quantization_zero_points
    return [flag, plain(it.get_tensor_details())]


def preserved(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model, experimental_preserve_all_tensors=True)
    it.set_tensor(0, np.full((2, 3), -5, np.float32))
    it.invoke()
    return plain([it.get_tensor(i) for i in range(5)])


def data_dependent(tf: Any, model: bytes) -> Any:
    it = open_model(tf, model)
    found = []
    for value in ([True, False, True, True], [False, True, False, False], [True] * 4):
        it.set_tensor(0, np.array(value))
        it.invoke()
        found.append([plain(it.get_tensor(2)), plain(it.get_output_details())])
    return found
