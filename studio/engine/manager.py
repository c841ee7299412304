"""Which engines live, and getting one: an engine is a job, so starting one is a row in the queue and some patience."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.access import Actor, allows
from studio.db import Database
from studio.engine.client import EngineClient
from studio.engine.tables import engines
from studio.errors import EngineError, NotFoundError, StudioError
from studio.ids import new_id, now
from studio.jobs.queue import ENDED, end_job, has_worker, insert_job, job_of_row, select_jobs
from studio.jobs.spec import Spec
from studio.jobs.tables import jobs
from studio.models.tables import bases
from studio.settings import Settings

__all__ = ["Engine", "EngineManager", "EngineSpec"]

#: Loading a base takes seconds on a small machine, minutes for a large one from a slow disk.
_START_TIMEOUT_S = 600.0
_LOOK_S = 0.25


class EngineSpec(Spec):
    """Hold one base in memory and answer for it and its adapters."""

    kind: str = "engine"
    engine: str
    base: str


@dataclass(frozen=True)
class Engine:
    """An engine as a page shows it. `phase` is its job's while it starts."""

    id: str
    base_id: str
    base_name: str
    state: str
    job_id: str
    job_state: str
    phase: str | None
    host: str
    port: int
    token_file: str
    device: str
    memory_bytes: int
    last_used: datetime

    @property
    def is_ready(self) -> bool:
        return self.state == "ready" and self.job_state == "running"


#: Neither ended nor about to: an engine that idled out says so before its process is gone.
_LIVES = sa.and_(jobs.c.state.not_in(ENDED), jobs.c.stop_requested_at.is_(None), engines.c.state != "ended")


def _select() -> sa.Select[tuple[object, ...]]:
    return (
        sa.select(
            engines.c.id,
            engines.c.base_id,
            bases.c.name.label("base_name"),
            engines.c.state,
            engines.c.job_id,
            jobs.c.state.label("job_state"),
            jobs.c.phase,
            engines.c.host,
            engines.c.port,
            engines.c.token_file,
            engines.c.device,
            engines.c.memory_bytes,
            engines.c.last_used,
        )
        .join(jobs, jobs.c.id == engines.c.job_id)
        .join(bases, bases.c.id == engines.c.base_id)
    )


class EngineManager:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    @allows("engine.use")
    def alive(self, actor: Actor) -> list[Engine]:
        """Engines that are ready or on their way."""
        query = _select().where(_LIVES).order_by(engines.c.created_at)
        with self._db.read() as connection:
            return [Engine(**row) for row in connection.execute(query).mappings()]

    @allows("engine.use")
    def of_base(self, actor: Actor, base_id: str) -> Engine | None:
        return next((engine for engine in self.alive(actor) if engine.base_id == base_id), None)

    @allows("engine.use")
    def ensure(self, actor: Actor, base_id: str) -> str:
        """The id of the base's engine, which is queued when there is none. Raises EngineError without a worker."""
        live = sa.select(engines.c.id).join(jobs, jobs.c.id == engines.c.job_id).where(engines.c.base_id == base_id, _LIVES)
        with self._db.write() as connection:
            known = connection.execute(live).scalar()
            if known is not None:
                return str(known)
            if connection.execute(sa.select(bases.c.state).where(bases.c.id == base_id)).scalar() != "ready":
                raise EngineError("error.engine.base_not_ready", base=base_id)
            _require_worker(connection)
            engine_id = new_id("eng")
            token_file = self._settings.folder("engines", engine_id) / "token"
            token_file.touch(mode=0o600)
            token_file.write_text(secrets.token_urlsafe(32), "utf-8")
            spec = EngineSpec(engine=engine_id, base=base_id)
            job_id = insert_job(connection, spec=spec.as_dict(), name=base_id, author=actor.user_id)
            connection.execute(
                engines.insert().values(
                    id=engine_id,
                    backend="transformers",
                    base_id=base_id,
                    bits=16,
                    host="",
                    port=0,
                    token_file=self._settings.relative(token_file),
                    state="starting",
                    job_id=job_id,
                    device="",
                    memory_bytes=0,
                    created_at=now(),
                    last_used=now(),
                )
            )
        return engine_id

    @allows("engine.use")
    async def client(self, actor: Actor, base_id: str) -> EngineClient:
        """A client of the base's engine, started when there is none.

        Raises EngineError when it does not come up: with the error of its job where that one left a reason.
        """
        engine_id = await asyncio.to_thread(self.ensure, actor, base_id)
        give_up = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < give_up:
            engine = await asyncio.to_thread(self._get, engine_id)
            if engine.is_ready:
                token = (self._settings.home / engine.token_file).read_text("utf-8")
                return EngineClient(f"http://{engine.host}:{engine.port}", token)
            if engine.job_state in ENDED:
                raise await asyncio.to_thread(self._why_ended, engine.job_id)
            await asyncio.sleep(_LOOK_S)
        raise EngineError("error.engine.slow_start", seconds_s=_START_TIMEOUT_S)

    def _get(self, engine_id: str) -> Engine:
        """Raises EngineError for one that waits in the queue while no worker is there to start it."""
        with self._db.read() as connection:
            row = connection.execute(_select().where(engines.c.id == engine_id)).mappings().first()
            if row is None:
                raise NotFoundError("error.engine.unknown", engine=engine_id)
            if row["job_state"] == "queued":
                _require_worker(connection)
        return Engine(**row)

    def _why_ended(self, job_id: str) -> StudioError:
        with self._db.read() as connection:
            error = connection.execute(sa.select(jobs.c.error).where(jobs.c.id == job_id)).scalar()
        return StudioError.from_dict(error) if error else EngineError("error.engine.ended")

    @allows("engine.unload")
    def unload(self, actor: Actor, engine_id: str) -> None:
        """Ask an engine to end and give its memory back; one that still waits in the queue ends at once."""
        of_engine = select_jobs().join(engines, engines.c.job_id == jobs.c.id).where(engines.c.id == engine_id)
        with self._db.write() as connection:
            row = connection.execute(of_engine).mappings().first()
            if row is None:
                raise NotFoundError("error.engine.unknown", engine=engine_id)
            job = job_of_row(row)
            asked = jobs.update().where(jobs.c.id == job.id, jobs.c.stop_requested_at.is_(None))
            connection.execute(asked.values(stop_requested_at=now()))
            if job.state == "queued":
                end_job(connection, job, "stopped")


def _require_worker(connection: Connection) -> None:
    if not has_worker(connection):
        raise EngineError("error.engine.no_worker")
