"""The worker: owns leases, starts jobs in process groups of their own, takes in their events, and sees them end.

It holds no truth. Everything it knows of a job is in the database and the job's folder, so a new worker on the same host
goes on with the jobs of a dead one: it knows them by (host, pid, creation time of the process).
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime, timedelta
from typing import Any

import psutil
import sqlalchemy as sa

from studio.db import Database
from studio.errors import JobError, StudioError
from studio.ids import new_id, now
from studio.jobs.ingest import ingest
from studio.jobs.kinds import JobClass
from studio.jobs.queue import ACTIVE, Job, end_job, job_of_row, select_jobs
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import jobs, workers
from studio.settings import ROOT, Settings

__all__ = ["Worker", "process_created"]

log = logging.getLogger("studio.worker")

_LEASE = timedelta(seconds=30)
_HEARTBEAT_S = 5.0
_LOOK_S = 0.4
_LIGHT_SLOTS = 2
_DEVICE_SLOTS = 1  # one at a time, also on a machine of several cards: a job does not yet hear which card is its own
_ENGINE_SLOTS = 4

#: How long a job may take to end after it was asked to: a training saves a checkpoint first.
_GRACE: dict[JobClass, timedelta] = {
    "light": timedelta(seconds=15),
    "device": timedelta(seconds=180),
    "engine": timedelta(seconds=15),
}


def process_created(pid: int) -> float | None:
    """When the process with this pid was created; None when there is none (a zombie is none)."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


class Worker:
    """One per host and home. `run()` returns when somebody asked it to stop."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._host = socket.gethostname()
        self._id = new_id("wrk")
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = False
        self._next_heartbeat = 0.0

    # 1 Life of the worker

    def run(self) -> None:
        """Raises JobError when another worker of this host serves the same home."""
        lock = (self._settings.folder("tmp") / f"worker-{self._host}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JobError("error.job.second_worker", host=self._host) from None
        with lock:
            self._enter()
            try:
                while not self._stopping:
                    self.look()
                    time.sleep(_LOOK_S)
            finally:
                self._leave()

    def stop(self) -> None:
        self._stopping = True

    def _enter(self) -> None:
        pid = os.getpid()
        with self._db.write() as connection:
            connection.execute(workers.delete().where(workers.c.host == self._host))
            connection.execute(
                workers.insert().values(
                    id=self._id,
                    host=self._host,
                    pid=pid,
                    pid_created=process_created(pid),
                    started_at=now(),
                    lease_until=now() + _LEASE,
                )
            )
        log.info("worker %s serves %s", self._id, self._settings.home)

    def _leave(self) -> None:
        with self._db.write() as connection:
            connection.execute(workers.delete().where(workers.c.id == self._id))
        log.info("worker %s ends; running jobs go on", self._id)

    def look(self) -> None:
        """One round: heartbeat, jobs that run, jobs that wait."""
        moment = time.monotonic()
        beats = moment >= self._next_heartbeat
        if beats:
            self._next_heartbeat = moment + _HEARTBEAT_S
            self._beat()
        for job in self._own_jobs():
            try:
                self._watch(job, beats)
            except Exception:
                # One job's broken folder must not take the others down with it.
                log.exception("job %s could not be watched", job.id)
        self._start_waiting()

    def _beat(self) -> None:
        with self._db.write() as connection:
            connection.execute(workers.update().where(workers.c.id == self._id).values(lease_until=now() + _LEASE))
        with self._db.read() as connection:
            query = sa.select(workers.c.stop_requested_at).where(workers.c.id == self._id)
            if connection.execute(query).scalar() is not None:
                self.stop()

    # 2 Jobs that run

    def _own_jobs(self) -> list[Job]:
        query = select_jobs().where(jobs.c.state.in_(ACTIVE), jobs.c.host == self._host)
        with self._db.read() as connection:
            return [job_of_row(row) for row in connection.execute(query).mappings()]

    def _watch(self, job: Job, beats: bool) -> None:
        alive = self._is_alive(job)  # asked before the events are read: what it wrote last is then taken in
        try:
            ingest(self._db, self._settings, job)
        except (ValueError, KeyError):  # a line that is no event hides what follows it, but not that the job has ended
            log.exception("job %s has a broken event file", job.id)
        if not alive:
            self._settle(job)
            return
        if beats:
            with self._db.write() as connection:
                connection.execute(jobs.update().where(jobs.c.id == job.id).values(lease_until=now() + _LEASE))
        if job.stop_requested_at is not None:
            self._stop_job(job, job.stop_requested_at)

    def _is_alive(self, job: Job) -> bool:
        child = self._children.get(job.id)
        if child is not None:
            return child.poll() is None
        if job.pid is None or job.pid_created is None:
            return False
        created = process_created(job.pid)
        return created is not None and abs(created - job.pid_created) < 1.0

    def _stop_job(self, job: Job, asked_at: datetime) -> None:
        """First a signal that the job may answer by saving; after the grace its whole process group is killed."""
        assert job.pid is not None
        late = now() - asked_at > _GRACE[job.job_class]
        if job.state != "stopping":
            os.killpg(job.pid, signal.SIGTERM)
            with self._db.write() as connection:
                connection.execute(jobs.update().where(jobs.c.id == job.id).values(state="stopping"))
        elif late:
            log.warning("job %s did not stop in time and is killed", job.id)
            os.killpg(job.pid, signal.SIGKILL)

    def _settle(self, job: Job) -> None:
        """Write how a job whose process is gone has ended, by the result it left."""
        self._children.pop(job.id, None)
        result = RunFolder(self._settings.home / job.folder).read_result()
        with self._db.write() as connection:
            if result is not None and result["attempt"] == job.attempt:
                end_job(connection, job, result["state"], result=result.get("result"), error=result.get("error"))
            elif job.stop_requested_at is not None:
                end_job(connection, job, "stopped")
            else:
                end_job(connection, job, "failed", error=JobError("error.job.died", log=f"{job.folder}/log.txt"))
        log.info("job %s ended", job.id)

    # 3 Jobs that wait

    def _start_waiting(self) -> None:
        for job_class, slots in (
            ("light", _LIGHT_SLOTS),
            ("device", _DEVICE_SLOTS),
            ("engine", _ENGINE_SLOTS),
        ):
            while (job := self._claim(job_class, slots)) is not None:
                self._start(job)

    def _claim(self, job_class: str, slots: int) -> Job | None:
        """Take the oldest waiting job of a class when one of its slots is free."""
        waiting = (
            select_jobs()
            .where(jobs.c.state == "queued", jobs.c.job_class == job_class)
            .order_by(jobs.c.created_at, jobs.c.id)
            .limit(1)
        )
        with self._db.read() as connection:
            if connection.execute(waiting).first() is None:
                return None
        busy = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state.in_(ACTIVE), jobs.c.job_class == job_class)
        with self._db.write() as connection:
            if (connection.execute(busy).scalar() or 0) >= slots:
                return None
            row = connection.execute(waiting).mappings().first()
            if row is None:
                return None
            connection.execute(
                jobs.update()
                .where(jobs.c.id == row["id"])
                .values(
                    state="starting",
                    attempt=row["attempt"] + 1,
                    worker_id=self._id,
                    host=self._host,
                    started_at=now(),
                    lease_until=now() + _LEASE,
                )
            )
            claimed = connection.execute(select_jobs().where(jobs.c.id == row["id"])).mappings().one()
        return job_of_row(claimed)

    def _start(self, job: Job) -> None:
        folder = RunFolder(self._settings.home / job.folder)
        try:
            folder.create(job.spec)
            with folder.log_file.open("ab") as log_file:
                child = subprocess.Popen(
                    [sys.executable, "-m", "studio.processes.job", job.id],
                    cwd=ROOT,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log_file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # a process group of its own: it outlives the worker and ends as a whole
                )
        except OSError as error:
            with self._db.write() as connection:
                failure = StudioError("error.job.not_started", reason=str(error))
                end_job(connection, job, "failed", error=failure)
            return
        self._children[job.id] = child
        with self._db.write() as connection:
            values = {"pid": child.pid, "pid_created": process_created(child.pid)}
            connection.execute(jobs.update().where(jobs.c.id == job.id).values(**values))
        log.info("job %s (%s) started as pid %s", job.id, job.kind, child.pid)

    def _environment(self) -> dict[str, Any]:
        return os.environ | {
            "STUDIO_HOME": str(self._settings.home),
            "PYTHONUNBUFFERED": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
