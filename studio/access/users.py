"""Accounts, how one signs in to them, and their sessions.

    add ──► no password yet ── invite ──► accept ──► signed in
     └──── with a password ─── login ──────────────► signed in ── 14 days unused, or 90 in all ──► signed out

A session is a cookie with a random token; only the token's hash is kept. Role and account are read again at every request.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from studio.access.actor import STAFF, Actor, Role
from studio.access.passwords import Throttle, check_password, folded, hash_password, needs_rehash, token_hash, verify
from studio.access.rules import allows
from studio.access.tables import invites, sessions, users
from studio.access.trail import Entry, record
from studio.db import Database
from studio.errors import AccessError, ConfigError, NotFoundError, StorageError
from studio.ids import is_id, new_id, now
from studio.text import Lang, is_plain

__all__ = ["Session", "User", "UserService", "name_key", "staff_role"]

_NAME_MOST = 80

_UNUSED = timedelta(days=14)
_IN_ALL = timedelta(days=90)
_INVITE = timedelta(days=7)

#: `seen_at` is no older than this: a write for every request would be too many.
_REFRESH = timedelta(minutes=5)

#: Rows in one write (CONTRACTS 3).
_BATCH = 1_000


@dataclass(frozen=True)
class User:
    """An account. `invited_until` is None without an invitation that still opens."""

    id: str
    name: str
    role: Role
    active: bool
    has_password: bool
    invited_until: datetime | None
    created_at: datetime
    last_login_at: datetime | None


@dataclass(frozen=True)
class Session:
    """A browser that is signed in. `is_this`: the one that asks. `id` tells it apart and opens nothing."""

    id: str
    created_at: datetime
    seen_at: datetime
    address: str
    agent: str
    is_this: bool


def name_key(name: str) -> str:
    """A name as it is compared: two accounts never have the same."""
    return folded(name)


def staff_role(word: str) -> Role:
    """The role that a word names. Raises ConfigError where it is none that an account can have."""
    role = next((role for role in STAFF if role == word), None)
    if role is None:
        raise ConfigError("error.user.role", field="role", role=word)
    return role


def _is_name(name: str) -> bool:
    return 1 <= len(name) <= _NAME_MOST and is_plain(name) and 1 <= len(name_key(name)) <= _NAME_MOST


class UserService:
    """`clock` tells the moment, in UTC."""

    def __init__(self, db: Database, clock: Callable[[], datetime] = now) -> None:
        self._db = db
        self._clock = clock
        self._throttle = Throttle(db, clock)

    # 1 Asked at every request: these two carry no action

    def is_open(self) -> bool:
        """Whether nobody has a password yet: until then everybody on the loopback address is the local admin."""
        with self._db.read() as connection:
            return self._is_open(connection)

    def actor_of(self, token: str | None, lang: Lang, address: str) -> Actor | None:
        """Whom a session's cookie belongs to; None where it has ended, or its account is disabled."""
        if not token:
            return None
        moment, mine = self._clock(), sessions.c.token_hash == token_hash(token)
        living = sa.select(users.c.id, users.c.role, sessions.c.created_at, sessions.c.seen_at).where(
            mine, sessions.c.expires_at > moment, sessions.c.user_id == users.c.id, users.c.active
        )
        with self._db.read() as connection:
            row = connection.execute(living).mappings().first()
        if row is None:
            return None
        if moment - row["seen_at"] >= _REFRESH:
            end = min(moment + _UNUSED, row["created_at"] + _IN_ALL)
            # A database that is full or busy for long keeps nobody from looking.
            with contextlib.suppress(StorageError), self._db.write() as connection:
                connection.execute(sessions.update().where(mine).values(seen_at=moment, expires_at=end))
        return Actor(row["id"], Role(row["role"]), lang, address=address)

    # 2 For admins

    @allows("user.read")
    def get(self, actor: Actor, user_id: str) -> User:
        """Raises NotFoundError for an unknown one, as all methods of this part do."""
        with self._db.read() as connection:
            return self._user(self._row(connection, user_id))

    @allows("user.add", tells=("role",))
    def add(self, actor: Actor, name: str, role: Role, *, password: str | None = None) -> User:
        """A new account; without a password it waits for `invite`.

        Raises ConfigError for a name that is taken or cannot be shown, a weak password, and where the first account is not
        an admin's with a password: nobody could let the others in.
        """
        name, role = name.strip(), staff_role(role)
        if not _is_name(name):
            raise ConfigError("error.user.bad_name", field="name", most=_NAME_MOST)
        values = {"id": new_id("usr"), "name": name, "name_key": name_key(name), "role": str(role), "author": actor.user_id}
        if password is not None:
            check_password(password, name)
            values["password_hash"] = hash_password(password)
        with self._db.write() as connection:
            if self._is_open(connection) and (role is not Role.ADMIN or password is None):
                raise ConfigError("error.user.first_admin", field="role")
            if connection.execute(sa.select(users.c.id).where(users.c.name_key == values["name_key"])).first() is not None:
                raise ConfigError("error.user.taken", field="name", name=name)
            connection.execute(users.insert().values(**values, active=True, created_at=self._clock()))
            return self._user(self._row(connection, values["id"]))

    @allows("user.invite")
    def invite(self, actor: Actor, user_id: str) -> str:
        """A token with which the account's owner chooses a password, a first or a new one: once, within 7 days.

        Ends an earlier invitation. Raises ConfigError for a disabled account.
        """
        token, moment = secrets.token_urlsafe(32), self._clock()
        with self._db.write() as connection:
            row = self._row(connection, user_id)
            if not row["active"]:
                raise ConfigError("error.user.inactive", name=row["name"])
            connection.execute(invites.delete().where(invites.c.user_id == user_id))
            values = {"user_id": user_id, "token_hash": token_hash(token), "created_at": moment, "expires_at": moment + _INVITE}
            connection.execute(invites.insert().values(**values))
        return token

    @allows("user.write", tells=("role",))
    def set_role(self, actor: Actor, user_id: str, role: Role) -> None:
        """Holds from the next request. Raises ConfigError for the last admin."""
        role = staff_role(role)
        with self._db.write() as connection:
            row = self._row(connection, user_id)
            if role is not Role.ADMIN:
                self._need_another_admin(connection, row)
            connection.execute(users.update().where(users.c.id == user_id).values(role=str(role)))

    @allows("user.write", tells=("active",))
    def set_active(self, actor: Actor, user_id: str, active: bool) -> None:
        """A disabled account is signed out, and its invitation ends. Raises ConfigError for the last admin."""
        with self._db.write() as connection:
            row = self._row(connection, user_id)
            if not active:
                self._need_another_admin(connection, row)
                self._end(connection, user_id)
            connection.execute(users.update().where(users.c.id == user_id).values(active=active))

    @allows("user.password")
    def set_password(self, actor: Actor, user_id: str, password: str) -> None:
        """Signs the account out everywhere, and ends its invitation. Raises ConfigError for a weak password."""
        with self._db.read() as connection:
            row = self._row(connection, user_id)
        check_password(password, row["name"])
        kept = hash_password(password)
        with self._db.write() as connection:
            connection.execute(users.update().where(users.c.id == user_id).values(password_hash=kept))
            self._end(connection, user_id)

    @allows("user.logout")
    def logout_user(self, actor: Actor, user_id: str) -> None:
        """Sign the account out everywhere."""
        with self._db.write() as connection:
            self._row(connection, user_id)
            connection.execute(sessions.delete().where(sessions.c.user_id == user_id))

    # 3 In

    @allows("session.begin")
    def login(self, actor: Actor, name: str, password: str, *, agent: str) -> str:
        """A new session's token.

        Raises AccessError, the same and after the same time for an unknown name, a wrong password and an account that is
        disabled or has no password yet; and another one after too many tries, when nothing is looked at or recorded.
        """
        name = name.strip()
        known = _is_name(name)
        key = name_key(name) if known else ""
        with self._throttle.trying(key, actor.address):
            with self._db.read() as connection:
                row = connection.execute(sa.select(users).where(users.c.name_key == key)).mappings().first()
            right = verify(row["password_hash"] if row is not None else None, password)
            if row is None or not right or not row["active"]:
                self._throttle.failed(key, actor.address)
                record(self._db, Entry(actor, "session.begin", target=name if known else ""), "refused")
                raise AccessError("error.access.wrong_login")
            self._throttle.succeeded(key, actor.address)
        kept = hash_password(password) if needs_rehash(row["password_hash"]) else row["password_hash"]
        with self._db.write() as connection:
            same = (users.c.id == row["id"]) & users.c.active & (users.c.password_hash == row["password_hash"])
            if connection.execute(users.update().where(same).values(password_hash=kept)).rowcount == 0:
                raise AccessError("error.access.wrong_login")  # checking a password takes a while
            token = self._begin(connection, row["id"], actor, agent)
        self._record_login(row, actor)
        return token

    @allows("session.begin")
    def invited(self, actor: Actor, token: str) -> User:
        """Whom an invitation is for. Raises NotFoundError, the same for an unknown, a used and an expired one."""
        with self._db.read() as connection:
            return self._user(self._invited(connection, token))

    @allows("session.begin")
    def accept(self, actor: Actor, token: str, password: str, *, agent: str) -> str:
        """Choose the password; a new session's token. Signs the account out everywhere else.

        Raises NotFoundError as `invited`, ConfigError for a weak password; the invitation stays then.
        """
        with self._db.read() as connection:
            row = self._invited(connection, token)
        check_password(password, row["name"])
        kept = hash_password(password)
        with self._db.write() as connection:
            row = self._invited(connection, token)  # one writer at a time: of two who come at once, one is too late
            connection.execute(users.update().where(users.c.id == row["id"]).values(password_hash=kept))
            self._end(connection, row["id"])
            session = self._begin(connection, row["id"], actor, agent)
        self._record_login(row, actor)
        return session

    # 4 For everybody with an account, about their own

    @allows("account.read")
    def me(self, actor: Actor) -> User:
        """Raises NotFoundError for who has no account: everybody, before there are any."""
        with self._db.read() as connection:
            return self._user(self._row(connection, actor.user_id))

    @allows("account.read")
    def sessions(self, actor: Actor, token: str) -> list[Session]:
        """Where the account is signed in, last used first. `token` is that of the browser that asks."""
        mine = (sessions.c.user_id == actor.user_id) & (sessions.c.expires_at > self._clock())
        with self._db.read() as connection:
            found = connection.execute(sa.select(sessions).where(mine).order_by(sessions.c.seen_at.desc())).mappings().all()
        this, shown = token_hash(token), ("created_at", "seen_at", "address", "agent")
        made = [({name: row[name] for name in shown}, row["token_hash"]) for row in found]
        return [Session(**values, id=hashed[:12], is_this=hashed == this) for values, hashed in made]

    @allows("account.password")
    def change_password(self, actor: Actor, old: str, new: str, *, keep: str) -> None:
        """Ends the invitation and all sessions but the one whose token is `keep`.

        Raises ConfigError for a weak password, AccessError for a wrong old one, and after too many of them.
        """
        with self._db.read() as connection:
            row = self._row(connection, actor.user_id)
        check_password(new, row["name"])
        with self._throttle.trying(row["name_key"], actor.address):
            if not verify(row["password_hash"], old):
                self._throttle.failed(row["name_key"], actor.address)
                raise AccessError("error.access.wrong_password", field="old")
            self._throttle.succeeded(row["name_key"], actor.address)
        kept = hash_password(new)
        with self._db.write() as connection:
            same = (users.c.id == row["id"]) & (users.c.password_hash == row["password_hash"])
            if connection.execute(users.update().where(same).values(password_hash=kept)).rowcount == 0:
                raise AccessError("error.access.wrong_password", field="old")  # an admin was quicker
            self._end(connection, row["id"], keep)

    @allows("account.leave")
    def logout(self, actor: Actor, token: str) -> None:
        """End one session. What is none of the actor's is left alone."""
        mine = (sessions.c.user_id == actor.user_id) & (sessions.c.token_hash == token_hash(token))
        with self._db.write() as connection:
            connection.execute(sessions.delete().where(mine))

    @allows("account.leave")
    def logout_everywhere(self, actor: Actor) -> None:
        with self._db.write() as connection:
            connection.execute(sessions.delete().where(sessions.c.user_id == actor.user_id))

    @allows("user.read")
    def list(self, actor: Actor) -> list[User]:
        """All of them, by name."""
        with self._db.read() as connection:
            found = connection.execute(self._select().order_by(users.c.name_key)).mappings().all()
        return [self._user(row) for row in found]

    @allows("dataset.read")
    def names(self, actor: Actor) -> dict[str, str]:
        """Names by id, for pages that say who did something."""
        with self._db.read() as connection:
            return {row.id: row.name for row in connection.execute(sa.select(users.c.id, users.c.name))}

    # 5 Rows

    def _is_open(self, connection: Connection) -> bool:
        return connection.execute(sa.select(users.c.id).where(users.c.password_hash.is_not(None)).limit(1)).first() is None

    def _select(self) -> sa.Select[tuple[object, ...]]:
        """Accounts, each with when its invitation ends."""
        return sa.select(users, invites.c.expires_at.label("invited_until")).select_from(users.outerjoin(invites))

    def _row(self, connection: Connection, user_id: str) -> RowMapping:
        known = user_id if is_id(user_id, "usr") else ""  # no null byte: PostgreSQL would choke on one
        row = connection.execute(self._select().where(users.c.id == known)).mappings().first()
        if row is None:
            raise NotFoundError("error.user.unknown", user=user_id)
        return row

    def _invited(self, connection: Connection, token: str) -> RowMapping:
        opens = (invites.c.token_hash == token_hash(token)) & (invites.c.expires_at > self._clock()) & users.c.active
        row = connection.execute(self._select().where(opens)).mappings().first()
        if row is None:
            raise NotFoundError("error.access.no_invite")
        return row

    def _user(self, row: RowMapping) -> User:
        until = row["invited_until"] if row["invited_until"] is not None and row["invited_until"] > self._clock() else None
        made = {"role": Role(row["role"]), "has_password": row["password_hash"] is not None, "invited_until": until}
        values: dict[str, Any] = {name: row[name] for name in User.__dataclass_fields__ if name not in made}
        return User(**values | made)

    def _need_another_admin(self, connection: Connection, row: RowMapping) -> None:
        """Raises ConfigError where the account is the only one that can still let others in."""
        able = (users.c.role == str(Role.ADMIN)) & users.c.active & users.c.password_hash.is_not(None)
        found = set(connection.execute(sa.select(users.c.id).where(able)).scalars())
        if found == {row["id"]}:
            raise ConfigError("error.user.last_admin", name=row["name"])

    def _begin(self, connection: Connection, user_id: str, actor: Actor, agent: str) -> str:
        token, moment = secrets.token_urlsafe(32), self._clock()
        over = sa.select(sessions.c.token_hash).where(sessions.c.expires_at <= moment).limit(_BATCH)
        connection.execute(sessions.delete().where(sessions.c.token_hash.in_(over)))
        values = {"created_at": moment, "seen_at": moment, "expires_at": moment + _UNUSED, "address": actor.address[:64]}
        agent = "".join(char for char in agent[:1_000] if is_plain(char))[:200]  # its browser chose it, and it is shown
        connection.execute(sessions.insert().values(token_hash=token_hash(token), user_id=user_id, agent=agent, **values))
        connection.execute(users.update().where(users.c.id == user_id).values(last_login_at=moment))
        return token

    def _record_login(self, row: RowMapping, actor: Actor) -> None:
        user = Actor(row["id"], Role(row["role"]), actor.lang, address=actor.address)
        record(self._db, Entry(user, "session.begin", target=user.user_id), "done")

    def _end(self, connection: Connection, user_id: str, keep: str | None = None) -> None:
        """End the account's invitation and its sessions, but for the one of the token `keep`."""
        connection.execute(invites.delete().where(invites.c.user_id == user_id))
        mine = (sessions.c.user_id == user_id) & (sessions.c.token_hash != ("" if keep is None else token_hash(keep)))
        connection.execute(sessions.delete().where(mine))
