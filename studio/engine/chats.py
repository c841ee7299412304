"""Chats of people with an account: each sees and continues their own, with whatever models they choose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from studio.access import Actor, allows
from studio.access.tables import users, visits
from studio.access.trail import Entry, record
from studio.db import Database
from studio.engine.conversations import Answer, AnswerState, Chat, Conversations, Turn, own
from studio.engine.protocol import Decoding
from studio.engine.tables import chats

__all__ = ["Answer", "AnswerState", "Chat", "ChatService", "Turn"]


class ChatService:
    """What `Conversations` can do, for those whom the rules let chat with any model. Guests have `DemoService`."""

    def __init__(self, db: Database, conversations: Conversations) -> None:
        self._db = db
        self._conversations = conversations

    # 1 Chats

    @allows("chat.write")
    def create(self, actor: Actor, base_id: str, models: Sequence[str]) -> str:
        """A chat whose columns are `models` (names as the engine knows them), all on one base."""
        with self._db.write() as connection:
            return self._conversations.create(connection, actor, base_id, models)

    @allows("chat.read")
    def get(self, actor: Actor, chat_id: str) -> Chat:
        """A chat of the actor's own, answers in flight with what has arrived so far."""
        return self._conversations.get(actor, chat_id)

    @allows("chat.read")
    def list(self, actor: Actor, limit: int = 30) -> list[tuple[str, str, datetime]]:
        """(id, title, created) of the actor's chats that hold a question, newest first."""
        query = (
            sa.select(chats.c.id, chats.c.title, chats.c.created_at)
            .where(own(actor), chats.c.title != "")
            .order_by(chats.c.created_at.desc(), chats.c.id.desc())
            .limit(limit)
        )
        with self._db.read() as connection:
            return [(row.id, row.title, row.created_at) for row in connection.execute(query)]

    @allows("chat.adopt")
    def adopt(self, actor: Actor, from_user: str) -> int:
        """Make the chats of a local person, from before there were accounts, the actor's own; returns how many.

        None where `from_user` is an account or a guest: theirs are taken by nobody.
        """
        theirs = sa.and_(chats.c.owner == from_user, chats.c.link_id.is_(None))
        with self._db.write() as connection:
            for known in (users.c.id, visits.c.guest_id):
                if connection.execute(sa.select(known).where(known == from_user)).first() is not None:
                    return 0
            n_taken = connection.execute(chats.update().where(theirs).values(owner=actor.user_id)).rowcount
        if n_taken:
            record(self._db, Entry(actor, "chat.adopt", from_user), "done")
        return n_taken

    # 2 Answers

    @allows("chat.write")
    def begin(
        self, actor: Actor, base_id: str, models: Sequence[str], question: str, decoding: Decoding, *, request_id: str
    ) -> str:
        """A new chat with its first question; the same `request_id` gives the chat that is there already. Returns its id."""
        chat_id, _ = self._conversations.ask(
            actor,
            lambda connection: self._conversations.create(connection, actor, base_id, models),
            question,
            decoding,
            request_id=request_id,
        )
        return chat_id

    @allows("chat.write")
    def ask(self, actor: Actor, chat_id: str, question: str, decoding: Decoding, *, request_id: str | None = None) -> int:
        """Put a question to every column with the same decoding and seed; returns the turn's number.

        The same `request_id` gives the turn that is there already: a double click is one turn.
        Raises ConfigError for an empty question, one that is too long, or while the last one is being answered.
        """
        _, number = self._conversations.ask(actor, chat_id, question, decoding, request_id=request_id)
        return number

    @allows("chat.write")
    def stop(self, actor: Actor, chat_id: str) -> None:
        """End the answers of a chat where they are; what they have said stays."""
        self._conversations.stop(actor, chat_id)

    @allows("chat.write")
    def go_on(self, actor: Actor, chat_id: str) -> None:
        """Continue the interrupted and stopped answers of the last turn from where they ended."""
        self._conversations.go_on(actor, chat_id)

    # 3 For the web server, about all conversations, guests' too

    def recover(self) -> int:
        """At the start of the web server: answers that nobody writes any more are interrupted. Returns how many."""
        return self._conversations.recover()

    async def wait(self, ids: Iterable[str]) -> None:
        """Until these answers have ended; for the CLI and the tests."""
        await self._conversations.wait(ids)

    def close(self) -> None:
        """End what is in flight as interrupted, then the thread."""
        self._conversations.close()
