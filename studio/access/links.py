"""Links for guests: who has the address gets in, to one thing and for as long as its author lets them.

    address ── enter ──► cookie ── visit ──► counted, an Actor in the link's scope
    (token)              (another secret)    └─ unlock ──► unlocked, if the link has a password

A messenger's preview follows an address and never comes back with the cookie: so a visit counts at `visit`, not at `enter`.
What does not open is one and the same error, whatever the reason, so that a stranger learns nothing from it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

import sqlalchemy as sa
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from sqlalchemy.engine import Connection, RowMapping

from studio.access.actor import Actor, Role
from studio.access.passwords import Throttle, hash_password, token_hash, verify
from studio.access.rules import allows
from studio.access.tables import links, visits
from studio.access.trail import Entry, record
from studio.db import Database
from studio.errors import AccessError, ConfigError, NotFoundError
from studio.ids import is_id, new_id, now
from studio.text import is_plain

__all__ = ["Link", "LinkService", "LinkSpec", "LinkState", "Made", "Visit"]

LinkState = Literal["open", "paused", "revoked", "expired", "full"]

#: How long a browser that came back may go on coming, and how long one that entered may take to come back.
_VISIT_LIFE = timedelta(days=30)
_ENTRY_LIFE = timedelta(days=1)

#: `seen_at` and `used_at` are no older than this: a write for every click would be too many.
_REFRESH = timedelta(minutes=1)

#: Rows in one write (CONTRACTS 3).
_BATCH = 1_000

#: PostgreSQL's integers end at 2³¹ − 1.
_MOST = 10**9


def _plain(name: str) -> str:
    if not is_plain(name):
        raise ValueError("a name has no control characters and no line breaks")
    return name


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a moment after the year 9999 in UTC") from None


class _Limits(BaseModel):
    """What may be changed later. None is no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    expires_at: Annotated[AwareDatetime, AfterValidator(_utc)] | None = None
    max_visits: Annotated[int, Field(ge=1, le=_MOST)] | None = None
    questions_per_hour: int = Field(60, ge=1, le=10_000)
    tokens_per_day: int = Field(50_000, ge=100, le=_MOST)


class LinkSpec(_Limits):
    """A link to be made. `target` is what it opens, spelled by the room of its scope. Nothing here shows the password."""

    scope: Literal["demo", "rate", "report"]
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), AfterValidator(_plain)]
    target: dict[str, JsonValue]
    password: SecretStr | None = Field(None, min_length=6, max_length=1_000)

    @model_validator(mode="before")
    @classmethod
    def _hide_password(cls, values: Any) -> Any:
        """Pydantic's errors hold what was given: from here on that is the hidden form."""
        if isinstance(values, dict) and isinstance(values.get("password"), str):
            return values | {"password": SecretStr(values["password"])}
        return values


@dataclass(frozen=True)
class Link:
    """A link as its author sees it; its address is known only to whoever made or renewed it.

    `visits` counts the browsers that it let in. `full` is closed to new ones only.
    """

    id: str
    scope: Role
    name: str
    target: dict[str, Any]
    has_password: bool
    state: LinkState
    expires_at: datetime | None
    max_visits: int | None
    visits: int
    questions_per_hour: int
    tokens_per_day: int
    author: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True)
class Visit:
    """A guest at the door: `actor` may act only if `unlocked`; otherwise the link's password is still to be given."""

    link: Link
    actor: Actor
    unlocked: bool


class Made(NamedTuple):
    """A new link, and the token that opens it: shown once, kept nowhere."""

    link: Link
    token: str

    @property
    def id(self) -> str:
        """So that the trail names the link that was made."""
        return self.link.id


#: Compared with where there is no link, so that an unknown one takes as long.
_NO_HASH = token_hash("")


def _fits(row: RowMapping | None, token: str) -> bool:
    return hmac.compare_digest(_NO_HASH if row is None else row["token_hash"], token_hash(token))


def _state(row: RowMapping, moment: datetime) -> LinkState:
    if row["revoked_at"] is not None:
        return "revoked"
    if row["expires_at"] is not None and moment >= row["expires_at"]:
        return "expired"
    if row["paused"]:
        return "paused"
    return "full" if row["max_visits"] is not None and row["visits"] >= row["max_visits"] else "open"


def _lets_in(row: RowMapping, visit: RowMapping | None, moment: datetime) -> bool:
    """Whether the link is open to this visit, or to a new visitor."""
    state = _state(row, moment)
    return state == "open" or (state == "full" and visit is not None and bool(visit["counted"]))


def _known(link_id: str) -> str:
    """As the database may be asked for it: PostgreSQL would choke on a null byte. What is no id becomes one of no link."""
    return link_id if is_id(link_id, "lnk") else "lnk_"


def _closed() -> NotFoundError:
    return NotFoundError("error.link.closed")


def _unknown() -> NotFoundError:
    return NotFoundError("error.link.unknown")


class LinkService:
    """Makes links, and opens them. `clock` tells the moment, in UTC."""

    def __init__(self, db: Database, clock: Callable[[], datetime] = now) -> None:
        self._db = db
        self._clock = clock
        self._throttle = Throttle(db, clock)

    # 1 For their authors

    @allows("link.make", tells=("warned",))
    def create(self, actor: Actor, spec: LinkSpec, *, warned: bool) -> Made:
        """A new link and its token. `warned`: the author says that they have read the warning about personal data.

        Raises ConfigError where they have not.
        """
        if not warned:
            raise ConfigError("error.link.not_warned", field="warned")
        token, link_id = secrets.token_urlsafe(32), new_id("lnk")
        values = spec.model_dump(exclude={"password"}) | {"id": link_id, "token_hash": token_hash(token)}
        if spec.password is not None:
            values["password_hash"] = hash_password(spec.password.get_secret_value())
        with self._db.write() as connection:
            connection.execute(links.insert().values(**values, author=actor.user_id, created_at=self._clock()))
            return Made(self._link(self._living(connection, link_id)), token)

    @allows("link.read")
    def get(self, actor: Actor, link_id: str) -> Link:
        """Raises NotFoundError for an unknown one, as all methods of this part do."""
        with self._db.read() as connection:
            row = self._row(connection, link_id)
        if row is None:
            raise _unknown()
        return self._link(row)

    @allows("link.write", tells=("paused",))
    def pause(self, actor: Actor, link_id: str, paused: bool) -> None:
        """Close it for a while, to everybody, or open it again. Raises ConfigError for a revoked link, as do the next two."""
        with self._db.write() as connection:
            self._living(connection, link_id)
            connection.execute(links.update().where(links.c.id == link_id).values(paused=paused))

    @allows("link.write", tells=("expires_at", "max_visits", "questions_per_hour", "tokens_per_day"))
    def change(
        self,
        actor: Actor,
        link_id: str,
        *,
        expires_at: datetime | None,
        max_visits: int | None,
        questions_per_hour: int,
        tokens_per_day: int,
    ) -> None:
        """New limits, all four; None is no limit. Raises ConfigError for values that a new link could not have."""
        given = {"expires_at": expires_at, "max_visits": max_visits}
        given |= {"questions_per_hour": questions_per_hour, "tokens_per_day": tokens_per_day}
        try:
            limits = _Limits.model_validate(given)
        except ValidationError as error:
            problems = [(str(item["loc"][0]), item["msg"]) for item in error.errors()]
            shown = "; ".join(f"{where}: {what}" for where, what in problems)
            raise ConfigError("error.config.invalid", field=problems[0][0], problems=shown) from error
        with self._db.write() as connection:
            self._living(connection, link_id)
            connection.execute(links.update().where(links.c.id == link_id).values(**limits.model_dump()))

    @allows("link.renew")
    def renew(self, actor: Actor, link_id: str) -> str:
        """A new token. The old address opens nothing any more, nor does any visit that came by it."""
        token = secrets.token_urlsafe(32)
        with self._db.write() as connection:
            self._living(connection, link_id)
            connection.execute(links.update().where(links.c.id == link_id).values(token_hash=token_hash(token)))
            ended = self._end_visits(connection, link_id)
        while ended == _BATCH:
            with self._db.write() as connection:
                ended = self._end_visits(connection, link_id)
        return token

    @allows("link.revoke")
    def revoke(self, actor: Actor, link_id: str) -> None:
        """Close it for good. Revoking twice is revoking once."""
        with self._db.write() as connection:
            if self._row(connection, link_id) is None:
                raise _unknown()
            once = (links.c.id == link_id) & links.c.revoked_at.is_(None)
            connection.execute(links.update().where(once).values(revoked_at=self._clock()))

    @allows("link.read")
    def list(self, actor: Actor) -> list[Link]:
        """All of them, the newest first."""
        with self._db.read() as connection:
            found = connection.execute(sa.select(links).order_by(links.c.created_at.desc(), links.c.id.desc())).mappings().all()
        return [self._link(row) for row in found]

    # 2 For guests: what does not open raises NotFoundError("error.link.closed")

    @allows("link.open")
    def enter(self, actor: Actor, link_id: str, token: str, cookie: str | None) -> str:
        """Trade the token for a visit's cookie. A browser with a valid one of this link gets the same back."""
        with self._db.read() as connection:  # a stranger with a wrong token never gets as far as the write lock
            _, visit = self._admitted(connection, link_id, token, cookie)
        if cookie is not None and visit is not None:
            return cookie
        made, moment = secrets.token_urlsafe(32), self._clock()
        with self._db.write() as connection:
            row, _ = self._admitted(connection, link_id, token, None)
            stale = sa.select(visits.c.token_hash).where(~visits.c.counted, visits.c.created_at <= moment - _ENTRY_LIFE)
            connection.execute(visits.delete().where(visits.c.token_hash.in_(stale.limit(_BATCH))))
            # A guest's id is spelled like a user's: it owns what the guest writes, as a user owns theirs.
            who = {"token_hash": token_hash(made), "link_id": link_id, "guest_id": new_id("usr")}
            unlocked = row["password_hash"] is None
            connection.execute(visits.insert().values(**who, unlocked=unlocked, created_at=moment, seen_at=moment))
        return made

    @allows("link.open")
    def visit(self, actor: Actor, link_id: str, cookie: str | None) -> Visit:
        """Who comes with this cookie. The first time it counts as a visit of the link; where there is a password, the first
        time after it was given, so that an address alone uses nothing up.
        """
        moment = self._clock()
        with self._db.read() as connection:
            row, visit = self._guest(connection, link_id, cookie)
        first = False
        if (visit["unlocked"] and not visit["counted"]) or moment - visit["seen_at"] >= _REFRESH:
            with self._db.write() as connection:  # one writer at a time: what is read here stays true until the commit
                row, visit = self._guest(connection, link_id, cookie)
                first = bool(visit["unlocked"] and not visit["counted"])
                seen = visits.update().where(visits.c.token_hash == visit["token_hash"])
                used = links.update().where(links.c.id == link_id)
                connection.execute(seen.values(counted=visit["counted"] or first, seen_at=moment))
                connection.execute(used.values(used_at=moment, visits=links.c.visits + int(first)))
                row, visit = self._guest(connection, link_id, cookie)
        guest = self._actor(row, visit, actor)
        if first:
            record(self._db, Entry(guest, "link.open", target=link_id), "done")
        return Visit(self._link(row), guest, bool(visit["unlocked"]))

    @allows("link.unlock")
    def unlock(self, actor: Actor, link_id: str, cookie: str | None, password: str) -> None:
        """Give the link's password. Raises AccessError for a wrong one, and after too many of them."""
        with self._db.read() as connection:
            row, visit = self._guest(connection, link_id, cookie)
        if visit["unlocked"]:
            return
        with self._throttle.trying(link_id, actor.address):
            if not verify(row["password_hash"], password):
                self._throttle.failed(link_id, actor.address)
                record(self._db, Entry(self._actor(row, visit, actor), "link.unlock", target=link_id), "refused")
                raise AccessError("error.link.wrong_password", field="password")
            self._throttle.succeeded(link_id, actor.address)
        with self._db.write() as connection:
            self._guest(connection, link_id, cookie)  # checking a password takes a while
            connection.execute(visits.update().where(visits.c.token_hash == visit["token_hash"]).values(unlocked=True))

    def is_open(self, link_id: str) -> bool:
        """Whether those whom it let in may go on. Asked by answers in flight."""
        with self._db.read() as connection:
            row = self._row(connection, link_id)
        return row is not None and _state(row, self._clock()) in ("open", "full")

    # 3 Rows

    def _row(self, connection: Connection, link_id: str) -> RowMapping | None:
        return connection.execute(sa.select(links).where(links.c.id == _known(link_id))).mappings().first()

    def _living(self, connection: Connection, link_id: str) -> RowMapping:
        row = self._row(connection, link_id)
        if row is None:
            raise _unknown()
        if row["revoked_at"] is not None:
            raise ConfigError("error.link.revoked")
        return row

    def _visit(self, connection: Connection, link_id: str, cookie: str | None) -> RowMapping | None:
        """The visit of this cookie, if it is this link's and not too old."""
        known = (visits.c.token_hash == token_hash(cookie or "")) & (visits.c.link_id == _known(link_id))
        row = connection.execute(sa.select(visits).where(known)).mappings().first()
        if row is None or self._clock() >= row["created_at"] + (_VISIT_LIFE if row["counted"] else _ENTRY_LIFE):
            return None
        return row

    def _admitted(
        self, connection: Connection, link_id: str, token: str, cookie: str | None
    ) -> tuple[RowMapping, RowMapping | None]:
        """The link of whoever has its token, and the visit that their browser has already. Raises where it is closed to them."""
        row, visit = self._row(connection, link_id), self._visit(connection, link_id, cookie)
        if not _fits(row, token) or row is None or not _lets_in(row, visit, self._clock()):
            raise _closed()
        return row, visit

    def _guest(self, connection: Connection, link_id: str, cookie: str | None) -> tuple[RowMapping, RowMapping]:
        """The link and the visit of whoever comes with this cookie. Raises where the link opens nothing to them."""
        row, visit = self._row(connection, link_id), self._visit(connection, link_id, cookie)
        if row is None or visit is None or not _lets_in(row, visit, self._clock()):
            raise _closed()
        return row, visit

    def _end_visits(self, connection: Connection, link_id: str) -> int:
        """End a batch of visits. Their rows stay, for they say whose what a guest wrote is; no hash is spelled like this."""
        some = sa.select(visits.c.guest_id).where(visits.c.link_id == link_id, ~visits.c.token_hash.startswith("ended_"))
        batch = visits.update().where(visits.c.guest_id.in_(some.limit(_BATCH)))
        return connection.execute(batch.values(token_hash=sa.literal("ended_") + visits.c.guest_id)).rowcount

    def _actor(self, row: RowMapping, visit: RowMapping, actor: Actor) -> Actor:
        return Actor(visit["guest_id"], Role(row["scope"]), lang=actor.lang, link_id=row["id"])

    def _link(self, row: RowMapping) -> Link:
        made: dict[str, Any] = {"scope": Role(row["scope"]), "has_password": row["password_hash"] is not None}
        same: dict[str, Any] = {name: row[name] for name in Link.__dataclass_fields__ if name in row and name not in made}
        return Link(**same, **made, state=_state(row, self._clock()))
