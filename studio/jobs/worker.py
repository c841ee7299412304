"""The worker: owns leases, starts jobs in process groups of their own, takes in their events, and sees them end.

It holds no truth. Everything it knows of a job is in the database and the job's folder, so a new worker on the same host
goes on with the jobs of a dead one: it knows them by (host, pid, creation of the process). What it measures, it measures
by the monotonic clock; a wall clock that jumps changes no decision.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from studio.db import Database
from studio.errors import JobError, StudioError
from studio.ids import new_id, now
from studio.jobs.ingest import ingest
from studio.jobs.kinds import JobClass, kind_of
from studio.jobs.launch import Child, start_job
from studio.jobs.processes import host_name, is_alive, myself
from studio.jobs.queue import ACTIVE, ATTEMPTS, Job, end_job, job_of_row, requeue_job, select_jobs, waiting_jobs
from studio.jobs.resources import Device, devices, free_disk_bytes, oom_kills
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import jobs, workers
from studio.settings import Settings

__all__ = ["Worker"]

log = logging.getLogger("studio.worker")

_LEASE = timedelta(seconds=30)
_HEARTBEAT_S = 5.0
_LOOK_S = 0.4
_LIGHT_SLOTS = 2
_ENGINE_SLOTS = 4

#: Seconds that a job may take to end after it was asked to: a training saves a checkpoint first.
_GRACE_S: dict[JobClass, float] = {"light": 15.0, "device": 180.0, "engine": 15.0}

#: A job of another host whose lease nobody renewed for so many seconds is lost (CONTRACTS 4).
_LOST_S = 600.0

#: With less free than this, a process that ended without a word could not write why.
_FULL_DISK_BYTES = 1_000_000

#: Errors after which a job may be tried once more, if its kind knows how to ask for less.
_NO_MEMORY = ("error.job.out_of_memory", "error.job.killed_for_memory")

Launch = Callable[[Settings, Job, Device | None], Child]


class Worker:
    """One per host and home. `run()` returns when somebody asked it to stop. Each device is a slot for one job at a time."""

    def __init__(
        self,
        db: Database,
        settings: Settings,
        launch: Launch = start_job,
        devices_of: Callable[[Settings], tuple[Device, ...]] = devices,
    ) -> None:
        self._db = db
        self._settings = settings
        self._launch = launch
        self._devices = devices_of(settings)
        self._host = host_name()
        self._id = new_id("wrk")
        self._stopping = False
        self._next_heartbeat = 0.0
        # By job. None of it is needed after a restart of the worker.
        self._children: dict[str, Child] = {}
        self._asked: dict[str, float] = {}  # when it was sent the signal to stop, by the monotonic clock
        self._kills: dict[str, int] = {}  # processes that the system had killed for memory when it began
        self._leases: dict[str, tuple[datetime | None, float]] = {}  # other hosts': the lease, and since when it is seen

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
                    try:
                        self.look()
                    except StudioError:
                        # A locked database, a full disk: it passes, and nothing is lost meanwhile.
                        log.exception("this look failed; the next one follows")
                    time.sleep(_LOOK_S)
            finally:
                self._leave()

    def stop(self) -> None:
        self._stopping = True

    def _enter(self) -> None:
        pid, pid_created = myself()
        with self._db.write() as connection:
            connection.execute(workers.delete().where(workers.c.host == self._host))
            connection.execute(
                workers.insert().values(
                    id=self._id,
                    host=self._host,
                    pid=pid,
                    pid_created=pid_created,
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
            self._beat()
            self._next_heartbeat = moment + _HEARTBEAT_S
        for job in self._active_jobs():
            try:
                if job.host == self._host:
                    self._watch(job, beats)
                else:
                    self._look_for_lease(job, moment)
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

    def _active_jobs(self) -> list[Job]:
        with self._db.read() as connection:
            return [job_of_row(row) for row in connection.execute(select_jobs().where(jobs.c.state.in_(ACTIVE))).mappings()]

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
        if job.stop_requested_at is not None and job.pid is not None:
            self._stop_job(job, job.pid)

    def _is_alive(self, job: Job) -> bool:
        child = self._children.get(job.id)
        runs = child is not None and child.poll() is None
        if job.pid is None:
            return runs  # on its way: a process enters its own pid
        return is_alive(job.pid, job.pid_created)

    def _stop_job(self, job: Job, pid: int) -> None:
        """First a signal that the job may answer by saving; after the grace its whole process group is killed."""
        moment = time.monotonic()
        if job.id not in self._asked:
            with self._db.write() as connection:
                this = jobs.update().where(jobs.c.id == job.id, jobs.c.attempt == job.attempt, jobs.c.state.in_(ACTIVE))
                connection.execute(this.values(state="stopping"))
            self._asked[job.id] = moment
            _signal_group(pid, signal.SIGTERM)
        elif moment - self._asked[job.id] > _GRACE_S[job.job_class]:
            log.warning("job %s did not stop in time and is killed", job.id)
            _signal_group(pid, signal.SIGKILL)

    def _settle(self, job: Job) -> None:
        """Write how a job whose process is gone has ended, by the result it left; or let it go on when it left none."""
        child = self._children.get(job.id)
        result = self._result(job)
        error = self._why_no_further(job) if result is None else None
        eased = self._asks_for_less(job, result["error"] if result is not None else error.as_dict() if error else None)
        with self._db.write() as connection:
            if eased:
                requeue_job(connection, job, deaths=job.deaths)
                ended: str = "short of memory; it goes on with less"
            elif result is not None:
                end_job(connection, job, result["state"], result=result.get("result"), error=result.get("error"))
                ended = result["state"]
            elif job.stop_requested_at is not None:
                end_job(connection, job, "stopped")
                ended = "stopped"
            elif job.pid is None and child is None:
                requeue_job(connection, job, deaths=job.deaths)  # its worker died before the process entered itself
                ended = "not begun; it is next"
            elif error is not None:
                end_job(connection, job, "failed", error=error)
                ended = "failed"
            else:
                requeue_job(connection, job, deaths=job.deaths + 1)
                ended = "died; it goes on"
        for kept in (self._children, self._asked, self._kills):
            kept.pop(job.id, None)
        log.info("job %s, attempt %d: %s", job.id, job.attempt, ended)

    def _asks_for_less(self, job: Job, error: dict[str, Any] | None) -> bool:
        """Whether memory was not enough and the job's kind knows what to leave out."""
        if error is None or error["key"] not in _NO_MEMORY or job.stop_requested_at is not None:
            return False
        try:
            return kind_of(job.kind).asks_for_less(RunFolder(self._settings.home / job.folder), self._settings)
        except Exception:  # whatever is wrong with the remedy, the job has ended
            log.exception("job %s could not be made to ask for less", job.id)
            return False

    def _result(self, job: Job) -> dict[str, Any] | None:
        """What this attempt left. A file that cannot be read counts as none: the attempt is done again."""
        try:
            result = RunFolder(self._settings.home / job.folder).read_result()
        except ValueError:
            log.exception("job %s has a broken result file", job.id)
            return None
        return result if result is not None and result["attempt"] == job.attempt else None

    def _why_no_further(self, job: Job) -> StudioError | None:
        """Why a job that died is not started again by itself; None when it is."""
        if oom_kills() > self._kills.get(job.id, oom_kills()):
            return JobError("error.job.killed_for_memory")
        free = free_disk_bytes(self._settings.home)
        if free < _FULL_DISK_BYTES:
            return JobError("error.job.disk_full", free_bytes=free)
        if kind_of(job.kind).restarts and job.deaths + 1 < ATTEMPTS:
            return None
        return JobError("error.job.died", n=job.deaths + 1, log=f"{job.folder}/log.txt")

    def _look_for_lease(self, job: Job, moment: float) -> None:
        """Another host's job is lost when its lease has not been renewed for long, as this worker's own clock measures it."""
        lease, since = self._leases.get(job.id, (None, moment))
        if lease != job.lease_until:
            self._leases[job.id] = (job.lease_until, moment)
        elif moment - since > _LOST_S:
            with self._db.write() as connection:
                end_job(connection, job, "lost", error=JobError("error.job.lost", host=str(job.host)))
            del self._leases[job.id]
            log.warning("job %s of host %s is lost", job.id, job.host)

    # 3 Jobs that wait

    def _start_waiting(self) -> None:
        classes: tuple[tuple[JobClass, int], ...] = (
            ("light", _LIGHT_SLOTS),
            ("device", len(self._devices)),
            ("engine", _ENGINE_SLOTS),
        )
        for job_class, slots in classes:
            while (job := self._claim(job_class, slots)) is not None:
                self._start(job)

    def _claim(self, job_class: JobClass, slots: int) -> Job | None:
        """Take the waiting job of a class that comes first when one of its slots is free."""
        waiting = waiting_jobs(job_class).where(jobs.c.state == "queued").limit(1)
        with self._db.read() as connection:
            if connection.execute(waiting).first() is None:
                return None
        of_class = sa.and_(jobs.c.state.in_(ACTIVE), jobs.c.job_class == job_class, jobs.c.host == self._host)
        with self._db.write() as connection:
            busy = connection.execute(sa.select(jobs.c.slot).where(of_class)).scalars().all()
            if len(busy) >= slots:
                return None
            slot = next(number for number in range(slots) if number not in busy)
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
                    slot=slot,
                    device=self._devices[slot].name if job_class == "device" else None,
                    host=self._host,
                    pid=None,
                    pid_created=None,
                    started_at=now(),
                    lease_until=now() + _LEASE,
                )
            )
            claimed = connection.execute(select_jobs().where(jobs.c.id == row["id"])).mappings().one()
        return job_of_row(claimed)

    def _start(self, job: Job) -> None:
        try:
            RunFolder(self._settings.home / job.folder).create(job.spec)
            child = self._launch(self._settings, job, self._device_of(job))
        except OSError as error:
            with self._db.write() as connection:
                end_job(connection, job, "failed", error=StudioError("error.job.not_started", reason=str(error)))
            return
        self._children[job.id] = child
        self._kills[job.id] = oom_kills()
        log.info("job %s (%s), attempt %d: started as pid %s", job.id, job.kind, job.attempt, child.pid)

    def _device_of(self, job: Job) -> Device | None:
        return self._devices[job.slot] if job.job_class == "device" and job.slot is not None else None


def _signal_group(pid: int, number: signal.Signals) -> None:
    """To a process that was alive a moment ago and leads its own group; one that has just ended needs no signal."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
