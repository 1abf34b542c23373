"""The delegate that the command line names, and where the nodes of a model run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .cli_options import counted
from .explanation import Explanation, spans
from .plugins import LoadedDelegate, load_delegate

CPU = "cpu"
"""What `--delegate` takes for no delegate at all, not even a default one."""


def chosen(name: str | None, options: Sequence[str]) -> list[LoadedDelegate] | None:
    """What `experimental_delegates` gets: None, for the default ones, where no name is given."""
    if name is None or name == CPU:
        if options:
            raise ValueError("--delegate-option needs the --delegate that it is for")
        return None if name is None else []
    return [load_delegate(name, parsed_options(options))]


def parsed_options(options: Sequence[str]) -> dict[str, Any]:
    """Options that are KEY=VALUE, where VALUE is JSON, or else text."""
    return dict(_option(text) for text in options)


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError(f"--delegate-option {text}: KEY=VALUE expected")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def summary(places: Explanation) -> str:
    """Who runs how many nodes: `cpu 3 nodes, cuda 40 nodes in 2 partitions`."""
    nodes = Counter(node.owner for graph in places.subgraphs for node in graph.nodes)
    parts = Counter(part.owner for graph in places.subgraphs for part in graph.partitions)
    return ", ".join(
        f"{owner} {counted(count, 'node')}"
        + ("" if owner == CPU else f" in {counted(parts[owner], 'partition')}")
        for owner, count in nodes.items()
    )


def print_places(console: Console, graph: Mapping[str, Any]) -> None:
    """Prints one of the subgraphs of `Explanation.to_dict()`."""
    table = Table("owner", "nodes", "bytes in", "bytes out", "on the CPU", title="partitions")
    for part in graph["partitions"]:
        delegated = part["owner"] != CPU
        crossing = (f"{part[key]:,}" if delegated else "" for key in ("bytes_in", "bytes_out"))
        seconds = f"{part['cpu_seconds'] * 1e6:,.0f} µs"
        table.add_row(escape(part["owner"]), spans(part["nodes"]), *crossing, seconds)
    console.print(table)
    table = Table("#", "operator", "owner", "why not elsewhere", title="places")
    for node in graph["nodes"]:
        reasons = (f"{d} [{r['code']}] {r['reason']}" for d, r in node["refusals"].items())
        places = (str(node["index"]), escape(node["op"]), escape(node["owner"]))
        table.add_row(*places, escape("\n".join(reasons)))
    console.print(table)
