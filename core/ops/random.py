"""Random numbers. Seeded, the sequence is LiteRT's: Philox, continued from invoke to invoke."""

from __future__ import annotations

import math
import os

import numpy as np
from numpy.typing import NDArray

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import RngAlgorithm, TensorType
from ..schema.options import RandomOptions
from ..schema.options2 import StablehloRngBitGeneratorOptions
from .checks import options_of, require_inputs, require_one, require_rank, valid_shape, vector
from .context import OpContext
from .counter_random import Philox, Words, counters_from, philox, threefry
from .registry import Step, op

SMALLEST_UNIFORM = np.float32(1e-7)
SKIPPED_BY_MULTINOMIAL = 2 * 256
"""Blocks that an invoke of MULTINOMIAL passes over, for each sample rounded up to four a row."""


def stream(ctx: OpContext) -> Philox:
    """The node's own stream, which outlives plans; seeded by chance where both seeds are 0."""
    key = ("random", ctx.frame.graph, ctx.index)
    found: Philox | None = ctx.resources.get(key)
    if found is None:
        options = options_of(ctx, RandomOptions)
        seeds = options.seed, options.seed2
        # The reference keeps the low 32 bits of each, with their sign.
        first, second = ((seed + 2**31) % 2**32 - 2**31 for seed in seeds)
        if seeds == (0, 0):
            first, second = np.frombuffer(os.urandom(16), np.uint64).tolist()
        found = ctx.resources[key] = Philox(first, second)
    return found


def unit_float32(words: Words) -> NDArray[np.float32]:
    """[0, 1) with the low 23 bits of each word as the mantissa."""
    bits = (words & np.uint32(0x7FFFFF)) | np.uint32(127 << 23)
    return bits.view(np.float32) - np.float32(1)


def unit_float64(words: Words) -> NDArray[np.float64]:
    """[0, 1) from pairs of words [n, 2]: the mantissa's 20 high bits, then its 32 low ones."""
    high = (words[:, 0].astype(np.uint64) & np.uint64(0xFFFFF)) << np.uint64(32)
    bits = high | words[:, 1].astype(np.uint64) | np.uint64(1023 << 52)
    return bits.view(np.float64) - 1.0


def normals(words: Words) -> NDArray[np.float32]:
    """Standard normal pairs from pairs of words [n, 2] (Box, Muller 1958): sine, then cosine."""
    radius = np.sqrt(
        np.float32(-2) * np.log(np.maximum(unit_float32(words[:, 0]), SMALLEST_UNIFORM))
    )
    angle = (2 * math.pi * unit_float32(words[:, 1]).astype(np.float64)).astype(np.float32)
    return np.stack([np.sin(angle) * radius, np.cos(angle) * radius], axis=1)


def random_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    ctx.require_dtype(0, TensorType.INT32)
    found = ctx.output_dtype()
    ctx.require(found == TensorType.FLOAT32, f"the output is {found.name}; expected FLOAT32")
    return [valid_shape(vector(ctx, 0))]


@op("RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", prepare=random_shape, pure=False)
def random(ctx: OpContext) -> Step:
    y, source = ctx.output().reshape(-1), stream(ctx)
    blocks = -(-y.size // 4)
    uniform = ctx.node.op == "RANDOM_UNIFORM"

    def step() -> None:
        words = source.blocks(blocks)
        numbers = unit_float32(words) if uniform else normals(words.reshape(-1, 2))
        np.copyto(y, numbers.reshape(-1)[: y.size])

    return step


def sample_count(ctx: OpContext) -> int:
    ctx.require_dtype(1, TensorType.INT32)
    require_one(ctx, 1)
    return int(ctx.value(1).reshape(-1)[0])


def multinomial_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 2)
    ctx.require_dtype(0, TensorType.FLOAT32)
    require_rank(ctx, 0, 2)
    ctx.require(ctx.shape(0)[1] > 0, "there are no classes")
    found = ctx.output_dtype()
    ctx.require(
        found in (TensorType.INT32, TensorType.INT64),
        f"the output is {found.name}; expected INT32 or INT64",
    )
    return [valid_shape((ctx.shape(0)[0], sample_count(ctx)))]


@op("MULTINOMIAL", prepare=multinomial_shape, pure=False)
def multinomial(ctx: OpContext) -> Step:
    logits, y, source = ctx.input(0), ctx.output(), stream(ctx)
    rows, samples = y.shape
    skipped = rows * (-(-samples // 4) * 4) * SKIPPED_BY_MULTINOMIAL

    def step() -> None:
        words = source.peek(-(-y.size // 2))
        source.skip(skipped)
        points = unit_float64(words.reshape(-1, 2))[: y.size].reshape(y.shape)
        for row, cumulative in enumerate(cumulative_odds(logits)):
            wanted = points[row] * cumulative[-1]
            y[row] = np.searchsorted(cumulative, wanted, side="right")

    return step


def cumulative_odds(logits: Array) -> NDArray[np.float64]:
    """Running sums of exp(logits) along rows, up to a factor; logits that are not finite add 0."""
    finite = np.isfinite(logits)
    lowest = np.finfo(np.float32).min
    largest = np.max(logits, axis=1, keepdims=True, initial=lowest, where=finite)
    odds = np.exp(np.where(finite, logits, 0).astype(np.float64) - largest.astype(np.float64))
    return np.cumsum(np.where(finite, odds, 0.0), axis=1)


def bits_shape(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 1)
    ctx.require_dtype(0, TensorType.UINT64)
    require_rank(ctx, 0, 1)
    sizes = STATE_SIZES[algorithm(ctx)]
    ctx.require(
        ctx.shape(0)[0] in sizes,
        f"the state has {ctx.shape(0)[0]} words; expected {' or '.join(map(str, sizes))}",
    )
    state, found = ctx.output_dtype(0), ctx.output_dtype(1)
    ctx.require(state == TensorType.UINT64, f"the output state is {state.name}; expected UINT64")
    ctx.require(
        found in (TensorType.INT32, TensorType.INT64, TensorType.UINT32, TensorType.UINT64),
        f"the output is {found.name}; expected an integer of 32 or 64 bits",
    )
    return [ctx.shape(0), valid_shape(ctx.output_tensor(1).shape)]


STATE_SIZES = {RngAlgorithm.THREEFRY: (2,), RngAlgorithm.PHILOX: (2, 3)}
"""uint64 words in the state: a key, a counter, and for Philox the counter's upper half."""


def algorithm(ctx: OpContext) -> RngAlgorithm:
    found = options_of(ctx, StablehloRngBitGeneratorOptions).algorithm
    if found == RngAlgorithm.DEFAULT:
        return RngAlgorithm.PHILOX
    if found not in STATE_SIZES:
        raise OpError(f"algorithm {found} is unknown")
    return found


@op("STABLEHLO_RNG_BIT_GENERATOR", prepare=bits_shape)
def rng_bit_generator(ctx: OpContext) -> Step:
    state, after = ctx.input(0), ctx.output(0)
    y = ctx.output(1).reshape(-1).view(np.uint32)
    is_philox = algorithm(ctx) == RngAlgorithm.PHILOX
    blocks = -(-y.size // (4 if is_philox else 2))

    def step() -> None:
        words = state.view(np.uint32)
        counters = counters_from(int(state[1]), blocks, 2)
        key = int(words[0]), int(words[1])
        if is_philox:
            # Without a third state word the upper half of the counter is the key.
            upper = np.broadcast_to(words[4:6] if len(state) == 3 else words[:2], counters.shape)
            bits = philox(key, np.concatenate([counters, upper], axis=1))
        else:
            bits = threefry(key, counters)
        np.copyto(y, bits.reshape(-1)[: y.size])
        np.copyto(after, state)
        after[1] = (int(state[1]) + blocks) % 2**64

    return step
