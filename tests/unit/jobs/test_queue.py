"""Jobs in the database: queued once, ended once, followed once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import Actor
from studio.db import Database
from studio.errors import JobError, NotFoundError
from studio.ids import new_id, now
from studio.jobs.queue import JobService, JobState, end_job, insert_job
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import jobs, workers
from studio.settings import Settings

pytestmark = pytest.mark.backends("sqlite", "postgresql")

IMPORT: dict[str, Any] = {"kind": "import", "schema": 1}


@pytest.fixture
def service(db: Database, settings: Settings) -> JobService:
    return JobService(db, settings)


def queue(db: Database, spec: dict[str, Any] = IMPORT, **options: Any) -> str:
    with db.write() as connection:
        return insert_job(connection, spec=spec, name=options.pop("name", "a"), author="usr_a", **options)


def begin(db: Database, job_id: str, state: JobState = "running") -> None:
    with db.write() as connection:
        connection.execute(jobs.update().where(jobs.c.id == job_id).values(state=state, attempt=1))


def end(db: Database, service: JobService, actor: Actor, job_id: str, state: JobState, **values: Any) -> None:
    job = service.get(actor, job_id)
    with db.write() as connection:
        end_job(connection, job, state, **values)


def count(db: Database) -> int:
    with db.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(jobs)).scalar_one())


def test_a_new_job_waits_with_its_class_and_its_folder(db: Database, service: JobService, actor: Actor) -> None:
    job = service.get(actor, queue(db))
    assert (job.state, job.job_class, job.attempt, job.folder) == ("queued", "light", 0, f"jobs/{job.id}")
    assert (job.is_active, job.has_ended, job.share_done) == (False, False, 0.0)


def test_a_kind_that_nobody_registered_is_refused_with_the_known_ones(db: Database) -> None:
    with pytest.raises(JobError) as caught:
        queue(db, {"kind": "dance"})
    assert (caught.value.key, caught.value.field) == ("error.job.unknown_kind", "kind")
    assert caught.value.params == {
        "kind": "dance",
        "known": "bring, bulk_edit, doctor, engine, export_data, fetch, import, index, merge, mix, pilot, push, split, train",
    }
    assert count(db) == 0


def test_a_double_click_is_one_job(db: Database) -> None:
    assert queue(db, request_id="wish") == queue(db, request_id="wish")
    assert count(db) == 1


def test_two_clicks_at_the_same_moment_are_one_job(db: Database) -> None:
    start, made = threading.Barrier(2), []

    def click() -> None:
        start.wait(10)
        made.append(queue(db, request_id="wish"))

    threads = [threading.Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(made) == 2
    assert len(set(made)) == 1
    assert count(db) == 1


def test_jobs_without_a_request_id_are_as_many_as_were_asked_for(db: Database) -> None:
    assert queue(db) != queue(db)


def test_stopping_a_job_that_waits_ends_it_at_once(db: Database, service: JobService, actor: Actor) -> None:
    stopped = service.stop(actor, queue(db))
    assert stopped.state == "stopped"
    assert stopped.ended_at is not None


def test_stopping_a_running_job_asks_it_and_asking_twice_is_once(db: Database, service: JobService, actor: Actor) -> None:
    job_id = queue(db)
    begin(db, job_id)
    first = service.stop(actor, job_id)
    assert first.state == "running"
    assert first.stop_requested_at is not None
    assert service.stop(actor, job_id).stop_requested_at == first.stop_requested_at


def test_stopping_a_job_that_has_ended_changes_nothing(db: Database, service: JobService, actor: Actor) -> None:
    job_id = queue(db)
    begin(db, job_id)
    end(db, service, actor, job_id, "finished")
    before = service.get(actor, job_id)
    assert service.stop(actor, job_id) == before


def test_an_unknown_job_is_not_found(service: JobService, actor: Actor) -> None:
    unknown = new_id("job")
    for ask in (service.get, service.stop, service.log_tail):
        with pytest.raises(NotFoundError) as caught:
            ask(actor, unknown)
        assert caught.value.key == "error.job.unknown"
        assert caught.value.params == {"job": unknown}


def test_a_job_ends_once_and_keeps_its_first_end(db: Database, service: JobService, actor: Actor) -> None:
    job_id = queue(db)
    begin(db, job_id)
    end(db, service, actor, job_id, "failed", error=JobError("error.job.died", log="x"))
    before = service.get(actor, job_id)
    end(db, service, actor, job_id, "finished", result={"n": 1})
    assert service.get(actor, job_id) == before
    assert before.error == {"key": "error.job.died", "field": None, "params": {"log": "x"}}


def test_what_follows_is_queued_once_when_a_job_has_finished(db: Database, service: JobService, actor: Actor) -> None:
    job_id = queue(db, IMPORT | {"then": [IMPORT | {"note": "second"}, {"kind": "fetch"}]}, name="chain")
    begin(db, job_id)
    end(db, service, actor, job_id, "finished")
    end(db, service, actor, job_id, "finished")
    followers = [job for job in service.active(actor) if job.id != job_id]
    assert [(job.kind, job.state, job.name, job.author) for job in followers] == [
        ("import", "queued", "chain", "usr_a"),
        ("fetch", "queued", "chain", "usr_a"),
    ]


@pytest.mark.parametrize("state", ["failed", "stopped", "lost"])
def test_nothing_follows_a_job_that_did_not_finish(db: Database, service: JobService, actor: Actor, state: JobState) -> None:
    job_id = queue(db, IMPORT | {"then": [IMPORT]})
    begin(db, job_id)
    end(db, service, actor, job_id, state)
    assert service.active(actor) == []


def test_nothing_follows_a_job_whose_end_came_too_late(db: Database, service: JobService, actor: Actor) -> None:
    """It was stopped first; that it says "finished" afterwards must not start the next one."""
    job_id = queue(db, IMPORT | {"then": [IMPORT]})
    begin(db, job_id)
    running = service.get(actor, job_id)
    end(db, service, actor, job_id, "stopped")
    with db.write() as connection:
        end_job(connection, running, "finished")
    assert service.get(actor, job_id).state == "stopped"
    assert service.active(actor) == []


def test_active_jobs_are_those_that_run_and_then_those_that_wait_without_engines(
    db: Database, service: JobService, actor: Actor
) -> None:
    first, second, ended, engine = queue(db), queue(db), queue(db), queue(db, {"kind": "engine"})
    begin(db, second)
    service.stop(actor, ended)
    assert engine not in [job.id for job in service.active(actor)]
    assert [job.id for job in service.active(actor)] == [second, first]


def test_the_latest_jobs_of_a_kind_come_newest_first(db: Database, service: JobService, actor: Actor) -> None:
    made = [queue(db) for _ in range(3)]
    queue(db, {"kind": "fetch"})
    with db.write() as connection:  # ids of one millisecond have no order; these have
        for number, job_id in enumerate(made):
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(id=f"job_{number}"))
    assert [job.id for job in service.latest(actor, "import", 2)] == ["job_2", "job_1"]


def test_the_tail_of_a_log_begins_with_a_whole_line(
    db: Database, service: JobService, actor: Actor, settings: Settings
) -> None:
    job_id = queue(db)
    assert service.log_tail(actor, job_id) == ""
    folder = RunFolder(settings.home / "jobs" / job_id)
    folder.create(IMPORT)
    folder.log_file.write_text("一二三四五\nsecond\nthird\n", "utf-8")
    assert service.log_tail(actor, job_id) == "一二三四五\nsecond\nthird\n"
    assert service.log_tail(actor, job_id, 16) == "second\nthird\n"


def test_a_spec_on_disk_is_written_once_and_a_result_is_whole(tmp_path: Any) -> None:
    folder = RunFolder(tmp_path / "job")
    folder.create({"kind": "import", "名": "甲"})
    folder.create({"kind": "import", "名": "乙"})
    assert folder.read_spec() == {"kind": "import", "名": "甲"}
    assert folder.read_result() is None
    folder.write_result({"state": "finished"})
    assert folder.read_result() == {"state": "finished"}
    assert sorted(path.name for path in folder.path.iterdir()) == ["result.json", "spec.yaml"]


def test_a_worker_is_alive_as_long_as_its_lease(db: Database, service: JobService, actor: Actor) -> None:
    with pytest.raises(JobError) as caught:
        service.require_worker(actor)
    assert caught.value.key == "error.job.no_worker"
    row = {"id": "wrk_a", "host": "h", "pid": 1, "pid_created": "boot 1", "started_at": now()}
    with db.write() as connection:
        connection.execute(workers.insert().values(**row, lease_until=now() + timedelta(seconds=30)))
    service.require_worker(actor)
    with db.write() as connection:
        connection.execute(workers.update().values(lease_until=now() - timedelta(seconds=1)))
    assert not service.worker_alive(actor)
