"""Fixtures that every test may use, and what the delegates took, at the end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from .devices import CLAIMS, DEVICES

CLAIM = "claim"
"""Names the properties of a test report that carry `devices.CLAIMS` to the main process."""

OPTIONAL = ("PIL", "ai_edge_litert", "hypothesis", "pcpp", "rich", "typer")
"""Packages that tests need and a machine with a GPU may lack: such modules are skipped there."""

counts: dict[str, Counter[tuple[str, bool]]] = {}


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where operator cases run."""
    CLAIMS.clear()
    yield request.param
    request.node.user_properties += [(CLAIM, (request.param, *claim)) for claim in CLAIMS]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.failed and isinstance(collector, pytest.Module):
        missing = re.findall(r"ModuleNotFoundError: No module named '(\w+)", str(report.longrepr))
        if missing and missing[-1] in OPTIONAL:
            report.outcome = "skipped"
            report.longrepr = (str(collector.path), 0, f"Skipped: {missing[-1]} is not installed")
    return report


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
