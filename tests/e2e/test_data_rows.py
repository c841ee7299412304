"""People work on rows in a browser: search, edit, change many, compare, take back, meet each other; all of it by keys as well."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from studio.access import local_admin
from studio.data import store
from studio.data.rows import NewRow
from studio.services import Services
from studio.text import Lang, text
from tests.e2e.conftest import Visit
from tests.e2e.studio import StudioServer

SAVED = text("en", "rows.saved")


class Desk:
    """A studio, and datasets for each test."""

    def __init__(self, studio: StudioServer, services: Services) -> None:
        self.studio, self.services, self.n = studio, services, 0

    def sample(self) -> str:
        self.n += 1
        return self.services.data.import_sample(local_admin(), f"Eyes {self.n}")

    def of_kinds(self) -> str:
        """One row of each kind, and one that would run if it were taken for a page."""
        self.n += 1
        said = [{"role": "user", "content": "近视能恢复吗？"}, {"role": "assistant", "content": "真性近视不能，但可以控制。"}]
        hostile = [
            {"role": "user", "content": "<img src=x onerror=document.title='owned'>"},
            {"role": "assistant", "content": "</textarea>"},
        ]
        answers = {"chosen": [said[1]], "rejected": [{"role": "assistant", "content": "能。"}]}
        rows = [
            NewRow("chat", {"messages": said}, origin={"type": "file", "ref": "学生.csv", "line": 12}),
            NewRow("preference", {"messages": said[:1], **answers}),
            NewRow("feedback", {"messages": said, "label": True}),
            NewRow("choice", {"question": "What bends light most?", "options": ["Lens", "Cornea"], "answer": 1}, split="test"),
            NewRow("text", {"text": "The cornea is clear."}),
            NewRow("prompt", {"messages": said[:1]}, references=["不能。"]),
            NewRow("label", {"text": "突然看不见", "label": "急诊"}, flag="sure?"),
            NewRow("chat", {"messages": hostile}, tags=["<b>"], flag="<script>"),
        ]
        with self.services.db.write() as connection:
            ds = store.create_dataset(connection, f"Kinds {self.n}", "usr_a")
            store.open_first_revision(connection, ds, "usr_a", {"key": "data.revision.import", "params": {"files": "x"}})
        totals = store.write_rows(self.services.db, ds, rows, "usr_a")
        store.commit_first_revision(self.services.db, ds, totals, {})
        return ds

    def rows(self, ds: str) -> list[store.StoredRow]:
        info = self.services.data.get(local_admin(), ds)
        return list(store.iter_rows(self.services.db, ds, info.revision))


class Rows:
    """The panel, as a person finds it."""

    def __init__(self, page: Page, desk: Desk, ds: str, **query: object) -> None:
        self.page = page
        more = "".join(f"&{name}={value}" for name, value in query.items())
        page.goto(f"{desk.studio.address}?tab=data&dataset={ds}{more}")
        expect(self.at(".found")).not_to_be_empty()

    def at(self, selector: str) -> Locator:
        return self.page.locator(f"studio-rows {selector}")

    @property
    def lines(self) -> Locator:
        return self.at("tbody tr")

    def bubble(self, number: int) -> Locator:
        return self.at(f"[data-path='messages[{number}].content']")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def save(self) -> None:
        self.press("Control+s")
        expect(self.at(".notice")).to_have_text(SAVED)

    def asked(self, name: str) -> str:
        found = re.search(rf"[?&]{name}=([^&]*)", self.page.url)
        return found[1] if found else ""


@pytest.fixture(scope="module")
def desk(fresh: StudioServer) -> Iterator[Desk]:
    services = fresh.services()
    yield Desk(fresh, services)
    services.close()


# --- the whole walk ---------------------------------------------------------------------------------------------------


def test_a_teacher_mends_a_conversation_and_a_phrase_everywhere_and_takes_it_back(desk: Desk, visit: Visit) -> None:
    visitor, ds = visit(), desk.sample()
    rows = Rows(visitor.page, desk, ds)
    before = [row.content for row in desk.rows(ds)]
    rows.at("input.search").fill("近视")
    expect(rows.at(".found")).to_contain_text("match")
    rows.lines.first.click()
    rows.bubble(1).fill("这是改过的近视回答。")
    rows.at(".more button").first.click()
    rows.bubble(2).fill("那要多久查一次近视？")
    rows.at(".more button").first.click()
    rows.bubble(3).fill("一年一次。")
    rows.save()
    edited = [row for row in desk.rows(ds) if row.since > 1]
    said = [message["content"] for message in edited[0].content["messages"][1:]]
    assert said == ["这是改过的近视回答。", "那要多久查一次近视？", "一年一次。"]

    rows.at("button.main.writes").click()
    rows.at(".do-replace").click()
    rows.at("dialog textarea").nth(0).fill("近视")
    rows.at("dialog textarea").nth(1).fill("近视眼")
    expect(rows.at("dialog .example ins").first).to_contain_text("眼")
    go = rows.at("dialog footer .main")
    n = int(re.sub(r"\D", "", go.inner_text()))
    go.click()
    expect(rows.at(".toast")).to_contain_text(str(n))
    assert sum("近视眼" in str(row.content) for row in desk.rows(ds)) >= n

    rows.press("Escape")  # the row closes
    rows.at(".tools button").nth(2).click()
    rows.at(".revisions li").first.get_by_role("link").first.click()
    expect(rows.at(".change ins").first).to_be_visible()
    expect(rows.at(".view .sum")).to_contain_text(str(n))
    rows.page.go_back()
    expect(rows.at(".revisions li")).to_have_count(3)
    rows.page.go_back()
    rows.at(".tools button").nth(0).click()
    expect(rows.at(".toast")).to_have_text(text("en", "rows.undone"))
    rows.at(".tools button").nth(0).click()
    expect(rows.at(".tools button").nth(0)).to_be_disabled()
    assert [row.content for row in desk.rows(ds)] == before
    assert visitor.problems == []


# --- the address ------------------------------------------------------------------------------------------------------


def test_reload_and_back_keep_the_place(desk: Desk, visit: Visit) -> None:
    rows = Rows(visit().page, desk, desk.sample())
    rows.at("nav.pages button").nth(1).click()
    expect(rows.at(".range")).to_contain_text("101")
    rows.lines.nth(4).click()
    expect(rows.at(".editor h3")).to_have_text("No. 105")
    rows.page.reload()
    expect(rows.at(".editor h3")).to_have_text("No. 105")
    expect(rows.at(".range")).to_contain_text("101")
    rows.page.go_back()
    expect(rows.at(".editor")).to_be_hidden()
    rows.page.go_back()
    expect(rows.at(".range")).to_contain_text("No. 1 ")


def test_a_link_to_an_older_version_opens_the_row_as_it_is_now(desk: Desk, visit: Visit) -> None:
    ds = desk.sample()
    old = desk.rows(ds)[229]
    page = visit().page
    rows = Rows(page, desk, ds, row=old.id)
    rows.bubble(1).fill("Newer.")
    rows.save()
    rows = Rows(page, desk, ds, row=old.id)
    expect(rows.bubble(1)).to_have_value("Newer.")
    expect(rows.at("tr.open .no")).to_have_text("230")


def test_a_filter_is_in_the_address_and_can_be_taken_away(desk: Desk, visit: Visit) -> None:
    rows = Rows(visit().page, desk, desk.of_kinds(), flagged="true")
    expect(rows.lines).to_have_count(2)
    rows.at(".chip .bare").click()
    expect(rows.lines).to_have_count(8)
    assert rows.asked("flagged") == ""


# --- editing ----------------------------------------------------------------------------------------------------------


def test_what_is_typed_is_there_after_a_reload_until_it_is_taken_back(desk: Desk, visit: Visit) -> None:
    page = visit().page
    page.on("dialog", lambda dialog: dialog.accept())
    ds = desk.sample()
    rows = Rows(page, desk, ds, row=desk.rows(ds)[0].id)
    was = rows.bubble(1).input_value()
    rows.bubble(1).fill("not saved yet")
    expect(rows.at(".editor span.unsaved")).to_be_visible()
    page.reload()
    expect(rows.bubble(1)).to_have_value("not saved yet")
    rows.at(".editor footer .quiet").first.click()
    expect(rows.bubble(1)).to_have_value(was)
    page.reload()
    expect(rows.bubble(1)).to_have_value(was)


def test_unsaved_changes_are_asked_about_before_the_row_is_left(desk: Desk, visit: Visit) -> None:
    ds = desk.sample()
    rows = Rows(visit().page, desk, ds, row=desk.rows(ds)[0].id)
    rows.bubble(1).fill("for later")
    rows.lines.nth(1).click()
    rows.at("dialog").get_by_role("button", name=text("en", "rows.leave_later")).click()
    expect(rows.at(".editor h3")).to_have_text("No. 2")
    expect(rows.lines.first.locator("i.unsaved")).to_be_visible()
    rows.lines.first.click()
    expect(rows.bubble(1)).to_have_value("for later")


def test_a_refusal_stands_at_its_field(desk: Desk, visit: Visit) -> None:
    ds = desk.sample()
    rows = Rows(visit(lang="zh").page, desk, ds, row=desk.rows(ds)[0].id)
    rows.bubble(1).fill(" ")
    rows.press("Control+s")
    expect(rows.bubble(1)).to_have_attribute("aria-invalid", "true")
    expect(rows.at("[role=alert]:visible")).to_contain_text("回答")


def test_two_people_on_one_row_see_both_versions(desk: Desk, visit: Visit) -> None:
    ds = desk.sample()
    row_id = desk.rows(ds)[0].id
    ana, ben = (Rows(visit().page, desk, ds, row=row_id) for _ in range(2))
    ana.bubble(1).fill("Ana's answer.")
    ana.save()
    ben.bubble(1).fill("Ben's answer.")
    ben.press("Control+s")
    expect(ben.at("dialog del")).to_contain_text(["Ana"])
    expect(ben.at("dialog ins")).to_contain_text(["Ben"])
    ben.at("dialog").get_by_role("button", name=text("en", "rows.conflict_keep")).click()
    expect(ben.at(".notice")).to_have_text(SAVED)
    assert desk.rows(ds)[0].content["messages"][-1]["content"] == "Ben's answer."
    ana.bubble(1).fill("Once more.")
    ana.press("Control+s")
    ana.at("dialog").get_by_role("button", name=text("en", "rows.conflict_take")).click()
    expect(ana.bubble(1)).to_have_value("Ben's answer.")


@pytest.mark.parametrize("number", range(8))
def test_each_kind_has_its_form_and_what_people_wrote_is_text(desk: Desk, visit: Visit, number: int) -> None:
    visitor, ds = visit(), desk.of_kinds()
    rows = Rows(visitor.page, desk, ds, row=desk.rows(ds)[number].id)
    field = rows.at(".content textarea").last
    field.fill("mine")
    rows.save()
    assert "mine" in str(desk.rows(ds)[number].content)
    assert visitor.page.title() != "owned"
    assert visitor.problems == []


def test_a_new_row_is_written_and_found(desk: Desk, visit: Visit) -> None:
    ds = desk.sample()
    rows = Rows(visit().page, desk, ds)
    rows.at("button.add").click()
    rows.bubble(0).fill("Is this new?")
    rows.bubble(1).fill("It is.")
    rows.press("Control+s")
    expect(rows.at(".editor h3")).to_have_text("No. 351")
    assert desk.rows(ds)[-1].content["messages"][0]["content"] == "Is this new?"


# --- keys -------------------------------------------------------------------------------------------------------------


def test_the_rows_can_be_walked_opened_saved_and_closed_by_keys_alone(desk: Desk, visit: Visit) -> None:
    ds = desk.sample()
    rows = Rows(visit().page, desk, ds)
    rows.at("tbody tr[tabindex='0']").focus()
    rows.press("ArrowDown", "ArrowDown", " ")
    expect(rows.at(".ticked")).to_contain_text("1 row picked")
    rows.press("Enter")
    expect(rows.at(".editor h3")).to_have_text("No. 3")
    expect(rows.bubble(0)).to_be_focused()
    rows.press("End")
    rows.page.keyboard.type(" /x")  # a key of the table is a letter in a field
    rows.save()
    assert desk.rows(ds)[2].content["messages"][0]["content"].endswith(" /x")
    rows.press("Escape")
    expect(rows.at(".editor")).to_be_hidden()
    expect(rows.lines.nth(2)).to_be_focused()
    rows.press("Escape")
    expect(rows.at(".ticked")).to_be_empty()
    rows.press("ArrowRight")
    expect(rows.at(".range")).to_contain_text("101")
    rows.press("/")
    expect(rows.at("input.search")).to_be_focused()


def test_a_word_that_is_being_composed_is_not_searched_for(desk: Desk, visit: Visit) -> None:
    """What an input method has in the making ("jin shi") is no word yet."""
    page = visit().page
    rows = Rows(page, desk, desk.sample())
    search = rows.at("input.search")
    search.focus()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/rows?" in request.url else None)
    session = page.context.new_cdp_session(page)
    session.send("Input.imeSetComposition", {"text": "jin shi", "selectionStart": 7, "selectionEnd": 7})
    expect(search).to_have_value("jin shi")
    with page.expect_request(lambda request: "/rows?" in request.url):
        session.send("Input.insertText", {"text": "近视"})
    expect(rows.at(".found")).to_contain_text("match")
    assert not [url for url in asked if "jin" in url]


# --- everybody --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lang", "width"), [("en", 1280), ("zh", 390)])
def test_no_serious_accessibility_fault_and_nothing_wider_than_the_window(
    desk: Desk, visit: Visit, lang: Lang, width: int
) -> None:
    page, ds = visit(lang=lang, width=width).page, desk.of_kinds()
    ids = [row.id for row in desk.rows(ds)]
    for query in ({}, {"row": ids[0]}, {"row": ids[1]}, {"row": ids[3]}, {"view": "history"}, {"row": "new"}):
        rows = Rows(page, desk, ds, **query)
        if "row" in query:
            expect(rows.at(".editor h3")).to_be_visible()
        found = Axe().run(page, context={"include": [["studio-rows"]]}).response["violations"]
        serious = [item for item in found if item["impact"] in ("critical", "serious")]
        assert [(item["id"], node["html"][:160]) for item in serious for node in item["nodes"]] == [], query
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, query
