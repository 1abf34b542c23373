"""A folder that shows on its own what a comparison found: a model of the worst nodes, their inputs,
and a script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from ..entry import Entry
from ..explanation import spans
from ..ops.registry import Op
from ..plugins import LoadedDelegate
from .extraction import extract_at
from .result import GroupResult, RunFacts, Tolerance
from .samples import Sample
from .tolerances import known

SCRIPT = Template('''\
"""$title

Needs litegpu and the delegate; exits with 1 where the fault shows, with 0 where it does not.
Usage: python repro.py [DELEGATE]
"""

import sys
from pathlib import Path

import litegpu
$imports
HERE = Path(__file__).parent
DELEGATE = $library
OPTIONS = $options

name = sys.argv[1] if len(sys.argv) > 1 else DELEGATE
if name is None:
    sys.exit("say which delegate: python repro.py DELEGATE")
delegate = litegpu.load_delegate(name, OPTIONS if name == DELEGATE else {})
result = litegpu.compare(
    HERE / "model.tflite",
    delegate,
    HERE / "inputs.npz",
    mode=$mode,
    reference=$reference,
    tolerances=$tolerances,
)
for tensor in result.tensors:
    print(
        f"{tensor.name!r} {tensor.dtype}{list(tensor.shape)}: {tensor.verdict}, "
        f"{tensor.beyond} of {tensor.elements} elements beyond tolerance, "
        f"largest error {tensor.max_abs:g}, at {tensor.worst}"
    )
for group in result.groups:
    if group.reason:
        print(f"nodes {list(group.nodes)}: {group.verdict}: {group.reason}")
for note in result.facts.notes:
    print(note)
print(result.verdict)
sys.exit(0 if result.ok else 1)
''')

PLACED = ("exclude_nodes", "only_nodes", "min_nodes_per_partition", "max_delegated_partitions")
"""Options of a delegate that speak of the whole model's nodes."""


def write_repro(
    folder: Path,
    entered: Entry,
    group: GroupResult,
    sample: Sample,
    delegate: Any,
    run: RunFacts,
    tolerances: Mapping[str, Any] | float | None,
    custom_ops: Mapping[str, Op] | None,
) -> None:
    """Writes model.tflite, inputs.npz, expected.npz (what the CPU makes of them) and repro.py.

    The inputs are those that the nodes have on the CPU for the sample.
    """
    found = extract_at(entered, group.nodes, sample, custom_ops, group.graph)
    folder.mkdir(parents=True, exist_ok=True)
    found.write(folder / "model.tflite", folder / "inputs.npz")
    np.savez(folder / "expected.npz", **dict(found.outputs))  # type: ignore[arg-type]
    library, options = None, {}
    if isinstance(delegate, LoadedDelegate):
        library = _portable(delegate.library)
        options = {k: v for k, v in delegate.options.items() if k not in PLACED}
        options["min_nodes_per_partition"] = 1
    limits = known(tolerances, found.model) if isinstance(tolerances, Mapping) else tolerances
    script = SCRIPT.substitute(
        title=_title(group, run),
        imports=_imports(limits),
        library=repr(library),
        options=repr(options),
        mode=repr(run.mode),
        reference=repr(run.reference if run.reference == "litert" else "cpu"),
        tolerances=repr(limits),
    )
    (folder / "repro.py").write_text(script)


def _title(group: GroupResult, run: RunFacts) -> str:
    count = "node" if len(group.nodes) == 1 else "nodes"
    where = f"{count} {spans(group.nodes)} ({', '.join(group.ops)})"
    text = f"What delegate {run.delegate!r} makes of {where} of {run.model!r}: {group.verdict}."
    return text.replace("\\", "/").replace('"""', "'''")


def _imports(tolerances: Mapping[str, Any] | float | None) -> str:
    values = tolerances.values() if isinstance(tolerances, Mapping) else [tolerances]
    if any(isinstance(value, Tolerance) for value in values):
        return "from litegpu.comparison.result import Tolerance\n"
    return ""


def _portable(library: str) -> str:
    """The library as it can be named from any folder."""
    return str(Path(library).resolve()) if library.endswith(".py") else library
