"""From the event file into the database exactly once: twice, half-way, resumed, and by two at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.access import local_admin
from studio.data.tables import datasets
from studio.db import Database
from studio.ids import new_id, now
from studio.jobs.events import EventWriter
from studio.jobs.ingest import ingest
from studio.jobs.queue import Job, JobService, insert_job
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import checkpoints, events, jobs, points, runs
from studio.models.tables import bases
from studio.settings import Settings

pytestmark = pytest.mark.backends("sqlite", "postgresql")


class Training:
    """A run with its job and its event file, as a training process would leave them. No process."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db, self.settings = db, settings
        self.run_id = new_id("run")
        with db.write() as connection:
            _insert_run(connection, self.run_id)
            self.job_id = insert_job(connection, spec={"kind": "train"}, name="r", author="usr_a", run_id=self.run_id)
            connection.execute(jobs.update().values(state="starting", attempt=1))
        self.folder = RunFolder(settings.home / self.job.folder)
        self.folder.create({"kind": "train"})

    @property
    def job(self) -> Job:
        return JobService(self.db, self.settings).get(local_admin(), self.job_id)

    @contextlib.contextmanager
    def attempt(self, number: int = 1, resumed_from_step: int = 0) -> Iterator[EventWriter]:
        writer = EventWriter(self.folder.events_file, number)
        writer.write("attempt_started", resumed_from_step=resumed_from_step)
        try:
            yield writer
        finally:
            writer.close()

    def ingest(self) -> int:
        return ingest(self.db, self.settings, self.job)

    def points(self, name: str = "train/loss", superseded: bool = False) -> list[tuple[int, int, float | None]]:
        """(attempt, step, value) in order."""
        query = sa.select(points.c.attempt, points.c.step, points.c.value).where(
            points.c.run_id == self.run_id, points.c.name == name, points.c.superseded.is_(superseded)
        )
        with self.db.read() as connection:
            return [tuple(row) for row in connection.execute(query.order_by(points.c.attempt, points.c.step))]

    def checkpoints(self) -> list[tuple[int, bool, float | None]]:
        query = sa.select(checkpoints.c.step, checkpoints.c.best, checkpoints.c.val_loss).order_by(checkpoints.c.step)
        with self.db.read() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def count(self, table: sa.Table) -> int:
        with self.db.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _insert_run(connection: Connection, run_id: str) -> None:
    connection.execute(datasets.insert().values(id="ds_a", name="d", note="", author="usr_a", created_at=now()))
    base = {"id": "b", "name": "b", "source": "hub", "ref": "a/b", "state": "ready", "author": "usr_a", "created_at": now()}
    connection.execute(bases.insert().values(**base))
    row = {"id": run_id, "name": "r", "dataset_id": "ds_a", "dataset_revision": 1, "base_id": "b", "spec": {}}
    connection.execute(runs.insert().values(**row, author="usr_a", created_at=now()))


@pytest.fixture
def training(db: Database, settings: Settings) -> Training:
    return Training(db, settings)


def step(writer: EventWriter, number: int, loss: Any = None, **more: Any) -> None:
    usual = {"lr": 1e-3, "grad_norm": 0.5, "tokens": 100, "target_tokens": 40, "seconds": 0.1, "mem_bytes": 2**30}
    writer.write("step_finished", step=number, loss=float(number) if loss is None else loss, **usual | more)


def save(writer: EventWriter, number: int, *, best: bool = False, **more: Any) -> None:
    writer.write("checkpoint_saved", step=number, path=f"runs/r/checkpoint-{number}", bytes=10, best=best, **more)


# --- what becomes of an event -----------------------------------------------------------------------------------------


def test_a_step_becomes_a_point_of_each_series_that_it_knows(training: Training) -> None:
    with training.attempt() as writer:
        step(writer, 1, loss=2.5, grad_norm=None)
    training.ingest()
    with training.db.read() as connection:
        found = {row.name: row.value for row in connection.execute(sa.select(points.c.name, points.c.value))}
    assert found == {
        "train/loss": 2.5,
        "train/lr": 1e-3,
        "train/tokens": 100,
        "train/target_tokens": 40,
        "train/seconds": 0.1,
        "train/mem_bytes": 2**30,
    }


def test_an_evaluation_becomes_a_point_under_its_splits_name(training: Training) -> None:
    with training.attempt() as writer:
        writer.write("evaluated", step=0, split="validation", loss=3.25, scores={})
    training.ingest()
    assert training.points("validation/loss") == [(1, 0, 3.25)]


def test_progress_and_phase_stand_in_the_jobs_row_and_make_it_running(training: Training) -> None:
    assert training.job.state == "starting"
    with training.attempt() as writer:
        writer.write("phase_changed", phase="training")
        writer.write("progress", done=3, total=12, unit="steps", eta_s=4.5)
    training.ingest()
    job = training.job
    assert (job.state, job.phase, job.done, job.total, job.unit, job.eta_s) == ("running", "training", 3, 12, "steps", 4.5)
    assert job.share_done == 0.25


def test_steps_and_progress_are_kept_as_points_and_not_as_events_too(training: Training) -> None:
    with training.attempt() as writer:
        step(writer, 1)
        writer.write("progress", done=1, total=2, unit="steps", eta_s=None)
        writer.write("warned", key="train.warned.rows_refused", params={"n": 1}, rows=[])
    training.ingest()
    kept = JobService(training.db, training.settings).events(local_admin(), training.job_id, ["attempt_started", "warned"])
    assert [(event["kind"], event.get("params")) for event in kept] == [("attempt_started", None), ("warned", {"n": 1})]
    assert training.count(events) == 2


def test_a_loss_that_is_no_number_is_a_gap(training: Training) -> None:
    with training.attempt() as writer:
        step(writer, 1, loss=1.5)
        step(writer, 2, loss=float("nan"))
    training.ingest()
    assert training.points() == [(1, 1, 1.5), (1, 2, None)]


def test_a_new_best_checkpoint_takes_the_title_and_removed_ones_are_gone(training: Training) -> None:
    with training.attempt() as writer:
        save(writer, 10, best=True, val_loss=2.0)
        save(writer, 20, best=True, val_loss=1.5)
        save(writer, 30, val_loss=1.75, removed=[10])
        save(writer, 40, val_loss="nan")
    training.ingest()
    assert [(step, best) for step, best, _ in training.checkpoints()] == [(20, True), (30, False), (40, False)]
    assert training.checkpoints()[0][2] == 1.5


# --- exactly once -----------------------------------------------------------------------------------------------------


def test_taken_in_twice_is_once(training: Training) -> None:
    with training.attempt() as writer:
        step(writer, 1)
        step(writer, 2)
    assert training.ingest() == 3
    assert training.ingest() == 0
    assert training.points() == [(1, 1, 1.0), (1, 2, 2.0)]


def test_who_still_holds_an_old_cursor_takes_nothing(training: Training) -> None:
    with training.attempt() as writer:
        step(writer, 1)
    stale = training.job
    assert training.ingest() == 2
    assert ingest(training.db, training.settings, stale) == 0
    assert training.points() == [(1, 1, 1.0)]


def test_what_is_new_is_taken_from_the_cursor_on(training: Training) -> None:
    with training.attempt() as writer:
        step(writer, 1)
        training.ingest()
        step(writer, 2)
        assert training.ingest() == 1
    assert training.job.ingested_seq == 3
    assert training.job.ingested_bytes == training.folder.events_file.stat().st_size


def test_half_a_line_waits_until_it_is_whole(training: Training) -> None:
    with training.attempt() as writer:
        step(writer, 1)
    content = training.folder.events_file.read_bytes()
    training.folder.events_file.write_bytes(content[:-5])
    assert training.ingest() == 1
    training.folder.events_file.write_bytes(content)
    assert training.ingest() == 1
    assert training.points() == [(1, 1, 1.0)]


class DyingDatabase(Database):
    """Dies after everything of a transaction was said and before it is committed."""

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            yield connection
            raise KeyboardInterrupt


def test_a_worker_that_dies_between_reading_and_committing_loses_and_doubles_nothing(training: Training) -> None:
    with training.attempt() as writer:
        step(writer, 1)
        save(writer, 1, best=True)
    dying = DyingDatabase(training.settings.url)
    with pytest.raises(KeyboardInterrupt):
        ingest(dying, training.settings, training.job)
    dying.close()
    assert (training.points(), training.job.ingested_seq) == ([], 0)
    assert training.ingest() == 3
    assert training.points() == [(1, 1, 1.0)]
    assert training.checkpoints() == [(1, True, None)]


def test_a_point_is_unique_by_attempt_step_and_name(training: Training) -> None:
    with training.attempt() as writer:
        step(writer, 1, loss=1.0)
        step(writer, 1, loss=9.0)
    training.ingest()
    assert training.points() == [(1, 1, 1.0)]


def test_two_workers_at_once_take_every_event_once(training: Training) -> None:
    n_steps = 1_200  # more than two of the batches that a transaction takes
    with training.attempt() as writer:
        for number in range(1, n_steps + 1):
            step(writer, number)
    job, start, taken = training.job, threading.Barrier(2), []

    def work() -> None:
        database = Database(training.settings.url)
        start.wait(10)
        taken.append(ingest(database, training.settings, job))
        database.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(taken) == n_steps + 1
    assert [number for _, number, _ in training.points()] == list(range(1, n_steps + 1))
    assert training.job.ingested_bytes == training.folder.events_file.stat().st_size


# --- resumed ----------------------------------------------------------------------------------------------------------


def test_steps_done_again_after_a_resume_are_shown_once(training: Training) -> None:
    with training.attempt() as writer:
        for number in (1, 2, 3):
            step(writer, number, loss=number / 10)
    training.ingest()
    with training.attempt(2, resumed_from_step=1) as writer:
        step(writer, 2, loss=0.25)
    training.ingest()
    assert training.points() == [(1, 1, 0.1), (2, 2, 0.25)]
    assert training.points(superseded=True) == [(1, 2, 0.2), (1, 3, 0.3)]


def test_a_resume_in_the_same_batch_supersedes_as_well(training: Training) -> None:
    """The worker slept through both attempts and reads them at once."""
    with training.attempt() as writer:
        for number in (1, 2, 3):
            step(writer, number)
    with training.attempt(2, resumed_from_step=1) as writer:
        step(writer, 2, loss=0.25)
    training.ingest()
    assert training.points() == [(1, 1, 1.0), (2, 2, 0.25)]
    assert [number for _, number, _ in training.points(superseded=True)] == [2, 3]


def test_checkpoints_after_the_step_of_a_resume_are_no_longer_offered(training: Training) -> None:
    with training.attempt() as writer:
        save(writer, 10)
        save(writer, 20)
    training.ingest()
    with training.attempt(2, resumed_from_step=10) as writer:
        save(writer, 20, val_loss=1.0)
    training.ingest()
    assert training.checkpoints() == [(10, False, None), (20, False, 1.0)]
