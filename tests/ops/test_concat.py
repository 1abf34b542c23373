"""Joining and splitting against NumPy and LiteRT: every type, axes, scales, uneven parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.schema.enums import ActivationFunctionType, TensorType
from litegpu.schema.options import (
    ConcatenationOptions,
    PackOptions,
    SplitOptions,
    SplitVOptions,
    UnpackOptions,
)

from tests.cases import Arg, Case, check, const, given, out
from tests.values import PACKED, PLAIN, name, values, vector

STRING = TensorType.STRING


def sample(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    return values(shape, object if dtype == STRING else dtype, seed)


def concat(shapes: list[tuple[int, ...]], axis: int, dtype: Any = np.float32, **more: Any) -> Case:
    """Without scales; NumPy gives what is expected unless `more` says so."""
    parts = [sample(shape, dtype, i) for i, shape in enumerate(shapes)]
    role = more.pop("role", given)
    if "error" not in more and "expected" not in more:
        more["expected"] = [np.concatenate(parts, axis)]
    label = f"{name(dtype)} {shapes} axis {axis} {role.__name__}"
    inputs = [role(part, dtype=dtype) for part in parts]
    options = ConcatenationOptions(axis=axis)
    return Case(label, "CONCATENATION", inputs, [out(dtype)], options, **more)


def concat_scaled(dtype: Any, scales: list[float], zero_points: list[int], **more: Any) -> Case:
    """Inputs with the given scales and zero points; the last of each is the output's."""
    inputs: list[Arg | None] = [
        given(values((3, 64), dtype, i), scale=scale, zero_point=zero)
        for i, (scale, zero) in enumerate(zip(scales[:-1], zero_points[:-1], strict=True))
    ]
    outputs = [out(dtype, scale=scales[-1], zero_point=zero_points[-1])]
    label = f"{name(dtype)} scales {scales} zero points {zero_points}"
    options = ConcatenationOptions(axis=1)
    return Case(label, "CONCATENATION", inputs, outputs, options, 2, **more)


LITERT_CONCAT = (np.float32, np.float16, np.int8, np.int16, np.int32, np.int64, np.bool_, np.uint32)
CONCATS = [
    *(concat([(2, 1, 3), (2, 4, 3), (2, 2, 3)], 1, d) for d in (*PLAIN, STRING)),
    *(concat([(2, 3), (2, 3)], -1, d, expected=None) for d in LITERT_CONCAT),
    *(concat([(2, 3, 2)] * 3, axis) for axis in (-3, -2, -1, 0, 1, 2)),
    *(concat([(4, 3), (4, 2)], 1, d, role=const) for d in (np.float32, np.uint8, *PACKED)),
    concat([(2, 3)], 0),
    concat([(0, 3), (2, 3), (0, 3)], 0),
    concat([(2, 0), (2, 0)], 1),
    concat(
        [()] * 3, 0, role=const, expected=[np.array([sample((), np.float32, i) for i in range(3)])]
    ),
    concat([(2, 3), (3, 3)], 1, error="input 1 has shape"),
    concat([(2, 3), (2,)], 0, error="ranks"),
    *(concat([(2, 3), (2, 3)], axis, error="out of range") for axis in (2, -3)),
    *(
        concat_scaled(np.uint8, [a, b, c], [13, 0, 128])
        for a in (0.001, 0.25, 3.0)
        for b in (0.02, 1.0)
        for c in (0.02, 0.7)
    ),
    concat_scaled(np.uint8, [1e-6, 1e6, 1.0], [0, 255, 17]),
    concat_scaled(np.uint8, [1.0, 1.0, 1e-12], [3, 200, 255]),
    concat_scaled(np.uint8, [0.5, 0.5, 0.5], [3, 3, 3]),
    concat_scaled(np.int8, [0.5, 0.5, 0.5], [3, 3, 3]),
    concat_scaled(np.int16, [0.5, 0.5, 0.5], [0, 0, 0]),
    concat_scaled(np.int8, [0.5, 0.25, 0.5], [3, 3, 3], error="scale and zero point"),
    concat_scaled(np.int8, [0.5, 0.5, 0.5], [3, 2, 3], error="scale and zero point"),
    concat_scaled(np.int16, [0.5, 0.5, 0.5], [0, 4, 0], error="zero point 0"),
    Case(
        "mixed types",
        "CONCATENATION",
        [given(values((2,))), given(values((2,), np.int32))],
        [out(np.float32)],
        ConcatenationOptions(),
        error="is INT32",
    ),
    Case(
        "fused",
        "CONCATENATION",
        [given(values((2,)))],
        [out(np.float32)],
        ConcatenationOptions(fused_activation_function=ActivationFunctionType.RELU),
        error="RELU",
    ),
]


def split(
    shape: tuple[int, ...], axis: int, count: int, dtype: Any = np.float32, **more: Any
) -> Case:
    x = sample(shape, dtype)
    role = more.pop("role", const)
    if "error" not in more and "expected" not in more:
        more["expected"] = np.split(x, count, axis)
    label = f"{name(dtype)} {list(shape)} axis {axis} in {count} {role.__name__}"
    inputs = [role(np.int32(axis)), given(x, dtype=dtype)]
    outputs = [out(dtype)] * max(count, 1)
    return Case(label, "SPLIT", inputs, outputs, SplitOptions(num_splits=count), 3, **more)


LITERT_SPLIT = (np.float32, np.uint8, np.int8, np.int16, np.int32, np.int64)
SPLITS = [
    *(split((2, 6, 3), 1, 3, d) for d in (*PLAIN, STRING)),
    *(
        split((2, 6, 3), 1, 2, d, expected=None, role=r)
        for d in LITERT_SPLIT
        for r in (const, given)
    ),
    *(split((4, 4, 4), axis, 2, role=r) for axis in (-3, -1, 0, 2) for r in (const, given)),
    split((3,), 0, 1),
    split((0, 2), 0, 3),
    split((2, 5), 1, 2, error="evenly"),
    split((2, 4), 1, 0, error="outputs|evenly"),
    *(split((2, 4), axis, 2, error="out of range") for axis in (2, -3)),
]


def split_v(sizes: list[int], axis: int, dtype: Any = np.float32, **more: Any) -> Case:
    """Splits [5, 6, 2]; sizes are int64 where the axis is negative."""
    x = sample((5, 6, 2), dtype)
    role = more.pop("role", const)
    if "error" not in more and "expected" not in more:
        rest = x.shape[axis] - sum(n for n in sizes if n != -1)
        ends = np.cumsum([rest if n == -1 else n for n in sizes])
        more["expected"] = np.split(x, ends[:-1], axis)
    label = f"{name(dtype)} {sizes} axis {axis} {role.__name__}"
    lengths = np.array(sizes, np.int64 if axis < 0 else np.int32)
    inputs = [given(x, dtype=dtype), role(lengths), const(np.int32(axis))]
    options = SplitVOptions(num_splits=len(sizes))
    return Case(label, "SPLIT_V", inputs, [out(dtype)] * len(sizes), options, 2, **more)


SPLITS += [
    *(split_v([1, 3, 2], 1, d) for d in (*PLAIN, STRING)),
    *(split_v([4, -1], 0, d, expected=None) for d in LITERT_SPLIT),
    *(
        split_v(sizes, axis, role=r)
        for sizes, axis in [([0, 6, 0], 1), ([2, -1, 1], -2), ([-1], 2), ([6, -1], 1)]
        for r in (const, given)
    ),
    *(
        split_v(sizes, 1, role=r, error="at most one|do not add up")
        for sizes in ([-1, -1], [3, 4], [7, -1], [3, 2], [-2, 8])
        for r in (const, given)
    ),
    split_v([1, 1], 3, error="out of range"),
]


def pack(
    shape: tuple[int, ...], axis: int, count: int = 3, dtype: Any = np.float32, **more: Any
) -> Case:
    parts = [sample(shape, dtype, i) for i in range(count)]
    if "error" not in more and "expected" not in more:
        more["expected"] = [np.stack(parts, axis)]
    label = f"{name(dtype)} {count} of {list(shape)} axis {axis}"
    inputs = [given(part, dtype=dtype) for part in parts]
    options = PackOptions(values_count=count, axis=axis)
    return Case(label, "PACK", inputs, [out(dtype)], options, 3, **more)


def unpack(shape: tuple[int, ...], axis: int, dtype: Any = np.float32, **more: Any) -> Case:
    x = sample(shape, dtype)
    count = more.pop("count", shape[axis] if -len(shape) <= axis < len(shape) else 1)
    if "error" not in more and "expected" not in more:
        more["expected"] = list(np.moveaxis(x, axis, 0))
    label = f"{name(dtype)} {list(shape)} axis {axis} in {count}"
    options = UnpackOptions(num=count, axis=axis)
    outputs = [out(dtype)] * count
    return Case(label, "UNPACK", [given(x, dtype=dtype)], outputs, options, 4, **more)


LITERT_PACK = (np.float32, np.uint8, np.int8, np.int16, np.int32, np.int64, np.uint32)
LITERT_UNPACK = (np.float32, np.float16, np.uint8, np.int8, np.int16, np.int32, np.bool_)
PACKS = [
    *(pack((2, 3), 1, 2, d) for d in (*PLAIN, STRING)),
    *(pack((2, 3), -1, 3, d, expected=None) for d in LITERT_PACK),
    *(pack((2, 3, 2), axis) for axis in (-4, -2, 0, 3)),
    pack((), 0),
    pack((), -1),
    pack((0, 2), 1),
    *(pack((2, 3), axis, error="out of range") for axis in (3, -4)),
    *(unpack((3, 2, 2), 1, d) for d in (*PLAIN, STRING)),
    *(unpack((3, 2), -2, d, expected=None) for d in LITERT_UNPACK),
    *(unpack((2, 3, 4), axis) for axis in (-3, -1, 0, 2)),
    unpack((4,), 0),
    unpack((2, 0), 0),
    unpack((2, 3), 1, count=2, error="num is 2"),
    *(unpack((2, 3), axis, error="out of range") for axis in (2, -3)),
    Case(
        "shapes differ",
        "PACK",
        [given(values((2,))), given(values((3,)))],
        [out(np.float32)],
        PackOptions(values_count=2),
        error="expected all the same",
    ),
    Case(
        "count differs",
        "PACK",
        [given(values((2,)))],
        [out(np.float32)],
        PackOptions(values_count=2),
        error="inputs; expected 2",
    ),
    Case(
        "scales differ",
        "PACK",
        [given(vector(1, dtype=np.int8), scale=0.5), given(vector(1, dtype=np.int8), scale=1.0)],
        [out(np.int8, scale=0.5)],
        PackOptions(values_count=2),
        2,
        error="scale and zero point",
    ),
    Case(
        "scales differ",
        "UNPACK",
        [given(values((2, 3), np.uint8), scale=0.5)],
        [out(np.uint8, scale=0.5), out(np.uint8, scale=0.5, zero_point=1)],
        UnpackOptions(num=2),
        2,
        error="scale and zero point",
    ),
]

CASES = [*CONCATS, *SPLITS, *PACKS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_concat(case: Case, device: str) -> None:
    check(case, device)
