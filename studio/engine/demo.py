"""What stands behind `/demo`: a guest who came by a link talks to its one checkpoint, or blindly to two, and gives thumbs.

A guest chooses no model and no decoding. Two models are drawn anew into A and B for every chat, and nothing that a guest
gets tells which is which. What a link may cost is counted over all its guests, inside the write that a question begins with.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import Connection

from studio.access import Actor, Role, allows
from studio.access.links import LinkService, LinkSpec, Made
from studio.access.tables import links
from studio.db import Database
from studio.engine.conversations import Answer, AnswerState, Conversations, own
from studio.engine.protocol import BASE, Decoding
from studio.engine.tables import answers, chats, thumbs, turns
from studio.errors import AccessError, ConfigError, EngineError, NotFoundError
from studio.ids import is_id, now
from studio.jobs.spec import checked
from studio.jobs.tables import checkpoints, runs
from studio.models.tables import bases

__all__ = ["Conversation", "DemoAnswer", "DemoService", "DemoTarget", "DemoTurn", "DemoUse", "Thumbs"]

#: Calm enough for a question that counts, and short enough for a phone.
_DECODING = Decoding(temperature=0.3, repetition_penalty=1.1, max_tokens=300)
_MAX_QUESTION = 4_000

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)

_RUN = re.compile(r"(run_[0-9a-z]{26})(?:@(\d{1,9}))?")

#: Errors of an answer that a guest can do something about, and that name no model.
_TOLD = frozenset({"error.engine.context_overflow"})


class DemoTarget(BaseModel):
    """What a link of the scope `demo` opens: models by the engine's names, all on one base."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_id: str
    models: list[str] = Field(min_length=1, max_length=2)


@dataclass(frozen=True)
class DemoAnswer:
    """`label` is "A" or "B", empty where there is one model only. `thumb` is 1 up, -1 down, 0 none."""

    id: str
    label: str
    state: AnswerState
    text: str
    is_too_long: bool  # the model would have said more
    thumb: int
    error: dict[str, Any] | None


@dataclass(frozen=True)
class DemoTurn:
    number: int
    question: str
    answers: list[DemoAnswer]


@dataclass(frozen=True)
class Conversation:
    """A guest's chat as a guest may see it: nothing here tells which model speaks."""

    labels: list[str]
    turns: list[DemoTurn]
    is_moving: bool = False
    can_go_on: bool = False


@dataclass(frozen=True)
class Thumbs:
    up: int = 0
    down: int = 0


@dataclass(frozen=True)
class DemoUse:
    """What became of a link. `guests` are those that asked something; `thumbs` by model, of answers that got one."""

    questions: int = 0
    guests: int = 0
    tokens: int = 0
    last_asked_at: datetime | None = None
    thumbs: dict[str, Thumbs] = field(default_factory=dict)


@dataclass(frozen=True)
class _Terms:
    """What a link opens and how much of it."""

    id: str
    target: DemoTarget
    questions_per_hour: int
    tokens_per_day: int


class DemoService:
    """`rng` draws which model is A. Raises NotFoundError("error.link.closed") to guests of a link that is not open."""

    def __init__(
        self, db: Database, links: LinkService, conversations: Conversations, rng: random.Random | None = None
    ) -> None:
        self._db = db
        self._links = links
        self._conversations = conversations
        self._rng = rng or random.SystemRandom()

    # 1 For the authors of links

    @allows("link.make", tells=("models",))
    def make(
        self, actor: Actor, models: Sequence[str], *, name: str, warned: bool, base_id: str | None = None, **limits: Any
    ) -> Made:
        """A link to one model, or to two that differ, all on one base; returns it with its token.

        `limits` are the rest of a `LinkSpec`. `base_id` is needed only where the base itself is the only model.
        Raises ConfigError naming the field at fault, NotFoundError for a checkpoint that is not there.
        """
        with self._db.read() as connection:
            target = _target(connection, models, base_id)
        spec = checked(LinkSpec, limits | {"scope": str(Role.DEMO), "name": name, "target": target.model_dump()})
        return self._links.create(actor, spec, warned=warned)

    @allows("link.read")
    def use(self, actor: Actor, link_ids: Sequence[str]) -> dict[str, DemoUse]:
        """By link; three queries, however many links."""
        link, these = chats.c.link_id, chats.c.link_id.in_(link_ids)
        count, last = sa.func.count(), sa.func.max(turns.c.created_at)
        asked = sa.select(link, count, sa.func.count(chats.c.owner.distinct()), last).join(turns, turns.c.chat_id == chats.c.id)
        said = sa.select(link, sa.func.sum(answers.c.tokens)).join(answers, answers.c.chat_id == chats.c.id)
        voted = sa.select(link, answers.c.model, thumbs.c.value, count).join(answers, answers.c.chat_id == chats.c.id)
        voted = voted.join(thumbs, thumbs.c.answer_id == answers.c.id).group_by(link, answers.c.model, thumbs.c.value)
        found = dict.fromkeys(link_ids, DemoUse())
        with self._db.read() as connection:
            for of, questions, guests, last_at in connection.execute(asked.where(these).group_by(link)):
                found[of] = replace(found[of], questions=questions, guests=guests, last_asked_at=last_at, thumbs={})
            for of, tokens in connection.execute(said.where(these).group_by(link)):
                found[of] = replace(found[of], tokens=int(tokens))
            for of, model, value, n in connection.execute(voted.where(these)):
                side = {"up": n} if value > 0 else {"down": n}
                found[of].thumbs[model] = replace(found[of].thumbs.get(model, Thumbs()), **side)
        return found

    # 2 For guests

    @allows("demo.read")
    def conversation(self, actor: Actor) -> Conversation:
        """The guest's newest chat of this link, or an empty one; answers in flight with what has arrived so far."""
        n_models = len(self._terms(actor).target.models)
        labels = ["A", "B"] if n_models == 2 else [""]
        with self._db.read() as connection:
            chat_id = self._conversations.newest(connection, actor)
            given = sa.select(thumbs.c.answer_id, thumbs.c.value).join(answers, answers.c.id == thumbs.c.answer_id)
            given = given.where(answers.c.chat_id == chat_id, thumbs.c.user_id == actor.user_id)
            thumb_of = {row.answer_id: row.value for row in connection.execute(given)}
        if chat_id is None:
            return Conversation(labels, [])
        chat = self._conversations.get(actor, chat_id)
        shown = [
            DemoTurn(turn.number, turn.question, [_blind(answer, labels, thumb_of) for answer in turn.answers])
            for turn in chat.turns
        ]
        return Conversation(labels, shown, chat.is_moving, chat.can_go_on)

    @allows("demo.write")
    def ask(self, actor: Actor, question: str, *, request_id: str) -> int:
        """Put a question to the link's models; begins a chat where there is none. Returns the turn's number.

        The same `request_id` is one turn. Raises ConfigError for a question that is empty, too long, or asked while the last
        one is being answered, and AccessError when the link's questions or tokens are used up for now.
        """
        terms = self._terms(actor)

        def chat_of(connection: Connection) -> str:
            return self._conversations.newest(connection, actor) or self._begin(connection, actor, terms)

        def allow(connection: Connection, n_answers: int) -> int:
            _check_questions(connection, terms)
            return _tokens_for_each(connection, terms, n_answers)

        # A guest's browser wrote it: hashed it has the column's length, and is nobody else's.
        request_id = hashlib.sha256(f"{actor.user_id} {request_id}".encode("utf-8", "surrogatepass")).hexdigest()
        _, number = self._conversations.ask(
            actor, chat_of, question, _DECODING, request_id=request_id, longest=_MAX_QUESTION, allow=allow
        )
        return number

    def _begin(self, connection: Connection, actor: Actor, terms: _Terms) -> str:
        models = self._rng.sample(terms.target.models, len(terms.target.models))
        return self._conversations.create(connection, actor, terms.target.base_id, models)

    @allows("demo.write")
    def stop(self, actor: Actor) -> None:
        """End the answers of the guest's newest chat where they are."""
        self._terms(actor)
        if chat_id := self._newest(actor):
            self._conversations.stop(actor, chat_id)

    @allows("demo.write")
    def go_on(self, actor: Actor) -> None:
        """Continue the last answers that were cut off. Raises AccessError when the link's tokens are used up for now."""
        terms = self._terms(actor)
        if chat_id := self._newest(actor):
            self._conversations.go_on(actor, chat_id, lambda connection, n: _tokens_for_each(connection, terms, n))

    @allows("demo.write")
    def start_over(self, actor: Actor) -> None:
        """The next question begins a new chat. The old one stays stored; what it was still answering is stopped."""
        terms = self._terms(actor)
        with self._db.write() as connection:
            chat_id = self._conversations.newest(connection, actor)
            if chat_id is None or not self._conversations.read(connection, actor, chat_id).turns:
                return
            self._begin(connection, actor, terms)
        self._conversations.stop(actor, chat_id)

    @allows("demo.write", tells=("value",))
    def thumb(self, actor: Actor, answer_id: str, value: int) -> None:
        """What the guest thinks of an answer of theirs: 1 up, -1 down, 0 takes it back. Twice is the same as once.

        Raises NotFoundError for an answer that is not theirs, ConfigError for one that is still growing.
        """
        self._terms(actor)
        if not is_id(answer_id, "ans"):
            raise NotFoundError("error.demo.unknown_answer")
        if value not in (-1, 0, 1):
            raise ConfigError("error.config.invalid", field="value", problems=f"value: {value!r}")
        of_theirs = sa.select(answers.c.state).join(chats, chats.c.id == answers.c.chat_id)
        this = sa.and_(thumbs.c.answer_id == answer_id, thumbs.c.user_id == actor.user_id)
        with self._db.write() as connection:
            state = connection.execute(of_theirs.where(answers.c.id == answer_id, own(actor))).scalar()
            if state is None:
                raise NotFoundError("error.demo.unknown_answer")
            if state == "running":
                raise ConfigError("error.demo.still_running")
            if value == 0:
                connection.execute(thumbs.delete().where(this))
            elif connection.execute(thumbs.update().where(this).values(value=value)).rowcount == 0:
                row = {"answer_id": answer_id, "user_id": actor.user_id, "value": value, "created_at": now()}
                connection.execute(thumbs.insert().values(**row))

    def _newest(self, actor: Actor) -> str | None:
        with self._db.read() as connection:
            return self._conversations.newest(connection, actor)

    def _terms(self, actor: Actor) -> _Terms:
        """Of the guest's link. Raises NotFoundError when it is not open, or no link to models."""
        query = sa.select(links).where(links.c.id == actor.link_id, links.c.scope == str(Role.DEMO))
        with self._db.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None or not self._links.is_open(row["id"]):
            raise NotFoundError("error.link.closed")
        return _Terms(row["id"], DemoTarget.model_validate(row["target"]), row["questions_per_hour"], row["tokens_per_day"])


# 3 What a link opens


def _target(connection: Connection, models: Sequence[str], base_id: str | None) -> DemoTarget:
    """Raises ConfigError unless these are one or two different models on one base that is here."""
    if len(models) not in (1, 2):
        raise ConfigError("error.demo.how_many", field="models", n=len(models))
    found = [_weights(connection, model) for model in models]
    if len(set(found)) < len(found):
        raise ConfigError("error.demo.same_model", field="models")
    on = {base for base, _ in found if base is not None} | ({base_id} if base_id else set())
    if not on:
        raise ConfigError("error.demo.no_base", field="base_id")
    if len(on) > 1:
        raise ConfigError("error.demo.two_bases", field="models")
    base = on.pop()
    row = connection.execute(sa.select(bases.c.name, bases.c.state).where(bases.c.id == base)).first()
    if row is None:
        raise NotFoundError("error.model.unknown_base", base=base)
    if row.state != "ready":
        raise ConfigError("error.model.not_ready", field="base_id", base=row.name)
    return DemoTarget(base_id=base, models=list(models))


def _weights(connection: Connection, model: str) -> tuple[str | None, tuple[str, int] | None]:
    """The base of a model and its run and step; (None, None) for a base by itself. As the engine reads the name."""
    if model == BASE:
        return None, None
    match = _RUN.fullmatch(model)
    if match is not None:
        run_id, step = match.groups()
        query = sa.select(runs.c.base_id, checkpoints.c.step).join(checkpoints, checkpoints.c.run_id == runs.c.id)
        query = query.where(runs.c.id == run_id).order_by(checkpoints.c.best.desc(), checkpoints.c.step.desc()).limit(1)
        row = connection.execute(query if step is None else query.where(checkpoints.c.step == int(step))).first()
        if row is not None:
            return row.base_id, (run_id, row.step)
    raise NotFoundError("error.demo.no_checkpoint", field="models", model=model)


# 4 What it may cost. Inside the write of a question: no other one can be counted meanwhile.


def _check_questions(connection: Connection, terms: _Terms) -> None:
    """Raises AccessError when the link's guests have asked as much as they may in the last 60 minutes."""
    moment = now()
    query = (
        sa.select(turns.c.created_at)
        .join(chats, chats.c.id == turns.c.chat_id)
        .where(chats.c.link_id == terms.id, turns.c.created_at > moment - _HOUR)
        .order_by(turns.c.created_at.desc())
        .offset(terms.questions_per_hour - 1)
        .limit(1)
    )
    in_the_way = connection.execute(query).scalar()  # when this one is an hour old, there is room again
    if in_the_way is not None:
        minutes = _units_until(in_the_way + _HOUR, moment, timedelta(minutes=1))
        raise AccessError("error.demo.too_many_questions", limit=terms.questions_per_hour, minutes=minutes)


def _tokens_for_each(connection: Connection, terms: _Terms, n_answers: int) -> int:
    """How many tokens each of `n_answers` may have so that all stay within the link's day.

    Answers that are growing count with all that they may still say. Raises AccessError when nothing is left.
    """
    moment = now()
    of_link = answers.join(chats, chats.c.id == answers.c.chat_id)
    recent = sa.and_(chats.c.link_id == terms.id, answers.c.created_at > moment - _DAY)
    query = sa.select(sa.func.coalesce(sa.func.sum(answers.c.tokens), 0)).select_from(of_link).where(recent)
    left = terms.tokens_per_day - int(connection.execute(query).scalar_one())
    if left < n_answers:
        so_far = sa.func.sum(answers.c.tokens).over(order_by=(answers.c.created_at, answers.c.id))
        oldest = sa.select(answers.c.created_at, so_far.label("so_far")).select_from(of_link).where(recent).subquery()
        freed = sa.select(sa.func.min(oldest.c.created_at)).where(oldest.c.so_far >= n_answers - left)
        hours = _units_until((connection.execute(freed).scalar() or moment) + _DAY, moment, _HOUR)
        raise AccessError("error.demo.tokens_used_up", limit=terms.tokens_per_day, hours=hours)
    growing = sa.select(answers.c.tokens, answers.c.decoding).select_from(of_link)
    growing = growing.where(chats.c.link_id == terms.id, answers.c.state == "running")
    for row in connection.execute(growing):
        left -= max(0, int(row.decoding["max_tokens"]) - row.tokens)
    if left < n_answers:
        raise AccessError("error.demo.busy")
    return left // n_answers


def _units_until(then: datetime, moment: datetime, unit: timedelta) -> int:
    return max(1, math.ceil((then - moment) / unit))


# 5 What a guest sees


def _blind(answer: Answer, labels: Sequence[str], thumb_of: dict[str, int]) -> DemoAnswer:
    error = answer.error
    if error is not None and error["key"] not in _TOLD:
        error = EngineError("error.demo.failed").as_dict()
    return DemoAnswer(
        answer.id,
        labels[answer.column],
        answer.state,
        answer.text,
        is_too_long=answer.finish_reason == "length",
        thumb=thumb_of.get(answer.id, 0),
        error=error,
    )
