"""The closed role matrix: every event by its number, every route, every file route × every role × every kind of link.

What the table in access/rules.py says is what the running app does. An event or a route without a rule fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import gradio as gr
import httpx
import pytest
import sqlalchemy as sa

from components.door import ROUTES, route_of
from components.shell import build_studio
from studio.access import RULES, Role
from studio.access.links import LinkSpec
from studio.access.tables import links, sessions
from studio.engine.tables import chats
from studio.ids import new_id, now
from studio.models.tables import bases
from studio.text import text
from tests.served import HTML, Served, actor_named, add_people, call_event, served

STAFF = (Role.VIEWER, Role.EDITOR, Role.ADMIN)

#: Everybody who can stand before the app: accounts, nobody, a session that ended, a forged one, guests of each scope.
PEOPLE = ("admin", "editor", "viewer", "stranger", "expired session", "forged session", "demo", "rate", "report")

#: Routes of Gradio that nobody gets. A route that a new version brings is in neither list, and fails the test.
_CLOSED = """
/user /user/ /login_check /login_check/ /token /token/ /app_id /app_id/ /dev/reload /runs /runs/ /info /info/ /openapi.json
/config/ /docs /docs/oauth2-redirect /redoc /run/{api_name}
/custom_component/{id}/{environment}/{type}/{file_name} /proxy={url_path:path}
/stream/{event_id} /stream/{event_id}/close /stream/{session_hash}/{run}/{component_id}/playlist.m3u8
/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext} /stream/{session_hash}/{run}/{component_id}/playlist-file
/file/{path:path} /reset/ /reset /heartbeat/{session_hash} /api/{api_name} /api/{api_name}/ /run/{api_name}/
/call/v2/{api_name} /call/v2/{api_name}/ /call/{api_name} /call/{api_name}/ /call/{api_name}/{event_id}
/call/v2/{api_name}/{event_id} /robots.txt /pwa_icon /pwa_icon/{size} /monitoring /monitoring/summary /monitoring/{key}
/process_recording /queue/status
/vibe-edit/ /vibe-edit /undo-vibe-edit/ /undo-vibe-edit /vibe-code/ /vibe-code /vibe-starter-queries/
/vibe-starter-queries /component_server /component_server/ /deep_link /login /login/ /logout /gradio_api/deep_link
"""
CLOSED = {path for listed in _CLOSED.split() for path in (listed, f"/gradio_api{listed}")}


class Crowd:
    """The running app, and a browser for each of `PEOPLE`."""

    def __init__(self, app: Served) -> None:
        self.app = app
        self.ids = add_people(app.services)
        self.links = {scope: self._link(scope) for scope in ("demo", "rate", "report")}
        self.browsers: dict[str, httpx.Client] = {name: app.sign_in(name) for name in ("admin", "editor", "viewer")}
        self.browsers["stranger"] = app.client()
        self.browsers["forged session"] = app.client(studio_session="x" * 43)
        self.browsers["expired session"] = app.sign_in("admin")
        self._expire(self.browsers["expired session"])
        for scope, (link_id, token) in self.links.items():
            self.browsers[scope] = app.client(studio_link=self.cookie(link_id, token))

    def _link(self, scope: str, **values: Any) -> tuple[str, str]:
        spec = LinkSpec(scope=scope, name=f"a {scope}", target={"base_id": "b", "models": ["base"]}, **values)
        made, token = self.app.services.links.create(actor_named(self.ids, Role.EDITOR), spec, warned=True)
        return made.id, token

    def cookie(self, link_id: str, token: str) -> str:
        """What the browser of a guest holds after it has traded the link's token."""
        answer = self.app.client().get(f"/demo/{link_id}/", params={"k": token})
        found = re.search(r"studio_link=([^;]+)", answer.headers.get("set-cookie", ""))
        if found is None:  # links of other scopes open no page yet: the service knows them all the same
            from studio.access import stranger

            return str(self.app.services.links.enter(stranger(), link_id, token, None))
        return found[1]

    def _expire(self, browser: httpx.Client) -> None:
        import hashlib

        mine = hashlib.sha256(browser.cookies["studio_session"].encode()).hexdigest()
        with self.app.services.db.write() as connection:
            old = now() - timedelta(days=100)
            done = connection.execute(sa.update(sessions).where(sessions.c.token_hash == mine).values(expires_at=old))
            assert done.rowcount == 1

    def role(self, person: str) -> Role:
        """What the studio's own page takes somebody for: the cookie of a link says nothing there."""
        return Role(person) if person in ("admin", "editor", "viewer") else Role.STRANGER


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    with served(tmp_path_factory.mktemp("matrix") / "home") as app:
        with app.services.db.write() as connection:
            by = {"author": "usr_a", "created_at": now()}
            connection.execute(bases.insert().values(id="b", name="b", source="hub", ref="a/b", state="ready", **by))
        yield Crowd(app)


@pytest.fixture(scope="module")
def blocks(crowd: Crowd) -> gr.Blocks:
    """Built as the app builds its own; the numbers of its events are the same."""
    return build_studio(crowd.app.services, "en")


@pytest.fixture(scope="module")
def config(crowd: Crowd) -> dict[str, Any]:
    answer = crowd.browsers["admin"].get("/config", headers={"accept-language": "en"})
    assert answer.status_code == 200
    return answer.json()


# --- events -----------------------------------------------------------------------------------------------------------


def test_every_event_has_a_rule(blocks: gr.Blocks, config: dict[str, Any]) -> None:
    """Events without a handler of ours run in the browser alone."""
    without = [fn.name for fn in blocks.fns.values() if fn.fn is not None and getattr(fn.fn, "studio_action", None) not in RULES]
    assert without == []
    assert {item["id"] for item in config["dependencies"]} == set(blocks.fns)
    assert len([fn for fn in blocks.fns.values() if fn.fn is not None]) > 40


def test_every_event_answers_exactly_the_roles_that_its_rule_names(
    crowd: Crowd, blocks: gr.Blocks, config: dict[str, Any]
) -> None:
    """By raw number and through HTTP, with the values that the page would send. The admin comes last: what an event does
    for those who may must not be seen by those who may not.
    """
    values = {item["id"]: item["props"].get("value") for item in config["components"]}
    refused_words = text("en", "error.access.refused", role="\0").split("\0")
    wrong, n_called = [], 0
    for person in [name for name in PEOPLE if name != "admin"] + ["admin"]:
        role, browser = crowd.role(person), crowd.browsers[person]
        for number, fn in blocks.fns.items():
            data = [_sent(values.get(block._id), block) for block in fn.inputs]
            status, said = call_event(browser, number, data, queued=bool(fn.queue))
            n_called += 1
            action = getattr(fn.fn, "studio_action", "page.use")
            is_refused = status in (401, 403) or refused_words[0] in said
            if is_refused == (role in RULES[action].roles):
                wrong.append((person, number, fn.name, action, status, said[:120]))
    assert wrong == []
    assert n_called == len(PEOPLE) * len(blocks.fns)


def _sent(value: Any, block: gr.blocks.Block) -> Any:
    """What a page sends for a component that nobody touched; the config leaves out what is not drawn yet."""
    if value is None and isinstance(block, gr.Slider):
        return block.value if isinstance(block.value, int | float) else block.minimum
    return value


# --- routes -----------------------------------------------------------------------------------------------------------


def _paths(app: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(method, path template) of everything that an app answers, mounted apps among them."""
    for route in app.routes:
        path = prefix + getattr(route, "path", "")
        if getattr(route, "methods", None):
            yield from ((method, path) for method in sorted(route.methods))
        elif hasattr(route, "original_router"):  # FastAPI's way to keep an included router
            yield from _paths(route.original_router, prefix + route.include_context.prefix)
        elif hasattr(route, "app") and hasattr(route.app, "routes"):
            yield from _paths(route.app, path)


def _sample(crowd: Crowd, template: str) -> str:
    """A path of this template."""
    path = template.replace("{link_id}", crowd.links["demo"][0]).replace("/run/{api_name}", "/run/predict")
    return re.sub(r"\{[^}]+\}", "x", path)


@pytest.fixture(scope="module")
def all_routes(crowd: Crowd) -> list[tuple[str, str]]:
    from components.web import StudioByLanguage

    outer = [pair for pair in _paths(crowd.app.web) if pair[1]]
    studio = next(route.app for route in crowd.app.web.routes if isinstance(getattr(route, "app", None), StudioByLanguage))
    crowd.browsers["admin"].get("/")
    inner = next(iter(studio._built.values()))
    return sorted(set(outer) | set(_paths(inner)))


def test_every_route_has_a_rule(crowd: Crowd, all_routes: list[tuple[str, str]]) -> None:
    """Either a line of the door's table, or the list above of what nobody gets."""
    assert len(all_routes) > 80
    without = [
        (method, path)
        for method, path in all_routes
        if route_of(method, _sample(crowd, path)) is None and path not in CLOSED and method != "HEAD"
    ]
    assert without == []


def test_every_line_of_the_doors_table_leads_somewhere(crowd: Crowd, all_routes: list[tuple[str, str]]) -> None:
    found = {route_of(method, _sample(crowd, path)) for method, path in all_routes}
    assert [route.pattern for route in ROUTES if route not in found] == []


@pytest.mark.parametrize("person", PEOPLE)
def test_every_route_lets_through_exactly_the_roles_that_its_rule_names(
    crowd: Crowd, all_routes: list[tuple[str, str]], person: str
) -> None:
    """Refused is 401 for who is not signed in, 403 for who is; what nobody gets is 404, and for a stranger no different
    from what is there.
    """
    role, wrong = crowd.role(person), []
    for method, template in all_routes:
        path = _sample(crowd, template)
        if path in ("/logout", "/account/everywhere") or path.startswith("/demo") or method == "HEAD":
            continue  # the first two end the session that asks; link pages have a matrix of their own; HEAD says nothing
        browser = crowd.app.client(**dict(crowd.browsers[person].cookies))
        rule = route_of(method, path)
        may = rule is not None and role in RULES[rule.action].roles
        with browser.stream(method, path, params={"session_hash": "x", "upload_id": "x"}) as answer:
            refused = _by_the_door(answer)
        expected = None if may else 401 if role is Role.STRANGER else 403 if rule is not None else 404
        if refused != expected:
            wrong.append((method, path, refused, expected))
    assert wrong == []


def _by_the_door(answer: httpx.Response) -> int | None:
    """The status of a refusal by the door; None for what was let through, whatever came of it."""
    if answer.status_code not in (401, 403, 404) or answer.headers["content-type"] != "application/json":
        return None
    detail = json.loads(answer.read()).get("detail", "")
    ours = {401: "sign in", 403: text("en", "error.access.refused", role="").split("(")[0], 404: "not found"}
    return answer.status_code if str(detail).startswith(ours[answer.status_code]) else None


def test_a_stranger_sees_a_login_page_and_not_one_byte_more(crowd: Crowd, all_routes: list[tuple[str, str]]) -> None:
    """Whatever is asked for as a page: the same redirect, and nothing in it tells whether there is such a thing."""
    stranger = crowd.app.client()
    public = {route.pattern for route in ROUTES if route.action in ("page.public", "session.begin", "link.open")}
    for method, template in all_routes:
        path = _sample(crowd, template)
        rule = route_of("GET", path)
        if method != "GET" or (rule is not None and rule.pattern in public) or path.startswith("/demo"):
            continue
        answer = stranger.get(path, headers=HTML)
        assert (answer.status_code, answer.headers["location"], answer.content) == (303, "/login?next=%2F", b""), path
        assert "x-studio" not in answer.headers


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", PEOPLE)
def test_no_file_of_the_machine_or_the_home_is_served_to_anybody(crowd: Crowd, person: str) -> None:
    home = crowd.app.services.settings.home
    wanted = ["/etc/passwd", f"{home}/studio.db", f"{home}/keys/cookie", "app.py", "../app.py", ".env", "studio/db.py"]
    wanted += [f"{home}/tmp/gradio/../../studio.db", "//etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/", "%2e%2e/app.py"]
    browser = crowd.browsers[person]
    for path in wanted:
        for route in ("/gradio_api/file=", "/file=", "/gradio_api/file/", "/static/", "/assets/", "/svelte/", "/page/"):
            answer = browser.get(f"{route}{path}")
            assert answer.status_code in (400, 401, 403, 404, 405, 422, 500), (route, path, answer.status_code)
            assert b"root:" not in answer.content
            assert b"SQLite format" not in answer.content


# --- links ------------------------------------------------------------------------------------------------------------

#: What a link page answers, with a body that is right in form.
LINK_ROUTES: dict[tuple[str, str], dict[str, Any] | None] = {
    ("GET", ""): None,
    ("GET", "chat"): None,
    ("POST", "ask"): {"question": "?", "request_id": "0123456789abcdef"},
    ("POST", "stop"): {},
    ("POST", "go-on"): {},
    ("POST", "new"): {},
    ("POST", "thumb"): {"answer_id": "ans_x", "value": 1},
}

#: Kinds of link and cookie → whether the page opens.
KINDS = {
    "own": True,
    "other's cookie": False,
    "no cookie": False,
    "forged cookie": False,
    "expired": False,
    "revoked": False,
    "paused": False,
    "unknown link": False,
    "of another scope": False,
    "signed in without a cookie": False,
}


def _kind(crowd: Crowd, kind: str) -> tuple[str, httpx.Client]:
    """(the link's address, a browser of that kind)."""
    link_id, token = crowd._link("rate" if kind == "of another scope" else "demo")
    cookie = crowd.cookie(link_id, token)
    editor = actor_named(crowd.ids, Role.EDITOR)
    if kind == "other's cookie":
        cookie = crowd.cookie(*crowd._link("demo"))
    elif kind == "forged cookie":
        cookie = "x" * 43
    elif kind == "revoked":
        crowd.app.services.links.revoke(editor, link_id)
    elif kind == "paused":
        crowd.app.services.links.pause(editor, link_id, True)
    elif kind == "expired":
        with crowd.app.services.db.write() as connection:
            connection.execute(sa.update(links).where(links.c.id == link_id).values(expires_at=now() - timedelta(seconds=1)))
    elif kind == "unknown link":
        link_id = new_id("lnk")
    if kind == "no cookie":
        return f"/demo/{link_id}/", crowd.app.client()
    if kind == "signed in without a cookie":
        return f"/demo/{link_id}/", crowd.browsers["admin"]
    return f"/demo/{link_id}/", crowd.app.client(studio_link=cookie)


@pytest.mark.parametrize(("kind", "opens"), KINDS.items())
def test_link_pages_open_to_the_link_of_their_own_and_to_nothing_else(crowd: Crowd, kind: str, opens: bool) -> None:
    address, browser = _kind(crowd, kind)
    for (method, path), body in LINK_ROUTES.items():
        answer = browser.request(method, address + path, json=body, headers=HTML if path == "" else None)
        assert (answer.status_code == 404) == (not opens), (kind, path, answer.status_code, answer.text[:200])
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_all_links_that_do_not_open_look_the_same(crowd: Crowd) -> None:
    seen = set()
    for kind, opens in KINDS.items():
        if not opens and kind != "signed in without a cookie":
            address, browser = _kind(crowd, kind)
            answers = [browser.get(address, headers=HTML), browser.get(address + "chat")]
            seen.add(tuple((answer.status_code, answer.content) for answer in answers))
    assert len(seen) == 1


def test_a_guest_reaches_nothing_of_the_studio(crowd: Crowd) -> None:
    """And the studio's people nothing of a guest: chats of links are not among anybody's own."""
    with crowd.app.services.db.write() as connection:
        row = {"id": new_id("cht"), "owner": new_id("usr"), "base_id": "b", "models": ["base"], "title": "secret"}
        connection.execute(chats.insert().values(**row, created_at=now(), link_id=crowd.links["demo"][0]))
    for role in STAFF:
        actor = actor_named(crowd.ids, role)
        assert [title for _, title, _ in crowd.app.services.chats.list(actor)] == []


def test_the_matrix_covers_all_that_the_page_can_call(blocks: gr.Blocks, config: dict[str, Any]) -> None:
    """Figures for the record: nothing of the page is left out."""
    print(json.dumps({"events": len(blocks.fns), "people": len(PEOPLE), "link kinds": len(KINDS)}))
    assert {item["api_visibility"] for item in config["dependencies"]} == {"private"}
