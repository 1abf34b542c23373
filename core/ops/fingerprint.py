"""64-bit fingerprints of many byte strings of one length at once.

The function is Fingerprint64 of Google's FarmHash (farmhashna::Hash64), which hashes by length:
up to 16 bytes, 32, 64, and longer ones in chunks of 64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Pair = tuple[Words, Words]

K0 = np.uint64(0xC3A5C85C97CB3127)
K1 = np.uint64(0xB492B66FBE98F273)
K2 = np.uint64(0x9AE16A3B2F90404F)
CHUNK = 64
SEED = np.uint64(81)


def fingerprint64(keys: NDArray[np.uint8]) -> Words:
    """The fingerprint of each row of `keys` [n, length]."""
    text = _Text(np.ascontiguousarray(keys))
    if text.length <= 16:
        return _up_to_16(text)
    if text.length <= 32:
        return _up_to_32(text)
    if text.length <= CHUNK:
        return _up_to_64(text)
    return _longer(text)


class _Text:
    """Little-endian words of every key at one offset; negative offsets count from the end."""

    def __init__(self, keys: NDArray[np.uint8]) -> None:
        self.keys = keys
        self.length = keys.shape[1]

    def word(self, start: int, size: int = 8) -> Words:
        first = start + self.length if start < 0 else start
        part = np.ascontiguousarray(self.keys[:, first : first + size])
        return part.view(f"<u{size}")[:, 0].astype(np.uint64)


def _rotate(x: Words, count: int) -> Words:
    return (x >> np.uint64(count)) | (x << np.uint64(64 - count))


def _shift_mix(x: Words) -> Words:
    return x ^ (x >> np.uint64(47))


def _mix(u: Words, v: Words, factor: np.uint64 | Words) -> Words:
    a = _shift_mix((u ^ v) * factor)
    return _shift_mix((v ^ a) * factor) * factor


def _length_factor(base: np.uint64, length: int) -> np.uint64:
    return np.uint64((int(base) + 2 * length) % 2**64)


def _up_to_16(text: _Text) -> Words:
    length = text.length
    if length >= 8:
        factor = _length_factor(K2, length)
        a, b = text.word(0) + K2, text.word(-8)
        return _mix(_rotate(b, 37) * factor + a, (_rotate(a, 25) + b) * factor, factor)
    if length >= 4:
        u = np.uint64(length) + (text.word(0, 4) << np.uint64(3))
        return _mix(u, text.word(-4, 4), _length_factor(K2, length))
    if length > 0:
        a, b, c = text.word(0, 1), text.word(length // 2, 1), text.word(-1, 1)
        y, z = a + (b << np.uint64(8)), np.uint64(length) + (c << np.uint64(2))
        return _shift_mix((y * K2) ^ (z * K0)) * K2
    return np.full(len(text.keys), K2)


def _up_to_32(text: _Text) -> Words:
    factor = _length_factor(K2, text.length)
    a, b = text.word(0) * K1, text.word(8)
    c, d = text.word(-8) * factor, text.word(-16) * K2
    return _mix(_rotate(a + b, 43) + _rotate(c, 30) + d, a + _rotate(b + K2, 18) + c, factor)


def _up_to_64(text: _Text) -> Words:
    factor = _length_factor(K2, text.length)
    a, b = text.word(0) * K2, text.word(8)
    c, d = text.word(-8) * factor, text.word(-16) * K2
    y = _rotate(a + b, 43) + _rotate(c, 30) + d
    z = _mix(y, a + _rotate(b + K2, 18) + c, factor)
    e, f = text.word(16) * factor, text.word(24)
    g, h = (y + text.word(-32)) * factor, (z + text.word(-24)) * factor
    return _mix(_rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g, factor)


def _weak(text: _Text, start: int, a: Words, b: Words) -> Pair:
    """A weak hash of 32 bytes from `start`, seeded by `a` and `b`."""
    w, x, y, z = (text.word(start + 8 * i) for i in range(4))
    a = a + w
    b = _rotate(b + a + z, 21)
    c = a
    a = a + x + y
    return a + z, b + _rotate(a, 44) + c


def _longer(text: _Text) -> Words:
    count, length = len(text.keys), text.length
    x, y = np.full(count, SEED), np.full(count, SEED * K1 + np.uint64(113))
    z = _shift_mix(y * K2 + np.uint64(113)) * K2
    v = w = (np.zeros(count, np.uint64), np.zeros(count, np.uint64))
    x = x * K2 + text.word(0)
    one = np.uint64(1)
    for start in range(0, (length - 1) // CHUNK * CHUNK, CHUNK):
        x, y, z, v, w = _chunk(text, start, (x, y, z), v, w, K1, one)
    factor = K1 + ((z & np.uint64(0xFF)) << one)
    first = w[0] + np.uint64((length - 1) % CHUNK)
    v = (v[0] + first, v[1])
    w = (first + v[0], w[1])
    x, y, z, v, w = _chunk(text, length - CHUNK, (x, y, z), v, w, factor, np.uint64(9))
    return _mix(
        _mix(v[0], w[0], factor) + _shift_mix(y) * K0 + z, _mix(v[1], w[1], factor) + x, factor
    )


def _chunk(
    text: _Text,
    start: int,
    state: tuple[Words, Words, Words],
    v: Pair,
    w: Pair,
    factor: np.uint64 | Words,
    weight: np.uint64,
) -> tuple[Words, Words, Words, Pair, Pair]:
    x, y, z = state
    x = _rotate(x + y + v[0] + text.word(start + 8), 37) * factor
    y = _rotate(y + v[1] + text.word(start + 48), 42) * factor
    x = x ^ (w[1] * weight)
    y = y + v[0] * weight + text.word(start + 40)
    z = _rotate(z + w[0], 33) * factor
    v = _weak(text, start, v[1] * factor, x + w[0])
    w = _weak(text, start + 32, z + w[1], y + text.word(start + 16))
    return z, y, x, v, w
