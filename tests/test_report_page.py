"""The HTML page of a comparison in a real headless Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from litegpu.comparison.result import Comparison
from litegpu.report.html import write_html

from .comparisons import chain, error_of, with_facts

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

REQUIRED = "LITEGPU_REQUIRE_CHROMIUM"
"""An environment variable: where it is set, these tests fail rather than skip."""

NAMES = ("chromium", "chromium-browser", "google-chrome")

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

HOSTILE = [
    "<img src=x onerror='window.hacked = 1'>",
    "</script><script>window.hacked = 2</script>",
    "javascript:window.hacked = 3",
    "long/" * 60,
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and not os.environ.get(REQUIRED):
        pytest.skip(f"no Chromium is installed ({', '.join(NAMES)})")
    assert found is not None, f"{REQUIRED} is set, and no Chromium is installed"
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, headless=True, args=FLAGS)
        yield opened
        opened.close()


class Opened:
    """A page, and what it asked for and complained of."""

    def __init__(self, browser: Browser, path: Path, width: int, scheme: Any) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.path = path

    def size(self, selector: str) -> tuple[float, float]:
        box = self.page.locator(selector).first.bounding_box()
        assert box is not None, selector
        return box["width"], box["height"]

    def cells(self, column: int) -> list[str]:
        return self.page.locator(f"#table tbody td:nth-child({column})").all_text_contents()

    def header(self, label: str) -> Any:
        return self.page.locator("#table th button", has_text=label).first

    def is_in_view(self, selector: str) -> bool:
        """Whether the middle of an element lies within what the graph's frame shows."""
        script = """element => {
            const [a, b] = [element, document.getElementById("scroller")].map(e =>
                e.getBoundingClientRect());
            const [x, y] = [a.x + a.width / 2, a.y + a.height / 2];
            return x > b.left && x < b.right && y > b.top && y < b.bottom;
        }"""
        return bool(self.page.locator(selector).first.evaluate(script))


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """Opens a comparison's page; in the end, none has complained or asked for anything else."""
    opened: list[Opened] = []

    def open_page(result: Comparison, width: int = 1400, scheme: str = "light") -> Opened:
        path = tmp_path / f"page{len(opened)}.html"
        write_html(result, path)
        opened.append(Opened(browser, path, width, scheme))
        return opened[-1]

    yield open_page
    for each in opened:
        assert each.complaints == []
        assert each.requests == [each.path.as_uri()]
        each.context.close()


def test_header_says_verdict_and_facts(show: Any) -> None:
    page = show(chain(20, {9: 0.3})).page
    assert page.locator(".badge").text_content() == "wrong"
    assert "first differs from cpu at DEPTHWISE_CONV_2D (node 9)" in page.inner_text(".headline")
    assert page.inner_text(".counts").split() == ["1", "wrong", "15", "ok"]
    assert "a note" in page.inner_text(".notes")
    assert "9" in page.inner_text("#ranking li:first-child")


def test_everything_has_a_size(show: Any) -> None:
    opened = show(chain(20, {9: 0.3}))
    for selector, width, height in (
        ("#scroller", 500, 400),
        ("#drawing .box rect", 60, 20),
        ("#drawing .edge", 0, 10),
        ("#depth-plot svg", 900, 200),
        ("#depth-plot .point", 4, 4),
        ("#histogram svg", 250, 150),
        ("#histogram .column", 10, 80),
        ("#table tbody tr", 900, 20),
        ("#strip .mark", 10, 5),
    ):
        found = opened.size(selector)
        assert found[0] >= width, (selector, found)
        assert found[1] >= height, (selector, found)
    assert opened.page.locator("#depth-plot .point").count() == 16
    assert opened.page.locator("#drawing .box").count() == 18


def test_the_table_sorts_by_click_on_its_headers(show: Any) -> None:
    wrong = {2: 0.004, 9: 0.3, 13: 0.02}
    opened = show(chain(20, wrong))
    assert opened.cells(1)[:3] == ["9", "13", "2"]
    opened.header("node").click()
    assert opened.cells(1)[:3] == ["0\N{EN DASH}1", "2", "3"]
    opened.header("error").click()
    assert opened.cells(1)[:3] == ["9", "13", "2"]
    assert opened.cells(6)[:3] == ["0.3", "0.02", "0.004"]
    sort = opened.page.locator("#table th").nth(5).get_attribute("aria-sort")
    assert sort == "descending"
    opened.header("error").click()
    assert opened.cells(1)[0] == "7"
    assert error_of(7) < min(error_of(n) for n in range(20) if n not in (0, 7))
    assert opened.cells(1)[-1] == "9"
    opened.header("tensor").click()
    names = opened.cells(3)
    assert names == sorted(names)
    opened.header("SQNR").click()
    assert opened.cells(13)[0] == "∞"


def test_the_filter_takes_words_and_verdicts(show: Any) -> None:
    opened = show(chain(40, {9: 0.3, 17: 0.1}))
    page = opened.page
    page.fill("#filter", "softmax opencl")
    assert len(opened.cells(1)) > 3
    assert all("SOFTMAX" in text for text in opened.cells(2))
    page.fill("#filter", "")
    page.check("#differing")
    assert opened.cells(5) == ["wrong", "wrong"]
    assert page.inner_text("#shown") == "2 of 32 rows"
    page.fill("#filter", "nothing of this name")
    assert opened.cells(1) == []


def test_table_graph_plot_and_details_select_the_same(show: Any) -> None:
    opened = show(chain(40, {9: 0.3}))
    page = opened.page
    assert page.locator("#drawing .selected").get_attribute("data-nodes") == "9"
    assert opened.is_in_view("#drawing .selected rect")
    page.locator("#table td .link", has_text="32").first.click()
    assert page.locator("#drawing .selected").get_attribute("data-nodes") == "32"
    assert "32" in page.inner_text("#table tr.selected td:first-child")
    assert "layer_32/out" in page.inner_text("#details")
    assert opened.is_in_view("#drawing .selected rect")
    page.locator('#drawing [data-nodes="34"]').click()
    assert "34" in page.inner_text("#table tr.selected td:first-child")
    assert "layer_34/out" in page.inner_text("#histogram-title")
    page.locator("#depth-plot .point.bad").click()
    assert page.locator("#drawing .selected").get_attribute("data-nodes") == "9"
    assert "wrong" in page.inner_text("#details .pill")
    page.locator('#drawing [data-nodes="8"]').focus()
    page.keyboard.press("Enter")
    assert page.locator("#drawing .selected").get_attribute("data-nodes") == "8"


def test_the_graph_zooms_and_scrolls(show: Any) -> None:
    opened = show(chain(50, {9: 0.3}))
    page = opened.page
    before = opened.size("#drawing")[1]
    page.click("#zoom-in")
    assert opened.size("#drawing")[1] == pytest.approx(1.3 * before, rel=0.01)
    page.click("#zoom-fit")
    assert opened.size("#drawing")[1] <= opened.size("#scroller")[1] + 1
    page.click("#zoom-in")
    page.locator("#strip").click(position={"x": 5, "y": opened.size("#strip")[1] - 4})
    assert page.evaluate("document.getElementById('scroller').scrollTop") > 0


@pytest.mark.parametrize("count", [1, 1000, 3000])
def test_models_of_any_size_can_be_read(show: Any, count: int) -> None:
    at = count // 2
    opened = show(chain(count, {at: 0.3}))
    page = opened.page
    assert opened.is_in_view("#drawing .selected rect")
    assert str(at) in (page.locator("#drawing .selected").get_attribute("data-nodes") or "").split()
    assert page.locator("#table tbody tr").count() <= 250
    if count > 1:
        assert page.locator("#drawing .box").count() < 30
        page.click("#view-all")
        assert page.locator("#drawing .box").count() > count / 2
        assert opened.is_in_view("#drawing .selected rect")
        page.click("#more")
        assert page.locator("#table tbody tr").count() > 250


@pytest.mark.parametrize("width", [360, 768, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_any_window_in_light_and_dark(show: Any, width: int, scheme: str) -> None:
    opened = show(chain(40, {9: 0.3}, HOSTILE), width, scheme)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background, text = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    brightness = [sum(map(int, color[4:-1].split(","))) for color in (background, text)]
    assert (brightness[0] < brightness[1]) == (scheme == "dark")
    assert abs(brightness[0] - brightness[1]) > 500
    assert opened.size("#depth-plot svg")[0] <= width


def test_names_of_the_model_are_text(show: Any) -> None:
    result = with_facts(chain(8, {2: 0.4}, HOSTILE), model=HOSTILE[1], notes=tuple(HOSTILE))
    page = show(result).page
    page.locator("#table td .link").first.click()
    assert HOSTILE[1] in page.locator("h1").inner_text()
    assert page.locator("img").count() == 0
    assert page.evaluate("window.hacked") is None
    assert HOSTILE[1] in page.locator("#table td.text").all_text_contents()


def test_a_run_without_faults_and_one_that_saw_nothing(show: Any) -> None:
    page = show(chain(5)).page
    assert page.locator("#guilty").is_hidden()
    assert page.locator(".badge").text_content() == "ok"
    assert page.locator("#view-switch").is_hidden()
    nothing = chain(5)
    empty = type(nothing)(nothing.facts, nothing.graphs, (), (), "ok")
    page = show(empty).page
    assert "No tensor was compared." in page.inner_text("#depth")
    assert page.locator("#drawing .box").count() == 7
