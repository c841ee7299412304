"""Starts the processes that outlive whoever started them: the worker, and the jobs of a worker."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from typing import Protocol

import sqlalchemy as sa

from studio.db import Database
from studio.errors import StudioError
from studio.jobs.processes import host_name, is_alive
from studio.jobs.queue import Job
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import workers
from studio.settings import ROOT, Settings

__all__ = ["Child", "keep_worker", "start_job", "start_worker", "worker_died"]

log = logging.getLogger("studio.launch")

#: Seconds between two looks after the worker.
_LOOK_S = 3.0


class Child(Protocol):
    """A process that this one started: its pid, and its exit status once it has ended."""

    pid: int

    def poll(self) -> int | None: ...


def start_worker(settings: Settings) -> Child:
    """When a worker serves this home already, the new one says so in the log and ends by itself."""
    with (settings.folder("jobs") / "worker.log").open("ab") as log_file:
        return subprocess.Popen(
            [sys.executable, "-m", "studio.processes.worker"],
            cwd=ROOT,
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def start_job(settings: Settings, job: Job) -> Child:
    """One attempt of a job in a process group of its own: it outlives the worker and ends as a whole.

    Raises OSError when no process can be started or the job's log cannot be opened.
    """
    with RunFolder(settings.home / job.folder).log_file.open("ab") as log_file:
        return subprocess.Popen(
            [sys.executable, "-m", "studio.processes.job", job.id, str(job.attempt)],
            cwd=ROOT,
            env=_environment(settings) | {"TOKENIZERS_PARALLELISM": "false"},
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _environment(settings: Settings) -> dict[str, str]:
    return os.environ | {"STUDIO_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"}


def worker_died(db: Database) -> bool:
    """Whether this host's worker was killed. One that was asked to end has taken its name off the list, and is left alone."""
    with db.read() as connection:
        rows = connection.execute(sa.select(workers).where(workers.c.host == host_name())).all()
    return any(row.stop_requested_at is None and not is_alive(row.pid, row.pid_created) for row in rows)


def keep_worker(settings: Settings, db: Database, ended: threading.Event) -> None:
    """Start a worker again whenever it was killed, until `ended` is set."""
    child: Child | None = None
    while not ended.wait(_LOOK_S):
        try:
            if (child is None or child.poll() is not None) and worker_died(db):
                log.warning("the worker was killed; another one starts")
                child = start_worker(settings)
        except (StudioError, OSError):
            log.exception("the worker could not be looked after; next try in %s s", _LOOK_S)
