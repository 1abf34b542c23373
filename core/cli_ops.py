"""`litegpu ops`: the operators that are registered, their versions, and where they run."""

from __future__ import annotations

import json
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from .ops.registry import BUILTIN, CUSTOM
from .schema.enums import BuiltinOperator

UNLIMITED = 2**31 - 1


def operators() -> list[dict[str, Any]]:
    """One row an operator: builtins by their code, then custom ones by name."""
    rows: list[dict[str, Any]] = [
        {
            "op": name,
            "code": int(BuiltinOperator[name]),
            "custom": False,
            "versions": list(BUILTIN[name].versions),
            "runs_on": ["cpu"],
        }
        for name in sorted(BUILTIN, key=lambda name: BuiltinOperator[name])
    ]
    rows += [
        {
            "op": name,
            "code": int(BuiltinOperator.CUSTOM),
            "custom": True,
            "versions": list(CUSTOM[name].versions),
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


def list_ops(form: Literal["table", "json", "markdown"]) -> None:
    """Prints the operators."""
    rows = operators()
    if form == "json":
        print(json.dumps({"operators": rows}, indent=1))
    elif form == "markdown":
        print(markdown_page(rows), end="")
    else:
        table = Table("code", "operator", "versions", "runs on")
        for row in rows:
            code = "custom" if row["custom"] else str(row["code"])
            table.add_row(
                code, row["op"], versions_text(row["versions"]), ", ".join(row["runs_on"])
            )
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
        "the operators in the TensorFlow Lite schema.",
        "",
        summary(rows),
        "",
        "| code | operator | versions | runs on |",
        "|---|---|---|---|",
    ]
    for row in rows:
        code = "custom" if row["custom"] else row["code"]
        where = ", ".join(row["runs_on"])
        lines.append(f"| {code} | {row['op']} | {versions_text(row['versions'])} | {where} |")
    return "\n".join(lines) + "\n"
