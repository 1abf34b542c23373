"""Custom operators AudioSpectrogram, Mfcc, NumericVerify and aeq.hadamard_rotation."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers
from litegpu.graph import Array

from ..cases import Arg, Case, check, const, given, out


def custom(
    op: str,
    name: str,
    inputs: list[Arg | None],
    options: Any,
    expected: list[Array] | None = None,
    oracle: str = "ref",
    error: str | None = None,
) -> Case:
    raw = options if isinstance(options, bytes) else bytes(flexbuffers.Dumps(options))
    return Case(
        name,
        op,
        inputs,
        [out(np.float32)],
        expected=expected,
        oracle=oracle,
        custom=True,
        custom_options=raw,
        error=error,
    )


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def spectrogram(samples: int, channels: int, window: int, stride: int, squared: bool) -> Case:
    options = {"window_size": window, "stride": stride, "magnitude_squared": squared}
    name = f"{samples}x{channels} window={window} stride={stride} squared={squared}"
    return custom("AudioSpectrogram", name, [given(noise(samples, channels))], options)


def pure_tone() -> Case:
    """A cosine in bin 4 of 32; the Hann window spreads it over bins 3, 4, 5 with 1/4, 1/2, 1/4."""
    tone = np.cos(2 * np.pi * 4 * np.arange(32) / 32).astype(np.float32)[:, None]
    spectrum = np.zeros((1, 1, 17), np.float32)
    spectrum[0, 0, 3:6] = [4, 8, 4]
    options = {"window_size": 32, "stride": 32, "magnitude_squared": False}
    return custom("AudioSpectrogram", "pure tone", [given(tone)], options, [spectrum])


SPECTROGRAMS = [
    pure_tone(),
    *[
        spectrogram(samples, channels, window, stride, squared)
        for samples, channels in [(100, 1), (37, 3), (16, 2)]
        for window, stride in [(16, 8), (20, 7), (2, 1), (16, 50)]
        for squared in (False, True)
    ],
    spectrogram(5, 2, 16, 8, True),
    spectrogram(3000, 1, 8, 1, False),
]

MFCC = {
    "upper_frequency_limit": 4000,
    "lower_frequency_limit": 20,
    "filterbank_channel_count": 20,
    "dct_coefficient_count": 13,
}


def mfcc(shape: tuple[int, int, int], rate: int, error: str | None = None, **options: Any) -> Case:
    power = np.square(noise(*shape))
    inputs = [given(power), given(np.array([rate], np.int32))]
    return custom("Mfcc", f"{shape} {rate} {options}", inputs, MFCC | options, error=error)


MFCCS = [
    mfcc((1, 1, 513), 16000),
    mfcc((2, 3, 257), 8000),
    mfcc((1, 2, 129), 22050, filterbank_channel_count=40, dct_coefficient_count=40),
    mfcc((1, 2, 65), 8000, lower_frequency_limit=0, dct_coefficient_count=1),
    mfcc((1, 1, 33), 4000),
    mfcc((0, 3, 33), 16000),
]


def verify(dtype: Any, off: float, tolerance: float, log: bool, error: str | None = None) -> Case:
    rng = np.random.default_rng(0)
    quant: dict[str, Any] = {}
    if np.dtype(dtype).kind == "f":
        values = rng.standard_normal((2, 5)).astype(dtype)
        real = values.astype(np.float32)
    else:
        zero_point = 0 if dtype == np.int16 else 3
        info = np.iinfo(dtype)
        values = rng.integers(info.min, info.max + 1, (2, 5)).astype(dtype)
        quant = {"scale": 0.25, "zero_point": zero_point}
        real = 0.25 * (values.astype(np.float32) - zero_point)
    reference = (real + off * noise(2, 5)).astype(np.float32)
    inputs = [given(values, **quant), given(reference)]
    options = {"tolerance": tolerance, "log_if_failed": log}
    name = f"{np.dtype(dtype)} off={off} tolerance={tolerance} log={log}"
    return custom("NumericVerify", name, inputs, options, error=error)


VERIFIED = [
    verify(dtype, off, tolerance, log)
    for dtype in (np.uint8, np.int8, np.int16, np.float16)
    for off, tolerance, log in [(0.0, 5.0, True), (9.0, 5.0, False), (9.0, 0.05, True)]
]


def hadamard(shape: tuple[int, ...], size: int, error: str | None = None) -> Case:
    """The matrix of the transform is the Kronecker power of [[1, 1], [1, -1]] / sqrt(2)."""
    x = noise(*shape)
    matrix = np.ones((1, 1))
    while 0 < len(matrix) < size:
        matrix = np.kron(matrix, [[1, 1], [1, -1]]) / np.sqrt(2)
    options = {"hadamard_size": size, "random_binary_vector": [1, -1]}
    expected = None
    if error is None:
        y = x.reshape(-1).copy()
        count = x.size // shape[-1] * (shape[-1] // size)
        blocks = y[: count * size].reshape(count, size)
        blocks[...] = blocks.astype(np.float64) @ matrix
        expected = [y.reshape(shape)]
    name = f"{shape} by {size}"
    return custom("aeq.hadamard_rotation", name, [given(x)], options, expected, error=error)


HADAMARDS = [
    *[hadamard(shape, size) for shape, size in product([(2, 16), (3, 2, 32)], [1, 2, 8, 16])],
    hadamard((2, 256), 256),
    hadamard((2, 20), 8),
    hadamard((0, 8), 8),
]


SOUND = given(noise(16, 1))
WINDOW = {"window_size": 16, "stride": 8, "magnitude_squared": True}
ERRORS = [
    *[
        custom("AudioSpectrogram", f"refused: {bad}", [SOUND], WINDOW | bad, error="window|option")
        for bad in [
            {"window_size": 1},
            {"window_size": -4},
            {"stride": 0},
            {"window_size": 2**40},
            {"window_size": "x"},
            {"stride": float("nan")},
        ]
    ],
    *[
        custom("AudioSpectrogram", f"refused: {raw!r}", [SOUND], raw, error="custom options")
        for raw in [b"", b"\x01", b"garbage bytes", bytes(flexbuffers.Dumps([1, 2]))]
    ],
    custom("AudioSpectrogram", "refused: rank 1", [given(noise(9))], WINDOW, error="rank"),
    mfcc((1, 1, 33), 0, error="rate"),
    mfcc((1, 1, 33), 8000, dct_coefficient_count=21, error="coefficients"),
    mfcc((1, 1, 33), 8000, dct_coefficient_count=0, error="coefficients"),
    mfcc((1, 1, 33), 8000, upper_frequency_limit=20, error="frequencies"),
    mfcc((1, 1, 33), 8000, lower_frequency_limit=-1, error="frequencies"),
    mfcc((1, 1, 1), 8000, error="2 or more"),
    mfcc((1, 1, 33), 8000, filterbank_channel_count=2**40, error="weights"),
    *[verify(dtype, 9.0, 5.0, True, error="differ") for dtype in (np.int8, np.int16)],
    *[hadamard((2, 8), size, error="power of two") for size in (0, -8, 6)],
    hadamard((8,), 8, error="rank"),
    custom("NumericVerify", "refused: int32", [const(np.int32([1])), SOUND], {}, error="INT32"),
]

CASES = [*SPECTROGRAMS, *MFCCS, *VERIFIED, *HADAMARDS, *ERRORS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_audio(case: Case, device: str) -> None:
    check(case, device)
