"""The line chart alone, on a page without Gradio: what a person sets stays, all keys and fingers work, long curves are quick."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from components.page import ASSETS
from components.widgets.chart import _SCRIPT, chart_words, line_chart
from studio.text import text

ADDRESS = "http://chart.test/"
WORDS = chart_words(lambda key: text("en", key))
RESET, LOG = WORDS["reset"], WORDS["log"]

#: What Gradio gives a component's script, and how long each picture took with all that it asks of the canvas done.
HARNESS = """
const props = {value: {series: []}}, watchers = [], took = [], pressed = [];
const frame = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (draw) => frame((now) => {
  const began = performance.now(); draw(now);
  document.querySelector("canvas").getContext("2d").getImageData(0, 0, 1, 1); took.push(performance.now() - began);
});
const put = (value) => { props.value = value; watchers.forEach((watcher) => watcher()); };
document.addEventListener("click", (event) => { if (event.target.dataset.press) pressed.push({...event.target.dataset}); });
const draws = (n) => new Promise((done) => {
  const again = () => { if (took.length >= n) done([...took]); else {
    const box = document.querySelector("canvas").getBoundingClientRect();
    document.querySelector("canvas").dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + 60 + 7 * took.length}));
    frame(again); } };
  took.length = 0; again();
});
"""


def page_html() -> str:
    chart = line_chart("Loss", elem_id="chart-loss", height=260)
    css = (ASSETS / "css" / "studio.css").read_text("utf-8")
    plot = (ASSETS / "js" / "plot.js").read_text("utf-8")
    run = f"new Function('element', 'props', 'watch', {json.dumps(_SCRIPT)})"
    start = f"{run}(root, props, (_, watcher) => watchers.push(watcher));"
    return (
        f"<!doctype html><style>{css}</style><body class='gradio-container'><div id='root'>{chart.html_template}</div>"
        f"<script>{plot}{HARNESS}{start}</script>"
    )


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 900, "height": 600}, has_touch=True)
    opened.route(f"{ADDRESS}**", lambda route: route.fulfill(body=page_html(), content_type="text/html; charset=utf-8"))
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(ADDRESS)
    yield page
    assert problems == []


def series(name: str, n: int = 100, first: int = 1, **more: Any) -> dict[str, Any]:
    return {"name": name, "color": "#14b8a6", "points": [[step, 100 / step] for step in range(first, first + n)]} | more


def put(page: Page, *lines: dict[str, Any], **more: Any) -> None:
    page.evaluate("put", {"series": list(lines), "x": "step", "empty": "nothing", "words": WORDS, "marks": []} | more)


def drag(page: Page, from_: float, to: float) -> None:
    """Over the chart's width, as shares of it."""
    box = page.locator("canvas").bounding_box()
    assert box is not None
    left, wide = box["x"] + 54, box["width"] - 68
    page.mouse.move(left + from_ * wide, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(left + to * wide, box["y"] + 100, steps=4)
    page.mouse.up()


def reset(page: Page) -> Any:
    return page.get_by_role("button", name=RESET)


def zoom_of(page: Page) -> Any:
    """[first, last] step that is shown: what the cursor finds at both edges."""
    found = []
    box = page.locator("canvas").bounding_box()
    assert box is not None
    for at in (55, box["width"] - 15):
        page.mouse.move(box["x"] + at, box["y"] + 100)
        found.append(int(page.locator(".chart-tip b").inner_text().removeprefix("step ").replace(",", "")))
    return found


# --- what stays -------------------------------------------------------------------------------------------------------


def test_a_zoom_stays_while_the_run_goes_on_and_after_a_reload(page: Page) -> None:
    put(page, series("train"))
    expect(reset(page)).to_be_hidden()
    drag(page, 0.2, 0.5)
    expect(reset(page)).to_be_visible()
    before = zoom_of(page)
    assert before[0] in range(18, 25) and before[1] in range(47, 54)
    put(page, series("train", n=150))
    assert zoom_of(page) == before
    page.reload()
    put(page, series("train", n=150))
    assert zoom_of(page) == before
    reset(page).click()
    expect(reset(page)).to_be_hidden()
    assert zoom_of(page) == [1, 150]


def test_a_zoom_belongs_to_what_is_shown(page: Page) -> None:
    put(page, series("train"), key="run_a")
    drag(page, 0.5, 0.9)
    put(page, series("train"), key="run_b")
    expect(reset(page)).to_be_hidden()
    put(page, series("train"), key="run_a")
    expect(reset(page)).to_be_visible()
    put(page, series("train", n=10), key="run_a")  # begun anew: nothing of it is in the zoom
    expect(reset(page)).to_be_hidden()
    assert zoom_of(page) == [1, 10]


def test_smoothing_and_log_scale_stay_for_every_run_and_after_a_reload(page: Page) -> None:
    put(page, series("train"))
    page.get_by_role("slider").fill("0.6")
    page.get_by_role("button", name=LOG).click()
    page.reload()
    put(page, series("another", n=50))
    expect(page.get_by_role("slider")).to_have_value("0.6")
    expect(page.get_by_role("button", name=LOG)).to_have_attribute("aria-pressed", "true")


def test_a_hidden_series_stays_hidden_by_its_name(page: Page) -> None:
    put(page, series("a"), series("b"), series("b again", group="b"))
    page.get_by_role("button", name="b", exact=True).click()
    page.reload()
    put(page, series("b"), series("c", n=30), series("b again", group="b"))
    expect(page.get_by_role("button", name="b", exact=True)).to_have_attribute("aria-pressed", "false")
    assert zoom_of(page) == [1, 30]


def test_looking_again_takes_nothing_from_under_the_focus(page: Page) -> None:
    mark = {"x": 50, "text": "a spike", "press": "p", "wish": "50"}
    put(page, series("a"), series("b"), marks=[mark])
    for name in ("b", "a spike"):
        button = page.get_by_role("button", name=name, exact=True)
        button.focus()
        put(page, series("a", n=140), series("b", n=140), marks=[mark])
        expect(button).to_be_focused()


# --- keys, fingers, names ---------------------------------------------------------------------------------------------


def test_keys_move_the_cursor_and_the_zoom(page: Page) -> None:
    put(page, series("train"))
    page.locator("canvas").focus()
    head = page.locator(".chart-tip b")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(head).to_have_text("step 98")
    page.keyboard.press("ArrowRight")
    expect(head).to_have_text("step 99")
    page.keyboard.press("+")
    page.keyboard.press("+")
    expect(reset(page)).to_be_visible()
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    expect(head).to_have_text("step 59")  # the part that is shown went along
    page.keyboard.press("-")
    page.keyboard.press("Escape")
    expect(reset(page)).to_be_hidden()


def test_a_double_click_resets_the_zoom(page: Page) -> None:
    put(page, series("train"))
    drag(page, 0.2, 0.5)
    expect(reset(page)).to_be_visible()
    page.locator("canvas").dblclick()
    expect(reset(page)).to_be_hidden()


def test_a_finger_that_goes_sideways_zooms_and_one_that_scrolls_does_not(context: BrowserContext, page: Page) -> None:
    put(page, series("train"))
    page.evaluate("document.body.append(Object.assign(document.createElement('div'), {style: 'height: 3000px'}))")
    devtools = context.new_cdp_session(page)

    def swipe(x0: int, y0: int, x1: int, y1: int) -> None:
        for step in range(9):
            at = {"x": x0 + (x1 - x0) * step / 8, "y": y0 + (y1 - y0) * step / 8}
            kind = "touchMove" if step else "touchStart"
            devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
        devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(400, 200, 420, 60)
    page.wait_for_function("scrollY > 50")
    expect(reset(page)).to_be_hidden()
    page.evaluate("scrollTo(0, 0)")
    swipe(300, 150, 600, 152)
    expect(reset(page)).to_be_visible()


def test_a_mark_with_a_wish_is_a_button_that_presses_as_the_page_does(page: Page) -> None:
    spike = {"x": 50, "text": "<b>spike</b>", "press": "runs-rows", "wish": "50 6", "color": "#e11d48"}
    put(page, series("train"), marks=[{"x": 20, "text": "plain"}, spike])
    flag = page.get_by_role("button", name="<b>spike</b>")
    box = flag.bounding_box()
    assert box is not None and min(box["width"], box["height"]) >= 16
    flag.click()
    page.keyboard.press("Enter")
    assert [(one["press"], one["wish"]) for one in page.evaluate("pressed")] == [("runs-rows", "50 6")] * 2
    drag(page, 0.6, 0.9)
    expect(flag).to_be_hidden()


def test_a_name_stays_text(page: Page) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    put(page, series(hostile), series("b"), marks=[{"x": 50, "text": hostile, "press": "p", "wish": hostile}], x=hostile)
    box = page.locator("canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 450, box["y"] + 100)
    expect(page.locator(".chart-tip")).to_contain_text(hostile)
    expect(page.locator(".chart-table")).to_contain_text(hostile)
    assert page.locator("img").count() == 0


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_smoothing_is_the_debiased_average(page: Page) -> None:
    """TensorBoard's: last = last·w + (1 - w)·y, divided by 1 - w^n; a gap counts for nothing."""
    values, weight = [3.0, 1.0, None, 4.0, 1.5], 0.9
    last, n, expected = 0.0, 0, []
    for value in values:
        if value is not None:
            last, n = last * weight + (1 - weight) * value, n + 1
        expected.append(None if value is None else pytest.approx(last / (1 - weight**n), rel=1e-12))
    plot = "([values, weight]) => [...studioPlot.smoothed(Float64Array.from(values.map((v) => v ?? NaN)), weight)]"
    found = page.evaluate(f"(given) => ({plot})(given).map((v) => Number.isNaN(v) ? null : v)", [values, weight])
    assert found == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.9, 110, [1, 2, 5, 10, 20, 50, 100]),
        (1e-6, 1e-1, [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]),
        (2.1, 4.1, [2.5, 3, 3.5, 4]),
        (1e-12, 1e12, [1e-10, 1e-5, 1, 1e5, 1e10]),
    ],
)
def test_a_log_axis_has_round_ticks(page: Page, low: float, high: float, expected: list[float]) -> None:
    assert page.evaluate(f"studioPlot.logTicks({low}, {high}, 7)") == expected


def test_what_is_not_above_zero_is_a_gap_on_a_log_axis(page: Page) -> None:
    line = {"name": "train", "color": "#000", "points": [[1, 0], [2, -3], [3, 10], [4, 1000]]}
    put(page, line)
    view = page.evaluate(
        "(points) => studioPlot.bounds([studioPlot.prepared(points)], {zoom: null, log: true, zero: false})", line["points"]
    )
    assert (view["x0"], view["x1"]) == (3, 4)
    assert 5 < view["y0"] < 10 and 1000 < view["y1"] < 2000
    put(page, {"name": "train", "color": "#000", "points": [[1, 0]]})
    page.get_by_role("button", name=LOG).click()
    page.evaluate("draws(2)")  # there is nothing to draw, and it is no fault


# --- speed ------------------------------------------------------------------------------------------------------------


def median_draw_ms(page: Page, n: int = 15) -> float:
    took = sorted(page.evaluate(f"draws({n})"))
    return float(took[len(took) // 2])


def test_a_hundred_thousand_points_are_drawn_in_fifty_milliseconds(page: Page) -> None:
    rng = random.Random(7)
    put(page, {"name": "train", "color": "#14b8a6", "points": [[step, 2 + rng.gauss(0, 1)] for step in range(100_000)]})
    raw = median_draw_ms(page)
    page.get_by_role("slider").fill("0.9")
    both = median_draw_ms(page)
    assert max(raw, both) < 50


def test_twelve_runs_of_a_thousand_points_are_drawn_sixty_times_a_second(page: Page) -> None:
    rng = random.Random(7)
    runs = [
        {"name": f"run {n}", "color": f"hsl({n * 30} 70% 45%)", "points": [[step, n + rng.gauss(0, 1)] for step in range(1_000)]}
        for n in range(12)
    ]
    put(page, *runs)
    assert median_draw_ms(page) < 1000 / 60
