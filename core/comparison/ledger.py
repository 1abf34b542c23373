"""The metrics of all tensors that were compared, and what becomes of them in the result."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Any

from ..graph import Array, Model
from .metrics import Metrics
from .result import (
    FAILED,
    NOT_COMPARABLE,
    OK,
    UNSEEN,
    WRONG,
    GroupResult,
    TensorResult,
)
from .structure import Unit, border, by_chance
from .tolerances import Tolerances

FLOOR = 2.0**-24
"""The least error of inputs by which that of outputs is divided: float32's rounding."""


class Ledger:
    """Metrics by graph and tensor. Only tensors that are `wanted` (and outputs) are compared.

    `failures` are the units at which the delegate raised, and what; `blind` those that could not be
    run, and why.
    """

    def __init__(
        self,
        model: Model,
        main: int,
        outputs: Collection[int],
        tolerances: Tolerances,
        wanted: Any = "all",
        chance: bool = True,
    ) -> None:
        self._model = model
        self._main = main
        self._outputs = frozenset(outputs)
        self._tolerances = tolerances
        self._wanted = None if wanted == "all" else _chosen(model, main, wanted)
        self._chance = {g: by_chance(model, g) if chance else {} for g in range(len(model.graphs))}
        self.metrics: dict[tuple[int, int], Metrics] = {}
        self.failures: dict[Unit, str] = {}
        self.blind: dict[Unit, str] = {}

    def wants(self, graph: int, tensor: int) -> bool:
        if tensor in self._chance[graph]:
            return False
        is_output = graph == self._main and tensor in self._outputs
        return self._wanted is None or is_output or (graph, tensor) in self._wanted

    def compare(
        self, sample: int, graph: int, tensor: int, reference: Array, compared: Array
    ) -> None:
        if not self.wants(graph, tensor):
            return
        metrics = self.metrics.get((graph, tensor))
        if metrics is None:
            described = self._model.graphs[graph].tensors[tensor]
            tolerance = self._tolerances.of(described)
            metrics = self.metrics[graph, tensor] = Metrics(described, tolerance)
        metrics.update(sample, reference, compared)

    # The result.

    def tensors(self, units: Iterable[Unit]) -> tuple[TensorResult, ...]:
        """The tensors in the order of running."""
        found = []
        for unit in units:
            for t in self._made(unit):
                metrics = self.metrics.get((unit.graph, t))
                if metrics is not None:
                    found.append(self._tensor(unit, t, metrics))
        return tuple(dict(zip([(r.graph, r.tensor) for r in found], found, strict=True)).values())

    def _made(self, unit: Unit) -> list[int]:
        """All that the nodes of a unit make, also inside, and the variables that they update."""
        tensors = self._model.graphs[unit.graph].tensors
        _, made = border(self._model.graphs[unit.graph], unit.part.nodes)
        return [*(t for t in unit.part.inputs if tensors[t].is_variable), *made]

    def _tensor(self, unit: Unit, tensor: int, metrics: Metrics) -> TensorResult:
        graph = self._model.graphs[unit.graph]
        described = graph.tensors[tensor]
        quant = described.quant
        maker = (n for n in unit.part.nodes if tensor in graph.nodes[n].outputs)
        floats = metrics.has_ulps
        reference, compared = metrics.sides()
        return TensorResult(
            graph=unit.graph,
            tensor=tensor,
            name=described.name,
            dtype=described.dtype.name.lower(),
            shape=metrics.shape,
            scale=float(quant.scale[0]) if quant is not None and quant.scale.size == 1 else None,
            node=next(maker, unit.part.nodes[-1]),
            owner=unit.owner,
            is_output=unit.graph == self._main and tensor in self._outputs,
            tolerance=metrics.tolerance,
            verdict=OK if metrics.within else WRONG,
            comparisons=metrics.comparisons,
            mismatched=metrics.mismatched,
            elements=metrics.elements,
            beyond=metrics.beyond,
            exact=metrics.exact,
            error=metrics.error,
            max_abs=metrics.max_abs,
            mean_abs=metrics.mean("abs"),
            max_relative=metrics.max_relative,
            mean_relative=metrics.mean("relative"),
            max_ulp=metrics.max_ulp if floats else None,
            mean_ulp=metrics.mean("ulp") if floats else None,
            cosine=metrics.cosine(),
            sqnr=metrics.sqnr(),
            largest=metrics.largest,
            reference=reference,
            compared=compared,
            worst=metrics.worst,
            histogram=metrics.histogram(),
        )

    def groups(self, units: Iterable[Unit], cumulative: bool) -> tuple[GroupResult, ...]:
        return tuple(self._group(unit, cumulative) for unit in units)

    def _group(self, unit: Unit, cumulative: bool) -> GroupResult:
        seen = [m for t in self._made(unit) if (m := self.metrics.get((unit.graph, t)))]
        verdict, error, reason = OK, max((m.error for m in seen), default=0.0), ""
        chance = [self._chance[unit.graph][t] for t in self._made(unit) if self._by_chance(unit, t)]
        if unit in self.failures:
            verdict, reason = FAILED, self.failures[unit]
        elif any(not m.within for m in seen):
            verdict = WRONG
        elif chance and not seen:
            verdict, reason = NOT_COMPARABLE, f"it hangs on random numbers of node {chance[0]}"
        elif not seen:
            verdict = UNSEEN
            reason = self.blind.get(unit, "none of the tensors that it makes was compared")
        graph = self._model.graphs[unit.graph]
        return GroupResult(
            graph=unit.graph,
            nodes=unit.part.nodes,
            ops=tuple(graph.nodes[n].op for n in unit.part.nodes),
            owner=unit.owner,
            partition=unit.partition,
            inputs=unit.part.inputs,
            outputs=unit.part.outputs,
            verdict=verdict,
            error=error if seen else None,
            amplification=self._amplification(unit, error) if cumulative and seen else None,
            reason=reason,
        )

    def _by_chance(self, unit: Unit, tensor: int) -> bool:
        return tensor in self._chance[unit.graph]

    def _amplification(self, unit: Unit, error: float) -> float:
        entering = [m.error for t in unit.part.inputs if (m := self.metrics.get((unit.graph, t)))]
        before = max(entering, default=0.0)
        if math.isinf(before):
            return 1.0
        return error / max(before, FLOOR)


def _chosen(model: Model, main: int, wanted: Any) -> frozenset[tuple[int, int]]:
    """The tensors of the main graph that indices, names or patterns of names mean."""
    tensors = model.graphs[main].tensors
    items = [wanted] if isinstance(wanted, str | int) else list(wanted)
    found: set[tuple[int, int]] = set()
    for item in items:
        if isinstance(item, int):
            hits = [item] if 0 <= item < len(tensors) else []
        else:
            hits = [t for t, x in enumerate(tensors) if x.name == item or fnmatchcase(x.name, item)]
        if not hits:
            raise ValueError(f"tensors: the graph has no tensor {item!r}")
        found.update((main, t) for t in hits)
    return frozenset(found)
