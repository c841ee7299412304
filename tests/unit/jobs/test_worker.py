"""The worker with real job processes: seen to their end, stopped, killed, adopted. Jobs are held by signals, not by clocks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from studio.access import Actor
from studio.data.service import ImportSpec
from studio.data.store import create_dataset
from studio.errors import JobError
from studio.ids import now
from studio.jobs.events import read_events
from studio.jobs.queue import Job, insert_job
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import jobs, workers
from studio.jobs.worker import Worker, process_created
from studio.services import Services
from studio.settings import ROOT

WaitUntil = Callable[..., Any]

#: Rows of a file whose import takes some seconds: long enough to be caught in the middle.
MANY = 60_000


class Shop:
    """Queues imports and looks after the processes that the workers start, so that none outlives its test."""

    def __init__(self, services: Services, actor: Actor, folder: Path) -> None:
        self.services, self.actor, self.folder = services, actor, folder
        self.pids: set[int] = set()

    def queue_import(self, name: str, n_rows: int) -> str:
        path = self.folder / f"{name}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for number in range(n_rows):
                turns = [{"role": "user", "content": f"问题 {number}?"}, {"role": "assistant", "content": f"Answer {number}."}]
                file.write(json.dumps({"messages": turns, "split": "train"}, ensure_ascii=False) + "\n")
        upload = self.services.data.stage(self.actor, path)
        return self.queue(ImportSpec(upload=upload, file_name=path.name, dataset_name=name).as_dict())

    def queue(self, spec: dict[str, Any]) -> str:
        with self.services.db.write() as connection:
            return insert_job(connection, spec=spec, name="a job", author=self.actor.user_id)

    def job(self, job_id: str) -> Job:
        job = self.services.jobs.get(self.actor, job_id)
        self.pids |= {job.pid} if job.pid else set()
        return job

    def worker(self) -> Worker:
        return Worker(self.services.db, self.services.settings)

    def close(self) -> None:
        for pid in self.pids:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for child in psutil.Process().children():
            if child.pid in self.pids:
                child.wait(10)


@pytest.fixture
def shop(services: Services, actor: Actor, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(services, actor, tmp_path)
    yield made
    made.close()


def look_until(worker: Worker, shop: Shop, job_id: str, wanted: Callable[[Job], bool], wait_until: WaitUntil) -> Job:
    def look() -> Job | None:
        worker.look()
        job = shop.job(job_id)
        return job if wanted(job) else None

    found: Job = wait_until(look)
    return found


def has_ended(job: Job) -> bool:
    return job.has_ended


def is_running(job: Job) -> bool:
    return job.state == "running"


# --- through the worker -----------------------------------------------------------------------------------------------


def test_an_import_runs_in_a_process_of_its_own_and_its_dataset_is_there(shop: Shop, wait_until: WaitUntil) -> None:
    job_id = shop.queue_import("small", 5)
    job = look_until(shop.worker(), shop, job_id, has_ended, wait_until)
    assert (job.state, job.attempt, job.error) == ("finished", 1, None)
    assert job.pid not in (None, os.getpid())
    dataset = shop.services.data.get(shop.actor, job.result["dataset_id"] if job.result else "")
    assert (dataset.name, dataset.counts) == ("small", {"train": 5})
    kinds = [event["kind"] for event in shop.services.jobs.events(shop.actor, job_id, ["attempt_started", "attempt_ended"])]
    assert kinds == ["attempt_started", "attempt_ended"]


def test_a_job_that_fails_says_why(shop: Shop, wait_until: WaitUntil) -> None:
    job_id = shop.queue(ImportSpec(upload="0" * 64, file_name="gone.jsonl", dataset_name="gone").as_dict())
    job = look_until(shop.worker(), shop, job_id, has_ended, wait_until)
    assert (job.state, job.result) == ("failed", None)
    assert job.error is not None
    assert job.error["key"].startswith("error.")
    assert "Traceback" in shop.services.jobs.log_tail(shop.actor, job_id)


def test_a_job_whose_process_is_killed_has_failed_and_its_dataset_is_not_there(shop: Shop, wait_until: WaitUntil) -> None:
    job_id = shop.queue_import("killed", MANY)
    worker = shop.worker()
    running = look_until(worker, shop, job_id, is_running, wait_until)
    os.killpg(running.pid or 0, signal.SIGKILL)
    job = look_until(worker, shop, job_id, has_ended, wait_until)
    assert job.state == "failed"
    assert job.error == {"key": "error.job.died", "field": None, "params": {"log": f"jobs/{job_id}/log.txt"}}
    assert shop.services.data.list(shop.actor) == []


def test_a_running_job_that_is_asked_to_stop_ends_as_stopped_and_leaves_nothing(shop: Shop, wait_until: WaitUntil) -> None:
    job_id = shop.queue_import("stopped", MANY)
    worker = shop.worker()
    running = look_until(worker, shop, job_id, is_running, wait_until)
    os.killpg(running.pid or 0, signal.SIGSTOP)  # held, so that it cannot finish before it is asked
    shop.services.jobs.stop(shop.actor, job_id)
    worker.look()
    assert shop.job(job_id).state == "stopping"
    os.killpg(running.pid or 0, signal.SIGCONT)
    job = look_until(worker, shop, job_id, has_ended, wait_until)
    assert job.state == "stopped"
    result = RunFolder(shop.services.settings.home / job.folder).read_result()
    assert result is not None, "it ended by its own will, not by force"
    assert result["state"] == "stopped"
    assert shop.services.data.list(shop.actor) == []


def test_a_new_worker_adopts_the_running_job_of_a_dead_one_and_sees_it_end(shop: Shop, wait_until: WaitUntil) -> None:
    job_id = shop.queue_import("adopted", 200)
    first = shop.worker()
    first.look()
    started = shop.job(job_id)
    os.killpg(started.pid or 0, signal.SIGSTOP)
    second = shop.worker()  # knows the job from the database alone
    second.look()
    assert shop.job(job_id).has_ended is False
    os.killpg(started.pid or 0, signal.SIGCONT)
    job = look_until(second, shop, job_id, has_ended, wait_until)
    assert (job.state, job.attempt, job.pid) == ("finished", 1, started.pid)
    assert shop.services.data.get(shop.actor, (job.result or {})["dataset_id"]).counts == {"train": 200}


def test_a_pid_that_belongs_to_somebody_else_by_now_is_not_taken_for_the_job(shop: Shop) -> None:
    """The machine was restarted: the pid lives, but was created at another time."""
    job_id = shop.queue_import("reborn", 1)
    worker = shop.worker()
    with shop.services.db.write() as connection:
        values = {"state": "running", "attempt": 1, "host": worker._host, "pid": os.getpid()}
        created = (process_created(os.getpid()) or 0) - 3600
        connection.execute(jobs.update().values(**values, pid_created=created))
    worker.look()
    job = shop.services.jobs.get(shop.actor, job_id)
    assert (job.state, (job.error or {}).get("key")) == ("failed", "error.job.died")


def test_a_job_of_another_host_is_left_alone(shop: Shop) -> None:
    job_id = shop.queue_import("elsewhere", 1)
    with shop.services.db.write() as connection:
        values = {"state": "running", "attempt": 1, "host": "another-host", "pid": 1, "pid_created": 0.0}
        connection.execute(jobs.update().values(**values))
    shop.worker().look()
    assert shop.services.jobs.get(shop.actor, job_id).state == "running"


def test_a_job_with_a_broken_event_file_ends_all_the_same(shop: Shop) -> None:
    """A disk that was full for a moment leaves a line that is no event; the job must not hold its slot for ever."""
    job_id = shop.queue_import("broken", 1)
    worker = shop.worker()
    folder = RunFolder(shop.services.settings.home / "jobs" / job_id)
    folder.create({"kind": "import"})
    folder.events_file.write_bytes(b"\0\0\0\0\n")
    with shop.services.db.write() as connection:
        connection.execute(jobs.update().values(state="running", attempt=1, host=worker._host, pid=2**22, pid_created=0.0))
    worker.look()
    job = shop.services.jobs.get(shop.actor, job_id)
    assert (job.state, (job.error or {}).get("key")) == ("failed", "error.job.died")


def test_light_jobs_run_two_at_a_time(shop: Shop) -> None:
    ids = [shop.queue_import(f"d{number}", 1) for number in range(3)]
    shop.worker().look()
    assert [shop.job(job_id).state for job_id in ids] == ["starting", "starting", "queued"]


# --- the worker itself ------------------------------------------------------------------------------------------------


def test_a_second_worker_on_the_same_home_is_refused_and_the_first_one_leaves_no_trace(
    shop: Shop, wait_until: WaitUntil
) -> None:
    first = shop.worker()
    thread = threading.Thread(target=first.run)
    thread.start()
    try:
        wait_until(lambda: shop.services.jobs.worker_alive(shop.actor))
        with pytest.raises(JobError) as caught:
            shop.worker().run()
        assert caught.value.key == "error.job.second_worker"
        assert thread.is_alive()
    finally:
        first.stop()
        thread.join(10)
    assert not thread.is_alive()
    with shop.services.db.read() as connection:
        assert connection.execute(sa.select(workers)).all() == []


def test_a_worker_ends_when_the_database_says_so(shop: Shop, wait_until: WaitUntil) -> None:
    worker = shop.worker()
    worker._enter()
    with shop.services.db.write() as connection:
        connection.execute(workers.update().values(stop_requested_at=now()))
    worker.look()
    assert worker._stopping


# --- exit codes of one attempt (CONTRACTS 4) --------------------------------------------------------------------------


def start_attempt(shop: Shop, job_id: str) -> subprocess.Popen[bytes]:
    """`python -m studio.processes.job` as the worker would start it, with nobody to take its events in."""
    settings = shop.services.settings
    job = shop.services.jobs.get(shop.actor, job_id)
    RunFolder(settings.home / job.folder).create(job.spec)
    process = subprocess.Popen(
        [sys.executable, "-m", "studio.processes.job", job_id],
        cwd=ROOT,
        env=os.environ | {"STUDIO_HOME": str(settings.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    shop.pids.add(process.pid)
    return process


def test_a_finished_attempt_exits_with_0(shop: Shop) -> None:
    assert start_attempt(shop, shop.queue_import("zero", 3)).wait(60) == 0


def test_a_failed_attempt_exits_with_1_and_its_result_names_the_error(shop: Shop) -> None:
    with shop.services.db.write() as connection:
        create_dataset(connection, "taken", "usr_a")
    job_id = shop.queue_import("taken", 3)
    assert start_attempt(shop, job_id).wait(60) == 1
    result = RunFolder(shop.services.settings.home / "jobs" / job_id).read_result()
    assert result is not None
    assert (result["state"], result["error"]["key"]) == ("failed", "error.data.name_taken")
    assert result["error"]["params"] == {"name": "taken"}


def test_a_stopped_attempt_exits_with_3(shop: Shop, wait_until: WaitUntil) -> None:
    job_id = shop.queue_import("three", MANY)
    process = start_attempt(shop, job_id)
    path = shop.services.settings.home / "jobs" / job_id / "events.jsonl"
    wait_until(lambda: path.exists() and list(read_events(path)))
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 3
