"""An attacker's notebook, outside: what a stranger tried, and that it got them nowhere (inside: test_attacks_inside.py)."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from itsdangerous import URLSafeSerializer

from components.serve import _require_admin
from studio.access import Role, local_admin
from studio.access.tables import attempts, users
from studio.errors import ConfigError
from studio.ids import new_id, now
from studio.text import text
from tests.served import PASSWORD, Served, served
from tests.ui.attackers import Site, form, n_attempts, send_raw


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Before anybody has a password: whoever comes from this computer is the admin."""
    with served(tmp_path_factory.mktemp("early") / "home") as app:
        yield app


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("attacked") / "home", max_upload_mb=1) as app:
        yield Site(app)


# --- 1 before accounts exist ------------------------------------------------------------------------------------------

_HOSTS = """
evil.example 127.0.0.1.evil.example localhost.evil.example . 127.0.0.1@evil.example evil.example@127.0.0.1 [::1].evil.example
[::ffff:203.0.113.1] 0.0.0.0 127.0.0.1:80:80 [ evil[ 127.1 2130706433 0x7f000001 127.0.0.1/evil.example 127.0.0.1,evil.example
127.0.0.1#evil.example [::1%25eth0] xn--localhost 127.0.0.1\u00b9
"""


def _is_shut(answer: Any) -> bool:
    body = getattr(answer, "content", None) or answer.body
    assert b"instance" not in body
    assert not {"x-studio", "set-cookie"} & set(answer.headers)
    return text("en", "door.shut").encode() in body


@pytest.mark.parametrize("host", _HOSTS.split())
def test_a_name_that_only_leads_here_is_not_the_admins(early: Served, host: str) -> None:
    answer = early.client().get("/alive", headers=[(b"host", host.encode("latin-1"))])
    assert (answer.status_code, _is_shut(answer)) == (403, True)


@pytest.mark.parametrize(
    ("lines", "host", "status"),
    [
        (["GET /alive HTTP/1.0"], None, 403),
        (["GET /alive HTTP/1.1", "Host: evil.example"], "127.0.0.1", 400),
        (["GET /alive HTTP/1.1"], None, 400),
        (["GET http://evil.example/alive HTTP/1.1"], "127.0.0.1", 404),
        (["GET http://127.0.0.1/alive HTTP/1.1"], "evil.example", 403),
    ],
    ids=["no host", "two hosts", "no host in 1.1", "another host's address", "another host with this address"],
)
def test_a_request_line_does_not_say_whose_it_is(early: Served, lines: list[str], host: str | None, status: int) -> None:
    answer = send_raw(early, *lines, host=host)
    assert answer.status == status
    assert b"instance" not in answer.body


_PROXIES = """X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded Forwarded Via X-Real-IP Cf-Connecting-Ip
True-Client-IP X-Client-IP"""


@pytest.mark.parametrize("header", _PROXIES.split())
def test_nobody_comes_through_a_proxy(early: Served, header: str) -> None:
    answer = early.client().get("/alive", headers={header: "127.0.0.1"})
    assert (answer.status_code, _is_shut(answer)) == (403, True)


_FOREIGN = [
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://["},
    {"origin": "http://127.0.0.1.evil.example"},
    {"origin": "file://"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "{own}@evil.example"},
]


@pytest.mark.parametrize("headers", _FOREIGN, ids=str)
@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/setup"])
def test_a_page_elsewhere_changes_nothing(early: Served, path: str, headers: dict[str, str]) -> None:
    sent = {name: value.replace("{own}", early.address) for name, value in headers.items()}
    fields = {"name": "evil", "password": PASSWORD, "again": PASSWORD}
    body: dict[str, Any] = {"data": fields} if path == "/setup" else {"json": {"data": [], "fn_index": 4, "session_hash": "a"}}
    answer = early.client().post(path, headers=sent, **body)
    assert answer.status_code == 403
    assert answer.json() == {"detail": text("en", "error.door.foreign_page")}
    assert early.services.users.is_open()
    assert early.services.data.list(local_admin()) == []


@pytest.mark.parametrize("key", ["", "0" * 64, "made in another studio"])
def test_a_forged_cookie_makes_nobody_somebody(early: Served, key: str) -> None:
    forged = URLSafeSerializer(key, salt="studio_user").dumps("usr_local")
    asked = SimpleNamespace(cookies={"studio_user": forged})
    assert early.web.state.door.local_user(asked) is None
    assert early.web.state.door.local_user(SimpleNamespace(cookies={"studio_user": forged.rpartition(".")[0]})) is None


@pytest.mark.parametrize(("host", "share"), [("0.0.0.0", False), ("::", False), ("192.168.1.1", False), ("127.0.0.1", True)])
def test_it_does_not_open_to_others_without_an_admin(early: Served, host: str, share: bool) -> None:
    services = SimpleNamespace(settings=SimpleNamespace(host=host), users=early.services.users)
    with pytest.raises(ConfigError, match="needs_admin"):
        _require_admin(services, share=share)  # type: ignore[arg-type]


# --- 2 the login ------------------------------------------------------------------------------------------------------


def _try(browser: httpx.Client, name: str, password: str = "wrong password", **fields: str) -> httpx.Response:
    return browser.post("/login", data={"name": name, "password": password} | fields)


def test_wrong_names_and_wrong_passwords_look_the_same(site: Site) -> None:
    with site.services.db.write() as connection:
        row = {"name": "idler", "name_key": "idler", "role": "viewer", "active": False, "author": "", "created_at": now()}
        connection.execute(users.insert().values(id=new_id("usr"), **row))
    seen = set()
    for name in ("admin", "nobod", "idler"):
        answer = _try(site.browser(), name)
        words = answer.content.replace(f'value="{name}"'.encode(), b"")
        seen.add((answer.status_code, len(answer.content), words, "set-cookie" in answer.headers))
    assert len(seen) == 1
    assert next(iter(seen))[::3] == (401, False)


@pytest.mark.parametrize(
    ("n", "mine", "same_name"), [(5, True, True), (20, True, False), (50, False, True)], ids=["both", "address", "name"]
)
def test_guessing_ends(site: Site, n: int, mine: bool, same_name: bool) -> None:
    """The right password does not help any more, and an address that a proxy header names is not believed."""
    site.services.users.add(local_admin(), f"guessed {n}", Role.VIEWER, password=PASSWORD)
    here = f"127.8.0.{n}"
    with site.services.db.write() as connection:
        for number in range(n):
            target = f"guessed {n}" if same_name else f"name {number}"
            address = here if mine else f"203.0.113.{number}"
            connection.execute(attempts.insert().values(target=target, address=address, at=now()))
    transport = httpx.HTTPTransport(verify=False, local_address=here)
    with httpx.Client(base_url=site.app.address, transport=transport, trust_env=False) as browser:
        browser.headers["x-forwarded-for"] = "198.51.100.7"
        answer = _try(browser, f"guessed {n}", PASSWORD)
    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    assert "Too many wrong passwords" in answer.text


def test_a_cookie_that_the_attacker_chose_is_never_a_session(site: Site) -> None:
    chosen = secrets.token_urlsafe(32)
    given = _try(site.browser(studio_session=chosen), "viewer", PASSWORD).headers["set-cookie"]
    assert chosen not in given
    value, *attributes = given.split("; ")
    site.secrets.add(value.partition("=")[2])
    assert {each.lower() for each in attributes} == {"httponly", "max-age=7776000", "path=/", "samesite=lax"}
    assert site.browser(studio_session=chosen).get("/alive").status_code == 401


_NEXT = [
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "/%0d%0aSet-Cookie:a=b",
    "/?\r\nSet-Cookie: a=b",
    "javascript:alert(1)",
    "/login?next=//evil.example",
    "\t//evil.example",
    "/?a\\@evil.example",
    "/.evil.example",
    "?@evil.example",
]


@pytest.mark.parametrize("wanted", _NEXT)
def test_the_login_leads_to_nowhere_else(site: Site, wanted: str) -> None:
    answer = site.viewer.get("/login", params={"next": wanted})
    assert (answer.status_code, answer.headers["location"], "set-cookie" in answer.headers) == (303, "/", False)


def test_a_session_ends_on_the_server(site: Site) -> None:
    browser = site.signed_in("viewer")
    token = browser.cookies["studio_session"]
    assert browser.post("/logout").status_code == 303
    assert site.browser(studio_session=token).get("/alive").status_code == 401


@pytest.mark.parametrize("what", ["password", "disabled", "signed out", "reset"])
def test_an_old_token_opens_nothing(site: Site, what: str) -> None:
    user = site.services.users.add(local_admin(), f"leaver {what}", Role.VIEWER, password=PASSWORD)
    old = site.signed_in(user.name)
    assert old.get("/alive").status_code == 200
    if what == "password":
        fields = {"old": PASSWORD, "password": "another horse 77", "again": "another horse 77"}
        mine = site.signed_in(user.name)
        assert mine.post("/account/password", data=fields).status_code == 200
        assert mine.get("/alive").status_code == 200
    elif what == "disabled":
        site.services.users.set_active(local_admin(), user.id, False)
    elif what == "reset":
        site.services.users.set_password(local_admin(), user.id, "another horse 77")
    else:
        site.services.users.logout_user(local_admin(), user.id)
    assert old.get("/alive").status_code == 401


def test_an_invitation_opens_once(site: Site) -> None:
    user = site.services.users.add(local_admin(), "invited", Role.VIEWER)
    token = site.services.users.invite(local_admin(), user.id)
    site.secrets.add(token)
    fields = {"k": token, "password": "fourth horse 9", "again": "fourth horse 9"}
    fields |= {"name": "admin", "user_id": site.ids[Role.ADMIN]}
    assert site.browser().post("/invite", data=fields).status_code == 303
    with site.unchanged():
        assert site.browser().post("/invite", data=fields | {"password": PASSWORD, "again": PASSWORD}).status_code == 404
    assert _try(site.browser(), "admin", "fourth horse 9").status_code == 401


@pytest.mark.parametrize("token", ["", "x" * 43, "' OR 1=1 --", "\0", "%", "usr_01h455vb4pex5vsknk084sn02q"])
def test_no_invitation_is_guessed(site: Site, token: str) -> None:
    with site.unchanged():
        answer = site.browser().post("/invite", data={"k": token, "password": PASSWORD, "again": PASSWORD})
    assert (answer.status_code, "set-cookie" in answer.headers) == (404, False)


@pytest.mark.parametrize("who", ["stranger", "viewer", "editor", "admin"])
def test_nobody_sets_the_studio_up_twice(site: Site, who: str) -> None:
    browser = site.browser() if who == "stranger" else getattr(site, who)
    with site.unchanged():
        answer = browser.post("/setup", data={"name": "second", "password": PASSWORD, "again": PASSWORD})
    assert answer.status_code == {"stranger": 401, "viewer": 403, "editor": 403, "admin": 303}[who]
    assert "set-cookie" not in answer.headers


_FIELDS = [
    "' OR '1'='1",
    "admin'; DROP TABLE users; --",
    "admin\0",
    "\0",
    "a" * 10_000,
    "ａｄｍｉｎ\u202e",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "../../etc/passwd",
]


@pytest.mark.parametrize("value", _FIELDS, ids=lambda value: ascii(value)[:24])
def test_no_field_of_the_login_is_more_than_words(site: Site, value: str) -> None:
    with site.unchanged():
        answer = site.browser().post("/login", data={"name": value, "password": value, "next": value, "role": "admin"})
    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    assert "<script>alert" not in answer.text
    assert "49" not in answer.text or "7*7" in answer.text


@pytest.mark.parametrize("encoding", ["raw_unicode_escape", "undefined", "zlib", "no-such"])
@pytest.mark.parametrize("path", ["/login", "/invite"])
def test_no_encoding_of_a_form_breaks_a_page(site: Site, path: str, encoding: str) -> None:
    fields = dict.fromkeys(("name", "password", "again", "next", "k"), b"\\ud800\\udfff+2AA-")
    with site.unchanged():
        answer = site.browser().post(path, **form(encoding, **fields))
    assert answer.status_code == (401 if path == "/login" else 404)
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/login", "/invite"])
def test_a_form_of_files_is_an_empty_form(site: Site, path: str) -> None:
    with site.unchanged():
        answer = site.browser().post(path, files={f"f{n}": ("x", b"x" * 100) for n in range(200)})
    assert answer.status_code == (401 if path == "/login" else 404)


_CHUNK = b"100000\r\n" + b"a" * 0x100000 + b"\r\n"


@pytest.mark.parametrize("path", ["/login", "/invite", "/demo/x/ask", "/demo/x/unlock"])
@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Content-Length: 10737418240"], 413),
        (["Content-Length: -1"], 400),
        (["Content-Length: 5", "Content-Length: 6"], 400),
        (["Transfer-Encoding: chunked"], 411),
        (["Content-Length: 5", "Transfer-Encoding: chunked"], 411),
    ],
    ids=["10 GB", "negative", "two lengths", "no length", "chunks beside a length"],
)
def test_no_body_is_longer_than_it_may_be(site: Site, path: str, lines: list[str], status: int) -> None:
    kind = "Content-Type: application/x-www-form-urlencoded"
    answer = send_raw(site.app, f"POST {path} HTTP/1.1", kind, *lines, more=_CHUNK if "Tran" in lines[-1] else b"")
    assert answer.status == status


# --- 3 methods and paths ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PUT", "DELETE", "PATCH", "CONNECT", "PROPFIND", "get"])
@pytest.mark.parametrize("path", ["/login", "/config", "/setup"])
def test_no_other_method_does_anything(site: Site, path: str, method: str) -> None:
    override = ["X-HTTP-Method-Override: GET", "X-Secret: echoed?", "Content-Length: 0"]
    with site.unchanged():
        answer = send_raw(site.app, f"{method} {path} HTTP/1.1", *override)
    assert (answer.status, answer.body) == (401, b'{"detail":"sign in"}')
    assert "allow" not in answer.headers


def test_a_method_in_a_header_is_not_the_method(site: Site) -> None:
    lines = ["X-HTTP-Method-Override: POST", "X-Method-Override: POST", "Content-Length: 11"]
    answer = send_raw(site.app, "GET /login?_method=POST HTTP/1.1", *lines, body=b"name=admin&")
    assert answer.status == 200
    assert b"role=\"alert\"" not in answer.body


_PATHS = """
//config /login//..//config /%2e%2e/config /demo/../config /login/../config /login/%2e%2e/config /config;jsessionid=1 /config/
/login/..;/config /CONFIG /Config /%63onfig /config%00 /config%20 /config%2f /.//config /page/..%2fconfig /page/../config
/page/..%2f..%2fapp.py /favicon.svg/../config /healthz/config /login%2fconfig \\config /config%0a /demo%2f..%2fconfig
/openapi.json /docs /redoc /gradio_api/info /gradio_api/docs /gradio_api/openapi.json /gradio_api/app_id /gradio_api/heartbeat/x
/gradio_api/component_server /gradio_api/proxy=http://127.0.0.1/ /monitoring /gradio_api/runs /.env /.git/config /robots.txt
/gradio_api/file=/etc/passwd /file=/etc/passwd /gradio_api/file=https://evil.example/x.png
"""


@pytest.mark.parametrize("path", _PATHS.split())
def test_no_spelling_of_a_path_leads_past_the_door(site: Site, path: str) -> None:
    answer = send_raw(site.app, f"GET {path} HTTP/1.1")
    closed = text("en", "link.closed").encode() in answer.body
    assert answer.status == 401 or (answer.status == 404 and (closed or b"Not Found" in answer.body))
    assert not [word for word in (b"components", b"root:", b"gradio", b"version", b"[core]") if word in answer.body]
    assert "x-studio" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/gradio_api/queue/join", "/login", "/demo/x/", "/gradio_api/queue/data"])
def test_no_websocket_opens(site: Site, path: str) -> None:
    key = ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "Upgrade: websocket"]
    answer = send_raw(site.app, f"GET {path} HTTP/1.1", *key, "Connection: Upgrade")
    assert answer.status in (200, 401, 404)
    assert (answer.status == 200) == (path == "/login")
    assert not {"upgrade", "sec-websocket-accept"} & set(answer.headers)


def test_no_secret_lies_anywhere(site: Site) -> None:
    assert len(site.secrets) > 8
    assert site.leaks() == []


def test_how_many_attempts_these_are() -> None:
    assert n_attempts(sys.modules[__name__]) >= 150
