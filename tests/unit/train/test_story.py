"""The life of a run, from its own events: what was noticed with its rows, its answers, where it comes from, its card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from studio.access import Actor, local_admin
from studio.engine.tables import chats
from studio.errors import NotFoundError
from studio.ids import now
from studio.jobs.ingest import ingest
from studio.jobs.queue import end_job
from studio.services import Services, build_services
from studio.settings import Settings
from tests.unit.train.runs import Training

ACTOR = local_admin()


@pytest.fixture(scope="module")
def at_home(training_home: Path) -> Iterator[Services]:
    services = build_services(Settings(home=training_home, device="cpu"))
    yield services
    services.close()


@pytest.fixture(scope="module")
def told(new_training: Callable[..., Training], at_home: Services) -> Training:
    """A run with three rows that are no text, taken in as the worker takes it in."""
    healthy = {"base": "apt", "learning_rate": 1e-2, "lora_rank": 8, "lora_dropout": 0.0, "gradient_accumulation_steps": 1}
    more = {"dataset": "garbage", "max_steps": 42, "seed": 5, "per_device_batch_size": 6, "evaluations": 3, "probes": "few"}
    return ended(new_training(entered=True, own_probes=["What is 3 times 3?"], **healthy | more), at_home)


@pytest.fixture(scope="module")
def measured(new_training: Callable[..., Training], at_home: Services) -> Training:
    """One that has validation rows."""
    return ended(new_training(entered=True, max_steps=3, evaluations=1), at_home)


def ended(run: Training, services: Services) -> Training:
    run.finished()
    ingest(services.db, services.settings, services.train.get(ACTOR, run.name).job)
    with services.db.write() as connection:
        end_job(connection, services.train.get(ACTOR, run.name).job, "finished", result=run.result)
    return run


def test_a_spike_comes_with_the_texts_of_its_rows(told: Training, at_home: Services) -> None:
    spike = next(one for one in at_home.story.noticed(ACTOR, told.name) if one.key == "spike")
    first = next(body for body in told.bodies("warned") if body["key"] == "detect.spike")
    assert [row.row_id for row in spike.rows] == first["rows"]
    assert spike.n_rows == 3
    assert all(row.question == "Count from 7" for row in spike.rows)
    assert all(row.answer == at_home.data.row(ACTOR, row.row_id).content["messages"][1]["content"] for row in spike.rows)


def test_a_row_that_was_purged_is_told_as_gone(told: Training, at_home: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(actor: Actor, row_id: int) -> Any:
        raise NotFoundError("error.data.unknown_row", row=row_id)

    monkeypatch.setattr(at_home.data, "row", gone)
    spike = next(one for one in at_home.story.noticed(ACTOR, told.name) if one.key == "spike")
    assert [(row.question, row.answer) for row in spike.rows] == [("", "")] * 3


def test_every_question_is_answered_at_the_start_and_at_every_evaluation(told: Training, at_home: Services) -> None:
    timeline = at_home.story.timeline(ACTOR, told.name)
    assert timeline.steps == [0, 14, 28, 42]
    assert timeline.answers[0][0].question == "What is 3 times 3?"
    assert len(timeline.answers) == 1 + 12
    assert all(one is not None for _, row in timeline.answers for one in row)


def test_lineage_goes_up_to_rows_and_base_and_down_to_what_was_done(told: Training, at_home: Services) -> None:
    before = at_home.story.lineage(ACTOR, told.name)
    assert (before.dataset.id, before.base.id) == (told.spec["dataset"]["id"], "apt")
    assert {"torch", "transformers", "peft", "finetune-studio", "python"} <= set(before.facts["versions"])
    assert before.facts["predicted"]["low"] <= before.facts["predicted"]["total"] <= before.facts["predicted"]["high"]
    assert [item.step for item in before.checkpoints][-1] == 42
    assert before.used == {"chats": 0, "links": 0}
    facts = {"owner": "usr_a", "base_id": "apt", "title": "t", "created_at": now()}
    with at_home.db.write() as connection:
        connection.execute(chats.insert().values(id="cht_1", models=["base", f"{told.name}@14"], **facts))
        connection.execute(chats.insert().values(id="cht_2", models=["base"], **facts))
    assert at_home.story.lineage(ACTOR, told.name).used == {"chats": 1, "links": 0}
    assert told.name in [run.id for run in at_home.story.trained_on(ACTOR, told.spec["dataset"]["id"])]


def test_the_card_is_read_as_hugging_face_reads_it(measured: Training, at_home: Services) -> None:
    card = at_home.story.card(ACTOR, measured.name)
    _, header, body = card.split("---\n", 2)
    facts = yaml.safe_load(header)
    assert (facts["library_name"], facts["pipeline_tag"]) == ("peft", "text-generation")
    assert facts["base_model"] == "tiny"
    assert f"{measured.result['best_loss']:.4g}" in body
    assert measured.spec["dataset"]["hash"] in body
    assert "PeftModel.from_pretrained" in body


def test_the_card_is_one_for_the_library_that_the_hub_uses(measured: Training, at_home: Services) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard(at_home.story.card(ACTOR, measured.name))
    assert card.data.library_name == "peft"
    assert card.data.base_model == "tiny"


def test_what_a_run_went_on_from_is_told_everywhere(
    measured: Training, new_training: Callable[..., Training], at_home: Services
) -> None:
    plain = at_home.story.lineage(ACTOR, measured.name)
    assert plain.origin is None
    own = plain.run.name
    child = new_training(entered=True, name="on top", start_from=f"{measured.name}@3")
    origin = at_home.story.lineage(ACTOR, child.name).origin
    assert origin is not None
    assert (origin.run.id, origin.step) == (measured.name, 3)
    card = at_home.story.card(ACTOR, child.name)
    assert f"the checkpoint {own}, 3." in card.replace("\\_", "_")
    assert "with DoRA" in at_home.story.card(ACTOR, new_training(entered=True, method="dora").name)
    (begun,) = (one for one in at_home.story.compare(ACTOR, [measured.name, child.name]) if one.name == "start_from")
    assert begun.values == ["", f"{own} · 3"]
    assert at_home.train.origin(ACTOR, "run_purged@3") is None


def test_the_card_of_a_merged_model_loads_a_model_and_no_adapter(measured: Training, at_home: Services) -> None:
    card = at_home.story.card(ACTOR, measured.name, merged=True)
    facts = yaml.safe_load(card.split("---\n", 2)[1])
    assert (facts["library_name"], facts["base_model_relation"]) == ("transformers", "finetune")
    assert "PeftModel" not in card


def test_names_that_people_gave_are_text_in_the_card(new_training: Callable[..., Training], at_home: Services) -> None:
    run = new_training(entered=True, name="<script>*a*</script> [x](http://y) | b\\")
    card = at_home.story.card(ACTOR, run.name)
    assert "<script>" not in card.split("---\n", 2)[2]
    assert "[x](" not in card.split("---\n", 2)[2]


def test_runs_differ_in_what_was_asked_otherwise(new_training: Callable[..., Training], at_home: Services) -> None:
    pair = [new_training(entered=True, lora_rank=rank, seed=7) for rank in (2, 6)]
    told = at_home.story.compare(ACTOR, [run.name for run in pair])
    assert [(one.name, one.values) for one in told if one.differs] == [("lora_rank", [2, 6])]
    assert {"seed", "dataset", "base", "probes"} <= {one.name for one in told if not one.differs}
