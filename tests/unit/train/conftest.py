"""Trainings that die for real: a home with a base and a dataset, and a process whose forks are attempts."""

from __future__ import annotations

import json
import random
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
    """A home with the tiny base, one that learns faster, and one whose weights are broken; its datasets are `_datasets`."""
    settings = Settings(home=tmp_path_factory.mktemp("training") / "home", device="cpu").ready()
    shutil.copyfile(migrated_file, settings.home / "studio.db")
    services = build_services(settings)
    shutil.copytree(tiny_base_folder, settings.home / "models" / "tiny")
    values = {"id": "tiny", "name": "Tiny", "source": "folder", "ref": "", "revision": "0" * 40, "architecture": "Llama"}
    facts = {"parameters": 40_000, "bytes": 160_000, "context": 512, "state": "ready", "author": "usr_local"}
    for name in ("apt", "broken"):
        _change_weights(shutil.copytree(tiny_base_folder, settings.home / "models" / name), name)
    with services.db.write() as connection:
        for name in ("tiny", "apt", "broken"):
            connection.execute(bases.insert().values(**values | {"id": name, "name": name} | facts, created_at=now()))
    for name, records in _datasets().items():
        rows = settings.home / f"{name}.jsonl"
        rows.write_text("".join(json.dumps(row) + "\n" for row in records), "utf-8")
        upload = services.data.stage(local_admin(), rows)
        services.data.import_upload(local_admin(), ImportSpec(upload=upload, file_name=rows.name, dataset_name=name))
    services.close()
    return settings.home


def _change_weights(folder: Path, name: str) -> None:
    """apt: a head with large weights, where a random one is so small that no hidden state could move its loss far
    broken: one number of one layer is none, which a disk or a conversion leaves now and then
    """
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] *= 10
    if name == "broken":
        weights["model.layers.1.mlp.down_proj.weight"][3, 5] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _datasets() -> dict[str, list[dict[str, Any]]]:
    """Rows        `N_TRAIN` and `N_VALIDATION` short ones          train-only  the former alone
    easy        a pattern that a tiny model learns at once       garbage     the same with three rows that are no text
    by_heart    answers without a rule: they can only be learnt by heart
    """
    rows = list(_records())
    chance = random.Random(7)

    def noise(n: int) -> str:
        return "".join(chance.choice("bcdfghjklmnpqrstvwxz0123456789#%&") for _ in range(n))

    easy = [_turn(f"Count from {n}", f"{n} and on and on and on.", "train" if n < 120 else "validation") for n in range(132)]
    garbage = [_turn("Count from 7", noise(60), "train") for _ in range(3)]
    by_heart = [_turn(noise(6), noise(8), "train" if n < 8 else "validation") for n in range(16)]
    train_only = [row for row in rows if row["split"] == "train"]
    return {"rows": rows, "train-only": train_only, "easy": easy, "garbage": easy[:87] + garbage, "by_heart": by_heart}


def _turn(question: str, answer: str, split: str) -> dict[str, Any]:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": turns, "split": split}


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
