"""Small models that several tests use, made with the project's writer."""

from __future__ import annotations

from typing import Any

import numpy as np
from litegpu.graph import Graph, Model, Node, Quantization, Signature, Tensor
from litegpu.schema import options as o
from litegpu.schema import options2 as o2
from litegpu.schema.enums import ActivationFunctionType, TensorType
from litegpu.schema.writer import write_model

F32 = TensorType.FLOAT32
I32 = TensorType.INT32


def raw(values: Any) -> Any:
    return np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)


def constant(
    name: str, values: Any, dtype: TensorType = F32, quant: Quantization | None = None
) -> Tensor:
    array = np.asarray(values)
    return Tensor(name, array.shape, dtype, data=raw(array), quant=quant)


def add_node(a: int, b: int, c: int) -> Node:
    return Node("ADD", 1, (a, b), (c,), o.AddOptions())


def single(graph: Graph, *more: Graph, signatures: tuple[Signature, ...] = ()) -> bytes:
    return write_model(Model((graph, *more), signatures))


def chain() -> bytes:
    """y = relu(x + 1) + 10 for x of [2, 3]; tensor 2 is intermediate."""
    tensors = (
        Tensor("x", (2, 3), F32, shape_signature=(-1, 3)),
        constant("one", np.ones(3, np.float32)),
        Tensor("hidden", (2, 3), F32, shape_signature=(-1, 3)),
        constant("ten", np.full(3, 10, np.float32)),
        Tensor("y", (2, 3), F32, shape_signature=(-1, 3)),
    )
    relu = o.AddOptions(fused_activation_function=ActivationFunctionType.RELU)
    nodes = (Node("ADD", 1, (0, 1), (2,), relu), add_node(2, 3, 4))
    return single(Graph(tensors, nodes, (0,), (4,), "main"))


def scalar() -> bytes:
    """y = x + x of rank 0."""
    tensors = (Tensor("x", (), F32), Tensor("y", (), F32))
    return single(Graph(tensors, (add_node(0, 0, 1),), (0,), (1,), "main"))


def two_inputs() -> bytes:
    """z = a + b, without stored shape signatures; a is [1, 4] int32."""
    tensors = (Tensor("a", (1, 4), I32), Tensor("b", (1, 4), I32), Tensor("z", (1, 4), I32))
    return single(Graph(tensors, (add_node(0, 1, 2),), (0, 1), (2,), "main"))


def quantized() -> bytes:
    """Per-tensor int8 input, per-channel int8 weights, int8 output of a FULLY_CONNECTED."""
    weights = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)
    per_channel = Quantization(np.array([0.5, 0.25, 0.125], np.float32), np.zeros(3, np.int64), 0)

    def per_tensor(scale: float, zero_point: int) -> Quantization:
        return Quantization(np.array([scale], np.float32), np.array([zero_point], np.int64))

    tensors = (
        Tensor("x", (1, 4), TensorType.INT8, quant=per_tensor(0.5, -3)),
        constant("w", weights, TensorType.INT8, per_channel),
        Tensor("y", (1, 3), TensorType.INT8, quant=per_tensor(1.5, 4)),
    )
    node = Node("FULLY_CONNECTED", 4, (0, 1, -1), (2,), o.FullyConnectedOptions())
    return single(Graph(tensors, (node,), (0,), (2,), "main"))


def strings() -> bytes:
    """A string input reshaped to an output."""
    tensors = (
        Tensor("x", (2,), TensorType.STRING),
        constant("shape", np.array([2, 1], np.int32), I32),
        Tensor("y", (2, 1), TensorType.STRING),
    )
    node = Node("RESHAPE", 1, (0, 1), (2,), o.ReshapeOptions(new_shape=(2, 1)))
    return single(Graph(tensors, (node,), (0,), (2,), "main"))


def two_signatures() -> bytes:
    """`plus` computes p = u + v in graph 0; `double` computes d = w + w in graph 1."""
    plus = Graph(
        (Tensor("u", (2,), F32), Tensor("v", (2,), F32), Tensor("p", (2,), F32)),
        (add_node(0, 1, 2),),
        (0, 1),
        (2,),
        "plus",
    )
    double = Graph(
        (Tensor("w", (3,), F32), Tensor("d", (3,), F32)), (add_node(0, 0, 1),), (0,), (1,), "double"
    )
    signatures = (
        Signature("plus", {"v": 1, "u": 0}, {"p": 2}, 0),
        Signature("double", {"w": 0}, {"d": 1}, 1),
    )
    return single(plus, double, signatures=signatures)


def one_signature() -> bytes:
    """`serve`: y = x + x."""
    graph = Graph(
        (Tensor("in", (2,), F32), Tensor("out", (2,), F32)),
        (add_node(0, 0, 1),),
        (0,),
        (1,),
        "main",
    )
    return single(graph, signatures=(Signature("serve", {"x": 0}, {"y": 1}),))


def custom(code: str = "Sinh") -> bytes:
    """y = custom(x) for x of [3]."""
    tensors = (Tensor("x", (3,), F32), Tensor("y", (3,), F32))
    node = Node(code, 1, (0,), (1,), b"", custom=True)
    return single(Graph(tensors, (node,), (0,), (1,), "main"))


def gather() -> bytes:
    """y = GATHER(x of [4], i of [2]): fails at invoke for indices out of range."""
    tensors = (Tensor("x", (4,), F32), Tensor("i", (2,), I32), Tensor("y", (2,), F32))
    node = Node("GATHER", 1, (0, 1), (2,), o.GatherOptions())
    return single(Graph(tensors, (node,), (0, 1), (2,), "main"))


def mismatch() -> bytes:
    """ADD of [2, 3] and [4]: cannot be prepared."""
    tensors = (Tensor("a", (2, 3), F32), Tensor("b", (4,), F32), Tensor("y", (2, 3), F32))
    return single(Graph(tensors, (add_node(0, 1, 2),), (0, 1), (2,), "main"))


def unregistered() -> bytes:
    """A builtin that LiteRT does not register."""
    tensors = (Tensor("x", (2,), F32), Tensor("y", (2,), F32))
    node = Node("STABLEHLO_CUSTOM_CALL", 1, (0,), (1,), o2.StablehloCustomCallOptions())
    return single(Graph(tensors, (node,), (0,), (1,), "main"))


def accumulator() -> bytes:
    """y = SVDF-like state: a variable tensor is read by an ADD; only reset or a kernel changes
    it."""
    tensors = (
        Tensor("x", (2,), F32),
        Tensor("state", (2,), F32, is_variable=True),
        Tensor("y", (2,), F32),
    )
    return single(Graph(tensors, (add_node(0, 1, 2),), (0,), (2,), "main"))


def where() -> bytes:
    """Rows of WHERE(x > 0 given as bool), cast to float, plus one: shapes depend on data."""
    tensors = (
        Tensor("x", (4,), TensorType.BOOL),
        Tensor("rows", (1, 1), TensorType.INT64),
        Tensor("y", (1, 1), F32),
    )
    nodes = (
        Node("WHERE", 1, (0,), (1,), o.WhereOptions()),
        Node(
            "CAST", 1, (1,), (2,), o.CastOptions(in_data_type=TensorType.INT64, out_data_type=F32)
        ),
    )
    return single(Graph(tensors, nodes, (0,), (2,), "main"))
