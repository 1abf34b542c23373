"""Prints the largest difference between two folders of outputs that `litegpu run --output` made."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def largest_difference(one: Path, other: Path) -> float:
    """Of all stored values in files of the same names."""
    names = sorted(path.name for path in one.glob("*.npy"))
    if not names or names != sorted(path.name for path in other.glob("*.npy")):
        raise SystemExit(f"{one} and {other} do not have the same outputs")
    pairs = ((np.load(one / name), np.load(other / name)) for name in names)
    return max(float(np.abs(a.astype(np.float64) - b).max(initial=0)) for a, b in pairs)


if __name__ == "__main__":
    first, second = map(Path, sys.argv[1:3])
    found = largest_difference(first, second)
    print(f"{first.name} and {second.name}: largest difference of stored outputs {found:g}")
