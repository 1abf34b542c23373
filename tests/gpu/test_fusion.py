"""Fusion: which nodes have a kernel of their own, and that results do not depend on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter
from litegpu.delegates.lowering.context import Options
from litegpu.schema import options as o
from litegpu.schema.enums import ActivationFunctionType as Act
from litegpu.schema.enums import TensorType
from litegpu.schema.writer import write_model

from ci.bench.builder import Builder
from ci.bench.layers import Value
from tests.devices import delegates, no_fallback
from tests.tolerance import assert_close

from .fakes import FAKES, lower

IMAGE = (1, 6, 5, 8)
Net = Callable[[Builder, Value], Value]


@dataclass(frozen=True)
class Fused:
    """`build` adds layers to an input of `shape`; only `launched` nodes have kernels."""

    name: str
    launched: tuple[str, ...]
    build: Net
    int8: bool = False
    shape: tuple[int, ...] = IMAGE

    def __str__(self) -> str:
        return f"{self.name} int8" if self.int8 else self.name


def unary(net: Builder, op: str, x: Value) -> Value:
    return net.node(op, [x.index], net.value(x.shape))


def chain(net: Builder, x: Value) -> Value:
    doubled = net.multiply(net.add(x, x, Act.RELU), net.number(0.25), 1.0, -4.8, 5.2)
    return unary(net, "TANH", unary(net, "NEG", doubled))


def broadcast_chain(net: Builder, x: Value) -> Value:
    """Operands of other shapes than the chain's: a channel's mean, which is there before."""
    mean = net.mean(x, (1, 2), 0.2, -1.0, 1.0)
    return unary(net, "ABS", net.add(unary(net, "NEG", x), mean))


def residual(net: Builder, x: Value) -> Value:
    return net.add(x, net.conv(x, 8, 3, activation=Act.NONE), Act.RELU)


def depthwise_residual(net: Builder, x: Value) -> Value:
    return net.add(net.depthwise(x, 3), x)


def swished(net: Builder, x: Value) -> Value:
    """x * sigmoid(x), twice: both factors come from one kernel."""
    return net.swish(net.swish(net.conv(x, 12, 3, activation=Act.NONE)))


def squared(net: Builder, x: Value) -> Value:
    y = net.conv(x, 8, 1, activation=Act.NONE)
    return net.multiply(y, y, 1.0, 0.0, 25.0)


def gate_read_twice(net: Builder, x: Value) -> Value:
    """The convolution is stored, as its first reader is read twice; all else comes from that."""
    y = net.conv(x, 8, 1, activation=Act.NONE)
    gate = net.sigmoid(y)
    return net.add(net.multiply(y, gate, 0.36, -0.3, 5.0), gate)


def dense_gelu(net: Builder, x: Value) -> Value:
    return net.gelu(net.dense(x, 12))


def scaled_product(net: Builder, x: Value) -> Value:
    return net.multiply(net.matmul(x, x, True, 8.0, 10.0), net.number(0.3), 1.0, -4.8, 4.8)


def pooled(net: Builder, x: Value) -> Value:
    return unary(net, "NEG", net.max_pool(x, 3, 2))


def normalised(net: Builder, x: Value) -> Value:
    return unary(net, "RSQRT", net.mean(net.multiply(x, x, 1.0, 0.0, 25.0), (3,), 1.0, 0.0, 9.0))


def two_readers(net: Builder, x: Value) -> Value:
    """What two nodes read is stored, and is computed once."""
    y = unary(net, "EXP", x)
    return net.add(unary(net, "SIN", y), unary(net, "COS", y))


def reshaped(net: Builder, x: Value) -> Value:
    return unary(net, "SIN", net.reshape(unary(net, "COS", x), (x.shape[0], 240)))


def bordered(net: Builder, x: Value) -> Value:
    batch, height, width, channels = x.shape
    amounts = np.array([[0, 0], [1, 2], [0, 3], [0, 0]], np.int32)
    out = net.value((batch, height + 3, width + 3, channels), x.power, x.low, x.high)
    return net.node("PAD", [x.index, net.constant(amounts, TensorType.INT32)], out)


def padded_conv(net: Builder, x: Value) -> Value:
    return net.conv(bordered(net, x), 8, 3, stride=2)


def padded_depthwise(net: Builder, x: Value) -> Value:
    return net.depthwise(bordered(net, x), 3, stride=2)


def padded_twice(net: Builder, x: Value) -> Value:
    """Two convolutions read the padded image, which is stored."""
    image = bordered(net, x)
    return net.add(net.conv(image, 8, 3), net.depthwise(image, 3))


NETS = [
    Fused("chain", ("ADD",), chain),
    Fused("broadcast chain", ("MEAN", "NEG"), broadcast_chain),
    Fused("conv, residual, relu", ("CONV_2D",), residual),
    Fused("conv, residual, relu", ("CONV_2D",), residual, int8=True),
    Fused("depthwise, residual", ("DEPTHWISE_CONV_2D",), depthwise_residual),
    Fused("depthwise, residual", ("DEPTHWISE_CONV_2D",), depthwise_residual, int8=True),
    Fused("swish", ("CONV_2D",), swished),
    Fused("swish", ("CONV_2D",), swished, int8=True),
    Fused("square", ("CONV_2D",), squared),
    Fused("gate read twice", ("CONV_2D", "LOGISTIC"), gate_read_twice),
    Fused("dense, gelu", ("FULLY_CONNECTED",), dense_gelu, shape=(3, 8)),
    Fused("dense, gelu", ("FULLY_CONNECTED",), dense_gelu, True, (3, 8)),
    Fused("matmul, mul", ("BATCH_MATMUL",), scaled_product, shape=(2, 5, 8)),
    Fused("matmul, mul", ("BATCH_MATMUL",), scaled_product, True, (2, 5, 8)),
    Fused("pool, neg", ("MAX_POOL_2D",), pooled),
    Fused("mean, rsqrt", ("MUL", "MEAN"), normalised),
    Fused("pad, conv", ("CONV_2D",), padded_conv),
    Fused("pad, conv", ("CONV_2D",), padded_conv, int8=True),
    Fused("pad, depthwise", ("DEPTHWISE_CONV_2D",), padded_depthwise),
    Fused("pad, depthwise", ("DEPTHWISE_CONV_2D",), padded_depthwise, int8=True),
    Fused("pad, two convs", ("PAD", "CONV_2D", "DEPTHWISE_CONV_2D"), padded_twice),
    Fused("two readers", ("EXP", "SIN", "COS"), two_readers),
    Fused("reshape", ("COS", "SIN"), reshaped),
]


def content(net: Fused) -> bytes:
    builder = Builder(net.int8)
    given = builder.value(net.shape)
    return write_model(builder.model([given], [net.build(builder, given)]))


@pytest.mark.parametrize("kind", FAKES)
@pytest.mark.parametrize("net", NETS, ids=str)
def test_fused_nodes_have_no_kernel(net: Fused, kind: str) -> None:
    (lowered,) = lower(content(net), FAKES[kind]).lowered
    nodes = dict.fromkeys(launch.node for launch in lowered.program.launches)
    ops = [lowered.graph.nodes[n].op for n in nodes]
    # Of two nodes that read the same, the second may or may not take the last into its kernel.
    assert sorted(ops) == sorted(net.launched)


@pytest.mark.parametrize("device", ["opencl", "cuda"])
@pytest.mark.parametrize("net", NETS, ids=str)
def test_fusion_changes_no_result(net: Fused, device: str) -> None:
    delegate = delegates(device)
    results = [
        outputs(content(net), experimental_delegates=[]),
        outputs(content(net), experimental_delegates=delegate),
        outputs(
            content(net),
            experimental_delegates=delegate,
            experimental_disable_delegate_node_fusion=True,
        ),
    ]
    for got in results[1:]:
        assert_close(got, results[0], net.name)


def test_results_that_are_kept_are_not_fused() -> None:
    """With experimental_preserve_all_tensors every intermediate can be read."""
    net = NETS[0]
    with pytest.warns(UserWarning, match="preserve_all_tensors"):
        kept = Interpreter(
            model_content=content(net),
            experimental_delegates=delegates("opencl"),
            experimental_preserve_all_tensors=True,
        )
    plain = Interpreter(model_content=content(net), experimental_delegates=delegates("opencl"))
    for interpreter in (kept, plain):
        run(interpreter)
    node = kept._model.graphs[0].nodes[0]
    x = kept.get_tensor(node.inputs[0])
    np.testing.assert_array_equal(kept.get_tensor(node.outputs[0]), np.maximum(x + x, 0))
    last = kept.get_output_details()[0]["index"]
    assert_close(kept.get_tensor(last), plain.get_tensor(last))


def outputs(model: bytes, **options: Any) -> Any:
    interpreter = Interpreter(model_content=model, **options)
    with no_fallback():
        run(interpreter)
    if options["experimental_delegates"]:
        (delegate,) = options["experimental_delegates"]
        assert {n.owner for n in interpreter.explain().subgraphs[0].nodes} == {delegate.name}
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def run(interpreter: Interpreter) -> None:
    interpreter._session.poison = True
    interpreter.allocate_tensors()
    (detail,) = interpreter.get_input_details()
    rng = np.random.default_rng(3)
    values = rng.normal(0, 1, detail["shape"])
    if detail["dtype"] != np.float32:
        values = rng.integers(-128, 128, detail["shape"])
    interpreter.set_tensor(detail["index"], values.astype(detail["dtype"]))
    interpreter.invoke()


def test_float16_weights_are_dequantized_once() -> None:
    """A constant DEQUANTIZE is no node of the partition, and its reader's weights are constant."""
    from litegpu.graph import Graph, Model, Node, Tensor
    from litegpu.schema.enums import TensorType as T

    weights = np.linspace(-1, 1, 12, dtype=np.float16).reshape(3, 4)
    tensors = (
        Tensor("x", (2, 4), T.FLOAT32),
        Tensor("w16", (3, 4), T.FLOAT16, data=np.frombuffer(weights.tobytes(), np.uint8)),
        Tensor("w", (3, 4), T.FLOAT32),
        Tensor("y", (2, 3), T.FLOAT32),
    )
    nodes = (
        Node("DEQUANTIZE", 3, (1,), (2,)),
        Node("FULLY_CONNECTED", 1, (0, 2, -1), (3,), o.FullyConnectedOptions()),
    )
    model = write_model(Model((Graph(tensors, nodes, (0,), (3,), "main"),)))
    (lowered,) = lower(model, FAKES["gpu"]).lowered
    assert lowered.part.nodes == (1,)
    assert lowered.part.inputs == (0,)
    (narrow,) = lower(model, FAKES["gpu"], options=Options("fp16")).lowered
    packed = [constant.make() for constant in narrow.program.constants]
    (kept,) = (array for array in packed if array.dtype == np.float16)
    np.testing.assert_array_equal(kept[0], weights)
