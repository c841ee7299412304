"""Kill -9 of worker and job in every state and at every turn: the run ends as one that nobody touched."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from studio.errors import JobError
from studio.services import Services, build_services
from studio.settings import ROOT, Settings
from tests.survive import ACTOR, SPEC, losses, make_home, problems_of_run
from tests.warm import Forked, Warm

WaitUntil = Callable[..., Any]


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    with Warm(tmp_path_factory.mktemp("warm")) as process:
        yield process


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_base_folder: Path) -> Iterator[Services]:
    services = make_home(Settings(home=tmp_path_factory.mktemp("survive") / "home", device="cpu"), tiny_base_folder)
    yield services
    services.close()


class Keeper:
    """Does what the web server does: starts a worker whenever there is none."""

    def __init__(self, warm: Warm, services: Services) -> None:
        self._warm, self._services = warm, services
        self.workers: list[Forked] = []

    def look(self) -> None:
        if not self.workers or self.workers[-1].poll() is not None:
            self.workers.append(self._warm.worker(self._services.settings))

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()


@pytest.fixture
def keeper(warm: Warm, home: Services) -> Iterator[Keeper]:
    made = Keeper(warm, home)
    yield made
    made.end()


@pytest.mark.parametrize("said", ["", '{"do": ', '{{"do": "nothing", "home": "{home}", "url": ""}}\n'])
def test_the_warm_process_outlives_who_asked_it(warm: Warm, home: Services, keeper: Keeper, said: str) -> None:
    question = said.format(home=home.settings.home).encode() if "home" in said else said.encode()
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as asker:  # killed at any moment: before, amid and behind its question
            asker.connect(warm.path)
            asker.sendall(question)
    keeper.look()
    assert keeper.workers[-1].poll() is None


def start(home: Services, name: str) -> str:
    [dataset] = home.data.list(ACTOR)
    return home.train.start(ACTOR, home.train.complete(ACTOR, SPEC | {"dataset": dataset.id, "name": name}))


def finish(home: Services, keeper: Keeper, run_id: str, wait_until: WaitUntil) -> None:
    def ended() -> bool:
        keeper.look()
        return home.train.get(ACTOR, run_id).job.has_ended

    wait_until(ended, 60)


def patience(condition: Callable[[], Any], timeout_s: float) -> None:
    give_up = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up, "in vain"


@pytest.fixture(scope="module")
def untouched(warm: Warm, home: Services) -> dict[tuple[str, int], float]:
    """The points of a run that nobody touched."""
    keeper = Keeper(warm, home)
    run_id = start(home, "untouched")
    finish(home, keeper, run_id, patience)
    keeper.end()
    assert problems_of_run(home, run_id) == []
    assert home.train.get(ACTOR, run_id).job.attempt == 1
    return losses(home, run_id)


JOB_FATES = {
    "before it enters its attempt": {"at": "unentered"},
    "entered, nothing told yet": {"at": "entered"},
    "begun": {"at": "event", "n": 1},
    "preparing": {"at": "event", "n": 2},
    "loading": {"at": "event", "n": 3},
    "evaluating the base": {"at": "before", "kind": "evaluated", "step": 0},
    "half a line": {"at": "half_event", "n": 9},
    "stepping": {"at": "after", "kind": "step_finished", "step": 5},
    "evaluating": {"at": "before", "kind": "evaluated", "step": 6},
    "filling a checkpoint": {"at": "filling", "step": 6},
    "between checkpoint and event": {"at": "before", "kind": "checkpoint_saved", "step": 6},
    "behind the event": {"at": "after", "kind": "checkpoint_saved", "step": 9},
    "last step": {"at": "after", "kind": "step_finished", "step": 12},
    "result written": {"at": "result"},
}

WORKER_FATES = {
    "before it takes a job": {"before": "_claim", "n": 2},
    "between taking and starting": {"before": "_start"},
    "right after starting": {"behind": "fork_job"},
    "before it takes events in": {"before": "_take", "n": 2},
    "behind": {"behind": "_take", "n": 3},
    "before it writes the end": {"before": "_settle"},
    "behind it": {"behind": "_settle"},
}


def fate_file(home: Services, name: str, fate: dict[str, Any]) -> Path:
    path: Path = home.settings.home / name
    path.write_text(json.dumps(fate))
    return path


@pytest.mark.parametrize("fate", JOB_FATES.values(), ids=JOB_FATES)
def test_a_job_killed_at_any_turn_ends_as_one_that_nobody_touched(
    home: Services,
    keeper: Keeper,
    untouched: dict[tuple[str, int], float],
    wait_until: WaitUntil,
    fate: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:
    path = fate_file(home, "fate.json", fate)
    run_id = start(home, request.node.name)
    finish(home, keeper, run_id, wait_until)
    job = home.train.get(ACTOR, run_id).job
    assert not path.exists()
    assert (job.attempt, job.deaths) == ((1, 0) if fate["at"] == "result" else (2, 1)), "the fate was met"
    assert problems_of_run(home, run_id, untouched) == []


@pytest.mark.parametrize("fate", WORKER_FATES.values(), ids=WORKER_FATES)
def test_a_worker_killed_at_any_turn_is_not_missed(
    home: Services,
    keeper: Keeper,
    untouched: dict[tuple[str, int], float],
    wait_until: WaitUntil,
    fate: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:
    fate_file(home, "worker-fate.json", fate)
    run_id = start(home, request.node.name)
    finish(home, keeper, run_id, wait_until)
    job = home.train.get(ACTOR, run_id).job
    wait_until((home.settings.home / "worker-fate.met").exists)
    (home.settings.home / "worker-fate.met").unlink()
    assert job.deaths == 0
    assert problems_of_run(home, run_id, untouched) == []


def test_a_run_that_is_stopped_while_its_worker_dies_goes_on_exactly_when_somebody_resumes_it(
    home: Services, keeper: Keeper, untouched: dict[tuple[str, int], float], wait_until: WaitUntil
) -> None:
    fate_file(home, "fate.json", {"at": "event", "n": 9})
    fate_file(home, "worker-fate.json", {"behind": "_stop_job"})
    run_id = start(home, "stopped")
    keeper.look()
    wait_until(lambda: home.train.get(ACTOR, run_id).job.deaths == 1, 60)  # it has been killed once already
    home.train.stop(ACTOR, run_id)
    finish(home, keeper, run_id, wait_until)
    stopped = home.train.get(ACTOR, run_id).job
    assert stopped.state == "stopped"
    home.train.resume(ACTOR, run_id)
    home.train.resume(ACTOR, run_id)  # somebody else's click
    finish(home, keeper, run_id, wait_until)
    job = home.train.get(ACTOR, run_id).job
    assert (job.state, job.attempt, job.deaths) == ("finished", stopped.attempt + 1, 0)
    assert problems_of_run(home, run_id, untouched) == []


#: A web server that dies while it queues a run: in the middle of its transaction, or when only the answer is left to be said.
QUEUES_AND_DIES = """
import os, signal, sys
from pathlib import Path
import studio.train.service as service
from studio.services import build_services
from studio.settings import ROOT, Settings
from tests.survive import ACTOR, SPEC

home, moment, name = sys.argv[1:]
insert_job = service.insert_job

def insert(*args, **kwargs):
    job_id = insert_job(*args, **kwargs)
    if moment == "inside":
        os.kill(os.getpid(), signal.SIGKILL)
    return job_id

service.insert_job = insert
services = build_services(Settings(home=Path(home), device="cpu"))
[dataset] = services.data.list(ACTOR)
spec = services.train.complete(ACTOR, SPEC | {"dataset": dataset.id, "name": name})
services.train.start(ACTOR, spec, request_id=name)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("moment", "queued"), [("inside", 0), ("behind", 1)])
def test_a_web_server_killed_while_it_queues_a_run_leaves_one_or_none(home: Services, moment: str, queued: int) -> None:
    name = f"queued by one that died {moment}"
    command = [sys.executable, "-c", QUEUES_AND_DIES, str(home.settings.home), moment, name]
    assert subprocess.run(command, cwd=ROOT).returncode == -signal.SIGKILL
    assert sum(run.name == name for run in home.train.list(ACTOR)) == queued
    [dataset] = home.data.list(ACTOR)
    spec = home.train.complete(ACTOR, SPEC | {"dataset": dataset.id, "name": name})
    run_id = home.train.start(ACTOR, spec, request_id=name)  # the browser got no answer and asks again
    assert [run.id for run in home.train.list(ACTOR) if run.name == name] == [run_id]
    assert home.train.stop(ACTOR, run_id).job.state == "stopped"


def test_two_people_and_two_clicks_are_one_run_and_one_resume(home: Services) -> None:
    """Services of two web servers on one home; all at the same moment."""
    other = build_services(home.settings)
    [dataset] = home.data.list(ACTOR)
    spec = home.train.complete(ACTOR, SPEC | {"dataset": dataset.id, "name": "by two people"})
    with ThreadPoolExecutor(8) as people:
        asked = [people.submit(each.train.start, ACTOR, spec, request_id="one") for each in (home, other) * 4]
        assert len({future.result() for future in asked}) == 1
        run_id = asked[0].result()
        home.train.stop(ACTOR, run_id)
        asked_again = [people.submit(each.train.resume, ACTOR, run_id) for each in (home, other) * 4]
        assert {future.result().job.state for future in asked_again} == {"queued"}
    assert sum(run.name == "by two people" for run in home.train.list(ACTOR)) == 1
    home.train.stop(ACTOR, run_id)
    other.close()


def test_a_finished_run_has_nothing_to_go_on_with(home: Services, untouched: dict[tuple[str, int], float]) -> None:
    run = next(run for run in home.train.list(ACTOR) if run.name == "untouched")
    with pytest.raises(JobError) as caught:
        home.train.resume(ACTOR, run.id)
    assert caught.value.key == "error.job.cannot_resume"
    assert home.train.get(ACTOR, run.id).job == run.job
