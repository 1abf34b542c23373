"""Layouts, drawings, the HTML page as text, and node data for Model Explorer."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html.parser
import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litegpu.cli import app
from litegpu.comparison.result import FAILED, Comparison
from litegpu.report.drawing import drawings
from litegpu.report.html import headline, to_html, write_html
from litegpu.report.layout import BOX_HEIGHT, BOX_WIDTH, Layout, layered
from litegpu.report.model_explorer import node_data, write_model_explorer
from typer.testing import CliRunner

from . import models
from .comparisons import chain, error_of, with_facts

HOSTILE = [
    "</script><script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 2">',
    "{{ 7 * 7 }}{% raw %}",
    "<!--<script>",
    "‮gnp.exe\0\ud800",
    "a" * 5000,
    "javascript:alert(1)//${1}`",
]
"""Names that try to become markup or script."""


ROUNDED = 0.2
"""Places are given to a tenth of a pixel."""


# Layouts.


@st.composite
def directed(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """(boxes, edges of a graph without cycles)."""
    count = draw(st.integers(1, 30))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    found = draw(st.lists(pairs.filter(lambda pair: pair[0] < pair[1]), max_size=60, unique=True))
    return count, found


@settings(deadline=None, max_examples=60)
@given(directed())
def test_boxes_lie_apart_and_edges_lead_down(graph: tuple[int, list[tuple[int, int]]]) -> None:
    count, edges = graph
    layout = layered(count, edges)
    assert len(layout.centers) == count
    for a, b in edges:
        assert layout.layers[a] < layout.layers[b]
    by_layer: dict[int, list[float]] = {}
    for (x, y), layer in zip(layout.centers, layout.layers, strict=True):
        by_layer.setdefault(layer, []).append(x)
        assert y == layer * (layout.height + 28) / (max(layout.layers) + 1)
        assert BOX_WIDTH / 2 - ROUNDED <= x <= layout.width - BOX_WIDTH / 2 + ROUNDED
    for xs in by_layer.values():
        ordered = sorted(xs)
        gaps = [b - a for a, b in itertools.pairwise(ordered)]
        assert all(gap >= BOX_WIDTH - ROUNDED for gap in gaps)
    for (a, b), route in zip(edges, layout.routes, strict=True):
        assert route[0] == (layout.centers[a][0], layout.centers[a][1] + BOX_HEIGHT)
        assert route[-1] == layout.centers[b]
        ys = [y for _, y in route]
        assert ys == sorted(ys)
        assert not any(_within(layout, v, p) for v in range(count) for p in route[1:-1])


def _within(layout: Layout, box: int, point: tuple[float, float]) -> bool:
    (x, y), (px, py) = layout.centers[box], point
    return abs(px - x) < BOX_WIDTH / 2 and y < py < y + BOX_HEIGHT


def test_a_chain_is_straight_and_a_diamond_has_no_crossings() -> None:
    straight = layered(5, [(i, i + 1) for i in range(4)])
    assert len({x for x, _ in straight.centers}) == 1
    ladder = layered(7, [(0, 1), (0, 2), (0, 3), (3, 4), (2, 5), (1, 6)])
    above = [ladder.centers[v][0] for v in (3, 2, 1)]
    below = [ladder.centers[v][0] for v in (4, 5, 6)]
    assert sorted(range(3), key=above.__getitem__) == sorted(range(3), key=below.__getitem__)


def test_cycles_are_drawn_too() -> None:
    layout = layered(3, [(0, 1), (1, 2), (2, 0)])
    assert sorted(layout.layers) == [0, 1, 2]
    assert layered(0, []).height == 0


# Drawings.


def test_every_group_input_and_output_has_a_box() -> None:
    result = chain(20)
    found = drawings(result, result.graphs[0])
    boxes = found["all"]["boxes"]
    kinds = [box["kind"] for box in boxes]
    assert (kinds.count("input"), kinds.count("output")) == (1, 1)
    assert sorted(n for box in boxes for n in box["nodes"]) == list(range(20))
    assert [0, 1] in [box["nodes"] for box in boxes]
    assert found["brief"] is None


def test_brief_drawings_show_the_guilty_and_join_the_others() -> None:
    result = chain(1000, {503: 0.2}, cpu=100)
    found = drawings(result, result.graphs[0])
    brief, whole = found["brief"]["boxes"], found["all"]["boxes"]
    assert len(brief) < 20 < 700 < len(whole)
    for boxes in (brief, whole):
        assert sorted(n for box in boxes for n in box["nodes"]) == list(range(1000))
    (guilty,) = (box for box in brief if 503 in box["nodes"])
    assert guilty["nodes"] == [503]
    joined = [box for box in brief if len(box["groups"]) > 1]
    owners = [{result.groups[g].owner for g in box["groups"]} for box in joined]
    assert all(len(names) == 1 for names in owners)
    assert {"cpu"} in owners
    layer = [box["layer"] for box in brief]
    assert all(layer[e["from"]] < layer[e["to"]] for e in found["brief"]["edges"])


# The page.


class Elements(html.parser.HTMLParser):
    """What a browser would make of a page: its elements, scripts, and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.policy = ""
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = tag
        if tag in self.texts:
            self.texts[tag].append("")
        found = dict(attrs)
        self.addresses += [str(found[key]) for key in ("src", "href") if key in found]
        self.handlers += [key for key in found if key.startswith("on") or key == "style"]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(found["content"])

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, text: str) -> None:
        if self._inside in self.texts:
            self.texts[self._inside][-1] += text


def parsed(result: Comparison) -> Elements:
    found = Elements()
    found.feed(to_html(result))
    return found


def test_the_page_has_its_own_scripts_alone_and_loads_nothing() -> None:
    plain = parsed(chain(10, {4: 0.5}))
    hostile = parsed(with_facts(chain(10, {4: 0.5}, HOSTILE), model=HOSTILE[0], notes=HOSTILE))
    extra = len(HOSTILE) - 1
    assert sorted(hostile.tags) == sorted([*plain.tags, *["li", "bdi"] * extra])
    assert hostile.addresses == ["data:,"]
    assert hostile.handlers == []
    data, script = hostile.texts["script"]
    for kind, text in (("style", hostile.texts["style"][0]), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in hostile.policy
    assert "default-src 'none'" in hostile.policy
    names = [tensor["name"] for tensor in json.loads(data)["tensors"]]
    assert set(HOSTILE[1:4]) <= set(names)


def test_the_page_holds_the_result() -> None:
    result = chain(10, {4: 0.5, 8: math.inf})
    data = json.loads(parsed(result).texts["script"][0])
    for key, value in json.loads(result.to_json()).items():
        if key != "graphs":
            assert data[key] == value
    assert data["ranking"] == [result.groups.index(g) for g in result.ranking]
    assert result.groups[data["first"]].nodes == (4,)


def test_pages_are_written_whatever_the_names(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_html(with_facts(chain(10, names=HOSTILE), model=HOSTILE[4]), path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_headlines_say_what_was_found() -> None:
    assert headline(chain(9)) == "opencl agrees with cpu."
    wrong = chain(9, {4: 0.5, 8: 0.1})
    first = "opencl first differs from cpu at CONV_2D (node 4)"
    assert headline(wrong) == f"{first}, and the outputs are beyond tolerance."
    assert headline(dataclasses.replace(wrong, verdict="ok")) == (
        f"{first}; the outputs are within tolerance."
    )
    isolated = with_facts(wrong, mode="isolated")
    assert headline(isolated) == f"{first}, and at another place."
    fused = headline(chain(9, {6: 0.5}))
    assert "DEPTHWISE_CONV_2D + ADD (nodes 5 to 6)" in fused


# Model Explorer.


def test_node_data_have_model_explorers_layout(tmp_path: Path) -> None:
    result = chain(12, {4: 0.5, 8: math.inf})
    failed = dataclasses.replace(result.groups[0], verdict=FAILED, error=None)
    result = dataclasses.replace(result, groups=(failed, *result.groups[1:]))
    path = tmp_path / "data.json"
    write_model_explorer(result, path)
    found: dict[str, Any] = json.loads(path.read_text())
    assert found == node_data(result)
    assert list(found) == ["main"]
    graph = found["main"]
    assert set(graph) == {"results", "gradient"}
    assert set(graph["results"]) == {str(n) for n in range(12)} - {"0", "1"}
    values = {key: entry["value"] for key, entry in graph["results"].items()}
    assert values["4"] == pytest.approx(math.log10(0.5), abs=1e-3)
    assert values["2"] == pytest.approx(math.log10(error_of(2)), abs=1e-3)
    assert values["8"] == 20
    assert values["5"] == values["6"]
    colored = {key for key, entry in graph["results"].items() if "bgColor" in entry}
    assert colored == {"4", "8"}
    assert [stop["stop"] for stop in graph["gradient"]] == [0, 1]
    colors = [v for entry in graph["results"].values() for k, v in entry.items() if k != "value"]
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors)


def test_graphs_are_called_as_model_explorer_calls_them() -> None:
    graph = chain(3).graphs[0]
    graphs = (
        dataclasses.replace(graph, name=""),
        dataclasses.replace(graph, index=2, name=""),
        dataclasses.replace(graph, index=3, name="body"),
    )
    found = node_data(dataclasses.replace(chain(3), graphs=graphs))
    assert list(found) == ["main", "subgraph_2", "body"]


# The command.


def test_the_command_writes_both(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(models.chain())
    page, data = tmp_path / "page.html", tmp_path / "data.json"
    delegate = ("--delegate", "litegpu.reference_delegate:ReferenceDelegate")
    result = CliRunner().invoke(
        app, ["compare", str(model), *delegate, "--html", str(page), "--model-explorer", str(data)]
    )
    assert result.exit_code == 0, result.output
    assert "reference agrees with cpu." in page.read_text()
    assert set(json.loads(data.read_text())["main"]["results"]) == {"0", "1"}
