"""The web app as it runs, in a thread of this process, with people of every kind at its door."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from studio.access import Actor, Role, local_admin, stranger
from studio.services import Services, build_services
from studio.settings import Settings

PASSWORD = "correct horse battery"

#: What a browser says of itself when it wants a page.
HTML = {"accept": "text/html,application/xhtml+xml"}


@dataclass
class Served:
    """`services` are the running app's own; `door` is its door."""

    services: Services
    web: Any
    address: str

    def client(self, **cookies: str) -> httpx.Client:
        # Without verify=False each client reads the certificates of the world, for a connection that needs none.
        return httpx.Client(base_url=self.address, cookies=cookies, timeout=30, trust_env=False, verify=False)

    def sign_in(self, name: str) -> httpx.Client:
        """A browser in which this account is signed in."""
        actor = stranger(address="127.0.0.1")
        return self.client(studio_session=self.services.users.login(actor, name, PASSWORD, agent="test"))


@contextlib.contextmanager
def served(home: Path, **values: Any) -> Iterator[Served]:
    """The app on a free port of the loopback address, without a worker."""
    from components.web import build_web

    settings = Settings(home=home, starter=False, device="cpu", **values).ready()
    services = build_services(settings)
    services.db.migrate(settings)
    web = build_web(services)
    server = uvicorn.Server(uvicorn.Config(web, log_level="error", access_log=False, server_header=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        _wait_until_up(address, thread)
        try:
            yield Served(services, web, address)
        finally:
            server.should_exit = True
            thread.join(15)
            services.close()


def _wait_until_up(address: str, thread: threading.Thread) -> None:
    pause = threading.Event()
    while thread.is_alive():
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{address}/healthz", timeout=5, trust_env=False).status_code == 200:
                return
        pause.wait(0.05)
    raise AssertionError("the web app did not start")


def add_people(services: Services) -> dict[Role, str]:
    """One account of each role, named after it; returns their ids."""
    ids = {}
    for role in (Role.ADMIN, Role.EDITOR, Role.VIEWER):
        ids[role] = services.users.add(local_admin(), str(role), role, password=PASSWORD).id
    return ids


def call_event(client: httpx.Client, fn_index: int, data: list[Any], *, queued: bool) -> tuple[int, str]:
    """Call a Gradio event by its number, past the page: (status, what it said when it failed)."""
    import json

    session = secrets.token_hex(6)
    body = {"data": data, "fn_index": fn_index, "session_hash": session, "event_data": None, "trigger_id": None}
    if not queued:
        answer = client.post("/gradio_api/run/predict", json=body)
        return answer.status_code, answer.text
    answer = client.post("/gradio_api/queue/join", json=body)
    if answer.status_code != 200:
        return answer.status_code, answer.text
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            said = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
            if said.get("msg") == "process_completed":
                return (200 if said["success"] else 500), json.dumps(said["output"], ensure_ascii=False)
    return stream.status_code, ""


def actor_named(ids: dict[Role, str], role: Role) -> Actor:
    return Actor(ids[role], role)
