"""Networks with random weights, built through the project's own writer: what the benchmarks run."""

from __future__ import annotations

from collections.abc import Callable

from litegpu.schema.enums import ActivationFunctionType as Act
from litegpu.schema.writer import write_model

from .builder import Builder
from .layers import Value, layer

CLASSES = 1000

Ends = tuple[Value, Value]
"""The input of a network, and its output."""


def image(net: Builder, batch: int, size: int) -> Value:
    return net.value((batch, size, size, 3), 0.33, -1.0, 1.0)


def classifier(net: Builder, x: Value) -> Value:
    pooled = net.mean(x, (1, 2), 0.2, x.low, x.high / 4)
    flat = net.reshape(pooled, (pooled.shape[0], pooled.shape[3]))
    return net.dense(flat, CLASSES)


def mobilenet_v2(net: Builder, batch: int = 1, size: int = 224) -> Ends:
    """Sandler et al. 2018, arXiv:1801.04381, width 1.0."""
    given = image(net, batch, size)
    x = net.conv(given, 32, 3, 2)
    stages = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]
    for expansion, filters, count, first_stride in stages:
        for number in range(count):
            stride = first_stride if number == 0 else 1
            y = net.conv(x, expansion * x.shape[3], 1) if expansion > 1 else x
            y = net.conv(net.depthwise(y, 3, stride), filters, 1, activation=Act.NONE)
            x = net.add(x, y) if x.shape == y.shape else y
    return given, classifier(net, net.conv(x, 1280, 1))


def resnet50(net: Builder, batch: int = 1, size: int = 224) -> Ends:
    """He et al. 2015, arXiv:1512.03385, with the strides in the 3x3 convolutions."""
    given = image(net, batch, size)
    x = net.max_pool(net.conv(given, 64, 7, 2, Act.RELU), 3, 2)
    for filters, count, first_stride in [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]:
        for number in range(count):
            stride = first_stride if number == 0 else 1
            y = net.conv(net.conv(x, filters, 1, 1, Act.RELU), filters, 3, stride, Act.RELU)
            y = net.conv(y, 4 * filters, 1, activation=Act.NONE)
            skipped = x if x.shape == y.shape else net.conv(x, 4 * filters, 1, stride, Act.NONE)
            x = net.add(skipped, y, Act.RELU)
    return given, classifier(net, x)


def squeeze_and_excite(net: Builder, x: Value, filters: int) -> Value:
    pooled = net.mean(x, (1, 2), 0.1, x.low, x.high / 4)
    squeezed = net.swish(net.conv(pooled, filters, 1, activation=Act.NONE))
    gate = net.sigmoid(net.conv(squeezed, x.shape[3], 1, activation=Act.NONE))
    return net.multiply(x, gate, 0.3 * x.power, x.low, x.high)


def efficientnet_b0(net: Builder, batch: int = 1, size: int = 224) -> Ends:
    """Tan and Le 2019, arXiv:1905.11946."""
    given = image(net, batch, size)
    x = net.swish(net.conv(given, 32, 3, 2, Act.NONE))
    stages = [
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 40, 2, 2, 5),
        (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5),
        (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    ]
    for expansion, filters, count, first_stride, kernel in stages:
        for number in range(count):
            stride = first_stride if number == 0 else 1
            y = x
            if expansion > 1:
                y = net.swish(net.conv(x, expansion * x.shape[3], 1, activation=Act.NONE))
            y = net.swish(net.depthwise(y, kernel, stride, Act.NONE))
            y = squeeze_and_excite(net, y, max(1, x.shape[3] // 4))
            y = net.conv(y, filters, 1, activation=Act.NONE)
            x = net.add(x, y) if x.shape == y.shape else y
    x = net.swish(net.conv(x, 1280, 1, activation=Act.NONE))
    return given, classifier(net, x)


@layer
def attention(net: Builder, x: Value, heads: int) -> Value:
    batch, length, width = x.shape
    size = width // heads

    def split(projected: Value) -> Value:
        return net.transpose(net.reshape(projected, (batch, length, heads, size)), (0, 2, 1, 3))

    query, key, value = (split(net.dense(x, width)) for _ in range(3))
    scores = net.matmul(query, key, True, size, 4 * size**0.5)
    scaled = net.multiply(scores, net.number(size**-0.5), 1.0, -4.0, 4.0)
    mixed = net.matmul(net.softmax(scaled), value, False, 3 / length, 1.0)
    return net.dense(net.reshape(net.transpose(mixed, (0, 2, 1, 3)), x.shape), width)


def bert(
    net: Builder, batch: int = 1, length: int = 128, layers: int = 4, width: int = 512
) -> Ends:
    """The encoder of Devlin et al. 2018, arXiv:1810.04805, from embeddings on; 64 a head."""
    given = x = net.value((batch, length, width))
    for _ in range(layers):
        x = net.layer_norm(net.add(x, attention(net, x, width // 64)))
        hidden = net.gelu(net.dense(x, 4 * width))
        x = net.layer_norm(net.add(x, net.dense(hidden, width)))
    return given, x


NETWORKS: dict[str, Callable[..., Ends]] = {
    "mobilenet_v2": mobilenet_v2,
    "resnet50": resnet50,
    "efficientnet_b0": efficientnet_b0,
    "bert_l4_h512": bert,
}


def network(name: str, int8: bool = False, batch: int = 1, **sizes: int) -> bytes:
    """The model file of one of NETWORKS."""
    net = Builder(int8)
    given, out = NETWORKS[name](net, batch, **sizes)
    return write_model(net.model([given], [out]))
