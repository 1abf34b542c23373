"""BATCH_MATMUL against LiteRT; STABLEHLO_DOT_GENERAL against einsum."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from litegpu.schema.options import BatchMatMulOptions
from litegpu.schema.options2 import StablehloDotGeneralOptions

from tests.cases import Case, check, const, given, out
from tests.values import values

OP = "BATCH_MATMUL"


def shapes(
    left: tuple[int, ...], right: tuple[int, ...], o: BatchMatMulOptions
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of operands given as [..., rows, depth] and [..., depth, columns]."""

    def stored(shape: tuple[int, ...], adjoint: bool) -> tuple[int, ...]:
        return (*shape[:-2], shape[-1], shape[-2]) if adjoint else shape

    return stored(left, o.adj_x), stored(right, o.adj_y)


def case(
    name: str,
    types: tuple[Any, Any, Any],
    left: tuple[int, ...],
    right: tuple[int, ...],
    o: BatchMatMulOptions,
    *,
    role: Any = given,
    scale: float = 0.4,
    right_scale: Any = 0.02,
) -> Case:
    (a, b), (left_type, right_type, out_type) = shapes(left, right, o), types
    quantised = left_type != np.float32
    is_int8 = left_type == np.int8
    x = values(a, left_type)
    w = values(b, right_type, 1)
    w_quant: dict[str, Any] = {}
    if right_type != np.float32:
        w = np.maximum(w, -np.iinfo(right_type).max)
        w_quant = {"scale": right_scale, "zero_point": 5 if is_int8 else 0}
        w_quant["axis"] = len(b) - (2 if o.adj_y else 1)
    x_quant = {"scale": 0.05, "zero_point": -9 if is_int8 else 0} if quantised else {}
    out_quant = {"scale": scale, "zero_point": 4 if is_int8 else 0} if quantised else {}
    inputs = [given(x, **x_quant), role(w, **w_quant)]
    label = f"{name} {list(a)} {list(b)} {[np.dtype(t).name for t in types]}"
    return Case(label, OP, inputs, [out(out_type, **out_quant)], o, version=4)


FLOAT = (np.float32, np.float32, np.float32)
HYBRID = (np.float32, np.int8, np.float32)
INTEGERS = [
    (np.int8, np.int8, np.int8),
    (np.int8, np.int8, np.int32),
    (np.int16, np.int16, np.int16),
    (np.int16, np.int8, np.int16),
]
SHAPES = [
    ((4, 5), (5, 6)),
    ((2, 3, 4, 5), (2, 3, 5, 6)),
    ((2, 1, 4, 5), (1, 3, 5, 6)),
    ((3, 4, 5), (5, 6)),
    ((4, 5), (2, 5, 6)),
    ((2, 1, 2, 4, 5), (3, 1, 5, 6)),
]
ADJOINTS = [BatchMatMulOptions(adj_x=x, adj_y=y) for x, y in product((False, True), repeat=2)]
CASES = [
    *(
        case(f"{o.adj_x} {o.adj_y}", t, a, b, o, scale=9 if t[0] == np.int16 else 0.4)
        for t, (a, b), o in product((FLOAT, *INTEGERS), SHAPES, ADJOINTS)
    ),
    *(
        case(f"{o.adj_y} {o.asymmetric_quantize_inputs}", HYBRID, a, b, o, role=role)
        for (a, b), role, o in product(
            # LiteRT takes the scales of other rows with two batch dimensions or more.
            [((4, 5), (5, 6)), ((2, 4, 5), (2, 5, 6)), ((1, 2, 4, 5), (1, 2, 5, 6))],
            (const, given),
            [
                BatchMatMulOptions(adj_y=y, asymmetric_quantize_inputs=q)
                for y, q in product((False, True), repeat=2)
            ],
        )
    ),
    case(
        "per column",
        HYBRID,
        (4, 5),
        (5, 6),
        BatchMatMulOptions(adj_y=True),
        right_scale=np.linspace(0.01, 0.1, 6),
        role=const,
    ),
    case("constant", INTEGERS[0], (4, 5), (5, 6), BatchMatMulOptions(), role=const),
    *(
        case(f"deep {depth}", INTEGERS[0], (3, depth), (depth, 7), BatchMatMulOptions(), scale=15)
        for depth in (257, 700, 5000)
    ),
    case("deep", HYBRID, (3, 700), (700, 7), BatchMatMulOptions()),
    *(
        case(f"scale {s}", INTEGERS[0], (9, 5), (5, 6), BatchMatMulOptions(), scale=s)
        for s in (1e-6, 1e-3, 30.0)
    ),
    Case(
        "NaN and Inf",
        OP,
        [given(np.float32([[1, np.nan], [np.inf, 2]])), given(np.ones((2, 2), np.float32))],
        [out(np.float32)],
        BatchMatMulOptions(),
        expected=[np.float32([[np.nan, np.nan], [np.inf, np.inf]])],
    ),
]


def broken(name: str, error: str, x: Any, w: Any) -> Case:
    return Case(
        name, OP, [given(x), given(w)], [out(np.float32)], BatchMatMulOptions(), error=error
    )


CASES += [
    broken("inner sizes", "different inner sizes", values((2, 3)), values((4, 5))),
    broken("batches", "not broadcastable", values((2, 3, 4)), values((3, 4, 5))),
    broken("rank", "rank 2", values((3,)), values((3, 4))),
    broken("types", "cannot give", values((3, 4), np.int32), values((4, 5), np.int32)),
]


def dot(
    name: str, equation: str, x: Any, w: Any, dims: tuple[Any, Any, Any, Any], dtype: Any
) -> Case:
    batch_x, batch_w, contract_x, contract_w = (np.array(d, np.int64) for d in dims)
    exact = np.einsum(equation, x.astype(np.float64), w.astype(np.float64))
    return Case(
        f"{name} {np.dtype(x.dtype).name}",
        "STABLEHLO_DOT_GENERAL",
        [given(x), given(w)],
        [out(dtype)],
        StablehloDotGeneralOptions(
            lhs_batching_dimensions=batch_x,
            rhs_batching_dimensions=batch_w,
            lhs_contracting_dimensions=contract_x,
            rhs_contracting_dimensions=contract_w,
        ),
        expected=[exact.astype(dtype)],
    )


DOTS: list[tuple[str, str, tuple[int, ...], tuple[int, ...], Any]] = [
    ("matrices", "ij,jk->ik", (3, 4), (4, 5), ([], [], [1], [0])),
    ("batched", "bij,kbj->bik", (2, 3, 4), (5, 2, 4), ([0], [1], [2], [2])),
    ("two contracted", "iab,bka->ik", (3, 4, 2), (2, 5, 4), ([], [], [1, 2], [2, 0])),
    ("outer", "ij,k->ijk", (3, 4), (5,), ([], [], [], [])),
    ("inner", "i,i->", (7,), (7,), ([], [], [0], [0])),
    ("batch of inner", "bi,bi->b", (3, 7), (3, 7), ([0], [0], [1], [1])),
    ("empty depth", "ij,jk->ik", (3, 0), (0, 5), ([], [], [1], [0])),
]
CASES += [
    dot(name, equation, values(a, t), values(b, t, 1), dims, result)
    for (name, equation, a, b, dims), (t, result) in product(
        DOTS, [(np.float32, np.float32), (np.int8, np.int32), (np.uint8, np.int32)]
    )
]
CASES += [
    Case(
        name,
        "STABLEHLO_DOT_GENERAL",
        [given(values((3, 4))), given(values((4, 5)))],
        [out(np.float32)],
        StablehloDotGeneralOptions(
            lhs_contracting_dimensions=np.array(a), rhs_contracting_dimensions=np.array(b)
        ),
        error=error,
    )
    for name, a, b, error in [
        ("sizes", [0], [0], "differ"),
        ("out of range", [2], [0], "distinct"),
        ("twice", [1, 1], [0, 0], "distinct"),
        ("counts", [0, 1], [0], "differ"),
    ]
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_batch_matmul(case: Case, device: str) -> None:
    check(case, device)
