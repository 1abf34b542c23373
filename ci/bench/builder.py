"""Layers of random networks as a model of litegpu, float32 or int8 (weights per channel).

Weights are drawn so that every layer's results have about unit variance, and the ranges of int8
tensors follow from that: nothing saturates everywhere, whatever the depth.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from litegpu.graph import Graph, Model, Node, Quantization, Tensor
from litegpu.schema import options as o
from litegpu.schema.enums import ActivationFunctionType as Act
from litegpu.schema.enums import Padding, TensorType

from .layers import Record, Value, layer

RANGES = {Act.NONE: (1.0, -4.8, 5.2), Act.RELU: (0.5, 0.0, 5.0), Act.RELU6: (0.5, 0.0, 6.0)}
"""Power and range of what an activation makes of unit variance."""


INT8_VERSIONS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 4,
    "RESHAPE": 1,
    "BATCH_MATMUL": 2,
}
"""Versions of the operators that take int8, where they are not 2."""


class Builder:
    """Collects tensors and nodes; each method adds one layer and returns its result."""

    def __init__(self, int8: bool, seed: int = 0) -> None:
        self._int8 = int8
        self._rng = np.random.default_rng(seed)
        self._tensors: list[Tensor] = []
        self._nodes: list[Node] = []
        self.record = Record()

    def model(self, inputs: list[Value], outputs: list[Value]) -> Model:
        ends = tuple(v.index for v in inputs), tuple(v.index for v in outputs)
        return Model((Graph(tuple(self._tensors), tuple(self._nodes), *ends, "main"),))

    def value(
        self, shape: tuple[int, ...], power: float = 1.0, low: float = -4.8, high: float = 5.2
    ) -> Value:
        """A tensor that is computed, or given."""
        made = Value(len(self._tensors), shape, power, low, high)
        quant, dtype = None, TensorType.FLOAT32
        if self._int8:
            zero_point = np.array([made.zero_point], np.int64)
            quant = Quantization(np.array([made.scale], np.float32), zero_point)
            dtype = TensorType.INT8
        self._tensors.append(Tensor(f"t{made.index}", shape, dtype, quant=quant))
        return made

    def constant(self, values: Any, dtype: TensorType, quant: Quantization | None = None) -> int:
        data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        name = f"t{len(self._tensors)}"
        self._tensors.append(Tensor(name, values.shape, dtype, quant=quant, data=data))
        return len(self._tensors) - 1

    def integers(self, *values: int) -> int:
        return self.constant(np.array(values, np.int32), TensorType.INT32)

    def number(self, value: float) -> Value:
        """A constant of one element."""
        if not self._int8:
            stored = np.array([value], np.float32)
            return Value(self.constant(stored, TensorType.FLOAT32), (1,), value**2, 0, 1)
        quant = Quantization(np.array([value / 100], np.float32), np.zeros(1, np.int64))
        stored = np.array([100], np.int8)
        return Value(self.constant(stored, TensorType.INT8, quant), (1,), value**2, 0, 1)

    def node(self, op: str, inputs: list[int], out: Value, options: Any = None) -> Value:
        version = 1
        if self._int8:
            version = INT8_VERSIONS.get(op, 2)
        self._nodes.append(Node(op, version, tuple(inputs), (out.index,), options))
        return out

    def weighted(
        self, x: Value, shape: tuple[int, ...], axis: int, activation: Act
    ) -> tuple[list[int], tuple[float, float, float]]:
        """(inputs of a layer with random weights and a bias, power and range of its result)."""
        fan_in = math.prod(shape) // shape[axis]
        deviation = 1 / math.sqrt(fan_in * x.power)
        weights = self._rng.normal(0, deviation, shape).astype(np.float32)
        bias = self._rng.normal(0, 0.1, shape[axis]).astype(np.float32)
        if self.record.drawn is not None:
            self.record.drawn.append((weights, bias))
        if not self._int8:
            pair = [self.constant(v, TensorType.FLOAT32) for v in (weights, bias)]
            return [x.index, *pair], RANGES[activation]
        others = tuple(a for a in range(len(shape)) if a != axis)
        scales = np.maximum(np.abs(weights).max(axis=others), 1e-9) / np.float32(127)
        zeros = np.zeros(len(scales), np.int64)
        by_axis = scales.reshape([-1 if a == axis else 1 for a in range(len(shape))])
        stored = np.rint(weights / by_axis).astype(np.int8)
        w = self.constant(stored, TensorType.INT8, Quantization(scales, zeros, axis))
        bias_scales = (np.float32(x.scale) * scales).astype(np.float32)
        b = self.constant(
            np.rint(bias / bias_scales).astype(np.int32),
            TensorType.INT32,
            Quantization(bias_scales, zeros, 0),
        )
        return [x.index, w, b], RANGES[activation]

    @layer
    def conv(
        self, x: Value, filters: int, size: int, stride: int = 1, activation: Act = Act.RELU6
    ) -> Value:
        batch, height, width, channels = x.shape
        inputs, result = self.weighted(x, (filters, size, size, channels), 0, activation)
        out = self.value((batch, -(-height // stride), -(-width // stride), filters), *result)
        options = o.Conv2DOptions(
            padding=Padding.SAME,
            stride_h=stride,
            stride_w=stride,
            fused_activation_function=activation,
        )
        return self.node("CONV_2D", inputs, out, options)

    @layer
    def depthwise(self, x: Value, size: int, stride: int = 1, activation: Act = Act.RELU6) -> Value:
        batch, height, width, channels = x.shape
        inputs, result = self.weighted(x, (1, size, size, channels), 3, activation)
        out = self.value((batch, -(-height // stride), -(-width // stride), channels), *result)
        options = o.DepthwiseConv2DOptions(
            padding=Padding.SAME,
            stride_h=stride,
            stride_w=stride,
            depth_multiplier=1,
            fused_activation_function=activation,
        )
        return self.node("DEPTHWISE_CONV_2D", inputs, out, options)

    @layer
    def dense(self, x: Value, units: int) -> Value:
        """Along the last dimension."""
        inputs, result = self.weighted(x, (units, x.shape[-1]), 0, Act.NONE)
        out = self.value((*x.shape[:-1], units), *result)
        return self.node(
            "FULLY_CONNECTED", inputs, out, o.FullyConnectedOptions(keep_num_dims=True)
        )

    @layer
    def add(self, x: Value, y: Value, activation: Act = Act.NONE) -> Value:
        power = x.power + y.power
        spread = math.sqrt(power)
        low = 0.0 if activation == Act.RELU else -4.8 * spread
        out = self.value(x.shape, power, low, 5 * spread)
        options = o.AddOptions(fused_activation_function=activation)
        return self.node("ADD", [x.index, y.index], out, options)

    @layer
    def multiply(self, x: Value, y: Value, power: float, low: float, high: float) -> Value:
        out = self.value(x.shape, power, low, high)
        return self.node("MUL", [x.index, y.index], out, o.MulOptions())

    @layer
    def sigmoid(self, x: Value) -> Value:
        out = self.value(x.shape, 0.3, 0.0, 255 / 256)
        return self.node("LOGISTIC", [x.index], out)

    @layer
    def swish(self, x: Value) -> Value:
        return self.multiply(x, self.sigmoid(x), 0.36, -0.3, 5.0)

    @layer
    def gelu(self, x: Value) -> Value:
        out = self.value(x.shape, 0.43, -0.2, 5.0)
        return self.node("GELU", [x.index], out, o.GeluOptions(approximate=False))

    @layer
    def mean(self, x: Value, axes: tuple[int, ...], power: float, low: float, high: float) -> Value:
        shape = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
        out = self.value(shape, power, low, high)
        inputs = [x.index, self.integers(*axes)]
        return self.node("MEAN", inputs, out, o.ReducerOptions(keep_dims=True))

    @layer
    def reshape(self, x: Value, shape: tuple[int, ...]) -> Value:
        out = self.value(shape, x.power, x.low, x.high)
        options = o.ReshapeOptions(new_shape=np.array(shape, np.int32))
        return self.node("RESHAPE", [x.index, self.integers(*shape)], out, options)

    @layer
    def transpose(self, x: Value, order: tuple[int, ...]) -> Value:
        out = self.value(tuple(x.shape[a] for a in order), x.power, x.low, x.high)
        return self.node("TRANSPOSE", [x.index, self.integers(*order)], out, o.TransposeOptions())

    @layer
    def softmax(self, x: Value) -> Value:
        out = self.value(x.shape, 1 / x.shape[-1], 0.0, 255 / 256)
        return self.node("SOFTMAX", [x.index], out, o.SoftmaxOptions(beta=1.0))

    @layer
    def max_pool(self, x: Value, size: int, stride: int) -> Value:
        batch, height, width, channels = x.shape
        shape = batch, -(-height // stride), -(-width // stride), channels
        out = self.value(shape, 2 * x.power, x.low, x.high)
        options = o.Pool2DOptions(
            padding=Padding.SAME,
            stride_h=stride,
            stride_w=stride,
            filter_height=size,
            filter_width=size,
        )
        return self.node("MAX_POOL_2D", [x.index], out, options)

    @layer
    def matmul(self, x: Value, y: Value, adjoint: bool, power: float, reach: float) -> Value:
        columns = y.shape[-2] if adjoint else y.shape[-1]
        out = self.value((*x.shape[:-1], columns), power, -reach, reach)
        options = o.BatchMatMulOptions(adj_y=adjoint)
        return self.node("BATCH_MATMUL", [x.index, y.index], out, options)

    @layer
    def layer_norm(self, x: Value) -> Value:
        """Zero mean and unit variance along the last dimension, from elementary operators."""
        last = (len(x.shape) - 1,)
        spread = math.sqrt(x.power)
        mean = self.mean(x, last, x.power / x.shape[-1], -spread, spread)
        centered = self.value(x.shape, x.power, -5 * spread, 5 * spread)
        self.node("SUB", [x.index, mean.index], centered, o.SubOptions())
        square = self.value(x.shape, 3 * x.power**2, 0.0, 25 * x.power)
        self.node("SQUARED_DIFFERENCE", [x.index, mean.index], square, o.SquaredDifferenceOptions())
        variance = self.mean(square, last, x.power**2, 0.0, 3 * x.power)
        inverse = self.value(variance.shape, 1 / x.power, 0.0, 3 / spread)
        self.node("RSQRT", [variance.index], inverse)
        return self.multiply(centered, inverse, 1.0, -4.8, 5.2)
