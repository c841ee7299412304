"""What must hold after any number of kills, for unit tests and bench: nothing lost, nothing doubled, nothing left over."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from studio.access import local_admin
from studio.data.service import ImportSpec
from studio.data.tables import datasets, revisions, rows
from studio.jobs.events import Event, read_events
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import events, points
from studio.services import Services, build_services
from studio.settings import Settings
from studio.train.checkpoints import newest_whole, told_checkpoints
from tests.tiny import enter_base, make_tiny_base

__all__ = ["SPEC", "losses", "make_home", "problems_of_imports", "problems_of_run", "write_rows"]

ACTOR = local_admin()

#: A training in float32 with dropout, so that the random state matters, and with as many checkpoints as evaluations.
SPEC: dict[str, Any] = {
    "base": "tiny",
    "max_seq_len": 128,
    "max_steps": 12,
    "per_device_batch_size": 4,
    "lora_rank": 4,
    "lora_dropout": 0.2,
    "learning_rate": 5e-3,
    "evaluations": 4,
    "patience": 0,
    "precision": "float32",
    "probes": "none",
}


def write_rows(path: Path, n_rows: int, n_validation: int = 0) -> Path:
    """Short conversations of different lengths, the last ones for validation."""
    with path.open("w", encoding="utf-8") as file:
        for n in range(n_rows + n_validation):
            answer = f"{n * n}. " + "It follows. " * (n % 7)
            turns = [{"role": "user", "content": f"What is {n} times {n}?"}, {"role": "assistant", "content": answer}]
            split = "train" if n < n_rows else "validation"
            file.write(json.dumps({"messages": turns, "split": split}) + "\n")
    return path


def make_home(settings: Settings, base: Path | None = None) -> Services:
    """A migrated home with the tiny base and one dataset, "rows"."""
    services = build_services(settings.ready())
    services.db.migrate(settings)
    folder = settings.home / "models" / "tiny"
    if base is None:
        folder.mkdir(parents=True)
        make_tiny_base(folder)
    else:
        shutil.copytree(base, folder)
    enter_base(services.db, folder)
    path = write_rows(settings.home / "tmp" / "rows.jsonl", 26, 5)
    upload = services.data.stage(ACTOR, path)
    services.data.import_upload(ACTOR, ImportSpec(upload=upload, file_name=path.name, dataset_name="rows"))
    return services


def run_events(services: Services, run_id: str) -> list[Event]:
    return [event for event, _ in read_events(services.settings.home / "runs" / run_id / "events.jsonl")]


def losses(services: Services, run_id: str) -> dict[tuple[str, int], float]:
    """The points that hold, as the database has them. Fails when a step holds two."""
    told = points.c.name.in_(["train/loss", "train/lr", "validation/loss"])
    holds = sa.and_(points.c.run_id == run_id, points.c.superseded.is_(False), told)
    query = sa.select(points.c.name, points.c.step, points.c.value).where(holds)
    with services.db.read() as connection:
        found = [((row.name, row.step), row.value) for row in connection.execute(query)]
    assert len(found) == len(dict(found)), "a step with two points"
    return dict(found)


def problems_of_run(services: Services, run_id: str, expected: dict[tuple[str, int], float] | None = None) -> list[str]:
    """What is lost, doubled or left over of a run that has ended; `expected` are the points of one that nobody touched."""
    found: list[str] = []
    job = services.train.get(ACTOR, run_id).job
    told = run_events(services, run_id)
    if job.state != "finished":
        found.append(f"state {job.state}: {job.error}")
    if [event.seq for event in told] != list(range(1, len(told) + 1)):
        found.append("seq of the events has gaps or doubles")
    if (job.ingested_seq, job.ingested_bytes) != (len(told), _size(services, run_id)):
        found.append(f"{len(told)} events in the file, {job.ingested_seq} taken in")
    found += _problems_of_events(services, job.id, told)
    attempts = [event.attempt for event in told]
    if attempts != sorted(attempts):
        found.append("events of two attempts are mixed")
    started = Counter(event.attempt for event in told if event.kind == "attempt_started")
    if any(count > 1 for count in started.values()):
        found.append("an attempt began twice")
    found += _problems_of_points(services, run_id, told, expected)
    found += _problems_of_checkpoints(services, run_id, told)
    return found


def _size(services: Services, run_id: str) -> int:
    return (services.settings.home / "runs" / run_id / "events.jsonl").stat().st_size


def _problems_of_events(services: Services, job_id: str, told: list[Event]) -> list[str]:
    kept = [(event.seq, event.kind) for event in told if event.kind not in ("step_finished", "progress")]
    with services.db.read() as connection:
        query = sa.select(events.c.seq, events.c.kind).where(events.c.job_id == job_id).order_by(events.c.seq)
        stored = [(row.seq, row.kind) for row in connection.execute(query)]
    return [] if stored == kept else [f"{len(kept)} events told, {len(stored)} stored"]


def _problems_of_points(
    services: Services, run_id: str, told: list[Event], expected: dict[tuple[str, int], float] | None
) -> list[str]:
    holds: dict[tuple[str, int], float] = {}
    doubled = 0
    for event in told:
        body = event.body
        if event.kind == "attempt_started":
            holds = {key: value for key, value in holds.items() if key[1] <= body["resumed_from_step"]}
        new = {}
        if event.kind == "step_finished":
            new = {("train/loss", body["step"]): body["loss"], ("train/lr", body["step"]): body["lr"]}
        if event.kind == "evaluated" and event.body["split"] == "validation":
            new = {("validation/loss", body["step"]): body["loss"]}
        doubled += sum(key in holds for key in new)
        holds |= new
    found = [f"{doubled} points told twice"] if doubled else []
    stored = losses(services, run_id)
    if stored != holds:
        found.append(f"{len(holds)} points told, {len(stored)} stored")
    if expected is not None:
        if stored.keys() != expected.keys():
            found.append(f"points {sorted(stored.keys() ^ expected.keys())} lost or doubled")
        elif (most := max(abs(stored[key] - expected[key]) for key in stored)) > 1e-6:
            found.append(f"losses differ by {most}")
    return found


def _problems_of_checkpoints(services: Services, run_id: str, told: list[Event]) -> list[str]:
    folder = services.settings.home / "runs" / run_id
    there = sorted(path.name for path in folder.iterdir() if path.is_dir())
    listed = sorted(f"checkpoint-{item.step}" for item in services.train.checkpoints(ACTOR, run_id))
    said = sorted(f"checkpoint-{step}" for step in told_checkpoints(told))
    found = [] if there == listed == said else [f"checkpoints there {there}, listed {listed}, told {said}"]
    newest = newest_whole(RunFolder(folder), told)
    if newest is None or f"checkpoint-{newest.step}" not in there:
        found.append("the last checkpoint is not whole")
    return found


def problems_of_imports(services: Services, wanted: dict[str, int]) -> list[str]:
    """`wanted` are rows by the name of every dataset that there must be; not one more dataset or row may be there."""
    with services.db.read() as connection:
        counts = sa.select(datasets.c.name, sa.func.count(rows.c.id)).join(rows, rows.c.dataset_id == datasets.c.id)
        found = {row[0]: row[1] for row in connection.execute(counts.group_by(datasets.c.name))}
        pending = connection.execute(
            sa.select(sa.func.count()).select_from(revisions).where(revisions.c.state != "committed")
        ).scalar()
        total = connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar()
    problems = [] if found == wanted else [f"rows {dict(sorted(found.items() ^ wanted.items()))} lost or doubled"]
    if pending or total != sum(wanted.values()):
        problems.append(f"{pending} revisions and {(total or 0) - sum(wanted.values())} rows are left over")
    return problems
