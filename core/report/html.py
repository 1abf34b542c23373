"""One HTML page of a comparison: nothing else is needed to read it, no network either."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from ..comparison.result import Comparison, GroupResult
from .drawing import drawings

if TYPE_CHECKING:
    import jinja2

PAGE = resources.files("litegpu.report") / "page"
SCRIPTS = ("data.js", "graph.js", "details.js", "plots.js", "table.js", "main.js")
"""They make one script, in this order."""


def to_html(result: Comparison) -> str:
    """The page. What comes from the model is text to it, never markup or script; a policy within
    the page allows its own style and scripts alone."""
    style, script = _text("page.css"), "".join(map(_text, SCRIPTS))
    data = result.to_dict()
    for facts, graph in zip(data["graphs"], result.graphs, strict=True):
        facts["drawings"] = drawings(result, graph)
    places = {id(group): g for g, group in enumerate(result.groups)}
    data["ranking"] = [places[id(group)] for group in result.ranking]
    first = result.first_divergence
    data["first"] = None if first is None else places[id(first)]
    return _template().render(
        result=result,
        data=data,
        headline=headline(result),
        samples=f"{result.facts.samples}{', interrupted' if result.facts.interrupted else ''}",
        counts=Counter(group.verdict for group in result.groups),
        style=style,
        script=script,
        policy=_policy(style, script),
    )


def write_html(result: Comparison, path: Path | str) -> None:
    """Writes `to_html`; characters that UTF-8 cannot have become question marks."""
    text = to_html(result)
    Path(path).write_text(text, encoding="utf-8", errors="replace", newline="\n")


def headline(result: Comparison) -> str:
    """What was found, in a sentence."""
    facts, first = result.facts, result.first_divergence
    if result.ok and first is None:
        return f"{facts.delegate} agrees with {facts.reference}."
    if first is None:
        return f"{facts.delegate} differs from {facts.reference} in the outputs."
    where = f"{facts.delegate} first differs from {facts.reference} at {_nodes(first)}"
    if result.ok:
        return f"{where}; the outputs are within tolerance."
    if facts.mode == "isolated":
        others = len(result.ranking) - 1
        places = "another place" if others == 1 else f"{others} other places"
        return f"{where}, and at {places}." if others else f"{where}."
    return f"{where}, and the outputs are beyond tolerance."


def _nodes(group: GroupResult) -> str:
    ops = " + ".join(group.ops[:4]) + (" + …" if len(group.ops) > 4 else "")
    one = len(group.nodes) == 1
    listed = str(group.nodes[0]) if one else f"{group.nodes[0]} to {group.nodes[-1]}"
    graph = f" of subgraph {group.graph}" if group.graph else ""
    return f"{ops} (node{'' if one else 's'} {listed}{graph})"


def _text(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    # Slow to import, and not every command asks.
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_text("page.html"))


def _policy(style: str, script: str) -> str:
    """A content security policy by which nothing is loaded, and nothing else runs."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
