"""Starts the processes that outlive whoever started them: the worker, and the jobs of a worker."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from typing import Protocol

from studio.db import Database
from studio.errors import StudioError
from studio.ids import now
from studio.jobs.processes import host_name
from studio.jobs.queue import Job, has_worker, was_killed
from studio.jobs.resources import Device
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import workers
from studio.settings import ROOT, Settings

__all__ = ["Child", "end_worker", "keep_worker", "start_job", "start_worker"]

log = logging.getLogger("studio.launch")

#: Seconds between two looks after the worker.
_LOOK_S = 3.0


class Child(Protocol):
    """A process that this one started: its pid, its exit status once it has ended, and the wish that it end."""

    pid: int

    def poll(self) -> int | None: ...

    def terminate(self) -> None: ...


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


def start_job(settings: Settings, job: Job, device: Device | None = None) -> Child:
    """One attempt of a job in a process group of its own: it outlives the worker and ends as a whole. Of several cards it sees
    the one that is its `device`.

    Raises OSError when no process can be started or the job's log cannot be opened.
    """
    with RunFolder(settings.home / job.folder).log_file.open("ab") as log_file:
        return subprocess.Popen(
            [sys.executable, "-m", "studio.processes.job", job.id, str(job.attempt)],
            cwd=ROOT,
            env=_environment(settings) | _of_device(device) | {"TOKENIZERS_PARALLELISM": "false"},
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _of_device(device: Device | None) -> dict[str, str]:
    """CUDA counts cards by speed unless told to count as the driver does, whose numbers `Device.index` are."""
    if device is None or device.kind != "cuda":
        return {}
    return {"CUDA_VISIBLE_DEVICES": str(device.index), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def _environment(settings: Settings) -> dict[str, str]:
    return os.environ | {"STUDIO_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"}


def end_worker(db: Database) -> None:
    """Ask this host's worker to end, at its next heartbeat; what it started goes on, and the next worker finds it again.

    Workers of other hosts that serve the same database are left alone.
    """
    here = workers.c.host == host_name(), workers.c.stop_requested_at.is_(None)
    with db.write() as connection:
        connection.execute(workers.update().where(*here).values(stop_requested_at=now()))


def keep_worker(settings: Settings, db: Database, ended: threading.Event, *, foreground: bool = False) -> None:
    """Start a worker where there is none, and again whenever it was killed, until `ended` is set.

    One that was asked to end has taken its name off the list, and is not started again. In the `foreground` the worker that
    was started here ends with it, also when it is too young to be on the list.
    """
    child: Child | None = None
    wanted: bool | None = None  # not known yet
    while not ended.is_set():
        try:
            if wanted is None:
                wanted = _is_missing(db)
            if wanted:
                child, wanted = start_worker(settings), False
            ended.wait(_LOOK_S)
            status = 0 if child is None else child.poll()
            # Killed while it served, or ended by a fault before it could enter itself (a locked database, say).
            wanted = status is not None and (_was_killed(db) or (status != 0 and _is_missing(db)))
            if wanted:
                log.warning("the worker was killed; another one starts")
        except (StudioError, OSError):
            log.exception("the worker could not be looked after; next try in %s s", _LOOK_S)
            ended.wait(_LOOK_S)
    if foreground and child is not None:
        child.terminate()


def _is_missing(db: Database) -> bool:
    with db.read() as connection:
        return not has_worker(connection)


def _was_killed(db: Database) -> bool:
    with db.read() as connection:
        return was_killed(connection)
