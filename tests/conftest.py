"""Fixtures that every test may use, and what the delegates took, at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from .devices import CLAIMS, DEVICES

CLAIM = "claim"
"""Names the properties of a test report that carry `devices.CLAIMS` to the main process."""

counts: dict[str, Counter[tuple[str, bool]]] = {}


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where operator cases run."""
    CLAIMS.clear()
    yield request.param
    request.node.user_properties += [(CLAIM, (request.param, *claim)) for claim in CLAIMS]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, value in report.user_properties if report.when == "teardown" else ():
        if name == CLAIM:
            claim: Any = value
            device, op, claimed = claim
            counts.setdefault(device, Counter())[op, claimed] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for device, found in counts.items():
        ops = sorted({op for op, _ in found})
        taken = sum(n for (_, claimed), n in found.items() if claimed)
        terminalreporter.section(f"{device} took {taken} of {found.total()} nodes of cases")
        for label, wanted in (("all", "all"), ("some", "some"), ("none", "none")):
            texts = []
            for op in ops:
                yes, no = found[op, True], found[op, False]
                share = "none" if not yes else "some" if no else "all"
                if share == wanted:
                    texts.append(f"{op} {yes}/{yes + no}" if wanted == "some" else op)
            terminalreporter.write_line(f"{label}: {', '.join(texts) or '-'}")
