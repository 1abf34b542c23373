"""A sample of the conformance cases with half of their nodes on a delegate.

All of them: `run_conformance.py litegpu --delegate litegpu.reference_delegate:half`.
"""

from __future__ import annotations

import importlib.util
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
from litegpu import DelegateWarning, OpResolverType
from litegpu.reference_delegate import ReferenceDelegate

from .model_runs import Run
from .shared import SHARED
from .test_models_delegated import assert_identical, nodes, outcomes

FOLDER = SHARED / "conformance"
COUNT = 200


def sample() -> list[str]:
    """Cases spread evenly over all groups; empty where there are none."""
    if not (FOLDER / "cases.zip").exists():
        return []
    with zipfile.ZipFile(FOLDER / "cases.zip") as archive:
        names = sorted(n.removesuffix(".npz") for n in archive.namelist() if n.endswith(".npz"))
    return names[:: -(-len(names) // COUNT)]


def load(case: str, folder: Path) -> tuple[Run, list[dict[str, Any]], bool]:
    """The case's run, its inputs by name or position, and whether results are random."""
    with zipfile.ZipFile(FOLDER / "cases.zip") as archive:
        model = archive.extract(f"{case}.tflite", folder)
        values = archive.extract(f"{case}.npz", folder)
    spec = importlib.util.spec_from_file_location("case_io", FOLDER / "case_io.py")
    assert spec is not None
    assert spec.loader is not None
    case_io = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(case_io)
    meta, arrays = case_io.load(values)
    signature = meta.get("signature")
    names = signature["inputs"] if signature else [str(i) for i in range(meta["n_in"])]
    steps = [
        {name: case_io.get(arrays, f"in/{step}/{i}") for i, name in enumerate(names)}
        for step in range(meta["steps"])
    ]
    key = signature["key"] if signature else None
    return Run(Path(model), key), steps, bool(meta.get("nondeterministic"))


@pytest.mark.parametrize("case", sample())
def test_delegation_changes_nothing(case: str, tmp_path: Path) -> None:
    """With every node that a delegate may have on one, results are bit for bit the CPU's."""
    run, steps, random = load(case, tmp_path)
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    _, expected = outcomes(run, steps, experimental_op_resolver_type=resolver)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DelegateWarning)
        it, got = outcomes(run, steps, experimental_delegates=[ReferenceDelegate()])
    if not random:
        for have, want in zip(got, expected, strict=True):
            assert_identical(have, want)
    for place in nodes(it).values():
        codes = {refusal.code for refusal in place.refusals.values()}
        assert codes <= {"constant", "dynamic_shape", "stateful"}
        assert (place.owner == "reference") == (not codes)
