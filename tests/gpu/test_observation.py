"""What of a partition can be seen on the device, found without a device."""

from __future__ import annotations

import litegpu
import pytest
from litegpu.delegates.lowering.context import Options
from litegpu.delegates.observation import Group, launch_groups
from litegpu.graph import ABSENT
from litegpu.schema.writer import write_model
from litegpu.testing_cases import trial_cases

from tests.devices import delegates

from .fakes import FAKES, Lowered, lower
from .test_fusion import NETS, Fused, content

SPANS: dict[str, list[tuple[int, ...]]] = {
    "chain": [(0, 1, 2, 3)],
    "broadcast chain": [(0,), (1, 2, 3)],
    "conv, residual, relu": [(0, 1)],
    "pad, conv": [(0, 1)],
    "pad, two convs": [(0,), (1,), (2, 3)],
    "two readers": [(0,), (1,), (2, 3)],
    "reshape": [(0,), (1,), (2,)],
}
"""Nodes that are computed together, of the nets of `test_fusion` that have few of them."""


def groups_of(lowered: Lowered) -> list[Group]:
    return launch_groups(lowered.graph, lowered.part, lowered.program)


def net(name: str) -> Fused:
    return next(net for net in NETS if net.name == name and not net.int8)


@pytest.mark.parametrize("name", SPANS)
def test_nodes_that_are_computed_together(name: str) -> None:
    (lowered,) = lower(content(net(name)), FAKES["gpu"]).lowered
    found = [group.part.nodes for group in groups_of(lowered)]
    assert sorted(len(nodes) for nodes in found) == sorted(len(nodes) for nodes in SPANS[name])
    assert [n for nodes in found for n in sorted(nodes)] == [n for s in SPANS[name] for n in s]


def check(lowered: Lowered) -> None:
    """Every node is in one group, which reads what is there, and writes what its nodes make."""
    graph, part, program = lowered.graph, lowered.part, lowered.program
    found = groups_of(lowered)
    assert sorted(n for group in found for n in group.part.nodes) == sorted(part.nodes)
    there = set(part.inputs)
    for group in found:
        made = {t for n in group.part.nodes for t in graph.nodes[n].outputs if t != ABSENT}
        assert set(group.part.inputs) <= there
        assert set(group.part.outputs) <= made
        assert group.part.outputs
        assert {t for tensors in group.ready.values() for t in tensors} <= set(group.part.outputs)
        assert set(group.ready) <= set(group.launches)
        there |= set(group.part.outputs)
    assert set(part.outputs) <= there
    covered = [k for group in found for k in group.launches]
    assert sorted(covered) == list(range(len(program.launches)))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("kind", FAKES)
@pytest.mark.parametrize("net", NETS, ids=str)
def test_groups_of_nets(net: Fused, kind: str, precision: str) -> None:
    for lowered in lower(content(net), FAKES[kind], options=Options(precision)).lowered:
        check(lowered)


@pytest.mark.parametrize("kind", FAKES)
@pytest.mark.parametrize("case", trial_cases(), ids=lambda case: f"{case.op} {case.name}")
def test_groups_of_operators(case: litegpu.testing_cases.TrialCase, kind: str) -> None:
    for lowered in lower(write_model(case.model), FAKES[kind]).lowered:
        check(lowered)


@pytest.mark.parametrize("device", ["opencl", "cuda", "opencl fp16"])
@pytest.mark.parametrize("net", NETS, ids=str)
def test_nets_are_right_by_groups(net: Fused, device: str) -> None:
    (delegate,) = delegates(device)
    for mode in ("cumulative", "isolated"):
        result = litegpu.compare(content(net), delegate, samples=2, mode=mode)
        assert result.ok, [(t.name, t.error, t.worst) for t in result.tensors]
        assert result.facts.observation == "tensors"
        assert {group.owner for group in result.groups} == {delegate.name}
        assert result.tensors[-1].is_output
