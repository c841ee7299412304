"""What hostile people and models write is text on every screen: nothing runs, and nothing is fetched from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from studio.access import Actor, Role, stranger
from studio.data.service import ImportSpec
from studio.engine.tables import answers, chats, turns
from studio.ids import new_id, now
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import events, jobs
from studio.models.tables import bases
from studio.services import Services
from studio.train.service import insert_run
from tests.e2e.conftest import Visit
from tests.e2e.studio import StudioServer
from tests.tiny import enter_base, make_tiny_base

PASSWORD = "correct horse battery"

#: Each would set `window.broken`, or ask the host evil.example for something, if anything took it for more than text.
HOSTILE = (
    "<script>window.broken=1</script>"
    "<img src=x onerror=window.broken=2><img src='http://evil.example/a.png'>"
    "<svg onload=window.broken=3><a href='javascript:window.broken=4'>x</a>"
    "<style>@import 'http://evil.example/b.css';body{background:url(http://evil.example/c.png)}</style>"
    "<iframe src='http://evil.example/'></iframe><video src='http://evil.example/v.mp4' autoplay></video>"
    "![x](http://evil.example/d.png) [y](javascript:window.broken=5) ${window.broken=6} {{ 7*7 }} {% raw %} {{{x}}}"
)
NAME = "<img src=x onerror=window.broken=9> {{7*7}} ${8*8}"


@pytest.fixture(scope="module")
def haunted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StudioServer, str]]:
    """A studio in which every field that somebody fills is hostile, and the address of a link to it."""
    with StudioServer(tmp_path_factory.mktemp("haunted") / "home", STUDIO_STARTER="false") as studio:
        services = studio.services()
        yield studio, _haunt(services, studio)
        services.close()


def _haunt(services: Services, studio: StudioServer) -> str:
    admin = Actor(services.users.add(studio.actor, "Ana", Role.ADMIN, password=PASSWORD).id, Role.ADMIN)
    services.users.add(admin, NAME, Role.VIEWER)
    file = studio.home / "hostile.jsonl"
    rows = [HOSTILE, HOSTILE.replace("window.broken=1", "window.broken=11")]
    said = [[{"role": role, "content": words} for role in ("user", "assistant")] for words in rows]
    file.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in said), "utf-8")
    upload = services.data.stage(admin, file)
    made = services.data.import_upload(admin, ImportSpec(upload=upload, file_name=file.name, dataset_name=NAME, note=HOSTILE))
    make_tiny_base(studio.home / "models" / "tiny")
    enter_base(services.db, studio.home / "models" / "tiny")
    given = {"name": NAME, "base": "tiny", "dataset": made.dataset_id, "own_probes": [HOSTILE]}
    spec = services.train.complete(admin, given)
    (row, *_), _ = services.data.page(admin, made.dataset_id)
    told = {
        "probe_answered": {"step": 0, "probe": "own1", "text": HOSTILE},
        "warned": {"key": "detect.spike", "params": {"step": 1, "loss": 9.0, "usual": 1.0, "n": 1}, "rows": [row.id]},
    }
    with services.db.write() as connection:
        connection.execute(bases.update().values(name=NAME))
        run_id = insert_run(connection, spec, admin.user_id)
        job_id = connection.execute(sa.select(jobs.c.id).where(jobs.c.run_id == run_id)).scalar_one()
        error = {"key": "error.job.failed", "field": None, "params": {"reason": HOSTILE}}
        connection.execute(jobs.update().where(jobs.c.id == job_id).values(state="failed", error=error, ended_at=now()))
        for seq, (kind, body) in enumerate(told.items(), 1):
            connection.execute(events.insert().values(job_id=job_id, seq=seq, attempt=1, at=now(), kind=kind, body=body))
    folder = RunFolder(services.settings.home / "runs" / run_id)
    folder.create(spec.as_dict())
    folder.log_file.write_text(HOSTILE, "utf-8")
    link, token = services.demo.make(admin, ["base"], name=NAME, warned=True, base_id="tiny")
    guest = services.links.visit(stranger(), link.id, cookie := services.links.enter(stranger(), link.id, token, None)).actor
    for owner, link_id in ((admin.user_id, None), (guest.user_id, link.id)):
        chat_id = new_id("cht")
        with services.db.write() as connection:
            head = {"id": chat_id, "owner": owner, "base_id": "tiny", "models": ["base"], "title": NAME, "link_id": link_id}
            connection.execute(chats.insert().values(**head, created_at=now()))
            connection.execute(turns.insert().values(chat_id=chat_id, number=1, question=HOSTILE, created_at=now()))
            said = {"id": new_id("ans"), "chat_id": chat_id, "turn": 1, "column": 0, "model": "base", "state": "done"}
            connection.execute(answers.insert().values(**said, text=HOSTILE, tokens=9, decoding={}, created_at=now()))
    file.unlink()
    return f"{studio.address}demo/{link.id}/|{cookie}"


def _assert_harmless(page: Page, asked: list[str], home: str) -> None:
    assert page.evaluate("window.broken") is None
    assert [url for url in asked if not url.startswith(("data:", "blob:")) and urlsplit(url).netloc != home] == []


def test_every_tab_shows_it_as_text(haunted: tuple[StudioServer, str], visit: Visit) -> None:
    studio, _ = haunted
    page = visit().page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: asked.append(f"dialog {dialog.message}"))
    page.goto(f"{studio.address}login")
    page.locator("input[name=name]").fill("Ana")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("form button").click()
    services = studio.services()
    actor = studio.actor
    run = services.train.list(actor)[0]
    ana = next(user for user in services.users.list(actor) if user.name == "Ana")
    (chat_id, *_), *_ = services.chats.list(Actor(ana.id, Role.ADMIN))
    services.close()
    home = urlsplit(studio.address).netloc
    for address, place in (
        ("?tab=data", "#data-detail"),
        ("?tab=train", "#train-plan"),
        (f"?tab=runs&run={run.id}", "#run-probes"),
        (f"?tab=runs&run={run.id}", "#run-noticed"),
        (f"?tab=runs&run={run.id}", "#run-foot"),
        (f"?tab=chat&chat={chat_id}", "#chat-base"),
        ("?tab=people&section=links", "#links-list"),
        ("?tab=people&section=accounts", "#accounts-list"),
        ("?tab=people&section=activity", "#people-activity table"),
        ("?tab=settings", "#settings-disk table"),
    ):
        page.goto(studio.address + address)
        expect(page.locator(place).first).to_be_visible()
        if place not in ("#train-plan", "#people-activity table", "#settings-disk table"):
            expect(page.locator(place).first).to_contain_text("onerror=window.broken")
        _assert_harmless(page, asked, home)


def test_the_guests_page_shows_it_as_text(haunted: tuple[StudioServer, str], visit: Visit) -> None:
    studio, told = haunted
    address, _, cookie = told.partition("|")
    page = visit(width=390).page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    path = urlsplit(address).path
    page.context.add_cookies([{"name": "studio_link", "value": cookie, "domain": "127.0.0.1", "path": path}])
    page.goto(address)
    expect(page.locator(".answer .words")).to_have_text(HOSTILE)
    expect(page.locator("header")).to_contain_text(NAME)
    assert page.locator(".answer :is(img, script, a, svg[onload], iframe, video)").count() == 0
    _assert_harmless(page, asked, urlsplit(studio.address).netloc)
