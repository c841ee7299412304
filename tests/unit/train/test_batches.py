"""Rows as tensors: every row once an epoch, in an order that a seed repeats, padded where no loss looks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.data.examples import Reading
from studio.data.render import Template
from studio.data.snapshot import SnapshotRow
from studio.train.batches import IGNORED, LengthBatches, TokenRow, TokenRows, collate, render_rows, share_of_rows
from studio.train.trainer import StudioTrainer
from tests.unit.train.methods import spec_of

PAD = 7


def row(n: int, *, row_id: int = 0) -> TokenRow:
    """Tokens 1…n, the last two of them targets."""
    ids = list(range(1, n + 1))
    return TokenRow(row_id, ids, [IGNORED] * (n - 2) + ids[-2:])


def chat(question: str, answer: str, row_id: int = 1) -> SnapshotRow:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return SnapshotRow(row_id, "chat", "train", {"messages": turns}, "")


# --- order ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 500), min_size=1, max_size=200), st.integers(1, 9), st.integers(0, 2**31 - 1), st.integers(0, 3))
@hypothesis_settings(database=None, deadline=None, max_examples=50)
def test_every_row_comes_once_an_epoch(lengths: list[int], batch_size: int, seed: int, epoch: int) -> None:
    sampler = LengthBatches(lengths, batch_size, seed)
    sampler.set_epoch(epoch)
    assert sorted(sampler) == list(range(len(lengths)))
    assert len(sampler) == len(lengths)


def test_the_same_seed_and_epoch_give_the_same_order_and_others_another() -> None:
    lengths = [n % 37 + 1 for n in range(300)]

    def order(seed: int, epoch: int) -> list[int]:
        sampler = LengthBatches(lengths, 8, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_the_order_owes_nothing_to_what_was_drawn_before() -> None:
    sampler = LengthBatches(list(range(1, 100)), 4, 3)
    first = list(sampler)
    torch.rand(10)
    assert list(sampler) == first


def test_rows_of_a_batch_are_alike_in_length_and_batches_come_in_random_order() -> None:
    lengths = [n * 7919 % 512 + 1 for n in range(256)]
    order = list(LengthBatches(lengths, 8, 0))
    batches = [[lengths[index] for index in order[at : at + 8]] for at in range(0, 256, 8)]
    padding = sum(max(batch) * len(batch) - sum(batch) for batch in batches)
    unsorted = [lengths[at : at + 8] for at in range(0, 256, 8)]
    assert padding < 0.2 * sum(max(batch) * len(batch) - sum(batch) for batch in unsorted)
    longest = [max(batch) for batch in batches]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))


@pytest.mark.parametrize(("n_rows", "batch_size"), [(10, 4), (131, 8), (3, 8), (16, 4)])
def test_only_the_last_batch_is_short(n_rows: int, batch_size: int) -> None:
    """The loader cuts the stream into runs of `batch_size`, so a short one in the middle would mix lengths from there on."""
    lengths = [n * 31 % 101 + 1 for n in range(n_rows)]
    order = list(LengthBatches(lengths, batch_size, 5))
    runs = [order[at : at + batch_size] for at in range(0, n_rows, batch_size)]
    assert len(runs) == math.ceil(n_rows / batch_size)
    for run in runs:
        assert [lengths[index] for index in run] == sorted((lengths[index] for index in run), reverse=True)


def test_the_trainers_loader_gives_every_row_once_and_reshuffles(tmp_path: Path) -> None:
    """Through transformers and accelerate: they decide whether `set_epoch` is called."""
    from transformers import LlamaConfig, LlamaForCausalLM, TrainingArguments

    config = LlamaConfig(vocab_size=64, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    rows = TokenRows([row(3 + n % 9, row_id=n) for n in range(21)])
    seen: list[list[int]] = []

    class Watched(StudioTrainer):
        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
            seen.append([int(length) for length in (inputs["labels"] != IGNORED).sum(1)])
            widths.append(tuple(inputs["input_ids"].shape))
            return super().training_step(model, inputs, num_items_in_batch)

    widths: list[tuple[int, ...]] = []
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=2,
        per_device_train_batch_size=4,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        seed=3,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    Watched(model=LlamaForCausalLM(config), args=arguments, train_dataset=rows, pad_id=0, spec=spec_of()).train()
    assert [sum(len(batch) for batch in seen[at : at + 6]) for at in (0, 6)] == [21, 21]
    assert len(seen) == 12
    assert widths[:6] != widths[6:]


# --- tensors ----------------------------------------------------------------------------------------------------------


def test_padding_stands_on_the_right_where_neither_attention_nor_loss_looks() -> None:
    batch = collate([row(3), row(5)], PAD)
    assert batch["input_ids"].tolist() == [[1, 2, 3, PAD, PAD], [1, 2, 3, 4, 5]]
    assert batch["labels"].tolist() == [[IGNORED, 2, 3, IGNORED, IGNORED], [IGNORED, IGNORED, IGNORED, 4, 5]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]


def test_without_padding_there_is_no_mask() -> None:
    assert set(collate([row(4), row(4)], PAD)) == {"input_ids", "labels", "rows"}


def test_targets_are_counted_without_the_first_token() -> None:
    assert row(5).n_targets == 2
    assert TokenRow(0, [1, 2], [1, 2]).n_targets == 1


def test_labels_are_the_answers_tokens_and_its_end(tiny_base_folder: Path) -> None:
    template = Template.load(tiny_base_folder)
    good, refused = render_rows([chat("Does it hurt?", "No. 不疼。")], template, Reading(max_seq_len=512))
    assert not refused
    trained = [token for token, label in zip(good[0].ids, good[0].labels, strict=True) if label != IGNORED]
    assert template.decode(trained, skip_special=False) == "No. 不疼。<|im_end|>"
    assert all(label in (IGNORED, token) for token, label in zip(good[0].ids, good[0].labels, strict=True))


def test_rows_that_cannot_be_trained_on_are_counted_by_reason(tiny_base_folder: Path) -> None:
    template = Template.load(tiny_base_folder)
    rows = [
        chat("Short?", "Yes.", 1),
        chat("Long?", "word " * 200, 2),
        SnapshotRow(3, "label", "train", {"text": "a", "label": "b"}, ""),
        chat("Also short?", "No.", 4),
    ]
    good, refused = render_rows(rows, template, Reading(max_seq_len=64))
    assert [found.row_id for found in good] == [1, 4]
    assert refused == {"data.refused.too_long": 1, "error.data.kind_not_rendered": 1}


def test_no_row_is_longer_than_the_limit(tiny_base_folder: Path) -> None:
    template = Template.load(tiny_base_folder)
    rows = [chat("Q?", "word " * n, n) for n in range(1, 60)]
    good, refused = render_rows(rows, template, Reading(max_seq_len=48))
    assert good
    assert max(len(found.ids) for found in good) <= 48
    assert len(good) + refused.total() == len(rows)


def test_a_smaller_share_of_the_rows_lies_within_every_larger_one() -> None:
    rows = [TokenRow(n, [1, 2], [1, 2]) for n in range(200)]
    quarter, half = share_of_rows(rows, 50), share_of_rows(rows, 100)
    assert len(quarter) == 50
    assert {row.row_id for row in quarter} < {row.row_id for row in half}
    assert [row.row_id for row in half] == sorted(row.row_id for row in half)  # their own order
    assert share_of_rows(rows[:100], 50) != rows[:50]  # drawn from everywhere, not the file's beginning


def test_accumulated_losses_are_divided_by_all_targets(tmp_path: Path) -> None:
    """Oracle: micro-batches of (10 targets, mean loss 2.0) and (90 targets, 1.0) make 110 / 100 = 1.10, not their mean 1.50."""
    from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback, TrainingArguments

    from studio.train.loss import BatchLoss

    config = LlamaConfig(vocab_size=128, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    told: list[float] = []

    class Listening(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" in logs:
                told.append(logs["loss"])

    def fixed(model: Any, batch: dict[str, torch.Tensor]) -> BatchLoss:
        n = int((batch["labels"][:, 1:] != IGNORED).sum())
        total = {10: 20.0, 90: 90.0}[n] + 0.0 * model.lm_head.weight.sum()
        return BatchLoss(total, n, torch.zeros(1))

    rows = TokenRows([TokenRow(n, ids, ids) for n, ids in enumerate((list(range(1, 12)), list(range(1, 92))))])
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=1,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=2,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    trainer = StudioTrainer(
        model=LlamaForCausalLM(config), args=arguments, train_dataset=rows, pad_id=0, spec=spec_of(), callbacks=[Listening()]
    )
    trainer._nll = fixed
    trainer.train()
    assert told == [pytest.approx(1.10)]
