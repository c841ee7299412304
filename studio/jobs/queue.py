"""The queue: jobs in the database, their states, and the only functions that change them.

    queued ─► starting ─► running ─► (stopping) ─► finished | stopped | failed | lost
       └─► stopped (before it began)      paused: only while queued
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from studio.access import Actor, allows
from studio.db import Database
from studio.errors import JobError, NotFoundError, StudioError
from studio.ids import new_id, now
from studio.jobs.kinds import JobClass, kind_of
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import events, jobs, workers
from studio.settings import Settings

__all__ = ["ACTIVE", "ENDED", "Job", "JobService", "JobState", "end_job", "insert_job", "job_of_row"]

JobState = Literal["queued", "paused", "starting", "running", "stopping", "finished", "stopped", "failed", "lost"]
ACTIVE: tuple[JobState, ...] = ("starting", "running", "stopping")
ENDED: tuple[JobState, ...] = ("finished", "stopped", "failed", "lost")


@dataclass(frozen=True)
class Job:
    """One execution as the database knows it. `done / total` count `unit`s; `eta_s` is in seconds."""

    id: str
    kind: str
    job_class: JobClass
    state: JobState
    name: str
    spec: dict[str, Any]
    folder: str
    run_id: str | None
    author: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    attempt: int
    stop_requested_at: datetime | None
    host: str | None
    pid: int | None
    pid_created: float | None
    ingested_seq: int
    ingested_bytes: int
    phase: str | None
    done: float | None
    total: float | None
    unit: str | None
    eta_s: float | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def share_done(self) -> float:
        """Progress in [0, 1]; 0 while nothing is known."""
        return min(1.0, self.done / self.total) if self.done is not None and self.total else 0.0


_JOB_COLUMNS = [jobs.c[name] for name in Job.__dataclass_fields__]


def job_of_row(row: RowMapping) -> Job:
    return Job(**{name: row[name] for name in Job.__dataclass_fields__})


def select_jobs() -> sa.Select[Any]:
    return sa.select(*_JOB_COLUMNS)


def insert_job(
    connection: Connection,
    *,
    spec: dict[str, Any],
    name: str,
    author: str,
    request_id: str | None = None,
    run_id: str | None = None,
) -> str:
    """Queue a job inside the caller's transaction and return its id.

    The same `request_id` gives the job that is there already: a double click is one job.
    """
    kind = kind_of(spec["kind"])
    if request_id is not None:
        known = connection.execute(sa.select(jobs.c.id).where(jobs.c.request_id == request_id)).scalar()
        if known is not None:
            return cast("str", known)
    job_id = new_id("job")
    connection.execute(
        jobs.insert().values(
            id=job_id,
            kind=kind.name,
            job_class=kind.job_class,
            state="queued",
            name=name,
            spec=spec,
            folder=f"runs/{run_id}" if run_id else f"jobs/{job_id}",
            run_id=run_id,
            request_id=request_id,
            author=author,
            created_at=now(),
            attempt=0,
            ingested_seq=0,
            ingested_bytes=0,
        )
    )
    return job_id


def end_job(
    connection: Connection,
    job: Job,
    state: JobState,
    *,
    result: dict[str, Any] | None = None,
    error: StudioError | dict[str, Any] | None = None,
) -> None:
    """Write a job's last state; what its spec names under `then` is queued in the same transaction."""
    ended = connection.execute(
        jobs.update()
        .where(jobs.c.id == job.id, jobs.c.state.not_in(ENDED))
        .values(
            state=state,
            ended_at=now(),
            eta_s=None,
            result=result,
            error=error.as_dict() if isinstance(error, StudioError) else error,
        )
    )
    if state == "finished" and ended.rowcount:
        for number, follower in enumerate(job.spec.get("then", ())):
            insert_job(
                connection, spec=follower, name=job.name, author=job.author, request_id=f"{job.id}.then.{number}"
            )


class JobService:
    """What people may do with jobs."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    @allows("job.read")
    def get(self, actor: Actor, job_id: str) -> Job:
        with self._db.read() as connection:
            row = connection.execute(select_jobs().where(jobs.c.id == job_id)).mappings().first()
        if row is None:
            raise NotFoundError("error.job.unknown", job=job_id)
        return job_of_row(row)

    @allows("job.read")
    def active(self, actor: Actor) -> list[Job]:
        """Jobs that run or wait, engines left out, oldest first."""
        query = (
            select_jobs()
            .where(jobs.c.state.in_([*ACTIVE, "queued", "paused"]), jobs.c.job_class != "engine")
            .order_by(jobs.c.created_at)
        )
        with self._db.read() as connection:
            return [job_of_row(row) for row in connection.execute(query).mappings()]

    @allows("job.read")
    def latest(self, actor: Actor, kind: str, limit: int = 20) -> list[Job]:
        query = select_jobs().where(jobs.c.kind == kind).order_by(jobs.c.id.desc()).limit(limit)
        with self._db.read() as connection:
            return [job_of_row(row) for row in connection.execute(query).mappings()]

    @allows("job.read")
    def events(self, actor: Actor, job_id: str, kinds: Sequence[str]) -> list[dict[str, Any]]:
        """Events of the named kinds, oldest first, each with `at`, `kind` and its body."""
        query = (
            sa.select(events.c.at, events.c.kind, events.c.body)
            .where(events.c.job_id == job_id, events.c.kind.in_(kinds))
            .order_by(events.c.seq)
        )
        with self._db.read() as connection:
            return [{"at": row.at, "kind": row.kind, **row.body} for row in connection.execute(query)]

    @allows("job.read")
    def log_tail(self, actor: Actor, job_id: str, max_bytes: int = 8_000) -> str:
        return RunFolder(self._settings.home / self.get(actor, job_id).folder).log_tail(max_bytes)

    @allows("job.stop")
    def stop(self, actor: Actor, job_id: str) -> Job:
        """Ask a job to stop. One that has not begun ends at once; asking twice is the same as once."""
        with self._db.write() as connection:
            row = connection.execute(select_jobs().where(jobs.c.id == job_id)).mappings().first()
            if row is None:
                raise NotFoundError("error.job.unknown", job=job_id)
            job = job_of_row(row)
            if job.state in ("queued", "paused"):
                end_job(connection, job, "stopped")
            elif job.is_active and job.stop_requested_at is None:
                connection.execute(jobs.update().where(jobs.c.id == job_id).values(stop_requested_at=now()))
        return self.get(actor, job_id)

    @allows("job.read")
    def require_worker(self, actor: Actor) -> None:
        """Raises JobError when no worker is alive: a queued job would wait for ever."""
        if not self.worker_alive(actor):
            raise JobError("error.job.no_worker")

    @allows("job.read")
    def worker_alive(self, actor: Actor) -> bool:
        with self._db.read() as connection:
            query = sa.select(sa.func.count()).select_from(workers).where(workers.c.lease_until > now())
            return bool(connection.execute(query).scalar())
