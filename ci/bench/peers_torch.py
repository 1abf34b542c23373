"""The networks in PyTorch: the same layers with the same weights, as its users would write them.

Images are [batch, height, width, channels] between layers; convolutions see them permuted, which
is PyTorch's channels-last layout, and copies nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from litegpu.schema.enums import ActivationFunctionType as Act
from torch import fx
from torch.nn import functional as F

from .builder import Builder
from .layers import Layer, Value
from .networks import NETWORKS

Weights = list[torch.Tensor]
Function = Callable[..., torch.Tensor]
Arguments = dict[str, Any]

ACTIVATIONS: dict[Act, Function] = {Act.NONE: lambda x: x, Act.RELU: F.relu, Act.RELU6: F.relu6}


def padded(x: torch.Tensor, size: int, stride: int, exact: bool) -> tuple[torch.Tensor, int]:
    """[batch, channels, height, width] and the padding that a window is to add to it.

    `exact`: as TensorFlow, which pads one more at the end where it must; that takes a copy.
    """
    around = max((-(-x.shape[2] // stride) - 1) * stride + size - x.shape[2], 0)
    if not exact or around % 2 == 0:
        return x, (around + 1) // 2
    before, after = around // 2, around - around // 2
    return F.pad(x, (before, after, before, after)), 0


def windows(
    x: torch.Tensor, weights: Weights, size: int, arguments: Arguments, exact: bool, groups: int
) -> torch.Tensor:
    stride = arguments["stride"]
    image, padding = padded(x.permute(0, 3, 1, 2), size, stride, exact)
    made = F.conv2d(image, *weights, stride=stride, padding=padding, groups=groups)
    return ACTIVATIONS[arguments["activation"]](made.permute(0, 2, 3, 1))


def max_pool(x: torch.Tensor, size: int, stride: int, exact: bool) -> torch.Tensor:
    """Padding with zeros changes nothing, as no input is negative."""
    image, padding = padded(x.permute(0, 3, 1, 2), size, stride, exact)
    return F.max_pool2d(image, size, stride, padding).permute(0, 2, 3, 1)


def attention(x: torch.Tensor, weights: Weights, heads: int) -> torch.Tensor:
    batch, length, width = x.shape
    split = [
        F.linear(x, weights[k], weights[k + 1]).view(batch, length, heads, -1).transpose(1, 2)
        for k in (0, 2, 4)
    ]
    mixed = F.scaled_dot_product_attention(*split)
    return F.linear(mixed.transpose(1, 2).reshape(batch, length, width), *weights[6:])


FUNCTIONS: dict[str, Callable[[Arguments, Weights, bool], torch.Tensor]] = {
    "conv": lambda a, w, exact: windows(a["x"], w, a["size"], a, exact, 1),
    "depthwise": lambda a, w, exact: windows(a["x"], w, a["size"], a, exact, a["x"].shape[3]),
    "dense": lambda a, w, _: F.linear(a["x"], *w),
    "add": lambda a, w, _: ACTIVATIONS[a["activation"]](a["x"] + a["y"]),
    "multiply": lambda a, w, _: a["x"] * a["y"],
    "sigmoid": lambda a, w, _: torch.sigmoid(a["x"]),
    "swish": lambda a, w, _: F.silu(a["x"]),
    "gelu": lambda a, w, _: F.gelu(a["x"]),
    "mean": lambda a, w, _: a["x"].mean(a["axes"], keepdim=True),
    "reshape": lambda a, w, _: a["x"].reshape(a["shape"]),
    "max_pool": lambda a, w, exact: max_pool(a["x"], a["size"], a["stride"], exact),
    "attention": lambda a, w, _: attention(a["x"], w, a["heads"]),
    "layer_norm": lambda a, w, _: F.layer_norm(a["x"], a["x"].shape[-1:], eps=0.0),
}
"""What a layer computes of its arguments and weights."""


def tensors(layer: Layer) -> Weights:
    """The weights of a layer as PyTorch lays them out."""
    found = []
    for weights, bias in layer.weights:
        w = torch.from_numpy(weights)
        if layer.kind == "conv":
            w = w.permute(0, 3, 1, 2)
        elif layer.kind == "depthwise":
            w = w.permute(3, 0, 1, 2).contiguous(memory_format=torch.channels_last)
        found += [w, torch.from_numpy(bias)]
    return found


def bound(layer: Layer, exact: bool) -> Function:
    """What a layer computes of its inputs, by name, and weights."""
    function = FUNCTIONS[layer.kind]
    settings = {n: a for n, a in layer.arguments.items() if not isinstance(a, Value)}

    def step(inputs: Arguments, weights: Weights) -> torch.Tensor:
        return function(inputs | settings, weights, exact)

    return step


def network(name: str, batch: int = 1, exact: bool = False, **sizes: int) -> Any:
    """A module of one of NETWORKS, with the weights that litegpu's has. `exact`: see `padded`.

    It is made as a graph, of which forward() is straight code: the compiler traces loops over
    layers for minutes.
    """
    net = Builder(int8=False)
    given, out = NETWORKS[name](net, batch, **sizes)
    module, graph = torch.nn.Module(), fx.Graph()
    values = {given.index: graph.placeholder("x")}
    for number, layer in enumerate(net.record.layers):
        weights = []
        for k, tensor in enumerate(tensors(layer)):
            module.register_buffer(f"weights_{number}_{k}", tensor)
            weights.append(graph.get_attr(f"weights_{number}_{k}"))
        inputs = {n: values[a.index] for n, a in layer.arguments.items() if isinstance(a, Value)}
        called = graph.call_function(bound(layer, exact), (inputs, weights))
        values[layer.output.index] = called
    graph.output(values[out.index])
    return fx.GraphModule(module, graph)


def input_shape(name: str, batch: int = 1, **sizes: int) -> tuple[int, ...]:
    given, _ = NETWORKS[name](Builder(int8=False), batch, **sizes)
    return given.shape
