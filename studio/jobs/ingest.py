"""From a job's `events.jsonl` into the database: exactly once, however often the worker dies in between.

The events and the new cursor are written in one transaction that holds only if the cursor is still the one that was read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
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

__all__ = ["ingest"]

#: Events a transaction takes: 500 step events are about 2,500 points, 20 ms on SQLite.
_BATCH = 500

#: Fields of `step_finished` that become points under their own name; its loss is the training loss.
_STEP_SERIES = ("lr", "grad_norm", "tokens", "target_tokens", "seconds", "mem_bytes")


def ingest(db: Database, settings: Settings, job: Job) -> int:
    """Take in what is new in the job's event file; returns the number of events taken."""
    path = RunFolder(settings.home / job.folder).events_file
    if not path.exists() or path.stat().st_size <= job.ingested_bytes:
        return 0
    taken, cursor = 0, job.ingested_bytes
    new = read_events(path, job.ingested_bytes)
    while batch := list(itertools.islice(new, _BATCH)):
        with db.write() as connection:
            if not _take(db, connection, job, cursor, batch):
                return taken  # another worker was faster
        taken += len(batch)
        cursor = batch[-1][1]
    return taken


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
    rows: list[dict[str, Any]] = []
    for event in new:
        body = event.body
        if event.kind == "attempt_started":
            _insert_new_points(db, connection, rows)  # before it: points of the same batch are superseded as well
            rows = []
            _supersede(connection, run_id, event.attempt, int(body.get("resumed_from_step", 0)))
        elif event.kind == "checkpoint_saved":
            _insert_checkpoint(db, connection, run_id, event)
        else:
            rows += [
                {
                    "run_id": run_id,
                    "attempt": event.attempt,
                    "step": int(body["step"]),
                    "name": name,
                    "value": _storable(value),
                    "seq": event.seq,
                    "superseded": False,
                }
                for name, value in _series(event)
            ]
    _insert_new_points(db, connection, rows)


def _insert_new_points(db: Database, connection: Connection, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(db.insert_new(points, "run_id", "attempt", "step", "name"), rows)


def _storable(value: Any) -> float | None:
    """Databases disagree on NaN: it is stored as null, which a chart draws as a gap."""
    number = plain_float(value)
    return None if math.isnan(number) else number


def _series(event: Event) -> list[tuple[str, Any]]:
    body = event.body
    if event.kind == "step_finished":
        named = [("train/loss", body["loss"])]
        return named + [(f"train/{name}", body[name]) for name in _STEP_SERIES if body.get(name) is not None]
    if event.kind == "evaluated":
        return [(f"{body['split']}/loss", body["loss"])]
    return []


def _supersede(connection: Connection, run_id: str, attempt: int, resumed_from_step: int) -> None:
    """Steps that an earlier attempt did and this one does again are shown once."""
    connection.execute(
        points.update()
        .where(points.c.run_id == run_id, points.c.attempt < attempt, points.c.step > resumed_from_step)
        .values(superseded=True)
    )
    connection.execute(
        checkpoints.delete().where(checkpoints.c.run_id == run_id, checkpoints.c.step > resumed_from_step)
    )


def _insert_checkpoint(db: Database, connection: Connection, run_id: str, event: Event) -> None:
    body = event.body
    if body["best"]:
        connection.execute(checkpoints.update().where(checkpoints.c.run_id == run_id).values(best=False))
    connection.execute(
        checkpoints.delete().where(checkpoints.c.run_id == run_id, checkpoints.c.step == int(body["step"]))
    )
    connection.execute(
        checkpoints.insert().values(
            run_id=run_id,
            step=int(body["step"]),
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
