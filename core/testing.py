"""For authors of delegates: tries a delegate on operators and graphs against the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .delegate import Delegate, DelegateWarning, Unsupported
from .graph import Array, Graph, Node, Shape
from .interpreter import Interpreter, OpResolverType
from .schema.writer import write_model
from .testing_builder import SEED, random_input
from .testing_cases import TrialCase, trial_cases

RELATIVE = {2: 1e-2, 4: 1e-4, 8: 1e-4}
"""Allowed difference of floats by bytes, of the largest magnitude of the expected output."""

MORE = 2
"""What is added to the first dimension of inputs that are resized."""


@dataclass(slots=True)
class OpReport:
    """One operator: cases tried, cases whose nodes were all taken, and what failed."""

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

    Integers must be equal, floats within `RELATIVE`. Each case runs three times, then at another
    batch size and back, over poisoned memory; `refusal` is asked again and must repeat itself; any
    fallback to the CPU is a failure. `cases` are those of `testing_cases` where none are given.
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
    graph = case.model.graphs[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DelegateWarning)
        tried = Interpreter(model_content=content, experimental_delegates=[delegate])
        tried._session.poison = True
        for shapes in _shapes(graph):
            _compare(reference, tried, shapes)
    for warning in caught:
        if isinstance(warning.message, DelegateWarning):
            raise AssertionError(str(warning.message))
    _check_repeatable(delegate, tried)
    nodes = tried.explain().subgraphs[0].nodes
    return all(node.owner != "cpu" for node in nodes)


def _shapes(graph: Graph) -> list[list[Shape]]:
    """Input shapes to try: the file's; where all may have another first dimension, with that, and
    the file's again."""
    tensors = [graph.tensors[t] for t in graph.inputs]
    own = [tensor.shape for tensor in tensors]
    signatures = [tensor.shape_signature or tensor.shape for tensor in tensors]
    open_first = all(signature[:1] == (-1,) for signature in signatures)
    if not open_first or len({shape[0] for shape in own}) != 1 or min(map(len, own)) < 2:
        return [own]
    return [own, [(shape[0] + MORE, *shape[1:]) for shape in own], own]


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
        _assert_all(got == expected, "differ")
        return
    finite = np.isfinite(expected)
    agree = (got == expected) | (np.isnan(got) & np.isnan(expected))
    _assert_all(np.where(finite, np.isfinite(got), agree), "are NaN or infinite, or should be")
    want = expected[finite].astype(np.float64)
    error = np.abs(got[finite] - want)
    bound = RELATIVE[expected.dtype.itemsize] * max(1.0, float(np.abs(want).max(initial=0)))
    largest = float(error.max(initial=0))
    if largest > bound:
        raise AssertionError(f"differs by {largest:.3g}; {bound:.3g} allowed")


def _assert_all(right: Array, what: str) -> None:
    wrong = int(np.count_nonzero(~right))
    if wrong:
        raise AssertionError(f"{wrong} of {right.size} elements {what}")


def _check_repeatable(delegate: Delegate, interpreter: Interpreter) -> None:
    """Asks again about every node that the delegate was asked about."""
    delegation = interpreter._plan.delegation if interpreter._plan else None
    if delegation is None:
        return
    for n, node in enumerate(delegation.graph.nodes):
        said = [r for r in delegation.refusals[n].values() if r.code == "unsupported"]
        if delegation.refusals[n] and not said:
            continue
        before = said[0].reason if said else None
        for _ in range(2):
            again = _answer(delegate, delegation.graph, node)
            if again != before:
                raise AssertionError(f"refusal of node {n} changes: {before!r}, {again!r}")


def _answer(delegate: Delegate, graph: Graph, node: Node) -> str | None:
    try:
        return delegate.refusal(graph, node)
    except Unsupported as unsupported:
        return str(unsupported)
