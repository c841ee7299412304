"""Bases and datasets with which a training goes wrong for real, and sound ones beside them: for unit tests and browser tests."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from studio.access import local_admin
from studio.data.service import ImportSpec
from studio.ids import now
from studio.models.tables import bases
from studio.services import Services

__all__ = ["N_TRAIN", "N_VALIDATION", "fill_home"]

N_TRAIN, N_VALIDATION = 26, 5


def fill_home(services: Services, tiny_base_folder: Path) -> None:
    """The tiny base, one that learns faster (apt), one whose weights are broken; and the datasets of `_datasets`."""
    home = services.settings.home
    shutil.copytree(tiny_base_folder, home / "models" / "tiny")
    values = {"id": "tiny", "name": "Tiny", "source": "folder", "ref": "", "revision": "0" * 40, "architecture": "Llama"}
    facts = {"parameters": 40_000, "bytes": 160_000, "context": 512, "state": "ready", "author": "usr_local"}
    for name in ("apt", "broken"):
        _change_weights(shutil.copytree(tiny_base_folder, home / "models" / name), name)
    with services.db.write() as connection:
        for name in ("tiny", "apt", "broken"):
            connection.execute(bases.insert().values(**values | {"id": name, "name": name} | facts, created_at=now()))
    for name, records in _datasets().items():
        rows = home / f"{name}.jsonl"
        rows.write_text("".join(json.dumps(row) + "\n" for row in records), "utf-8")
        upload = services.data.stage(local_admin(), rows)
        services.data.import_upload(local_admin(), ImportSpec(upload=upload, file_name=rows.name, dataset_name=name))


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
    plain = {"rows": rows, "train-only": train_only, "easy": easy, "garbage": easy[:87] + garbage, "by_heart": by_heart}
    return plain | _of_stages()


def _of_stages() -> dict[str, list[dict[str, Any]]]:
    """Pairs       a chosen answer that counts up, a rejected one that mumbles       judged  the same, one by one
    tasks       questions with the number that they are about
    texts       plain ones, some of them longer than a row may be
    """
    pairs, judged, texts, tasks = [], [], [], []
    for n in range(40):
        split = "train" if n < 28 else "validation"
        asked = [{"role": "user", "content": f"Count from {n}"}]
        good, bad = ([{"role": "assistant", "content": text}] for text in (f"{n} and on and on.", f"Hm, {n * 7 % 13}? No idea."))
        pairs.append({"prompt": asked, "chosen": good, "rejected": bad, "split": split})
        messages = [*asked, *(good if n % 2 else bad)]
        judged.append({"messages": messages, "label": bool(n % 2), "split": split})
        sentence = "The lens bends the light, and the light falls on the retina. "
        tasks.append({"messages": [{"role": "user", "content": f"Count from {n}"}], "answer": str(n), "split": split})
        texts.append({"text": f"Of {n}. " + sentence * (n % 9 + 1), "split": split})
    return {"pairs": pairs, "judged": judged, "texts": texts, "tasks": tasks}


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
