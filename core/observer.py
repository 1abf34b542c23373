"""Looking at tensors while a session computes them, without changing what it computes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from .delegated import Delegated
from .graph import ABSENT, Array
from .ops.registry import Step

if TYPE_CHECKING:
    from .plan import ExecutionPlan


class Observer(Protocol):
    """Is told of every run of every graph of a session. Arrays are valid during the call alone,
    and must not be written to."""

    def begins(self, plan: ExecutionPlan) -> None:
        """The inputs are set, and nothing has run."""
        ...

    def before(self, plan: ExecutionPlan, nodes: Sequence[int]) -> None:
        """These nodes run next: one on the CPU, or a delegate's partition."""
        ...

    def made(self, plan: ExecutionPlan, tensor: int, values: Array) -> None:
        """A tensor has been computed, or a variable may have been updated."""
        ...

    def ends(self, plan: ExecutionPlan) -> None:
        """All nodes have run."""
        ...


def observed(plan: ExecutionPlan, observer: Observer) -> list[Step]:
    """The steps of a plan, each of which tells the observer what it has made."""
    return [
        partial(_delegated if isinstance(step, Delegated) else _on_cpu, plan, observer, position)
        for position, step in enumerate(plan.steps)
    ]


def _on_cpu(plan: ExecutionPlan, observer: Observer, position: int) -> None:
    n = plan.step_nodes[position]
    observer.before(plan, (n,))
    plan.steps[position]()
    node = plan.graph.nodes[n]
    _tell(plan, observer, (*_variables(plan, (n,)), *node.outputs))


def _delegated(plan: ExecutionPlan, observer: Observer, position: int) -> None:
    step = plan.steps[position]
    assert isinstance(step, Delegated)
    part = step.part
    observer.before(plan, part.nodes)
    shown: set[int] = set()
    failures: list[Exception] = []

    def seen(tensor: int, values: Array) -> None:
        if tensor in shown:
            return
        shown.add(tensor)
        try:
            observer.made(plan, tensor, values)
        except Exception as error:
            # Raised here, it would count as a failure of the delegate.
            failures.append(error)

    step.observe(seen)
    if failures:
        raise failures[0]
    rest = [t for t in part.outputs if t not in shown]
    _tell(plan, observer, (*_variables(plan, part.nodes), *rest), shown)
    for t in shown - set(rest):
        _tell(plan, observer, plan.views_of(t), shown)


def _variables(plan: ExecutionPlan, nodes: Sequence[int]) -> list[int]:
    """The variable tensors that these nodes may update."""
    read = dict.fromkeys(t for n in nodes for t in plan.graph.nodes[n].inputs if t != ABSENT)
    return [t for t in read if plan.graph.tensors[t].is_variable]


def _tell(
    plan: ExecutionPlan, observer: Observer, tensors: Sequence[int], shown: set[int] | None = None
) -> None:
    """Shows tensors that have memory on the host, and those that share it."""
    for t in tensors:
        values = None if t == ABSENT else plan.arrays[t]
        if values is not None and (shown is None or t not in shown):
            observer.made(plan, t, values)
            _tell(plan, observer, plan.views_of(t))
