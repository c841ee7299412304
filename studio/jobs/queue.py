"""The queue: jobs in the database, their states, and the only functions that change them.

    queued ─► starting ─► running ─► (stopping) ─► finished | stopped | failed | lost
       └─► stopped (before it began)      paused: only while queued
    failed | lost | stopped ─► queued     resumed by a person, under the next attempt
    starting | running ─► queued          its process died; at most `ATTEMPTS` attempts by itself

Every change names the attempt that it is about, so what arrives late from an earlier one changes nothing.
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
from studio.jobs.processes import host_name, is_alive, myself
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import events, jobs, workers
from studio.settings import Settings

__all__ = [
    "ACTIVE",
    "ATTEMPTS",
    "ENDED",
    "RESUMABLE",
    "WAITING",
    "Job",
    "JobService",
    "JobState",
    "end_job",
    "enter_job",
    "has_worker",
    "insert_job",
    "job_of_row",
    "requeue_job",
    "select_jobs",
    "waiting_jobs",
    "was_killed",
]

JobState = Literal["queued", "paused", "starting", "running", "stopping", "finished", "stopped", "failed", "lost"]
ACTIVE: tuple[JobState, ...] = ("starting", "running", "stopping")
WAITING: tuple[JobState, ...] = ("queued", "paused")
ENDED: tuple[JobState, ...] = ("finished", "stopped", "failed", "lost")
RESUMABLE: tuple[JobState, ...] = ("stopped", "failed", "lost")

#: How often a job is started whose process keeps dying, before a person is asked (CONTRACTS 4).
ATTEMPTS = 3


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
    rank: float
    started_at: datetime | None
    ended_at: datetime | None
    attempt: int
    deaths: int
    stop_requested_at: datetime | None
    worker_id: str | None
    slot: int | None
    device: str | None
    host: str | None
    pid: int | None
    pid_created: str | None
    lease_until: datetime | None
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
    def can_resume(self) -> bool:
        return self.state in RESUMABLE and kind_of(self.kind).restarts

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
    first: bool = False,
) -> str:
    """Queue a job inside the caller's transaction, as the last one or the `first`, and return its id.

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
            rank=_first_rank(connection) - 1 if first else _last_rank(connection) + 1,
            attempt=0,
            deaths=0,
            ingested_seq=0,
            ingested_bytes=0,
        )
    )
    return job_id


def _last_rank(connection: Connection) -> float:
    """Of the jobs that wait or run. What is queued again by itself keeps its rank, and so comes before all that came later."""
    return float(connection.execute(sa.select(sa.func.max(jobs.c.rank)).where(jobs.c.state.not_in(ENDED))).scalar() or 0.0)


def _first_rank(connection: Connection) -> float:
    return float(connection.execute(sa.select(sa.func.min(jobs.c.rank)).where(jobs.c.state.not_in(ENDED))).scalar() or 0.0)


def waiting_jobs(job_class: JobClass | None = None) -> sa.Select[Any]:
    """Queued and paused jobs in the order in which they will start."""
    of_class = jobs.c.job_class == job_class if job_class else jobs.c.job_class != "engine"
    return select_jobs().where(jobs.c.state.in_(WAITING), of_class).order_by(jobs.c.rank, jobs.c.created_at, jobs.c.id)


def enter_job(db: Database, job_id: str, attempt: int) -> Job | None:
    """Called by the job's process before it does anything: it is the one that executes this attempt.

    None for a process that comes too late: the attempt was given up because its worker died, and is done by another
    process under the next number. So no job runs twice, whenever the worker was killed.
    """
    pid, pid_created = myself()
    with db.write() as connection:
        entered = connection.execute(
            jobs.update()
            .where(jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.state.in_(ACTIVE), jobs.c.pid.is_(None))
            .values(pid=pid, pid_created=pid_created)
        )
        if entered.rowcount == 0:
            return None
        return job_of_row(connection.execute(select_jobs().where(jobs.c.id == job_id)).mappings().one())


def requeue_job(connection: Connection, job: Job, *, deaths: int, last: bool = False) -> bool:
    """Let a job begin its next attempt, `last` of all or in its old place; False when somebody else has already changed it."""
    changed = connection.execute(
        jobs.update()
        .where(jobs.c.id == job.id, jobs.c.attempt == job.attempt, jobs.c.state == job.state)
        .where(jobs.c.pid == job.pid if job.pid is not None else jobs.c.pid.is_(None))
        .values(
            state="queued",
            deaths=deaths,
            rank=_last_rank(connection) + 1 if last else job.rank,
            worker_id=None,
            slot=None,
            device=None,
            host=None,
            pid=None,
            pid_created=None,
            lease_until=None,
            ended_at=None,
            stop_requested_at=None,
            phase=None,
            eta_s=None,
            result=None,
            error=None,
        )
    )
    return changed.rowcount > 0


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
        .where(jobs.c.id == job.id, jobs.c.attempt == job.attempt, jobs.c.state.not_in(ENDED))
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
            request_id = f"{job.id}.then.{number}"
            if not kind_of(follower["kind"]).queue_behind(connection, follower, job, request_id):
                insert_job(connection, spec=follower, name=job.name, author=job.author, request_id=request_id)


def has_worker(connection: Connection) -> bool:
    """Whether some worker is alive: by its process on this host, by its lease on another one."""
    for row in connection.execute(sa.select(workers)):
        if is_alive(row.pid, row.pid_created) if row.host == host_name() else row.lease_until > now():
            return True
    return False


def was_killed(connection: Connection) -> bool:
    """Whether this host's worker died. One that was asked to end has taken its name off the list."""
    here = connection.execute(sa.select(workers).where(workers.c.host == host_name()))
    return any(row.stop_requested_at is None and not is_alive(row.pid, row.pid_created) for row in here)


class JobService:
    """What people may do with jobs."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    @allows("job.read")
    def get(self, actor: Actor, job_id: str) -> Job:
        with self._db.read() as connection:
            return self._found(connection, job_id)

    @allows("job.read")
    def active(self, actor: Actor) -> list[Job]:
        """Jobs that run, and then those that wait in the order in which they will start; engines left out."""
        running = select_jobs().where(jobs.c.state.in_(ACTIVE), jobs.c.job_class != "engine").order_by(jobs.c.started_at)
        with self._db.read() as connection:
            found = [connection.execute(query).mappings().all() for query in (running, waiting_jobs())]
        return [job_of_row(row) for rows in found for row in rows]

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
            job = self._found(connection, job_id)
            if job.state in ("queued", "paused"):
                end_job(connection, job, "stopped")
            elif job.is_active and job.stop_requested_at is None:
                connection.execute(jobs.update().where(jobs.c.id == job_id).values(stop_requested_at=now()))
        return self.get(actor, job_id)

    @allows("job.order")
    def move(self, actor: Actor, job_id: str, places: int) -> None:
        """Let a waiting job start `places` later (negative: earlier) among those that wait for the same kind of slot.

        One that has begun meanwhile stays as it is.
        """
        with self._db.write() as connection:
            job = self._found(connection, job_id)
            waiting = [job_of_row(row) for row in connection.execute(waiting_jobs(job.job_class)).mappings()]
            order = [item.id for item in waiting]
            if job_id not in order:
                return
            at = order.index(job_id)
            order.insert(min(max(0, at + places), len(order) - 1), order.pop(at))
            # Equal ranks are told apart by age: give each its own, none above what a job queued from now on will get.
            first = min(item.rank for item in waiting)
            for place, moved in enumerate(order):
                rank = first + place / len(order)
                connection.execute(jobs.update().where(jobs.c.id == moved, jobs.c.state.in_(WAITING)).values(rank=rank))

    @allows("job.order")
    def pause(self, actor: Actor, job_id: str, paused: bool = True) -> None:
        """Hold a waiting job back, or let it start in its place again; one that has begun meanwhile stays as it is."""
        before, after = ("queued", "paused") if paused else ("paused", "queued")
        with self._db.write() as connection:
            self._found(connection, job_id)
            this = jobs.update().where(jobs.c.id == job_id, jobs.c.state == before)
            connection.execute(this.values(state=after))

    @staticmethod
    def _found(connection: Connection, job_id: str) -> Job:
        row = connection.execute(select_jobs().where(jobs.c.id == job_id)).mappings().first()
        if row is None:
            raise NotFoundError("error.job.unknown", job=job_id)
        return job_of_row(row)

    @allows("job.resume")
    def resume(self, actor: Actor, job_id: str) -> Job:
        """Let a job that was stopped, failed or got lost go on; asking twice, or by two people, is the same as once.

        Raises JobError for one that has finished or cannot go on.
        """
        with self._db.write() as connection:
            job = self._found(connection, job_id)
            if job.has_ended:
                if not job.can_resume:
                    raise JobError("error.job.cannot_resume", name=job.name)
                requeue_job(connection, job, deaths=0, last=True)
        return self.get(actor, job_id)

    @allows("job.read")
    def require_worker(self, actor: Actor) -> None:
        """Raises JobError when no worker is alive: a queued job would wait for ever."""
        if not self.worker_alive(actor):
            raise JobError("error.job.no_worker")

    @allows("job.read")
    def worker_alive(self, actor: Actor) -> bool:
        return self.worker_state(actor) == "alive"

    @allows("job.read")
    def worker_state(self, actor: Actor) -> Literal["alive", "died", "ended"]:
        """`died` is started again by the web server; `ended` was asked to end, or was never there."""
        with self._db.read() as connection:
            if has_worker(connection):
                return "alive"
            return "died" if was_killed(connection) else "ended"
