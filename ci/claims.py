"""`./ci/claims`: what a delegate takes of every model in ci/data and ../shared/models."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer
from litegpu.schema.reader import open_model

from tests.delegate_runs import Claim, claim
from tests.devices import delegates
from tests.model_runs import ALL, Run, runs
from tests.tolerance import WHOLE_MODEL_ON_DELEGATE

ENOUGH = 0.95
"""The share of nodes that a delegate should take of models without custom operators and strings."""

STRINGS = "STRING"


def is_plain(run: Run) -> bool:
    """Whether a model has neither custom operators nor strings."""
    graphs = open_model(run.path).graphs
    custom = any(node.custom for graph in graphs for node in graph.nodes)
    return not custom and not any(t.dtype.name == STRINGS for g in graphs for t in g.tensors)


def summarised(refusals: Counter[tuple[str, str, str]]) -> Counter[tuple[str, str, str]]:
    """Without constants, and with the reasons that are the delegate's alone."""
    found: Counter[tuple[str, str, str]] = Counter()
    for (op, code, reason), count in refusals.items():
        if code != "constant":
            found[op, code, reason if code == "unsupported" else ""] += count
    return found


def agrees(found: Claim) -> bool:
    assert found.largest is not None
    return found.largest <= (0 if found.exact else WHOLE_MODEL_ON_DELEGATE)


def row(run: Run, found: Claim) -> str:
    outcome = "equal" if found.largest == 0 else "agrees" if agrees(found) else "**differs**"
    counts = f"{found.nodes} | {found.claimed} | {found.partitions}"
    return f"| {run} | {counts} | {found.largest:.2g} | {outcome} |"


def main(
    parts: Annotated[list[str] | None, typer.Argument(help="Parts of the models' names.")] = None,
    delegate: Annotated[str, typer.Option(help="The name of the delegate.")] = "opencl",
    precision: Annotated[str, typer.Option(help="The delegate's precision.")] = "fp32",
) -> None:
    """Runs models on a delegate and on the CPU, and compares."""
    wanted = [run for run in runs(ALL) if not parts or any(part in str(run) for part in parts)]
    print("| model | nodes | claimed | partitions | largest difference | |")
    print("|---|---|---|---|---|---|")
    refusals: Counter[tuple[str, str, str]] = Counter()
    nodes = claimed = agreeing = compared = 0
    for run in wanted:
        try:
            found = claim(run, delegates(f"{delegate} {precision}"), delegate)
        except Exception as error:
            print(f"| {run} | | | | | **failed**: {str(error).partition(chr(10))[0]} |", flush=True)
            continue
        if found.largest is None:
            continue
        print(row(run, found), flush=True)
        refusals += summarised(found.refusals)
        compared, agreeing = compared + 1, agreeing + agrees(found)
        if is_plain(run):
            nodes, claimed = nodes + found.nodes, claimed + found.claimed
    print(f"\n{agreeing} of {compared} agree with the CPU.")
    share = claimed / max(nodes, 1)
    print(
        f"{delegate} takes {claimed} of {nodes} nodes ({share:.1%}; {ENOUGH:.0%} wanted) of models "
        "without custom operators and strings; constant nodes are not counted.\n"
    )
    print("| operator | nodes | why they were left |\n|---|---|---|")
    for (op, code, reason), count in refusals.most_common():
        print(f"| {op} | {count} | {code}{': ' * bool(reason)}{reason} |")


if __name__ == "__main__":
    typer.run(main)
