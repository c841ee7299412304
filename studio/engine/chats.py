"""Chats, and the answers in flight.

An answer is written by a task of this service, not by the page that asked: it reads the engine's stream and stores the
text at most twice a second. Pages attach by id, so a reload shows it growing; a closed page does not cancel it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from studio.access import Actor, allows
from studio.data.templates import template_of
from studio.db import Database
from studio.engine.manager import EngineManager
from studio.engine.protocol import Decoding
from studio.engine.tables import answers, chats, turns
from studio.errors import ConfigError, EngineError, NotFoundError, StudioError
from studio.ids import new_id, now
from studio.settings import Settings

__all__ = ["Answer", "Chat", "ChatService", "Turn"]

AnswerState = Literal["running", "done", "stopped", "interrupted", "failed"]

#: How often a growing answer is written to the database.
_STORE_S = 0.5

_MAX_QUESTION = 20_000


@dataclass(frozen=True)
class Answer:
    """One model's answer to one turn. `ttft_ms` is from the request to the first token."""

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


_ANSWER_COLUMNS = [answers.c[name] for name in Answer.__dataclass_fields__]


@dataclass
class _Flight:
    """What a task knows of its answer before the database does."""

    task: asyncio.Task[None] | None = None
    text: str = ""
    tokens: int = 0
    ttft_ms: float | None = None
    stopped: bool = False
    began: float = field(default_factory=time.monotonic)


class ChatService:
    def __init__(self, db: Database, settings: Settings, engines: EngineManager) -> None:
        self._db = db
        self._settings = settings
        self._engines = engines
        self._flights: dict[str, _Flight] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    # 1 Chats

    @allows("chat.write")
    def create(self, actor: Actor, base_id: str, models: list[str]) -> str:
        """A chat whose columns are `models` (names as the engine knows them), all on one base."""
        if not models:
            raise ConfigError("error.chat.no_model", field="model")
        chat_id = new_id("cht")
        values = {"id": chat_id, "owner": actor.user_id, "base_id": base_id, "models": models, "title": ""}
        with self._db.write() as connection:
            connection.execute(chats.insert().values(**values, created_at=now()))
        return chat_id

    @allows("chat.read")
    def get(self, actor: Actor, chat_id: str) -> Chat:
        """A chat of the actor's own, answers in flight with what has arrived so far."""
        with self._db.read() as connection:
            head = (
                connection.execute(sa.select(chats).where(chats.c.id == chat_id, chats.c.owner == actor.user_id))
                .mappings()
                .first()
            )
            if head is None:
                raise NotFoundError("error.chat.unknown", chat=chat_id)
            asked = (
                connection.execute(sa.select(turns).where(turns.c.chat_id == chat_id).order_by(turns.c.number)).mappings().all()
            )
            query = sa.select(*_ANSWER_COLUMNS).where(answers.c.chat_id == chat_id).order_by(answers.c.column)
            given = [Answer(**row) for row in connection.execute(query).mappings()]
        now_known = [self._live(answer) for answer in given]
        return Chat(
            head["id"],
            head["base_id"],
            head["models"],
            head["title"],
            head["created_at"],
            [Turn(row["number"], row["question"], [a for a in now_known if a.turn == row["number"]]) for row in asked],
        )

    def _live(self, answer: Answer) -> Answer:
        flight = self._flights.get(answer.id)
        if flight is None or answer.state != "running":
            return answer
        return dataclasses.replace(answer, text=flight.text, tokens=flight.tokens, ttft_ms=flight.ttft_ms)

    @allows("chat.read")
    def list(self, actor: Actor, limit: int = 30) -> list[tuple[str, str, datetime]]:
        """(id, title, created) of the actor's chats that hold a question, newest first."""
        query = (
            sa.select(chats.c.id, chats.c.title, chats.c.created_at)
            .where(chats.c.owner == actor.user_id, chats.c.title != "")
            .order_by(chats.c.created_at.desc())
            .limit(limit)
        )
        with self._db.read() as connection:
            return [(row.id, row.title, row.created_at) for row in connection.execute(query)]

    # 2 Answers

    @allows("chat.write")
    def ask(self, actor: Actor, chat_id: str, question: str, decoding: Decoding, *, request_id: str | None = None) -> int:
        """Put a question to every column with the same decoding and seed; returns the turn's number.

        Raises ConfigError for an empty question, one that is too long, or while the last one is being answered.
        """
        question = question.strip()
        if not question:
            raise ConfigError("error.chat.empty", field="question")
        if len(question) > _MAX_QUESTION:
            raise ConfigError("error.chat.too_long", field="question", n=len(question), limit=_MAX_QUESTION)
        chat = self.get(actor, chat_id)
        if chat.is_moving:
            raise ConfigError("error.chat.busy", field="question")
        if decoding.seed is None:
            decoding = decoding.model_copy(update={"seed": secrets.randbelow(2**31)})
        number = len(chat.turns) + 1
        begun = [self._begun(chat, number, column, model, decoding) for column, model in enumerate(chat.models)]
        with self._db.write() as connection:
            if request_id and connection.execute(sa.select(turns.c.number).where(turns.c.request_id == request_id)).first():
                return number - 1
            values = {"chat_id": chat_id, "number": number, "question": question, "request_id": request_id}
            connection.execute(turns.insert().values(**values, created_at=now()))
            connection.execute(answers.insert(), begun)
            if not chat.title:
                connection.execute(chats.update().where(chats.c.id == chat_id).values(title=question[:120]))
        for values in begun:
            history = self._messages(chat, int(values["column"]), question)
            self._launch(actor, str(values["id"]), chat.base_id, str(values["model"]), history, decoding, "")
        return number

    @staticmethod
    def _begun(chat: Chat, turn: int, column: int, model: str, decoding: Decoding) -> dict[str, Any]:
        return {
            "id": new_id("ans"),
            "chat_id": chat.id,
            "turn": turn,
            "column": column,
            "model": model,
            "state": "running",
            "text": "",
            "tokens": 0,
            "seed": decoding.seed,
            "decoding": decoding.model_dump(),
            "created_at": now(),
        }

    @staticmethod
    def _messages(chat: Chat, column: int, question: str) -> list[dict[str, str]]:
        """What a column's model has seen: the questions and its own answers, then the new question."""
        messages = []
        for turn in chat.turns:
            own = next((answer for answer in turn.answers if answer.column == column and answer.text), None)
            if own is not None:
                messages += [{"role": "user", "content": turn.question}, {"role": "assistant", "content": own.text}]
        return [*messages, {"role": "user", "content": question}]

    @allows("chat.write")
    def stop(self, actor: Actor, chat_id: str) -> None:
        """End the answers of a chat where they are; what they have said stays."""
        for turn in self.get(actor, chat_id).turns:
            for answer in turn.answers:
                flight = self._flights.get(answer.id)
                if answer.state == "running" and flight is not None and flight.task is not None and self._loop is not None:
                    flight.stopped = True
                    self._loop.call_soon_threadsafe(flight.task.cancel)

    @allows("chat.write")
    def go_on(self, actor: Actor, chat_id: str) -> None:
        """Continue the interrupted and stopped answers of the last turn from where they ended."""
        chat = self.get(actor, chat_id)
        if not chat.turns or chat.is_moving:
            return
        last = chat.turns[-1]
        earlier = dataclasses.replace(chat, turns=chat.turns[:-1])
        for answer in last.answers:
            if answer.state in ("interrupted", "stopped"):
                self._store(answer.id, {"state": "running", "finish_reason": None, "error": None})
                messages = self._messages(earlier, answer.column, last.question)
                decoding = Decoding.model_validate(answer.decoding)
                self._launch(actor, answer.id, chat.base_id, answer.model, messages, decoding, answer.text)

    def recover(self) -> int:
        """At the start of the web server: answers that nobody writes any more are interrupted. Returns how many."""
        with self._db.write() as connection:
            left = answers.update().where(answers.c.state == "running", answers.c.id.not_in(self._flights))
            return connection.execute(left.values(state="interrupted")).rowcount

    # 3 The task of one answer

    def _launch(
        self,
        actor: Actor,
        answer_id: str,
        base_id: str,
        model: str,
        messages: list[dict[str, str]],
        decoding: Decoding,
        begun: str,
    ) -> None:
        flight = _Flight(text=begun)
        self._flights[answer_id] = flight
        loop = self._running_loop()

        def create() -> None:
            work = self._answer(actor, answer_id, base_id, model, messages, decoding, flight)
            flight.task = loop.create_task(work)

        loop.call_soon_threadsafe(create)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="answers", daemon=True).start()
            return self._loop

    async def _answer(
        self,
        actor: Actor,
        answer_id: str,
        base_id: str,
        model: str,
        messages: list[dict[str, str]],
        decoding: Decoding,
        flight: _Flight,
    ) -> None:
        ended: dict[str, Any]
        try:
            ended = await self._stream(actor, answer_id, base_id, model, messages, decoding, flight)
        except asyncio.CancelledError:
            ended = {"state": "stopped" if flight.stopped else "interrupted", "finish_reason": "cancelled"}
        except StudioError as error:
            ended = {"state": "failed", "error": error.as_dict()}
        except Exception as error:
            # The page must hear of it: an answer that stays "running" for ever says nothing.
            reason = f"{type(error).__name__}: {error}"[:300]
            ended = {"state": "failed", "error": EngineError("error.engine.failed", reason=reason).as_dict()}
        await asyncio.shield(asyncio.to_thread(self._store, answer_id, self._so_far(flight) | ended))
        self._flights.pop(answer_id, None)

    async def _stream(
        self,
        actor: Actor,
        answer_id: str,
        base_id: str,
        model: str,
        messages: list[dict[str, str]],
        decoding: Decoding,
        flight: _Flight,
    ) -> dict[str, Any]:
        client = await self._engines.client(actor, base_id)
        flight.began = stored = time.monotonic()
        finish_reason: str | None = None
        async with client:
            if flight.text:  # go on from what is there: the text so far is part of the prompt
                prompt = template_of(self._settings, base_id).text(messages, add_generation_prompt=True) + flight.text
                chunks = client.stream_completion(model, prompt, decoding)
            else:
                chunks = client.stream_chat(model, messages, decoding)
            async for chunk in chunks:
                if chunk.text and flight.ttft_ms is None:
                    flight.ttft_ms = (time.monotonic() - flight.began) * 1000
                flight.text += chunk.text
                flight.tokens = chunk.usage.completion_tokens if chunk.usage else flight.tokens + bool(chunk.text)
                finish_reason = chunk.finish_reason or finish_reason
                if time.monotonic() - stored >= _STORE_S:
                    stored = time.monotonic()
                    await asyncio.to_thread(self._store, answer_id, self._so_far(flight))
        return {"state": "done", "finish_reason": finish_reason}

    @staticmethod
    def _so_far(flight: _Flight) -> dict[str, Any]:
        seconds = time.monotonic() - flight.began
        return {"text": flight.text, "tokens": flight.tokens, "ttft_ms": flight.ttft_ms, "seconds": seconds}

    def _store(self, answer_id: str, values: dict[str, Any]) -> None:
        with self._db.write() as connection:
            connection.execute(answers.update().where(answers.c.id == answer_id).values(**values))

    async def wait(self, ids: Iterable[str]) -> None:
        """Until these answers have ended; for the CLI and the tests."""
        while any(answer_id in self._flights for answer_id in ids):
            await asyncio.sleep(0.05)
