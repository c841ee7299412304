"""A disk that fills up under everything at once: uploads, events, the database, a worker that looks on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from studio.access import Actor
from studio.data.service import ImportSpec
from studio.errors import DataError
from studio.jobs.queue import Job, insert_job
from studio.jobs.worker import Worker
from studio.services import Services, build_services
from studio.settings import Settings

WaitUntil = Callable[..., Any]

MB = 2**20


@pytest.fixture
def tight(small_disk: Callable[..., Path]) -> Iterator[Services]:
    """A studio whose home lies on a disk of 24 MB."""
    services = build_services(Settings(home=small_disk(24 * MB) / "home", device="cpu").ready())
    services.db.migrate(services.settings)
    yield services
    services.close()


def fill(services: Services, *, leave: int) -> Path:
    """A file that takes the rest of the disk but for `leave` bytes."""
    filler = services.settings.home / "filler"
    free = os.statvfs(services.settings.home)
    with filler.open("wb") as file:
        file.write(b"\0" * max(0, free.f_bavail * free.f_frsize - leave))
    return filler


def queue_import(tight: Services, actor: Actor, write_rows: Callable[..., Path], *, n_characters: int) -> str:
    """The job of an import of 9,000 rows with answers of so many characters."""
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!" * n_characters}]
    path = write_rows([{"messages": turns, "split": "train"}] * 9_000)
    spec = ImportSpec(upload=tight.data.stage(actor, path), file_name=path.name, dataset_name="rows")
    with tight.db.write() as connection:
        return insert_job(connection, spec=spec.as_dict(), name="rows", author=actor.user_id)


def test_an_upload_that_does_not_fit_leaves_nothing(
    tight: Services, actor: Actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = tmp_path / "big.jsonl"
    big.write_bytes(b"x" * (30 * MB))
    with pytest.raises(DataError) as seen_before:
        tight.data.stage(actor, big)

    class Plenty(NamedTuple):
        free: int

    # Somebody else fills the disk between the look and the copy: the copy itself meets the end of it.
    monkeypatch.setattr("studio.data.uploads.shutil.disk_usage", lambda _: Plenty(2**40))
    with pytest.raises(DataError) as met:
        tight.data.stage(actor, big)
    assert seen_before.value.key == met.value.key == "error.data.no_disk"
    assert list((tight.settings.home / "uploads").iterdir()) == []


def test_a_job_whose_disk_is_full_goes_on_when_there_is_room_again(
    tight: Services, actor: Actor, write_rows: Callable[..., Path], wait_until: WaitUntil
) -> None:
    """Not a byte is left: the job can write neither rows nor events nor why it ends, the worker cannot note it."""
    job_id = queue_import(tight, actor, write_rows, n_characters=60)

    def job() -> Job:
        return tight.jobs.get(actor, job_id)

    worker = Worker(tight.db, tight.settings)
    looks = threading.Thread(target=worker.run)
    looks.start()
    try:
        pid = wait_until(lambda: job().state == "running" and job().pid)
        os.killpg(pid, signal.SIGSTOP)
        filler = fill(tight, leave=0)
        os.killpg(pid, signal.SIGCONT)
        wait_until(lambda: worker._children[job_id].poll() is not None)
        assert looks.is_alive(), "a full disk is no reason to end"
        assert worker._children[job_id].poll() == 1
        filler.unlink()
        ended = wait_until(lambda: job().has_ended and job(), 60)
    finally:
        worker.stop()
        looks.join(10)
    assert (ended.state, ended.attempt) == ("finished", 2)
    assert [(info.name, info.counts) for info in tight.data.list(actor)] == [("rows", {"train": 9_000})]


def test_a_job_with_little_room_left_says_so(
    tight: Services, actor: Actor, write_rows: Callable[..., Path], wait_until: WaitUntil
) -> None:
    job_id = queue_import(tight, actor, write_rows, n_characters=400)
    filler = fill(tight, leave=3 * MB)
    worker = Worker(tight.db, tight.settings)

    def ended() -> Job | None:
        worker.look()
        job = tight.jobs.get(actor, job_id)
        return job if job.has_ended else None

    job: Job = wait_until(ended, 60)
    assert job.state == "failed"
    # The job's own word where it could still be written, the worker's otherwise.
    assert (job.error or {})["key"] in ("error.db.disk_full", "error.job.disk_full")
    filler.unlink()
    tight.jobs.resume(actor, job_id)
    assert wait_until(ended, 60).state == "finished"
    assert [(info.name, info.counts) for info in tight.data.list(actor)] == [("rows", {"train": 9_000})]
