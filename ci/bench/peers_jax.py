"""The networks in JAX: the same layers with the same weights, for XLA to compile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from litegpu.graph import Array
from litegpu.schema.enums import ActivationFunctionType as Act

from .builder import Builder
from .layers import Layer, Value
from .networks import NETWORKS

Arguments = dict[str, Any]
ACTIVATIONS: dict[Act, Callable[[Any], Any]] = {
    Act.NONE: lambda x: x,
    Act.RELU: jax.nn.relu,
    Act.RELU6: jax.nn.relu6,
}


def windows(a: Arguments, w: list[Any], groups: int) -> Any:
    strides, layout = (a["stride"], a["stride"]), ("NHWC", "HWIO", "NHWC")
    made = lax.conv_general_dilated(
        a["x"], w[0], strides, "SAME", dimension_numbers=layout, feature_group_count=groups
    )
    return ACTIVATIONS[a["activation"]](made + w[1])


def max_pool(a: Arguments) -> Any:
    window, strides = (1, a["size"], a["size"], 1), (1, a["stride"], a["stride"], 1)
    return lax.reduce_window(a["x"], -jnp.inf, lax.max, window, strides, "SAME")


def attention(x: Any, w: list[Any], heads: int) -> Any:
    batch, length, width = x.shape
    split = [(x @ w[k] + w[k + 1]).reshape(batch, length, heads, -1) for k in (0, 2, 4)]
    mixed = jax.nn.dot_product_attention(*split)
    return mixed.reshape(batch, length, width) @ w[6] + w[7]


def layer_norm(x: Any) -> Any:
    wide = x.astype(jnp.float32)
    centered = wide - wide.mean(-1, keepdims=True)
    return (centered * lax.rsqrt((centered**2).mean(-1, keepdims=True))).astype(x.dtype)


FUNCTIONS: dict[str, Callable[[Arguments, list[Any]], Any]] = {
    "conv": lambda a, w: windows(a, w, 1),
    "depthwise": lambda a, w: windows(a, w, a["x"].shape[3]),
    "dense": lambda a, w: a["x"] @ w[0] + w[1],
    "add": lambda a, w: ACTIVATIONS[a["activation"]](a["x"] + a["y"]),
    "multiply": lambda a, w: a["x"] * a["y"],
    "sigmoid": lambda a, w: jax.nn.sigmoid(a["x"]),
    "swish": lambda a, w: jax.nn.silu(a["x"]),
    "gelu": lambda a, w: jax.nn.gelu(a["x"], approximate=False),
    "mean": lambda a, w: a["x"].mean(a["axes"], keepdims=True),
    "reshape": lambda a, w: a["x"].reshape(a["shape"]),
    "max_pool": lambda a, w: max_pool(a),
    "attention": lambda a, w: attention(a["x"], w, a["heads"]),
    "layer_norm": lambda a, w: layer_norm(a["x"]),
}
"""What a layer computes of its arguments and weights."""


def arrays(layer: Layer) -> list[Array]:
    """The weights of a layer as JAX lays them out: [height, width, in, out], [in, out]."""
    found: list[Array] = []
    for weights, bias in layer.weights:
        order = {"conv": (1, 2, 3, 0), "depthwise": (1, 2, 0, 3)}.get(layer.kind, (1, 0))
        found += [np.ascontiguousarray(weights.transpose(order)), bias]
    return found


class Network:
    """One of NETWORKS, with the weights that litegpu's has: pure, of weights and input."""

    def __init__(self, name: str, batch: int = 1, **sizes: int) -> None:
        net = Builder(int8=False)
        given, out = NETWORKS[name](net, batch, **sizes)
        self.shape = given.shape
        self.weights = [arrays(layer) for layer in net.record.layers]
        self._given, self._out, self._layers = given.index, out.index, net.record.layers

    def __call__(self, weights: list[list[Any]], x: Any) -> Any:
        values = {self._given: x}
        for layer, own in zip(self._layers, weights, strict=True):
            arguments = {
                name: values[a.index] if isinstance(a, Value) else a
                for name, a in layer.arguments.items()
            }
            values[layer.output.index] = FUNCTIONS[layer.kind](arguments, own)
        return values[self._out]
