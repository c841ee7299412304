"""What a demo link opens, how much of it, until when, and what became of it."""

from __future__ import annotations

import dataclasses
import inspect
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import Actor, Role
from studio.access.links import Link, LinkService
from studio.access.tables import links as link_rows
from studio.db import Database
from studio.engine.demo import DemoService, DemoUse, Thumbs
from studio.engine.tables import answers, chats, thumbs, turns
from studio.errors import AccessError, ConfigError, NotFoundError, StudioError
from studio.ids import new_id, now
from studio.models.tables import bases
from tests.fakes.engine import FakeGenerator
from tests.unit.engine.guests import (
    ADMIN,
    PATIENCE_S,
    answers_of,
    ask,
    both,
    ended,
    guest_of,
    make,
    models_of_chats,
    new_run,
    seconds_ago,
    states,
    until,
)

# ---- making a link


@both
def test_a_link_opens_models_on_one_base(demo: DemoService, run_id: str) -> None:
    assert make(demo, ["base", f"{run_id}@20"]).target == {"base_id": "tiny", "models": ["base", f"{run_id}@20"]}
    assert make(demo, [run_id, f"{run_id}@20"]).target["base_id"] == "tiny"
    assert make(demo, ["base"], base_id="tiny", questions_per_hour=7).questions_per_hour == 7


@both
def test_models_that_cannot_be_opened_together_make_no_link(
    demo: DemoService, run_id: str, db: Database, links: LinkService
) -> None:
    with db.write() as connection:
        for base_id, state in (("other", "ready"), ("late", "fetching")):
            values = {"id": base_id, "name": base_id.title(), "source": "folder", "ref": base_id, "author": "usr_me"}
            connection.execute(bases.insert().values(**values, state=state, created_at=now()))
    elsewhere = new_run(db, "Elsewhere", "other")
    refused: dict[tuple[str, ...], str] = {
        (): "error.demo.how_many(n=0)",
        ("base", run_id, f"{run_id}@20"): "error.demo.how_many(n=3)",
        ("base", "base"): "error.demo.same_model()",
        (run_id, f"{run_id}@10"): "error.demo.same_model()",
        (run_id, elsewhere): "error.demo.two_bases()",
        ("base",): "error.demo.no_base()",
        (f"{run_id}@30",): f"error.demo.no_checkpoint(model='{run_id}@30')",
        ("base", "../secrets"): "error.demo.no_checkpoint(model='../secrets')",
    }
    for models, error in refused.items():
        with pytest.raises(StudioError) as raised:
            make(demo, list(models))
        assert str(raised.value) == error
    with pytest.raises(ConfigError, match=r"error\.demo\.two_bases"):
        make(demo, ["base", run_id], base_id="other")
    with pytest.raises(ConfigError, match=r"error\.model\.not_ready"):
        make(demo, ["base"], base_id="late")
    with pytest.raises(NotFoundError, match=r"error\.model\.unknown_base"):
        make(demo, ["base"], base_id="nowhere")
    assert links.list(ADMIN) == []


def test_limits_that_cannot_be_name_their_field(demo: DemoService) -> None:
    with pytest.raises(ConfigError) as raised:
        make(demo, ["base"], base_id="tiny", questions_per_hour=0)
    assert (raised.value.key, raised.value.field) == ("error.config.invalid", "questions_per_hour")


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.EDITOR, Role.ADMIN)])
def test_only_editors_and_admins_make_links_and_see_their_use(demo: DemoService, role: Role) -> None:
    for attempt in (lambda who: demo.make(who, ["base"], name="x", warned=True), lambda who: demo.use(who, [])):
        with pytest.raises(AccessError):
            attempt(Actor("usr_x", role, link_id="lnk_x"))


# ---- limits


@both
def test_the_questions_of_an_hour_count_over_all_guests_and_come_back(
    demo: DemoService, fake: FakeGenerator, db: Database
) -> None:
    link = make(demo, ["base"], base_id="tiny", questions_per_hour=2)
    ask(demo, guest_of(link))
    seconds_ago(db, turns.c.created_at, 50 * 60)
    ask(demo, guest_of(link))
    late = guest_of(link)
    with pytest.raises(AccessError) as raised:
        ask(demo, late)
    assert (raised.value.key, raised.value.params) == ("error.demo.too_many_questions", {"limit": 2, "minutes": 10})
    assert demo.conversation(late).turns == []
    ask(demo, guest_of(make(demo, ["base"], base_id="tiny", questions_per_hour=2)))
    seconds_ago(db, turns.c.created_at, 60 * 60)
    assert ask(demo, late) == 1


@both
def test_of_ten_questions_at_once_no_more_pass_than_may(demo: DemoService, fake: FakeGenerator, db: Database) -> None:
    link = make(demo, ["base"], base_id="tiny", questions_per_hour=3)
    with ThreadPoolExecutor(10) as guests:
        asked = [guests.submit(ask, demo, guest_of(link)) for _ in range(10)]
        errors = [error for one in asked if (error := one.exception()) is not None]
    assert [str(error).partition("(")[0] for error in errors] == ["error.demo.too_many_questions"] * 7
    assert len(states(db)) == 3
    assert len(models_of_chats(db)) == 3


@both
def test_answers_get_no_more_tokens_than_are_left_of_the_day(demo: DemoService, fake: FakeGenerator, run_id: str) -> None:
    """Two at once share what is left: 100, then 100 − 2 · 25."""
    fake.texts = dict.fromkeys(("base", run_id), "x" * 1_000)
    fake.gate.open()
    link = make(demo, ["base", run_id], tokens_per_day=100)
    guest = guest_of(link)
    ask(demo, guest)
    shown = ended(demo, guest)
    assert [(len(answer.text), answer.is_too_long) for answer in answers_of(shown)] == [(50, True), (50, True)]
    with pytest.raises(AccessError) as raised:
        ask(demo, guest_of(link))
    assert (raised.value.key, raised.value.params) == ("error.demo.tokens_used_up", {"limit": 100, "hours": 24})


@both
def test_used_up_tokens_come_back_when_the_oldest_are_a_day_old(
    demo: DemoService, fake: FakeGenerator, db: Database
) -> None:
    """5 tokens 20 hours ago, 60 ten hours ago, 60 just now, of 100 a day: room again once the second are a day old."""
    fake.gate.open()
    link = make(demo, ["base"], base_id="tiny", tokens_per_day=100)
    for hours, tokens in ((20, 5), (10, 60), (0, 60)):
        guest = guest_of(link)
        ask(demo, guest)
        ended(demo, guest)
        with db.write() as connection:
            new = answers.update().where(answers.c.tokens == 13)
            connection.execute(new.values(tokens=tokens, created_at=now() - timedelta(hours=hours)))
    with pytest.raises(AccessError) as raised:
        ask(demo, guest_of(link))
    assert raised.value.params == {"limit": 100, "hours": 14}
    with db.write() as connection:
        oldest = answers.update().where(answers.c.created_at < now() - timedelta(hours=1))
        connection.execute(oldest.values(created_at=now() - timedelta(hours=24)))
    guest = guest_of(link)
    ask(demo, guest)
    assert max_tokens(db) == 40


def max_tokens(db: Database) -> int:
    with db.read() as connection:
        newest = sa.select(answers.c.decoding).order_by(answers.c.created_at.desc()).limit(1)
        return int(connection.execute(newest).scalar_one()["max_tokens"])


@both
def test_growing_answers_count_with_all_that_they_may_still_say(
    demo: DemoService, fake: FakeGenerator, db: Database
) -> None:
    link = make(demo, ["base"], base_id="tiny", tokens_per_day=500)
    first, second, third = (guest_of(link) for _ in range(3))
    ask(demo, first)
    ask(demo, second)
    assert max_tokens(db) == 200
    with pytest.raises(AccessError) as raised:
        ask(demo, third)
    assert raised.value.key == "error.demo.busy"
    demo.stop(first)
    ended(demo, first)
    assert ask(demo, third) == 1


@both
def test_going_on_takes_no_more_than_is_left(demo: DemoService, fake: FakeGenerator, db: Database) -> None:
    """5 tokens said, 93 used elsewhere, of 100: 2 more."""
    link = make(demo, ["base"], base_id="tiny", tokens_per_day=100)
    guest = guest_of(link)
    fake.gate.allow(5)
    ask(demo, guest)
    until(lambda: answers_of(demo.conversation(guest))[0].text == "Hello")
    demo.stop(guest)
    ended(demo, guest)
    fake.texts["base"] = "!" * 50
    fake.gate.open()
    other = guest_of(link)
    ask(demo, other)
    ended(demo, other)
    with db.write() as connection:
        connection.execute(answers.update().where(answers.c.state == "done").values(tokens=93))
    demo.go_on(guest)
    assert answers_of(ended(demo, guest))[0].text == "Hello!!"
    with db.write() as connection:
        connection.execute(answers.update().where(answers.c.tokens == 7).values(state="stopped"))
    with pytest.raises(AccessError, match=r"error\.demo\.tokens_used_up"):
        demo.go_on(guest)


# ---- closing a link


def close(how: str, links: LinkService, db: Database, link: Link) -> None:
    if how == "revoked":
        links.revoke(ADMIN, link.id)
    elif how == "paused":
        links.pause(ADMIN, link.id, True)
    else:
        seconds_ago(db, link_rows.c.expires_at, 1)


@pytest.mark.parametrize("how", ["revoked", "paused", "expired"])
def test_an_answer_stops_when_its_link_is_closed_in_the_middle(
    demo: DemoService, solo: Link, links: LinkService, fake: FakeGenerator, db: Database, how: str
) -> None:
    guest = guest_of(solo)
    fake.gate.allow(5)
    ask(demo, guest)
    until(lambda: answers_of(demo.conversation(guest))[0].text == "Hello")
    close(how, links, db, solo)
    until(lambda: states(db) == ["stopped"])
    with db.read() as connection:
        assert connection.execute(sa.select(answers.c.text)).scalar() == "Hello"
    assert fake.started.get(timeout=PATIENCE_S).cancelled.wait(PATIENCE_S)


@both
@pytest.mark.parametrize("how", ["revoked", "paused", "expired"])
def test_to_guests_of_a_closed_link_nothing_is_there(
    demo: DemoService, solo: Link, links: LinkService, fake: FakeGenerator, db: Database, how: str
) -> None:
    guest = guest_of(solo)
    fake.gate.open()
    ask(demo, guest)
    answer_id = answers_of(ended(demo, guest))[0].id
    close(how, links, db, solo)
    refused(demo, guest, answer_id)
    with db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(turns)).scalar() == 1
        assert connection.execute(sa.select(thumbs.c.value)).first() is None


def test_a_guest_of_no_link_or_of_one_to_something_else_gets_nothing(demo: DemoService, solo: Link, db: Database) -> None:
    guest = guest_of(solo)
    refused(demo, dataclasses.replace(guest, link_id=None), new_id("ans"))
    refused(demo, dataclasses.replace(guest, link_id=new_id("lnk")), new_id("ans"))
    with db.write() as connection:
        connection.execute(link_rows.update().values(scope="rate"))
    refused(demo, guest, new_id("ans"))


def refused(demo: DemoService, guest: Actor, answer_id: str) -> None:
    """In each method that a guest may call."""
    arguments: dict[str, dict[str, Any]] = {
        "conversation": {},
        "ask": {"question": "Hi", "request_id": "req_2"},
        "stop": {},
        "go_on": {},
        "start_over": {},
        "thumb": {"answer_id": answer_id, "value": 1},
    }
    actions = {name: method.studio_action for name, method in inspect.getmembers(DemoService) if hasattr(method, "studio_action")}
    assert {name for name, action in actions.items() if action.startswith("demo.")} == set(arguments)
    for name, given in arguments.items():
        with pytest.raises(NotFoundError) as raised:
            getattr(demo, name)(guest, **given)
        assert str(raised.value) == "error.link.closed()"


def test_a_link_that_is_full_goes_on_for_those_it_let_in(demo: DemoService, fake: FakeGenerator, db: Database) -> None:
    link = make(demo, ["base"], base_id="tiny", max_visits=1)
    with db.write() as connection:
        connection.execute(link_rows.update().values(visits=1))
    assert ask(demo, guest_of(link)) == 1


# ---- use


@both
def test_use_counts_questions_tokens_guests_and_thumbs_of_each_link(
    demo: DemoService, duel: Link, solo: Link, run_id: str, fake: FakeGenerator, db: Database
) -> None:
    """"Hello, world!" has 13 tokens, "Tuned!" has 6."""
    fake.gate.open()
    busy, shy, elsewhere = guest_of(duel), guest_of(duel), guest_of(solo)
    for guest in (busy, busy, shy, elsewhere):
        ask(demo, guest)
        for answer in answers_of(ended(demo, guest)):
            demo.thumb(guest, answer.id, 1 if answer.text == "Tuned!" else -1)
    unused = make(demo, ["base"], base_id="tiny")
    used = demo.use(ADMIN, [duel.id, solo.id, unused.id])
    with db.read() as connection:
        asked = sa.select(chats.c.link_id, turns.c.created_at).join(turns).order_by(turns.c.created_at)
        last = dict(connection.execute(asked).all())
    tuned = {"base": Thumbs(down=3), run_id: Thumbs(up=3)}
    assert used == {
        duel.id: DemoUse(questions=3, guests=2, tokens=57, last_asked_at=last[duel.id], thumbs=tuned),
        solo.id: DemoUse(questions=1, guests=1, tokens=13, last_asked_at=last[solo.id], thumbs={"base": Thumbs(down=1)}),
        unused.id: DemoUse(),
    }


def test_use_asks_the_database_as_often_for_many_links_as_for_one(demo: DemoService, db: Database) -> None:
    made = [make(demo, ["base"], base_id="tiny").id for _ in range(5)]
    asked: list[str] = []

    @sa.event.listens_for(db.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.extend([statement] if statement.startswith("SELECT") else [])

    demo.use(ADMIN, made)
    assert len(asked) == 3
