"""`litegpu ops`: the operators that are registered, their versions, and where they run."""

from __future__ import annotations

import json
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from .operator_types import TYPES
from .ops.registry import BUILTIN, CUSTOM
from .plugins import operators_by_delegate
from .schema.enums import BuiltinOperator

UNLIMITED = 2**31 - 1


def operators() -> list[dict[str, Any]]:
    """One row an operator: builtins by their code, then custom ones by name.

    `dtypes` are those of its data, where LiteRT's kernels were measured; `runs_on` names installed
    delegates that take it in at least one form.
    """
    delegates = operators_by_delegate()
    rows: list[dict[str, Any]] = [
        {
            "op": name,
            "code": int(BuiltinOperator[name]),
            "custom": False,
            "versions": list(BUILTIN[name].versions),
            "dtypes": [dtype.name for dtype in TYPES.get(name, ())],
            "runs_on": ["cpu", *(d for d, ops in delegates.items() if name in ops)],
        }
        for name in sorted(BUILTIN, key=lambda name: BuiltinOperator[name])
    ]
    rows += [
        {
            "op": name,
            "code": int(BuiltinOperator.CUSTOM),
            "custom": True,
            "versions": list(CUSTOM[name].versions),
            "dtypes": [],
            "runs_on": ["cpu"],
        }
        for name in sorted(CUSTOM, key=str.lower)
    ]
    return rows


def versions_text(versions: list[int]) -> str:
    low, high = versions
    if high == UNLIMITED:
        return "any"
    return str(low) if low == high else f"{low}-{high}"


COLUMNS = ("code", "operator", "versions", "runs on", "types of its data")


def cells(row: dict[str, Any]) -> list[str]:
    """The texts of a row, by `COLUMNS`."""
    code = "custom" if row["custom"] else str(row["code"])
    where, types = ", ".join(row["runs_on"]), " ".join(row["dtypes"]).lower()
    return [code, row["op"], versions_text(row["versions"]), where, types]


def list_ops(form: Literal["table", "json", "markdown"]) -> None:
    """Prints the operators."""
    rows = operators()
    if form == "json":
        print(json.dumps({"operators": rows}, indent=1))
    elif form == "markdown":
        print(markdown_page(rows), end="")
    else:
        table = Table(*COLUMNS)
        for row in rows:
            table.add_row(*cells(row))
        console = Console()
        console.print(table)
        console.print(summary(rows))


def summary(rows: list[dict[str, Any]]) -> str:
    custom = sum(row["custom"] for row in rows)
    return f"{len(rows) - custom} builtin operators and {custom} custom operators."


def markdown_page(rows: list[dict[str, Any]]) -> str:
    """The page docs/operators.md."""
    lines = [
        "# Operators",
        "",
        "Made by `litegpu ops --markdown`; a test checks that it is current. Versions are those of",
        "the operators in the TensorFlow Lite schema. A delegate is named where it takes an",
        "operator in at least one form; types are those that LiteRT takes, where measured.",
        "",
        summary(rows),
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(cells(row))} |" for row in rows]
    return "\n".join(lines) + "\n"
