"""Node data for Model Explorer (https://github.com/google-ai-edge/model-explorer): errors on the
model's graph."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ..comparison.result import FAILED, OK, WRONG, Comparison, GroupResult

COLORS = {WRONG: "#e5484d", FAILED: "#8e4ec6"}
"""Backgrounds of nodes that are not within tolerance, in place of the gradient."""

GRADIENT = [
    {"stop": 0.0, "bgColor": "#e6f4f1", "textColor": "#11302b"},
    {"stop": 1.0, "bgColor": "#f2c14e", "textColor": "#332500"},
]
"""Backgrounds of the others, from the smallest to the largest value of the graph."""

LEAST = -20.0
"""log10 of the error that stands for none; infinite errors are its opposite."""


def node_data(result: Comparison) -> dict[str, Any]:
    """{graph: {"results": {node: {"value", "bgColor", "textColor"}}, "gradient"}}.

    Values are log10 of the error, so that a gradient shows them. Graphs are called as Model
    Explorer's reader of .tflite files calls them, and nodes by their index in the graph, which is
    their id there.
    """
    found: dict[str, Any] = {}
    for graph in result.graphs:
        name = graph.name or ("main" if graph.index == 0 else f"subgraph_{graph.index}")
        groups = [g for g in result.groups if g.graph == graph.index]
        results = {str(n): _entry(g) for g in groups if g.error is not None for n in g.nodes}
        found[name] = {"results": results, "gradient": GRADIENT}
    return found


def _entry(group: GroupResult) -> dict[str, Any]:
    error = group.error or 0.0
    value = math.log10(error) if 0 < error < math.inf else -LEAST if error else LEAST
    entry: dict[str, Any] = {"value": round(value, 3)}
    if group.verdict != OK and group.verdict in COLORS:
        entry |= {"bgColor": COLORS[group.verdict], "textColor": "#ffffff"}
    return entry


def write_model_explorer(result: Comparison, path: Path | str) -> None:
    """Writes `node_data` as JSON."""
    Path(path).write_text(json.dumps(node_data(result), indent=1, allow_nan=False) + "\n")
