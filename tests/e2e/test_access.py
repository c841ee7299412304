"""An admin lets a colleague and a guest in, and shuts the guest out again; nobody sees more than they may."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from studio.access import Role
from studio.engine.tables import answers, chats
from studio.settings import ROOT
from studio.text import text
from tests.e2e.conftest import Visit, Visitor
from tests.e2e.studio import StudioServer

PASSWORD = "correct horse battery"

#: What the console says of requests that are meant to be refused.
REFUSED = re.compile(r"status of (401|403|404)")


def _choose_password(page: Page) -> None:
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=again]").fill(PASSWORD)
    page.locator("form button").click()


def _people(page: Page, studio: StudioServer, section: str) -> None:
    page.goto(f"{studio.address}?tab=people&section={section}")


def _make_admin(page: Page, studio: StudioServer) -> None:
    page.goto(f"{studio.address}?tab=people")
    page.locator("#people-nav a.go").click()
    page.locator("input[name=name]").fill("Ana")
    _choose_password(page)
    expect(page.locator(".who")).to_contain_text("Ana")


def _invite(page: Page, studio: StudioServer, name: str) -> str:
    """The address of the invitation."""
    _people(page, studio, "accounts")
    page.locator("#account-name :is(input, textarea)").fill(name)
    page.locator("#account-invite").click()
    return page.locator("#account-made code").inner_text()


def _make_link(page: Page, studio: StudioServer, name: str, n_models: int) -> str:
    """The address of a demo link; its page stays open."""
    _people(page, studio, "links")
    page.locator("#link-name :is(input, textarea)").fill(name)
    page.locator("#link-models input").click()
    for _ in range(n_models):
        page.get_by_role("option", selected=False).first.click()
    page.keyboard.press("Escape")
    page.locator("#link-warned input").check()
    page.locator("#link-make").click()
    return page.locator("#link-made code").inner_text()


def _unexpected(visitor: Visitor) -> list[str]:
    return [said for said in visitor.problems if not REFUSED.search(said)]


def test_an_admin_invites_an_editor_and_shuts_a_guest_out_in_mid_answer(own_trained: StudioServer, visit: Visit) -> None:
    studio = own_trained
    admin, editor, guest = visit(), visit(lang="zh"), visit(lang="zh", width=390, height=844)
    _make_admin(admin.page, studio)

    # 1 The colleague comes in by an invitation, in Chinese, and is an editor.
    editor.page.goto(_invite(admin.page, studio, "博"))
    expect(editor.page.locator("h1")).to_contain_text("博")
    _choose_password(editor.page)
    expect(editor.page.locator(".who")).to_contain_text("博")
    editor.page.goto(f"{studio.address}?tab=runs")
    keep = editor.page.locator(".keep").first
    expect(keep).to_have_attribute("aria-pressed", "false")
    keep.click()
    expect(keep).to_have_attribute("aria-pressed", "true")
    _people(editor.page, studio, "accounts")
    expect(editor.page.locator("#link-form")).to_be_visible()  # the first section that is theirs
    expect(editor.page.locator("#people-nav .pills a")).to_have_text([text("zh", "people.links")])
    # What is hidden is refused as well: the button is pressed past the page.
    editor.page.locator("#open-people-accounts").dispatch_event("click")
    expect(editor.page.locator("#studio-complaints")).to_contain_text(
        text("zh", "error.access.refused", role=text("zh", "role.editor"))
    )
    assert [said for said in editor.problems if "500" not in said] == []
    editor.problems.clear()  # of the refusal, which is meant to be one
    editor.page.goto(f"{studio.address}?tab=settings")
    expect(editor.page.locator("#settings-report table").first).to_be_visible()
    expect(editor.page.locator("#settings-clean")).to_be_hidden()

    # 2 The guest comes by a link and asks two models blindly.
    address = _make_link(admin.page, studio, "眼科问答试用", n_models=2)
    guest.page.goto(address)
    expect(guest.page).to_have_url(re.compile(r"/demo/lnk_[^/?]+/$"))
    expect(guest.page.locator("header")).to_contain_text("眼科问答试用")
    guest.page.locator("textarea").fill("请详细地列出二十条保护眼睛的建议，每一条都写三句话。")
    guest.page.locator("#send").click()
    answers = guest.page.locator(".answer")
    expect(answers).to_have_count(2)
    expect(answers.first.locator(".words")).to_have_text(re.compile(r"\S.{20}", re.DOTALL), timeout=90_000)
    assert guest.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    guest.page.screenshot(path=ROOT / "assets" / "screenshots" / "demo.png")  # for the README

    # 3 The admin withdraws it while the answer grows, and is asked first.
    admin.page.once("dialog", lambda dialog: dialog.accept())
    admin.page.locator("#link-revoke").click()
    expect(guest.page.get_by_text(text("zh", "demo.shut"))).to_be_visible()
    link_id = address.split("/demo/")[1].split("/")[0]
    assert _states(studio, link_id) == {"stopped"}
    guest.page.reload()
    expect(guest.page.locator("h1")).to_have_text(text("zh", "link.closed"))
    expect(admin.page.locator("#link-detail")).to_contain_text(text("en", "links.state.revoked"))

    # 4 What was done is in the trail, with who did it.
    _people(admin.page, studio, "activity")
    trail = admin.page.locator("#people-activity table")
    for words in ("Ana", "博", text("en", "role.demo")):
        expect(trail).to_contain_text(words)
    assert [_unexpected(visitor) for visitor in (admin, editor, guest)] == [[], [], []]


def _states(studio: StudioServer, link_id: str) -> set[str]:
    """Of the answers of a link's guests, when none is moving any more."""
    services = studio.services()
    found: set[str] = set()

    def look() -> bool:
        nonlocal found
        of_link = sa.select(answers.c.state).join(chats, chats.c.id == answers.c.chat_id).where(chats.c.link_id == link_id)
        with services.db.read() as connection:
            found = set(connection.execute(of_link).scalars())
        return "running" not in found

    _patiently(look)
    services.close()
    return found


def _patiently(ask: Callable[[], bool], timeout_s: float = 20.0) -> None:
    pause, give_up = threading.Event(), time.monotonic() + timeout_s
    while not ask():
        assert time.monotonic() < give_up, "in vain"
        pause.wait(0.1)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioServer]:
    """A running studio with an admin, without a model."""
    with StudioServer(tmp_path_factory.mktemp("guarded") / "home", STUDIO_STARTER="false") as studio:
        services = studio.services()
        services.users.add(studio.actor, "Ana", Role.ADMIN, password=PASSWORD)
        services.close()
        yield studio


def test_a_stranger_sees_the_login_and_comes_to_where_they_wanted(guarded: StudioServer, visit: Visit) -> None:
    stranger = visit()
    stranger.page.goto(f"{guarded.address}?tab=settings")
    expect(stranger.page.locator("h1")).to_have_text(text("en", "login.title"))
    stranger.page.locator("input[name=name]").fill("Ana")
    stranger.page.locator("input[name=password]").fill("wrong horse battery")
    stranger.page.locator("form button").click()
    expect(stranger.page.get_by_role("alert")).to_have_text(text("en", "error.access.wrong_login"))
    stranger.page.locator("input[name=password]").fill(PASSWORD)
    stranger.page.locator("form button").click()
    expect(stranger.page.locator("#settings-report table").first).to_be_visible()
    assert _unexpected(stranger) == []


def test_signed_out_elsewhere_an_open_page_goes_to_the_login(guarded: StudioServer, visit: Visit) -> None:
    here, there = visit(), visit()
    for visitor in (here, there):
        visitor.page.goto(f"{guarded.address}login")
        visitor.page.locator("input[name=name]").fill("Ana")
        visitor.page.locator("input[name=password]").fill(PASSWORD)
        visitor.page.locator("form button").click()
        expect(visitor.page.locator(".who")).to_contain_text("Ana")
    there.page.goto(f"{guarded.address}account")
    there.page.get_by_role("button", name=text("en", "account.everywhere")).click()
    expect(there.page.locator("h1")).to_have_text(text("en", "login.title"))
    expect(here.page.locator("h1")).to_have_text(text("en", "login.title"))  # within seconds, by itself


def test_the_first_start_needs_no_login_and_says_so(fresh: StudioServer, visit: Visit) -> None:
    for lang in ("en", "zh"):
        page = visit(lang=lang, width=390).page
        page.goto(f"{fresh.address}?tab=people")
        expect(page.locator(".who")).to_contain_text(text(lang, "header.open"))
        expect(page.locator("#people-nav h2")).to_have_text(text(lang, "people.open.title"))
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert text("en", "cli.no_login") in fresh.log
