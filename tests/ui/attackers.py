"""What the attacks share: an app with something to steal, browsers at many addresses, a socket that sends anything."""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import re
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import sqlalchemy as sa

from components.shell import build_studio
from studio.access import Actor, Role, local_admin
from studio.access.links import LinkSpec
from studio.db import metadata
from studio.engine.demo import DemoTarget
from studio.errors import EngineError
from studio.ids import new_id, now
from studio.jobs.tables import jobs, runs
from studio.models.tables import bases
from tests.served import PASSWORD, Served, actor_named, add_people

LINK_PASSWORD = "open sesame 42"
SECRET = "what the admin asked in confidence"

#: Columns that a look changes, and rows that tell of a try.
_SEEN = {"seen_at", "used_at", "last_login_at"}
_TOLD = {"audit", "attempts", "alembic_version", "rows"}  # a dataset's rows come with a revision


class Reply:
    """An answer as it came over the wire."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1]) if first.startswith("HTTP/") else 0
        self.headers = httpx.Headers([tuple(line.split(": ", 1)) for line in lines])


def send_raw(app: Served, *lines: str, body: bytes = b"", host: str | None = "127.0.0.1", more: bytes = b"") -> Reply:
    """One request, to the byte; the answer to it, however much of the body the server wanted."""
    named = [] if host is None else [f"Host: {host}"]
    head = "\r\n".join([lines[0], *named, *lines[1:], "Connection: close", "", ""]).encode("latin-1")
    place = httpx.URL(app.address)
    with socket.create_connection((place.host, place.port), timeout=10) as wire:
        got = io.BytesIO()
        with contextlib.suppress(ConnectionError):  # it hung up in the middle of the body
            wire.sendall(head + body)
            wire.sendall(more)
        with contextlib.suppress(ConnectionError):
            while piece := wire.recv(65_536):
                got.write(piece)
    return Reply(got.getvalue())


class Site:
    """The app with accounts, a run, links and chats. `secrets` is all that must be found nowhere afterwards."""

    def __init__(self, app: Served) -> None:
        self.app, self.services, self.home = app, app.services, app.services.settings.home
        self.ids = add_people(app.services)
        self.secrets = {PASSWORD, LINK_PASSWORD}
        self._addresses = (f"127.9.{n // 250}.{n % 250 + 2}" for n in itertools.count())
        self._fill()
        app.services.engines.client = self._no_engine  # type: ignore[method-assign]
        self.admin, self.editor, self.viewer = (self.signed_in(name) for name in ("admin", "editor", "viewer"))
        blocks = build_studio(app.services, "en")
        self.events = {(fn.name, len(fn.inputs)): number for number, fn in blocks.fns.items()}
        self.queued = {number: bool(fn.queue) for number, fn in blocks.fns.items()}
        self.scripts = [number for number, fn in blocks.fns.items() if fn.fn is None]
        opens = {getattr(fn.fn, "__module__", ""): n for n, fn in blocks.fns.items() if str(fn.name).startswith("open_")}
        self.activity, self.chat_page = opens["components.activity_panel"], opens["components.chat_tab"]

    def _fill(self) -> None:
        by = {"author": self.ids[Role.ADMIN], "created_at": now()}
        self.run = new_id("run")
        dataset = self.services.data.import_sample(local_admin(), "d")
        with self.services.db.write() as connection:
            connection.execute(bases.insert().values(id="b", name="b", source="hub", ref="a/b", state="ready", **by))
            of_run = {"id": self.run, "dataset_id": dataset, "dataset_revision": 1, "base_id": "b", "spec": {}}
            connection.execute(runs.insert().values(name="r", **of_run, **by))
            of_job = {"id": new_id("job"), "kind": "train", "job_class": "gpu", "state": "queued", "folder": "jobs/x"}
            connection.execute(jobs.insert().values(name="r", spec={}, run_id=self.run, **of_job, **by))
            self.chat = new_id("cht")
            owned = {"owner": self.ids[Role.ADMIN], "base_id": "b", "models": ["base"], "title": SECRET}
            connection.execute(sa.insert(metadata.tables["chats"]).values(id=self.chat, created_at=now(), **owned))

    async def _no_engine(self, actor: Actor, base_id: str) -> Any:
        raise EngineError("error.engine.unknown_model", field="model", name=self.run, known="base")

    # Browsers

    def browser(self, **cookies: str) -> httpx.Client:
        """From an address of its own, which no proxy may speak for."""
        transport = httpx.HTTPTransport(verify=False, local_address=next(self._addresses))
        return httpx.Client(base_url=self.app.address, cookies=cookies, timeout=30, transport=transport, trust_env=False)

    def signed_in(self, name: str) -> httpx.Client:
        browser = self.browser(studio_session=self.app.sign_in(name).cookies["studio_session"])
        self.secrets.add(browser.cookies["studio_session"])
        return browser

    def link(self, **values: Any) -> tuple[str, str]:
        """(address, token) of a new demo link."""
        target = DemoTarget(base_id="b", models=["base"]).model_dump()
        spec = LinkSpec.model_validate({"scope": "demo", "name": "for guests", "target": target} | values)
        made, token = self.services.links.create(actor_named(self.ids, Role.EDITOR), spec, warned=True)
        self.secrets.add(token)
        return f"/demo/{made.id}/", token

    def guest(self, address: str, token: str) -> httpx.Client:
        browser = self.browser()
        given = browser.get(address, params={"k": token}).headers["set-cookie"]
        found = re.search(r"studio_link=([^;]+)", given)
        assert found is not None
        self.secrets.add(found[1])
        return self.browser(studio_link=found[1])

    def visits(self, address: str) -> int:
        return self.services.links.get(actor_named(self.ids, Role.EDITOR), address.split("/")[2]).visits

    # What is there

    def event(self, client: httpx.Client, number: int, data: Any, query: dict[str, str] | None = None, **more: Any) -> Any:
        """The answer to an event that does not wait in the queue."""
        body = {"data": data, "fn_index": number, "session_hash": secrets.token_hex(6)} | more
        return client.post("/gradio_api/run/predict", json=body, params=query)

    def state(self) -> dict[str, Any]:
        """Rows and files. What is only told or seen is left out."""
        found: dict[str, Any] = {}
        with self.services.db.read() as connection:
            for name, table in metadata.tables.items():
                if name not in _TOLD:
                    columns = [column for column in table.columns if column.name not in _SEEN]
                    found[name] = sorted(map(repr, connection.execute(sa.select(*columns))))
        return found | {"files": sorted(str(path) for path in self.files())}

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        before = self.state()
        yield
        assert self.state() == before

    def leaks(self) -> list[tuple[str, str]]:
        """Where a password or a token lies as it is: (file, the secret's beginning). Keys are where secrets belong."""
        found = [path for path in self.home.rglob("*") if path.is_file() and "keys" not in path.parts]
        assert any(path.name == "studio.db" for path in found)
        held = {path: path.read_bytes() for path in found}
        return [(str(path), word[:6]) for path, data in held.items() for word in self.secrets if word.encode() in data]

    def files(self) -> list[Path]:
        return [path for path in self.home.rglob("*") if path.is_file() and path.parent != self.home]


def form(encoding: str, **fields: bytes) -> dict[str, Any]:
    """A multipart form in an encoding of the sender's choice."""
    parts = [b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (k.encode(), v) for k, v in fields.items()]
    kind = f"multipart/form-data; boundary=x; charset={encoding}"
    return {"content": b"".join(parts) + b"--x--\r\n", "headers": {"content-type": kind}}


def n_attempts(module: ModuleType) -> int:
    """How many attempts a module holds: every case of every test counts as one."""
    count = 0
    for name, test in vars(module).items():
        if name.startswith("test_"):
            marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
            count += math.prod(len(list(mark.args[1])) for mark in marks)
    return count
