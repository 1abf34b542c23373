"""How far a tensor may be from the reference: by type, with overrides by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from ..dtypes import NUMPY
from ..graph import Model, Tensor
from ..schema.enums import TensorType
from .result import Tolerance

EXACT = Tolerance()

ISOLATED = {
    "float64": Tolerance(1e-5, 2e-6, 1e-7),
    "float32": Tolerance(1e-4, 2e-5, 1e-7),
    "float16": Tolerance(2e-3, 2e-3, 1e-7),
    "bfloat16": Tolerance(1e-2, 1e-2, 1e-7),
    "complex64": Tolerance(1e-4, 2e-5, 1e-7),
    "complex128": Tolerance(1e-5, 2e-6, 1e-7),
}
"""Floats that one node, or one fused chain, makes of the reference's own inputs."""

CUMULATIVE = {
    "float64": Tolerance(0.0, 5e-4, 1e-7),
    "float32": Tolerance(0.0, 5e-4, 1e-7),
    "float16": Tolerance(0.0, 1e-2, 1e-7),
    "bfloat16": Tolerance(0.0, 4e-2, 1e-7),
    "complex64": Tolerance(0.0, 5e-4, 1e-7),
    "complex128": Tolerance(0.0, 5e-4, 1e-7),
}
"""Floats after any number of nodes."""

NARROW = ("tf32", "fp16")
COARSER = {"isolated": 128.0, "cumulative": 32.0}
"""By how much a delegate's option `precision` widens the tolerance of float32 where it is one of
`NARROW`: the significand of operands has 10 bits in place of 23."""


TYPES = {t.name.lower(): t for t in NUMPY}
"""Types by the names that tolerances go by."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """The tolerance of every tensor. What is given by name (a pattern as of `fnmatch`) goes before
    what is given by type, the last that fits before others."""

    by_type: Mapping[str, Tolerance] = field(default_factory=dict[str, Tolerance])
    by_name: Mapping[str, Tolerance] = field(default_factory=dict[str, Tolerance])

    def of(self, tensor: Tensor) -> Tolerance:
        for pattern in reversed(list(self.by_name)):
            if _fits(tensor, pattern):
                return self.by_name[pattern]
        return self.by_type.get(tensor.dtype.name.lower(), EXACT)


def tolerances(given: Mapping[str, Any] | float | None, mode: str, precision: str) -> Tolerances:
    """The defaults of a mode and a delegate's precision, with what the user has given.

    `given` is a number or a `Tolerance` for all floats, or {type or name pattern: the same}. A
    number is a share of the largest magnitude for floats, and a number of steps for integers.
    """
    coarser = COARSER[mode] if precision in NARROW else 1.0
    by_type = dict(ISOLATED if mode == "isolated" else CUMULATIVE)
    wide = by_type["float32"]
    by_type["float32"] = Tolerance(
        wide.relative * coarser, wide.of_largest * coarser, wide.absolute * coarser
    )
    if given is None:
        return Tolerances(by_type)
    if not isinstance(given, Mapping):
        given = dict.fromkeys(by_type, given)
    by_name = {}
    for key, value in given.items():
        dtype = TYPES.get(key.lower())
        if dtype is None:
            by_name[key] = _tolerance(key, value, None)
        else:
            by_type[key.lower()] = _tolerance(key, value, dtype)
    return Tolerances(by_type, by_name)


def known(given: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """Those of the given tolerances that are about a type, or fit the name of a tensor."""
    tensors = [tensor for graph in model.graphs for tensor in graph.tensors]
    return {
        key: value
        for key, value in given.items()
        if key.lower() in TYPES or any(_fits(tensor, key) for tensor in tensors)
    }


def require_known(given: Mapping[str, Any] | float | None, model: Model) -> None:
    """ValueError where a tolerance is about nothing in the model."""
    if isinstance(given, Mapping):
        for key in given.keys() - known(given, model):
            raise ValueError(f"tolerance of {key!r}: no type, and no tensor of the model, is that")


def _fits(tensor: Tensor, pattern: str) -> bool:
    return tensor.name == pattern or fnmatchcase(tensor.name, pattern)


def _tolerance(key: str, value: Any, dtype: TensorType | None) -> Tolerance:
    if isinstance(value, Tolerance):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError(
            f"tolerance of {key!r} is {value!r}; a number >= 0 or a Tolerance expected"
        )
    if dtype is None:
        return Tolerance(of_largest=float(value)) if value < 1 else Tolerance(absolute=float(value))
    steps = NUMPY[dtype].kind in "iub"
    return Tolerance(absolute=float(value)) if steps else Tolerance(of_largest=float(value))
