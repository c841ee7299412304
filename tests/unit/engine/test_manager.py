"""Getting an engine: a row in the queue, and patience. The worker is played by the test, which writes what a worker would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import local_admin
from studio.data.tables import datasets
from studio.db import Database
from studio.engine.manager import EngineManager
from studio.engine.tables import engines
from studio.errors import EngineError, JobError, NotFoundError, StudioError
from studio.ids import new_id, now
from studio.jobs.queue import end_job, job_of_row, select_jobs
from studio.jobs.tables import checkpoints, jobs, runs, workers
from studio.models.tables import bases
from studio.processes.engine import adapter_folder, runs_with_checkpoints
from studio.settings import Settings
from tests.fakes.engine import FakeGenerator

PATIENCE_S = 20
TOKEN = "test-token"
ME = local_admin("usr_me")


@pytest.fixture
def manager(db: Database, settings: Settings) -> EngineManager:
    """With a worker that is alive."""
    put(db, workers, id="wrk_a", host="here", pid=1, pid_created=1.0, started_at=now(), lease_until=now() + timedelta(hours=1))
    return EngineManager(db, settings)


def put(db: Database, table: sa.Table, **values: Any) -> None:
    with db.write() as connection:
        connection.execute(table.insert().values(**values))


def change(db: Database, table: sa.Table, **values: Any) -> None:
    with db.write() as connection:
        connection.execute(table.update().values(**values))


def all_jobs(db: Database) -> list[tuple[str, str, str]]:
    """(kind, class, state), oldest first."""
    with db.read() as connection:
        query = sa.select(jobs.c.kind, jobs.c.job_class, jobs.c.state).order_by(jobs.c.id)
        return [tuple(row) for row in connection.execute(query)]


def end_the_job(db: Database, state: Any, error: StudioError | None = None) -> None:
    with db.write() as connection:
        job = job_of_row(connection.execute(select_jobs()).mappings().one())
        end_job(connection, job, state, error=error)


def test_ensuring_an_engine_twice_gives_one_engine_and_one_job(manager: EngineManager, db: Database, settings: Settings) -> None:
    with ThreadPoolExecutor(4) as pages:
        found = {page.result() for page in [pages.submit(manager.ensure, ME, "tiny") for _ in range(4)]}
    assert found == {manager.ensure(ME, "tiny")}
    assert all_jobs(db) == [("engine", "engine", "queued")]
    (engine,) = manager.alive(ME)
    assert manager.of_base(ME, "tiny") == engine
    assert (engine.id, engine.base_name, engine.is_ready) == (found.pop(), "Tiny", False)
    token = settings.home / engine.token_file
    assert (token.stat().st_mode & 0o777, len(token.read_text()) >= 32) == (0o600, True)


def test_without_a_worker_nothing_is_queued(manager: EngineManager, db: Database) -> None:
    change(db, workers, lease_until=now() - timedelta(seconds=1))
    with pytest.raises(EngineError, match=r"error\.engine\.no_worker"):
        manager.ensure(ME, "tiny")
    assert all_jobs(db) == []


def test_a_base_that_is_not_here_has_no_engine(manager: EngineManager, db: Database) -> None:
    change(db, bases, state="fetching")
    for base_id in ("tiny", "nowhere"):
        with pytest.raises(EngineError) as raised:
            manager.ensure(ME, base_id)
        assert (raised.value.key, raised.value.params) == ("error.engine.base_not_ready", {"base": base_id})
    assert all_jobs(db) == []


def test_unload_asks_the_job_to_stop_and_the_next_one_who_asks_gets_a_new_engine(manager: EngineManager, db: Database) -> None:
    engine_id = manager.ensure(ME, "tiny")
    change(db, jobs, state="running")
    manager.unload(ME, engine_id)
    with db.read() as connection:
        asked_at = connection.execute(sa.select(jobs.c.stop_requested_at)).scalar()
    assert asked_at is not None
    manager.unload(ME, engine_id)  # twice is the same as once
    with db.read() as connection:
        assert connection.execute(sa.select(jobs.c.stop_requested_at)).scalar() == asked_at
    assert manager.alive(ME) == []
    assert manager.ensure(ME, "tiny") != engine_id


def test_an_engine_that_still_waits_is_unloaded_at_once(manager: EngineManager, db: Database) -> None:
    manager.unload(ME, manager.ensure(ME, "tiny"))
    assert all_jobs(db) == [("engine", "engine", "stopped")]


def test_an_unknown_engine_cannot_be_unloaded(manager: EngineManager) -> None:
    with pytest.raises(NotFoundError, match=r"error\.engine\.unknown"):
        manager.unload(ME, "eng_none")


def test_an_engine_that_says_goodbye_is_not_given_to_anybody(manager: EngineManager, db: Database) -> None:
    """It idled out; its process still lives for a moment."""
    first = manager.ensure(ME, "tiny")
    change(db, jobs, state="running")
    change(db, engines, state="ended")
    assert manager.of_base(ME, "tiny") is None
    assert manager.ensure(ME, "tiny") != first


def test_a_client_is_given_once_the_engine_is_ready(
    manager: EngineManager, db: Database, settings: Settings, serve: Callable[..., str]
) -> None:
    port = int(serve(FakeGenerator()).rpartition(":")[2])

    async def models() -> list[str]:
        waiting = asyncio.create_task(manager.client(ME, "tiny"))
        async with asyncio.timeout(PATIENCE_S):
            while not all_jobs(db):
                await asyncio.sleep(0.01)
            (engine,) = manager.alive(ME)
            (settings.home / engine.token_file).write_text(TOKEN)
            assert not waiting.done()
            change(db, engines, host="127.0.0.1", port=port, state="ready")
            change(db, jobs, state="running")
            async with await waiting as client:
                return await client.models()

    assert asyncio.run(models()) == ["base"]


@pytest.mark.parametrize(
    ("state", "error", "key"),
    [
        ("failed", JobError("error.job.died", log="jobs/x/log.txt"), "error.job.died"),
        ("failed", EngineError("error.engine.base_unreadable", name="tiny", reason="torn"), "error.engine.base_unreadable"),
        ("stopped", None, "error.engine.ended"),
    ],
)
def test_a_client_of_an_engine_that_does_not_come_up_hears_why(
    manager: EngineManager, db: Database, state: str, error: StudioError | None, key: str
) -> None:
    async def client() -> None:
        waiting = asyncio.create_task(manager.client(ME, "tiny"))
        async with asyncio.timeout(PATIENCE_S):
            while not all_jobs(db):
                await asyncio.sleep(0.01)
            end_the_job(db, state, error)
            await waiting

    with pytest.raises(StudioError) as raised:
        asyncio.run(client())
    assert (raised.value.key, raised.value.params) == (key, error.params if error else {})
    assert manager.alive(ME) == []


def test_nobody_waits_for_a_queued_engine_when_the_worker_is_gone(manager: EngineManager, db: Database) -> None:
    manager.ensure(ME, "tiny")
    change(db, workers, lease_until=now() - timedelta(seconds=1))
    with pytest.raises(EngineError, match=r"error\.engine\.no_worker"):
        asyncio.run(manager.client(ME, "tiny"))


def test_the_names_an_engine_knows_are_the_runs_with_checkpoints_on_its_base(db: Database, settings: Settings) -> None:
    put(db, bases, id="other", name="O", source="hub", ref="o/o", state="ready", author="usr_a", created_at=now())
    put(db, datasets, id="ds_a", name="D", author="usr_a", created_at=now())
    ids = {name: new_id("run") for name in ("old", "new", "untrained", "elsewhere")}
    for name, run_id in ids.items():
        base_id = "other" if name == "elsewhere" else "tiny"
        values = {"dataset_id": "ds_a", "dataset_revision": 1, "base_id": base_id, "spec": {}, "author": "usr_a"}
        put(db, runs, id=run_id, name=name, **values, created_at=now())
    saved = [("old", 1, False), ("old", 2, True), ("old", 3, False), ("new", 1, False), ("new", 2, False), ("elsewhere", 1, True)]
    for name, step, best in saved:
        values = {"run_id": ids[name], "step": step, "path": f"runs/{name}/{step}", "best": best}
        put(db, checkpoints, **values, bytes=1, created_at=now())

    assert sorted(runs_with_checkpoints(db, "tiny")) == sorted([ids["new"], ids["old"]])
    assert adapter_folder(db, settings, "tiny", ids["old"]) == settings.home / "runs/old/2"  # the best
    assert adapter_folder(db, settings, "tiny", ids["new"]) == settings.home / "runs/new/2"  # the last: none is best
    assert adapter_folder(db, settings, "tiny", f"{ids['old']}@3") == settings.home / "runs/old/3"
    for name in (f"{ids['old']}@4", ids["untrained"], ids["elsewhere"], "base", f"{ids['old']}@x"):
        assert adapter_folder(db, settings, "tiny", name) is None
