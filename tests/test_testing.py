"""The kit for authors of delegates: it passes what is right, and finds each kind of mistake."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from litegpu import Unsupported
from litegpu.graph import Graph, Node
from litegpu.reference_delegate import ReferenceDelegate
from litegpu.testing import DelegateReport, check_delegate
from litegpu.testing_cases import TrialCase, trial_cases

Arrays = Sequence[Any]
Flaw = Callable[[Arrays, Arrays], None]


class Flawed(ReferenceDelegate):
    """Right, but for what `flaw` does after a partition of operator `op` has run."""

    def __init__(self, flaw: Flaw, op: str) -> None:
        super().__init__(lambda _graph, node: node.op == op)
        self._flaw = flaw

    def compile(self, graph: Graph, part: Any) -> Any:
        inner, flaw = super().compile(graph, part), self._flaw

        class Executable:
            def run(self, inputs: Arrays, outputs: Arrays) -> None:
                inner.run(inputs, outputs)
                flaw(inputs, outputs)

        return Executable()


def cases(op: str) -> list[TrialCase]:
    return [case for case in trial_cases() if case.op == op]


def failures(delegate: Any, op: str) -> list[str]:
    report = check_delegate(delegate, cases(op))
    assert report.ok == (not report.ops[op].failures)
    return report.ops[op].failures


def test_the_reference_passes_and_takes_everything() -> None:
    report = check_delegate(ReferenceDelegate())
    assert report.ok, str(report)
    assert len(report.ops) > 30
    assert all(found.claimed == found.cases > 0 for found in report.ops.values())


def test_a_delegate_that_refuses_everything_is_ok_and_claims_nothing() -> None:
    class Unwilling(ReferenceDelegate):
        def refusal(self, graph: Graph, node: Node) -> str | None:
            raise Unsupported("not today")

    report = check_delegate(Unwilling())
    assert report.ok
    assert not any(found.claimed for found in report.ops.values())


def wrong_numbers(_: Arrays, outputs: Arrays) -> None:
    outputs[0].reshape(-1)[-1] *= 1.01


def off_by_one(_: Arrays, outputs: Arrays) -> None:
    first = outputs[0].reshape(-1)
    first[0] += 1 if first[0] < 100 else -1


def infinite(_: Arrays, outputs: Arrays) -> None:
    outputs[0].reshape(-1)[0] = np.inf


def writes_inputs(inputs: Arrays, _: Arrays) -> None:
    inputs[0][...] = 0


def raises(_: Arrays, __: Arrays) -> None:
    raise OSError("the cable is out")


def wrong_for_large_batches(_: Arrays, outputs: Arrays) -> None:
    outputs[0][2:] = 1


@pytest.mark.parametrize(
    ("flaw", "op", "message"),
    [
        (wrong_numbers, "MAX_POOL_2D", "differs by .* allowed"),
        (off_by_one, "CONV_2D", r"INT8 .*: 1 of \d+ elements differ"),
        (off_by_one, "CAST", "differs by 1; .* allowed"),
        (infinite, "SOFTMAX", r"1 of \d+ elements are NaN or infinite"),
        (writes_inputs, "RELU", "assignment destination is read-only"),
        (raises, "SPLIT", "failed to run nodes 0.*the cable is out"),
        (wrong_for_large_batches, "TANH", "differs by .* allowed"),
        (wrong_numbers, "SVDF", "differs by .* allowed"),
    ],
)
def test_flaws_of_runs_are_found(flaw: Flaw, op: str, message: str) -> None:
    found = failures(Flawed(flaw, op), op)
    text = "\n".join(found)
    assert found
    assert re.search(message, text), text


def test_elements_that_are_not_written_are_found() -> None:
    class Half(ReferenceDelegate):
        def compile(self, graph: Graph, part: Any) -> Any:
            inner = super().compile(graph, part)

            class Executable:
                def run(self, inputs: Arrays, outputs: Arrays) -> None:
                    made = [np.empty_like(output) for output in outputs]
                    inner.run(inputs, made)
                    for output, values in zip(outputs, made, strict=True):
                        output[:-1] = values[:-1]

            return Executable()

    for op in ("CONCATENATION", "ADD", "LOGICAL_AND"):
        assert failures(Half(), op), op


def test_state_that_is_not_updated_is_found() -> None:
    class Forgetful(ReferenceDelegate):
        def compile(self, graph: Graph, part: Any) -> Any:
            inner = super().compile(graph, part)

            class Executable:
                def run(self, inputs: Arrays, outputs: Arrays) -> None:
                    inner.run([x.copy() for x in inputs], outputs)

            return Executable()

    assert "differs" in failures(Forgetful(), "SVDF")[0]
    assert not failures(Forgetful(), "RELU")


def test_a_refusal_that_changes_its_mind_is_found() -> None:
    class Moody(ReferenceDelegate):
        asked = 0

        def refusal(self, graph: Graph, node: Node) -> str | None:
            self.asked += 1
            return None if self.asked % 2 else "not now"

    assert "refusal of node 0 changes: None, 'not now'" in failures(Moody(), "EXP")[0]


def test_failures_of_compile_are_found() -> None:
    class Fragile(ReferenceDelegate):
        def compile(self, graph: Graph, part: Any) -> Any:
            raise MemoryError("no room")

    assert (
        "failed to compile nodes 0; the CPU runs them. MemoryError: no room"
        in (failures(Fragile(), "EXP")[0])
    )


def test_the_report_is_a_table() -> None:
    report = check_delegate(Flawed(raises, "MEAN"), [*cases("MEAN"), *cases("SUM")])
    assert isinstance(report, DelegateReport)
    heading, mean, failure, total = str(report).splitlines()
    assert heading == "delegate reference: FAILED"
    assert mean.split() == ["MEAN", "1", "cases", "0", "claimed", "1", "failed"]
    assert failure.strip().startswith("axes: delegate 'reference' failed to run nodes 0")
    assert total.split() == ["SUM", "1", "cases", "0", "claimed", "0", "failed"]
