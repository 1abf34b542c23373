"""DENSIFY: levels and blocks encoded here from dense arrays, and encodings that are wrong."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from litegpu.graph import SparseDimension, Sparsity

from tests.cases import Arg, Case, check, const, out

RNG = np.random.default_rng(124)


def dense(shape: tuple[int, ...], dtype: Any = np.float32, density: float = 0.3) -> Any:
    return (RNG.integers(1, 100, shape) * (RNG.random(shape) < density)).astype(dtype)


def encode(
    x: Any,
    order: tuple[int, ...],
    compressed: tuple[bool, ...],
    blocks: dict[int, int] | None = None,
) -> tuple[Sparsity, Any]:
    """The sparse form of `x`, by a walk over the expanded tensor, outermost level first."""
    blocks = blocks or {}
    outer = [n // blocks.get(d, 1) for d, n in enumerate(x.shape)]
    sizes = [*outer, *blocks.values()]
    expanded = x.reshape([n for d in range(x.ndim) for n in (outer[d], blocks.get(d, 1))])
    unblocked = expanded.transpose(
        [2 * d for d in range(x.ndim)] + [2 * d + 1 for d in range(x.ndim)]
    ).reshape(sizes)
    levels = unblocked.transpose(order)
    dimensions, prefixes = [], [()]
    for level, is_compressed in enumerate(compressed):
        size = levels.shape[level]
        children: list[tuple[int, ...]] = []
        segments, indices = [0], []
        for prefix, i in itertools.product(prefixes, range(size)):
            if not is_compressed or np.any(levels[(*prefix, i)]):
                children.append((*prefix, i))
                indices.append(i)
            if i == size - 1:
                segments.append(len(indices))
        dimensions.append(
            SparseDimension(0, np.array(segments, np.int32), np.array(indices, np.int32))
            if is_compressed
            else SparseDimension(size)
        )
        prefixes = children
    values = np.array([levels[p] for p in prefixes], x.dtype)
    return Sparsity(order, tuple(blocks), tuple(dimensions)), values


def sparse_arg(x: Any, sparsity: Sparsity | None, values: Any) -> Arg:
    """The constant as `check` stores it: compressed values, the dense shape."""
    return replace(const(values), shape=x.shape, sparsity=sparsity)


def sparse_case(name: str, x: Any, *form: Any, **rest: Any) -> Case:
    sparsity, values = encode(x, *form)
    return Case(
        name, "DENSIFY", [sparse_arg(x, sparsity, values)], [out(x.dtype)], expected=[x], **rest
    )


GOOD = [
    *(
        sparse_case(np.dtype(d).name, dense((5, 7), d), (0, 1), (False, True))
        for d in (np.float32, np.float16, np.int8)
    ),
    sparse_case("all compressed", dense((6, 5)), (0, 1), (True, True)),
    sparse_case("all dense", dense((3, 4)), (0, 1), (False, False)),
    sparse_case("column by column", dense((5, 4)), (1, 0), (False, True)),
    sparse_case("dense within compressed", dense((5, 4), density=0.1), (0, 1), (True, False)),
    sparse_case("rank 4", dense((3, 2, 4, 2)), (0, 3, 1, 2), (True, False, True, False)),
    sparse_case("vector", dense((9,)), (0,), (True,)),
    sparse_case("zeros", dense((4, 4), density=0), (0, 1), (False, True)),
    sparse_case("blocks of columns", dense((4, 8)), (0, 1, 2), (False, True, False), {1: 4}),
    sparse_case(
        "blocks of both", dense((4, 8)), (0, 1, 2, 3), (False, True, False, False), {0: 2, 1: 4}
    ),
    sparse_case(
        "blocks across", dense((4, 6)), (1, 0, 3, 2), (False, True, False, False), {0: 2, 1: 3}
    ),
    sparse_case(
        "blocks of two of four",
        dense((4, 1, 1, 8)),
        (0, 1, 2, 3, 4, 5),
        (False, False, False, True, False, False),
        {0: 4, 3: 2},
    ),
]

BASE = dense((4, 6), density=0.5)
FORM, VALUES = encode(BASE, (0, 1), (False, True))
LEVEL = FORM.dimensions[1]
BLOCKED, BLOCK_VALUES = encode(BASE, (0, 1, 2), (False, True, False), {1: 2})


def bad_level(**changes: Any) -> Sparsity:
    return replace(FORM, dimensions=(FORM.dimensions[0], replace(LEVEL, **changes)))


def int32(*values: int) -> Any:
    return np.array(values, np.int32)


WRONG: list[tuple[str, Sparsity | None, Any]] = [
    ("not sparse", None, BASE),
    ("order repeats", replace(FORM, traversal_order=(0, 0)), VALUES),
    ("order out of range", replace(FORM, traversal_order=(0, 2)), VALUES),
    ("order negative", replace(FORM, traversal_order=(0, -1)), VALUES),
    ("order too short", replace(FORM, traversal_order=(0,)), VALUES),
    ("no levels", replace(FORM, dimensions=()), VALUES),
    ("no order", replace(FORM, traversal_order=(), dimensions=()), VALUES),
    ("block map out of range", replace(BLOCKED, block_map=(2,)), BLOCK_VALUES),
    ("block map negative", replace(BLOCKED, block_map=(-1,)), BLOCK_VALUES),
    ("blocks before dimensions", replace(BLOCKED, traversal_order=(2, 0, 1)), BLOCK_VALUES),
    (
        "block size zero",
        replace(BLOCKED, dimensions=(*BLOCKED.dimensions[:2], SparseDimension(0))),
        BLOCK_VALUES,
    ),
    (
        "block size does not divide",
        replace(BLOCKED, dimensions=(*BLOCKED.dimensions[:2], SparseDimension(4))),
        BLOCK_VALUES,
    ),
    (
        "dense level too large",
        replace(FORM, dimensions=(SparseDimension(2**31 - 1), LEVEL)),
        VALUES,
    ),
    ("dense level negative", replace(FORM, dimensions=(SparseDimension(-1), LEVEL)), VALUES),
    ("segments fall", bad_level(segments=int32(0, 5, 3, 5, 6)), VALUES),
    ("segments negative", bad_level(segments=int32(-4, 0, 1, 2, 3)), VALUES),
    ("too few segments", bad_level(segments=int32(0, 1, 2)), VALUES),
    ("no segments", bad_level(segments=int32()), VALUES),
    ("segments beyond indices", bad_level(segments=int32(0, 1, 2, 3, 10**6)), VALUES),
    ("index too large", bad_level(indices=np.full_like(LEVEL.indices, 6)), VALUES),
    ("index negative", bad_level(indices=np.full_like(LEVEL.indices, -1)), VALUES),
    ("too few values", FORM, VALUES[:-1]),
    ("no values", FORM, VALUES[:0]),
]

BAD = [
    Case(name, "DENSIFY", [sparse_arg(BASE, sparsity, values)], [out(np.float32)], error=r"\S")
    for name, sparsity, values in WRONG
]

CASES = [*GOOD, *BAD]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_densify(case: Case, device: str) -> None:
    check(case, device)


@pytest.mark.parametrize("case", GOOD, ids=str)
def test_the_encoding_is_the_one_that_litert_reads(case: Case, device: str) -> None:
    check(replace(case, expected=None), device)
