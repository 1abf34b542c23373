"""Comparisons and bisections as tables on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .comparison.bisection import Bisection
from .comparison.result import UNSEEN, Comparison, GroupResult
from .explanation import spans

SHOWN = 20
"""Rows of the ranking."""


def print_comparison(result: Comparison) -> None:
    """Prints the verdict, the groups that are wrong, and what was not looked into."""
    console = Console(highlight=False)
    run = result.facts
    ending = ", interrupted" if run.interrupted else ""
    console.print(
        f"{escape(run.model)}: {escape(run.delegate)} beside {escape(run.reference)}, {run.mode}, "
        f"{run.samples} samples ({escape(run.source)}){ending}: [bold]{result.verdict}[/bold]"
    )
    if result.ranking:
        console.print(_table(result))
        first = result.first_divergence
        assert first is not None
        console.print(f"first: {_nodes(first)}; guiltiest: {_nodes(result.ranking[0])}")
    unseen = sum(group.verdict == UNSEEN for group in result.groups)
    if unseen:
        console.print(f"{unseen} of {len(result.groups)} groups of nodes could not be seen")
    for note in run.notes:
        console.print(f"note: {escape(note)}")


def _table(result: Comparison) -> Table:
    title = f"{len(result.ranking)} of {len(result.groups)} groups of nodes"
    table = Table("nodes", "operators", "owner", "verdict", "error", "amplified", title=title)
    for group in result.ranking[:SHOWN]:
        error = "" if group.error is None else f"{group.error:.3g}"
        amplified = "" if group.amplification is None else f"{group.amplification:.3g}"
        ops = ", ".join(dict.fromkeys(group.ops))
        verdict = f"{group.verdict} {group.reason}".strip()
        cells = (_nodes(group), ops, group.owner, verdict, error, amplified)
        table.add_row(*map(escape, cells))
    return table


def _nodes(group: GroupResult) -> str:
    where = f" of subgraph {group.graph}" if group.graph else ""
    return f"{'node' if len(group.nodes) == 1 else 'nodes'} {spans(group.nodes)}{where}"


def print_bisection(found: Bisection) -> None:
    """Prints the nodes, or that there are none."""
    console = Console(highlight=False)
    tried = f"{found.trials} sets of the {found.delegated} nodes of {escape(found.delegate)} tried"
    if not found.nodes:
        console.print(f"the outputs are right with all nodes on it ({tried})")
        return
    table = Table("subgraph", "node", "operator", title="the least set that is wrong")
    for suspect in found.nodes:
        table.add_row(str(suspect.graph), str(suspect.node), escape(suspect.op))
    console.print(table)
    console.print(f"largest error of the outputs {found.error:.3g}; {tried}")
    if not found.rest_is_right:
        console.print("without them the outputs are wrong, too: exclude them and bisect again")
