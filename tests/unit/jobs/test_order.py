"""The order of the queue: moved, held back, one device slot for each card, and one more try with less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.access import Actor
from studio.db import Database
from studio.jobs import kinds
from studio.jobs.kinds import JobKind
from studio.jobs.queue import Job, JobService, insert_job
from studio.jobs.resources import Device
from studio.jobs.runfolder import RunFolder
from studio.jobs.worker import Worker
from studio.settings import Settings

FETCH: dict[str, Any] = {"kind": "fetch", "schema": 1}
CARDS = tuple(Device("cuda", index, f"Card {index}", 24 * 2**30) for index in range(2))
NO_MEMORY = {"key": "error.job.out_of_memory", "field": None, "params": {}}


class Held:
    """A process that ends when its test says so: the worker sees what it would see of a real one."""

    def __init__(self) -> None:
        self.pid = 0
        self.status: int | None = None

    def poll(self) -> int | None:
        return self.status

    def terminate(self) -> None:
        self.status = -15


class Machine:
    """A worker on a simulated machine of two cards; `started` are the jobs that it began, with their device."""

    def __init__(self, db: Database, settings: Settings, cards: tuple[Device, ...] = CARDS) -> None:
        self.settings = settings
        self.service = JobService(db, settings)
        self.started: list[tuple[str, Device | None]] = []
        self.processes: dict[str, Held] = {}
        self.db = db
        self.worker = Worker(db, settings, self._launch, lambda _: cards)

    def _launch(self, settings: Settings, job: Job, device: Device | None) -> Held:
        self.started.append((job.name, device))
        self.processes[job.name] = Held()
        return self.processes[job.name]

    def queue(self, *names: str, kind: str = "fetch") -> dict[str, str]:
        made = {}
        for name in names:
            with self.db.write() as connection:
                made[name] = insert_job(connection, spec=FETCH | {"kind": kind}, name=name, author="usr_a")
        return made

    def ends(self, actor: Actor, job_id: str, state: str, error: dict[str, Any] | None = None) -> None:
        """Its process leaves a result and is gone; the worker looks."""
        job = self.service.get(actor, job_id)
        told = {"attempt": job.attempt, "state": state, "result": {}, "error": error}
        RunFolder(self.settings.home / job.folder).write_result(told)
        self.processes[job.name].status = 0 if state == "finished" else 1
        self.worker.look()


@pytest.fixture
def machine(db: Database, settings: Settings) -> Machine:
    return Machine(db, settings.ready())


@pytest.mark.backends("sqlite", "postgresql")
def test_two_cards_run_two_jobs_each_on_its_own_and_the_third_takes_the_free_one(machine: Machine, actor: Actor) -> None:
    ids = machine.queue("a", "b", "c")
    machine.worker.look()
    assert machine.started == [("a", CARDS[0]), ("b", CARDS[1])]
    job = machine.service.get(actor, ids["b"])
    assert (job.slot, job.device) == (1, "Card 1")
    machine.ends(actor, ids["a"], "finished")
    assert machine.started[2:] == [("c", CARDS[0])]


@pytest.mark.backends("sqlite", "postgresql")
def test_what_is_moved_up_starts_first_and_a_new_job_is_the_last(machine: Machine, actor: Actor) -> None:
    ids = machine.queue("a", "b", "c", "d")
    machine.service.move(actor, ids["d"], -3)
    machine.service.move(actor, ids["a"], 1)
    ids |= machine.queue("e")
    assert [job.name for job in machine.service.active(actor)] == ["d", "b", "a", "c", "e"]
    machine.service.move(actor, ids["d"], -1)  # the first one stays the first
    machine.service.move(actor, ids["e"], 99)
    machine.worker.look()
    assert [name for name, _ in machine.started] == ["d", "b"]
    machine.service.move(actor, ids["d"], 1)  # it runs: nothing to move
    assert [job.name for job in machine.service.active(actor)] == ["d", "b", "a", "c", "e"]


def test_a_paused_job_lets_others_pass_and_starts_in_its_place_again(machine: Machine, actor: Actor) -> None:
    ids = machine.queue("a", "b", "c", "d")
    machine.service.pause(actor, ids["a"])
    machine.service.pause(actor, ids["a"])
    machine.worker.look()
    assert [name for name, _ in machine.started] == ["b", "c"]
    machine.service.pause(actor, ids["a"], paused=False)
    machine.service.pause(actor, ids["b"])  # it runs
    assert machine.service.get(actor, ids["b"]).state == "starting"
    machine.ends(actor, ids["b"], "finished")
    assert [name for name, _ in machine.started] == ["b", "c", "a"]


def test_a_paused_job_can_be_cancelled(machine: Machine, actor: Actor) -> None:
    ids = machine.queue("a")
    machine.service.pause(actor, ids["a"])
    assert machine.service.stop(actor, ids["a"]).state == "stopped"


def test_the_queue_goes_on_after_an_error_and_what_is_tried_again_is_the_last(machine: Machine, actor: Actor) -> None:
    ids = machine.queue("a", "b", "c", "d")
    machine.worker.look()
    machine.ends(actor, ids["a"], "failed", {"key": "error.job.crashed", "field": None, "params": {"reason": "x"}})
    assert machine.started[2:] == [("c", CARDS[0])]
    machine.service.resume(actor, ids["a"])
    assert [job.name for job in machine.service.active(actor) if job.state == "queued"] == ["d", "a"]


def eases(folder: RunFolder, settings: Settings) -> bool:
    """What a kind may do when memory was not enough: once."""
    note = folder.path / "eased.json"
    if note.exists():
        return False
    note.write_text(json.dumps({"home": str(settings.home)}))
    return True


def test_a_job_short_of_memory_is_tried_once_more_with_less_before_the_others(
    machine: Machine, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = JobKind("fetch", "device", "nowhere:none", eases=f"{__name__}:eases")
    monkeypatch.setitem(kinds.KINDS, "fetch", kind)
    ids = machine.queue("a", "b", "c")
    machine.worker.look()
    machine.ends(actor, ids["a"], "failed", NO_MEMORY)
    job = machine.service.get(actor, ids["a"])
    assert (job.state, job.attempt, job.error, job.slot) == ("starting", 2, None, 0)
    assert [name for name, _ in machine.started] == ["a", "b", "a"]
    machine.ends(actor, ids["a"], "failed", NO_MEMORY)
    job = machine.service.get(actor, ids["a"])
    assert (job.state, job.error) == ("failed", NO_MEMORY)


def test_a_kind_that_cannot_do_with_less_fails_at_once(machine: Machine, actor: Actor) -> None:
    ids = machine.queue("a")
    machine.worker.look()
    machine.ends(actor, ids["a"], "failed", NO_MEMORY)
    assert machine.service.get(actor, ids["a"]).state == "failed"


def test_a_broken_remedy_ends_the_job_and_not_the_worker(
    machine: Machine, actor: Actor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kind = JobKind("fetch", "device", "nowhere:none", eases="json:loads")  # called with a folder, it raises
    monkeypatch.setitem(kinds.KINDS, "fetch", kind)
    ids = machine.queue("a")
    machine.worker.look()
    machine.ends(actor, ids["a"], "failed", NO_MEMORY)
    assert machine.service.get(actor, ids["a"]).state == "failed"
