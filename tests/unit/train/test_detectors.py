"""The detectors, on trainings that have the fault for real, on ten that have none, and on numbers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from studio.train.detectors import Evaluation, Finding, Step, Watch
from tests.unit.train.runs import Training

NewTraining = Callable[..., Training]

#: What a tiny random model learns well: its adapter has to move far.
HEALTHY: dict[str, Any] = {
    "base": "apt",
    "dataset": "easy",
    "learning_rate": 1e-2,
    "lora_rank": 8,
    "lora_dropout": 0.0,
    "max_steps": 40,
    "gradient_accumulation_steps": 1,
    "per_device_batch_size": 6,
    "evaluations": 4,
}


def noticed(run: Training) -> dict[str, dict[str, Any]]:
    """What the detectors told of a run, by their names; the first of each."""
    found: dict[str, dict[str, Any]] = {}
    for told in run.bodies("warned"):
        if told["key"].startswith("detect."):
            found.setdefault(told["key"].removeprefix("detect."), told)
    return found


def trained(new_training: NewTraining, **values: Any) -> tuple[Training, dict[str, dict[str, Any]]]:
    run = new_training(**HEALTHY | values)
    run.finished()
    return run, noticed(run)


# --- runs with a fault ------------------------------------------------------------------------------------------------


def test_answers_that_can_only_be_learnt_by_heart_are_over_fitted(new_training: NewTraining) -> None:
    run, found = trained(new_training, dataset="by_heart", max_steps=80, evaluations=16, per_device_batch_size=8, lora_rank=32)
    assert list(found) == ["overfits"]
    losses = {told["step"]: told["loss"] for told in run.bodies("evaluated")}
    best = found["overfits"]["params"]["best_step"]
    assert losses[best] == min(loss for step, loss in losses.items() if step)
    assert run.result["best_step"] == best
    assert losses[found["overfits"]["params"]["step"]] > losses[best]


def test_a_learning_rate_near_zero_leaves_the_loss_flat(new_training: NewTraining) -> None:
    _, found = trained(new_training, learning_rate=1e-7)
    assert list(found) == ["flat"]
    assert found["flat"]["params"]["step"] == 20


def test_a_learning_rate_far_too_high_diverges_and_its_gradients_explode(new_training: NewTraining) -> None:
    """Its warm-up never ends: it learns while the rate is low, and loses it as the rate grows."""
    run, found = trained(new_training, learning_rate=0.06, warmup_share=0.99, max_steps=150)
    assert {"diverged", "exploding_gradient"} <= set(found)
    assert run.bodies("diverged") == [{"step": found["diverged"]["params"]["step"]}]


def test_weights_that_are_no_number_are_told_at_the_first_step_with_its_rows(new_training: NewTraining) -> None:
    run, found = trained(new_training, base="broken")
    assert list(found) == ["not_a_number"]
    assert found["not_a_number"]["params"]["step"] == 1
    assert len(found["not_a_number"]["rows"]) == 6
    assert run.bodies("diverged") == [{"step": 1}]


def garbage_rows(run: Training) -> set[int]:
    """Ids of the rows that are no text: the last three of their dataset."""
    from studio.data.store import iter_rows
    from studio.db import Database
    from studio.settings import Settings

    db = Database(Settings(home=run.home, device="cpu").url)
    rows = [row.id for row in iter_rows(db, run.spec["dataset"]["id"], run.spec["dataset"]["revision"])]
    db.close()
    return set(rows[-3:])


def test_three_rows_that_are_no_text_are_a_spike_and_are_named(new_training: NewTraining) -> None:
    run, found = trained(new_training, dataset="garbage", max_steps=42, seed=5)
    assert "spike" in found
    assert set(found) <= {"spike", "exploding_gradient"}
    told = found["spike"]
    assert set(told["rows"]) == garbage_rows(run)
    losses = {step["step"]: step["loss"] for step in run.bodies("step_finished")}
    assert losses[told["params"]["step"]] == told["params"]["loss"] > 1.5 * told["params"]["usual"]


def test_rows_that_come_slowly_are_told(new_training: NewTraining) -> None:
    run = new_training(**HEALTHY | {"max_steps": 30})
    assert run.go(at="slow_rows", seconds=0.01)["state"] == "finished"
    assert list(noticed(run)) == ["slow_data"]
    assert noticed(run)["slow_data"]["params"]["percent"] >= 30


# --- runs without one -------------------------------------------------------------------------------------------------

SOUND: list[dict[str, Any]] = [
    {"seed": 1},
    {"seed": 2, "learning_rate": 3e-3},
    {"seed": 3, "learning_rate": 2e-2, "warmup_share": 0.2},
    {"seed": 4, "per_device_batch_size": 2, "max_steps": 60},
    {"seed": 5, "per_device_batch_size": 12, "gradient_accumulation_steps": 2},
    {"seed": 6, "dataset": "rows", "max_steps": 30},
    {"seed": 7, "dataset": "train-only", "max_steps": 30},
    {"seed": 8, "lora_dropout": 0.2, "lora_rank": 16},
    {"seed": 9, "gradient_checkpointing": True, "optimizer": "adamw_8bit"},
    {"seed": 10, "max_steps": 120, "evaluations": 12},
]


@pytest.mark.parametrize("values", SOUND, ids=lambda values: str(values["seed"]))
def test_a_sound_run_gives_no_alarm(new_training: NewTraining, values: dict[str, Any]) -> None:
    run, found = trained(new_training, **values)
    losses = [step["loss"] for step in run.bodies("step_finished")]
    assert losses[-1] < 0.9 * losses[0], "a run that learns nothing would prove nothing"
    assert found == {}


# --- numbers ----------------------------------------------------------------------------------------------------------


def steps(losses: list[float], norms: list[float] | None = None) -> list[Step]:
    norms = norms or [1.0] * len(losses)
    return [Step(n, loss, norm, 1.0) for n, (loss, norm) in enumerate(zip(losses, norms, strict=True), 1)]


def told(watch: Watch, seen: list[Step]) -> list[Finding]:
    return [found for step in seen for found in watch.step(step)]


def test_a_resumed_training_tells_nothing_twice_and_remembers_what_it_saw() -> None:
    """Twelve steps around 2, then a spike: the same by one attempt, and by a second one that only recalls the steps."""
    losses = [2.0, 2.1, 1.9, 2.0, 2.05, 1.95, 2.0, 2.1, 1.9, 2.0, 2.0, 2.0, 6.0]
    whole = told(Watch(100), steps(losses))
    assert [(found.key, found.step) for found in whole] == [("spike", 13)]
    resumed = Watch(100)
    resumed.recall([], steps(losses)[:12], [])
    assert told(resumed, steps(losses)[12:]) == whole
    over = Watch(100)
    over.recall(["overfits"], steps([3.0, 2.0, 1.5, 1.0]), [Evaluation(1, 2.0), Evaluation(2, 2.1)])
    assert over.evaluated(Evaluation(4, 2.5)) == []


def test_over_fitting_names_the_best_evaluation() -> None:
    watch = Watch(40)
    told(watch, steps([3.0] * 8 + [2.0] * 8 + [1.0] * 8))
    found = [watch.evaluated(Evaluation(step, loss)) for step, loss in ((4, 2.5), (8, 2.0), (16, 2.1), (24, 2.3))]
    assert found[:3] == [[], [], []]
    assert found[3] == [Finding("overfits", 24, {"best_step": 8, "best": 2.0, "loss": 2.3})]


def test_a_validation_loss_that_rises_with_the_training_loss_is_no_over_fitting() -> None:
    watch = Watch(40)
    told(watch, steps([1.0] * 8 + [2.0] * 8 + [3.0] * 8))
    assert [watch.evaluated(Evaluation(step, loss)) for step, loss in ((8, 2.0), (16, 2.1), (24, 2.3))] == [[], [], []]


def test_a_single_large_gradient_is_what_clipping_is_for() -> None:
    norms = [1.0] * 12 + [50.0] + [1.0] * 12
    assert told(Watch(100), steps([2.0] * 25, norms)) == []
    norms[15] = 50.0
    assert [found.key for found in told(Watch(200), steps([2.0] * 25, norms))] == ["exploding_gradient"]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_no_number_is_told_once(bad: float) -> None:
    found = told(Watch(100), steps([2.0] * 5, [1.0, 1.0, bad, bad, bad]))
    assert [(one.key, one.step) for one in found] == [("not_a_number", 3)]


def test_a_spike_names_the_rows_whose_own_loss_stands_out_the_worst_first() -> None:
    watch = Watch(100)
    told(watch, steps([2.0, 2.1, 1.9] * 5))
    [found] = watch.step(Step(16, 5.0, 1.0, 1.0, 0.0, [11, 12, 13, 14], [2.0, 9.0, 2.2, 7.0]))
    assert found.rows == (12, 14)


def test_few_steps_are_never_called_flat_and_a_falling_validation_loss_is_enough() -> None:
    assert told(Watch(10), steps([2.0] * 10)) == []
    assert [found.key for found in told(Watch(60), steps([2.0] * 40))] == ["flat"]
    watch = Watch(60, base_loss=2.0)
    told(watch, steps([2.0] * 29))
    watch.evaluated(Evaluation(29, 1.9))
    assert told(watch, steps([2.0] * 40)[29:]) == []


# --- preferences ------------------------------------------------------------------------------------------------------


def compared(step: int, **scores: float) -> Evaluation:
    return Evaluation(step, 0.6, {"margin": 0.5, "accuracy": 0.9, "logp_chosen": -40.0} | scores)


def test_chosen_answers_that_fall_are_told_with_their_numbers_once() -> None:
    watch = Watch(100, math.log(2), {"logp_chosen": -40.0, "margin": 0.0})
    assert watch.evaluated(compared(10, logp_chosen=-43.9)) == []
    (found,) = watch.evaluated(compared(20, logp_chosen=-44.5, margin=2.0))
    assert (found.key, found.step) == ("chosen_falls", 20)
    assert found.params == {"before": -40.0, "after": -44.5, "margin": 2.0}
    assert watch.evaluated(compared(30, logp_chosen=-60.0)) == []


def test_a_rise_of_chosen_answers_is_nothing() -> None:
    watch = Watch(100, math.log(2), {"logp_chosen": -40.0})
    assert watch.evaluated(compared(60, logp_chosen=-20.0)) == []


def test_pairs_that_are_told_apart_by_chance_are_a_finding_after_half_of_the_steps() -> None:
    watch = Watch(100, math.log(2), {"logp_chosen": -40.0})
    assert watch.evaluated(compared(40, accuracy=0.5)) == []
    (found,) = watch.evaluated(compared(50, accuracy=0.5))
    assert (found.key, found.params) == ("no_preference", {"percent": 50})


def test_answers_that_grow_are_told() -> None:
    watch = Watch(100)
    assert watch.answered(0, 100.0) == []
    assert watch.answered(10, 149.0) == []
    (found,) = watch.answered(20, 151.0)
    assert (found.key, found.params) == ("longer", {"chars": 151, "before": 100})
    assert Watch(100).answered(10, 500.0) == [], "nobody asked the base"


def test_a_dpo_run_tells_how_long_its_answers_are(new_training: Callable[..., Training]) -> None:
    run = new_training(base="apt", stage="dpo", dataset="pairs", max_steps=4, evaluations=2, own_probes=["Count from 3"])
    run.finished()
    told = [body for body in run.bodies("evaluated") if body["split"] == "probes"]
    assert [body["step"] for body in told] == [0, 2, 4]
    assert all(body["loss"] is None and body["scores"]["chars"] >= 0 for body in told)
