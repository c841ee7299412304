"""`python app.py` from start to end: what it says, and what it leaves running."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from studio.db import Database
from studio.jobs.tables import workers
from studio.settings import ROOT, Settings

_PATIENCE_S = 60


class Studio:
    """One `python app.py` on a free port and an empty home; `words` are what it has said so far."""

    def __init__(self, home: Path, *arguments: str, port: str = "0") -> None:
        own = {"STUDIO_HOME": str(home), "STUDIO_PORT": port, "STUDIO_STARTER": "false", "STUDIO_LANG": "en"}
        self.process = subprocess.Popen(
            [sys.executable, "app.py", *arguments],
            cwd=ROOT,
            env=os.environ | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._home = home
        self.worker: psutil.Process | None = None

    def wait_until_up(self) -> None:
        """The address was printed and the worker has entered itself."""
        assert self.process.stdout is not None
        assert "http://127.0.0.1:" in self.process.stdout.readline()
        db = Database(Settings(home=self._home).url)
        self.worker = psutil.Process(_patiently(lambda: _worker_pid(db)))
        db.close()

    def end(self, number: signal.Signals) -> str:
        """Its last words."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=_PATIENCE_S)[0]


def _worker_pid(db: Database) -> int | None:
    with db.read() as connection:
        return connection.execute(sa.select(workers.c.pid)).scalar()


def _patiently(ask: Callable[[], int | None]) -> int:
    pause, give_up = threading.Event(), time.monotonic() + _PATIENCE_S
    while not (found := ask()):
        assert time.monotonic() < give_up, "in vain"
        pause.wait(0.1)
    return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Studio]]:
    made: list[Studio] = []

    def run(*arguments: str, port: str = "0") -> Studio:
        made.append(Studio(tmp_path / "home", *arguments, port=port))
        return made[-1]

    yield run
    for studio in made:
        if studio.process.poll() is None:
            studio.process.kill()
            studio.process.wait(10)
        if studio.worker is not None and studio.worker.is_running():
            studio.worker.kill()
            studio.worker.wait(10)


def test_ctrl_c_ends_the_web_server_alone_and_says_what_goes_on(start: Callable[..., Studio]) -> None:
    studio = start()
    studio.wait_until_up()
    said = studio.end(signal.SIGINT)
    assert studio.process.returncode == 0
    assert "The web server has ended. 0 jobs go on" in said
    assert "Traceback" not in said
    assert studio.worker is not None
    assert studio.worker.is_running()


def test_in_the_foreground_the_worker_ends_with_the_web_server(start: Callable[..., Studio]) -> None:
    studio = start("--foreground")
    studio.wait_until_up()
    said = studio.end(signal.SIGTERM)
    assert studio.process.returncode == 0
    assert "the worker was asked to end with it. 0 jobs go on" in said
    assert studio.worker is not None
    studio.worker.wait(_PATIENCE_S)


def test_in_the_foreground_a_worker_that_has_just_begun_ends_as_well(start: Callable[..., Studio], tmp_path: Path) -> None:
    studio = start("--foreground")
    assert studio.process.stdout is not None
    assert "http://127.0.0.1:" in studio.process.stdout.readline()
    _patiently(lambda: len(_workers_of(tmp_path / "home")))
    studio.end(signal.SIGINT)
    assert studio.process.returncode == 0
    _, alive = psutil.wait_procs(_workers_of(tmp_path / "home"), _PATIENCE_S)
    for process in alive:
        process.kill()
    assert alive == []


def _workers_of(home: Path) -> list[psutil.Process]:
    """By what they were started with: a young one is on no list yet."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        told = process.info["environ"] or {}
        if "studio.processes.worker" in (process.info["cmdline"] or []) and told.get("STUDIO_HOME") == str(home):
            found.append(process)
    return found


def test_a_port_in_use_is_a_plain_message(start: Callable[..., Studio]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = start(port=port).process.communicate(timeout=_PATIENCE_S)[0]
    assert said == f"Port {port} is in use. Stop what uses it, or set STUDIO_PORT to another one.\n"
