"""FULLY_CONNECTED against LiteRT; block-wise and shuffled weights against plain formulas."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from litegpu.graph import SparseDimension, Sparsity
from litegpu.schema.enums import ActivationFunctionType as Act
from litegpu.schema.enums import FullyConnectedOptionsWeightsFormat as Format
from litegpu.schema.enums import TensorType
from litegpu.schema.options import FullyConnectedOptions

from tests.cases import Arg, Case, check, const, given, out
from tests.values import values

OP = "FULLY_CONNECTED"
INT2, INT4 = TensorType.INT2, TensorType.INT4
ZERO_POINTS = {np.int8: -9, np.uint8: 131, np.int16: 0}


def label(dtype: Any) -> str:
    return dtype.name if isinstance(dtype, TensorType) else np.dtype(dtype).name


def float_case(
    name: str,
    x: Any,
    w: Any,
    *,
    bias: bool = True,
    role: Any = const,
    options: FullyConnectedOptions | None = None,
    **more: Any,
) -> Case:
    inputs = [given(x), role(w)]
    if bias:
        inputs.append(role(values(w.shape[:1], seed=2)))
    shapes = f"{list(x.shape)} {list(w.shape)}"
    o = options or FullyConnectedOptions()
    return Case(f"{name} {shapes}", OP, inputs, [out(np.float32)], o, version=9, **more)


def weights(dtype: Any, shape: tuple[int, ...], scales: Any, zero_point: int, role: Any) -> Arg:
    stored = values(shape, dtype, 1)
    if dtype in (np.int8, np.int16):
        stored = np.maximum(stored, -np.iinfo(dtype).max)
    return role(stored, dtype=dtype, scale=scales, zero_point=zero_point)


def quantised_case(
    name: str,
    dtype: Any,
    weight_type: Any,
    *,
    out_type: Any = None,
    bias_type: Any = np.int32,
    declared: TensorType = TensorType.FLOAT32,
    per_channel: bool = False,
    weight_zero_point: int = 0,
    shape: tuple[int, ...] = (5, 20),
    units: int = 6,
    activation: Act = Act.NONE,
    role: Any = const,
    out_scale: float = 0.5,
    keep: bool = False,
    oracle: str = "ref",
) -> Case:
    depth = shape[-1]
    scales = np.linspace(0.004, 0.02, units) if per_channel else np.array([0.01])
    in_scale = 0.0003 if dtype == np.int16 else 0.05
    w = weights(weight_type, (units, depth), scales, weight_zero_point, role)
    inputs = [given(values(shape, dtype), scale=in_scale, zero_point=ZERO_POINTS[dtype]), w]
    if bias_type is not None:
        bias = np.random.default_rng(3).integers(-2000, 2000, units)
        inputs.append(role(bias.astype(bias_type), scale=in_scale * scales))
    result = out_type or dtype
    zero_point = 0 if result == np.int16 else ZERO_POINTS[dtype] + 3
    scale = out_scale * (0.02 if result == np.int16 else 1)
    return Case(
        f"{name} {label(dtype)} {label(weight_type)} {label(result)}",
        OP,
        inputs,
        [out(result, scale=scale, zero_point=zero_point)],
        FullyConnectedOptions(
            fused_activation_function=activation, quantized_bias_type=declared, keep_num_dims=keep
        ),
        version=11,
        oracle=oracle,
    )


def hybrid_case(
    name: str, dtype: Any, scales: Any, asymmetric: bool, *, depth: int = 20, act: Act = Act.NONE
) -> Case:
    units = len(np.atleast_1d(scales)) if np.size(scales) > 1 else 6
    w = weights(dtype, (units, depth), scales, 0, const)
    x = values((4, depth))
    x[2] = 0
    o = FullyConnectedOptions(asymmetric_quantize_inputs=asymmetric, fused_activation_function=act)
    inputs = [given(x), w, const(values((units,), seed=2))]
    return Case(f"hybrid {name} {label(dtype)}", OP, inputs, [out(np.float32)], o, version=12)


INTEGER_TYPES: list[tuple[Any, Any, dict[str, Any]]] = [
    (np.int8, np.int8, {}),
    (np.int8, np.int8, {"weight_zero_point": 7}),
    (np.int8, np.int8, {"per_channel": True}),
    (np.int8, INT4, {}),
    (np.int8, INT4, {"per_channel": True}),
    (np.int8, INT2, {}),
    (np.int8, INT2, {"per_channel": True}),
    (np.uint8, np.uint8, {"weight_zero_point": 117}),
    (np.uint8, np.uint8, {"weight_zero_point": 117, "out_type": np.int16}),
    (np.int16, np.int8, {"bias_type": np.int64}),
    (np.int16, np.int8, {"bias_type": np.int64, "per_channel": True}),
    (np.int16, np.int8, {"bias_type": np.int32, "declared": TensorType.INT32}),
    (np.int16, np.int8, {"bias_type": np.int32, "per_channel": True, "oracle": "opt"}),
    (np.int16, np.int8, {"bias_type": np.int32, "oracle": "opt"}),
    (np.int16, np.int8, {"bias_type": None}),
    (np.int16, INT4, {"bias_type": np.int64}),
    (np.int16, np.int16, {"bias_type": np.int64, "declared": TensorType.INT64, "out_scale": 300}),
    (np.int16, np.int16, {"bias_type": np.int32, "out_scale": 300}),
    (np.int16, np.int16, {"bias_type": None, "out_scale": 300, "per_channel": True}),
]
CASES = [
    *(
        float_case("bias" if bias else "no bias", values(x), values(w, seed=1), bias=bias)
        for (x, w), bias in product(
            [
                ((5, 20), (6, 20)),
                ((2, 3, 10), (4, 30)),
                ((1, 7), (3, 7)),
                ((2, 2, 5), (4, 5)),
                ((700, 40), (900, 40)),
            ],
            (True, False),
        )
    ),
    *(
        float_case(
            a.name,
            values((3, 5)),
            values((4, 5), seed=1),
            options=FullyConnectedOptions(fused_activation_function=a),
        )
        for a in (Act.RELU, Act.RELU6, Act.RELU_N1_TO_1)
    ),
    *(
        float_case(
            "keep",
            values(x),
            values((4, x[-1]), seed=1),
            options=FullyConnectedOptions(keep_num_dims=True),
        )
        for x in ((2, 3, 5), (1, 1, 2, 5), (5,))
    ),
    float_case("at run time", values((3, 5)), values((4, 5), seed=1), role=given),
    float_case("no rows", values((0, 5)), values((4, 5), seed=1)),
    float_case(
        "no depth",
        values((3, 0)),
        values((4, 0)),
        bias=False,
        expected=[np.zeros((3, 4), np.float32)],
    ),
    *(
        quantised_case(f"{a.name} {more}", t, w, activation=a, **more)
        for (t, w, more), a in product(INTEGER_TYPES, (Act.NONE, Act.RELU, Act.RELU6))
    ),
    *(
        quantised_case(f"deep {n}", np.int8, np.int8, shape=(3, n), out_scale=20)
        for n in (600, 3000, 20000)
    ),
    quantised_case("many rows", np.int8, np.int8, shape=(600, 30)),
    quantised_case("keep", np.int8, np.int8, shape=(2, 3, 10), keep=True),
    quantised_case("at run time", np.int8, np.int8, role=given),
    *(
        quantised_case(f"scale {s}", np.int8, np.int8, out_scale=s)
        for s in (1e-7, 1e-4, 0.004, 30.0, 1e6)
    ),
    *(
        hybrid_case(f"{name} {asymmetric}", dtype, scales, asymmetric)
        for dtype, (name, scales), asymmetric in product(
            (np.int8, INT4, INT2),
            [("per tensor", 0.02), ("per channel", np.linspace(0.01, 0.1, 6))],
            (False, True),
        )
    ),
    *(hybrid_case(a.name, np.int8, 0.02, False, act=a) for a in (Act.RELU6, Act.TANH)),
    *(hybrid_case(f"deep {q}", np.int8, 0.02, q, depth=2000) for q in (False, True)),
]


def sparse(w: Arg, block: int) -> Arg:
    """`w` stored as rows of blocks of `block` columns, those that are zero left out."""
    dense = w.value
    assert dense is not None
    rows = dense.reshape(len(dense), -1, block)
    kept = np.abs(rows).sum(axis=2) > 0
    segments = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int32)
    levels = [
        SparseDimension(dense_size=len(dense)),
        SparseDimension(segments=segments, indices=np.nonzero(kept)[1].astype(np.int32)),
    ]
    if block > 1:
        levels.append(SparseDimension(dense_size=block))
    encoding = Sparsity((0, 1, 2)[: len(levels)], (1,) if block > 1 else (), tuple(levels))
    return replace(w, value=rows[kept].reshape(-1), shape=dense.shape, sparsity=encoding)


def holes(dtype: Any, block: int) -> Any:
    dense = values((8, 64), dtype, 1)
    keep = np.random.default_rng(5).random((8, 64 // block)) < 0.4
    return dense * np.repeat(keep, block, axis=1).astype(dense.dtype)


SPARSE_INT8 = quantised_case("sparse", np.int8, np.int8, shape=(3, 64), units=8, per_channel=True)
CASES += [
    replace(
        float_case(f"sparse by {block}", values((3, 64)), holes(np.float32, block)),
        inputs=[
            given(values((3, 64))),
            sparse(const(holes(np.float32, block)), block),
            const(values((8,), seed=2)),
        ],
    )
    for block in (1, 4)
]
CASES += [
    replace(
        SPARSE_INT8,
        oracle="opt",
        inputs=[
            SPARSE_INT8.inputs[0],
            sparse(const(holes(np.int8, 16), scale=np.linspace(0.004, 0.02, 8)), 16),
            SPARSE_INT8.inputs[2],
        ],
    )
]


def shuffled_case(rows: int, activation: Act) -> Case:
    x, flat = values((rows, 32), np.uint8), values((8, 32), np.int8, 1)
    blocks = flat.reshape(2, 4, 2, 16).transpose(0, 2, 1, 3).reshape(8, 32)
    bias = np.random.default_rng(3).integers(-2000, 2000, 8).astype(np.int32)
    return Case(
        f"shuffled {rows} {activation.name}",
        OP,
        [
            given(x, scale=0.05, zero_point=128),
            const(blocks.view(np.uint8), scale=0.01, zero_point=128),
            const(bias, scale=0.0005),
        ],
        [out(np.int16, scale=0.01), out(np.uint8, shape=(rows, 32))],
        FullyConnectedOptions(
            weights_format=Format.SHUFFLED4x16INT8, fused_activation_function=activation
        ),
        version=2,
    )


CASES += [shuffled_case(rows, a) for rows, a in product((1, 4), (Act.NONE, Act.RELU))]


def broken(name: str, error: str, *, o: Any = None, **changes: Any) -> Case:
    inputs: dict[str, Any] = {"x": values((2, 4)), "w": values((3, 4)), "b": values((3,))}
    inputs.update(changes)
    args = [given(inputs["x"]), const(inputs["w"]), const(inputs["b"])]
    return Case(name, OP, args, [out(np.float32)], o or FullyConnectedOptions(), error=error)


CASES += [
    broken("biases", "biases", b=values((4,))),
    broken("rank of weights", "rank 2", w=values((3, 4, 1))),
    broken("types", "this op takes", w=values((3, 4), np.int32)),
    broken("keep", "last dimension", x=values((4, 2)), o=FullyConnectedOptions(keep_num_dims=True)),
    broken(
        "activation", "not possible", o=FullyConnectedOptions(fused_activation_function=Act.TANH)
    ),
    Case(
        "scales",
        OP,
        [given(values((2, 4), np.int8), scale=1), const(values((3, 4), np.int8))],
        [out(np.int8, scale=1)],
        FullyConnectedOptions(),
        error="scales",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_matmul(case: Case, device: str) -> None:
    check(case, device)
