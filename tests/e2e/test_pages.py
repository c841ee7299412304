"""Every screen, in both languages, on a desk and on a phone."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from studio.text import Lang, text
from tests.e2e.conftest import Visit
from tests.e2e.studio import StudioServer

#: What shows that a tab has read its ids and drawn itself, on a home with a finished run.
READY = {
    "data": "#dataset-head",
    "train": "#plan .tiles",
    "runs": "#run-state",
    "chat": "#chat-examples button",
    "people": "#people-nav h2",
    "settings": "#settings-report table",
}


def _open(page: Page, studio: StudioServer, tab: str) -> None:
    page.goto(f"{studio.address}?tab={tab}")
    expect(page.locator(READY[tab]).first).to_be_visible()


@pytest.mark.parametrize(("lang", "width"), [("en", 1280), ("zh", 390)])
def test_every_tab_opens_by_its_address_and_fits_the_window(
    trained: StudioServer, visit: Visit, lang: Lang, width: int
) -> None:
    visitor = visit(lang=lang, width=width)
    for tab in READY:
        _open(visitor.page, trained, tab)
        selected = visitor.page.get_by_role("tab", name=text(lang, f"tab.{tab}"), exact=True)
        expect(selected).to_have_attribute("aria-selected", "true")
        overflow = visitor.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, f"{tab} is {overflow} px wider than the window"
    assert visitor.problems == []


def test_the_language_can_be_switched_and_is_remembered(trained: StudioServer, visit: Visit) -> None:
    page = visit(lang="en").page
    _open(page, trained, "runs")
    page.locator("#switch-lang").click()
    expect(page.get_by_role("tab", name="运行", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#run-state")).to_contain_text("已完成")
    page.reload()
    expect(page.get_by_role("tab", name="运行", exact=True)).to_be_visible()


def test_back_and_forward_walk_through_tabs(trained: StudioServer, visit: Visit) -> None:
    page = visit().page
    _open(page, trained, "data")
    page.get_by_role("tab", name="Train", exact=True).click()
    expect(page.locator("#plan .tiles")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("tab", name="Data", exact=True)).to_have_attribute("aria-selected", "true")
    page.go_forward()
    expect(page.get_by_role("tab", name="Train", exact=True)).to_have_attribute("aria-selected", "true")


def test_a_row_shows_which_tokens_are_trained(trained: StudioServer, visit: Visit) -> None:
    page = visit().page
    _open(page, trained, "data")
    page.locator("studio-rows tbody tr").first.click()
    question, answer = (page.locator(f"studio-rows [data-path='messages[{n}].content']").input_value() for n in range(2))
    page.locator("studio-rows details.tokens summary").click()
    shown = page.locator("studio-rows .token-view")
    expect(shown).to_be_visible()
    trained_text = "".join(shown.locator(".trained").all_inner_texts())
    assert answer.split("\n")[0].strip() in trained_text
    assert "<|im_end|>" in trained_text
    assert question not in trained_text


def test_times_stay_written_when_a_list_is_drawn_again(trained: StudioServer, visit: Visit) -> None:
    page = visit().page
    _open(page, trained, "runs")
    written = page.locator("#runs-list time").first
    expect(written).to_contain_text("20")
    page.get_by_role("tab", name="Data", exact=True).click()
    page.get_by_role("tab", name="Runs", exact=True).click()
    with page.expect_response("**/run/predict**"):
        page.locator("#runs-list a").first.click()
    expect(written).to_contain_text("20")


@pytest.mark.parametrize("tab", list(READY))
def test_no_serious_accessibility_fault(trained: StudioServer, visit: Visit, tab: str) -> None:
    """axe-core; Gradio's own toast is left out (its nested button is Gradio's)."""
    page = visit().page
    _open(page, trained, tab)
    found = Axe().run(page, context={"exclude": [[".toast-wrap"]]}).response["violations"]
    serious = [
        (item["id"], node["html"][:120]) for item in found if item["impact"] in ("critical", "serious") for node in item["nodes"]
    ]
    assert serious == []
