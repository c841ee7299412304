"""Random kills of web server, worker and jobs, alone and together, while runs and imports go on: what is lost, what doubled?

All processes are the product's own, forked from a warm one (tests/warm.py) so that a kill costs milliseconds and not the
import of torch. What is killed, and when, follows from the seed and the machine's own timing.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from studio.data.service import ImportSpec
from studio.errors import StudioError
from studio.jobs.processes import is_alive
from studio.jobs.queue import insert_job
from studio.jobs.tables import jobs, workers
from studio.services import Services
from studio.settings import Settings
from tests.bench.report import Report
from tests.survive import ACTOR, SPEC, losses, make_home, problems_of_imports, problems_of_run, write_rows
from tests.warm import Forked, Warm

_KILLS = 300
_SMALL_KILLS = 12

#: Mean seconds between two kills; a run takes about three undisturbed.
_PAUSE_S = 0.7

_RUN = SPEC | {"max_steps": 120, "evaluations": 12}
_SMALL_ROWS, _JOB_ROWS = 300, 3_000

#: Who is killed, and how often among 100 times.
_VICTIMS = {
    ("job",): 34,
    ("worker",): 22,
    ("web",): 16,
    ("job", "worker"): 10,
    ("worker", "web"): 7,
    ("job", "web"): 5,
    ("job", "worker", "web"): 6,
}


# --- what people do meanwhile -----------------------------------------------------------------------------------------


def clerk(services: Services) -> None:
    """In a thread of the web server: runs and imports are asked for until nobody wants more. A wish that a kill cut short is
    repeated under its own name, as a browser that got no answer repeats it.
    """
    home = services.settings.home
    folder = home / "wishes"
    number = 0
    while not (home / "shut").exists():
        if not (home / "open").exists():
            time.sleep(0.1)
            continue
        waiting = sum(not run.job.has_ended for run in services.train.list(ACTOR))
        if waiting >= 2:
            time.sleep(0.1)
            continue
        # Only while fewer than two wait is the next wish spoken, and written down before it is: so it is known afterwards.
        number = max((int(path.name) for path in folder.iterdir()), default=0)
        if _is_fulfilled(services, number):
            number += 1
        (folder / str(number)).touch()
        _wish(services, number)
    (home / "silent").touch()


def _is_fulfilled(services: Services, number: int) -> bool:
    names = {info.name for info in services.data.list(ACTOR)}
    with services.db.read() as connection:
        asked = set(connection.execute(sa.select(jobs.c.request_id)).scalars())
    return {f"run-{number}", f"import-{number}"} <= asked and f"small-{number}" in names


def _wish(services: Services, number: int) -> None:
    rows = next(info for info in services.data.list(ACTOR) if info.name == "rows")
    spec = services.train.complete(ACTOR, _RUN | {"dataset": rows.id, "name": f"run-{number}"})
    services.train.start(ACTOR, spec, request_id=f"run-{number}")
    upload = services.data.stage(ACTOR, services.settings.home / "tmp" / "job.jsonl")
    by_job = ImportSpec(upload=upload, file_name="job.jsonl", dataset_name=f"job-{number}")
    with services.db.write() as connection:
        insert_job(connection, spec=by_job.as_dict(), name=f"job-{number}", author="usr_local", request_id=f"import-{number}")
    upload = services.data.stage(ACTOR, services.settings.home / "tmp" / "small.jsonl")
    at_once = ImportSpec(upload=upload, file_name="small.jsonl", dataset_name=f"small-{number}")
    with contextlib.suppress(StudioError):  # its name is taken: it is there, and only the answer was lost
        services.data.import_upload(ACTOR, at_once, request_id=f"small-{number}")


# --- the bench --------------------------------------------------------------------------------------------------------


class Bench:
    """One home, its web server, and the hand that kills."""

    def __init__(self, warm: Warm, services: Services, seed: int) -> None:
        self._warm, self.services = warm, services
        self._random = random.Random(seed)
        self._port = _free_port()
        self._web = self._start_web()
        self.kills: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.resumed = self.stopped = 0

    def _start_web(self) -> Forked:
        return self._warm.web(self.services.settings, self._port, clerk="tests.bench.survive:clerk")

    def go_on(self, n_kills: int) -> None:
        while self.kills.total() < n_kills:
            time.sleep(self._random.expovariate(1 / _PAUSE_S))
            self._kill(self._random.choices(list(_VICTIMS), list(_VICTIMS.values()))[0])
            self._people(stops=True)
            if self._web.poll() is not None:
                self._web = self._start_web()

    def _kill(self, victims: tuple[str, ...]) -> None:
        with self.services.db.read() as connection:
            active = list(connection.execute(sa.select(jobs).where(jobs.c.pid.is_not(None), jobs.c.ended_at.is_(None))))
            at_work = list(connection.execute(sa.select(workers)))
            waiting = connection.execute(sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state == "queued")).scalar()
        for name in victims:
            if name == "web" and self._web.poll() is None:
                self._web.kill()
                self.kills["web"] += 1
            of_kind = {"job": active, "worker": at_work}.get(name, [])
            found = [row for row in of_kind if is_alive(row.pid, row.pid_created)]
            if found:
                row = self._random.choice(found)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(row.pid, signal.SIGKILL)
                    self.kills[name] += 1
                    if name == "job":
                        self.states[f"{row.kind} {row.state}: {row.phase or 'begins'}"] += 1
                    else:
                        self.states[f"worker with {len(active)} jobs at work, {min(waiting, 1)}+ waiting"] += 1

    def _people(self, *, stops: bool) -> None:
        """Somebody stops a run now and then; whatever stopped, failed after three deaths or got lost is let go on."""
        for run in self.services.train.list(ACTOR):
            if run.job.can_resume:
                self.services.train.resume(ACTOR, run.id)
                self.resumed += 1
            elif stops and run.job.state == "running" and self._random.random() < 0.03:
                self.services.jobs.stop(ACTOR, run.job.id)
                self.stopped += 1
        for job in self.services.jobs.latest(ACTOR, "import"):
            if job.can_resume:
                self.services.jobs.resume(ACTOR, job.id)
                self.resumed += 1

    def drain(self, timeout_s: float) -> None:
        """Until everything that was asked for has ended, and nobody asks any more; nobody is killed."""
        home = self.services.settings.home
        give_up = time.monotonic() + timeout_s
        while time.monotonic() < give_up:
            self._people(stops=False)
            if self._web.poll() is not None:
                self._web = self._start_web()
            is_silent = (home / "silent").exists() or not (home / "open").exists()
            with self.services.db.read() as connection:
                if is_silent and not connection.execute(sa.select(jobs.c.id).where(jobs.c.state != "finished")).first():
                    return
            time.sleep(0.2)

    def end(self) -> None:
        self._web.kill()
        with self.services.db.read() as connection:
            found = list(connection.execute(sa.select(workers)))
        for row in found:
            if is_alive(row.pid, row.pid_created):
                os.kill(row.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def run(*, small: bool) -> Report:
    seed = int(os.environ.get("SURVIVE_SEED", "1"))
    with tempfile.TemporaryDirectory() as name, Warm(Path(name), with_web=True) as warm:
        services = make_home(Settings(home=Path(name) / "home", device="cpu"))
        home = services.settings.home
        (home / "wishes").mkdir()
        write_rows(home / "tmp" / "small.jsonl", _SMALL_ROWS)
        write_rows(home / "tmp" / "job.jsonl", _JOB_ROWS)
        bench = Bench(warm, services, seed)
        try:
            expected = _untouched(bench)
            (home / "open").touch()
            bench.go_on(_SMALL_KILLS if small else _KILLS)
            (home / "shut").touch()
            bench.drain(300)
            return _report(bench, expected)
        finally:
            bench.end()
            services.close()


def _untouched(bench: Bench) -> dict[tuple[str, int], float]:
    """The points of a run before anybody is killed."""
    services = bench.services
    rows = services.data.list(ACTOR)[0]
    run_id = services.train.start(ACTOR, services.train.complete(ACTOR, _RUN | {"dataset": rows.id, "name": "untouched"}))
    bench.drain(120)
    problems = problems_of_run(services, run_id)
    assert not problems, problems
    return losses(services, run_id)


def _report(bench: Bench, expected: dict[tuple[str, int], float]) -> Report:
    services = bench.services
    runs = services.train.list(ACTOR, limit=10_000)
    found = {run.name: problems_of_run(services, run.id, expected) for run in runs}
    names = [int(path.name) for path in (services.settings.home / "wishes").iterdir()]
    wanted = {"rows": 31} | _wanted(services, names)
    found["imports"] = problems_of_imports(services, wanted)
    found["wishes"] = [f"run-{n} is lost" for n in names if n < max(names) and f"run-{n}" not in found]
    for name, problems in found.items():
        for problem in problems:
            print(f"{name}: {problem}", file=sys.stderr)
    for state, count in sorted(bench.states.items()):
        print(f"killed {count:4d} × {state}")
    report = Report("survive")
    report.add("kills", bench.kills.total(), "")
    for name in ("web", "worker", "job"):
        report.add(f"kills of {name}", bench.kills[name], "")
    report.add("runs", len(runs), "")
    report.add("attempts of these runs", sum(run.job.attempt for run in runs), "")
    report.add("imports", len(wanted) - 1, "")
    report.add("resumed by a person", bench.resumed, "")
    report.add("stopped by a person", bench.stopped, "")
    report.add("runs not finished", sum(run.job.state != "finished" for run in runs), "", 0)
    report.add("lost or doubled", sum(len(problems) for problems in found.values()), "", 0)
    report.add("largest difference of a loss", _difference(services, [run.id for run in runs], expected), "", 1e-6)
    return report


def _wanted(services: Services, names: list[int]) -> dict[str, int]:
    """What the wishes must have made. The clerk goes on to the next one when it has seen the last one heard, so all but the
    newest are certain; of that one, what its web server died too early to hear is no loss.
    """
    with services.db.read() as connection:
        heard = set(connection.execute(sa.select(jobs.c.request_id)).scalars())
    there = {info.name for info in services.data.list(ACTOR)}
    certain = set(names) - {max(names)}
    by_job = {f"job-{n}": _JOB_ROWS for n in names if n in certain or f"import-{n}" in heard}
    at_once = {f"small-{n}": _SMALL_ROWS for n in names if n in certain or f"small-{n}" in there}
    return by_job | at_once


def _difference(services: Services, run_ids: list[str], expected: dict[tuple[str, int], float]) -> float:
    return max(
        abs(value - expected[key]) for run_id in run_ids for key, value in losses(services, run_id).items() if key in expected
    )
