"""CUDA takes every node that OpenCL takes, of all models and of operator cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from litegpu.graph import Array
from litegpu.schema.writer import write_model

from tests.cases import feeds, model_of
from tests.gpu.fakes import CUDA, FAKES, lower
from tests.model_runs import ALL
from tests.operator_cases import cases_by_operator

EVERY = 4
"""One case of an operator in so many."""


def left_to_opencl(content: bytes, inputs: Sequence[Array] = ()) -> set[tuple[str, str]]:
    """(operator, output) of each node that some OpenCL device takes, and CUDA does not."""
    of_cuda, *of_opencl = (
        {
            (found.graph.nodes[n].op, found.graph.tensors[found.graph.nodes[n].outputs[0]].name)
            for found in lower(content, info, inputs).lowered
            for n in found.part.nodes
        }
        for info in (CUDA, *FAKES.values())
    )
    return set().union(*of_opencl) - of_cuda


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_models(path: Path) -> None:
    assert not left_to_opencl(path.read_bytes())


@pytest.mark.parametrize("op", cases_by_operator())
def test_operators(op: str) -> None:
    for case in cases_by_operator()[op][::EVERY]:
        assert not left_to_opencl(write_model(model_of(case)), feeds(case)), case
