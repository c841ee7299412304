"""Chats over a real database and a real server with a fake generator behind it, which says a letter when its gate lets it."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import Actor, Role, local_admin
from studio.access.tables import links, users, visits
from studio.db import Database
from studio.engine.chats import Answer, Chat, ChatService
from studio.engine.conversations import Conversations
from studio.engine.protocol import Decoding
from studio.engine.tables import answers, turns
from studio.engine.tables import chats as chat_rows
from studio.errors import ConfigError, EngineError, NotFoundError, StudioError
from studio.ids import now
from studio.settings import Settings
from tests.fakes.engine import FakeGenerator, FakeStream

PATIENCE_S = 20
ME = local_admin("usr_me")
OTHER = Actor("usr_other", Role.VIEWER)


@pytest.fixture
def chats(db: Database, conversations: Conversations) -> ChatService:
    return ChatService(db, conversations)


@pytest.fixture
def chat_id(chats: ChatService) -> str:
    return chats.create(ME, "tiny", ["base"])


def until(is_so: Callable[[], Any]) -> None:
    """Wait until a condition holds that no event tells of."""
    give_up = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not is_so():
        assert time.monotonic() < give_up, "it never came to be"
        pause.wait(0.01)


def answers_of(chat: Chat) -> list[Answer]:
    return [answer for turn in chat.turns for answer in turn.answers]


def ended(chats: ChatService, chat_id: str) -> Chat:
    """The chat once all its answers have ended."""
    ids = [answer.id for answer in answers_of(chats.get(ME, chat_id))]
    asyncio.run(asyncio.wait_for(chats.wait(ids), PATIENCE_S))
    return chats.get(ME, chat_id)


def last_answer(chats: ChatService, chat_id: str) -> Answer:
    return answers_of(ended(chats, chat_id))[-1]


def said(chats: ChatService, chat_id: str, text: str) -> None:
    """Wait until the page would show this text."""
    until(lambda: answers_of(chats.get(ME, chat_id))[-1].text == text)


def stored(db: Database) -> tuple[str, str]:
    """State and text of the only answer as the database has them."""
    with db.read() as connection:
        row = connection.execute(sa.select(answers.c.state, answers.c.text)).one()
    return row.state, row.text


def started(fake: FakeGenerator) -> FakeStream:
    return fake.started.get(timeout=PATIENCE_S)


# ---- asking


def test_a_question_is_answered_in_every_column_with_one_decoding(chats: ChatService, fake: FakeGenerator) -> None:
    fake.gate.open()
    chat_id = chats.create(ME, "tiny", ["base", "run_a"])
    assert chats.ask(ME, chat_id, " Hi ", Decoding(max_tokens=20)) == 1
    chat = ended(chats, chat_id)
    base, run = answers_of(chat)
    assert (chat.title, chat.turns[0].question, chat.is_moving) == ("Hi", "Hi", False)
    assert [(answer.column, answer.text, answer.state) for answer in (base, run)] == [
        (0, "Hello, world!", "done"),
        (1, "你好!", "done"),
    ]
    assert (base.tokens, base.finish_reason, run.tokens) == (13, "stop", 3)
    assert base.seed is not None
    assert base.decoding == run.decoding == Decoding(max_tokens=20, seed=base.seed).model_dump()
    assert base.ttft_ms is not None
    assert base.seconds is not None
    assert 0 < base.ttft_ms / 1000 <= base.seconds < PATIENCE_S


def test_a_column_sees_only_its_own_answers(chats: ChatService, fake: FakeGenerator) -> None:
    fake.gate.open()
    chat_id = chats.create(ME, "tiny", ["base", "run_a"])
    for question in ("One?", "Two?"):
        chats.ask(ME, chat_id, question, Decoding())
        ended(chats, chat_id)
    asked = [started(fake).request for _ in range(4)]
    seen = {request.model: [turn["content"] for turn in request.messages or []] for request in asked[2:]}
    assert seen == {"base": ["One?", "Hello, world!", "Two?"], "run_a": ["One?", "你好!", "Two?"]}


def test_the_same_request_id_twice_is_one_turn(chats: ChatService, chat_id: str, fake: FakeGenerator) -> None:
    """Also while the first is being answered, where another question would be refused."""
    with ThreadPoolExecutor(4) as clicks:
        asked = [clicks.submit(chats.ask, ME, chat_id, "Hi", Decoding(), request_id="req_1") for _ in range(4)]
        assert {click.result() for click in asked} == {1}
    fake.gate.open()
    ended(chats, chat_id)
    assert chats.ask(ME, chat_id, "Hi", Decoding(), request_id="req_1") == 1
    assert len(answers_of(chats.get(ME, chat_id))) == 1
    assert started(fake)
    assert fake.started.empty()


def test_of_two_questions_at_once_one_is_refused_as_busy(chats: ChatService, chat_id: str, fake: FakeGenerator) -> None:
    with ThreadPoolExecutor(2) as tabs:
        asked = [tabs.submit(chats.ask, ME, chat_id, question, Decoding()) for question in ("One?", "Two?")]
        errors = [error for tab in asked if (error := tab.exception()) is not None]
    assert [(type(error), str(error)) for error in errors] == [(ConfigError, "error.chat.busy()")]
    assert [turn.number for turn in chats.get(ME, chat_id).turns] == [1]


@pytest.mark.parametrize(("question", "key"), [("  ", "error.chat.empty"), ("x" * 20_001, "error.chat.too_long")])
def test_a_question_that_cannot_be_asked_leaves_no_turn(chats: ChatService, chat_id: str, question: str, key: str) -> None:
    with pytest.raises(ConfigError) as raised:
        chats.ask(ME, chat_id, question, Decoding())
    assert (raised.value.key, raised.value.field) == (key, "question")
    assert chats.get(ME, chat_id).turns == []


def test_a_chat_needs_a_model_and_a_base_that_is_here(chats: ChatService) -> None:
    for base_id, models in (("tiny", []), ("", ["base"])):
        with pytest.raises(ConfigError, match=r"error\.chat\.no_model"):
            chats.create(ME, base_id, models)
    with pytest.raises(NotFoundError) as raised:
        chats.create(ME, "nowhere", ["base"])
    assert (raised.value.key, raised.value.params) == ("error.model.unknown_base", {"base": "nowhere"})


def test_a_chat_of_another_user_is_not_found(chats: ChatService, chat_id: str, fake: FakeGenerator) -> None:
    chats.ask(ME, chat_id, "Hi", Decoding(), request_id="req_1")
    attempts: list[Callable[[], Any]] = [
        lambda: chats.get(OTHER, chat_id),
        lambda: chats.ask(OTHER, chat_id, "Hi", Decoding(), request_id="req_1"),
        lambda: chats.stop(OTHER, chat_id),
        lambda: chats.go_on(OTHER, chat_id),
        lambda: chats.get(ME, "cht_none"),
    ]
    for attempt in attempts:
        with pytest.raises(NotFoundError, match=r"error\.chat\.unknown"):
            attempt()
    assert [known for known, *_ in chats.list(ME)] == [chat_id]
    assert chats.list(OTHER) == []
    assert chats.get(ME, chat_id).is_moving


def test_chats_are_listed_newest_first_once_something_was_asked(chats: ChatService, fake: FakeGenerator) -> None:
    first, second, _unasked = (chats.create(ME, "tiny", ["base"]) for _ in range(3))
    for chat_id in (second, first):
        chats.ask(ME, chat_id, f"To {chat_id}", Decoding())
    assert [(known, title) for known, title, _ in chats.list(ME)] == [(second, f"To {second}"), (first, f"To {first}")]
    assert len(chats.list(ME, limit=1)) == 1


# ---- growing


def test_the_text_is_stored_while_it_grows(chats: ChatService, chat_id: str, fake: FakeGenerator, db: Database) -> None:
    fake.gate.allow(5)
    chats.ask(ME, chat_id, "Hi", Decoding())
    until(lambda: stored(db) == ("running", "Hello"))
    fake.gate.open()
    ended(chats, chat_id)
    assert stored(db) == ("done", "Hello, world!")


def test_a_growing_text_is_stored_at_most_twice_a_second(
    chats: ChatService, chat_id: str, fake: FakeGenerator, db: Database
) -> None:
    """A letter arrives about every 10 ms, until three texts were stored."""
    fake.texts["base"] = "x" * 10_000
    written: list[float] = []

    @sa.event.listens_for(db.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE answers"):
            written.append(time.monotonic())

    chats.ask(ME, chat_id, "Hi", Decoding(max_tokens=10_000))
    until(lambda: fake.gate.allow(1) or len(written) >= 3)
    assert all(after - before >= 0.49 for before, after in itertools.pairwise(written[:3]))
    chats.stop(ME, chat_id)
    ended(chats, chat_id)


# ---- stopping, failing


def test_stop_keeps_the_text_so_far(chats: ChatService, chat_id: str, fake: FakeGenerator) -> None:
    fake.gate.allow(5)
    chats.ask(ME, chat_id, "Hi", Decoding())
    said(chats, chat_id, "Hello")
    chats.stop(ME, chat_id)
    answer = last_answer(chats, chat_id)
    assert (answer.state, answer.text, answer.tokens, answer.finish_reason) == ("stopped", "Hello", 5, "cancelled")
    assert started(fake).cancelled.wait(PATIENCE_S)  # the model does not go on in secret


def test_stop_in_the_moment_after_asking_is_not_lost(chats: ChatService, fake: FakeGenerator) -> None:
    """Several times: the answer's task may or may not have begun."""
    for _ in range(6):
        chat_id = chats.create(ME, "tiny", ["base", "run_a"])
        chats.ask(ME, chat_id, "Hi", Decoding())
        chats.stop(ME, chat_id)
        assert [answer.state for answer in answers_of(ended(chats, chat_id))] == ["stopped", "stopped"]


def test_stop_ends_an_answer_that_nobody_writes(chats: ChatService, chat_id: str, fake: FakeGenerator, db: Database) -> None:
    leave_running(chats, chat_id, fake, db)
    chats.stop(ME, chat_id)
    assert stored(db) == ("stopped", "Hello")


def test_an_engine_that_cannot_be_started_fails_the_answer_with_its_reason(
    chats: ChatService, chat_id: str, engines: Any
) -> None:
    engines.error = EngineError("error.engine.no_worker")
    chats.ask(ME, chat_id, "Hi", Decoding())
    answer = last_answer(chats, chat_id)
    assert (answer.state, answer.text) == ("failed", "")
    assert answer.error == {"key": "error.engine.no_worker", "field": None, "params": {}}


def test_an_error_that_nobody_foresaw_fails_the_answer_too(chats: ChatService, chat_id: str, engines: Any) -> None:
    engines.error = FileNotFoundError("token")
    chats.ask(ME, chat_id, "Hi", Decoding())
    answer = last_answer(chats, chat_id)
    assert answer.error == EngineError("error.engine.failed", reason="FileNotFoundError: token").as_dict()


def test_an_answer_that_breaks_keeps_its_text_and_says_why(chats: ChatService, chat_id: str, fake: FakeGenerator) -> None:
    fake.gate.open()
    fake.fails_after = 3
    chats.ask(ME, chat_id, "Hi", Decoding())
    answer = last_answer(chats, chat_id)
    assert (answer.state, answer.text) == ("failed", "Hel")
    assert StudioError.from_dict(answer.error or {}).params == {"reason": "the fake was told to"}
    fake.fails_after = None
    assert chats.ask(ME, chat_id, "Again", Decoding()) == 2


# ---- going on


def leave_running(chats: ChatService, chat_id: str, fake: FakeGenerator, db: Database) -> None:
    """The row of an answer that said "Hello" when its web server was killed."""
    fake.gate.allow(5)
    chats.ask(ME, chat_id, "Hi", Decoding(max_tokens=20))
    said(chats, chat_id, "Hello")
    chats.stop(ME, chat_id)
    ended(chats, chat_id)
    with db.write() as connection:
        connection.execute(answers.update().values(state="running", finish_reason=None))


def test_after_a_restart_an_unfinished_answer_goes_on_from_its_text(
    chats: ChatService, chat_id: str, fake: FakeGenerator, db: Database
) -> None:
    leave_running(chats, chat_id, fake, db)
    before = answers_of(chats.get(ME, chat_id))[-1]
    assert chats.recover() == 1
    assert stored(db) == ("interrupted", "Hello")
    fake.texts["base"] = ", world!"
    fake.gate.open()
    chats.go_on(ME, chat_id)
    answer = last_answer(chats, chat_id)
    assert (answer.state, answer.text, answer.tokens, answer.finish_reason) == ("done", "Hello, world!", 13, "stop")
    assert answer.ttft_ms == before.ttft_ms
    assert (answer.seconds or 0) > (before.seconds or 0) > 0
    assert started(fake).request.messages == [{"role": "user", "content": "Hi"}]
    continued = started(fake).request
    assert continued.prompt == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello"
    assert continued.add_special_tokens is False
    assert (continued.decoding.max_tokens, continued.decoding.seed) == (15, answer.seed)


def test_go_on_pressed_twice_continues_once(chats: ChatService, chat_id: str, fake: FakeGenerator, db: Database) -> None:
    leave_running(chats, chat_id, fake, db)
    chats.recover()
    fake.texts["base"] = ", world!"
    with ThreadPoolExecutor(2) as clicks:
        for click in [clicks.submit(chats.go_on, ME, chat_id) for _ in range(2)]:
            click.result()
    fake.gate.open()
    assert last_answer(chats, chat_id).text == "Hello, world!"
    assert [started(fake).request.model for _ in range(2)] == ["base", "base"]
    assert fake.started.empty()


def test_only_what_was_cut_off_goes_on(chats: ChatService, fake: FakeGenerator, db: Database) -> None:
    fake.gate.open()
    chat_id = chats.create(ME, "tiny", ["base", "run_a"])
    chats.ask(ME, chat_id, "Hi", Decoding())
    ended(chats, chat_id)
    chats.go_on(ME, chat_id)
    assert not chats.get(ME, chat_id).is_moving
    with db.write() as connection:
        connection.execute(answers.update().where(answers.c.column == 1).values(state="stopped", text="", tokens=0))
    chats.go_on(ME, chat_id)
    assert [answer.text for answer in answers_of(ended(chats, chat_id))] == ["Hello, world!", "你好!"]
    assert [started(fake).request.model for _ in range(3)][2] == "run_a"


def test_recover_leaves_the_answers_in_flight_alone(
    chats: ChatService, chat_id: str, fake: FakeGenerator, db: Database
) -> None:
    chats.ask(ME, chat_id, "Hi", Decoding())
    assert chats.recover() == 0
    fake.gate.open()
    assert last_answer(chats, chat_id).state == "done"


def test_closing_the_service_interrupts_what_is_in_flight(
    chats: ChatService, chat_id: str, fake: FakeGenerator, db: Database
) -> None:
    fake.gate.allow(5)
    chats.ask(ME, chat_id, "Hi", Decoding())
    said(chats, chat_id, "Hello")
    chats.close()
    assert stored(db) == ("interrupted", "Hello")


def test_a_chat_survives_a_new_service(
    chats: ChatService, chat_id: str, fake: FakeGenerator, db: Database, settings: Settings, engines: Any
) -> None:
    """Chinese and all: what is read back is what was written."""
    fake.gate.open()
    chats.ask(ME, chat_id, "感冒了怎么办?", Decoding(), request_id="req_1")
    before = ended(chats, chat_id)
    anew = Conversations(db, settings, engines, lambda link_id: False)
    assert ChatService(db, anew).get(ME, chat_id) == before
    with db.read() as connection:
        assert connection.execute(sa.select(turns.c.request_id)).scalars().all() == ["req_1"]
        raw = connection.execute(sa.text("SELECT decoding FROM answers")).scalar()
    assert json.loads(str(raw))["seed"] == answers_of(before)[0].seed


# ---- whose chats


@pytest.mark.backends("sqlite", "postgresql")
def test_chats_from_before_there_were_accounts_become_the_accounts(chats: ChatService, chat_id: str) -> None:
    theirs, mine = Actor("usr_account", Role.VIEWER), chats.create(OTHER, "tiny", ["base"])
    assert chats.adopt(theirs, ME.user_id) == 1
    assert chats.get(theirs, chat_id).id == chat_id
    assert chats.get(OTHER, mine).id == mine
    with pytest.raises(NotFoundError):
        chats.get(ME, chat_id)
    assert chats.adopt(theirs, ME.user_id) == 0


@pytest.mark.backends("sqlite", "postgresql")
def test_chats_of_an_account_or_a_guest_are_adopted_by_nobody(chats: ChatService, chat_id: str, db: Database) -> None:
    """The guest holds, by some accident, a chat of no link as well."""
    guest = "usr_guest"
    account = {"id": ME.user_id, "name": "Me", "name_key": "me", "role": "admin", "active": True, "author": ME.user_id}
    link = {"id": "lnk_a", "scope": "demo", "name": "A", "target": {}, "token_hash": "", "author": ME.user_id}
    visit = {"token_hash": "a", "link_id": "lnk_a", "guest_id": guest, "created_at": now(), "seen_at": now()}
    kept = chats.create(Actor(guest, Role.VIEWER), "tiny", ["base"])
    with db.write() as connection:
        connection.execute(users.insert().values(**account, created_at=now()))
        connection.execute(links.insert().values(**link, questions_per_hour=1, tokens_per_day=1, created_at=now()))
        connection.execute(visits.insert().values(**visit))
    assert (chats.adopt(OTHER, ME.user_id), chats.adopt(OTHER, guest)) == (0, 0)
    assert chats.get(ME, chat_id).id == chat_id
    assert chats.get(Actor(guest, Role.VIEWER), kept).id == kept


@pytest.mark.backends("sqlite", "postgresql")
def test_a_chat_that_a_link_owns_is_not_adopted_even_when_nobody_knows_the_guest(
    chats: ChatService, chat_id: str, db: Database
) -> None:
    link = {"id": "lnk_a", "scope": "demo", "name": "A", "target": {}, "token_hash": "", "author": ME.user_id}
    with db.write() as connection:
        connection.execute(links.insert().values(**link, questions_per_hour=1, tokens_per_day=1, created_at=now()))
        connection.execute(chat_rows.update().values(link_id="lnk_a"))
    assert chats.adopt(OTHER, ME.user_id) == 0


@pytest.mark.backends("sqlite", "postgresql")
def test_a_null_byte_in_a_question_or_an_answer_is_left_out(chats: ChatService, chat_id: str, fake: FakeGenerator) -> None:
    """PostgreSQL has no room for one."""
    fake.texts["base"] = "a\0b"
    fake.gate.open()
    chats.ask(ME, chat_id, "H\0i", Decoding())
    chat = ended(chats, chat_id)
    assert (chat.turns[0].question, answers_of(chat)[0].text, answers_of(chat)[0].state) == ("Hi", "ab", "done")
