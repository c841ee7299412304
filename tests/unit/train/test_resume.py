"""A training that is killed at any moment goes on exactly: the same losses, step by step, as one that nobody touched."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.jobs.runfolder import write_by_rename
from studio.train.checkpoints import MANIFEST, Manifest, _sha256
from tests.unit.train.runs import Training, largest_difference

New = Callable[..., Training]

#: Bit-equal: what is lost by a kill is done again with the same numbers in the same order.
EXACT = 0.0


def without_costs(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name not in ("seconds", "peak_bytes")}


def assert_same_end(run: Training, untouched: Training) -> None:
    """The same points, the same result, and the same files in the last checkpoint: adapter, optimizer, random state, log."""
    assert largest_difference(run, untouched) == EXACT
    assert without_costs(run.result) == without_costs(untouched.result)
    last = untouched.checkpoint_steps()[-1]
    files = [json.loads((each.folder.checkpoint(last) / MANIFEST).read_text())["files"] for each in (run, untouched)]
    assert files[0] == files[1]
    assert {"adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"} <= set(files[0])


@pytest.mark.parametrize("step", [1, 4, 8, 11])
def test_killed_after_a_step(step: int, new_training: New, untouched: Training) -> None:
    run = new_training()
    run.killed(at="after", kind="step_finished", step=step)
    run.finished()
    assert run.bodies("attempt_started")[1] == {"resumed_from_step": step // 3 * 3}
    assert_same_end(run, untouched)


def test_killed_in_the_middle_of_a_line(new_training: New, untouched: Training) -> None:
    run = new_training()
    run.killed(at="half_event", n=17)
    run.finished()
    assert_same_end(run, untouched)


def test_killed_again_and_again(new_training: New, untouched: Training) -> None:
    run = new_training()
    for step in (2, 4, 8):
        run.killed(at="after", kind="step_finished", step=step)
    run.killed(at="after", kind="evaluated", step=12)
    run.finished()
    assert [body["resumed_from_step"] for body in run.bodies("attempt_started")] == [0, 0, 3, 6, 9]
    assert_same_end(run, untouched)


def test_going_on_at_an_epochs_end(new_training: New) -> None:
    """Saved at 4, 8 and 12: the next epoch begins with an order and with random numbers of its own."""
    whole, run = new_training(evaluations=3), new_training(evaluations=3)
    whole.finished()
    run.killed(at="after", kind="step_finished", step=5)
    run.killed(at="before", kind="step_finished", step=9)
    run.finished()
    assert [body["resumed_from_step"] for body in run.bodies("attempt_started")] == [0, 4, 8]
    assert_same_end(run, whole)


def test_bfloat16_goes_on_exactly_as_well(new_training: New) -> None:
    whole, run = new_training(precision="bfloat16"), new_training(precision="bfloat16")
    whole.finished()
    run.killed(at="after", kind="step_finished", step=7)
    run.finished()
    assert_same_end(run, whole)


def test_without_validation_rows_the_last_two_are_kept(new_training: New) -> None:
    whole, run = new_training(dataset="train-only"), new_training(dataset="train-only")
    whole.finished()
    run.killed(at="after", kind="step_finished", step=8)
    run.finished()
    assert_same_end(run, whole)
    assert run.checkpoint_steps() == run.told_steps() == [9, 12]
    assert (run.result["best_step"], run.result["best_loss"], run.result["base_loss"]) == (12, None, None)


# --- stopping ---------------------------------------------------------------------------------------------------------


def test_a_stop_in_the_middle_of_an_epoch_saves_and_later_goes_on(new_training: New, untouched: Training) -> None:
    run = new_training()
    ended = run.go(at="stop", step=5)
    assert (ended["state"], ended["result"]["steps"], ended["result"]["early_stopped"]) == ("stopped", 5, False)
    extra = run.bodies("checkpoint_saved")[-1]
    assert (extra["step"], extra["val_loss"], extra["best"]) == (5, None, False)
    run.finished()
    assert run.bodies("attempt_started")[1] == {"resumed_from_step": 5}
    assert_same_end(run, untouched)


def test_a_stop_with_the_last_step_is_the_end(new_training: New, untouched: Training) -> None:
    run = new_training()
    ended = run.go(at="stop", step=12)
    assert ended["state"] == "finished"
    assert without_costs(ended["result"]) == without_costs(untouched.result)


def test_killed_when_everything_was_done_it_does_no_step_more(new_training: New, untouched: Training) -> None:
    run = new_training()
    run.killed(at="after", kind="checkpoint_saved", step=12)
    run.finished()
    assert run.bodies("attempt_started")[1] == {"resumed_from_step": 12}
    assert [event.kind for event in run.events if event.attempt == 2 and event.kind == "step_finished"] == []
    assert_same_end(run, untouched)


#: Learns so fast that it gets worse after the second step; one evaluation a step.
HASTY: dict[str, Any] = {"learning_rate": 0.05, "lora_rank": 8, "epochs": 10.0, "evaluations": 40, "patience": 3}


@pytest.fixture(scope="module")
def stopped_early(new_training: New) -> Training:
    run = new_training(**HASTY)
    run.finished()
    assert run.result["early_stopped"]
    assert run.result["best_step"] == run.result["steps"] - HASTY["patience"]
    return run


@pytest.mark.parametrize("before_the_end", [0, 2])
def test_patience_goes_on_counting(before_the_end: int, new_training: New, stopped_early: Training) -> None:
    """Killed after the last evaluation, and with two in vain still to come."""
    run = new_training(**HASTY)
    run.killed(at="after", kind="checkpoint_saved", step=stopped_early.result["steps"] - before_the_end)
    run.finished()
    assert_same_end(run, stopped_early)
    assert run.checkpoint_steps() == stopped_early.checkpoint_steps()


def test_the_best_checkpoint_is_kept_beside_the_last_two(new_training: New, stopped_early: Training) -> None:
    steps, best = stopped_early.result["steps"], stopped_early.result["best_step"]
    assert stopped_early.checkpoint_steps() == stopped_early.told_steps() == [best, steps - 1, steps]


# --- what is told -----------------------------------------------------------------------------------------------------


def test_the_base_is_evaluated_and_a_warning_told_once_a_run(new_training: New) -> None:
    run = new_training(max_seq_len=64)  # some rows are longer
    run.killed(at="after", kind="step_finished", step=1)
    run.killed(at="after", kind="step_finished", step=4)
    base_loss = run.finished()["base_loss"]
    assert [body["loss"] for body in run.bodies("evaluated") if body["step"] == 0] == [base_loss]
    warned = [body["params"] for body in run.bodies("warned")]
    assert warned
    assert len({params["split"] for params in warned}) == len(warned)


def test_seconds_are_those_of_all_attempts(new_training: New) -> None:
    run = new_training()
    run.killed(at="after", kind="step_finished", step=11)
    before = run.events
    run.finished()
    from studio.train.history import seconds_before

    first = seconds_before(before)
    assert first > 0.1
    assert run.result["seconds"] == pytest.approx(seconds_before(run.events), abs=0.3)
    assert run.result["seconds"] > first


def test_how_long_it_will_take_is_known_right_after_a_resume(new_training: New, untouched: Training) -> None:
    run = new_training()
    run.killed(at="after", kind="step_finished", step=7)
    run.finished()
    progress = next(event.body for event in run.events if event.kind == "progress" and event.attempt == 2)
    assert (progress["done"], progress["total"]) == (6, 12)
    steps = [body["seconds"] for body in run.bodies("step_finished")][:7]
    assert 6 * min(steps) < progress["eta_s"] < 60
    assert next(body["eta_s"] for body in untouched.bodies("progress")) is None  # nobody has seen a step yet


# --- what is read -----------------------------------------------------------------------------------------------------


class Pickled:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_nothing_in_a_checkpoint_is_run(name: str, new_training: New, killed_at_8: Training, tmp_path: Path) -> None:
    """Whoever can write into the folder and the event file can change numbers, but not have code executed."""
    run = new_training()
    shutil.copytree(killed_at_8.folder.path, run.folder.path)
    run.n_attempts = 1
    evil, planted = tmp_path / "executed", run.folder.checkpoint(6) / name
    planted.write_bytes(pickle.dumps(Pickled(evil)))
    path = planted.with_name(MANIFEST)
    told = _sha256(path)
    manifest = json.loads(path.read_text())
    manifest["files"][name] = {"size": planted.stat().st_size, "sha256": _sha256(planted)}
    path.write_text(Manifest.model_validate(manifest).model_dump_json(by_alias=True))
    write_by_rename(run.folder.events_file, run.folder.events_file.read_text().replace(told, _sha256(path)))
    ended = run.go()
    assert (ended["resumed_from_step"], ended["state"]) == (6, "failed")
    assert "weights_only" in ended["error"]["params"]["reason"]
    assert not evil.exists()
