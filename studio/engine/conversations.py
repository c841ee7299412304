"""Conversations with models, whoever holds them, and the answers in flight. Knows no roles: its callers do.

An answer is written by a task of this class, not by the page that asked: it reads the engine's stream and stores the
text at most twice a second. Pages attach by id, so a reload shows it growing; a closed page does not cancel it.

    running ─► done | failed | stopped (by Stop, or its link was closed) | interrupted (the web server ended meanwhile)
       ▲                          │                                          │
       └───────── go_on ──────────┴──────────────────────────────────────────┘
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.access import Actor
from studio.data.templates import template_of
from studio.db import Database
from studio.engine.client import Chunk, EngineClient
from studio.engine.manager import EngineManager
from studio.engine.protocol import Decoding
from studio.engine.tables import answers, chats, thumbs, turns
from studio.errors import ConfigError, EngineError, NotFoundError, StudioError
from studio.ids import new_id, now
from studio.models.tables import bases
from studio.settings import Settings

__all__ = ["Allow", "Answer", "AnswerState", "Chat", "Conversations", "Turn", "own"]

log = logging.getLogger("studio.chats")

AnswerState = Literal["running", "done", "stopped", "interrupted", "failed"]
Messages = list[dict[str, str]]

Allow = Callable[[Connection, int], int]
"""Asked inside the write that begins so many answers: how many new tokens each may have. Raises when none may begin."""

#: How often a growing answer is written to the database, and its link looked at.
_STORE_S = 0.5

_MAX_QUESTION = 20_000


@dataclass(frozen=True)
class Answer:
    """One model's answer to one turn. `ttft_ms` is from the request to the first token, loading the model left out."""

    id: str
    turn: int
    column: int
    model: str
    state: AnswerState
    text: str
    tokens: int
    ttft_ms: float | None
    seconds: float | None
    finish_reason: str | None
    seed: int | None
    decoding: dict[str, Any]
    error: dict[str, Any] | None

    @property
    def is_cut_off(self) -> bool:
        """Whether it ended before its model had, and can go on."""
        return self.state in ("interrupted", "stopped")


@dataclass(frozen=True)
class Turn:
    number: int
    question: str
    answers: list[Answer]


@dataclass(frozen=True)
class Chat:
    """A conversation in columns: `models[i]` answers in column i, and sees only its own column."""

    id: str
    base_id: str
    models: list[str]
    title: str
    created_at: datetime
    turns: list[Turn]

    @property
    def is_moving(self) -> bool:
        return any(answer.state == "running" for turn in self.turns for answer in turn.answers)

    @property
    def can_go_on(self) -> bool:
        return not self.is_moving and bool(self.turns) and any(answer.is_cut_off for answer in self.turns[-1].answers)


_ANSWER_COLUMNS = [answers.c[name] for name in Answer.__dataclass_fields__]


@dataclass
class _Flight:
    """One answer on its way: what is asked of the engine, and what has arrived, which the database learns a little later."""

    actor: Actor
    answer_id: str
    base_id: str
    model: str
    messages: Messages
    decoding: Decoding
    text: str = ""
    tokens: int = 0
    ttft_ms: float | None = None
    earlier_s: float = 0.0  # that an answer took before it was continued
    began: float = field(default_factory=time.monotonic)
    is_stopped: bool = False
    work: asyncio.Task[str | None] | None = None  # belongs to the loop's thread

    def end(self) -> None:
        """On the loop's thread only."""
        if self.work is not None:
            self.work.cancel()

    def so_far(self) -> dict[str, Any]:
        seconds = self.earlier_s + time.monotonic() - self.began
        return {"text": self.text, "tokens": self.tokens, "ttft_ms": self.ttft_ms, "seconds": seconds}


def own(actor: Actor) -> sa.ColumnElement[bool]:
    """Chats of this actor: somebody's with an account, or a guest's within the link that they came by."""
    return sa.and_(chats.c.owner == actor.user_id, chats.c.link_id == actor.link_id)


class Conversations:
    """One for the web server: it knows the answers in flight, which are written on one event loop in a thread of its own.

    `is_open(link_id)` tells whether a guest's answer may still go on.
    """

    def __init__(self, db: Database, settings: Settings, engines: EngineManager, is_open: Callable[[str], bool]) -> None:
        self._db = db
        self._settings = settings
        self._engines = engines
        self._is_open = is_open
        self._flights: dict[str, _Flight] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    # 1 Chats

    def create(self, connection: Connection, actor: Actor, base_id: str, models: Sequence[str]) -> str:
        """A chat of the actor's whose columns are `models` (names as the engine knows them), all on one base."""
        if not models or not base_id:
            raise ConfigError("error.chat.no_model", field="model")
        if connection.execute(sa.select(bases.c.id).where(bases.c.id == base_id)).first() is None:
            raise NotFoundError("error.model.unknown_base", base=base_id)
        chat_id, created_at = new_id("cht"), now()
        last = connection.execute(sa.select(sa.func.max(chats.c.created_at)).where(own(actor))).scalar()
        if last is not None:  # the newest one is the newest also when the clock was set back
            created_at = max(created_at, last + timedelta(milliseconds=1))
        values = {"id": chat_id, "owner": actor.user_id, "link_id": actor.link_id, "base_id": base_id, "models": list(models)}
        connection.execute(chats.insert().values(**values, title="", created_at=created_at))
        return chat_id

    @staticmethod
    def newest(connection: Connection, actor: Actor) -> str | None:
        """The id of the actor's newest chat."""
        query = sa.select(chats.c.id).where(own(actor)).order_by(chats.c.created_at.desc(), chats.c.id.desc()).limit(1)
        return connection.execute(query).scalar()

    def get(self, actor: Actor, chat_id: str) -> Chat:
        """A chat of the actor's own, answers in flight with what has arrived so far. Raises NotFoundError for any other."""
        with self._db.read() as connection:
            chat = self.read(connection, actor, chat_id)
        live = [dataclasses.replace(turn, answers=[self._live(answer) for answer in turn.answers]) for turn in chat.turns]
        return dataclasses.replace(chat, turns=live)

    @staticmethod
    def read(connection: Connection, actor: Actor, chat_id: str) -> Chat:
        """A chat as the database knows it. Raises NotFoundError, for somebody else's too."""
        head = connection.execute(sa.select(chats).where(chats.c.id == chat_id, own(actor))).mappings().first()
        if head is None:
            raise NotFoundError("error.chat.unknown", chat=chat_id)
        query = sa.select(*_ANSWER_COLUMNS).where(answers.c.chat_id == chat_id).order_by(answers.c.column)
        given = [Answer(**row) for row in connection.execute(query).mappings()]
        asked = connection.execute(sa.select(turns).where(turns.c.chat_id == chat_id).order_by(turns.c.number)).mappings()
        return Chat(
            head["id"],
            head["base_id"],
            head["models"],
            head["title"],
            head["created_at"],
            [Turn(row["number"], row["question"], [a for a in given if a.turn == row["number"]]) for row in asked],
        )

    def _live(self, answer: Answer) -> Answer:
        flight = self._flights.get(answer.id)
        if flight is None or answer.state != "running":
            return answer
        return dataclasses.replace(answer, text=flight.text, tokens=flight.tokens, ttft_ms=flight.ttft_ms)

    # 2 Answers

    def ask(
        self,
        actor: Actor,
        chat: str | Callable[[Connection], str],
        question: str,
        decoding: Decoding,
        *,
        request_id: str | None,
        longest: int = _MAX_QUESTION,
        allow: Allow | None = None,
    ) -> tuple[str, int]:
        """Put a question to every column with the same decoding and seed; returns the chat's id and the turn's number.

        `chat` is an id, or finds or makes a chat inside the same write. `longest` is in characters. The same `request_id`
        gives the turn that is there already: a double click is one turn.
        Raises ConfigError for an empty question, one that is too long, or while the last one is being answered.
        """
        question = _storable(question).strip()
        if not question:
            raise ConfigError("error.chat.empty", field="question")
        if len(question) > longest:
            raise ConfigError("error.chat.too_long", field="question", n=len(question), limit=longest)
        if decoding.seed is None:
            decoding = decoding.model_copy(update={"seed": secrets.randbelow(2**31)})
        with self._takeoff() as begin, self._db.write() as connection:
            if known := self._asked_already(connection, actor, request_id):
                return known
            there = self.read(connection, actor, chat if isinstance(chat, str) else chat(connection))
            if there.is_moving:
                raise ConfigError("error.chat.busy", field="question")
            if allow is not None:
                most = allow(connection, len(there.models))
                decoding = decoding.model_copy(update={"max_tokens": min(decoding.max_tokens, most)})
            number = len(there.turns) + 1
            values = {"chat_id": there.id, "number": number, "question": question, "request_id": request_id}
            connection.execute(turns.insert().values(**values, created_at=now()))
            for column, model in enumerate(there.models):
                messages = self._messages(there, column, question)
                flight = _Flight(actor, new_id("ans"), there.base_id, model, messages, decoding)
                connection.execute(answers.insert().values(self._first_row(there.id, number, column, flight)))
                begin(flight)
            if not there.title:
                connection.execute(chats.update().where(chats.c.id == there.id).values(title=question[:120]))
        return there.id, number

    def _asked_already(self, connection: Connection, actor: Actor, request_id: str | None) -> tuple[str, int] | None:
        """The chat and the number of the request's turn. Raises NotFoundError where somebody else made it."""
        if request_id is None:
            return None
        made = sa.select(turns.c.chat_id, turns.c.number).where(turns.c.request_id == request_id)
        row = connection.execute(made).first()
        return None if row is None else (self.read(connection, actor, row.chat_id).id, int(row.number))

    @staticmethod
    def _first_row(chat_id: str, turn: int, column: int, flight: _Flight) -> dict[str, Any]:
        return {
            "id": flight.answer_id,
            "chat_id": chat_id,
            "turn": turn,
            "column": column,
            "model": flight.model,
            "state": "running",
            "text": "",
            "tokens": 0,
            "seed": flight.decoding.seed,
            "decoding": flight.decoding.model_dump(),
            "created_at": now(),
        }

    @staticmethod
    def _messages(chat: Chat, column: int, question: str) -> Messages:
        """What a column's model has seen: the questions and its own answers, then the new question."""
        messages: Messages = []
        for turn in chat.turns:
            own = next((answer for answer in turn.answers if answer.column == column and answer.text), None)
            if own is not None:
                messages += [{"role": "user", "content": turn.question}, {"role": "assistant", "content": own.text}]
        return [*messages, {"role": "user", "content": question}]

    def stop(self, actor: Actor, chat_id: str) -> None:
        """End the answers of a chat where they are; what they have said stays."""
        loop = self._running_loop()
        for answer in (answer for turn in self.get(actor, chat_id).turns for answer in turn.answers):
            if answer.state != "running":
                continue
            flight = self._flights.get(answer.id)
            if flight is not None:
                flight.is_stopped = True
                loop.call_soon_threadsafe(flight.end)
            else:  # nobody writes it any more: its last words could not be stored
                self._store(answer.id, {"state": "stopped", "finish_reason": "cancelled"})

    def go_on(self, actor: Actor, chat_id: str, allow: Allow | None = None) -> None:
        """Continue the interrupted and stopped answers of the last turn from where they ended."""
        with self._takeoff() as begin, self._db.write() as connection:
            chat = self.read(connection, actor, chat_id)
            if not chat.can_go_on:
                return
            last, earlier = chat.turns[-1], dataclasses.replace(chat, turns=chat.turns[:-1])
            cut_off = [answer for answer in last.answers if answer.is_cut_off]
            most = None if allow is None else allow(connection, len(cut_off))
            for answer in cut_off:
                row = answers.update().where(answers.c.id == answer.id)
                connection.execute(row.values(state="running", finish_reason=None, error=None))
                connection.execute(thumbs.delete().where(thumbs.c.answer_id == answer.id))  # it was for what stood there
                decoding = Decoding.model_validate(answer.decoding)
                if most is not None:
                    in_all = min(decoding.max_tokens, answer.tokens + most)
                    decoding = decoding.model_copy(update={"max_tokens": in_all})
                flight = _Flight(
                    actor,
                    answer.id,
                    chat.base_id,
                    answer.model,
                    self._messages(earlier, answer.column, last.question),
                    decoding,
                    text=answer.text,
                    tokens=answer.tokens,
                    ttft_ms=answer.ttft_ms,
                    earlier_s=answer.seconds or 0.0,
                )
                begin(flight)

    def recover(self) -> int:
        """At the start of the web server: answers that nobody writes any more are interrupted. Returns how many."""
        with self._db.write() as connection:
            left = answers.update().where(answers.c.state == "running", answers.c.id.not_in(list(self._flights)))
            return connection.execute(left.values(state="interrupted")).rowcount

    async def wait(self, ids: Iterable[str]) -> None:
        """Until these answers have ended; for the CLI and the tests."""
        waited = set(ids)
        while waited & self._flights.keys():
            await asyncio.sleep(0.05)

    def close(self) -> None:
        """End what is in flight as interrupted, then the thread."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._interrupt_all(), loop).result()
            loop.call_soon_threadsafe(loop.stop)

    async def _interrupt_all(self) -> None:
        while self._flights:
            for flight in list(self._flights.values()):
                flight.end()
            await asyncio.sleep(0.05)

    # 3 The task of one answer

    @contextlib.contextmanager
    def _takeoff(self) -> Iterator[Callable[[_Flight], None]]:
        """Answers begun inside are known at once, so that Stop finds them; they start when the block has ended well.

        The transaction that writes their rows is inside the block: it is committed by then.
        """
        begun: list[_Flight] = []

        def begin(flight: _Flight) -> None:
            begun.append(flight)
            self._flights[flight.answer_id] = flight

        try:
            yield begin
        except BaseException:
            for flight in begun:
                self._forget(flight)
            raise
        for flight in begun:
            asyncio.run_coroutine_threadsafe(self._answer(flight), self._running_loop())

    def _forget(self, flight: _Flight) -> None:
        if self._flights.get(flight.answer_id) is flight:  # not the one that goes on from where this one ended
            del self._flights[flight.answer_id]

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run_until_stopped, args=(self._loop,), name="answers", daemon=True).start()
            return self._loop

    async def _answer(self, flight: _Flight) -> None:
        """Store an answer while it grows, and how it ended. Nobody cancels this one, only the work inside it."""
        flight.work = asyncio.ensure_future(self._stream(flight))
        if flight.is_stopped:
            flight.end()
        stored = flight.text
        try:
            while not (await asyncio.wait({flight.work}, timeout=_STORE_S))[0]:
                if flight.text != stored:
                    stored = flight.text
                    await asyncio.to_thread(self._store, flight.answer_id, flight.so_far())
                link_id = flight.actor.link_id
                if link_id is not None and not await asyncio.to_thread(self._is_open, link_id):
                    flight.is_stopped = True
                    flight.end()
            flight.text = flight.text.rstrip("\ufffd")  # a character that was cut in two is none
            await asyncio.to_thread(self._store, flight.answer_id, flight.so_far() | _ending(flight, flight.work))
        except Exception:  # the row stays "running" with nobody behind it: Stop and the next start mend that
            log.exception("answer %s could not be stored", flight.answer_id)
        finally:
            flight.work.cancel()
            self._forget(flight)

    async def _stream(self, flight: _Flight) -> str | None:
        """Let the flight's text grow from the engine's stream; returns the finish reason."""
        client = await self._engines.client(flight.actor, flight.base_id)
        n_before = flight.tokens
        finish_reason: str | None = None
        async with client, contextlib.aclosing(await self._chunks(client, flight)) as chunks:
            flight.began = time.monotonic()
            async for chunk in chunks:
                if chunk.text and flight.ttft_ms is None:
                    flight.ttft_ms = (time.monotonic() - flight.began) * 1000
                flight.text += _storable(chunk.text)
                flight.tokens = n_before + chunk.usage.completion_tokens if chunk.usage else flight.tokens + bool(chunk.text)
                finish_reason = chunk.finish_reason or finish_reason
        return finish_reason

    async def _chunks(self, client: EngineClient, flight: _Flight) -> AsyncGenerator[Chunk, None]:
        if not flight.text:
            return client.stream_chat(flight.model, flight.messages, flight.decoding)
        # Go on from what is there: the text so far is part of the prompt, and its tokens count.
        template = await asyncio.to_thread(template_of, self._settings, flight.base_id)
        prompt = template.text(flight.messages, add_generation_prompt=True) + flight.text
        rest = max(1, flight.decoding.max_tokens - flight.tokens)
        return client.stream_completion(flight.model, prompt, flight.decoding.model_copy(update={"max_tokens": rest}))

    def _store(self, answer_id: str, values: dict[str, Any]) -> None:
        """Write to an answer that has not ended."""
        moving = answers.update().where(answers.c.id == answer_id, answers.c.state == "running")
        with self._db.write() as connection:
            connection.execute(moving.values(**values))


def _storable(text: str) -> str:
    """Without null bytes, for which PostgreSQL has no room, and without halves of characters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _ending(flight: _Flight, work: asyncio.Task[str | None]) -> dict[str, Any]:
    """How an answer ended, from the task that has read its stream."""
    if work.cancelled():
        return {"state": "stopped" if flight.is_stopped else "interrupted", "finish_reason": "cancelled"}
    error = work.exception()
    if error is None:
        return {"state": "done", "finish_reason": work.result()}
    if not isinstance(error, StudioError):
        log.error("answer %s failed", flight.answer_id, exc_info=error)
        error = EngineError("error.engine.failed", reason=f"{type(error).__name__}: {error}"[:300])
    return {"state": "failed", "error": error.as_dict()}


def _run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
