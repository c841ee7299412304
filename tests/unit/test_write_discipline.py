"""CONTRACTS 3: no write transaction lasts longer than 100 ms, however much there is to write, on both databases.

Measured from the lock taken to the commit done. A busy machine can hold up anything for a moment, so up to three rounds do
the same work, and of each transaction the quickest round counts: one that has too much to do is too slow in all of them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.data import store
from studio.data.rows import NewRow
from studio.data.tables import datasets, rows
from studio.db import Database
from studio.ids import new_id, now
from studio.jobs import ingest as ingesting
from studio.jobs.events import EventWriter
from studio.jobs.ingest import ingest
from studio.jobs.queue import insert_job, job_of_row, select_jobs
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import jobs, points, runs, workers
from studio.models.tables import bases
from studio.settings import Settings

pytestmark = pytest.mark.backends("sqlite", "postgresql")

LIMIT_S = 0.1
N_ROWS, N_STEPS = 20_000, 10_000
N_SERIES = 7  # points that a step becomes


class TimedDatabase(Database):
    """Keeps how long each write of the test's own thread held the lock, in seconds and in order."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.held_s: list[float] = []

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            began = time.perf_counter()
            yield connection
        if threading.current_thread() is threading.main_thread():
            self.held_s.append(time.perf_counter() - began)


@pytest.fixture
def timed(db: Database) -> Iterator[TimedDatabase]:
    """The migrated database, measured."""
    database = TimedDatabase(db.url)
    yield database
    database.close()


@contextlib.contextmanager
def heartbeat(db: Database) -> Iterator[list[float]]:
    """A worker that renews its lease without a pause, as the smallest of writers; gives how long each renewal took."""
    row = {"id": new_id("wrk"), "host": "h", "pid": 1, "pid_created": "boot 1", "started_at": now(), "lease_until": now()}
    with db.write() as connection:
        connection.execute(workers.insert().values(**row))
    done, took_s, problems = threading.Event(), [], []

    def beat() -> None:
        try:
            while not done.wait(0.02):
                began = time.perf_counter()
                with db.write() as connection:
                    connection.execute(workers.update().where(workers.c.id == row["id"]).values(lease_until=now()))
                took_s.append(time.perf_counter() - began)
        except Exception as error:
            problems.append(error)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield took_s
    finally:
        done.set()
        thread.join(60)
    assert problems == []


def longest_s(timed: TimedDatabase, work: Callable[[], None], rounds: int = 3) -> float:
    """The longest write that `work` does, in seconds. It does the same writes in the same order each time."""
    quickest: list[float] = []
    for _ in range(rounds):
        timed.held_s.clear()
        with heartbeat(timed) as took_s:
            work()
        assert took_s  # somebody was in between
        quickest = [min(pair) for pair in zip(quickest or timed.held_s, timed.held_s, strict=True)]
        if max(quickest) < LIMIT_S:
            break
    print(f"longest write: {max(quickest) * 1000:.0f} ms of {len(quickest)}")
    return max(quickest)


def conversation(number: int) -> NewRow:
    """A row of about 1 kB, half of it Chinese."""
    answer = f"答案 {number}：" + "青光眼会损害视神经。" * 15 + "Pressure in the eye is measured. " * 15
    turns = [{"role": "user", "content": f"问题 {number}"}, {"role": "assistant", "content": answer}]
    return NewRow("chat", {"messages": turns}, split="train", extra={"n": number}, origin={"type": "file", "line": number})


def new_dataset(db: Database) -> str:
    with db.write() as connection:
        dataset_id = store.create_dataset(connection, new_id("ds"), "usr_a")
        store.open_first_revision(connection, dataset_id, "usr_a", {})
    return dataset_id


def written(db: Database, new: list[NewRow]) -> str:
    dataset_id = new_dataset(db)
    totals = store.write_rows(db, dataset_id, new, "usr_a")
    store.commit_first_revision(db, dataset_id, totals, {})
    return dataset_id


def new_training(db: Database, settings: Settings, steps_by_attempt: list[range]) -> tuple[str, str]:
    """A training's job and its event file, each attempt resumed from the step before its first; returns both ids."""
    run_id, dataset_id = new_id("run"), new_dataset(db)
    base = {"id": run_id, "name": "b", "source": "hub", "ref": "a/b", "state": "ready", "author": "usr_a", "created_at": now()}
    run = {"id": run_id, "name": run_id, "dataset_id": dataset_id, "dataset_revision": 1, "base_id": run_id, "spec": {}}
    with db.write() as connection:
        connection.execute(bases.insert().values(**base))
        connection.execute(runs.insert().values(**run, author="usr_a", created_at=now()))
        job_id = insert_job(connection, spec={"kind": "train"}, name="r", author="usr_a", run_id=run_id)
    folder = RunFolder(settings.home / "runs" / run_id)
    folder.create({"kind": "train"})
    measured = {"lr": 1e-3, "grad_norm": 0.5, "tokens": 100, "target_tokens": 40, "seconds": 0.1, "mem_bytes": 2**30}
    for attempt, steps in enumerate(steps_by_attempt, start=1):
        writer = EventWriter(folder.events_file, attempt)
        writer.write("attempt_started", resumed_from_step=max(0, steps.start - 1))
        for step in steps:
            writer.write("step_finished", step=step, loss=1 / (step + 1), **measured)
        writer.close()
    return job_id, run_id


def take_in(db: Database, settings: Settings, job_id: str) -> None:
    with db.read() as connection:
        job = job_of_row(connection.execute(select_jobs().where(jobs.c.id == job_id)).mappings().one())
    ingest(db, settings, job)


def count(db: Database, table: sa.Table) -> int:
    with db.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_writing_many_rows_and_taking_them_back_keeps_others_waiting_for_less_than_100_ms(timed: TimedDatabase) -> None:
    new = [conversation(number) for number in range(N_ROWS)]

    def work() -> None:
        dataset_id = written(timed, new)
        assert count(timed, rows) == N_ROWS
        store.discard_dataset(timed, dataset_id)
        assert count(timed, datasets) == 0

    assert longest_s(timed, work) < LIMIT_S


def test_taking_in_a_long_training_keeps_others_waiting_for_less_than_100_ms(timed: TimedDatabase, settings: Settings) -> None:
    """The worker slept through all of it."""

    def work() -> None:
        before = count(timed, points)
        take_in(timed, settings, new_training(timed, settings, [range(N_STEPS)])[0])
        assert count(timed, points) - before == N_STEPS * N_SERIES

    assert longest_s(timed, work) < LIMIT_S


def test_a_resume_from_an_early_step_keeps_others_waiting_for_less_than_100_ms(timed: TimedDatabase, settings: Settings) -> None:
    def work() -> None:
        job_id, run_id = new_training(timed, settings, [range(N_STEPS // 4), range(100, 200)])
        take_in(timed, settings, job_id)
        with timed.read() as connection:
            again = connection.execute(sa.select(sa.func.count()).where(points.c.superseded, points.c.run_id == run_id))
            assert again.scalar() == (N_STEPS // 4 - 100) * N_SERIES

    assert longest_s(timed, work) < LIMIT_S


@pytest.mark.parametrize("what", ["rows", "events"])
def test_a_batch_that_is_too_large_is_seen(
    timed: TimedDatabase, settings: Settings, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Guards the tests above, which would pass if nothing were measured."""
    monkeypatch.setattr(store, "_BATCH", N_ROWS)
    monkeypatch.setattr(store, "_BATCH_POSTGRESQL", 1_700)  # with 19 columns, the most that one statement can hold
    monkeypatch.setattr(ingesting, "_BATCH", N_STEPS)

    def work() -> Any:
        if what == "rows":
            return written(timed, [conversation(number) for number in range(N_ROWS)])
        return take_in(timed, settings, new_training(timed, settings, [range(N_STEPS)])[0])

    assert longest_s(timed, work, rounds=1) > LIMIT_S
