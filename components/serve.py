"""Runs the product: database brought up to date, web server first, then the worker and the starter model."""

from __future__ import annotations

import socket
import sys
import threading

import uvicorn

from studio.access import local_admin
from studio.errors import ConfigError, StudioError
from studio.jobs.launch import keep_worker, start_worker
from studio.services import Services, build_services
from studio.settings import Settings, load_settings
from studio.text import error_text, text

__all__ = ["serve"]


def serve() -> int:
    """Serve until Ctrl-C; returns the exit status. Trainings go on afterwards: the worker is a process of its own."""
    settings = load_settings().ready()
    try:
        with _listener(settings) as listener:
            services = build_services(settings)
            services.db.migrate(settings)
            services.data.recover()
            return _run(services, listener)
    except StudioError as error:
        print(error_text(settings.lang, error), file=sys.stderr)
        return 1


def _listener(settings: Settings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port))
    except OSError as error:
        raise ConfigError("error.web.port_taken", port=str(settings.port)) from error


def _run(services: Services, listener: socket.socket) -> int:
    from components.web import build_web  # Gradio's import is the longest part of a start: errors above come before it

    settings = services.settings
    config = uvicorn.Config(build_web(services), log_level="warning", timeout_graceful_shutdown=3)
    server = _Server(config)
    port = listener.getsockname()[1]
    ended = threading.Event()
    server.when_up = lambda: _open_for_business(services, f"http://{settings.host}:{port}/", ended)
    server.run(sockets=[listener])
    ended.set()
    active = [job for job in services.jobs.active(local_admin()) if job.is_active]
    print(text(settings.lang, "cli.web_ended", n=len(active)))
    services.close()
    return 0


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def when_up(self) -> None: ...

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        threading.Thread(target=self.when_up, daemon=True).start()


def _open_for_business(services: Services, url: str, ended: threading.Event) -> None:
    """In a thread of its own, until the server has ended: the worker is started, and again whenever somebody kills it."""
    print(text(services.settings.lang, "cli.address", url=url), flush=True)
    if not services.jobs.worker_alive(local_admin()):
        start_worker(services.settings)
    if services.settings.starter:
        services.models.ensure_starter(local_admin())
    keep_worker(services.settings, services.db, ended)
