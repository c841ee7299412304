"""Trainings that die for real: a home with a base and a dataset, and a process whose forks are attempts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.access import local_admin
from studio.data.service import ImportSpec
from studio.ids import now
from studio.models.tables import bases
from studio.services import Services, build_services
from studio.settings import Settings
from tests.survive import SPEC
from tests.unit.train.runs import Attempts, Training

N_TRAIN, N_VALIDATION = 26, 5

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
    """A home with the tiny base, `N_TRAIN` and `N_VALIDATION` rows as a dataset, and the former alone as another."""
    settings = Settings(home=tmp_path_factory.mktemp("training") / "home", device="cpu").ready()
    shutil.copyfile(migrated_file, settings.home / "studio.db")
    services = build_services(settings)
    shutil.copytree(tiny_base_folder, settings.home / "models" / "tiny")
    values = {"id": "tiny", "name": "Tiny", "source": "folder", "ref": "", "revision": "0" * 40, "architecture": "Llama"}
    facts = {"parameters": 40_000, "bytes": 160_000, "context": 512, "state": "ready", "author": "usr_local"}
    with services.db.write() as connection:
        connection.execute(bases.insert().values(**values, **facts, created_at=now()))
    for name, records in (("rows", list(_records())), ("train-only", [row for row in _records() if row["split"] == "train"])):
        rows = settings.home / f"{name}.jsonl"
        rows.write_text("".join(json.dumps(row) + "\n" for row in records), "utf-8")
        upload = services.data.stage(local_admin(), rows)
        services.data.import_upload(local_admin(), ImportSpec(upload=upload, file_name=rows.name, dataset_name=name))
    services.close()
    return settings.home


def _records() -> Iterator[dict[str, Any]]:
    for n in range(N_TRAIN + N_VALIDATION):
        turns = [
            {"role": "user", "content": f"What is {n} times {n}?"},
            {"role": "assistant", "content": f"{n * n}. " + "It follows. " * (n % 7)},
        ]
        yield {"messages": turns, "split": "train" if n < N_TRAIN else "validation"}


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
