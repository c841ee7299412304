"""An attacker's notebook, inside: what a viewer, an editor and a guest tried, and that it got them nowhere."""

from __future__ import annotations

import concurrent.futures
import io
import logging
import os
import pickle
import secrets
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from studio.access import Role
from studio.access.audit import Filter
from studio.access.tables import links
from studio.access.trail import Entry, record
from studio.engine.tables import answers, chats, thumbs, turns
from studio.errors import ConfigError, DataError, ModelError
from studio.ids import new_id, now
from studio.models.catalogue import check_folder
from studio.settings import save_setting
from studio.text import text
from tests.served import HTML, actor_named, call_event, served
from tests.ui.attackers import LINK_PASSWORD, SECRET, Site, n_attempts, send_raw

FILE = {"meta": {"_type": "gradio.FileData"}}
#: How every refusal by role begins.
REFUSED = text("en", "error.access.refused", action="\0", role="\0", what="\0").split("\0")[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("attacked") / "home", max_upload_mb=1) as app:
        yield Site(app)


# --- 1 files ----------------------------------------------------------------------------------------------------------

#: Places of the machine and of the home that are nobody's upload; and addresses, which Gradio would fetch.
_PLACES = {
    "the machine's": "/etc/passwd",
    "the database": "{home}/studio.db",
    "the cookie's key": "{home}/keys/cookie",
    "out of the folder": "{home}/tmp/gradio/../../keys/cookie",
    "relative": "pyproject.toml",
    "an address": "http://127.0.0.1:1/x.csv",
    "an address elsewhere": "https://evil.example/x.csv",
    "by a link": "{home}/tmp/gradio/link/cookie",
}


@pytest.fixture(scope="module")
def planted(site: Site) -> None:
    """A symbolic link where uploads lie. Nobody can upload one."""
    (site.home / "tmp" / "gradio").mkdir(exist_ok=True)
    (site.home / "tmp" / "gradio" / "link").symlink_to(site.home / "keys")


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("place", _PLACES)
@pytest.mark.parametrize("event", ["take_files", "take_checkpoint"])
def test_an_event_takes_no_file_that_was_not_uploaded(site: Site, event: str, place: str) -> None:
    """Any component takes a file in its value's place: Gradio would copy it to where it hands out files."""
    path, number = _PLACES[place].format(home=site.home), site.events[event, 1]
    browser = site.editor if event == "take_files" else site.viewer
    with site.unchanged():
        deep, plain = [{"a": {"path": path} | FILE}], {"path": path} | FILE
        listed = ([plain], [path], plain) if event == "take_files" else (plain, deep, path, {"path": "x", "url": path} | FILE)
        for value in listed:
            status, said = call_event(browser, number, [value], queued=site.queued[number])
            if value != path or event == "take_files":
                assert status == 500
            assert "gradio_api/file" not in said
            assert "/tmp/gradio" not in said.replace(path, "")


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("place", _PLACES)
@pytest.mark.parametrize("who", ["viewer", "admin"])
def test_no_file_is_handed_out_that_was_not_made_for_it(site: Site, who: str, place: str) -> None:
    path = _PLACES[place].format(home=site.home)
    answer = send_raw(site.app, f"GET /gradio_api/file={path} HTTP/1.1", _cookie(getattr(site, who)))
    assert (answer.status, answer.body) == (403, b'{"detail":"file not allowed"}')


def _cookie(browser: httpx.Client) -> str:
    return "; ".join(f"Cookie: {name}={value}" for name, value in browser.cookies.items())


def test_a_real_upload_is_taken(site: Site) -> None:
    """So that the refusals above are refusals of something."""
    path = site.editor.post("/gradio_api/upload", files={"files": ("a.jsonl", b'{"question": "a", "answer": "b"}\n')}).json()[0]
    number = site.events["take_files", 1]
    assert call_event(site.editor, number, [[{"path": path} | FILE]], queued=True)[0] == 200
    assert site.viewer.get(f"/gradio_api/file={path}").status_code == 200


def test_a_viewer_uploads_nothing(site: Site) -> None:
    with site.unchanged():
        answer = site.viewer.post("/gradio_api/upload", files={"files": ("a.csv", b"a,b")})
    assert (answer.status_code, REFUSED in answer.json()["detail"]) == (403, True)


_NAMES = ["../../x", "..\\..\\x", "/etc/cron.d/x", "..%2f..%2fx", "a\0.csv", "\u202evsc.exe", ".bashrc", "a" * 300]
_NAMES += ["evil.html", "x.svg"]


@pytest.mark.parametrize("name", _NAMES, ids=lambda name: ascii(name)[:16])
def test_no_name_of_an_upload_is_a_path_or_a_page(site: Site, name: str) -> None:
    before = set(site.files())
    body = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>" + secrets.token_bytes(8)
    answer = site.editor.post("/gradio_api/upload", files={"files": (name, body)})
    assert answer.status_code == 200
    made = set(site.files()) - before
    assert {path.parent.parent for path in made} == {site.home / "tmp" / "gradio"}
    assert not [path for path in made if os.access(path, os.X_OK)]
    shown = site.admin.get(f"/gradio_api/file={answer.json()[0]}")
    assert shown.status_code in (403, 404) or shown.headers["content-disposition"].startswith("attachment")
    assert shown.headers["content-type"] in ("application/octet-stream", "application/json")


@pytest.mark.parametrize("n_bytes", [1_100_000, 3_000_000], ids=["while it is read", "before it is read"])
def test_an_upload_over_the_limit_is_refused_and_not_kept(site: Site, n_bytes: int) -> None:
    with site.unchanged():
        answer = site.editor.post("/gradio_api/upload", files={"files": ("a.csv", b"a" * n_bytes)})
    assert answer.status_code == 413


def _zipped() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../x", b"0" * 5_000_000)
    return held.getvalue()


_BINARIES = {
    "zip bomb": _zipped(),
    "gzip": b"\x1f\x8b\x08\0" + b"\0" * 40,
    "pickle": pickle.dumps({"a": 1}),
    "database": b"SQLite format 3\0" + b"\0" * 40,
    "program": b"\x7fELF" + b"\0" * 40,
}


@pytest.mark.parametrize("kind", _BINARIES)
@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_no_archive_and_no_program_is_a_dataset(site: Site, tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / "x").write_bytes(_BINARIES[kind])
    editor = actor_named(site.ids, Role.EDITOR)
    digest = site.services.data.stage(editor, tmp_path / "x")
    with site.unchanged(), pytest.raises(DataError, match=r"binary_file|archive_inside"):
        site.services.data.inspect(editor, digest, name)


@pytest.mark.parametrize("digest", ["../../studio.db", "/etc/passwd", "A" * 64, "", "é" * 64, "0" * 63 + "\n"])
def test_no_upload_is_found_by_another_name(site: Site, digest: str) -> None:
    with pytest.raises(DataError, match="unknown_upload"):
        site.services.data.inspect(actor_named(site.ids, Role.EDITOR), digest, "x.csv")


@pytest.mark.parametrize("weights", ["pytorch_model.bin", "model.pt", "model.pkl", "model.safetensors.bin", "model.ckpt"])
def test_no_folder_of_pickles_is_a_model(tmp_path: Path, weights: str) -> None:
    for name in ("config.json", "tokenizer.json", "modeling_evil.py", weights):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match="no_safetensors"):
        check_folder(tmp_path)


def test_code_of_a_model_is_never_run() -> None:
    root = Path(__file__).parents[2]
    code = "".join(path.read_text("utf-8") for folder in ("studio", "components") for path in (root / folder).rglob("*.py"))
    assert code.count("trust_remote_code") == code.count("trust_remote_code=False") > 0


# --- 2 more than one may ----------------------------------------------------------------------------------------------


def test_nobody_reads_another_ones_chat(site: Site) -> None:
    for browser in (site.viewer, site.editor):
        told = [site.event(browser, site.chat_page, [], {"tab": "chat", "chat": chat}) for chat in (site.chat, new_id("cht"))]
        assert told[0].status_code == told[1].status_code  # as if there were no such chat
        assert SECRET not in told[0].text
    assert SECRET in site.event(site.admin, site.chat_page, []).text


@pytest.mark.parametrize("name", ["stop_run", "resume_run", "pin"])
def test_a_viewer_leaves_runs_alone(site: Site, name: str) -> None:
    number = site.events[name, 0]
    with site.unchanged():
        status, said = call_event(site.viewer, number, [], queued=True)
    assert (status, REFUSED in said) == (500, True)


@pytest.mark.parametrize("session", ["", "x", "../x", "0" * 500])
def test_no_other_ones_stream_is_guessed(site: Site, session: str) -> None:
    answer = send_raw(site.app, f"GET /gradio_api/queue/data?session_hash={session} HTTP/1.1", _cookie(site.viewer))
    assert b"process_" not in answer.body


@pytest.mark.parametrize("number", [-1, 10**9, None, 0.5, [], {}], ids=str)
def test_no_event_has_an_odd_number(site: Site, number: Any) -> None:
    with site.unchanged():
        answer = site.event(site.viewer, number, [])
    assert answer.status_code in (404, 422, 500)
    assert "Traceback" not in answer.text


_DATA: list[Any] = [[], [1, 2, 3], {"a": 1}, "text", None, [[[[]]]], [{"__type__": "update"}]]


@pytest.mark.parametrize("data", _DATA, ids=str)
def test_odd_data_does_nothing(site: Site, data: Any) -> None:
    """To the event that makes links, as its editor, and as one in a batch."""
    number = site.events["make_link", 8]
    with site.unchanged():
        assert site.event(site.editor, number, data).status_code in (404, 422, 500)
        assert site.event(site.viewer, number, data, batched=True).status_code in (404, 422, 500)


def test_what_runs_in_the_browser_alone_does_nothing_here(site: Site) -> None:
    with site.unchanged():
        for number in site.scripts:
            answer = site.event(site.viewer, number, [])
            assert answer.status_code == 500 or set(answer.json()["data"]) <= {None}, answer.text


_SETTINGS = [
    ("hub", "huggingface\nSTUDIO_HOST=0.0.0.0"),
    ("hub", "https://evil.example\nSTUDIO_HOME=/etc"),
    ("hub", "https://evil.example#\r\nSTUDIO_DEVICE=cuda"),
    ("hub", "file:///etc/passwd"),
    ("hub", "${STUDIO_DATABASE_URL}"),
    ("device", "cpu\nSTUDIO_HOST=0.0.0.0"),
    ("host", "0.0.0.0"),
    ("allowed_hosts", ""),
    ("home", "/"),
    ("database_url", "sqlite:////tmp/x"),
]


@pytest.mark.parametrize(("name", "value"), _SETTINGS, ids=str)
def test_no_setting_sets_another_one(site: Site, name: str, value: str) -> None:
    with site.unchanged(), pytest.raises(ConfigError):
        save_setting(site.services.settings, name, value)
    assert not (site.home / "studio.env").exists()


# --- 3 guests ---------------------------------------------------------------------------------------------------------


def _ask(guest: httpx.Client, address: str, **values: Any) -> httpx.Response:
    return guest.post(f"{address}ask", json={"question": "?", "request_id": secrets.token_hex(8)} | values)


@pytest.fixture(scope="module")
def link(site: Site) -> tuple[str, httpx.Client]:
    address, token = site.link()
    return address, site.guest(address, token)


_STUDIOS = ["/", "/config", "/account", "/gradio_api/queue/data?session_hash=x", "/gradio_api/file=/etc/passwd"]


@pytest.mark.parametrize("path", _STUDIOS)
def test_a_guest_is_a_stranger_to_the_studio(link: tuple[str, httpx.Client], path: str) -> None:
    assert link[1].get(path).status_code == 401


@pytest.mark.parametrize("kind", ["other cookie", "other token", "no token", "token of a session", "half a token"])
def test_no_link_opens_with_anothers_key(site: Site, link: tuple[str, httpx.Client], kind: str) -> None:
    address, token = site.link()
    given = {"other token": site.link()[1], "no token": "", "token of a session": site.viewer.cookies["studio_session"]}
    given["half a token"] = token[:20]
    browser = link[1] if kind == "other cookie" else site.browser()
    with site.unchanged():
        answer = browser.get(address, params={"k": given[kind]} if kind in given else None)
    assert (answer.status_code, "set-cookie" in answer.headers) == (404, False)
    assert text("en", "link.closed") in answer.text


@pytest.mark.parametrize("what", ["chat", "ask", "stop", "go-on", "new", "thumb"])
def test_a_locked_link_says_nothing_before_its_password(site: Site, what: str) -> None:
    address, token = site.link(password=LINK_PASSWORD)
    guest = site.guest(address, token)
    bodies = {"ask": {"question": "?", "request_id": "0123456789"}, "thumb": {"answer_id": new_id("ans"), "value": 1}}
    with site.unchanged():
        answer = guest.get(f"{address}chat") if what == "chat" else guest.post(address + what, json=bodies.get(what, {}))
    assert (answer.status_code, answer.json()) == (404, {"error": text("en", "error.link.closed")})
    assert site.visits(address) == 0


_BODIES = [b"", b"null", b"[]", b"{", b'{"question": 1}', b"\xff\xfe", b"[" * 9_000]
_BODIES += [b'{"question": {"a": 1}, "request_id": "0123456789"}', b'{"question": "a", "request_id": "../../../x"}']
_BODIES += [b'{"question": "a", "request_id": "0123456789", "models": ["base"]}']


@pytest.mark.parametrize("body", _BODIES, ids=lambda body: ascii(body)[:24])
def test_odd_bodies_ask_nothing(site: Site, link: tuple[str, httpx.Client], body: bytes) -> None:
    link[1].get(link[0])
    with site.unchanged():
        answer = link[1].post(f"{link[0]}ask", content=body)
    assert (answer.status_code, answer.json()) == (422, {"error": text("en", "error.demo.unreadable")})


@pytest.mark.parametrize(("n", "status"), [(4_001, 422), (60_000, 422), (1_000_000, 413)])
def test_a_question_has_an_end(site: Site, link: tuple[str, httpx.Client], n: int, status: int) -> None:
    link[1].get(link[0])
    with site.unchanged():
        assert _ask(link[1], link[0], question="a" * n).status_code == status


def test_guests_do_not_meet(site: Site, wait_for: Callable[..., Any]) -> None:
    """Neither by a question's id, which both of them used, nor by an answer's."""
    address, token = site.link()
    one, other = site.guest(address, token), site.guest(address, token)
    assert _ask(one, address, question=SECRET, request_id="same-request").status_code == 200
    assert SECRET not in _ask(other, address, request_id="same-request").text
    told = wait_for(lambda: (found := one.get(f"{address}chat").json())["moving"] is False and found)
    answer = told["turns"][0]["answers"][0]
    assert site.run not in str(told)
    thumb = other.post(f"{address}thumb", json={"answer_id": answer["id"], "value": 1})
    assert (thumb.status_code, thumb.json()) == (409, {"error": text("en", "error.demo.unknown_answer")})
    with site.services.db.read() as connection:
        assert connection.execute(sa.select(thumbs)).all() == []


def test_twenty_at_once_ask_no_more_than_the_link_allows(site: Site) -> None:
    address, token = site.link(questions_per_hour=3)
    guests = [site.guest(address, token) for _ in range(20)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda guest: _ask(guest, address).status_code, guests))
    assert sorted(statuses) == [200] * 3 + [429] * 17
    with site.services.db.read() as connection:
        asked = sa.select(sa.func.count()).select_from(turns.join(chats, chats.c.id == turns.c.chat_id))
        assert connection.execute(asked.where(chats.c.link_id == address.split("/")[2])).scalar() == 3
        assert connection.execute(sa.select(sa.func.count()).select_from(answers)).scalar_one() < 10


def test_a_link_tells_its_token_to_nobody(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    address, token = site.link()
    with caplog.at_level(logging.DEBUG):
        guest, browser = site.guest(address, token), site.browser()
        answers_ = [browser.get(address, params={"k": token}), guest.get(address), guest.get(f"{address}chat")]
        answers_ += [_ask(guest, address)]
        for answer in answers_:
            assert token not in answer.text + str(answer.headers)
            assert (answer.headers["referrer-policy"], answer.headers["cache-control"]) == ("no-referrer", "no-store")
    ours = [entry.getMessage() for entry in caplog.records if entry.name.startswith(("studio", "uvicorn", "gradio"))]
    assert token not in "".join(ours)
    attributes = answers_[0].headers["set-cookie"].lower().split("; ")[1:]
    assert set(attributes) == {"httponly", "max-age=2592000", f"path={address}", "samesite=lax"}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "GET"])
def test_a_preview_uses_no_visit_up(site: Site, method: str) -> None:
    address, token = site.link(max_visits=1)
    for _ in range(3):
        site.browser().request(method, address, params={"k": token}, headers={"sec-purpose": "prefetch"})
    assert site.visits(address) == 0
    assert site.guest(address, token).get(address).status_code == 200


@pytest.mark.parametrize("how", ["revoke", "pause", "expire", "renew"])
def test_a_link_that_ends_ends_in_the_middle(site: Site, how: str) -> None:
    address, token = site.link()
    guest, link_id, editor = site.guest(address, token), address.split("/")[2], actor_named(site.ids, Role.EDITOR)
    assert guest.get(f"{address}chat").status_code == 200
    if how == "expire":
        with site.services.db.write() as connection:
            connection.execute(links.update().where(links.c.id == link_id).values(expires_at=now() - timedelta(seconds=1)))
    elif how == "pause":
        site.services.links.pause(editor, link_id, True)
    else:
        getattr(site.services.links, how)(editor, link_id)
    with site.unchanged():
        assert _ask(guest, address).status_code == 404
        assert site.browser().get(address, params={"k": token}).status_code == 404


# --- 4 what is shown, and what every answer carries -------------------------------------------------------------------

_HOSTILE = ["=HYPERLINK(0)", "+1", "-1", "@SUM(1)", "\t=1", "<img src=x onerror=alert(1)>", "\u202egnp.exe", "a\0b\ud800"]


@pytest.mark.parametrize("name", _HOSTILE, ids=ascii)
def test_no_name_runs_in_the_trail(site: Site, name: str) -> None:
    admin = actor_named(site.ids, Role.ADMIN)
    record(site.services.db, Entry(admin, "session.begin", target=name), "refused")
    shown = site.event(site.admin, site.activity, [])
    assert shown.status_code == 200
    assert "<img" not in shown.text
    path = site.services.audit.export(admin, Filter(action="session.begin"), "csv")
    text_ = path.read_text("utf-8-sig")
    path.unlink()
    cells = [cell.strip('"') for line in text_.splitlines() for cell in line.split(",")]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]


_ANSWERS = {
    "page": ("viewer", "GET", "/", 200),
    "plain page": ("stranger", "GET", "/login", 200),
    "JSON": ("stranger", "GET", "/healthz", 200),
    "401": ("stranger", "GET", "/config", 401),
    "403": ("viewer", "GET", "/setup", 403),
    "404": ("viewer", "GET", "/nothing", 404),
    "411": ("stranger", "POST", "/login", 411),
    "redirect": ("stranger", "GET", "/account", 303),
    "static": ("stranger", "GET", "/page/plain.css", 200),
    "closed link": ("stranger", "GET", "/demo/x/", 404),
    "no such file": ("stranger", "GET", "/page/nothing.js", 404),
    "odd host": ("stranger", "GET", "/login", 200),
}


@pytest.mark.parametrize("kind", _ANSWERS)
def test_every_answer_carries_its_headers(site: Site, kind: str) -> None:
    who, method, path, status = _ANSWERS[kind]
    cookie = [] if who == "stranger" else [_cookie(getattr(site, who))]
    accept = "*/*" if kind == "401" else HTML["accept"]
    chunked = ["Transfer-Encoding: chunked"] if status == 411 else []
    host = "[" if kind == "odd host" else "a"
    answer = send_raw(site.app, f"{method} {path} HTTP/1.1", f"Accept: {accept}", *cookie, *chunked, host=host)
    assert answer.status == status
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy or "default-src 'self'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] in ("same-origin", "no-referrer")
    assert "no-store" in answer.headers.get("cache-control", "") or kind in ("static", "no such file")
    assert "server" not in answer.headers
    assert ("x-studio" in answer.headers) == (who != "stranger")


def test_nothing_is_told_to_its_makers(site: Site) -> None:
    config = site.admin.get("/config").json()
    assert (config["analytics_enabled"], os.environ["GRADIO_ANALYTICS_ENABLED"]) == (False, "False")
    assert not config.get("run_history")
    assert {item["api_visibility"] for item in config["dependencies"]} == {"private"}


def test_no_secret_lies_anywhere(site: Site) -> None:
    assert len(site.secrets) > 40
    assert site.leaks() == []


def test_how_many_attempts_these_are() -> None:
    assert n_attempts(sys.modules[__name__]) >= 100


@pytest.fixture
def wait_for() -> Callable[..., Any]:
    pause = threading.Event()

    def wait(ask: Callable[[], Any]) -> Any:
        for _ in range(1_000):
            if found := ask():
                return found
            pause.wait(0.01)
        pytest.fail("in vain")

    return wait
