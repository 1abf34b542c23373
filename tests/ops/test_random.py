"""Random operators: published vectors, LiteRT's sequences, distributions, determinism."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.ops.counter_random import Philox, philox, threefry
from litegpu.schema.enums import RngAlgorithm, TensorType
from litegpu.schema.options import RandomOptions
from litegpu.schema.options2 import StablehloRngBitGeneratorOptions
from litegpu.schema.writer import write_model

from tests.cases import Case, check, const, feeds, given, model_of, out, run_model

RNG = np.random.default_rng(146)
NUMBERS = ("RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL")
SEEDED = RandomOptions(seed=11, seed2=2**40 + 3)

# Random123's kat_vectors: counter, key, block.
PHILOX_VECTORS = [
    ("0" * 32, "0" * 16, "6627e8d5e169c58dbc57ac4c9b00dbd8"),
    ("f" * 32, "f" * 16, "408f276d41c83b0ea20bc7c66d5451fd"),
    ("243f6a8885a308d313198a2e03707344", "a4093822299f31d0", "d16cfe0994fdcceb5001e42024126ea1"),
]
THREEFRY_VECTORS = [
    ("0" * 16, "0" * 16, "6b20015999ba4efe"),
    ("f" * 16, "f" * 16, "1cb996fcbb002be7"),
    ("243f6a8885a308d3", "13198a2e03707344", "c4923a9c483df7a0"),
]


def words(text: str) -> Any:
    return np.array([int(text[i : i + 8], 16) for i in range(0, len(text), 8)], np.uint32)


@pytest.mark.parametrize(
    ("function", "counter", "key", "block"),
    [(philox, *v) for v in PHILOX_VECTORS] + [(threefry, *v) for v in THREEFRY_VECTORS],
)
def test_published_vectors(function: Any, counter: str, key: str, block: str) -> None:
    first, second = (int(k) for k in words(key))
    found = function((first, second), words(counter)[np.newaxis])
    np.testing.assert_array_equal(found[0], words(block))


def test_stream_is_one_sequence_across_carries() -> None:
    together, apart = Philox(5, 6), Philox(5, 6)
    for stream in (together, apart):
        stream.skip(2**32 - 2)
    expected = together.blocks(5)
    np.testing.assert_array_equal(np.concatenate([apart.blocks(3), apart.blocks(2)]), expected)
    assert len(np.unique(expected[:, 0])) == 5


def number_case(name: str, op: str, shape: Any, *, constant: bool = True, **rest: Any) -> Case:
    sizes = np.asarray(shape, np.int32)
    return Case(
        name,
        op,
        [const(sizes) if constant else given(sizes)],
        [out(np.float32)],
        rest.pop("options", SEEDED),
        **rest,
    )


def sample_case(
    name: str, logits: Any, count: Any, *, kind: Any = np.int64, constant: bool = True, **rest: Any
) -> Case:
    number = np.asarray(count, np.int32)
    return Case(
        name,
        "MULTINOMIAL",
        [given(np.asarray(logits, np.float32)), const(number) if constant else given(number)],
        [out(kind)],
        SEEDED,
        **rest,
    )


LOGITS = RNG.standard_normal((3, 6)) * 2

DRAWS = [
    case
    for op in NUMBERS
    for case in (
        number_case("matrix", op, [5, 8]),
        number_case("size no multiple of four", op, [6]),
        number_case("third invoke", op, [3, 2, 2], invokes=3),
        number_case("one seed", op, [8], options=RandomOptions(seed=0, seed2=-9)),
        number_case("shape given at run time", op, [4, 4], constant=False),
        number_case("nothing", op, [0, 3], expected=[np.zeros((0, 3), np.float32)]),
        number_case("negative shape", op, [-3], error="-3"),
        number_case("huge shape", op, [2**31 - 1, 64], error="limit"),
        number_case("shape matrix", op, [[3]], error="rank 1"),
    )
] + [
    sample_case("int64", LOGITS, 7),
    sample_case("int32", LOGITS, 8, kind=np.int32),
    sample_case("second invoke", LOGITS, 5, invokes=2),
    sample_case("count given at run time", LOGITS, 5, constant=False),
    sample_case("infinite logits", [[0, np.inf, 0], [np.nan, 0, -np.inf]], 8),
    sample_case("large logits", [[1e30, 1e30, -1e30]], 8),
    sample_case("no samples", LOGITS, 0, expected=[np.zeros((3, 0), np.int64)]),
    sample_case("negative count", LOGITS, -1, error="-1"),
    sample_case("no classes", np.zeros((2, 0)), 3, error="no classes"),
    sample_case("vector", np.zeros(3), 3, error="rank 2"),
]


def bits_case(
    name: str,
    algorithm: RngAlgorithm,
    state: Any,
    *,
    dtype: Any = np.uint32,
    shape: tuple[int, ...] = (3, 5),
    **rest: Any,
) -> Case:
    held = np.asarray(state, np.uint64)
    return Case(
        name,
        "STABLEHLO_RNG_BIT_GENERATOR",
        [given(held)],
        [out(np.uint64, shape=held.shape), out(dtype, shape=shape)],
        StablehloRngBitGeneratorOptions(algorithm=algorithm),
        **rest,
    )


KEY = 0x0123456789ABCDEF
STATES = {
    RngAlgorithm.THREEFRY: [[KEY, 7], [2**64 - 1, 2**64 - 3], [0, 2**32 - 2]],
    RngAlgorithm.PHILOX: [[KEY, 7], [KEY, 2**32 - 1, 2**64 - 1], [0, 2**64 - 2, 5]],
    RngAlgorithm.DEFAULT: [[KEY, 7], [KEY, 8, 9]],
}
BITS = [
    bits_case(f"{algorithm.name} state {i}", algorithm, state)
    for algorithm, states in STATES.items()
    for i, state in enumerate(states)
] + [
    case
    for algorithm in STATES
    for case in (
        *(
            bits_case(f"{algorithm.name} {np.dtype(d).name}", algorithm, [KEY, 1], dtype=d)
            for d in (np.int32, np.uint32, np.int64, np.uint64)
        ),
        bits_case(f"{algorithm.name} second invoke", algorithm, [KEY, 1], invokes=2),
        bits_case(
            f"{algorithm.name} nothing",
            algorithm,
            [KEY, 1],
            shape=(0, 2),
            expected=[np.array([KEY, 1], np.uint64), np.zeros((0, 2), np.uint32)],
        ),
        bits_case(f"{algorithm.name} short state", algorithm, [KEY], error="state"),
        bits_case(f"{algorithm.name} long state", algorithm, [KEY, 1, 2, 3], error="state"),
        bits_case(
            f"{algorithm.name} float", algorithm, [KEY, 1], dtype=np.float32, error="FLOAT32"
        ),
    )
]

CASES = [*DRAWS, *BITS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_random(case: Case, device: str) -> None:
    check(case, device)


def draw(case: Case, invokes: int = 1) -> Any:
    return run_model(write_model(model_of(case)), feeds(case), invokes=invokes)[0]


def largest_gap(samples: Any, cumulative: Any) -> float:
    """Kolmogorov and Smirnov's distance of samples from a distribution."""
    ordered = cumulative(np.sort(samples.astype(np.float64).ravel()))
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return float(max(np.max(steps[1:] - ordered), np.max(ordered - steps[:-1])))


def normal_cumulative(x: Any) -> Any:
    from math import erf

    return np.array([0.5 * (1 + erf(v / 2**0.5)) for v in x])


COUNT = 20_000
# The distance exceeds this once in 10^6 samples of COUNT (Smirnov's asymptotic formula).
GAP = float(np.sqrt(-0.5 * np.log(0.5e-6) / COUNT))


@pytest.mark.parametrize("seed", [1, 2, 2**63 - 1])
def test_uniform_distribution(seed: int) -> None:
    x = draw(number_case("", NUMBERS[0], [COUNT], options=RandomOptions(seed=seed)))
    assert x.min() >= 0
    assert x.max() < 1
    assert largest_gap(x, lambda v: v) < GAP
    assert abs(x.mean() - 0.5) < 5 * (1 / 12 / COUNT) ** 0.5


@pytest.mark.parametrize("seed", [1, 2, 2**63 - 1])
def test_normal_distribution(seed: int) -> None:
    x = draw(number_case("", NUMBERS[1], [COUNT], options=RandomOptions(seed=seed)))
    assert largest_gap(x, normal_cumulative) < GAP
    assert abs(x.mean()) < 5 / COUNT**0.5
    assert abs(x.var() - 1) < 5 * (2 / COUNT) ** 0.5


def test_sample_frequencies() -> None:
    odds = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    drawn = draw(sample_case("", LOGITS, COUNT))
    found = np.stack([np.bincount(row, minlength=6) / COUNT for row in drawn])
    assert np.all(np.abs(found - odds) < 5 * np.sqrt(odds * (1 - odds) / COUNT))


@pytest.mark.parametrize("op", NUMBERS)
def test_seeds_decide_the_sequence(op: str) -> None:
    case = number_case("", op, [64])
    first, again, later = draw(case), draw(case), draw(case, invokes=2)
    other = draw(number_case("", op, [64], options=RandomOptions(seed=12, seed2=2**40 + 3)))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, later)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("op", NUMBERS)
def test_no_seeds_give_another_sequence_each_time(op: str) -> None:
    case = number_case("", op, [64], options=RandomOptions())
    assert not np.array_equal(draw(case), draw(case))


def test_output_type_is_checked() -> None:
    case = Case("", NUMBERS[0], [const(np.int32([3]))], [out(TensorType.FLOAT64)], SEEDED)
    with pytest.raises(RuntimeError, match="FLOAT64"):
        draw(case)
