"""What people are shown as tokens is what a training reads: ids and mask of the view against the trainer's own batches."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.access import Actor
from studio.data import store
from studio.data.examples import Reading
from studio.data.lens import Seen
from studio.data.render import Template
from studio.data.rows import NewRow
from studio.data.snapshot import ensure_snapshot, read_snapshot
from studio.services import Services
from studio.settings import Settings
from studio.train.batches import IGNORED, TokenRows, render_rows
from studio.train.trainer import StudioTrainer
from tests.unit.data.conftest import FAMILIES, model_folder
from tests.unit.data.made import dataset, rows_of
from tests.unit.train.methods import spec_of

__all__ = ["model_folder"]

PAD = 7
LIMIT = 160

Tokens = tuple[list[int], list[int]]


def turns(*words: str, system: str = "") -> NewRow:
    """User and assistant take turns."""
    said = [{"role": ("user", "assistant")[at % 2], "content": content} for at, content in enumerate(words)]
    return NewRow("chat", {"messages": [{"role": "system", "content": system}] * bool(system) + said}, split="train")


ROWS = [
    turns("What is hypertension?", "A lasting rise.\n\n- one\n\t- two"),
    turns("高血压是什么？", "高血压是慢性疾病。罕见字：龘 👁️", "那糖尿病呢？", "See a doctor.  "),
    turns("a\n", "b c"),
    turns("assistant", "user"),
    turns("Is <|im_end|> a word, and </s>?", "No."),
    turns("Too long?", "word " * LIMIT),
    NewRow("text", {"text": "青光眼会损害视神经。"}, split="train"),
    NewRow("text", {"text": "one two " * LIMIT}, split="train"),
]
WITH_SYSTEM = turns("你好", "您好。", system="You are a doctor.")


def tokens(shown: Seen) -> Tokens:
    return [id_ for piece in shown.pieces for id_ in piece.ids], [counts for piece in shown.pieces for counts in piece.mask]


def batches(rows: TokenRows, folder: Path) -> list[Tokens]:
    """Every row of an epoch as the trainer's loader gives it, without its padding."""
    from transformers import LlamaConfig, LlamaForCausalLM, TrainingArguments

    config = LlamaConfig(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    options: dict[str, Any] = {"report_to": "none", "use_cpu": True, "dataloader_pin_memory": False}
    arguments = TrainingArguments(
        output_dir=str(folder), per_device_train_batch_size=3, remove_unused_columns=False, seed=1, **options
    )
    trainer = StudioTrainer(model=LlamaForCausalLM(config), args=arguments, train_dataset=rows, pad_id=PAD, spec=spec_of())
    found = []
    for batch in trainer.get_train_dataloader():
        lengths = batch.get("attention_mask", torch.ones_like(batch["input_ids"])).sum(1).tolist()
        for ids, labels, n in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), lengths, strict=True):
            assert set(labels[n:]) <= {IGNORED}
            found.append((ids[:n], [int(label != IGNORED) for label in labels[:n]]))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_every_batch_holds_the_tokens_that_are_shown(
    family: str,
    model_folder: Callable[[str], Path],
    services: Services,
    settings: Settings,
    actor: Actor,
    tmp_path: Path,
) -> None:
    folder = shutil.copytree(model_folder(family), settings.home / "models" / family)
    rows = ROWS + [WITH_SYSTEM] * FAMILIES[family].has_system
    ds = dataset(services.db, rows)
    info = store.dataset_info(services.db, ds)

    snapshot = ensure_snapshot(services.db, settings, ds, info.revision, info.content_hash)
    good, refused = render_rows(read_snapshot(snapshot), Template.load(folder), Reading(max_seq_len=LIMIT))
    shown = {row.id: services.lens.row(actor, ds, row.id, family, LIMIT) for row in rows_of(services.db, ds)}

    trained = [shown[row.row_id] for row in good]
    assert sorted(batches(TokenRows(good), tmp_path)) == sorted(map(tokens, trained))
    assert [seen.n_targets for seen in trained] == [row.n_targets for row in good]
    assert {row_id for row_id, seen in shown.items() if not seen.is_cut} == {row.row_id for row in good}
    assert refused == {"data.refused.too_long": 2}
