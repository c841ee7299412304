"""What is asked for becomes a complete spec, is looked at before it starts, starts once, and is drawn with few points."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import Actor
from studio.data.examples import Reading
from studio.data.service import ImportSpec
from studio.data.store import DatasetInfo
from studio.errors import ConfigError, JobError, NotFoundError, StudioError
from studio.ids import now
from studio.jobs.tables import checkpoints, jobs, points, runs
from studio.models.catalogue import Base
from studio.models.tables import bases
from studio.services import Services
from studio.train.preflight import Preflight
from studio.train.service import answers_as
from studio.train.spec import PRESETS, Preset, TrainSpec

Write = Callable[..., Path]


def chat(question: str, answer: str, split: str) -> dict[str, Any]:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": turns, "split": split}


def imported(services: Services, actor: Actor, path: Path, name: str) -> DatasetInfo:
    upload = services.data.stage(actor, path)
    spec = ImportSpec(upload=upload, file_name=path.name, dataset_name=name)
    made = services.data.import_upload(actor, spec)
    assert made.dataset_id is not None
    return services.data.get(actor, made.dataset_id)


@pytest.fixture
def dataset(services: Services, actor: Actor, write_rows: Write) -> DatasetInfo:
    """20 rows to train on, 4 to validate with, 3 to test with, one that is too long for 128 tokens."""
    records = [chat(f"Question {n}?", f"Answer {n}.", "train") for n in range(20)]
    records += [chat(f"Question {n}?", f"Answer {n}.", "validation") for n in range(20, 24)]
    records += [chat(f"Question {n}?", f"Answer {n}.", "test") for n in range(24, 27)]
    return imported(services, actor, write_rows([*records, chat("Long?", "word " * 150, "train")]), "questions")


@pytest.fixture
def values(tiny_base: Base, dataset: DatasetInfo) -> dict[str, Any]:
    """What a form sends at least."""
    return {"name": "first", "base": tiny_base.id, "dataset": dataset.id, "max_seq_len": 128}


def started(services: Services, actor: Actor, values: dict[str, Any], **more: Any) -> str:
    return services.train.start(actor, services.train.complete(actor, values), **more)


def count(services: Services, table: sa.Table) -> int:
    with services.db.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


# --- complete ---------------------------------------------------------------------------------------------------------


def test_ids_become_references_to_one_state_of_base_and_dataset(
    services: Services, actor: Actor, values: dict[str, Any], dataset: DatasetInfo
) -> None:
    spec = services.train.complete(actor, values)
    assert (spec.base.id, spec.base.revision) == ("tiny", "0" * 40)
    assert (spec.dataset.id, spec.dataset.revision, spec.dataset.hash) == (dataset.id, 1, dataset.content_hash)


@pytest.mark.parametrize("preset", list(Preset))
def test_a_preset_fills_what_is_not_given(services: Services, actor: Actor, values: dict[str, Any], preset: Preset) -> None:
    spec = services.train.complete(actor, values | {"preset": str(preset)})
    assert {name: getattr(spec, name) for name in PRESETS[preset]} == PRESETS[preset]


def test_what_is_given_wins_over_the_preset_and_an_empty_field_does_not(
    services: Services, actor: Actor, values: dict[str, Any]
) -> None:
    spec = services.train.complete(actor, values | {"preset": "standard", "epochs": 1.5, "lora_rank": None})
    assert (spec.epochs, spec.lora_rank, spec.learning_rate) == (1.5, PRESETS[Preset.STANDARD]["lora_rank"], 4e-4)


def test_a_complete_spec_survives_yaml_and_completing(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    """What lies in spec.yaml can be started again: `python -m studio run SPEC.yaml`."""
    import yaml

    spec = services.train.complete(actor, values)
    again = yaml.safe_load(yaml.safe_dump(spec.as_dict()))
    assert services.train.complete(actor, again) == spec
    assert TrainSpec.model_validate(again) == spec


def test_a_field_that_nobody_knows_is_named(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        services.train.complete(actor, values | {"learning_rat": 1, "lora": 2})
    assert (caught.value.key, caught.value.field) == ("error.config.unknown_fields", "learning_rat")
    assert caught.value.params == {"fields": "learning_rat, lora"}


@pytest.mark.parametrize("missing", ["base", "dataset"])
def test_base_and_dataset_have_to_be_chosen(
    services: Services, actor: Actor, values: dict[str, Any], missing: str
) -> None:
    for nothing in (None, ""):
        with pytest.raises(ConfigError) as caught:
            services.train.complete(actor, values | {missing: nothing})
        assert (caught.value.key, caught.value.field) == (f"error.train.choose_{missing}", missing)


@pytest.mark.parametrize(
    ("field", "key"), [("base", "error.model.unknown_base"), ("dataset", "error.data.unknown_dataset")]
)
def test_what_is_not_there_cannot_be_chosen(
    services: Services, actor: Actor, values: dict[str, Any], field: str, key: str
) -> None:
    with pytest.raises(NotFoundError) as caught:
        services.train.complete(actor, values | {field: "nothing"})
    assert caught.value.key == key


def test_every_field_out_of_bounds_is_named_at_once(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        services.train.complete(actor, values | {"lora_rank": 0, "epochs": -1, "name": ""})
    assert caught.value.key == "error.config.invalid"
    assert caught.value.field in ("name", "epochs", "lora_rank")
    assert all(name in caught.value.params["problems"] for name in ("name", "epochs", "lora_rank"))


def test_a_preset_that_does_not_exist_is_refused_with_those_that_do(
    services: Services, actor: Actor, values: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError) as caught:
        services.train.complete(actor, values | {"preset": "lazy"})
    assert (caught.value.key, caught.value.field) == ("error.train.unknown_preset", "preset")
    assert caught.value.params == {"preset": "lazy", "known": "quick, standard, thorough"}


@pytest.mark.parametrize(
    ("n_rows", "options", "steps"),
    [
        (20, {"per_device_batch_size": 8, "epochs": 2.0}, 6),  # 3 batches, twice
        (20, {"per_device_batch_size": 8, "epochs": 2.5}, 8),  # 7.5
        (20, {"per_device_batch_size": 4, "gradient_accumulation_steps": 2, "epochs": 1.0}, 3),  # 5 batches in twos
        (1, {"per_device_batch_size": 8, "epochs": 0.1}, 1),
        (20, {"max_steps": 7}, 7),
    ],
)
def test_planned_steps_are_the_updates_that_a_trainer_makes(
    n_rows: int, options: dict[str, Any], steps: int
) -> None:
    """Worked out by hand."""
    reference = {"base": {"id": "b", "revision": ""}, "dataset": {"id": "d", "revision": 1, "hash": ""}}
    assert TrainSpec(name="a", **reference, **options).planned_steps(n_rows) == steps


# --- preflight --------------------------------------------------------------------------------------------------------


def test_a_preflight_counts_what_trains_and_what_does_not(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    spec = services.train.complete(actor, values | {"per_device_batch_size": 8, "epochs": 2.0})
    found = services.train.preflight(actor, spec)
    assert found.errors == []
    assert (found.n_train, found.n_validation, found.n_test, found.steps) == (20, 4, 3, 6)
    assert found.refused == {"data.refused.too_long": 1}
    view = services.data.training_view(actor, spec.dataset.id, "tiny", Reading(max_seq_len=128))
    assert found.tokens == 2 * view.tokens
    assert 0 < view.target_tokens < view.tokens


def test_a_dataset_without_a_row_that_fits_is_an_error(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    spec = services.train.complete(actor, values | {"max_seq_len": 16})
    assert services.train.preflight(actor, spec).errors == [
        {"key": "error.train.no_rows", "field": "dataset", "params": {"max_seq_len": 16}}
    ]


def test_rows_longer_than_the_base_can_read_are_an_error(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    spec = services.train.complete(actor, values | {"max_seq_len": 1024})
    assert services.train.preflight(actor, spec).errors == [
        {
            "key": "error.train.context_too_short",
            "field": "max_seq_len",
            "params": {"base": "Tiny", "max_seq_len": 1024, "context": 512},
        }
    ]


def test_a_base_that_is_still_fetched_is_an_error(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    spec = services.train.complete(actor, values)
    with services.db.write() as connection:
        connection.execute(bases.update().values(state="fetching"))
    assert [error["key"] for error in services.train.preflight(actor, spec).errors] == ["error.model.not_ready"]


def test_training_without_validation_rows_is_a_warning(
    services: Services, actor: Actor, values: dict[str, Any], write_rows: Write
) -> None:
    info = imported(services, actor, write_rows([chat("Q?", "A.", "train")], "one.jsonl"), "one")
    found = services.train.preflight(actor, services.train.complete(actor, values | {"dataset": info.id}))
    assert found.errors == []
    assert [(item["key"], item["params"]) for item in found.warnings] == [("train.warning.no_validation", {"dataset": "one"})]


# --- start and stop ---------------------------------------------------------------------------------------------------


def test_a_started_run_is_queued_with_its_complete_spec(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    run = services.train.get(actor, started(services, actor, values))
    assert (run.name, run.base_id, run.job.kind, run.job.state) == ("first", "tiny", "train", "queued")
    assert run.job.folder == f"runs/{run.id}"
    assert run.spec == run.job.spec == services.train.complete(actor, values).as_dict()
    assert [found.id for found in services.train.list(actor)] == [run.id]


def test_a_double_click_is_one_run(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    assert started(services, actor, values, request_id="wish") == started(services, actor, values, request_id="wish")
    assert (count(services, runs), count(services, jobs)) == (1, 1)


def test_two_clicks_at_the_same_moment_are_one_run(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    spec = services.train.complete(actor, values)
    both_are_here, made = threading.Barrier(2), []
    preflight = services.train.preflight

    def preflight_together(actor: Actor, spec: TrainSpec) -> Preflight:
        found = preflight(actor, spec)
        both_are_here.wait(20)  # neither has seen a run of the other's by now
        return found

    services.train.preflight = preflight_together  # type: ignore[method-assign]

    def click() -> None:
        try:
            made.append(services.train.start(actor, spec, request_id="wish"))
        except Exception as error:
            made.append(error)

    threads = [threading.Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert made[0] == made[1]
    assert (count(services, runs), count(services, jobs)) == (1, 1)


def test_a_name_belongs_to_one_run_and_another_one_is_proposed(
    services: Services, actor: Actor, values: dict[str, Any]
) -> None:
    started(services, actor, values)
    with pytest.raises(ConfigError) as caught:
        started(services, actor, values)
    assert (caught.value.key, caught.value.field) == ("error.train.name_taken", "name")
    assert services.train.free_name(actor, "first") == "first 2"
    started(services, actor, values | {"name": "first 2"})
    assert services.train.free_name(actor, "first") == "first 3"
    assert services.train.free_name(actor, "first 2") == "first 3"
    assert services.train.free_name(actor, "first 7") == "first 7"
    assert services.train.free_name(actor, "fi") == "fi"
    assert services.train.free_name(actor, "first%") == "first%"


def test_a_proposed_name_is_never_longer_than_a_name_may_be(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    """120 characters. A dataset of an older studio may have a name of 200."""
    long = "眼" * 200
    assert services.train.free_name(actor, long) == "眼" * 120
    started(services, actor, values | {"name": "眼" * 120})
    assert services.train.free_name(actor, long) == "眼" * 115 + " 2"
    started(services, actor, values | {"name": "眼" * 115 + " 2"})
    assert services.train.free_name(actor, "眼" * 120) == "眼" * 115 + " 3"


def test_nothing_starts_that_is_known_to_fail(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    with pytest.raises(StudioError) as caught:
        started(services, actor, values | {"max_seq_len": 16})
    assert (caught.value.key, caught.value.field) == ("error.train.no_rows", "dataset")
    assert (count(services, runs), count(services, jobs)) == (0, 0)


def test_a_run_that_waits_is_stopped_at_once_and_one_that_has_ended_says_so(
    services: Services, actor: Actor, values: dict[str, Any]
) -> None:
    run_id = started(services, actor, values)
    assert services.train.stop(actor, run_id).job.state == "stopped"
    with pytest.raises(JobError) as caught:
        services.train.stop(actor, run_id)
    assert (caught.value.key, caught.value.params) == ("error.job.has_ended", {"name": "first"})


def test_an_unknown_run_is_not_found(services: Services, actor: Actor) -> None:
    with pytest.raises(NotFoundError) as caught:
        services.train.get(actor, "run_none")
    assert (caught.value.key, caught.value.params) == ("error.run.unknown", {"run": "run_none"})


# --- curves and checkpoints -------------------------------------------------------------------------------------------


def put_points(services: Services, run_id: str, found: list[tuple[int, int, float | None, bool]]) -> None:
    """Training losses as (attempt, step, value, superseded)."""
    rows = [
        {"run_id": run_id, "attempt": attempt, "step": step, "name": "train/loss", "value": value, "seq": seq, "superseded": gone}
        for seq, (attempt, step, value, gone) in enumerate(found, start=1)
    ]
    with services.db.write() as connection:
        connection.execute(points.insert(), rows)


def test_curves_show_what_holds_and_leave_out_what_was_done_again(
    services: Services, actor: Actor, values: dict[str, Any]
) -> None:
    run_id = started(services, actor, values)
    put_points(services, run_id, [(1, 1, 3.0, False), (1, 2, 2.5, True), (2, 2, 2.0, False), (2, 3, None, False)])
    curves = services.train.curves(actor, run_id)
    assert curves.series == {"train/loss": [[1, 3.0], [2, 2.0], [3, None]]}
    assert curves.cursor == services.train.cursor(actor, run_id) == 4


def test_a_run_without_points_has_an_empty_drawing(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    run_id = started(services, actor, values)
    assert (services.train.curves(actor, run_id).series, services.train.cursor(actor, run_id)) == ({}, 0)


def test_a_long_run_is_drawn_with_a_thousand_points_at_most(
    services: Services, actor: Actor, values: dict[str, Any]
) -> None:
    run_id = started(services, actor, values)
    put_points(services, run_id, [(1, step, 1.0, False) for step in range(1, 2_501)])
    assert 500 <= len(services.train.curves(actor, run_id).series["train/loss"]) <= 1_000


def test_checkpoints_come_by_step_with_the_name_under_which_an_engine_knows_them(
    services: Services, actor: Actor, values: dict[str, Any]
) -> None:
    run_id = started(services, actor, values)
    rows = [
        {"run_id": run_id, "step": step, "path": f"runs/{run_id}/checkpoint-{step}", "bytes": 1, "best": step == 4}
        for step in (8, 4)
    ]
    with services.db.write() as connection:
        connection.execute(checkpoints.insert(), [row | {"val_loss": 1.5, "created_at": now()} for row in rows])
    found = services.train.checkpoints(actor, run_id)
    assert [(item.step, item.best, item.run_name, item.base_id) for item in found] == [
        (4, True, "first", "tiny"),
        (8, False, "first", "tiny"),
    ]
    assert services.train.checkpoints(actor) == found
    assert (answers_as(run_id), answers_as(run_id, 8)) == (run_id, f"{run_id}@8")


def test_too_little_memory_or_disk_is_said_before_anything_starts(
    services: Services, values: dict[str, Any], actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.train.fit.free_memory_bytes", lambda: 10**6)
    monkeypatch.setattr("studio.train.preflight.free_disk_bytes", lambda path: 10**6)
    ahead = services.train.preflight(actor, services.train.complete(actor, values))
    assert [error["key"] for error in ahead.errors] == ["error.train.no_memory", "error.train.no_disk"]
    assert all(error["params"]["free_bytes"] == 10**6 for error in ahead.errors)
