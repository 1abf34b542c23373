"""Files of NumPy as inputs of models."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from .graph import Array


def read_array(path: Path) -> Array:
    """The array of an .npy file, read piece by piece as it is used; ValueError where the file
    holds none."""
    try:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
        found: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} holds no array of NumPy: {error}") from error
    return found


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an .npz file by name; ValueError where the file holds none."""
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no .npz file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} holds no arrays of NumPy: {error}") from error
