"""Trainings one after another: votes on top of answers, queued by the queue alone."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from studio.access import Actor
from studio.jobs.queue import end_job
from studio.jobs.tables import jobs, runs
from studio.services import Services
from tests.unit.data.made import dataset


def test_a_chain_begins_where_the_run_before_it_was_best(
    services: Services, actor: Actor, tiny_base: Any
) -> None:
    from studio.data.rows import NewRow

    asked = [{"role": "user", "content": "Does it hurt?"}]
    good, bad = ([{"role": "assistant", "content": text}] for text in ("No.", "Yes!"))
    chats = dataset(services.db, [NewRow("chat", {"messages": asked + good}, split="train")])
    votes = dataset(services.db, [NewRow("preference", {"messages": asked, "chosen": good, "rejected": bad}, split="train")])
    then: list[Any] = [{"stage": "dpo", "dataset": votes, "beta": 0.2, "then": [{"stage": "kto", "dataset": votes}]}]
    values = {"name": "eyes", "base": "tiny", "dataset": chats, "method": "dora", "lora_rank": 4, "then": then}
    spec = services.train.complete(actor, values)
    (follower,) = spec.then
    assert (follower["start_from"], follower["method"], follower["lora_rank"], follower["beta"]) == ("best", "dora", 4, 0.2)
    run_id = services.train.start(actor, spec)
    job = services.train.get(actor, run_id).job
    for _ in range(2):  # told twice, it is queued once
        with services.db.write() as connection:
            end_job(connection, job, "finished", result={"best_step": 6})
    second = next(run for run in services.train.list(actor) if run.id != run_id)
    assert len(services.train.list(actor)) == 2
    assert (second.name, second.stage, second.method) == ("eyes → dpo", "dpo", "dora")
    assert second.spec["start_from"] == f"{run_id}@6"
    assert second.dataset_id == votes
    with services.db.write() as connection:
        end_job(connection, second.job, "finished", result={"best_step": 3})
    third = services.train.list(actor)[0]
    assert (third.stage, third.spec["start_from"]) == ("kto", f"{second.id}@3")


def test_what_failed_is_followed_by_nothing(services: Services, actor: Actor, tiny_base: Any) -> None:
    from studio.data.rows import NewRow

    asked = [{"role": "user", "content": "Does it hurt?"}, {"role": "assistant", "content": "No."}]
    chats = dataset(services.db, [NewRow("chat", {"messages": asked}, split="train")])
    spec = services.train.complete(actor, {"name": "a", "base": "tiny", "dataset": chats, "then": [{"stage": "sft"}]})
    job = services.train.get(actor, services.train.start(actor, spec)).job
    with services.db.write() as connection:
        end_job(connection, job, "failed")
        assert connection.execute(sa.select(sa.func.count()).select_from(runs)).scalar() == 1
        assert connection.execute(sa.select(sa.func.count()).select_from(jobs)).scalar() == 1


def test_votes_ask_for_preferences_and_conversations_for_answers(services: Services, actor: Actor) -> None:
    from studio.data.rows import NewRow

    asked = [{"role": "user", "content": "Does it hurt?"}]
    good, bad = ([{"role": "assistant", "content": text}] for text in ("No.", "Yes!"))
    rows = {
        "sft": [NewRow("chat", {"messages": asked + good})],
        "dpo": [NewRow("preference", {"messages": asked, "chosen": good, "rejected": bad})],
        "kto": [NewRow("feedback", {"messages": asked + good, "label": True})],
        "text": [NewRow("text", {"text": "The lens bends the light."})],
        "grpo": [NewRow("prompt", {"messages": asked, "answer": "No."})],
    }
    found = {stage: services.train.goal_of(actor, dataset(services.db, made)) for stage, made in rows.items()}
    assert found == {stage: stage for stage in rows}
    mixed = dataset(services.db, [*rows["sft"], *rows["dpo"]])
    assert services.train.goal_of(actor, mixed) == "sft"
