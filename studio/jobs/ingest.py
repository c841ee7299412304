"""From a job's `events.jsonl` into the database: exactly once, however often the worker dies in between.

The events and the new cursor are written in one transaction that holds only if the cursor is still the one that was read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.db import Database
from studio.ids import parse_time
from studio.jobs.events import Event, plain_float, read_events
from studio.jobs.queue import Job
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import checkpoints, events, jobs, points
from studio.settings import Settings

__all__ = ["follow_truncation", "ingest"]

#: Events a transaction takes: 50 step events are 350 points, 5 ms on SQLite and 20 ms on PostgreSQL.
_BATCH = 50

#: Points that a transaction marks as superseded.
_SLICE = 1_000

#: Fields of `step_finished` that become points under their own name; its loss is the training loss.
_STEP_SERIES = ("lr", "grad_norm", "tokens", "target_tokens", "seconds", "mem_bytes")


def ingest(db: Database, settings: Settings, job: Job) -> int:
    """Take in what is new in the job's event file; returns the number of events taken."""
    path = RunFolder(settings.home / job.folder).events_file
    if not path.exists() or path.stat().st_size <= job.ingested_bytes:
        return 0
    taken, cursor = 0, job.ingested_bytes
    for batch in _batches(read_events(path, job.ingested_bytes)):
        first = batch[0][0]
        if job.run_id is not None and first.kind == "attempt_started":
            _supersede(db, job.run_id, first.attempt, int(first.body["resumed_from_step"]))
        with db.write() as connection:
            if not _take(db, connection, job, cursor, batch):
                return taken  # another worker was faster
        taken += len(batch)
        cursor = batch[-1][1]
    return taken


def follow_truncation(db: Database, job: Job, size: int) -> None:
    """After a power cut the event file can be shorter than what was taken in of it; what comes next stands at its end."""
    if job.ingested_bytes > size:
        with db.write() as connection:
            connection.execute(jobs.update().where(jobs.c.id == job.id).values(ingested_bytes=size))


def _batches(new: Iterator[tuple[Event, int]]) -> Iterator[list[tuple[Event, int]]]:
    """At most `_BATCH` events each; an `attempt_started` begins one, so that what it supersedes is in the database by then."""
    batch: list[tuple[Event, int]] = []
    for item in new:
        if batch and (len(batch) == _BATCH or item[0].kind == "attempt_started"):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _take(db: Database, connection: Connection, job: Job, cursor: int, batch: Sequence[tuple[Event, int]]) -> bool:
    facts: dict[str, Any] = {"ingested_bytes": batch[-1][1], "ingested_seq": batch[-1][0].seq}
    for event, _ in batch:
        facts.update(_job_facts(event))
    held = jobs.c.ingested_bytes == cursor
    updated = connection.execute(jobs.update().where(jobs.c.id == job.id, held).values(**facts))
    if updated.rowcount == 0:
        return False
    if job.state in ("starting", "queued"):
        connection.execute(jobs.update().where(jobs.c.id == job.id, jobs.c.state == "starting").values(state="running"))
    _insert_events(db, connection, job, batch)
    if job.run_id is not None:
        _insert_points(db, connection, job.run_id, [event for event, _ in batch])
    return True


def _job_facts(event: Event) -> dict[str, Any]:
    """What an event changes in its job's row."""
    body = event.body
    if event.kind == "phase_changed":
        return {"phase": body["phase"]}
    if event.kind == "progress":
        return {name: body.get(name) for name in ("done", "total", "unit", "eta_s")}
    return {}


def _insert_events(db: Database, connection: Connection, job: Job, batch: Sequence[tuple[Event, int]]) -> None:
    """All kinds but the two that come many times a run and live on as points and in the job's row."""
    rows = [
        {
            "job_id": job.id,
            "seq": event.seq,
            "attempt": event.attempt,
            "at": parse_time(event.at),
            "kind": event.kind,
            "body": event.body,
        }
        for event, _ in batch
        if event.kind not in ("step_finished", "progress")
    ]
    if rows:
        connection.execute(db.insert_new(events, "job_id", "seq"), rows)


def _insert_points(db: Database, connection: Connection, run_id: str, new: Sequence[Event]) -> None:
    rows = [
        {
            "run_id": run_id,
            "attempt": event.attempt,
            "step": int(event.body["step"]),
            "name": name,
            "value": _storable(value),
            "seq": event.seq,
            "superseded": False,
        }
        for event in new
        for name, value in _series(event)
    ]
    if rows:
        connection.execute(db.insert_new(points, "run_id", "attempt", "step", "name"), rows)
    for event in new:
        if event.kind == "checkpoint_saved":
            _insert_checkpoint(connection, run_id, event)


def _storable(value: Any) -> float | None:
    """Databases disagree on NaN: it is stored as null, which a chart draws as a gap."""
    number = plain_float(value)
    return None if math.isnan(number) else number


def _series(event: Event) -> list[tuple[str, Any]]:
    body = event.body
    if event.kind == "step_finished":
        named = [("train/loss", body["loss"])]
        named += [(f"train/{name}", body[name]) for name in _STEP_SERIES if body.get(name) is not None]
        return named + [(f"train/{name}", value) for name, value in body.get("scores", {}).items()]
    if event.kind == "evaluated":
        named = [(f"{body['split']}/loss", body["loss"])] if body["loss"] is not None else []
        return named + [(f"{body['split']}/{name}", value) for name, value in body["scores"].items()]
    return []


def _supersede(db: Database, run_id: str, attempt: int, resumed_from_step: int) -> None:
    """Steps that an earlier attempt did and this one does again are shown once. Done twice, it is the same as once."""
    again = sa.and_(points.c.run_id == run_id, points.c.attempt < attempt, points.c.step > resumed_from_step)
    slice_ = sa.select(points.c.id).where(again, points.c.superseded.is_(False)).limit(_SLICE)
    while True:
        with db.write() as connection:  # a slice a transaction: a run without checkpoints may have many
            if connection.execute(points.update().where(points.c.id.in_(slice_)).values(superseded=True)).rowcount == 0:
                break
    with db.write() as connection:
        of_run = checkpoints.c.run_id == run_id
        if connection.execute(checkpoints.delete().where(of_run, checkpoints.c.step > resumed_from_step)).rowcount:
            lowest = sa.select(checkpoints.c.step).where(of_run, checkpoints.c.val_loss.is_not(None))
            lowest = lowest.order_by(checkpoints.c.val_loss, checkpoints.c.step).limit(1)
            best = connection.execute(lowest).scalar()
            connection.execute(checkpoints.update().where(of_run, checkpoints.c.step == best).values(best=True))


def _insert_checkpoint(connection: Connection, run_id: str, event: Event) -> None:
    body = event.body
    step = int(body["step"])
    this = sa.and_(checkpoints.c.run_id == run_id, checkpoints.c.step == step)
    written = sa.select(checkpoints.c.pinned, checkpoints.c.note, checkpoints.c.tags).where(this)
    kept = connection.execute(written).mappings().first()
    if body["best"]:
        connection.execute(checkpoints.update().where(checkpoints.c.run_id == run_id).values(best=False))
    connection.execute(checkpoints.delete().where(this))
    connection.execute(
        checkpoints.insert().values(
            **(kept or {}),  # what people wrote on it
            run_id=run_id,
            step=step,
            path=body["path"],
            bytes=int(body["bytes"]),
            val_loss=None if body.get("val_loss") is None else plain_float(body["val_loss"]),
            best=bool(body["best"]),
            created_at=parse_time(event.at),
        )
    )
    for step in body.get("removed", ()):
        gone = sa.and_(checkpoints.c.run_id == run_id, checkpoints.c.step == int(step))
        connection.execute(checkpoints.delete().where(gone))
