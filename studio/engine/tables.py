"""Tables of this room: engines that live, chats, their turns, and the answers in flight (CONTRACTS 6, 7)."""

from __future__ import annotations

import sqlalchemy as sa

from studio.access import tables as _links  # noqa: F401 - chats refer to links
from studio.db import Json, UtcDateTime, metadata

__all__ = ["answers", "chats", "engines", "thumbs", "turns"]

engines = sa.Table(
    "engines",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("backend", sa.String(20), nullable=False),
    sa.Column("base_id", sa.String(120), sa.ForeignKey("bases.id"), nullable=False),
    sa.Column("bits", sa.Integer, nullable=False, default=16),
    sa.Column("host", sa.String(200), nullable=False, default=""),
    sa.Column("port", sa.Integer, nullable=False, default=0),
    sa.Column("token_file", sa.String(300), nullable=False),  # relative to the home
    sa.Column("state", sa.String(10), nullable=False),  # starting | ready | ended
    sa.Column("job_id", sa.String(40), sa.ForeignKey("jobs.id")),
    sa.Column("device", sa.String(20), nullable=False, default=""),
    sa.Column("memory_bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("last_used", UtcDateTime, nullable=False),
)

chats = sa.Table(
    "chats",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("owner", sa.String(40), nullable=False, index=True),
    sa.Column("base_id", sa.String(120), sa.ForeignKey("bases.id"), nullable=False),
    sa.Column("models", Json, nullable=False),  # the columns' models, left to right
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("link_id", sa.String(40), sa.ForeignKey("links.id"), index=True),  # of a guest's chat
)

turns = sa.Table(
    "turns",
    metadata,
    sa.Column("chat_id", sa.String(40), sa.ForeignKey("chats.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("request_id", sa.String(80), unique=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("chat_id", sa.String(40), sa.ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("column", sa.Integer, nullable=False),
    sa.Column("model", sa.String(80), nullable=False),
    sa.Column("state", sa.String(12), nullable=False, index=True),  # running | done | stopped | interrupted | failed
    sa.Column("text", sa.Text, nullable=False, default=""),
    sa.Column("tokens", sa.Integer, nullable=False, default=0),
    sa.Column("ttft_ms", sa.Float),
    sa.Column("seconds", sa.Float),
    sa.Column("finish_reason", sa.String(20)),
    sa.Column("seed", sa.BigInteger),
    sa.Column("decoding", Json, nullable=False),
    sa.Column("error", Json),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("chat_id", "turn", "column"),
)

thumbs = sa.Table(  # what a guest thinks of an answer
    "thumbs",
    metadata,
    sa.Column("answer_id", sa.String(40), sa.ForeignKey("answers.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.String(40), primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),  # 1 up, -1 down
    sa.Column("created_at", UtcDateTime, nullable=False),
)
