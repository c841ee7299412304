"""Runs the product: database brought up to date, web server first, then the worker and the starter model."""

from __future__ import annotations

import argparse
import gc
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence

import uvicorn

from studio.access import local_admin
from studio.errors import ConfigError, StudioError
from studio.jobs.launch import end_worker, keep_worker
from studio.services import Services, build_services
from studio.settings import Settings, is_loopback, load_settings
from studio.text import error_text, text

__all__ = ["serve"]


#: Seconds that the thread which looks after the worker is waited for.
_LAST_LOOK_S = 5.0


def serve(arguments: Sequence[str] = ()) -> int:
    """Serve until Ctrl-C or SIGTERM; returns the exit status.

    The worker is a process of its own and goes on afterwards; with `--foreground` it is asked to end too. Trainings go on
    in both cases.
    """
    settings = load_settings().ready()
    options = _options(settings, arguments)
    try:
        with _listener(settings) as listener:
            services = build_services(settings)
            services.db.migrate(settings)
            _require_admin(services, share=options.share)
            services.data.recover()
            return _run(services, listener, foreground=options.foreground, share=options.share)
    except StudioError as error:
        print(error_text(settings.lang, error), file=sys.stderr)
        return 1


def _options(settings: Settings, arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="app.py", description="Finetune Studio")
    parser.add_argument("--foreground", action="store_true", help=text(settings.lang, "cli.foreground.help"))
    parser.add_argument("--share", action="store_true", help=text(settings.lang, "cli.share.help"))
    return parser.parse_args(arguments)


def _require_admin(services: Services, *, share: bool) -> None:
    """Raises ConfigError when others could come in while nobody here has a password."""
    host = services.settings.host
    if (share or not is_loopback(host)) and services.users.is_open():
        raise ConfigError("error.door.needs_admin", field="host", host="--share" if share else host)


def _listener(settings: Settings) -> socket.socket:
    try:
        listener = socket.create_server((settings.host, settings.port))
    except OSError as error:
        raise ConfigError("error.web.port_taken", port=str(settings.port)) from error
    # asyncio sets this only on sockets that name their protocol, which these do not: a body would wait 40 ms behind its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _run(services: Services, listener: socket.socket, *, foreground: bool, share: bool) -> int:
    # Gradio's import is the longest part of a start: errors above come before it
    from components.tunnel import Tunnel
    from components.web import build_web

    settings = services.settings
    web = build_web(services)
    # No access log: addresses may carry the tokens of links.
    config = uvicorn.Config(web, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=3)
    server = _Server(config)
    port = listener.getsockname()[1]
    open_tunnel = Tunnel(web.state.door, settings, port).open if share else None
    ended = threading.Event()
    business = threading.Thread(
        target=_open_for_business,
        args=(services, f"http://{settings.host}:{port}/", ended),
        kwargs={"foreground": foreground, "open_tunnel": open_tunnel},
        daemon=True,
    )
    server.when_up = business.start
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn ends by them in its own way and then raises them once more, which would end this process without a word.
        signal.signal(number, lambda *_: None)
    gc.freeze()
    gc.enable()
    server.run(sockets=[listener])
    ended.set()
    if business.is_alive():
        business.join(_LAST_LOOK_S)
    _say_farewell(services, foreground=foreground)
    services.close()
    return 0


def _say_farewell(services: Services, *, foreground: bool) -> None:
    n = sum(job.is_active for job in services.jobs.active(local_admin()))
    if foreground:
        end_worker(services.db)
    print(text(services.settings.lang, "cli.both_ended" if foreground else "cli.web_ended", n=n), flush=True)


class _Server(uvicorn.Server):
    """Tells when it answers; what it calls may not take long."""

    def when_up(self) -> None: ...

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.when_up()


def _open_for_business(
    services: Services, url: str, ended: threading.Event, *, foreground: bool, open_tunnel: Callable[[], None] | None
) -> None:
    """In a thread of its own, until the server has ended: the worker is started, and again whenever somebody kills it."""
    lang = services.settings.lang
    print(text(lang, "cli.address", url=url), flush=True)
    if services.users.is_open():
        print(text(lang, "cli.no_login"), flush=True)
    if open_tunnel is not None:
        open_tunnel()
    if services.settings.starter:
        services.models.ensure_starter(local_admin())
    services.storage.clean_later(local_admin())
    keep_worker(services.settings, services.db, ended, foreground=foreground)
