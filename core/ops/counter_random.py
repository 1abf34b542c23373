"""Counter-based random bits: Philox4x32-10 and Threefry2x32-20, a block of words for each counter.

Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

MASK = 2**32 - 1
LOW_WORD = np.uint64(MASK)
WORD = np.uint64(32)
PHILOX_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
PHILOX_STEPS = (0x9E3779B9, 0xBB67AE85)
PHILOX_ROUNDS = 10
THREEFRY_PARITY = 0x1BD11BDA
THREEFRY_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
THREEFRY_GROUPS = 5


def philox(key: tuple[int, int], counters: Words) -> Words:
    """The blocks [n, 4] of `counters` [n, 4]."""
    columns: list[NDArray[np.uint64]] = [column.astype(np.uint64) for column in counters.T]
    c0, c1, c2, c3 = columns
    k0, k1 = key
    for _ in range(PHILOX_ROUNDS):
        low, high = c0 * PHILOX_MULTIPLIERS[0], c2 * PHILOX_MULTIPLIERS[1]
        c0, c2 = (high >> WORD) ^ c1 ^ np.uint64(k0), (low >> WORD) ^ c3 ^ np.uint64(k1)
        c1, c3 = high & LOW_WORD, low & LOW_WORD
        k0, k1 = (k0 + PHILOX_STEPS[0]) & MASK, (k1 + PHILOX_STEPS[1]) & MASK
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def threefry(key: tuple[int, int], counters: Words) -> Words:
    """The blocks [n, 2] of `counters` [n, 2]."""
    keys = (key[0], key[1], key[0] ^ key[1] ^ THREEFRY_PARITY)
    c0, c1 = counters[:, 0] + np.uint32(keys[0]), counters[:, 1] + np.uint32(keys[1])
    for group in range(THREEFRY_GROUPS):
        for rotation in THREEFRY_ROTATIONS[group % 2]:
            c0 = c0 + c1
            c1 = ((c1 << np.uint32(rotation)) | (c1 >> np.uint32(32 - rotation))) ^ c0
        c0 = c0 + np.uint32(keys[(group + 1) % 3])
        c1 = c1 + np.uint32((keys[(group + 2) % 3] + group + 1) & MASK)
    return np.stack([c0, c1], axis=1)


def words_of(value: int, count: int) -> list[int]:
    """The `count` low 32-bit words of `value`, the lowest first."""
    return [(value >> (32 * i)) & MASK for i in range(count)]


def counters_from(start: int, blocks: int, width: int) -> Words:
    """`blocks` consecutive counters of `width` words from `start`, as [blocks, width].

    They wrap at 2^(32 * width).
    """
    words = np.zeros((blocks, width), np.uint32)
    carry = np.arange(blocks, dtype=np.uint64)
    for i, word in enumerate(words_of(start, width)):
        total = carry + np.uint64(word)
        words[:, i] = (total & LOW_WORD).astype(np.uint32)
        carry = total >> WORD
    return words


class Philox:
    """A stream of Philox blocks with a 64-bit key and a 128-bit counter."""

    def __init__(self, key: int, high: int) -> None:
        first, second = words_of(key, 2)
        self._key = (first, second)
        self._counter = (high & (2**64 - 1)) << 64

    def blocks(self, count: int) -> Words:
        """The next `count` blocks, [count, 4]."""
        found = philox(self._key, counters_from(self._counter, count, 4))
        self.skip(count)
        return found

    def peek(self, count: int) -> Words:
        """The next `count` blocks, which stay next."""
        return philox(self._key, counters_from(self._counter, count, 4))

    def skip(self, count: int) -> None:
        self._counter = (self._counter + count) % 2**128
