"""Real models on a delegate beside the CPU: what it takes, and how far its results are from the
CPU's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litegpu import OpResolverType
from litegpu.schema.reader import open_model

from .devices import no_fallback
from .model_runs import Run, _comparison, inputs_of
from .test_models_delegated import nodes, outcomes


@dataclass(frozen=True)
class Claim:
    """`partitions` are the delegate's; `refusals` counts (operator, code, reason) of nodes that it
    was asked about and left. `largest` and `exact` are as in `model_runs.Comparison`; both are None
    where litegpu refuses the model."""

    nodes: int
    claimed: int
    partitions: int
    refusals: Counter[tuple[str, str, str]]
    exact: bool | None
    largest: float | None


def claim(run: Run, delegates: Sequence[Any], name: str) -> Claim:
    """Runs a model on delegates, of which one is called `name`, and on the CPU. Fails where a
    delegate gives up what it took."""
    steps = inputs_of(run, open_model(run.path))
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    _, expected = outcomes(run, steps, experimental_op_resolver_type=resolver)
    if isinstance(expected[0], type):
        return Claim(0, 0, 0, Counter(), None, None)
    with no_fallback():
        interpreter, got = outcomes(run, steps, experimental_delegates=delegates)
    assert not any(isinstance(x, type) for x in got), got
    places = nodes(interpreter).values()
    partitions = [p for g in interpreter.explain().subgraphs for p in g.partitions]
    refusals = Counter(
        (place.op, refusal.code, refusal.reason)
        for place in places
        for refusal in place.refusals.values()
        if place.owner != name
    )
    found = _comparison(got, expected, "cpu")
    return Claim(
        sum(1 for place in places if "constant" not in _codes(place)),
        sum(place.owner == name for place in places),
        sum(p.owner == name for p in partitions),
        refusals,
        found.exact,
        found.largest,
    )


def _codes(place: Any) -> set[str]:
    return {refusal.code for refusal in place.refusals.values()}
