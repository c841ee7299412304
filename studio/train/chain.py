"""Trainings one after another: what stands under `then` begins where the one before it ended, at its best checkpoint."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from studio.jobs.queue import Job
from studio.jobs.spec import checked
from studio.jobs.tables import jobs, runs
from studio.train.service import insert_run, name_among
from studio.train.spec import TrainSpec, method_of

__all__ = ["follow"]


def follow(connection: sa.Connection, spec: dict[str, Any], job: Job, request_id: str) -> None:
    """Queue the training that follows `job`. `start_from: best` is that one's best checkpoint, and takes its method over."""
    values = dict(spec)
    if values.get("start_from") == "best" and job.run_id is not None:
        before = connection.execute(sa.select(runs.c.spec).where(runs.c.id == job.run_id)).scalar_one()
        result = connection.execute(sa.select(jobs.c.result).where(jobs.c.id == job.id)).scalar_one()  # of this transaction
        method = method_of(before)
        values["start_from"] = f"{job.run_id}@{result['best_step']}"
        values |= {"method": method.name, "bits": before.get("bits", 16)}
        values |= {name: before[name] for name in method.fields if name in before}
    taken = set(connection.execute(sa.select(runs.c.name)).scalars())
    values["name"] = name_among(str(values["name"]), taken)
    insert_run(connection, checked(TrainSpec, values), job.author, request_id=request_id)
