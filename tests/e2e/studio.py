"""A studio started as a person starts it, in a home of its own, and ended with everything it started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from playwright.sync_api import Page, expect

from studio.access import Actor, local_admin
from studio.jobs.processes import is_alive
from studio.services import Services, build_services
from studio.settings import ROOT, Settings

_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/")


class StudioServer:
    """`python app.py` on a free port. `services` look at the same home from the test's process."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self._environment = environment
        self._lines: list[str] = []
        self._up = threading.Event()
        self.address = ""
        self.port = "0"
        self._process: subprocess.Popen[str] | None = None

    @property
    def actor(self) -> Actor:
        return local_admin()

    def services(self) -> Services:
        return build_services(Settings(home=self.home))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def start(self) -> None:
        self._up.clear()
        environment = os.environ | {"STUDIO_HOME": str(self.home), "STUDIO_PORT": self.port, "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=ROOT,
            env=environment | self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        assert self._up.wait(90), "the studio did not start:\n" + "".join(self._lines)
        self.port = self.address.rsplit(":", 1)[1].strip("/")

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.append(line)
            if found := _ADDRESS.search(line):
                self.address = found.group(0)
                self._up.set()

    @property
    def log(self) -> str:
        return "".join(self._lines)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill_web(self) -> None:
        """As a crash would: only the web process, without a chance to say good-bye."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """End web server, jobs and worker of this home: only processes that it started, by pid and creation time."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pid, created in self._children():
            if is_alive(pid, created):
                victim = psutil.Process(pid)
                victim.kill()
                psutil.wait_procs([victim], timeout=10)

    def _children(self) -> list[tuple[int, str | None]]:
        """The worker first, so that it starts nothing more."""
        import sqlalchemy as sa

        from studio.jobs.tables import jobs, workers

        services = self.services()
        found: list[tuple[int, str | None]] = []
        with services.db.read() as connection:
            for table in (workers, jobs):
                rows = connection.execute(sa.select(table.c.pid, table.c.pid_created).where(table.c.pid.is_not(None)))
                found += [(row.pid, row.pid_created) for row in rows]
        services.close()
        return found


def start_short_run(page: Page, studio: StudioServer, *, steps: int = 10) -> None:
    """Start a run of small steps through the Train tab, by a double click, and see it."""
    page.goto(f"{studio.address}?tab=train")
    expect(page.locator("#plan .tiles")).to_be_visible()
    page.locator("#train-advanced button").first.click()
    for name, value in (("per-device-batch-size", "4"), ("evaluations", "2"), ("max-steps", str(steps))):
        field = page.locator(f"#field-{name} input[type=number]")
        field.fill(value)
        field.press("Tab")
    expect(page.locator("#plan")).to_contain_text(str(steps))
    page.locator("#train-start").dblclick()
    expect(page.locator("#run-state")).to_be_visible()
