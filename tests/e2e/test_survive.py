"""Somebody pulls the plug in the middle of a training: web server, worker. No step of it is lost or shown twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from studio.jobs.queue import Job
from studio.jobs.tables import workers
from studio.services import Services
from studio.settings import Settings
from tests.e2e.conftest import Visit
from tests.e2e.studio import StudioServer, start_short_run
from tests.survive import losses, make_home, problems_of_run

#: Of the tiny base: half a minute and more, so that there is a middle to pull the plug in.
_N_STEPS = 1_000

_LONG_MS = 180_000


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[StudioServer]:
    """A studio with the tiny base and one dataset."""
    make_home(Settings(home=tmp_path / "home")).close()
    with StudioServer(tmp_path / "home", STUDIO_STARTER="false") as studio:
        yield studio


def _job(studio: StudioServer, services: Services) -> Job:
    return services.train.list(studio.actor)[0].job


def _worker_pid(services: Services) -> int:
    with services.db.read() as connection:
        return int(connection.execute(sa.select(workers.c.pid)).scalar_one())


def _kill(pid: int) -> None:
    victim = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([victim], timeout=10)


def _see_step(page: Page, step: int) -> None:
    """The page shows this step or a later one, of a run that goes on."""
    expect(page.locator("#run-state")).to_have_attribute("data-state", "running", timeout=_LONG_MS)
    page.wait_for_function(
        "least => Number(/step ([\\d,]+) of/.exec(document.querySelector('#run-state .lead')?.textContent)?.[1]"
        ".replaceAll(',', '')) >= least",
        arg=step,
        timeout=_LONG_MS,
    )


def test_a_run_survives_whatever_is_killed_around_it(tiny: StudioServer, visit: Visit) -> None:
    page = visit().page
    start_short_run(page, tiny, steps=_N_STEPS)
    services = tiny.services()
    _see_step(page, 2)
    page.evaluate("window.neverLoadedAgain = true")
    began = _job(tiny, services)

    tiny.kill_web()
    banner = page.locator("#studio-away")
    expect(banner).to_contain_text("does not answer", timeout=15_000)
    expect(page.locator(".toast-body")).to_have_count(0)
    tiny.start()
    expect(banner).to_be_empty(timeout=15_000)
    _see_step(page, int(began.done or 0) + 1)
    assert page.evaluate("window.neverLoadedAgain") is True

    killed = _worker_pid(services)
    _kill(killed)
    _see_step(page, int(_job(tiny, services).done or 0) + 1)  # told by a new worker, to the same page
    assert _worker_pid(services) != killed
    assert (_job(tiny, services).pid, _job(tiny, services).attempt) == (began.pid, 1)

    page.locator("#run-stop").click()
    expect(page.locator("#run-state")).to_have_attribute("data-state", "stopped", timeout=_LONG_MS)
    run = services.train.list(tiny.actor)[0]
    saved = services.train.checkpoints(tiny.actor, run.id)[-1].step
    expect(page.locator("#run-resume-hint")).to_contain_text(f"from step {saved:,}")
    page.locator("#run-resume").dblclick()
    expect(page.locator("#run-state")).to_have_attribute("data-state", "finished", timeout=_LONG_MS)
    expect(page.locator("#run-attempt")).to_have_text(f"attempt 2, went on from step {saved:,}")

    assert _job(tiny, services).attempt == 2
    assert [step for name, step in sorted(losses(services, run.id)) if name == "train/loss"] == list(range(1, _N_STEPS + 1))
    assert problems_of_run(services, run.id) == []
    services.close()
