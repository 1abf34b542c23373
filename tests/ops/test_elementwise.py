"""Arithmetic of two or more tensors: every type, activation and quantisation."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from litegpu.dtypes import NUMPY
from litegpu.schema.enums import ActivationFunctionType as Act
from litegpu.schema.enums import TensorType as T
from litegpu.schema.options import AddOptions, DivOptions, MulOptions, SubOptions

from tests.cases import Case, check, const, given, out

OPTIONS: dict[str, Any] = {
    "ADD": AddOptions,
    "SUB": SubOptions,
    "MUL": MulOptions,
    "DIV": DivOptions,
}
ACTIVATIONS = (Act.NONE, Act.RELU, Act.RELU_N1_TO_1, Act.RELU6)
SHAPES = {
    "same": ((2, 3, 4), (2, 3, 4)),
    "scalar": ((2, 3), ()),
    "both scalar": ((), ()),
    "row": ((2, 3, 4), (4,)),
    "both ways": ((2, 1, 4), (3, 1)),
    "rank 6": ((2, 1, 2, 1, 2, 3), (1, 3, 1, 2, 1, 3)),
    "empty": ((0, 3), (1, 3)),
}


def rng(*seed: Any) -> np.random.Generator:
    return np.random.default_rng([sum(map(ord, str(s))) for s in seed])


def values(dtype: Any, shape: tuple[int, ...], *seed: Any) -> Any:
    """Random values; of integers the whole type where it is quantised, else small ones."""
    r = rng(dtype, shape, *seed)
    kind = np.dtype(dtype)
    if kind.kind == "c":
        return (r.normal(size=shape) + 1j * r.normal(size=shape)).astype(kind)
    if kind.kind not in "iu":
        return r.normal(0, 4, shape).astype(np.float64).astype(kind)
    if kind.itemsize == 1 or kind == np.int16:
        info = np.iinfo(kind)
        return r.integers(info.min, info.max + 1, shape, dtype=kind)
    return r.integers(0 if kind.kind == "u" else -60, 60, shape).astype(kind)


def nonzero(x: Any) -> Any:
    return np.where(x == 0, np.ones_like(x), x)


def clamped(y: Any, activation: Act) -> Any:
    low, high = {Act.RELU: (0, None), Act.RELU6: (0, 6), Act.RELU_N1_TO_1: (-1, 1)}.get(
        activation, (None, None)
    )
    return y if low is None else np.clip(y, low, high).astype(y.dtype)


FORMULAS: dict[str, Any] = {
    "ADD": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "MUL": lambda a, b: a * b,
    "DIV": lambda a, b: np.trunc(a / b).astype(a.dtype) if a.dtype.kind in "iu" else a / b,
    "MAXIMUM": lambda a, b: np.where(a > b, a, b),
    "MINIMUM": lambda a, b: np.where(a < b, a, b),
    "SQUARED_DIFFERENCE": lambda a, b: (a - b) * (a - b),
    "FLOOR_DIV": lambda a, b: np.floor(a.astype(np.float64) / b.astype(np.float64)).astype(a.dtype),
    "FLOOR_MOD": lambda a, b: a - b * np.floor(a.astype(np.float64) / b).astype(a.dtype),
    "ATAN2": lambda a, b: np.angle(b.astype(np.float64) + 1j * a.astype(np.float64)).astype(
        a.dtype
    ),
}
DTYPES: dict[str, tuple[Any, ...]] = {
    "ADD": (np.float32, np.float16, np.int32, np.int64, np.int16),
    "SUB": (np.float32, np.int32, np.int64),
    "MUL": (np.float32, np.float16, np.int32, np.int64, np.int16, np.uint32, np.complex64),
    "DIV": (np.float32, np.int32),
    "MAXIMUM": (np.float32, np.float16, np.int8, np.uint8, np.int16, np.int32, np.int64),
    "MINIMUM": (np.float32, np.float16, np.int8, np.uint8, np.int16, np.int32, np.int64),
    "SQUARED_DIFFERENCE": (np.float32, np.int32),
    "FLOOR_DIV": (np.float32, np.int8, np.int16, np.int32),
    "FLOOR_MOD": (np.int8, np.int16, np.int32, np.int64),
    "ATAN2": (np.float32, np.float64, np.float16, NUMPY[T.BFLOAT16]),
}
BFLOAT16 = NUMPY[T.BFLOAT16]


def plain(op: str, dtype: Any, shapes: str) -> Case:
    """An unquantised case whose expectation is the formula."""
    a, b = (values(dtype, s, op, i) for i, s in enumerate(SHAPES[shapes]))
    if op in ("DIV", "FLOOR_DIV", "FLOOR_MOD"):
        b = nonzero(b)
    inputs = [given(a), given(b)]
    name = f"{np.dtype(dtype).name} {shapes}"
    with np.errstate(all="ignore"):
        expected = [np.asarray(FORMULAS[op](a, b), a.dtype)]
    options = OPTIONS[op]() if op in OPTIONS else None
    return Case(name, op, inputs, [out(dtype)], options, expected=expected)


def activated(op: str, dtype: Any, activation: Act) -> Case:
    a, b = (values(dtype, (4, 5), op, activation, i) for i in range(2))
    b = nonzero(b)
    expected = [clamped(FORMULAS[op](a, b), activation)]
    return Case(
        f"{np.dtype(dtype).name} {activation.name}",
        op,
        [given(a), given(b)],
        [out(dtype)],
        OPTIONS[op](fused_activation_function=activation),
        expected=expected,
    )


QUANTISED = {"ADD": (1, 2), "SUB": (1, 2), "MUL": (1, 2), "DIV": (2, 2)}
SCALES = {
    "near": ((0.05, 3), (0.03, -4), (0.1, -5)),
    "far": ((1.7, -100), (0.0007, 90), (0.9, 7)),
    "saturating": ((0.5, 0), (0.5, 0), (0.01, 0)),
    "coarse": ((0.01, 12), (0.02, 1), (3.0, 127)),
}
BIG = ((3, 40, 41), (3, 40, 41))
BIG_ROW = ((2, 50, 64), (2, 1, 64))
WIDE = ((3, 9001), (3, 1))


def quantised(
    op: str, dtype: Any, scales: str, shapes: Any = ((2, 5, 7), (5, 7)), **options: Any
) -> Case:
    """A quantised case; LiteRT is the oracle."""
    kind = np.dtype(dtype)
    shift = 128 if kind == np.uint8 else 0
    points = [(s, 0 if kind == np.int16 else z + shift) for s, z in SCALES[scales]]
    (sa, za), (sb, zb), (sy, zy) = points
    a, b = (values(kind, s, op, scales, i) for i, s in enumerate(shapes))
    if op == "DIV":
        b = np.where(b == zb, b + 1, b).astype(kind)
    made = OPTIONS[op](**options) if op in OPTIONS else None
    detail = " ".join(str(getattr(v, "name", v)) for v in options.values())
    return Case(
        f"{kind.name} {scales} {shapes[0]} {shapes[1]} {detail}".strip(),
        op,
        [given(a, scale=sa, zero_point=za), given(b, scale=sb, zero_point=zb)],
        [out(kind, scale=sy, zero_point=zy)],
        made,
        version=2,
    )


def with_constant(op: str, dtype: Any) -> Case:
    a = values(dtype, (3, 50, 41), op)
    shift = 128 if np.dtype(dtype) == np.uint8 else 0
    return Case(
        f"{np.dtype(dtype).name} scalar constant",
        op,
        [
            given(a, scale=0.05, zero_point=3 + shift),
            const(np.asarray(70, dtype), scale=0.03, zero_point=shift - 4),
        ],
        [out(dtype, scale=0.04, zero_point=shift - 5)],
        OPTIONS[op](),
        version=2,
    )


def powers_of_two(op: str, logs: tuple[int, int, int], flag: bool = True) -> Case:
    a, b = (values(np.int16, (5, 7), op, logs, i) for i in range(2))
    la, lb, ly = logs
    return Case(
        f"int16 2^{la} 2^{lb} 2^{ly} pot={flag}",
        op,
        [given(a, scale=2.0**la), given(b, scale=2.0**lb)],
        [out(np.int16, scale=2.0**ly)],
        OPTIONS[op](pot_scale_int16=flag),
        version=3,
    )


def narrowing(dtype: Any) -> Case:
    a, b = (values(np.int16, (6, 7), dtype, i) for i in range(2))
    zero = 128 if dtype == np.uint8 else 0
    return Case(
        f"int16 to {np.dtype(dtype).name}",
        "MUL",
        [given(a, scale=2.0**-15), given(b, scale=2.0**-15)],
        [out(dtype, scale=1 / 128, zero_point=zero)],
        MulOptions(),
    )


def squared(scales: str, shapes: Any) -> Case:
    sa, sb, sy = {"near": (0.05, 0.03, 2.0), "far": (0.9, 0.01, 50.0)}[scales]
    a, b = (values(np.int8, s, scales, i) for i, s in enumerate(shapes))
    return Case(
        f"int8 {scales} {shapes[0]} {shapes[1]}",
        "SQUARED_DIFFERENCE",
        [given(a, scale=sa, zero_point=3), given(b, scale=sb, zero_point=-4)],
        [out(np.int8, scale=sy, zero_point=-100)],
        version=2,
    )


f32, i32 = np.float32, np.int32
NAN, INF = np.nan, np.inf


def power(name: str, a: Any, b: Any, expected: Any) -> Case:
    return Case(name, "POW", [given(a), given(b)], [out(a.dtype)], expected=[expected])


def special(op: str, a: list[float], b: list[float], expected: list[float]) -> Case:
    options = OPTIONS[op]() if op in OPTIONS else None
    arrays = [np.array(v, np.float32) for v in (a, b, expected)]
    return Case(
        "NaN and Inf", op, [given(arrays[0]), given(arrays[1])], [out(f32)], options,
        expected=[arrays[2]],
    )  # fmt: skip


def bfloat(op: str) -> Case:
    a, b = (values(f32, (3, 4), op, i).astype(BFLOAT16) for i in range(2))
    exact = FORMULAS[op](a.astype(f32), nonzero(b.astype(f32)))
    return Case(
        "bfloat16", op, [given(a), given(nonzero(b))], [out(T.BFLOAT16)],
        OPTIONS[op]() if op in OPTIONS else None, expected=[np.asarray(exact).astype(BFLOAT16)],
    )  # fmt: skip


def failing(name: str, op: str, a: Any, b: Any, error: str, options: Any = None) -> Case:
    return Case(name, op, [given(a), given(b)], [out(a.dtype)], options, error=error)


q8 = values(np.int8, (2, 3), "failing")
QUANTISATIONS_REFUSED = [
    Case(
        f"{name} {op}", op, [given(q8, scale=sa), given(q8, scale=sb)], [out(np.int8, scale=sy)],
        OPTIONS[op](), error=error,
    )
    for op in ("ADD", "MUL", "DIV")
    for name, sa, sb, sy, error in [
        ("without output scale", 0.1, 0.1, None, "quantised per tensor"),
        ("without input scale", None, 0.1, 0.1, "quantised per tensor"),
        ("per channel", [0.1, 0.2], 0.1, 0.1, "quantised per tensor"),
    ]
]  # fmt: skip

CASES = [
    *(plain(op, dtype, s) for op, types in DTYPES.items() for dtype in types for s in SHAPES),
    *(
        activated(op, dtype, act)
        for op, dtype, act in product(("ADD", "SUB", "MUL", "DIV"), (f32, i32), ACTIVATIONS)
    ),
    *(
        quantised(op, dtype, scales)
        for op, dtype, scales in product(QUANTISED, (np.int8, np.uint8, np.int16), SCALES)
    ),
    *(
        quantised(op, dtype, "near", fused_activation_function=act)
        for op, dtype, act in product(QUANTISED, (np.int8, np.uint8, np.int16), ACTIVATIONS[1:])
    ),
    *(
        quantised(op, dtype, "near", shapes)
        for op, dtype, shapes in product(
            QUANTISED, (np.int8, np.uint8, np.int16), (BIG, BIG_ROW, WIDE, ((0, 4), (4,)), ((), ()))
        )
    ),
    *(with_constant(op, dtype) for op in ("ADD", "SUB", "MUL") for dtype in (np.int8, np.uint8)),
    *(
        powers_of_two(op, logs, flag)
        for op in ("ADD", "SUB")
        for logs in ((-11, -11, -11), (-13, -11, -11), (-11, -14, -11))
        for flag in (True, False)
    ),
    *(narrowing(dtype) for dtype in (np.int8, np.uint8)),
    *(
        squared(scales, shapes)
        for scales in ("near", "far")
        for shapes in (((4, 5), (4, 5)), ((4, 5), (5,)), BIG)
    ),
    *(bfloat(op) for op in ("ADD", "MUL", "MAXIMUM", "MINIMUM", "FLOOR_MOD")),
    special("ADD", [NAN, INF, INF, 1], [1, 1, -INF, -INF], [NAN, INF, NAN, -INF]),
    special("DIV", [1, -1, 0, INF], [0, 0, 0, 2], [INF, -INF, NAN, INF]),
    special("MUL", [INF, INF, NAN], [0, -2, 1], [NAN, -INF, NAN]),
    special("MAXIMUM", [INF, -INF, 1], [1, 1, 1], [INF, 1, 1]),
    special("FLOOR_MOD", [5, -5, 5.5], [3, 3, -2], [2, 1, -0.5]),
    power("float", f32([2, 3, 4, 0]), f32([0.5, -1, 2, 0]), f32([2**0.5, 1 / 3, 16, 1])),
    power("negative base", f32([-2, -2, -8]), f32([2, 3, 1 / 3]), f32([4, -8, NAN])),
    power("broadcast", f32([[1], [2]]), f32([0, 1, 2]), f32([[1, 1, 1], [1, 2, 4]])),
    power("int32", i32([2, -3, 7, 0, -1]), i32([10, 3, 0, 0, 7]), i32([1024, -27, 1, 1, -1])),
    power("int32 large", i32([2, 3, 46340]), i32([30, 19, 2]), i32([2**30, 3**19, 46340**2])),
    power("empty", f32([]), f32([]), f32([])),
    failing("negative exponent", "POW", i32([2]), i32([-1]), "negative"),
    Case(
        "int32 -7 / 2", "DIV", [given(i32([-7, 7, -8])), given(i32([2, -2, 2]))], [out(i32)],
        DivOptions(), expected=[i32([-3, -3, -4])],
    ),
    *(
        failing(f"{np.dtype(d).name} by 0", op, np.array([1, 2], d), np.array([1, 0], d), "by 0")
        for op, d in [
            ("DIV", i32), ("FLOOR_DIV", i32), ("FLOOR_MOD", i32), ("FLOOR_DIV", f32),
            ("FLOOR_DIV", np.int8), ("FLOOR_MOD", np.int64),
        ]
    ),
    Case(
        "int8 by its zero point", "DIV",
        [given(q8, scale=0.1), given(np.full((2, 3), 5, np.int8), scale=0.1, zero_point=5)],
        [out(np.int8, scale=0.1)], DivOptions(), version=2, error="Division by 0",
    ),
    failing("shapes", "ADD", f32([[1, 2, 3]]), f32([1, 2]), "not broadcastable", AddOptions()),
    failing("types", "ADD", f32([1]), i32([1]), "expected FLOAT32", AddOptions()),
    failing("type", "ATAN2", i32([1]), i32([1]), "this op takes"),
    Case(
        "complex with RELU", "MUL", [given(np.complex64([1j])), given(np.complex64([1]))],
        [out(np.complex64)], MulOptions(fused_activation_function=Act.RELU), error="activation",
    ),
    Case("one input", "ADD", [given(f32([1]))], [out(f32)], AddOptions(), error="expected 2"),
    *QUANTISATIONS_REFUSED,
    Case(
        "int16 off zero", "ADD",
        [given(np.int16([1]), scale=0.1, zero_point=1), given(np.int16([1]), scale=0.1)],
        [out(np.int16, scale=0.1)], AddOptions(), error="zero point",
    ),
    Case(
        "two", "ADD_N", [given(f32([1, 2])), given(f32([3, 4]))], [out(f32)], expected=[f32([4, 6])]
    ),
    Case(
        "five int32", "ADD_N", [given(i32([[i, 1]])) for i in range(5)], [out(i32)],
        expected=[i32([[10, 5]])],
    ),
    Case("empty", "ADD_N", [given(f32([])), given(f32([]))], [out(f32)], expected=[f32([])]),
    Case("one", "ADD_N", [given(f32([1]))], [out(f32)], error="at least 2"),
    Case("shapes", "ADD_N", [given(f32([1])), given(f32([1, 2]))], [out(f32)], error="expected"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_elementwise(case: Case, device: str) -> None:
    check(case, device)
