"""Four answers, a recipe with its reasons: each value is one that TrainSpec takes, each reason has words in both languages."""

from __future__ import annotations

import itertools

import pytest

from studio.jobs.resources import Device
from studio.text import has_text
from studio.train.recipe import Answers, BaseKind, Goal, Machine, Rows, recommend, what_is_known
from studio.train.spec import TrainSpec

GIGABYTE = 10**9
EVERY = [
    Answers(goal=goal, rows=rows, machine=machine, base_kind=kind)
    for goal, rows, machine, kind in itertools.product(Goal, Rows, Machine, BaseKind)
]


@pytest.mark.parametrize("parameters", [135_000_000, 494_032_768, 7_615_616_512, 32_000_000_000])
def test_every_recipe_is_one_that_a_training_takes_and_has_its_words(parameters: int) -> None:
    parts = {"name": "a", "base": {"id": "b", "revision": "0"}, "dataset": {"id": "d", "revision": 1, "hash": "0"}}
    for answers in EVERY:
        recipe = recommend(answers, parameters)
        spec = TrainSpec.model_validate(parts | recipe.values)
        assert 8 <= spec.per_device_batch_size * spec.gradient_accumulation_steps <= 32
        assert len(recipe.reasons) >= 4
        assert all(has_text(f"recipe.reason.{reason.key}") for reason in recipe.reasons)


def test_fewer_rows_are_read_more_often() -> None:
    epochs = [recommend(Answers(rows=rows), GIGABYTE).values["epochs"] for rows in Rows]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[-1] == 1


def test_the_rates_of_large_bases_are_those_of_the_paper() -> None:
    """QLoRA (arXiv:2305.14314), section 4: 2e-4 for 7B and 13B, 1e-4 for 33B and 65B; r 64 there, 16 to 32 here."""
    assert recommend(Answers(), 7 * GIGABYTE).values["learning_rate"] == 2e-4
    assert recommend(Answers(), 135_000_000).values["learning_rate"] > 2e-4


@pytest.mark.parametrize(
    ("machine", "billions", "bits"),
    [(Machine.SMALL_CARD, 1.5, 16), (Machine.SMALL_CARD, 7.6, 4), (Machine.LARGE_CARD, 7.6, 16), (Machine.LARGE_CARD, 32, 4)],
)
def test_a_base_too_large_for_the_card_is_held_in_four_bits(machine: Machine, billions: float, bits: int) -> None:
    assert recommend(Answers(machine=machine), round(billions * GIGABYTE)).values["bits"] == bits


def test_what_the_studio_can_see_it_does_not_ask() -> None:
    cpu, small, large = (Device(kind, 0, "x", size) for kind, size in (("cpu", 1), ("cuda", 12 * 2**30), ("cuda", 24 * 2**30)))  # type: ignore[arg-type]
    assert what_is_known(50, [cpu], True) == {"rows": Rows.FEW, "machine": Machine.CPU, "base_kind": BaseKind.CHAT}
    assert what_is_known(200, [small], False) == {"rows": Rows.SOME, "machine": Machine.SMALL_CARD, "base_kind": BaseKind.BASE}
    assert what_is_known(20_000, [large], True)["rows"] == Rows.LOTS
    assert what_is_known(20_000, [large], True)["machine"] == Machine.LARGE_CARD
