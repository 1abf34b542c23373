"""What delegates take of the real models: CUDA all that OpenCL takes; no device is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from litegpu import Interpreter
from litegpu.delegates.device import DeviceInfo

from tests.model_runs import ALL

from .fakes import CUDA, FAKES, LoweringOnly


def taken(path: Path, info: DeviceInfo) -> set[tuple[int, int]] | None:
    """(graph, node) of what a device takes; None of models that litegpu refuses."""
    try:
        interpreter = Interpreter(str(path), experimental_delegates=[LoweringOnly(info)])
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError):
        return None
    graphs = interpreter.explain().subgraphs
    return {(g, n.index) for g, graph in enumerate(graphs) for n in graph.nodes if n.owner != "cpu"}


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_cuda_takes_what_opencl_takes(path: Path) -> None:
    opencl, cuda = taken(path, FAKES["gpu"]), taken(path, CUDA)
    assert (opencl is None) == (cuda is None)
    assert not (opencl or set()) - (cuda or set())


def test_most_is_taken() -> None:
    found = [taken(path, CUDA) for path in ALL]
    assert sum(bool(nodes) for nodes in found) >= 80
