"""Tables of this room. Of every secret that opens something, only a hash is here."""

from __future__ import annotations

import sqlalchemy as sa

from studio.db import Json, UtcDateTime, metadata

__all__ = ["attempts", "audit", "invites", "links", "sessions", "users", "visits"]

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("name_key", sa.String(80), nullable=False, unique=True),  # as it is compared: NFKC, case folded
    sa.Column("role", sa.String(10), nullable=False),
    sa.Column("password_hash", sa.Text),  # null: invited, and not yet in
    sa.Column("active", sa.Boolean, nullable=False, default=True),
    sa.Column("author", sa.String(40), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("last_login_at", UtcDateTime),
)

invites = sa.Table(  # one for each user at most: to set a first password, or a new one
    "invites",
    metadata,
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("agent", sa.String(200), nullable=False),
)

attempts = sa.Table(  # wrong passwords of the last minutes, for the throttle
    "attempts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("target", sa.String(80), nullable=False),  # a name key, or a link's id
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
)

links = sa.Table(
    "links",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("scope", sa.String(10), nullable=False),  # demo | rate | report
    sa.Column("name", sa.String(120), nullable=False),
    sa.Column("target", Json, nullable=False),  # what it opens, as the room of its scope spells it
    sa.Column("token_hash", sa.String(64), nullable=False),
    sa.Column("password_hash", sa.Text),
    sa.Column("paused", sa.Boolean, nullable=False, default=False),
    sa.Column("revoked_at", UtcDateTime),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("max_visits", sa.Integer),
    sa.Column("visits", sa.Integer, nullable=False, default=0),  # browsers that it let in
    sa.Column("questions_per_hour", sa.Integer, nullable=False),
    sa.Column("tokens_per_day", sa.Integer, nullable=False),
    sa.Column("author", sa.String(40), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("used_at", UtcDateTime),
)

visits = sa.Table(  # one for each browser that a link let in
    "visits",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("link_id", sa.String(40), sa.ForeignKey("links.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("guest_id", sa.String(40), nullable=False, unique=True),  # the owner of what the guest writes
    sa.Column("counted", sa.Boolean, nullable=False, default=False),  # came back with its cookie: a person, not a preview
    sa.Column("unlocked", sa.Boolean, nullable=False, default=False),  # gave the link's password, or there is none
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("user_id", sa.String(40), nullable=False, index=True),
    sa.Column("role", sa.String(10), nullable=False),
    sa.Column("link_id", sa.String(40), index=True),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("action", sa.String(40), nullable=False, index=True),
    sa.Column("outcome", sa.String(10), nullable=False),  # begun | done | refused | failed
    sa.Column("target", sa.String(120), nullable=False),
    sa.Column("detail", Json, nullable=False),
)
