"""SKIP_GRAM and LSH_PROJECTION against LiteRT; fingerprints of every length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from litegpu.schema.enums import LSHProjectionType, TensorType
from litegpu.schema.options import LSHProjectionOptions, SkipGramOptions

from tests.cases import Case, check, const, given, out
from tests.values import PLAIN, name, values

RNG = np.random.default_rng(30)
SENTENCE = "The quick\t brown fox jumps over\nthe lazy dog"


def gram_case(
    name: str, text: str, size: int, skip: int, everything: bool = False, **rest: Any
) -> Case:
    return Case(
        name,
        "SKIP_GRAM",
        [given([text])],
        [out(TensorType.STRING)],
        SkipGramOptions(ngram_size=size, max_skip_size=skip, include_all_ngrams=everything),
        **rest,
    )


def no_grams() -> list[Any]:
    return [np.empty(0, object)]


GRAMS = [
    gram_case(f"{size} words, skip {skip}, all {everything}", SENTENCE, size, skip, everything)
    for size in (1, 2, 3, 5)
    for skip in (0, 1, 3)
    for everything in (False, True)
] + [
    gram_case("leading space", " one two three", 2, 0, True),
    gram_case("leading spaces", "  one two", 1, 0),
    gram_case("trailing spaces", "one two  ", 2, 0, True),
    gram_case("one word", "word", 1, 0),
    gram_case("one letter", "w", 1, 2, True),
    gram_case("one space", " ", 1, 0),
    gram_case("every space", "a\tb\nc\vd\fe\rf g", 7, 0),
    gram_case("UTF-8", "für Grüße \u3000 wide", 2, 0, True),
    gram_case("too few words", "one two", 3, 1, expected=no_grams()),
    gram_case("empty", "", 1, 0, expected=no_grams()),
    gram_case("size 0", "one two", 0, 0, expected=no_grams()),
    gram_case("size negative", "one two", -1, 0, expected=no_grams()),
    gram_case("skip negative", "one two", 2, -1, expected=no_grams()),
    gram_case("more than memory holds", "a " * 400, 20, 300, error="n-grams"),
    gram_case("long", "a " * 9000, 8000, 1, error="limits"),
    Case(
        "numbers", "SKIP_GRAM", [given(np.float32([1]))], [out(TensorType.STRING)], error="FLOAT32"
    ),
]


def projection_case(
    name: str,
    items: Any,
    *,
    kind: LSHProjectionType = LSHProjectionType.DENSE,
    hashes: tuple[int, ...] = (3, 4),
    weights: Any = None,
    **rest: Any,
) -> Case:
    inputs = [const(RNG.standard_normal(hashes).astype(np.float32)), given(items)]
    if weights is not None:
        inputs.append(given(np.asarray(weights, np.float32)))
    return Case(
        name,
        "LSH_PROJECTION",
        inputs,
        [out(np.int32)],
        LSHProjectionOptions(type=kind),
        **rest,
    )


def letters(items: int, length: int) -> Any:
    return RNG.integers(0, 256, (items, length)).astype(np.uint8)


# An item of n bytes is hashed after 4 bytes of seed: lengths around 4, 8, 16, 32, 64, 128.
LENGTHS = (0, 1, 3, 4, 5, 11, 12, 13, 27, 28, 29, 43, 59, 60, 61, 99, 123, 124, 125, 187, 188, 189)

PROJECTIONS = [
    *(
        projection_case(f"{n} bytes", letters(3, n), hashes=(8, 32), expected=None)
        for n in LENGTHS
        if n
    ),
    *(
        projection_case(
            f"{kind.name} {np.dtype(d).name} weights {w is not None}", x, kind=kind, weights=w
        )
        for kind in (LSHProjectionType.SPARSE, LSHProjectionType.DENSE)
        for d in (np.int32, np.float32, np.int64)
        for x in (RNG.integers(0, 1000, (5, 2)).astype(d),)
        for w in (None, RNG.standard_normal(5))
    ),
    *(projection_case(name(d), values((3, 2), d)) for d in (*PLAIN, object)),
    projection_case("vector", np.int32([123, 456, 789]), weights=[1, 0.5, -2]),
    projection_case("31 bits", np.int32([7, 8]), kind=LSHProjectionType.SPARSE, hashes=(2, 31)),
    projection_case("unknown kind", np.int32([1]), kind=LSHProjectionType.UNKNOWN, error="unknown"),
    projection_case("33 bits", np.int32([1]), hashes=(1, 33), error="33 bits"),
    projection_case("hash vector", np.int32([1]), hashes=(4,), error="rank 2"),
    projection_case("no items", np.zeros((0, 2), np.int32), error="items"),
    projection_case("scalar", np.int32(4), error="items"),
    projection_case("weights do not fit", np.int32([1, 2]), weights=[1], error="weights"),
]

CASES = [*GRAMS, *PROJECTIONS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_strings(case: Case, device: str) -> None:
    check(case, device)
