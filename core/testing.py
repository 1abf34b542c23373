"""For authors of delegates: tries a delegate on operators and graphs against the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .delegate import Delegate, DelegateWarning
from .graph import Array, Graph, Shape
from .interpreter import Interpreter, OpResolverType
from .schema.writer import write_model
from .testing_cases import SEED, TrialCase, random_input, trial_cases

RELATIVE = 1e-4
"""Allowed difference of floats, of the largest magnitude of the expected output."""


@dataclass(slots=True)
class OpReport:
    """One operator: cases tried, cases whose nodes of it were all taken, and what failed."""

    op: str
    cases: int = 0
    claimed: int = 0
    failures: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class DelegateReport:
    """What `check_delegate` found; `str()` of it is a table, `ok` whether nothing failed."""

    delegate: str
    ops: dict[str, OpReport]

    @property
    def ok(self) -> bool:
        return not any(report.failures for report in self.ops.values())

    def __str__(self) -> str:
        lines = [f"delegate {self.delegate}: {'ok' if self.ok else 'FAILED'}"]
        for report in self.ops.values():
            failed = len(report.failures)
            lines.append(
                f"{report.op:20} {report.cases:4} cases {report.claimed:4} claimed "
                f"{failed:4} failed"
            )
            lines += [f"    {failure}" for failure in report.failures]
        return "\n".join(lines)


def check_delegate(delegate: Delegate, cases: Sequence[TrialCase] | None = None) -> DelegateReport:
    """Runs every case with the delegate and on the CPU, and reports per operator what differs.

    Integers must be equal, floats within `RELATIVE`. Each case runs three times, at another batch
    size and back, over poisoned memory; `refusal` is asked twice and must repeat itself; any
    fallback to the CPU is a failure.
    """
    report = DelegateReport(delegate.name, {})
    for case in trial_cases() if cases is None else cases:
        entry = report.ops.setdefault(case.op, OpReport(case.op))
        entry.cases += 1
        try:
            entry.claimed += _try(delegate, case)
        except AssertionError as error:
            entry.failures.append(f"{case.name}: {error}")
        except Exception as error:
            entry.failures.append(f"{case.name}: {type(error).__name__}: {error}")
    return report


def _try(delegate: Delegate, case: TrialCase) -> bool:
    """Whether the delegate took all nodes of the case; AssertionError says what is wrong."""
    content = write_model(case.model)
    reference = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", DelegateWarning)
        tried = Interpreter(model_content=content, experimental_delegates=[delegate])
        tried._session.poison = True
        shapes = [
            t.shape for t in (case.model.graphs[0].tensors[i] for i in case.model.graphs[0].inputs)
        ]
        for batch in (None, 3, None):
            _compare(reference, tried, _with_batch(shapes, batch))
    _check_repeatable(delegate, tried)
    nodes = tried.explain().subgraphs[0].nodes
    return all(node.owner != "cpu" for node in nodes)


def _with_batch(shapes: Sequence[Shape], batch: int | None) -> list[Shape]:
    """The shapes, with another first dimension where all have the same of rank two or more."""
    first = {shape[0] for shape in shapes if shape}
    same = len(first) == 1 and all(len(shape) > 1 for shape in shapes)
    return [(batch, *shape[1:]) for shape in shapes] if batch and same else list(shapes)


def _compare(reference: Interpreter, tried: Interpreter, shapes: Sequence[Shape]) -> None:
    for interpreter in (reference, tried):
        for detail, shape in zip(interpreter.get_input_details(), shapes, strict=True):
            interpreter.resize_tensor_input(detail["index"], shape)
        interpreter.allocate_tensors()
    random = np.random.default_rng(SEED)
    graph = reference._model.graphs[0]
    for _ in range(3):
        values = [
            random_input(graph.tensors[t], s, random)
            for t, s in zip(graph.inputs, shapes, strict=True)
        ]
        expected, got = _outputs(reference, graph, values), _outputs(tried, graph, values)
        for want, have in zip(expected, got, strict=True):
            _assert_same(have, want)


def _outputs(interpreter: Interpreter, graph: Graph, values: Sequence[Array]) -> list[Any]:
    for t, value in zip(graph.inputs, values, strict=True):
        interpreter.set_tensor(t, value)
    interpreter.invoke()
    return [np.asarray(interpreter.get_tensor(t)) for t in graph.outputs]


def _assert_same(got: Array, expected: Array) -> None:
    if got.shape != expected.shape or got.dtype != expected.dtype:
        raise AssertionError(
            f"{got.dtype}{list(got.shape)} where {expected.dtype}{list(expected.shape)}"
        )
    if expected.dtype.kind != "f":
        wrong = int(np.count_nonzero(got != expected))
        if wrong:
            raise AssertionError(f"{wrong} of {expected.size} elements differ")
        return
    error = np.abs(got.astype(np.float64) - expected)
    bound = RELATIVE * max(1.0, float(np.abs(expected).max(initial=0)))
    if not (error <= bound).all():
        raise AssertionError(f"differs by {np.nanmax(error):.3g}; {bound:.3g} allowed")


def _check_repeatable(delegate: Delegate, interpreter: Interpreter) -> None:
    delegation = interpreter._plan.delegation if interpreter._plan else None
    if delegation is None:
        return
    for index, node in enumerate(delegation.graph.nodes):
        answers = [delegate.refusal(delegation.graph, node) for _ in range(2)]
        if answers[0] != answers[1]:
            raise AssertionError(f"refusal of node {index} changes: {answers[0]!r}, {answers[1]!r}")
