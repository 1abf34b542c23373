"""The models with which `litegpu.testing` tries a delegate: single operators, and shapes of
graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .graph import ABSENT, Model, Shape, Tensor
from .schema import options as o
from .schema.enums import ActivationFunctionType, Padding, TensorType
from .testing_builder import F32, I8, I32, Builder

RELU, RELU6 = ActivationFunctionType.RELU, ActivationFunctionType.RELU6


@dataclass(frozen=True, slots=True)
class TrialCase:
    """`op` is what the report counts it under."""

    op: str
    name: str
    model: Model


Build = Callable[[Builder], int | tuple[int, ...]]
"""Adds nodes; returns the outputs of the graph."""


def _binary(op: str, options: Any, dtype: TensorType, other: Shape) -> Build:
    def build(b: Builder) -> int:
        operands = [b.input((2, 3, 4), dtype), b.input(other, dtype)]
        return b.node(op, operands, options, dtype, 2 if dtype == I8 else 1)

    return build


def _unary(op: str, options: Any = None, dtype: TensorType = F32, version: int = 1) -> Build:
    return lambda b: b.node(op, [b.input((2, 5, 3), dtype)], options, dtype, version)


def _conv(dtype: TensorType, padding: Padding, stride: int, dilation: int, size: int) -> Build:
    def build(b: Builder) -> int:
        options = o.Conv2DOptions(
            padding=padding,
            stride_w=stride,
            stride_h=stride,
            dilation_w_factor=dilation,
            dilation_h_factor=dilation,
            fused_activation_function=RELU6,
        )
        x = b.input((1, 9, 8, 3), dtype)
        w = b.weights((5, size, size, 3), dtype)
        return b.node("CONV_2D", [x, w, b.bias(5, dtype)], options, dtype, 3)

    return build


def _depthwise(dtype: TensorType, multiplier: int) -> Build:
    def build(b: Builder) -> int:
        options = o.DepthwiseConv2DOptions(
            padding=Padding.SAME, stride_w=1, stride_h=2, depth_multiplier=multiplier
        )
        x, count = b.input((1, 7, 6, 4), dtype), 4 * multiplier
        w = b.weights((1, 3, 3, count), dtype, axis=3)
        return b.node("DEPTHWISE_CONV_2D", [x, w, b.bias(count, dtype)], options, dtype, 3)

    return build


def _dense(dtype: TensorType, biased: bool) -> Build:
    def build(b: Builder) -> int:
        options = o.FullyConnectedOptions(fused_activation_function=RELU)
        x, w = b.input((3, 8), dtype), b.weights((6, 8), dtype)
        bias = b.bias(6, dtype) if biased else ABSENT
        return b.node("FULLY_CONNECTED", [x, w, bias], options, dtype, 4)

    return build


def _pool(op: str, dtype: TensorType) -> Build:
    options = o.Pool2DOptions(
        padding=Padding.SAME, stride_w=2, stride_h=2, filter_width=3, filter_height=2
    )

    def build(b: Builder) -> int:
        index = b.node(op, [b.input((1, 7, 6, 3), dtype)], options, dtype, 2 if dtype == I8 else 1)
        if dtype == I8:
            source = b.tensors[b.inputs[0]].quant
            b.tensors[index] = Tensor("y", (), dtype, (-1,), source)
        return index

    return build


def _with_ints(op: str, shape: Shape, values: Any, options: Any = None) -> Build:
    return lambda b: b.node(op, [b.input(shape), b.ints(values)], options)


def _concatenation(b: Builder) -> int:
    parts = [b.input((2, 3)), b.input((2, 4)), b.input((2, 1))]
    return b.node("CONCATENATION", parts, o.ConcatenationOptions(axis=-1))


def _slice(b: Builder) -> int:
    operands = [b.input((4, 5)), b.ints([1, 0]), b.ints([-1, 3])]
    return b.node("SLICE", operands, o.SliceOptions())


def _batch_matmul(b: Builder) -> int:
    operands = [b.input((2, 3, 4)), b.input((2, 5, 4))]
    return b.node("BATCH_MATMUL", operands, o.BatchMatMulOptions(adj_y=True))


def _split(b: Builder) -> tuple[int, ...]:
    """Three outputs, of which a graph returns two, and reads the middle one."""
    first = b.node("SPLIT", [b.ints(1), b.input((2, 6))], o.SplitOptions(num_splits=3), outputs=3)
    return first, b.node("RELU", [first + 1]), first + 1


def _svdf(b: Builder) -> int:
    """A filter of rank 1 over three steps: every run depends on those before it."""
    operands = [b.input((1, 4), batched=False), b.weights((5, 4)), b.weights((5, 3)), b.bias(5)]
    options = o.SVDFOptions(rank=1, fused_activation_function=RELU)
    return b.node("SVDF", [*operands, b.state((1, 15))], options)


def _gather(b: Builder) -> int:
    options = o.GatherOptions(axis=1)
    return b.node("GATHER", [b.input((2, 9)), b.ints([8, 0, 3, 3])], options)


def _cast(b: Builder) -> int:
    options = o.CastOptions(in_data_type=I32, out_data_type=F32)
    return b.node("CAST", [b.input((2, 5), I32)], options)


def _requantised(b: Builder) -> int:
    """float32 to int8 and back."""
    inner = b.node("QUANTIZE", [b.input((2, 5))], dtype=I8)
    return b.node("DEQUANTIZE", [inner], dtype=F32, version=2)


def _logical(b: Builder) -> int:
    dtype = TensorType.BOOL
    operands = [b.input((2, 5), dtype), b.input((2, 5), dtype)]
    return b.node("LOGICAL_AND", operands, o.LogicalAndOptions(), dtype)


def _builds() -> list[tuple[str, str, Build]]:
    found: list[tuple[str, str, Build]] = []
    arithmetic = {
        "ADD": o.AddOptions(fused_activation_function=RELU),
        "SUB": o.SubOptions(),
        "MUL": o.MulOptions(),
        "DIV": o.DivOptions(),
        "MAXIMUM": o.MaximumMinimumOptions(),
        "MINIMUM": o.MaximumMinimumOptions(),
    }
    for op, options in arithmetic.items():
        shapes: list[Shape] = [(2, 3, 4), (4,), (2, 1, 1), ()]
        found += [(op, f"float32 with {s}", _binary(op, options, F32, s)) for s in shapes]
    found += [(op, "int32", _binary(op, arithmetic[op], I32, (2, 1, 4))) for op in ("ADD", "MUL")]
    found += [(op, "int8", _binary(op, arithmetic[op], I8, (2, 3, 4))) for op in ("ADD", "MUL")]
    plain = "RELU RELU6 LOGISTIC TANH EXP ABS NEG FLOOR SQUARE SIN COS HARD_SWISH"
    found += [(op, "float32", _unary(op)) for op in plain.split()]
    found.append(("GELU", "float32", _unary("GELU", o.GeluOptions())))
    found.append(("LEAKY_RELU", "float32", _unary("LEAKY_RELU", o.LeakyReluOptions(alpha=0.1))))
    found.append(("SOFTMAX", "float32", _unary("SOFTMAX", o.SoftmaxOptions(beta=1.0))))
    for dtype in (F32, I8):
        for padding in Padding:
            for stride, dilation, size in ((1, 1, 1), (1, 1, 3), (2, 1, 3), (1, 2, 3)):
                name = (
                    f"{dtype.name} {padding.name} stride {stride} dilation {dilation} size {size}"
                )
                found.append(("CONV_2D", name, _conv(dtype, padding, stride, dilation, size)))
        found += [
            ("DEPTHWISE_CONV_2D", f"{dtype.name} multiplier {m}", _depthwise(dtype, m))
            for m in (1, 2)
        ]
        found += [
            ("FULLY_CONNECTED", f"{dtype.name} bias {biased}", _dense(dtype, biased))
            for biased in (False, True)
        ]
        found += [(op, dtype.name, _pool(op, dtype)) for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D")]
    keep = o.ReducerOptions(keep_dims=True)
    found += [(op, "axes", _with_ints(op, (2, 3, 4), [0, -1], keep)) for op in ("MEAN", "SUM")]
    found += [
        ("RESHAPE", "float32", _with_ints("RESHAPE", (2, 6), [3, -1], o.ReshapeOptions())),
        ("TRANSPOSE", "float32", _with_ints("TRANSPOSE", (2, 3, 4), [2, 0, 1])),
        ("PAD", "float32", _with_ints("PAD", (2, 3), [[1, 0], [0, 2]])),
        ("CONCATENATION", "float32", _concatenation),
        ("SLICE", "float32", _slice),
        ("BATCH_MATMUL", "adjoint", _batch_matmul),
        ("SPLIT", "three outputs", _split),
        ("SVDF", "state", _svdf),
        ("GATHER", "axis 1", _gather),
        ("CAST", "int32 to float32", _cast),
        ("QUANTIZE", "and DEQUANTIZE", _requantised),
        ("LOGICAL_AND", "bool", _logical),
    ]
    return found


def _residual(b: Builder) -> int:
    """x + relu(x * 2), the sum read by two more nodes, one of them on a branch that ends."""
    x = b.input((2, 4))
    two = b.constant(np.array(2, np.float32), F32)
    inner = b.node("RELU", [b.node("MUL", [x, two], o.MulOptions())])
    total = b.node("ADD", [x, inner], o.AddOptions())
    return b.node("SUB", [b.node("ABS", [total]), b.node("NEG", [total])], o.SubOptions())


def _islands(b: Builder) -> int:
    """Nodes that few delegates take (FLOOR_MOD) between nodes that many do."""
    x = b.input((2, 4))
    three = b.constant(np.array(3, np.float32), F32)
    for _ in range(3):
        x = b.node("ADD", [x, three], o.AddOptions())
        x = b.node("FLOOR_MOD", [x, three])
        x = b.node("RELU", [x])
    return x


def trial_cases() -> list[TrialCase]:
    """Every case, single operators first; the graphs are reported as GRAPH."""
    builds = [*_builds(), ("GRAPH", "residual", _residual), ("GRAPH", "islands", _islands)]
    found = []
    for op, name, build in builds:
        builder = Builder()
        outputs = build(builder)
        model = builder.model(*(outputs if isinstance(outputs, tuple) else (outputs,)))
        found.append(TrialCase(op, name, model))
    return found
