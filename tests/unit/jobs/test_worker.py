"""The worker with real job processes: seen to their end, stopped, killed, adopted. Jobs are held by signals, not by clocks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
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
from studio.jobs.processes import myself
from studio.jobs.queue import ATTEMPTS, Job, enter_job, insert_job
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import jobs, workers
from studio.jobs.worker import Worker
from studio.services import Services
from studio.settings import ROOT

WaitUntil = Callable[..., Any]

#: Rows of a file whose import takes some seconds: long enough to be caught in the middle.
MANY = 12_000


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


def send(job: Job, number: signal.Signals) -> None:
    assert job.pid, "a group of 0 would be this very process's own"
    os.killpg(job.pid, number)


def has_ended(job: Job) -> bool:
    return job.has_ended


def has_entered(job: Job) -> bool:
    return job.pid is not None


def is_running(job: Job) -> bool:
    return job.state == "running"


def event_seqs(shop: Shop, job: Job) -> list[int]:
    """Of every event in the job's file."""
    return [event.seq for event, _ in read_events(shop.services.settings.home / job.folder / "events.jsonl")]


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


def test_a_killed_import_begins_again_and_leaves_one_whole_dataset(shop: Shop, wait_until: WaitUntil) -> None:
    job_id = shop.queue_import("killed", MANY)
    worker = shop.worker()
    running = look_until(worker, shop, job_id, is_running, wait_until)
    send(running, signal.SIGKILL)
    job = look_until(worker, shop, job_id, has_ended, wait_until)
    assert (job.state, job.attempt, job.deaths) == ("finished", 2, 1)
    assert job.pid != running.pid
    [dataset] = shop.services.data.list(shop.actor)
    assert (dataset.id, dataset.counts) == ((job.result or {})["dataset_id"], {"train": MANY})
    assert event_seqs(shop, job) == list(range(1, job.ingested_seq + 1))


def test_a_job_that_dies_three_times_has_failed_and_a_person_can_let_it_go_on(shop: Shop, wait_until: WaitUntil) -> None:
    job_id = shop.queue_import("poison", MANY)
    worker = shop.worker()
    for attempt in range(1, ATTEMPTS + 1):
        look_until(worker, shop, job_id, lambda job, n=attempt: is_running(job) and job.attempt == n, wait_until)
        send(shop.job(job_id), signal.SIGKILL)
    job = look_until(worker, shop, job_id, has_ended, wait_until)
    assert (job.state, job.attempt) == ("failed", ATTEMPTS)
    assert job.error == {"key": "error.job.died", "field": None, "params": {"n": ATTEMPTS, "log": f"jobs/{job_id}/log.txt"}}
    assert shop.services.data.list(shop.actor) == []
    shop.services.jobs.resume(shop.actor, job_id)
    shop.services.jobs.resume(shop.actor, job_id)  # somebody else, at the same moment
    job = look_until(worker, shop, job_id, has_ended, wait_until)
    assert (job.state, job.attempt, job.error) == ("finished", ATTEMPTS + 1, None)
    assert [info.counts for info in shop.services.data.list(shop.actor)] == [{"train": MANY}]


def test_what_the_system_killed_for_memory_is_not_tried_again(
    shop: Shop, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = [7]
    monkeypatch.setattr("studio.jobs.worker.oom_kills", lambda: kills[0])
    job_id = shop.queue_import("greedy", MANY)
    worker = shop.worker()
    running = look_until(worker, shop, job_id, is_running, wait_until)
    kills[0] += 1
    send(running, signal.SIGKILL)
    job = look_until(worker, shop, job_id, has_ended, wait_until)
    assert (job.state, (job.error or {})["key"]) == ("failed", "error.job.killed_for_memory")


def test_a_running_job_that_is_asked_to_stop_ends_as_stopped_and_leaves_nothing(shop: Shop, wait_until: WaitUntil) -> None:
    job_id = shop.queue_import("stopped", MANY)
    worker = shop.worker()
    running = look_until(worker, shop, job_id, is_running, wait_until)
    send(running, signal.SIGSTOP)  # held, so that it cannot finish before it is asked
    shop.services.jobs.stop(shop.actor, job_id)
    worker.look()
    assert shop.job(job_id).state == "stopping"
    send(running, signal.SIGCONT)
    job = look_until(worker, shop, job_id, has_ended, wait_until)
    assert job.state == "stopped"
    result = RunFolder(shop.services.settings.home / job.folder).read_result()
    assert result is not None, "it ended by its own will, not by force"
    assert result["state"] == "stopped"
    assert shop.services.data.list(shop.actor) == []


def test_a_new_worker_adopts_the_running_job_of_a_dead_one_and_sees_it_end(shop: Shop, wait_until: WaitUntil) -> None:
    job_id = shop.queue_import("adopted", MANY)
    first = shop.worker()
    started = look_until(first, shop, job_id, has_entered, wait_until)
    send(started, signal.SIGSTOP)
    second = shop.worker()  # knows the job from the database alone
    second.look()
    assert shop.job(job_id).has_ended is False
    send(started, signal.SIGCONT)
    job = look_until(second, shop, job_id, has_ended, wait_until)
    assert (job.state, job.attempt, job.pid) == ("finished", 1, started.pid)
    assert shop.services.data.get(shop.actor, (job.result or {})["dataset_id"]).counts == {"train": MANY}


def test_a_pid_that_belongs_to_somebody_else_by_now_is_not_taken_for_the_job(shop: Shop) -> None:
    """The machine was restarted: the pid lives, but was created at another time."""
    job_id = shop.queue_import("reborn", 1)
    worker = shop.worker()
    with shop.services.db.write() as connection:
        values = {"state": "running", "attempt": 1, "host": worker._host, "pid": os.getpid()}
        boot, _, ticks = myself()[1].partition("/")
        connection.execute(jobs.update().values(**values, pid_created=f"{boot}/{int(ticks) - 1}"))
    worker.look()
    job = shop.job(job_id)
    assert (job.state, job.attempt, job.deaths) == ("starting", 2, 1)
    assert os.getpid() not in shop.pids


def test_a_job_of_another_host_is_left_alone(shop: Shop) -> None:
    job_id = shop.queue_import("elsewhere", 1)
    with shop.services.db.write() as connection:
        values = {"state": "running", "attempt": 1, "host": "another-host", "pid": 1, "pid_created": "b/1"}
        connection.execute(jobs.update().values(**values))
    shop.worker().look()
    assert shop.services.jobs.get(shop.actor, job_id).state == "running"


def test_a_job_with_a_broken_event_file_goes_on_all_the_same(shop: Shop, wait_until: WaitUntil) -> None:
    """A disk that was full for a moment leaves a line that is no event; the job must not hold its slot for ever."""
    job_id = shop.queue_import("broken", 1)
    worker = shop.worker()
    folder = RunFolder(shop.services.settings.home / "jobs" / job_id)
    folder.create(shop.job(job_id).spec)
    folder.events_file.write_bytes(b"\0\0\0\0\n")
    with shop.services.db.write() as connection:
        connection.execute(jobs.update().values(state="running", attempt=1, host=worker._host, pid=2**22, pid_created="b/1"))
    job = look_until(worker, shop, job_id, has_ended, wait_until)
    assert (job.state, job.attempt) == ("finished", 2)
    assert event_seqs(shop, job) == list(range(1, job.ingested_seq + 1))


# --- whose job it is --------------------------------------------------------------------------------------------------


def test_a_process_that_enters_too_late_does_nothing(shop: Shop, wait_until: WaitUntil) -> None:
    """The worker died right after it had started the process; the next one has given the attempt up."""
    job_id = shop.queue_import("late", 3)
    dead = shop.worker()
    dead._launch = lambda settings, job, device: Nobody()
    dead.look()
    assert (shop.job(job_id).state, shop.job(job_id).attempt, shop.job(job_id).pid) == ("starting", 1, None)
    job = look_until(shop.worker(), shop, job_id, has_ended, wait_until)
    assert (job.state, job.attempt, job.deaths) == ("finished", 2, 0)
    assert enter_job(shop.services.db, job_id, 1) is None
    assert enter_job(shop.services.db, job_id, 2) is None
    assert start_attempt(shop, job_id, attempt=1).wait(60) == 0
    assert len(shop.services.data.list(shop.actor)) == 1
    assert {event.attempt for event, _ in read_events(shop.services.settings.home / job.folder / "events.jsonl")} == {2}


class Nobody:
    """A process that a worker started right before it was killed itself."""

    pid = 2**22

    def poll(self) -> int | None:
        return None


def test_two_processes_cannot_enter_one_attempt(shop: Shop) -> None:
    job_id = shop.queue_import("twice", 1)
    with shop.services.db.write() as connection:
        connection.execute(jobs.update().values(state="starting", attempt=1))
    assert enter_job(shop.services.db, job_id, 1) is not None
    assert enter_job(shop.services.db, job_id, 1) is None


def test_a_clock_that_jumps_changes_nothing(shop: Shop, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour forth, an hour back, while a job runs, waits to stop, or belongs to another host."""
    shift = [timedelta()]
    for module in ("worker", "queue", "events"):
        monkeypatch.setattr(f"studio.jobs.{module}.now", lambda: now() + shift[0])
    far = shop.queue_import("far", 1)
    with shop.services.db.write() as connection:
        connection.execute(jobs.update().values(state="running", attempt=1, host="another-host", lease_until=now()))
    job_id = shop.queue_import("near", MANY)
    worker = shop.worker()
    running = look_until(worker, shop, job_id, has_entered, wait_until)
    send(running, signal.SIGSTOP)
    shop.services.jobs.stop(shop.actor, job_id)
    for hours in (1, -1, 48):
        shift[0] = timedelta(hours=hours)
        worker.look()
        shop.worker().look()  # a new one, that adopts
        assert shop.job(job_id).state in ("starting", "running", "stopping")
        assert shop.job(job_id).pid == running.pid
        assert shop.job(far).state == "running"
    send(running, signal.SIGCONT)
    job = look_until(worker, shop, job_id, has_ended, wait_until)
    assert (job.state, job.attempt) == ("stopped", 1)


def test_a_job_of_another_host_is_lost_when_its_lease_stands_still_for_ten_minutes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("studio.jobs.worker.time.monotonic", lambda: clock[0])
    job_id = shop.queue_import("elsewhere", 1)
    values = {"state": "running", "attempt": 1, "host": "another-host", "pid": 1, "pid_created": "b/1"}

    def renew() -> None:
        with shop.services.db.write() as connection:
            connection.execute(jobs.update().values(**values, lease_until=now() + timedelta(seconds=clock[0])))

    worker = shop.worker()
    renew()
    worker.look()
    clock[0] += 400
    renew()
    worker.look()
    clock[0] += 599
    worker.look()
    assert shop.services.jobs.get(shop.actor, job_id).state == "running"
    clock[0] += 2
    worker.look()
    lost = shop.services.jobs.get(shop.actor, job_id)
    assert (lost.state, (lost.error or {})["params"]) == ("lost", {"host": "another-host"})
    assert lost.can_resume


def test_a_broken_result_file_is_no_result(shop: Shop, wait_until: WaitUntil) -> None:
    job_id = shop.queue_import("torn", 3)
    folder = RunFolder(shop.services.settings.home / "jobs" / job_id)
    folder.create(shop.job(job_id).spec)
    folder.result_file.write_bytes(b"")
    with shop.services.db.write() as connection:
        values = {"state": "running", "attempt": 1, "host": shop.worker()._host, "pid": 2**22, "pid_created": "b/1"}
        connection.execute(jobs.update().values(**values))
    job = look_until(shop.worker(), shop, job_id, has_ended, wait_until)
    assert (job.state, job.attempt) == ("finished", 2)


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


def start_attempt(shop: Shop, job_id: str, attempt: int = 1) -> subprocess.Popen[bytes]:
    """`python -m studio.processes.job` as the worker would start it, with nobody to take its events in."""
    settings = shop.services.settings
    job = shop.services.jobs.get(shop.actor, job_id)
    RunFolder(settings.home / job.folder).create(job.spec)
    with shop.services.db.write() as connection:
        connection.execute(jobs.update().where(jobs.c.id == job_id, jobs.c.attempt == 0).values(state="starting", attempt=1))
    process = subprocess.Popen(
        [sys.executable, "-m", "studio.processes.job", job_id, str(attempt)],
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
