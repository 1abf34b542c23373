"""All cases of tests/ops, by operator."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from . import ops
from .cases import Arg, Case


def modules() -> dict[str, ModuleType]:
    """The test modules of operators, by name without the package."""
    found = sorted(module.name for module in pkgutil.iter_modules(ops.__path__))
    return {name: importlib.import_module(f"{ops.__name__}.{name}") for name in found}


def cases_by_operator() -> dict[str, list[Case]]:
    """The cases that the modules list as CASES."""
    found: dict[str, list[Case]] = {}
    for module in modules().values():
        for case in getattr(module, "CASES", ()):
            found.setdefault(case.op, []).append(case)
    return found


DATA_INPUT = {
    "CONV_3D_TRANSPOSE": 2,
    "EMBEDDING_LOOKUP": 1,
    "EMBEDDING_LOOKUP_SPARSE": 4,
    "FILL": 1,
    "HASHTABLE_LOOKUP": 2,
    "LSH_PROJECTION": 1,
    "ONE_HOT": 2,
    "SCATTER_ND": 1,
    "SELECT": 1,
    "SELECT_V2": 1,
    "SPARSE_TO_DENSE": 2,
    "SPLIT": 1,
    "TRANSPOSE_CONV": 2,
}
"""The input whose type is the operator's, where it is not the first: that is a shape, ids, an axis
or a condition."""


def data_of(case: Case) -> Arg | None:
    """The input whose type says which kernel runs."""
    position = DATA_INPUT.get(case.op, 0)
    return case.inputs[position] if position < len(case.inputs) else None
