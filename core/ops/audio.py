"""Custom operators AudioSpectrogram and Mfcc: spectra of sound, and their mel-frequency cepstra.

Computed in float64. Mel scale: 1127 log(1 + f / 700); filters as in HTK (The HTK Book).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType
from .checks import LARGEST, require_inputs, require_one, require_rank, valid_shape
from .context import OpContext
from .custom_options import custom_options, integer, number
from .registry import Step, op

Doubles = NDArray[np.float64]

FRAMES = 1024
"""Frames transformed at once, which bounds the memory of a step."""
FLOOR = 1e-12
LARGEST_TABLE = 1 << 26


def require_float32(ctx: OpContext) -> None:
    ctx.require_dtype(0, TensorType.FLOAT32)
    ctx.require(ctx.output_dtype() == TensorType.FLOAT32, "the output must be float32")


def window_options(ctx: OpContext) -> tuple[int, int, bool]:
    """(window size, stride, whether magnitudes are squared)."""
    options = custom_options(ctx)
    size, stride = integer(options, "window_size"), integer(options, "stride")
    if not (2 <= size <= LARGEST // 2 and 1 <= stride <= LARGEST):
        raise OpError(f"window size is {size}, stride {stride}; expected 2 or more, 1 or more")
    return size, stride, bool(number(options, "magnitude_squared"))


def prepare_spectrogram(ctx: OpContext) -> list[Shape]:
    """[samples, channels] to [channels, frames, frequencies]."""
    require_inputs(ctx, 1)
    require_float32(ctx)
    require_rank(ctx, 0, 2)
    size, stride, _ = window_options(ctx)
    samples, channels = ctx.shape(0)
    frames = 1 + (samples - size) // stride if samples >= size else 0
    return [valid_shape((channels, frames, 1 + fft_length(size) // 2))]


def fft_length(window: int) -> int:
    """The smallest power of two that holds the window."""
    return 1 << (window - 1).bit_length()


@op("AudioSpectrogram", custom=True, prepare=prepare_spectrogram)
def spectrogram(ctx: OpContext) -> Step:
    x, y = ctx.input(0), ctx.output()
    size, stride, squared = window_options(ctx)
    if not y.size:
        return lambda: None
    length = fft_length(size)
    hann = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(size) / size)
    windows = np.lib.stride_tricks.sliding_window_view(x.T, size, axis=1)[:, ::stride]

    def step() -> None:
        for start in range(0, y.shape[1], FRAMES):
            block = windows[:, start : start + FRAMES]
            spectrum = np.fft.rfft(block * hann, length, axis=-1)
            power = np.square(spectrum.real) + np.square(spectrum.imag)
            y[:, start : start + FRAMES] = power
        if not squared:
            np.sqrt(y, out=y)

    return step


def mel(frequency: ArrayLike) -> Doubles:
    return np.asarray(1127.0 * np.log1p(np.asarray(frequency, np.float64) / 700.0))


def mel_filters(bins: int, rate: float, channels: int, low: float, high: float) -> Doubles | None:
    """Triangular filters [bins, channels] for magnitudes; None where the bins end below `high`."""
    hz_per_bin = 0.5 * rate / (bins - 1)
    start, end = int(1.5 + low / hz_per_bin), int(high / hz_per_bin)
    if end >= bins:
        return None
    bottom = mel(low)
    centers = bottom + (mel(high) - bottom) / (channels + 1) * np.arange(1, channels + 2)
    used = np.arange(start, end + 1)
    mels = mel(used * hz_per_bin)
    # Each bin lies on the falling side of one channel and on the rising side of the next.
    rising = np.searchsorted(centers[:channels], mels, side="left")
    edges = np.concatenate([bottom[None], centers])
    falling = (edges[rising + 1] - mels) / (edges[rising + 1] - edges[rising])
    filters = np.zeros((bins, channels + 2))
    filters[used, rising] = falling
    filters[used, rising + 1] = 1 - falling
    return filters[:, 1:-1]


def mfcc_options(ctx: OpContext) -> tuple[int, int, float, float]:
    """(filters, coefficients, lowest frequency, highest frequency)."""
    options = custom_options(ctx)
    channels = integer(options, "filterbank_channel_count")
    coefficients = integer(options, "dct_coefficient_count")
    low = float(integer(options, "lower_frequency_limit"))
    high = float(integer(options, "upper_frequency_limit"))
    if not 1 <= coefficients <= channels:
        raise OpError(
            f"{coefficients} coefficients of {channels} filters; expected 1 to {channels}"
        )
    if not 0 <= low < high:
        raise OpError(f"frequencies are {low} to {high}; expected 0 <= lower < upper")
    return channels, coefficients, low, high


def prepare_mfcc(ctx: OpContext) -> list[Shape]:
    """[channels, frames, frequencies] to [channels, frames, coefficients]; input 1 is the rate."""
    require_inputs(ctx, 2)
    require_float32(ctx)
    require_rank(ctx, 0, 3)
    require_one(ctx, 1)
    ctx.require_dtype(1, TensorType.INT32)
    channels, coefficients, _, _ = mfcc_options(ctx)
    bins = ctx.shape(0)[2]
    ctx.require(bins >= 2, f"input has {bins} frequencies; expected 2 or more")
    if channels * max(bins, coefficients) > LARGEST_TABLE:
        raise OpError(f"{channels} filters, {bins} frequencies: more than {LARGEST_TABLE} weights")
    return [(*ctx.shape(0)[:2], coefficients)]


def dct_matrix(channels: int, coefficients: int) -> Doubles:
    """[channels, coefficients] of the discrete cosine transform, type II, scaled by sqrt(2 / n)."""
    angles = np.outer(np.arange(channels) + 0.5, np.arange(coefficients)) * (math.pi / channels)
    return np.asarray(math.sqrt(2 / channels) * np.cos(angles))


@op("Mfcc", custom=True, prepare=prepare_mfcc)
def mfcc(ctx: OpContext) -> Step:
    x, rate, y = ctx.input(0), ctx.input(1).reshape(-1), ctx.output()
    channels, coefficients, low, high = mfcc_options(ctx)
    cosines = dct_matrix(channels, coefficients)
    filters: dict[int, Doubles | None] = {}

    def step() -> None:
        hertz = int(rate[0])
        ctx.require(hertz > 0, f"the sample rate is {hertz}; expected more than 0")
        if hertz not in filters:
            filters.clear()
            filters[hertz] = mel_filters(x.shape[2], hertz, channels, low, high)
        weights = filters[hertz]
        if weights is None:
            y.fill(0)
            return
        y[...] = cepstrum(x, weights, cosines)

    return step


def cepstrum(power: Array, filters: Doubles, cosines: Doubles) -> Doubles:
    energies = np.sqrt(power, dtype=np.float64) @ filters
    return np.asarray(np.log(np.maximum(energies, FLOOR)) @ cosines)
