"""`litegpu inspect`: what a model contains and how it is planned, as tables or JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .cli_delegate import print_places
from .description import describe

KEPT = 48
"""Characters of a long name that tables show."""


def inspect_model(
    path: Path,
    as_json: bool,
    tensors: bool = False,
    nodes: bool = False,
    memory: bool = False,
    delegates: Sequence[Any] | None = None,
) -> None:
    """Prints the description of a model as these delegates, or (None) the default ones, run it."""
    found = describe(path, delegates)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    console = Console()
    _print_model(console, found)
    explanation = found["explanation"] or {"subgraphs": []}
    places = {graph["index"]: graph for graph in explanation["subgraphs"]}
    for graph in found["subgraphs"]:
        title = f"subgraph {graph['index']} {graph['name']}".rstrip()
        console.rule(escape(title))
        _print_ends(console, graph)
        _print_operators(console, graph)
        if tensors:
            console.print(_tensor_table(graph["tensors"], "tensors"))
        if nodes:
            console.print(_node_table(graph))
        _print_plan(console, graph, memory)
        if graph["index"] in places:
            print_places(console, places[graph["index"]])


def _print_model(console: Console, found: Mapping[str, Any]) -> None:
    console.print(
        f"[bold]{escape(found['file'])}[/bold]  {found['bytes']:,} bytes", highlight=False
    )
    if found["description"]:
        console.print(escape(found["description"]), highlight=False)
    for signature in found["signatures"]:
        ends = " → ".join(", ".join(signature[end]) for end in ("inputs", "outputs"))
        where = f"subgraph {signature['subgraph']}"
        console.print(f"signature {signature['key']!r} ({where}): {escape(ends)}", highlight=False)
    for name, size in found["metadata"].items():
        console.print(f"metadata {name!r}: {size:,} bytes", highlight=False)


def _print_ends(console: Console, graph: Mapping[str, Any]) -> None:
    for end in ("inputs", "outputs"):
        console.print(_tensor_table([graph["tensors"][t] for t in graph[end] if t >= 0], end))


def _print_operators(console: Console, graph: Mapping[str, Any]) -> None:
    counts = Counter((n["op"], n["version"], n["custom"]) for n in graph["nodes"])
    table = Table("operator", "version", "nodes", title="operators")
    for (op, version, custom), count in sorted(counts.items(), key=lambda row: (-row[1], row[0])):
        table.add_row(escape(op) + (" (custom)" if custom else ""), str(version), str(count))
    console.print(table)


def _tensor_table(tensors: Sequence[Mapping[str, Any]], title: str) -> Table:
    table = Table("#", "name", "type", "shape", "kind", "quantisation", title=title)
    for tensor in tensors:
        table.add_row(
            str(tensor["index"]),
            _short(tensor["name"]),
            tensor["dtype"],
            _shape_text(tensor),
            tensor["kind"] + (", sparse" if tensor["sparse"] else ""),
            _quantization_text(tensor["quantization"]),
        )
    return table


def _shape_text(tensor: Mapping[str, Any]) -> str:
    """The shape, with `?` for what the signature leaves open."""
    shape, signature = tensor["shape"], tensor["shape_signature"]
    open_at = [dim == -1 for dim in signature or []]
    if len(open_at) != len(shape):
        open_at = [False] * len(shape)
    return (
        "x".join("?" if o else str(dim) for dim, o in zip(shape, open_at, strict=True)) or "scalar"
    )


def _quantization_text(quant: Mapping[str, Any] | None) -> str:
    if quant is None:
        return ""
    if "block_size" in quant:
        return f"blocks of {quant['block_size']} along axis {quant['axis']}"
    scales, zero_points = quant["scales"], quant["zero_points"]
    if len(scales) == 1:
        return f"{scales[0]:.6g} * (q - {zero_points[0]})"
    return f"{len(scales)} scales along axis {quant['axis']}"


def _node_table(graph: Mapping[str, Any]) -> Table:
    table = Table("#", "operator", "inputs", "outputs", "options", title="nodes")
    for node in graph["nodes"]:
        options = node["options"]
        if isinstance(options, dict):
            options = ", ".join(f"{k}={v}" for k, v in options.items() if _is_on(v))
        table.add_row(
            str(node["index"]),
            f"{escape(node['op'])} v{node['version']}",
            " ".join(map(str, node["inputs"])),
            " ".join(map(str, node["outputs"])),
            escape(str(options or "")),
        )
    return table


def _is_on(option: Any) -> bool:
    """Whether the value of an option says something."""
    return option is not None and option is not False and option != "NONE"


def _print_plan(console: Console, graph: Mapping[str, Any], memory: bool) -> None:
    plan = graph["plan"]
    if "error" in plan:
        console.print(f"[red]not planned:[/red] {escape(plan['error'])}", highlight=False)
        return
    arena, least = plan["arena_bytes"], plan["largest_live_sum"]
    console.print(
        f"arena: {arena:,} bytes for {len(plan['tensors'])} tensors; "
        f"{least:,} bytes live at the busiest step; {plan['steps']} steps to run",
        highlight=False,
    )
    names = [tensor["name"] for tensor in graph["tensors"]]
    if memory:
        table = Table("#", "name", "offset", "bytes", "first", "last", title="arena")
        for row in plan["tensors"]:
            numbers = (str(row[key]) for key in ("offset", "bytes", "first", "last"))
            table.add_row(str(row["tensor"]), _short(names[row["tensor"]]), *numbers)
        console.print(table)
    for row in plan["dynamic"]:
        node = graph["nodes"][row["node"]]
        console.print(
            f"dynamic: node {row['node']} ({escape(node['op'])}) waits for tensor {row['tensor']} "
            f"({escape(repr(names[row['tensor']]))})",
            highlight=False,
        )


def _short(name: str) -> str:
    return escape(name if len(name) <= KEPT else f"{name[: KEPT // 2]}…{name[-(KEPT // 2 - 1) :]}")
