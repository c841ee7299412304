"""Before a training: what need not be asked, the pilot, the spec as a file, and the same run once more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import Actor
from studio.data.service import ImportSpec
from studio.errors import ConfigError, StudioError
from studio.jobs.tables import jobs
from studio.models.catalogue import Base
from studio.services import Services
from studio.settings import Settings
from studio.train.pilot import PilotSpec, digest_of
from studio.train.spec import TrainSpec
from tests.unit.train.runs import Attempts, Training, largest_difference

Write = Callable[..., Path]


@pytest.fixture
def values(services: Services, actor: Actor, tiny_base: Base, write_rows: Write) -> dict[str, Any]:
    records = [
        {
            "messages": [{"role": "user", "content": f"Question {n}?"}, {"role": "assistant", "content": f"Answer {n}."}],
            "split": "train" if n < 20 else "validation",
        }
        for n in range(24)
    ]
    path = write_rows(records)
    upload = services.data.stage(actor, path)
    made = services.data.import_upload(actor, ImportSpec(upload=upload, file_name=path.name, dataset_name="问答"))
    return {"name": "first", "base": tiny_base.id, "dataset": made.dataset_id, "max_seq_len": 128}


# --- recipe -----------------------------------------------------------------------------------------------------------


def test_three_answers_are_known_and_the_recipe_fills_a_form_that_is_sound(
    services: Services, actor: Actor, values: dict[str, Any]
) -> None:
    known = services.plan.known(actor, values["base"], values["dataset"])
    assert (known.answers, known.n_rows) == ({"rows": "few", "machine": "cpu", "base_kind": "chat"}, 20)
    for goal in ("behaviour", "facts"):
        recipe = services.plan.recipe(actor, values["base"], known.answers | {"goal": goal})
        spec = services.train.complete(actor, values | recipe.as_values())
        assert spec.model_dump(mode="json", include=set(recipe.values)) == recipe.as_values()
        assert recipe.reasons


def test_an_answer_that_is_none_is_refused(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        services.plan.recipe(actor, values["base"], {"goal": "fame"})


# --- pilot ------------------------------------------------------------------------------------------------------------


def test_a_pilot_takes_real_steps_of_the_longest_rows_and_leaves_no_checkpoint(
    new_training: Callable[..., Training], attempts: Attempts, training_home: Path
) -> None:
    spec = TrainSpec.model_validate(new_training(probes="few", max_seq_len=512).spec)
    pilot = PilotSpec(train=spec, digest=digest_of(spec))
    run = Training(attempts, training_home, "pilot", pilot.as_dict())
    found = run.finished()
    assert [event.body["phase"] for event in run.events if event.kind == "phase_changed"] == ["preparing", "loading", "piloting"]
    assert found["steps"] == spec.planned_steps(26)
    assert found["rows"] == spec.per_device_batch_size
    assert found["width"] == max(len(row) for row in _lengths(spec, training_home))
    assert 0 < found["peak_bytes"] < found["limit_bytes"]
    assert found["fits"]
    assert found["tokens_per_s"] > 0
    assert found["seconds"] > 0
    assert run.checkpoint_steps() == []
    assert run.bodies("step_finished") == run.bodies("checkpoint_saved") == []


def _lengths(spec: TrainSpec, home: Path) -> list[list[int]]:
    """Token ids of every row that trains, rendered here."""
    from studio.data.render import Template, render
    from studio.data.store import iter_rows
    from studio.db import Database

    db = Database(Settings(home=home, device="cpu").url)
    template = Template.load(home / "models" / spec.base.id)
    rows = [row for row in iter_rows(db, spec.dataset.id, spec.dataset.revision) if row.split == "train"]
    db.close()
    return [render(row.kind, row.content, template).ids for row in rows]


def test_a_pilot_that_meets_the_end_of_memory_says_so(
    new_training: Callable[..., Training], attempts: Attempts, training_home: Path
) -> None:
    spec = TrainSpec.model_validate(new_training().spec)
    run = Training(attempts, training_home, "pilot-oom", PilotSpec(train=spec, digest=digest_of(spec)).as_dict())
    ended = run.go(at="out_of_memory")
    assert (ended["state"], ended["error"]["key"]) == ("failed", "error.job.out_of_memory")


def test_a_pilot_waits_in_front_and_is_not_started_twice_for_the_same_memory_and_time(
    services: Services, actor: Actor, values: dict[str, Any]
) -> None:
    spec = services.train.complete(actor, values)
    services.train.start(actor, spec)
    pilot = services.plan.start_pilot(actor, spec.model_copy(update={"name": "second"}))
    assert [job.kind for job in services.jobs.active(actor)] == ["pilot", "train"]
    assert services.plan.start_pilot(actor, spec.model_copy(update={"learning_rate": 1e-5, "seed": 3})) == pilot
    other = services.plan.start_pilot(actor, spec.model_copy(update={"per_device_batch_size": 2}))
    assert other != pilot
    with services.db.write() as connection:
        connection.execute(jobs.update().where(jobs.c.id == pilot).values(state="finished", result={"fits": True}))
    found = services.plan.pilot_of(actor, spec)
    assert found is not None
    assert (found.id, found.result) == (pilot, {"fits": True})
    assert services.plan.start_pilot(actor, spec) != pilot, "asked again, it is measured again"


def test_a_pilot_is_refused_what_no_training_can_do_but_not_for_memory(
    services: Services, actor: Actor, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StudioError) as caught:
        services.plan.start_pilot(actor, services.train.complete(actor, values | {"max_seq_len": 16}))
    assert caught.value.key == "error.train.no_rows"
    monkeypatch.setattr("studio.train.fit.free_memory_bytes", lambda: 10**6)
    spec = services.train.complete(actor, values)
    assert services.train.preflight(actor, spec).errors[0]["key"] == "error.train.no_memory"
    assert services.plan.start_pilot(actor, spec)


# --- fit --------------------------------------------------------------------------------------------------------------


def test_made_to_fit_it_keeps_the_rows_of_a_step(
    services: Services, actor: Actor, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = services.train.complete(actor, values)
    as_it_is = services.plan.make_fit(actor, spec)
    assert (as_it_is.remedies, as_it_is.spec) == ([], spec)
    monkeypatch.setattr("studio.train.fit.free_memory_bytes", lambda: as_it_is.outlook.footprint.total)
    found = services.plan.make_fit(actor, spec)
    assert found.remedies[0].name == "micro_batch"
    assert found.spec.per_device_batch_size * found.spec.gradient_accumulation_steps == spec.per_device_batch_size


# --- as a file --------------------------------------------------------------------------------------------------------


def test_what_a_form_says_comes_back_from_its_file(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    form = values | {"preset": "standard", "learning_rate": 3e-4, "bits": 4, "own_probes": "Who?\n谁？", "name": "a: b # c"}
    text = services.plan.as_yaml(actor, form)
    back = services.plan.from_yaml(actor, text)
    assert text.startswith("name: ")
    assert {name: back[name] for name in form if name != "own_probes"} == {k: v for k, v in form.items() if k != "own_probes"}
    assert back["own_probes"] == ["Who?", "谁？"]
    assert services.plan.from_yaml(actor, services.plan.as_yaml(actor, back)) == back


def test_a_file_may_call_the_dataset_by_its_name_and_hold_a_run_of_the_past(
    services: Services, actor: Actor, values: dict[str, Any]
) -> None:
    named = services.plan.from_yaml(actor, f"base: {values['base']}\ndataset: 问答\nlora_rank: 4\n")
    assert (named["dataset"], named["lora_rank"], named["name"]) == (values["dataset"], 4, "")
    spec = services.train.complete(actor, values)
    past = services.plan.from_yaml(actor, services.plan.as_yaml(actor, spec.as_dict()))
    assert services.train.complete(actor, past) == spec


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("a: 1\nname: [\n", "error.train.bad_yaml", {"line": 3}),
        ("- a\n- b", "error.train.bad_yaml", {"line": 1, "reason": "list"}),
        ("", "error.train.bad_yaml", {"reason": "NoneType"}),
        ("name: \x00", "error.train.bad_yaml", {}),
        ("lora_rnk: 3", "error.config.unknown_fields", {"fields": "lora_rnk"}),
        ("lora_rank: many", "error.train.choose_base", {}),
        ("!!python/object/apply:os.system ['true']", "error.train.bad_yaml", {}),
    ],
)
def test_a_file_that_is_none_is_refused_by_its_place(
    services: Services, actor: Actor, text: str, key: str, said: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError) as caught:
        services.plan.from_yaml(actor, text)
    assert caught.value.key == key
    assert said.items() <= caught.value.params.items()


# --- once more --------------------------------------------------------------------------------------------------------


def test_again_is_the_same_under_a_free_name(services: Services, actor: Actor, values: dict[str, Any]) -> None:
    spec = services.train.complete(actor, values | {"learning_rate": 3e-4})
    again = services.plan.again(actor, services.train.start(actor, spec))
    assert again.name == "first 2"
    assert again.model_copy(update={"name": spec.name}) == spec
    with services.db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(jobs)).scalar() == 1, "nothing was started"


def test_run_again_gives_the_same_numbers(new_training: Callable[..., Training], untouched: Training) -> None:
    """Loss by loss, in float32 and with dropout: under another name, in another process, later."""
    again = new_training(name="the same once more")
    again.finished()
    assert largest_difference(again, untouched) == 0
