"""Image files as model inputs, through Pillow where it is installed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from .dtypes import INTEGER_RANGE, NUMPY
from .graph import Array, Shape, Tensor
from .schema.enums import TensorType

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's modes by the number of channels."""


class Pixels(StrEnum):
    """The real values that pixels of 0 to 255 stand for."""

    AUTO = "auto"
    UNIT = "unit"
    SIGNED = "signed"
    BYTE = "byte"


@dataclass(frozen=True, slots=True)
class Normalization:
    """The real value of a pixel p of 0 to 255 is (p - mean) / std, with one of each for all
    channels, or one a channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.mean or not self.std or 0 in self.std:
            raise ValueError(f"mean {self.mean} and std {self.std}: numbers, std not 0, expected")


def read_picture(path: Path, tensor: Tensor, shape: Shape, pixels: Pixels | Normalization) -> Array:
    """The picture scaled to the height and width of an input [1, height, width, channels].

    Quantised inputs get the stored integers of the real values that `pixels` names; AUTO gives
    8-bit inputs the bytes themselves (int8: less 128), float inputs [0, 1].
    """
    if len(shape) != 4 or shape[0] != 1 or shape[3] not in MODES or not shape[1] * shape[2]:
        raise ValueError(
            f"{path} is an image; input {tensor.name!r} has the shape {list(shape)}, "
            "not [1, height, width, 1, 3 or 4]"
        )
    values = _load(path, shape[2], shape[1], MODES[shape[3]]).reshape(shape)
    if pixels == Pixels.AUTO and tensor.dtype in (TensorType.UINT8, TensorType.INT8):
        return (values.astype(np.int16) + INTEGER_RANGE[tensor.dtype][0]).astype(
            NUMPY[tensor.dtype]
        )
    return _stored(_real(values, pixels), tensor)


def _load(path: Path, width: int, height: int, mode: str) -> Array:
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(
            f"reading {path} needs Pillow: pip install 'litegpu[image]', or pass a .npy file"
        ) from None
    with Image.open(path) as image:
        return np.asarray(image.convert(mode).resize((width, height), Image.Resampling.BILINEAR))


def _real(values: Array, pixels: Pixels | Normalization) -> Array:
    real = values.astype(np.float32)
    if isinstance(pixels, Normalization):
        for numbers in (pixels.mean, pixels.std):
            if len(numbers) not in (1, real.shape[-1]):
                raise ValueError(
                    f"{len(numbers)} means or stds are given; the input has {real.shape[-1]} "
                    "channels"
                )
        mean, std = (np.asarray(x, np.float32) for x in (pixels.mean, pixels.std))
        normalised: Array = (real - mean) / std
        return normalised
    if pixels == Pixels.BYTE:
        return real
    return real / 127.5 - 1 if pixels == Pixels.SIGNED else real / 255


def _stored(real: Array, tensor: Tensor) -> Array:
    """Real values as the tensor holds them: quantised, or cast."""
    dtype, quant = NUMPY[tensor.dtype], tensor.quant
    if tensor.dtype not in INTEGER_RANGE:
        return real.astype(dtype)
    if quant is not None and quant.scale.size == 1:
        real = np.rint(real / quant.scale[0]) + quant.zero_point[0]
    return np.clip(real, *INTEGER_RANGE[tensor.dtype]).astype(dtype)
