"""Models changed at random, as a careless converter or an attacker would: options, shapes, types,
constants, scales and which tensors nodes use."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from typing import Any

import numpy as np
from litegpu.graph import ABSENT, Graph, Model, Node, Quantization, Tensor
from litegpu.schema.enums import TensorType

Random = np.random.Generator

NUMBERS = (-(2**31), -(2**30), -5, -1, 0, 1, 2, 3, 7, 64, 2**15, 2**20, 2**30, 2**31 - 1)
SIZES = (0, 1, 2, 3, 5, 2**16, 2**31 - 1)
REALS = (0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"), -float("inf"))


def mutated(model: Model, random: Random) -> Model:
    """The model with one to three random changes in its first graph."""
    graph = model.graphs[0]
    for _ in range(int(random.integers(1, 4))):
        graph = MUTATIONS[int(random.integers(len(MUTATIONS)))](graph, random)
    return replace(model, graphs=(graph, *model.graphs[1:]))


def one(random: Random, choices: Any) -> Any:
    return choices[int(random.integers(len(choices)))]


def with_node(graph: Graph, random: Random, change: Callable[[Node], Node]) -> Graph:
    if not graph.nodes:
        return graph
    at = int(random.integers(len(graph.nodes)))
    return replace(
        graph, nodes=(*graph.nodes[:at], change(graph.nodes[at]), *graph.nodes[at + 1 :])
    )


def with_tensor(
    graph: Graph,
    random: Random,
    change: Callable[[Tensor], Tensor],
    chosen: Callable[[Tensor], bool] = lambda _: True,
) -> Graph:
    candidates = [i for i, tensor in enumerate(graph.tensors) if chosen(tensor)]
    if not candidates:
        return graph
    at = one(random, candidates)
    tensors = (*graph.tensors[:at], change(graph.tensors[at]), *graph.tensors[at + 1 :])
    return replace(graph, tensors=tensors)


def option(graph: Graph, random: Random) -> Graph:
    def change(node: Node) -> Node:
        if isinstance(node.options, bytes):
            raw = bytearray(node.options or b"\0")
            raw[int(random.integers(len(raw)))] = int(random.integers(256))
            return replace(node, options=bytes(raw))
        names = [f.name for f in dataclasses.fields(node.options)] if node.options else []
        if not names or random.random() < 0.1:
            return replace(node, options=None)
        name = one(random, names)
        new = changed_option(getattr(node.options, name), random)
        return replace(node, options=replace(node.options, **{name: new}))

    return with_node(graph, random, change)


def changed_option(old: Any, random: Random) -> Any:
    if isinstance(old, bool):
        return not old
    if isinstance(old, IntEnum):
        return one(random, list(type(old)))
    if isinstance(old, int):
        return one(random, NUMBERS)
    if isinstance(old, float):
        return one(random, REALS)
    if old is None or isinstance(old, str) or dataclasses.is_dataclass(old):
        return None
    values = list(old)
    if not values or random.random() < 0.3:
        return np.array([*values, 1][:-2], np.int64)
    if isinstance(values[0], int | np.integer):
        values[int(random.integers(len(values)))] = one(random, NUMBERS)
        return np.array(values, np.int64)
    return None


def shape(graph: Graph, random: Random) -> Graph:
    def change(tensor: Tensor) -> Tensor:
        sizes = list(tensor.shape)
        kind = random.random()
        if kind < 0.2 or not sizes:
            sizes.insert(int(random.integers(len(sizes) + 1)), one(random, SIZES))
        elif kind < 0.4:
            sizes.pop(int(random.integers(len(sizes))))
        else:
            sizes[int(random.integers(len(sizes)))] = one(random, SIZES)
        count = int(np.prod(sizes, dtype=object)) if sizes else 1
        data = tensor.data
        if data is not None and tensor.dtype != TensorType.STRING and count < 2**16:
            held = max(int(np.prod(tensor.shape, dtype=np.int64)), 1)
            data = np.resize(data, -(-count * data.size // held))
        return replace(tensor, shape=tuple(sizes), shape_signature=None, data=data)

    return with_tensor(graph, random, change)


def constant(graph: Graph, random: Random) -> Graph:
    """Integers of a constant replaced: axes, indices, sizes, permutations."""

    def change(tensor: Tensor) -> Tensor:
        assert tensor.data is not None
        dtype = np.int64 if tensor.dtype == TensorType.INT64 else np.int32
        values = tensor.data.view(dtype).copy()
        values[int(random.integers(values.size))] = one(random, NUMBERS)
        return replace(tensor, data=values.view(np.uint8))

    def chosen(tensor: Tensor) -> bool:
        whole = tensor.dtype in (TensorType.INT32, TensorType.INT64)
        return (
            whole
            and tensor.data is not None
            and tensor.data.size >= 8 - 4 * (tensor.dtype == TensorType.INT32)
        )

    return with_tensor(graph, random, change, chosen)


def dtype(graph: Graph, random: Random) -> Graph:
    kinds = [t for t in TensorType if t != TensorType.VARIANT]
    return with_tensor(
        graph,
        random,
        lambda tensor: replace(tensor, dtype=one(random, kinds)),
        lambda tensor: tensor.data is None,
    )


def quantization(graph: Graph, random: Random) -> Graph:
    def change(tensor: Tensor) -> Tensor:
        if tensor.quant is not None and random.random() < 0.3:
            return replace(tensor, quant=None)
        count = 1 if random.random() < 0.5 or not tensor.shape else min(tensor.shape[-1], 64)
        scale = np.full(count, one(random, (1e-30, 0.5, 1.0, 1e30)), np.float32)
        points = np.full(count, one(random, (-128, 0, 3, 127)), np.int64)
        return replace(tensor, quant=Quantization(scale, points, max(len(tensor.shape) - 1, 0)))

    return with_tensor(graph, random, change)


def operands(graph: Graph, random: Random) -> Graph:
    def change(node: Node) -> Node:
        inputs = list(node.inputs)
        kind = random.random()
        if kind < 0.3 and inputs:
            inputs.pop()
        elif kind < 0.5:
            inputs.append(one(random, inputs or [ABSENT]))
        elif inputs:
            other = one(random, [ABSENT, *inputs, *range(len(graph.tensors))])
            inputs[int(random.integers(len(inputs)))] = other
        outputs = node.outputs[:-1] if random.random() < 0.1 else node.outputs
        return replace(node, inputs=tuple(inputs), outputs=outputs)

    return with_node(graph, random, change)


MUTATIONS = (option, option, shape, shape, constant, constant, dtype, quantization, operands)
