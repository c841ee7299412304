"""What the tests of demo links share: making links and guests, asking, and looking into the rows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import Actor, Role, local_admin
from studio.access.links import Link
from studio.data.tables import datasets
from studio.db import Database
from studio.engine.demo import Conversation, DemoAnswer, DemoService
from studio.engine.tables import answers, chats
from studio.ids import new_id, now
from studio.jobs.tables import checkpoints, runs

ADMIN = local_admin("usr_me")
PATIENCE_S = 20

both = pytest.mark.backends("sqlite", "postgresql")


def make(demo: DemoService, models: list[str], **options: Any) -> Link:
    return demo.make(ADMIN, models, name="For the doctors", warned=True, **options).link


def new_run(db: Database, name: str, base_id: str = "tiny") -> str:
    run_id, dataset_id = new_id("run"), new_id("ds")
    values = {"id": run_id, "name": name, "dataset_id": dataset_id, "dataset_revision": 1, "base_id": base_id, "spec": {}}
    with db.write() as connection:
        connection.execute(datasets.insert().values(id=dataset_id, name=name, author="usr_me", created_at=now()))
        connection.execute(runs.insert().values(**values, author="usr_me", created_at=now()))
        for step, best in ((10, True), (20, False)):
            kept = {"run_id": run_id, "step": step, "path": f"runs/{run_id}/checkpoint-{step}", "bytes": 1, "best": best}
            connection.execute(checkpoints.insert().values(**kept, created_at=now()))
    return run_id


def guest_of(link: Link) -> Actor:
    return Actor(new_id("usr"), Role.DEMO, link_id=link.id)


def answers_of(conversation: Conversation) -> list[DemoAnswer]:
    return [answer for turn in conversation.turns for answer in turn.answers]


def until(is_so: Callable[[], Any]) -> None:
    """Wait until a condition holds that no event tells of."""
    pause = threading.Event()
    for _ in range(PATIENCE_S * 100):
        if is_so():
            return
        pause.wait(0.01)
    pytest.fail("it never came to be")


def ended(demo: DemoService, guest: Actor) -> Conversation:
    until(lambda: not demo.conversation(guest).is_moving)
    return demo.conversation(guest)


def ask(demo: DemoService, guest: Actor, question: str = "Hi") -> int:
    return demo.ask(guest, question, request_id=new_id("cht"))


def seconds_ago(db: Database, column: sa.Column[Any], seconds: float) -> None:
    with db.write() as connection:
        connection.execute(sa.update(column.table).values({column: now() - timedelta(seconds=seconds)}))


def models_of_chats(db: Database) -> list[list[str]]:
    with db.read() as connection:
        return list(connection.execute(sa.select(chats.c.models).order_by(chats.c.created_at)).scalars())


def states(db: Database) -> list[str]:
    with db.read() as connection:
        return list(connection.execute(sa.select(answers.c.state)).scalars())
