"""Text: n-grams of words that may be skipped, and locality-sensitive hashes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..dtypes import BYTES_PER_STRING, encode_strings
from ..errors import LimitError
from ..graph import Array, Shape
from ..schema.enums import LSHProjectionType, TensorType
from ..schema.options import LSHProjectionOptions, SkipGramOptions
from .checks import options_of, require_inputs, require_rank, valid_shape
from .context import OpContext
from .fingerprint import fingerprint64
from .registry import Step, op

SPACE = re.compile(rb"[ \t\n\v\f\r]")


def skip_gram_shape(ctx: OpContext) -> list[Shape | None]:
    require_inputs(ctx, 1)
    ctx.require_dtype(0, TensorType.STRING)
    found = ctx.output_dtype()
    ctx.require(found == TensorType.STRING, f"the output is {found.name}; expected STRING")
    return [None]


@op("SKIP_GRAM", prepare=skip_gram_shape)
def skip_gram(ctx: OpContext) -> Step:
    options = options_of(ctx, SkipGramOptions)
    size, reach = options.ngram_size, options.max_skip_size + 1
    shortest = 1 if options.include_all_ngrams else size
    text = ctx.input(0).reshape(-1)
    most = ctx.limits.tensor_bytes // BYTES_PER_STRING

    def step() -> None:
        words = split_words(text[0]) if text.size else []
        grams: list[bytes] = []
        if 0 < size <= len(words):
            if size * len(words) > ctx.limits.loop_iterations:
                raise LimitError(f"{size}-grams of {len(words)} words; see limits.loop_iterations")
            if count_grams(len(words), shortest, size, reach) > most:
                raise LimitError(f"there are more than {most} n-grams; see limits.tensor_bytes")
            grams = [b" ".join(gram) for gram in n_grams(words, shortest, size, reach)]
        out = np.empty(len(grams), object)
        out[:] = grams
        ctx.publish(0, out)

    return step


def split_words(text: bytes) -> list[bytes]:
    """What lies between spaces. The reference looks for them from the second byte on.

    Thus a leading space stays with the first word, and, if another word follows, both are lost.
    """
    if not text:
        return []
    first, *rest = SPACE.split(text[1:])
    head = text[:1] + first
    words = [] if rest and SPACE.match(head) else [head]
    return words + [word for word in rest if word]


def count_grams(words: int, shortest: int, longest: int, reach: int) -> int:
    """How many n-grams of `shortest` to `longest` words `n_grams` gives."""
    ending = [1] * words
    total = words if shortest == 1 else 0
    for length in range(2, longest + 1):
        sums = [0]
        for count in ending:
            sums.append(sums[-1] + count)
        ending = [sums[i] - sums[max(0, i - reach)] if reach > 0 else 0 for i in range(words)]
        found = sum(ending)
        if not found:
            break
        total += found if length >= shortest else 0
    return total


def n_grams(words: list[bytes], shortest: int, longest: int, reach: int) -> Iterator[list[bytes]]:
    """Ascending choices of words, each at most `reach` after the one before, longer ones first."""
    for start in range(len(words)):
        chosen = [start]
        candidates = [_followers(start, len(words), reach)]
        while chosen:
            following = next(candidates[-1], None) if len(chosen) < longest else None
            if following is not None:
                chosen.append(following)
                candidates.append(_followers(following, len(words), reach))
                continue
            if len(chosen) >= shortest:
                yield [words[i] for i in chosen]
            chosen.pop()
            candidates.pop()


def _followers(word: int, words: int, reach: int) -> Iterator[int]:
    return iter(range(word + 1, min(word + reach, words - 1) + 1))


def projection_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2, 3)
    ctx.require_dtype(0, TensorType.FLOAT32)
    require_rank(ctx, 0, 2)
    functions, bits = ctx.shape(0)
    ctx.require(bits <= 32, f"there are {bits} bits to a hash; expected at most 32")
    items = ctx.shape(1)
    count = items[0] if items else 0
    ctx.require(count >= 1, f"the input has shape {list(items)}; expected items")
    if len(ctx.node.inputs) == 3:
        ctx.require_dtype(2, TensorType.FLOAT32)
        ctx.require(
            ctx.shape(2) == (count,),
            f"the weights have shape {list(ctx.shape(2))}; expected [{count}]",
        )
    found = ctx.output_dtype()
    ctx.require(found == TensorType.INT32, f"the output is {found.name}; expected INT32")
    kind = options_of(ctx, LSHProjectionOptions).type
    known = (LSHProjectionType.SPARSE, LSHProjectionType.DENSE)
    ctx.require(kind in known, f"the type of projection is {kind!r}, which is unknown")
    return [valid_shape((functions if kind == LSHProjectionType.SPARSE else functions * bits,))]


@op("LSH_PROJECTION", prepare=projection_shape)
def lsh_projection(ctx: OpContext) -> Step:
    sparse = options_of(ctx, LSHProjectionOptions).type == LSHProjectionType.SPARSE
    seeds, items, y = ctx.input(0), ctx.input(1), ctx.output()
    weights = ctx.input(2) if len(ctx.node.inputs) == 3 else None
    functions, bits = seeds.shape
    places = 1 << np.arange(bits - 1, -1, -1, dtype=np.int64)
    offsets = np.arange(functions, dtype=np.int64) << bits

    def step() -> None:
        signs = projection_signs(seeds.reshape(-1), item_bytes(items), weights)
        if sparse:
            np.copyto(y, signs.reshape(functions, bits) @ places + offsets, casting="unsafe")
        else:
            np.copyto(y, signs, casting="unsafe")

    return step


def item_bytes(items: Array) -> NDArray[np.uint8]:
    """The stored bytes of a tensor cut into as many rows as it has items, without the remainder."""
    if items.dtype == object:
        stored = encode_strings(items)
    else:
        stored = np.frombuffer(items.tobytes(), np.uint8)
    size = stored.size // len(items)
    return stored[: size * len(items)].reshape(len(items), size)


def projection_signs(
    seeds: Array, items: NDArray[np.uint8], weights: Array | None
) -> NDArray[np.bool_]:
    """For each seed, whether the weighted sum of the hashes of (seed, item) is positive."""
    prefix = np.ascontiguousarray(seeds).view(np.uint8).reshape(len(seeds), 4)
    signs = np.zeros(len(seeds), np.bool_)
    for j, seed in enumerate(prefix):
        keys = np.concatenate([np.broadcast_to(seed, (len(items), 4)), items], axis=1)
        scores = fingerprint64(keys).view(np.int64).astype(np.float64)
        if weights is not None:
            scores *= weights
        # Summed in order, as the reference does.
        signs[j] = np.cumsum(scores)[-1] > 0
    return signs
