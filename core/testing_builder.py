"""Builds the small models with which `litegpu.testing` tries a delegate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .dtypes import INTEGER_RANGE, NUMPY, encode
from .graph import Array, Graph, Model, Node, Quantization, Shape, Tensor
from .schema.enums import TensorType

F32, I8, I32 = TensorType.FLOAT32, TensorType.INT8, TensorType.INT32
SEED = 7


class Builder:
    """Collects tensors and nodes of one graph; methods return tensor indices."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.nodes: list[Node] = []
        self.inputs: list[int] = []
        self._random = np.random.default_rng(SEED)

    def _add(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def input(self, shape: Shape, dtype: TensorType = F32, batched: bool = True) -> int:
        """A run-time input, whose first dimension may change where `batched`."""
        signature = (-1, *shape[1:]) if shape and batched else None
        quant = per_tensor(0.05, 3) if dtype == I8 else None
        index = self._add(Tensor(f"x{len(self.inputs)}", shape, dtype, signature, quant))
        self.inputs.append(index)
        return index

    def constant(self, values: Array, dtype: TensorType, quant: Quantization | None = None) -> int:
        data = encode(values, dtype)
        return self._add(Tensor("c", values.shape, dtype, quant=quant, data=data))

    def ints(self, values: Any) -> int:
        return self.constant(np.array(values, np.int32), I32)

    def state(self, shape: Shape) -> int:
        """A float32 variable: what one run leaves in it, the next one finds."""
        return self._add(Tensor("state", shape, F32, is_variable=True))

    def weights(self, shape: Shape, dtype: TensorType = F32, axis: int = 0) -> int:
        """Random weights: float32, or int8 per channel of `axis`."""
        if dtype == F32:
            return self.constant(self._random.normal(size=shape).astype(np.float32), F32)
        values = self._random.integers(-127, 128, shape).astype(np.int8)
        scales = self._random.uniform(0.005, 0.02, shape[axis]).astype(np.float32)
        quant = Quantization(scales, np.zeros(shape[axis], np.int64), axis)
        return self.constant(values, I8, quant)

    def bias(self, count: int, dtype: TensorType = F32) -> int:
        if dtype == F32:
            return self.constant(self._random.normal(size=count).astype(np.float32), F32)
        quant = Quantization(np.full(count, 0.0005, np.float32), np.zeros(count, np.int64), 0)
        return self.constant(self._random.integers(-500, 500, count).astype(np.int32), I32, quant)

    def node(
        self,
        op: str,
        inputs: Sequence[int],
        options: Any = None,
        dtype: TensorType = F32,
        version: int = 1,
        outputs: int = 1,
    ) -> int:
        """Adds a node; returns its first output. The others follow it."""
        quant = per_tensor(0.1, -2) if dtype == I8 else None
        made = [self._add(Tensor("y", (), dtype, (-1,), quant)) for _ in range(outputs)]
        self.nodes.append(Node(op, version, tuple(inputs), tuple(made), options))
        return made[0]

    def model(self, *outputs: int) -> Model:
        tensors, nodes = tuple(self.tensors), tuple(self.nodes)
        return Model((Graph(tensors, nodes, tuple(self.inputs), outputs, "main"),))


def per_tensor(scale: float, zero_point: int) -> Quantization:
    return Quantization(np.array([scale], np.float32), np.array([zero_point], np.int64))


def random_input(tensor: Tensor, shape: Shape, random: np.random.Generator) -> Array:
    """Values for a run-time input: normal floats, any integers, either truth."""
    dtype = NUMPY[tensor.dtype]
    if tensor.dtype in INTEGER_RANGE:
        low, high = INTEGER_RANGE[tensor.dtype] if tensor.quant is not None else (0, 8)
        return random.integers(low, high, shape, endpoint=True).astype(dtype)
    if dtype.kind == "b":
        return random.integers(0, 2, shape).astype(dtype)
    return random.normal(size=shape).astype(dtype)
