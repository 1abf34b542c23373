"""Every group of delegated nodes on the reference's own inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..delegate import DeviceLost
from ..graph import Array, Graph
from .ledger import Ledger
from .sides import Side
from .structure import Unit, units
from .trace import Invocation


class Isolated:
    """Runs the delegated units of a side, one by one, on what the reference recorded."""

    def __init__(self, side: Side, ledger: Ledger) -> None:
        self._side = side
        self._ledger = ledger
        self._lost = False

    def check(self, sample: int, trace: Sequence[Invocation]) -> None:
        for run in trace:
            plan = self._side.plan_of(run.graph, run.shapes)
            for unit in units(plan, self._side.slots):
                if unit.executable is not None and not self._lost:
                    self._check(sample, plan.graph, unit, run)

    def _check(self, sample: int, graph: Graph, unit: Unit, run: Invocation) -> None:
        inputs = [_input(graph, unit, run, t) for t in unit.part.inputs]
        expected = [run.values.get(t) for t in unit.part.outputs]
        if any(x is None for x in inputs) or any(x is None for x in expected):
            self._ledger.blind[unit] = "the reference does not show all of its tensors"
            return
        given = [x for x in inputs if x is not None]
        outputs = [_poisoned(x) for x in expected if x is not None]
        try:
            with np.errstate(all="ignore"):
                _run(unit, given, outputs)
        except Exception as error:
            self._ledger.failures[unit] = f"{type(error).__name__}: {error}"
            self._lost = isinstance(error, DeviceLost)
            return
        for t, values in zip(unit.part.outputs, outputs, strict=True):
            self._ledger.compare(sample, unit.graph, t, run.values[t], values)
        for t, values in zip(unit.part.inputs, given, strict=True):
            if graph.tensors[t].is_variable and t in run.values:
                self._ledger.compare(sample, unit.graph, t, run.values[t], values)


def _run(unit: Unit, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
    if unit.group is None:
        unit.executable.run(inputs, outputs)
    else:
        unit.executable.run_group(unit.group, inputs, outputs)


def _input(graph: Graph, unit: Unit, run: Invocation, tensor: int) -> Array | None:
    """What the unit reads: variables as they were before its nodes, in a copy to be updated."""
    if graph.tensors[tensor].is_variable:
        before = (run.before.get((n, tensor)) for n in unit.part.nodes)
        found = next((x for x in before if x is not None), None)
        return None if found is None else found.copy()
    values = run.values.get(tensor)
    if values is None:
        return None
    lent = np.ascontiguousarray(values).reshape(values.shape).view()
    lent.flags.writeable = False
    return lent


def _poisoned(expected: Array) -> Array:
    """An array like this one, filled with NaN, -1 or nothing."""
    if expected.dtype.hasobject:
        made: Array = np.full(expected.shape, b"", object)
        return made
    filled = np.full(expected.nbytes, 0xFF, np.uint8)
    if expected.dtype.kind == "b":
        filled[:] = 1
    return filled.view(expected.dtype).reshape(expected.shape)
