"""The page behind a demo link, through the door: coming in, staying out, and what a guest is told.

Links and conversations are the real ones; every answer fails, because the engine below names the models that it cannot load.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from components.demo_page import COOKIE, add_demo_pages
from components.door import SESSION, Door, Guarded
from components.plain import POLICY
from studio.access import Actor, check, local_admin
from studio.access.links import LinkService, LinkSpec, Made
from studio.access.tables import links as link_rows
from studio.db import Database
from studio.engine.client import EngineClient
from studio.engine.conversations import Conversations
from studio.engine.demo import DemoService
from studio.engine.manager import EngineManager
from studio.errors import EngineError
from studio.ids import new_id, now
from studio.models.tables import bases
from studio.settings import Settings
from studio.text import text

ADMIN = local_admin()
RUN = "run_01h455vb4pex5vsknk084sn02q"
PASSWORD = "open sesame"
JSON_ROUTES = ("ask", "stop", "go-on", "new", "thumb")
BODIES = {
    "ask": {"question": "Hi", "request_id": "0123456789abcdef"},
    "thumb": {"answer_id": new_id("ans"), "value": 1},
}


class NoEngine(EngineManager):
    async def client(self, actor: Actor, base_id: str) -> EngineClient:
        check(actor, "engine.use")
        raise EngineError("error.engine.unknown_model", field="model", name=RUN, known=f"base, {RUN}")


@dataclass
class Site:
    """The app, and links to it. `signed_in` is whom the session's cookie names."""

    web: FastAPI
    links: LinkService
    demo: DemoService
    db: Database
    users: SimpleNamespace

    def link(self, models: tuple[str, ...] = ("base", RUN), **fields: Any) -> Made:
        target = {"base_id": "tiny", "models": list(models)}
        given = {"scope": "demo", "name": "For Ana", "target": target} | fields
        return self.links.create(ADMIN, LinkSpec(**given), warned=True)

    def browser(self, lang: str = "en", scheme: str = "http") -> TestClient:
        headers = {"accept-language": lang, "accept": "text/html"}
        return TestClient(self.web, base_url=f"{scheme}://studio.test", headers=headers, follow_redirects=False)

    def guest(self, made: Made, lang: str = "en") -> TestClient:
        """A browser that has followed the link."""
        browser = self.browser(lang)
        assert browser.get(f"{home(made)}?k={made.token}").status_code == 303
        return browser


def home(made: Made) -> str:
    return f"/demo/{made.link.id}/"


def called(browser: TestClient, place: str, what: str) -> Any:
    """What the page's script gets from one of its routes."""
    return browser.get(f"{place}chat") if what == "chat" else browser.post(f"{place}{what}", json=BODIES.get(what, {}))


def ask(browser: TestClient, made: Made, question: str = "My eyes are dry.", request_id: str | None = None) -> Any:
    return browser.post(f"{home(made)}ask", json={"question": question, "request_id": request_id or new_id("cht")})


def settled(browser: TestClient, made: Made) -> dict[str, Any]:
    """The conversation, once nothing in it moves any more."""
    pause = threading.Event()
    for _ in range(2_000):
        told: dict[str, Any] = browser.get(f"{home(made)}chat").json()
        if not told["moving"]:
            return told
        pause.wait(0.01)
    pytest.fail("it never ended")


@pytest.fixture(scope="module")
def database_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """At the newest schema, with one base: to be copied."""
    settings = Settings(home=tmp_path_factory.mktemp("migrated")).ready()
    db = Database(settings.url)
    db.migrate(settings)
    with db.write() as connection:
        values = {"id": "tiny", "name": "Tiny", "source": "folder", "ref": "/tiny", "state": "ready", "author": "usr_a"}
        connection.execute(bases.insert().values(**values, created_at=now()))
    db.close()
    return settings.home / "studio.db"


@pytest.fixture
def site(tmp_path: Path, database_file: Path) -> Iterator[Site]:
    settings = Settings(home=tmp_path / "home", device="cpu").ready()
    shutil.copyfile(database_file, settings.home / "studio.db")
    db = Database(settings.url)
    links = LinkService(db)
    conversations = Conversations(db, settings, NoEngine(db, settings), links.is_open)
    users = SimpleNamespace(is_open=lambda: False, actor_of=lambda token, lang, address: None)
    services: Any = SimpleNamespace(settings=settings, users=users, links=links, demo=DemoService(db, links, conversations))
    web = FastAPI()
    web.add_middleware(Guarded, door=Door(services, "build.instance"))
    add_demo_pages(web, services)
    yield Site(web, links, services.demo, db, users)
    conversations.close()
    db.close()


# --- coming in --------------------------------------------------------------------------------------------------------


def test_the_token_is_traded_for_a_cookie_that_only_this_link_gets(site: Site) -> None:
    made = site.link()
    answer = site.browser().get(f"{home(made)}?k={made.token}")
    assert (answer.status_code, answer.headers["location"]) == (303, home(made))
    value, *attributes = answer.headers["set-cookie"].split("; ")
    assert value.startswith(f"{COOKIE}=")
    assert made.token not in value
    assert {each.lower() for each in attributes} == {"httponly", "max-age=2592000", f"path={home(made)}", "samesite=lax"}


@pytest.mark.parametrize("glued", ["，试试", "%20try%20it", ".", ")"])
def test_words_that_a_messenger_glues_to_the_address_are_no_part_of_it(site: Site, glued: str) -> None:
    made = site.link()
    assert site.browser().get(f"{home(made)}?k={made.token}{glued}").status_code == 303
    assert site.browser().get(f"{home(made)}?k={made.token[:-1]}{glued}").status_code == 404


def test_the_cookie_is_secure_where_the_connection_is(site: Site) -> None:
    made = site.link()
    assert "; secure" in site.browser(scheme="https").get(f"{home(made)}?k={made.token}").headers["set-cookie"].lower()


def test_a_browser_that_follows_the_link_again_stays_the_same_guest(site: Site) -> None:
    made = site.link()
    guest = site.guest(made)
    before = guest.cookies[COOKIE]
    guest.get(home(made))
    guest.get(f"/demo/{made.link.id}?k={made.token}", follow_redirects=True)
    assert guest.cookies[COOKIE] == before
    assert site.links.get(ADMIN, made.link.id).visits == 1


def test_an_address_without_its_last_slash_leads_to_the_page(site: Site) -> None:
    made = site.link()
    answer = site.browser().get(f"/demo/{made.link.id}?k={made.token}", follow_redirects=True)
    assert (answer.status_code, answer.url.path, answer.url.query) == (200, home(made), b"")


def test_the_page_has_no_token_and_no_parameter_that_came_with_it(site: Site) -> None:
    made = site.link()
    guest = site.guest(made)
    page = guest.get(f"{home(made)}?next=/elsewhere")
    assert page.status_code == 200
    assert made.token not in page.text
    assert guest.cookies[COOKIE] not in page.text
    assert "elsewhere" not in page.text


def test_a_language_that_was_asked_for_stays(site: Site) -> None:
    made = site.link()
    browser = site.browser("en")
    page = browser.get(f"{home(made)}?k={made.token}&lang=zh", follow_redirects=True)
    assert '<html lang="zh">' in page.text
    assert '<html lang="en">' in browser.get(f"{home(made)}?lang=en").text
    assert '<html lang="en">' in browser.get(home(made)).text


def test_the_page_is_held_to_a_policy_without_exceptions(site: Site) -> None:
    made = site.link(name='<img src=x onerror="alert(1)">')
    page = site.guest(made).get(home(made))
    assert page.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert "&lt;img src=x" in page.text
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|<img|<[^>]*\son\w+=", page.text) == []


def test_the_page_tells_of_two_models_only_where_there_are_two(site: Site) -> None:
    two, one = site.link(), site.link(("base",))
    words = text("zh", "demo.empty.blind")
    assert words in site.guest(two, "zh").get(home(two)).text
    assert words not in site.guest(one, "zh").get(home(one)).text


def test_somebody_who_is_signed_in_is_a_guest_here_too(site: Site) -> None:
    made = site.link()
    site.users.actor_of = lambda token, lang, address: local_admin("usr_boss", lang)
    guest = site.guest(made)
    guest.cookies.set(SESSION, "of the boss")
    assert guest.get(home(made)).status_code == 200
    assert ask(guest, made).status_code == 200


# --- staying out ------------------------------------------------------------------------------------------------------


def bad_cases(site: Site) -> dict[str, tuple[TestClient, str]]:
    """Browsers and where they go in vain."""
    open_one, revoked, paused, expired = site.link(), site.link(), site.link(), site.link()
    rating, locked = site.link(scope="rate"), site.link(password=PASSWORD)
    cases = {
        "unknown": (site.browser(), f"/demo/{new_id('lnk')}/"),
        "no id": (site.browser(), "/demo/robots.txt/"),
        "no cookie": (site.browser(), home(open_one)),
        "wrong cookie": (site.browser(), home(open_one)),
        "cookie of another link": (site.browser(), home(open_one)),
        "revoked": (site.guest(revoked), home(revoked)),
        "paused": (site.guest(paused), home(paused)),
        "expired": (site.guest(expired), home(expired)),
        "another scope": (site.guest(rating), home(rating)),
        "locked": (site.guest(locked), home(locked)),
    }
    cases["wrong cookie"][0].cookies.set(COOKIE, "wrong")
    cases["cookie of another link"][0].cookies.set(COOKIE, site.guest(locked).cookies[COOKIE])
    site.links.revoke(ADMIN, revoked.link.id)
    site.links.pause(ADMIN, paused.link.id, True)
    with site.db.write() as connection:
        ended = sa.update(link_rows).where(link_rows.c.id == expired.link.id)
        connection.execute(ended.values(expires_at=now() - timedelta(seconds=1)))
    return cases


def seen(answer: Any) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
    """Everything that a browser gets."""
    return answer.status_code, answer.content, tuple(sorted(answer.headers.multi_items()))


@pytest.mark.parametrize("query", ["", "?k=wrong", "?k=", "?next=/x&k=wrong&more=1"])
def test_a_page_that_does_not_open_looks_the_same_whatever_the_reason(site: Site, query: str) -> None:
    cases = bad_cases(site)
    if not query:
        del cases["locked"]  # asks for its password
    answers = {name: seen(browser.get(f"{place}{query}")) for name, (browser, place) in cases.items()}
    assert {name for name, answer in answers.items() if answer != answers["unknown"]} == set()
    status, body, _ = answers["unknown"]
    assert status == 404
    assert text("en", "error.link.closed") in html.unescape(body.decode())
    assert re.findall("wrong|next|k=|lnk_", body.decode()) == []


@pytest.mark.parametrize("what", ["chat", *JSON_ROUTES])
def test_what_the_script_asks_for_is_closed_in_the_same_way_whatever_the_reason(site: Site, what: str) -> None:
    answers = {name: seen(called(browser, place, what)) for name, (browser, place) in bad_cases(site).items()}
    assert {name for name, answer in answers.items() if answer != answers["unknown"]} == set()
    status, body, _ = answers["unknown"]
    assert (status, json.loads(body)) == (404, {"error": text("en", "error.link.closed")})


def test_a_password_opens_nothing_but_its_own_link(site: Site) -> None:
    cases = bad_cases(site)
    del cases["locked"]
    answers = {seen(browser.post(f"{place}unlock", data={"password": PASSWORD})) for browser, place in cases.values()}
    assert [status for status, _, _ in answers] == [404]


def test_a_link_that_is_withdrawn_closes_under_the_guest(site: Site) -> None:
    made = site.link()
    guest = site.guest(made, "zh")
    assert guest.get(f"{home(made)}chat").status_code == 200
    site.links.revoke(ADMIN, made.link.id)
    answer = ask(guest, made)
    assert (answer.status_code, answer.json()) == (404, {"error": text("zh", "error.link.closed")})


# --- the password -----------------------------------------------------------------------------------------------------


def test_a_link_with_a_password_asks_for_it_and_then_opens(site: Site) -> None:
    made = site.link(password=PASSWORD)
    guest = site.guest(made)
    assert 'type="password"' in guest.get(home(made)).text
    answer = guest.post(f"{home(made)}unlock", data={"password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, home(made))
    assert 'id="composer"' in guest.get(home(made)).text
    assert guest.get(f"{home(made)}chat").status_code == 200


def test_a_wrong_password_is_told_in_the_guests_language(site: Site) -> None:
    made = site.link(password=PASSWORD)
    guest = site.guest(made, "zh")
    answer = guest.post(f"{home(made)}unlock", data={"password": "wrong"})
    assert answer.status_code == 401
    assert text("zh", "error.link.wrong_password") in answer.text
    assert guest.get(f"{home(made)}chat").status_code == 404


def test_after_too_many_wrong_passwords_the_guest_has_to_wait(site: Site) -> None:
    made = site.link(password=PASSWORD)
    guest = site.guest(made)
    answers = [guest.post(f"{home(made)}unlock", data={"password": "wrong"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert text("en", "error.access.too_many", minutes=15) in answers[-1].text
    assert guest.post(f"{home(made)}unlock", data={"password": PASSWORD}).status_code == 429


def test_the_password_page_lets_the_browser_say_where_its_form_was(site: Site) -> None:
    """Under the policy "no-referrer", browsers send a form with `Origin: null`, and the door would refuse it."""
    made = site.link(password=PASSWORD)
    assert site.guest(made).get(home(made)).headers["referrer-policy"] == "same-origin"


# --- the conversation -------------------------------------------------------------------------------------------------


def test_nothing_that_a_guest_gets_names_a_model(site: Site) -> None:
    """The engine's error does, and so do the link and the chat in the database."""
    made = site.link()
    guest = site.guest(made)
    everything = guest.get(home(made)).text + ask(guest, made).text
    told = settled(guest, made)
    everything += json.dumps(told)
    assert [answer["label"] for answer in told["turns"][0]["answers"]] == ["A", "B"]
    assert [answer["state"] for answer in told["turns"][0]["answers"]] == ["failed", "failed"]
    assert re.findall(rf"{RUN}|tiny|unknown_model|error\.\w+\.\w+|\"model", everything) == []
    assert set(told["turns"][0]["answers"][0]) == {"id", "label", "text", "state", "thumb", "note"}


def test_a_failed_answer_is_explained_in_the_guests_language(site: Site) -> None:
    made = site.link()
    guest = site.guest(made, "zh")
    ask(guest, made)
    assert [answer["note"] for answer in settled(guest, made)["turns"][0]["answers"]] == [text("zh", "error.demo.failed")] * 2


def test_a_question_that_is_sent_again_is_asked_once(site: Site) -> None:
    made = site.link()
    guest = site.guest(made)
    for _ in range(2):
        assert ask(guest, made, request_id="0123456789abcdef").status_code == 200
    assert [turn["question"] for turn in settled(guest, made)["turns"]] == ["My eyes are dry."]


def test_guests_see_their_own_conversation_only(site: Site) -> None:
    made = site.link()
    first, second = site.guest(made), site.guest(made)
    ask(first, made)
    assert second.get(f"{home(made)}chat").json()["turns"] == []
    answer_id = settled(first, made)["turns"][0]["answers"][0]["id"]
    refused = second.post(f"{home(made)}thumb", json={"answer_id": answer_id, "value": 1})
    assert (refused.status_code, refused.json()) == (409, {"error": text("en", "error.demo.unknown_answer")})


def test_a_thumb_is_kept_and_can_be_taken_back(site: Site) -> None:
    made = site.link()
    guest = site.guest(made)
    ask(guest, made)
    answer_id = settled(guest, made)["turns"][0]["answers"][1]["id"]
    for value in (1, -1, 0):
        told = guest.post(f"{home(made)}thumb", json={"answer_id": answer_id, "value": value}).json()
        assert [answer["thumb"] for answer in told["turns"][0]["answers"]] == [0, value]


def test_a_new_conversation_is_empty(site: Site) -> None:
    made = site.link()
    guest = site.guest(made)
    ask(guest, made)
    settled(guest, made)
    assert guest.post(f"{home(made)}new", json={}).json()["turns"] == []


def test_a_refused_question_is_explained_in_the_guests_language(site: Site) -> None:
    made = site.link(questions_per_hour=1)
    guest = site.guest(made, "zh")
    empty = ask(guest, made, "  ")
    assert (empty.status_code, empty.json()) == (422, {"error": text("zh", "error.chat.empty")})
    ask(guest, made)
    settled(guest, made)
    used_up = ask(guest, made, "And then?")
    assert used_up.status_code == 429
    assert used_up.json() == {"error": text("zh", "error.demo.too_many_questions", limit=1, minutes=60)}


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("ask", "{"),
        ("ask", "[]"),
        ("ask", '{"question": 7, "request_id": "0123456789"}'),
        ("ask", '{"question": "Hi", "request_id": "../../etc"}'),
        ("ask", '{"question": "Hi", "request_id": "0123456789", "model": "base"}'),
        ("thumb", '{"answer_id": "ans_1", "value": 5}'),
        ("thumb", "\ud800".encode("utf-8", "surrogatepass")),
    ],
)
def test_what_the_page_would_not_send_is_refused(site: Site, what: str, body: str | bytes) -> None:
    made = site.link()
    answer = site.guest(made, "zh").post(f"{home(made)}{what}", content=body)
    assert (answer.status_code, answer.json()) == (422, {"error": text("zh", "error.demo.unreadable")})


def test_an_error_that_tells_of_the_server_is_kept_from_the_guest(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> int:
        raise EngineError("error.engine.unreachable", url="http://10.0.0.7:9000")

    made = site.link()
    guest = site.guest(made)
    monkeypatch.setattr(site.demo, "ask", fail)
    answer = ask(guest, made)
    assert (answer.status_code, answer.json()) == (503, {"error": text("en", "error.demo.unwell")})
