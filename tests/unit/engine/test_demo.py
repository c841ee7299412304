"""What a guest of a link may do and see; the engine behind it is a fake one that speaks when its gate lets it."""

from __future__ import annotations

import dataclasses
import inspect
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import local_admin
from studio.access.links import Link
from studio.db import Database
from studio.engine.chats import ChatService
from studio.engine.conversations import Conversations
from studio.engine.demo import Conversation, DemoService
from studio.engine.tables import chats, thumbs, turns
from studio.errors import AccessError, ConfigError, EngineError, NotFoundError
from studio.ids import new_id
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
    states,
    until,
)


def as_json(conversation: Conversation) -> str:
    return json.dumps(dataclasses.asdict(conversation), ensure_ascii=False)


# ---- asking


@both
def test_a_guest_asks_two_models_and_sees_a_and_b(demo: DemoService, duel: Link, fake: FakeGenerator) -> None:
    guest = guest_of(duel)
    assert demo.conversation(guest) == Conversation(["A", "B"], [])
    fake.gate.open()
    assert ask(demo, guest, " 头痛怎么办？ ") == 1
    shown = ended(demo, guest)
    assert (shown.turns[0].question, shown.can_go_on) == ("头痛怎么办？", False)
    assert [(answer.label, answer.state, answer.thumb) for answer in answers_of(shown)] == [("A", "done", 0), ("B", "done", 0)]
    assert {answer.text for answer in answers_of(shown)} == {"Hello, world!", "Tuned!"}
    asked = [fake.started.get(timeout=PATIENCE_S).request.decoding for _ in range(2)]
    assert {(d.temperature, d.repetition_penalty, d.max_tokens) for d in asked} == {(0.3, 1.1, 300)}
    assert ask(demo, guest) == 2


def test_one_model_has_no_label(demo: DemoService, solo: Link, fake: FakeGenerator) -> None:
    guest = guest_of(solo)
    fake.gate.open()
    ask(demo, guest)
    shown = ended(demo, guest)
    assert (shown.labels, [answer.label for answer in answers_of(shown)]) == ([""], [""])


def test_a_growing_answer_shows_what_has_arrived(demo: DemoService, solo: Link, fake: FakeGenerator) -> None:
    guest = guest_of(solo)
    fake.gate.allow(5)
    ask(demo, guest)
    until(lambda: answers_of(demo.conversation(guest))[0].text == "Hello")
    assert demo.conversation(guest).is_moving


@both
def test_a_double_click_on_the_first_question_is_one_turn_in_one_chat(
    demo: DemoService, duel: Link, fake: FakeGenerator, db: Database
) -> None:
    guest = guest_of(duel)
    with ThreadPoolExecutor(4) as clicks:
        asked = [clicks.submit(demo.ask, guest, "Hi", request_id="req_1") for _ in range(4)]
        assert [click.result() for click in asked] == [1] * 4
    assert len(models_of_chats(db)) == 1
    assert len(demo.conversation(guest).turns) == 1


@both
def test_the_same_request_id_of_two_guests_is_two_questions(demo: DemoService, duel: Link, fake: FakeGenerator) -> None:
    """Also one that is longer than the column."""
    one, other = guest_of(duel), guest_of(duel)
    for guest in (one, other):
        assert demo.ask(guest, guest.user_id, request_id="x" * 500) == 1
    assert [demo.conversation(guest).turns[0].question for guest in (one, other)] == [one.user_id, other.user_id]


@pytest.mark.parametrize(("question", "key"), [(" \0 ", "error.chat.empty"), ("x" * 4_001, "error.chat.too_long")])
def test_a_question_that_cannot_be_asked_leaves_no_chat(
    demo: DemoService, solo: Link, db: Database, question: str, key: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        ask(demo, guest_of(solo), question)
    assert (raised.value.key, raised.value.field) == (key, "question")
    assert models_of_chats(db) == []


def test_stop_and_go_on(demo: DemoService, solo: Link, fake: FakeGenerator) -> None:
    guest = guest_of(solo)
    fake.gate.allow(5)
    ask(demo, guest)
    until(lambda: answers_of(demo.conversation(guest))[0].text == "Hello")
    demo.stop(guest)
    shown = ended(demo, guest)
    assert (answers_of(shown)[0].state, shown.can_go_on) == ("stopped", True)
    fake.texts["base"] = ", doctor!"
    fake.gate.open()
    demo.go_on(guest)
    assert answers_of(ended(demo, guest))[0].text == "Hello, doctor!"


def test_a_thumb_for_half_an_answer_is_none_for_the_whole(demo: DemoService, solo: Link, fake: FakeGenerator) -> None:
    guest = guest_of(solo)
    fake.gate.allow(5)
    ask(demo, guest)
    until(lambda: answers_of(demo.conversation(guest))[0].text == "Hello")
    demo.stop(guest)
    half = answers_of(ended(demo, guest))[0]
    demo.thumb(guest, half.id, 1)
    fake.gate.open()
    demo.go_on(guest)
    assert answers_of(ended(demo, guest))[0].thumb == 0


def test_an_answer_does_not_end_in_half_a_character(demo: DemoService, solo: Link, fake: FakeGenerator) -> None:
    """Where the length limit cuts a character's bytes, the decoder puts U+FFFD in their place."""
    guest = guest_of(solo)
    fake.texts["base"] = "百姓\ufffd"
    fake.gate.open()
    ask(demo, guest)
    assert answers_of(ended(demo, guest))[0].text == "百姓"


def test_stop_and_go_on_without_a_chat_do_nothing(demo: DemoService, solo: Link, db: Database) -> None:
    for action in (demo.stop, demo.go_on, demo.start_over):
        action(guest_of(solo))
    assert models_of_chats(db) == []


@both
def test_starting_over_begins_a_new_chat_and_keeps_the_old_one(
    demo: DemoService, solo: Link, fake: FakeGenerator, db: Database
) -> None:
    guest = guest_of(solo)
    ask(demo, guest, "Old")
    for _ in range(2):
        demo.start_over(guest)
        assert demo.conversation(guest).turns == []
    until(lambda: "running" not in states(db))
    ask(demo, guest, "New")
    assert [turn.question for turn in demo.conversation(guest).turns] == ["New"]
    with db.read() as connection:
        assert connection.execute(sa.select(turns.c.question).order_by(turns.c.created_at)).scalars().all() == ["Old", "New"]
    assert len(models_of_chats(db)) == 2


# ---- blindness


def test_nothing_that_a_guest_gets_names_a_model(demo: DemoService, run_id: str, fake: FakeGenerator) -> None:
    names = ["base", f"{run_id}@20"]
    fake.texts = dict.fromkeys(names, "Same words.")
    guest = guest_of(make(demo, names))
    fake.gate.open()
    ask(demo, guest)
    shown = ended(demo, guest)
    demo.thumb(guest, answers_of(shown)[0].id, 1)
    told = as_json(demo.conversation(guest))
    for secret in ("base", run_id, "run_", "@20", "Headache answers", "tiny", "Tiny", "seed", "temperature", "For the doctors"):
        assert secret not in told
    assert "Same words." in told


def test_an_error_that_names_a_model_is_told_without_it(demo: DemoService, duel: Link, engines: Any, run_id: str) -> None:
    engines.error = EngineError("error.engine.adapter_unfit", name=run_id, reason="its rank is 8")
    guest = guest_of(duel)
    ask(demo, guest)
    shown = ended(demo, guest)
    assert {json.dumps(answer.error) for answer in answers_of(shown)} == {json.dumps(EngineError("error.demo.failed").as_dict())}
    assert run_id not in as_json(shown)


def test_a_conversation_that_is_too_long_is_told_as_such(demo: DemoService, solo: Link, engines: Any) -> None:
    engines.error = EngineError("error.engine.context_overflow", field="messages", prompt=300, context=256)
    guest = guest_of(solo)
    ask(demo, guest)
    error = answers_of(ended(demo, guest))[0].error
    assert (error or {})["params"] == {"prompt": 300, "context": 256}


def test_which_model_is_a_is_drawn_for_every_chat_and_stays(
    demo: DemoService, duel: Link, fake: FakeGenerator, db: Database, run_id: str
) -> None:
    fake.gate.open()
    guest = guest_of(duel)
    for _ in range(8):
        first = [ask(demo, guest), ended(demo, guest)][1]
        ask(demo, guest)
        texts = [[answer.text for answer in turn.answers] for turn in ended(demo, guest).turns]
        assert texts[0] == texts[1] == [answer.text for answer in answers_of(first)]
        demo.start_over(guest)
    drawn = models_of_chats(db)
    assert {tuple(models) for models in drawn} == {("base", run_id), (run_id, "base")}


# ---- who sees what


@both
def test_guests_do_not_see_each_other_nor_another_link(demo: DemoService, solo: Link, fake: FakeGenerator) -> None:
    """A guest's id that turned up at another link would be somebody else there."""
    other_link = make(demo, ["base"], base_id="tiny")
    guest = guest_of(solo)
    ask(demo, guest, "Private")
    answer_id = answers_of(demo.conversation(guest))[0].id
    demo.stop(guest)
    ended(demo, guest)
    for stranger in (guest_of(solo), guest_of(other_link), dataclasses.replace(guest, link_id=other_link.id)):
        assert demo.conversation(stranger).turns == []
        demo.stop(stranger)
        demo.go_on(stranger)
        with pytest.raises(NotFoundError, match=r"error\.demo\.unknown_answer"):
            demo.thumb(stranger, answer_id, 1)
    assert answers_of(demo.conversation(guest))[0].state == "stopped"


@both
def test_staff_do_not_read_guests_chats(
    demo: DemoService, solo: Link, db: Database, conversations: Conversations, fake: FakeGenerator
) -> None:
    """Not even with the guest's own id."""
    service = ChatService(db, conversations)
    guest = guest_of(solo)
    ask(demo, guest, "Private")
    with db.read() as connection:
        chat_id = str(connection.execute(sa.select(chats.c.id)).scalar())
    for staff in (ADMIN, local_admin(guest.user_id)):
        assert service.list(staff) == []
        with pytest.raises(NotFoundError, match=r"error\.chat\.unknown"):
            service.get(staff, chat_id)


def test_guests_cannot_use_the_chats_of_staff(db: Database, conversations: Conversations, solo: Link) -> None:
    service = ChatService(db, conversations)
    methods = [method for _, method in inspect.getmembers(service, lambda member: hasattr(member, "studio_action"))]
    assert len(methods) == 8
    for method in methods:
        with pytest.raises(AccessError):
            method(guest_of(solo))


# ---- thumbs and use


@both
def test_a_thumb_is_given_changed_and_taken_back(demo: DemoService, solo: Link, fake: FakeGenerator, db: Database) -> None:
    guest = guest_of(solo)
    fake.gate.open()
    ask(demo, guest)
    answer_id = answers_of(ended(demo, guest))[0].id
    for value in (1, 1, -1, 0, 0, 1):
        demo.thumb(guest, answer_id, value)
        assert answers_of(demo.conversation(guest))[0].thumb == value
    with db.read() as connection:
        assert connection.execute(sa.select(thumbs.c.user_id, thumbs.c.value)).all() == [(guest.user_id, 1)]


@both
def test_a_thumb_needs_an_answer_that_has_ended_and_a_value_that_is_one(
    demo: DemoService, solo: Link, fake: FakeGenerator
) -> None:
    guest = guest_of(solo)
    ask(demo, guest)
    answer_id = answers_of(demo.conversation(guest))[0].id
    with pytest.raises(ConfigError, match=r"error\.demo\.still_running"):
        demo.thumb(guest, answer_id, 1)
    with pytest.raises(ConfigError, match=r"error\.config\.invalid"):
        demo.thumb(guest, answer_id, 2)
    for unknown in (new_id("ans"), "ans_none"):
        with pytest.raises(NotFoundError, match=r"error\.demo\.unknown_answer"):
            demo.thumb(guest, unknown, 1)
