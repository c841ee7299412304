"""The door: what a start on a foreign address needs, what comes through a tunnel, what a browser is told to hold to."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio.networking
import pytest

from components.tunnel import Tunnel
from studio.access import Role, local_admin
from studio.errors import StorageError
from studio.settings import Settings, is_loopback
from tests.served import HTML, PASSWORD, Served, served


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "studio.localhost", "127.0.0.1", "127.8.9.1", "[::1]"])
def test_names_of_this_computer(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "192.168.1.2", "localhost.evil.example", "127.0.0.1.evil.example", "127.1", "0x7f.1"]
)
def test_names_of_other_computers(host: str) -> None:
    """127.1 and 0x7f.1 are spelled as no browser sends them: a name that is not known is a foreign one."""
    assert not is_loopback(host)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("door") / "home") as made:
        made.services.users.add(local_admin(), "Ana", Role.ADMIN, password=PASSWORD)
        made.services.users.add(local_admin(), "Ed", Role.EDITOR, password=PASSWORD)
        yield made


# --- the tunnel -------------------------------------------------------------------------------------------------------


@pytest.fixture
def tunnelled(app: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, ...]]]:
    """Gradio's share server gives a name; what leads to it arrives here under that name. Yields how it was asked."""
    asked: list[tuple[Any, ...]] = []

    def give(*arguments: Any) -> str:
        asked.append(arguments)
        return "https://abc123.gradio.live"

    monkeypatch.setattr(gradio.networking, "setup_tunnel", give)
    Tunnel(app.web.state.door, app.services.settings, 7860).open()
    yield asked
    app.web.state.door.tunnel_host = None


def test_through_the_tunnel_a_stranger_gets_the_login_and_link_pages_and_nothing_else(app: Served, tunnelled: list[Any]) -> None:
    browser = app.client()
    browser.headers["host"] = "abc123.gradio.live"
    answers = {path: browser.get(path, headers=HTML).status_code for path in ("/login", "/page/plain.css", "/demo/x/")}
    assert answers == {"/login": 200, "/page/plain.css": 200, "/demo/x/": 404}
    for path in ("/", "/config", "/healthz", "/favicon.svg", "/favicon.ico", "/alive", "/assets/x.js", "/setup", "/account"):
        answer = browser.get(path, headers=HTML)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2F"), path
        assert browser.get(path).status_code == 401, path
    assert tunnelled[0][:2] == ("127.0.0.1", 7860)
    assert len(tunnelled[0][2]) >= 32  # the share token: not to be guessed


def test_a_link_that_is_made_leads_through_the_tunnel(app: Served, tunnelled: list[Any]) -> None:
    from components.page import address_of

    browser = app.sign_in("Ana")
    assert browser.get("/alive").status_code == 200
    asked = SimpleNamespace(state=SimpleNamespace(tunnel_host=app.web.state.door.tunnel_host))
    assert address_of(SimpleNamespace(request=asked)) == "https://abc123.gradio.live/"  # type: ignore[arg-type]


def test_without_a_share_server_the_studio_goes_on_and_says_why(
    app: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> str:
        raise RuntimeError("Could not get share link from Gradio API Server.")

    monkeypatch.setattr(gradio.networking, "setup_tunnel", fail)
    Tunnel(app.web.state.door, app.services.settings, 7860).open()
    assert "Could not get share link" in capsys.readouterr().out
    assert app.web.state.door.tunnel_host is None


def test_bound_to_all_addresses_the_tunnel_leads_to_the_loopback_one(app: Served) -> None:
    everywhere = Tunnel(app.web.state.door, Settings(home=app.services.settings.home, host="0.0.0.0"), 7860)
    assert everywhere._near_end == ("127.0.0.1", 7860)


# --- the database ---


def test_while_the_database_does_not_answer_nobody_is_let_in_and_it_is_said(app: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> bool:
        raise StorageError("error.db.unreachable", place="studio.db", reason="it is gone")

    browser = app.sign_in("Ana")
    monkeypatch.setattr(app.services.users, "is_open", fail)
    for path in ("/", "/alive", "/login", "/config", "/demo/x/"):
        answer = browser.get(path)
        assert answer.status_code == 503, path
        assert "studio.db" in answer.text
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "x-studio" not in answer.headers


# --- names ------------------------------------------------------------------------------------------------------------


def test_with_accounts_any_name_answers_unless_the_owner_lists_some(app: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = app.client()
    assert browser.get("/login", headers={"host": "studio.example"}).status_code == 200
    listed = app.services.settings.model_copy(update={"allowed_hosts": "studio.example, other.example"})
    monkeypatch.setattr(app.web.state.door, "_services", SimpleNamespace(settings=listed, users=app.services.users))
    found = {
        host: browser.get("/login", headers={"host": host}).status_code
        for host in ("studio.example", "OTHER.example:8080", "evil.example", "localhost")
    }
    assert found == {"studio.example": 200, "OTHER.example:8080": 200, "evil.example": 400, "localhost": 200}


# --- cookies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookie_of_a_session_is_closed_to_scripts_and_to_other_pages(app: Served, scheme: str) -> None:
    browser = app.client()
    # uvicorn believes a proxy on the same computer, as the README asks for.
    form = {"name": "Ed", "password": PASSWORD}
    answer = browser.post("/login", data=form, headers={"x-forwarded-proto": scheme, "x-forwarded-for": "192.0.2.7"})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert ("Secure" in cookie.split("; ")) == (scheme == "https")
    assert app.services.users.sessions(local_admin_of(app, "Ed"), "")[0].address == "192.0.2.7"


def local_admin_of(app: Served, name: str) -> Any:
    from studio.access import Actor

    user = next(user for user in app.services.users.list(local_admin()) if user.name == name)
    return Actor(user.id, user.role)
