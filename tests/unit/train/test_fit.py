"""Made to fit: remedies in their order and no more than it takes; and what a training does after memory was not enough."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.jobs.resources import Device
from studio.jobs.runfolder import RunFolder
from studio.settings import Settings
from studio.train.fit import EASED_FILE, Outlook, ease, make_fit, worst_batch
from studio.train.memory import Batch, Footprint
from studio.train.spec import TrainSpec
from tests.unit.train.runs import Training, largest_difference

CARD = Device("cuda", 0, "Card", 1_000)
LENGTHS = [(tokens, tokens // 2) for tokens in range(500, 0, -5)]


def spec_of(**values: Any) -> TrainSpec:
    parts = {"base": {"id": "b", "revision": "0"}, "dataset": {"id": "d", "revision": 1, "hash": "0"}, "name": "a"}
    return TrainSpec.model_validate(parts | {"per_device_batch_size": 8, "max_seq_len": 512} | values)


def needs(spec: TrainSpec) -> float:
    """A rule that a test can work out: each remedy lowers it by its own factor."""
    size = 1000.0 * spec.per_device_batch_size / 8 * spec.max_seq_len / 512
    size *= 0.5 if spec.gradient_checkpointing else 1
    size *= 0.9 if spec.optimizer == "adamw_8bit" else 1
    return size * (0.5 if spec.bits == 4 else 1)


def predict_on(limit: int) -> Callable[[TrainSpec], Outlook]:
    def predict(spec: TrainSpec) -> Outlook:
        total = round(needs(spec))
        return Outlook(Footprint({"weights": total}, total, total), Batch(1, 1, 1), CARD, limit)

    return predict


@pytest.mark.parametrize(
    ("limit", "names"),
    [
        (2000, []),
        (700, ["micro_batch"]),
        (140, ["micro_batch"]),
        (100, ["micro_batch", "checkpointing"]),
        (66, ["micro_batch", "checkpointing", "shorter"]),
        (47, ["micro_batch", "checkpointing", "shorter", "optimizer_8bit"]),
        (40, ["micro_batch", "checkpointing", "shorter", "optimizer_8bit", "qlora"]),
    ],
)
def test_remedies_come_in_their_order_and_no_more_than_it_takes(limit: int, names: list[str]) -> None:
    few_long = [(500, 9)] * 2 + [(300, 9)] * 98  # a quarter less than the longest leaves two rows in a hundred out
    found = make_fit(spec_of(), predict_on(limit), few_long)
    assert ([remedy.name for remedy in found.remedies], found.fits) == (names, True)
    assert [remedy.n_cut for remedy in found.remedies if remedy.name == "shorter"] == [2] * ("shorter" in names)


def test_a_step_keeps_its_rows_when_fewer_are_passed_at_once() -> None:
    found = make_fit(spec_of(gradient_accumulation_steps=3), predict_on(200), LENGTHS)
    assert (found.spec.per_device_batch_size, found.spec.gradient_accumulation_steps) == (1, 24)
    odd = make_fit(spec_of(per_device_batch_size=7), predict_on(500), LENGTHS)
    assert (odd.spec.per_device_batch_size, odd.spec.gradient_accumulation_steps) == (1, 7)


def test_what_cannot_fit_says_so_and_gives_the_nearest() -> None:
    found = make_fit(spec_of(), predict_on(1), LENGTHS)
    assert not found.fits
    assert found.spec.bits == 4
    assert sum(remedy.n_cut for remedy in found.remedies) == 0, "a quarter of these rows would be left out: too many"


def test_the_worst_batch_is_the_longest_rows_together() -> None:
    assert worst_batch(spec_of(per_device_batch_size=3), LENGTHS) == Batch(3, 500, 250 + 247 + 245)
    assert worst_batch(spec_of(per_device_batch_size=2, max_seq_len=100), LENGTHS) == Batch(2, 100, 50 + 47)
    assert worst_batch(spec_of(per_device_batch_size=4), [(10, 3), (9, 2)]) == Batch(2, 10, 5)
    assert worst_batch(spec_of(), []) == Batch(8, 512, 8 * 512)


def test_the_worst_batch_of_pairs_and_of_answers_that_are_written() -> None:
    assert worst_batch(spec_of(stage="dpo", per_device_batch_size=2), [(90, 80), (70, 60), (50, 40)]) == Batch(4, 90, 140)
    rewarded = spec_of(stage="grpo", per_device_batch_size=4, answer_tokens=64)
    assert worst_batch(rewarded, [(20, 0), (10, 0)]) == Batch(4, 20 + 64, 4 * 64)
    assert worst_batch(rewarded, []) == Batch(4, 512 + 64, 4 * 64)


# --- after memory was not enough --------------------------------------------------------------------------------------


def test_the_next_attempt_asks_for_less_once(tmp_path: Path, settings: Settings) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(spec_of().as_dict())
    assert ease(folder, settings)
    assert json.loads((folder.path / EASED_FILE).read_text()) == {
        "name": "micro_batch",
        "changes": {"per_device_batch_size": 4, "gradient_accumulation_steps": 2},
        "n_cut": 0,
    }
    assert not ease(folder, settings)


def test_with_nothing_left_to_leave_out_nothing_is_tried(tmp_path: Path, settings: Settings) -> None:
    folder = RunFolder(tmp_path / "run")
    least = {"per_device_batch_size": 1, "gradient_checkpointing": True, "optimizer": "adamw_8bit", "bits": 4}
    folder.create(spec_of(**least).as_dict())
    assert not ease(folder, settings)


def test_an_eased_training_gives_the_same_numbers_and_says_what_it_changed(new_training: Callable[..., Training]) -> None:
    """In float32, without dropout: the same rows in each step, in two passes more."""
    asked, plain = (new_training(lora_dropout=0.0) for _ in range(2))
    plain.finished()
    asked.folder.create(asked.spec)
    assert ease(asked.folder, Settings(home=asked.home, device="cpu"))
    asked.finished()
    assert largest_difference(asked, plain) < 2e-5
    [told] = asked.bodies("warned")
    assert (told["key"], told["params"]["name"]) == ("train.warned.eased", "micro_batch")


def test_memory_that_runs_out_in_the_middle_is_gone_on_with_from_the_last_checkpoint(
    new_training: Callable[..., Training],
) -> None:
    run, plain = (new_training(lora_dropout=0.0) for _ in range(2))
    plain.finished()
    failed = run.go(at="raise", step=7, error="RuntimeError", text="DefaultCPUAllocator: can't allocate memory")
    assert failed["error"]["key"] == "error.job.out_of_memory"
    assert ease(run.folder, Settings(home=run.home, device="cpu"))
    run.finished()
    assert largest_difference(run, plain) < 2e-5
