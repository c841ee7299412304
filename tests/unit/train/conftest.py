"""Trainings that die for real: a home with a base and a dataset, and a process whose forks are attempts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.access import local_admin
from studio.services import Services, build_services
from studio.settings import Settings
from tests.faulty import fill_home
from tests.survive import SPEC
from tests.unit.train.runs import Attempts, Training

#: 7 batches an epoch, 4 updates (the last of one batch), 12 in all.
COMMON: dict[str, Any] = SPEC | {"dataset": "rows", "max_steps": 0, "epochs": 3.0, "gradient_accumulation_steps": 2}


@pytest.fixture(scope="session")
def attempts() -> Iterator[Attempts]:
    process = Attempts()
    yield process
    process.close()


@pytest.fixture(scope="session")
def training_home(
    attempts: Attempts, tmp_path_factory: pytest.TempPathFactory, migrated_file: Path, tiny_base_folder: Path
) -> Path:
    """A home with the bases and the datasets of `tests.faulty`."""
    settings = Settings(home=tmp_path_factory.mktemp("training") / "home", device="cpu").ready()
    shutil.copyfile(migrated_file, settings.home / "studio.db")
    services = build_services(settings)
    fill_home(services, tiny_base_folder)
    services.close()
    return settings.home


@pytest.fixture(scope="session")
def new_training(attempts: Attempts, training_home: Path) -> Iterator[Callable[..., Training]]:
    """`new_training(**values)` is a run that was never started; its values go over `COMMON`.

    With `entered=True` the run and its job have rows in the database.
    """
    settings = Settings(home=training_home, device="cpu")
    services: Services = build_services(settings)
    datasets = {info.name: info.id for info in services.data.list(local_admin())}
    made = 0

    def make(*, entered: bool = False, **values: Any) -> Training:
        nonlocal made
        made += 1
        name = f"run_{made}"
        values = COMMON | {"name": name} | values
        spec = services.train.complete(local_admin(), values | {"dataset": datasets[values["dataset"]]})
        if not entered:
            return Training(attempts, training_home, name, spec.as_dict())
        run = services.train.get(local_admin(), services.train.start(local_admin(), spec))
        return Training(attempts, training_home, run.id, spec.as_dict(), run.job.id)

    yield make
    services.close()


@pytest.fixture(scope="session")
def untouched(new_training: Callable[..., Training]) -> Training:
    """12 steps, saved at 3, 6, 9 and 12, each better than the one before; 3, 6 and 9 lie within an epoch of 4 steps."""
    run = new_training()
    run.finished()
    return run


@pytest.fixture(scope="session")
def killed_at_8(new_training: Callable[..., Training]) -> Training:
    """Has checkpoints of steps 3 and 6. To be copied, not to be gone on with."""
    run = new_training()
    run.killed(at="after", kind="step_finished", step=8)
    return run
