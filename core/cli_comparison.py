"""Comparisons and bisections as tables on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from .cli_options import counted
from .comparison.bisection import Bisection
from .comparison.result import UNSEEN, Comparison, GroupResult
from .explanation import spans

SHOWN = 20
"""Rows of the ranking."""

MOST_OPS, MOST_NAME = 3, 32
"""Operators of a group, and characters of a tensor's name, that tables show."""


def print_comparison(result: Comparison) -> None:
    """Prints the verdict, the groups that are wrong, and what was not looked into."""
    console = Console(highlight=False, soft_wrap=True)
    run = result.facts
    ending = ", interrupted" if run.interrupted else ""
    samples = counted(run.samples, "sample")
    color = "green" if result.ok else "red"
    console.print(
        f"{escape(run.model)}: {escape(run.delegate)} beside {escape(run.reference)}, {run.mode}, "
        f"{samples} ({escape(run.source)}){ending}: [bold {color}]{result.verdict}[/]"
    )
    if result.ranking:
        console.print(_table(result), soft_wrap=False)
        first = result.first_divergence
        assert first is not None
        more = len(result.ranking) - SHOWN
        hidden = f"; {more} more are not shown" if more > 0 else ""
        console.print(f"first: {_nodes(first)}; guiltiest: {_nodes(result.ranking[0])}{hidden}")
    unseen = sum(group.verdict == UNSEEN for group in result.groups)
    if unseen:
        console.print(f"{unseen} of {len(result.groups)} groups of nodes could not be seen")
    for note in run.notes:
        console.print(f"note: {escape(note)}")


def _table(result: Comparison) -> Table:
    """The groups that are not within tolerance, the guiltiest first."""
    cumulative = any(group.amplification is not None for group in result.ranking)
    title = f"{len(result.ranking)} of {len(result.groups)} groups of nodes"
    numbers = [Column(name, justify="right", no_wrap=True) for name in ("error", "beyond")]
    numbers += [Column("amplified", justify="right")] if cumulative else []
    table = Table("nodes", "operators", "tensor", "on", "verdict", *numbers, title=title)
    tensors = {(t.graph, t.tensor): t for t in result.tensors}
    for group in result.ranking[:SHOWN]:
        found = [tensors[group.graph, t] for t in group.outputs if (group.graph, t) in tensors]
        worst = max(found, key=lambda tensor: tensor.error, default=None)
        cells = (
            _nodes(group),
            " + ".join(group.ops[:MOST_OPS]) + (" + …" if len(group.ops) > MOST_OPS else ""),
            "" if worst is None else _short(worst.name),
            group.owner,
        )
        table.add_row(
            *map(escape, cells),
            f"[red]{group.verdict}[/red] {escape(group.reason)}".strip(),
            "" if group.error is None else f"{group.error:.3g}",
            "" if worst is None else f"{100 * worst.share_beyond:.3g} %",
            *([_times(group.amplification)] if cumulative else []),
        )
    return table


def _times(amplification: float | None) -> str:
    return "" if amplification is None else f"{amplification:.3g}"


def _short(name: str) -> str:
    return name if len(name) <= MOST_NAME else f"{name[: MOST_NAME - 1]}…"


def _nodes(group: GroupResult) -> str:
    where = f" of subgraph {group.graph}" if group.graph else ""
    return f"{'node' if len(group.nodes) == 1 else 'nodes'} {spans(group.nodes)}{where}"


def print_bisection(found: Bisection) -> None:
    """Prints the nodes, or that there are none."""
    console = Console(highlight=False, soft_wrap=True)
    nodes = f"{counted(found.delegated, 'node')} of {escape(found.delegate)}"
    tried = f"{counted(found.trials, 'set')} of the {nodes} tried"
    if not found.nodes:
        console.print(f"the outputs are right with all nodes on it ({tried})")
        return
    table = Table("subgraph", "node", "operator", title="the least set that is wrong")
    for suspect in found.nodes:
        table.add_row(str(suspect.graph), str(suspect.node), escape(suspect.op))
    console.print(table, soft_wrap=False)
    console.print(f"largest error of the outputs {found.error:.3g}; {tried}")
    if not found.rest_is_right:
        console.print("without them the outputs are wrong, too: exclude them and bisect again")
