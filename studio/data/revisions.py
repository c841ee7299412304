"""Revisions: how rows change, and how a change is taken back. Nothing that holds at a committed revision is ever altered.

A change is written in small transactions under a pending revision, which nobody reads; one last update makes it visible. What
ends half-way leaves the revision before it whole, and what it wrote is taken back at once or, if it was killed, by whoever
changes the dataset next. Start at `Editor`; undo, redo and restore are `move_to`.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.data import rows as row_rules
from studio.data.rows import NewRow
from studio.data.store import GAP, PackedRow, StoredRow, holds, insert_rows, packed_row
from studio.data.tables import datasets, revisions, rows
from studio.data.totals import Totals
from studio.db import Database
from studio.errors import DataError, NotFoundError
from studio.ids import now
from studio.settings import Settings

__all__ = ["Editor", "Revision", "abandon", "count_again", "history", "move_to", "redo", "revision_of", "undo"]

#: Rows a transaction writes: of 1 kB each, under 40 ms on SQLite and on PostgreSQL (CONTRACTS 3: at most 100 ms).
_BATCH = 200
#: Rows that a transaction copies inside the database, which is faster.
_COPIED = 1_000

#: How long a change waits for the one before it. A saved row takes milliseconds; what takes longer is a bulk change.
_WAIT_S = 2.0

#: A pending revision that no lock of this host explains is nobody's after this long.
_FOREIGN = timedelta(minutes=10)


# --- what a revision says about its rows ------------------------------------------------------------------------------


def _totals(connection: Connection, dataset_id: str, number: int) -> Totals:
    """Of a committed revision; read from its rows where it was made before sums were kept, or has lost rows to a purge."""
    this = sa.and_(revisions.c.dataset_id == dataset_id, revisions.c.number == number)
    kept = connection.execute(sa.select(revisions.c.row_sum, revisions.c.counts).where(this)).one()
    if kept.row_sum is not None:
        return Totals(int(kept.row_sum, 16), Counter(kept.counts))
    totals = Totals()
    query = sa.select(rows.c.position, rows.c.content_hash, rows.c.split).where(holds(dataset_id, number))
    for position, content_hash, split in connection.execute(query):
        totals.add(position, content_hash, split)
    return totals


def count_again(db: Database, dataset_id: str, number: int) -> None:
    """Counts and hashes of a committed revision, from the rows that it still has."""
    this = sa.and_(revisions.c.dataset_id == dataset_id, revisions.c.number == number)
    with db.write() as connection:
        connection.execute(revisions.update().where(this).values(row_sum=None))
    with db.read() as connection:
        values = _totals(connection, dataset_id, number).as_values()
    with db.write() as connection:
        connection.execute(revisions.update().where(this).values(**values))


@dataclass(frozen=True)
class Revision:
    """A committed revision. `summary` is what the studio says about it ({key, params}), `message` what a person wrote;
    `changes` counts rows {added, removed, changed} against the revision before.
    """

    number: int
    action: str
    summary: dict[str, Any] | None
    message: str
    name: str | None
    author: str
    committed_at: datetime
    counts: dict[str, int]
    changes: dict[str, int] | None
    state_of: int
    parent: int | None


_REVISION_COLUMNS = [revisions.c[name] for name in Revision.__dataclass_fields__]


def history(db: Database, dataset_id: str, *, before: int | None = None, limit: int = 50) -> list[Revision]:
    """Committed revisions, newest first, below the number `before`."""
    query = sa.select(*_REVISION_COLUMNS).where(revisions.c.dataset_id == dataset_id, revisions.c.state == "committed")
    if before is not None:
        query = query.where(revisions.c.number < before)
    with db.read() as connection:
        found = connection.execute(query.order_by(revisions.c.number.desc()).limit(limit)).mappings()
        return [Revision(**row) for row in found]


def revision_of(db: Database, dataset_id: str, number: int) -> Revision:
    """Raises NotFoundError for a number that was never committed."""
    query = sa.select(*_REVISION_COLUMNS).where(revisions.c.dataset_id == dataset_id, revisions.c.number == number)
    with db.read() as connection:
        row = connection.execute(query.where(revisions.c.state == "committed")).mappings().first()
    if row is None:
        raise NotFoundError("error.data.unknown_revision", revision=number)
    return Revision(**row)


# --- writing ----------------------------------------------------------------------------------------------------------


@dataclass
class _Pending:
    """The revision that is being written, and what it is written upon."""

    number: int
    base: int
    totals: Totals
    is_locked: bool
    state_of: int
    parent: int | None


@contextlib.contextmanager
def _alone(settings: Settings, dataset_id: str) -> Iterator[IO[str]]:
    """The dataset's lock on this host, held as long as a change and its process live. The file names the pending revision.

    Raises DataError where another change holds it for longer than a saved row takes.
    """
    path: Path = settings.folder("tmp") / f"edit-{dataset_id}.lock"
    deadline = time.monotonic() + _WAIT_S
    with path.open("a+") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DataError("error.data.busy", field="dataset") from None
                time.sleep(0.02)
        yield lock


def _begin(db: Database, lock: IO[str], dataset_id: str, values: dict[str, Any]) -> _Pending:
    _clear(db, lock, dataset_id)
    with db.write() as connection:
        query = sa.select(revisions.c.number, revisions.c.state, revisions.c.state_of).order_by(revisions.c.number)
        known = connection.execute(query.where(revisions.c.dataset_id == dataset_id)).all()
        committed = [row for row in known if row.state == "committed"]
        if not committed:
            raise NotFoundError("error.data.unknown_dataset", dataset=dataset_id)
        if any(row.state == "pending" for row in known):
            raise DataError("error.data.busy", field="dataset")
        number, base = known[-1].number + 1, committed[-1]
        whole = {"dataset_id": dataset_id, "number": number, "state": "pending", "created_at": now()}
        # Known at the commit; until then a revision of its own.
        states = {"state_of": number, "parent": base.state_of}
        connection.execute(revisions.insert().values(**states | whole | values))
    lock.seek(0)
    lock.truncate()
    lock.write(str(number))
    lock.flush()
    with db.read() as connection:
        is_locked = connection.execute(sa.select(datasets.c.locked_at).where(datasets.c.id == dataset_id)).scalar() is not None
        totals = _totals(connection, dataset_id, base.number)
    return _Pending(number, base.number, totals, is_locked, number, base.state_of)


def _clear(db: Database, lock: IO[str], dataset_id: str) -> None:
    """Take back what a killed change left; whoever holds the lock knows that nobody writes it any more on this host."""
    query = sa.select(revisions.c.number, revisions.c.created_at).where(
        revisions.c.dataset_id == dataset_id, revisions.c.state == "pending", revisions.c.number > 1
    )
    with db.read() as connection:
        left = connection.execute(query).all()
    lock.seek(0)
    ours = lock.read().strip()
    for number, created_at in left:
        if str(number) == ours or now() - created_at > _FOREIGN:
            abandon(db, dataset_id, number)


def abandon(db: Database, dataset_id: str, number: int) -> None:
    """Take back a pending revision: rows that it made go, rows that it ended hold on."""
    made = sa.select(rows.c.id).where(rows.c.dataset_id == dataset_id, rows.c.since == number).limit(_COPIED)
    ended = sa.select(rows.c.id).where(rows.c.dataset_id == dataset_id, rows.c.until == number).limit(_COPIED)
    for statement in (rows.delete().where(rows.c.id.in_(made)), rows.update().where(rows.c.id.in_(ended)).values(until=None)):
        count = 1
        while count:
            with db.write() as connection:  # a batch a transaction, so that nobody waits for a large one
                count = connection.execute(statement).rowcount
    this = sa.and_(revisions.c.dataset_id == dataset_id, revisions.c.number == number, revisions.c.state == "pending")
    with db.write() as connection:
        connection.execute(revisions.update().where(this).values(state="abandoned"))


def _commit(db: Database, dataset_id: str, pending: _Pending, changes: dict[str, int], **values: Any) -> None:
    this = sa.and_(revisions.c.dataset_id == dataset_id, revisions.c.number == pending.number)
    whole = pending.totals.as_values() | {"state": "committed", "committed_at": now(), "changes": changes}
    report = sa.select(revisions.c.report).where(revisions.c.dataset_id == dataset_id, revisions.c.number == pending.base)
    with db.write() as connection:
        whole["report"] = connection.execute(report).scalar()  # of the import: it belongs to the dataset's page
        connection.execute(revisions.update().where(this).values(**whole | values))


class Editor:
    """One change of a dataset as a `with` block: rows replaced, removed, added; visible when the block ends well.

    After it, `revision` is the new revision's number, or None where nothing changed, and `changes` counts rows {added,
    removed, changed}. Raises DataError: `busy` while another change is written; `row_changed` for a row that somebody has
    changed since it was read; `locked_test` where a row of a locked test set would change.
    """

    def __init__(
        self,
        db: Database,
        settings: Settings,
        dataset_id: str,
        *,
        author: str,
        action: str,
        summary: dict[str, Any] | None = None,
        message: str = "",
        job_id: str | None = None,
    ) -> None:
        self._db, self._settings, self._dataset_id, self._author = db, settings, dataset_id, author
        self._values = {"author": author, "action": action, "summary": summary, "message": message, "job_id": job_id}
        self._stack = contextlib.ExitStack()
        self._ending: list[int] = []
        self._new: list[PackedRow] = []
        self._last: int | None = None
        self.revision: int | None = None
        self.changes = {"added": 0, "removed": 0, "changed": 0}

    def __enter__(self) -> Editor:
        with contextlib.ExitStack() as stack:
            lock = stack.enter_context(_alone(self._settings, self._dataset_id))
            self._pending = _begin(self._db, lock, self._dataset_id, self._values)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        with self._stack:
            if kind is not None:
                abandon(self._db, self._dataset_id, self._pending.number)
                return
            try:
                self._flush()
                if any(self.changes.values()):
                    _commit(self._db, self._dataset_id, self._pending, self.changes)
                    self.revision = self._pending.number
                else:
                    self._forget()
            except BaseException:
                abandon(self._db, self._dataset_id, self._pending.number)
                raise

    def replace(self, old: StoredRow, new: NewRow) -> bool:
        """Put `new` in the place of `old`. False where both are the same."""
        if new == old.as_new():
            return False
        checked(new)
        is_moved = (old.content_hash, old.split) != (row_rules.content_hash(new.content), new.split) or old.kind != new.kind
        if is_moved and "test" in (old.split, new.split):
            self._check_unlocked()
        self._end(old)
        self._put(new, old.position)
        self.changes["changed"] += 1
        return True

    def remove(self, old: StoredRow) -> None:
        if old.split == "test":
            self._check_unlocked()
        self._end(old)
        self.changes["removed"] += 1
        self._flush_if_full()

    def add(self, new: NewRow, position: int | None = None) -> int:
        """At a free `position`, or behind all rows; returns where."""
        checked(new)
        if new.split == "test":
            self._check_unlocked()
        where = self._behind_all() if position is None else position
        self._put(new, where)
        self.changes["added"] += 1
        return where

    def _check_unlocked(self) -> None:
        if self._pending.is_locked:
            raise DataError("error.data.locked_test", field="split")

    def _end(self, old: StoredRow) -> None:
        self._ending.append(old.id)
        self._pending.totals.take(old.position, old.content_hash, old.split)

    def _put(self, new: NewRow, position: int) -> None:
        self._new.append(packed_row(new, self._dataset_id, self._pending.number, position, self._author))
        self._pending.totals.add(position, self._new[-1].content_hash, new.split)
        self._flush_if_full()

    def _behind_all(self) -> int:
        if self._last is None:
            query = sa.select(sa.func.max(rows.c.position)).where(rows.c.dataset_id == self._dataset_id)
            with self._db.read() as connection:
                self._last = connection.execute(query).scalar() or 0
        self._last = (self._last // GAP + 1) * GAP
        return self._last

    def _flush_if_full(self) -> None:
        if len(self._new) >= _BATCH or len(self._ending) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if not self._ending and not self._new:
            return
        still_held = sa.and_(rows.c.id.in_(self._ending), rows.c.until.is_(None))
        with self._db.write() as connection:
            if self._ending:
                ended = connection.execute(rows.update().where(still_held).values(until=self._pending.number)).rowcount
                if ended != len(self._ending):
                    raise DataError("error.data.row_changed", field="row")
            if self._new:
                insert_rows(connection, self._new)
        self._ending, self._new = [], []

    def _forget(self) -> None:
        this = sa.and_(revisions.c.dataset_id == self._dataset_id, revisions.c.number == self._pending.number)
        with self._db.write() as connection:
            connection.execute(revisions.delete().where(this))


def checked(new: NewRow) -> None:
    """Raises DataError unless every part of the row can be stored."""
    row_rules.check_content(new.kind, new.content)
    if new.split not in (None, *row_rules.SPLITS):
        raise DataError("error.data.unknown_split", field="split", found=new.split, expected=", ".join(row_rules.SPLITS))
    row_rules.check_storable({"tags": list(new.tags), "references": list(new.references), "rule": new.rule, "extra": new.extra})
    for name in ("group_key", "topic", "flag"):
        value = getattr(new, name)
        row_rules.check_storable(value, name)
        if value is not None and len(value) > row_rules.MAX_LABEL:
            raise DataError("error.data.label_too_long", field=name, where=name, n=len(value), limit=row_rules.MAX_LABEL)


# --- back and forth ---------------------------------------------------------------------------------------------------


def undo(db: Database, settings: Settings, dataset_id: str, author: str) -> int:
    """Take the newest change back that is not taken back yet; returns the new revision's number.

    Raises DataError where there is none.
    """
    current = history(db, dataset_id, limit=1)[0]
    made_here = revision_of(db, dataset_id, current.state_of)
    if made_here.parent is None:
        raise DataError("error.data.nothing_to_undo", field="dataset")
    summary = {"key": "data.revision.undo", "params": {"number": made_here.number}}
    return move_to(db, settings, dataset_id, made_here.parent, author=author, action="undo", summary=summary)


def redo(db: Database, settings: Settings, dataset_id: str, author: str) -> int:
    """Make the change again that was taken back last. Raises DataError where something else was changed since."""
    target = redo_target(db, dataset_id)
    if target is None:
        raise DataError("error.data.nothing_to_redo", field="dataset")
    summary = {"key": "data.revision.redo", "params": {"number": target}}
    return move_to(db, settings, dataset_id, target, author=author, action="redo", summary=summary)


def redo_target(db: Database, dataset_id: str) -> int | None:
    """The revision that `redo` would bring back: the newest one made upon the rows that hold now."""
    current = history(db, dataset_id, limit=1)[0]
    if current.action not in ("undo", "redo"):
        return None
    made_upon = sa.select(sa.func.max(revisions.c.number)).where(
        revisions.c.dataset_id == dataset_id,
        revisions.c.state == "committed",
        revisions.c.state_of == revisions.c.number,
        revisions.c.parent == current.state_of,
    )
    with db.read() as connection:
        found: int | None = connection.execute(made_upon).scalar()
        return found


def move_to(
    db: Database, settings: Settings, dataset_id: str, target: int, *, author: str, action: str, summary: dict[str, Any]
) -> int:
    """A new revision with the rows of revision `target`; returns its number. Writes what differs, and nothing else.

    `undo` and `redo` walk along what was made; any other action counts as a change of its own, which can be undone.
    """
    wanted = revision_of(db, dataset_id, target)
    values = {"author": author, "action": action, "summary": summary, "message": ""}
    with _alone(settings, dataset_id) as lock:
        pending = _begin(db, lock, dataset_id, values)
        try:
            changes = _copy_back(db, dataset_id, pending, target)
            walks = {"state_of": wanted.state_of, "parent": None} if action in ("undo", "redo") else {}
            _commit(db, dataset_id, pending, changes, **walks)
        except BaseException:
            abandon(db, dataset_id, pending.number)
            raise
    return pending.number


def _copy_back(db: Database, dataset_id: str, pending: _Pending, target: int) -> dict[str, int]:
    mine = rows.c.dataset_id == dataset_id
    later = sa.and_(mine, rows.c.since > target, rows.c.until.is_(None))
    earlier = sa.and_(mine, rows.c.since <= target, rows.c.until > target, rows.c.until <= pending.base)
    ending, places = _found(db, later, pending, pending.totals.take)
    coming, places_back = _found(db, earlier, pending, pending.totals.add)
    names = [column.name for column in rows.columns if column.name not in ("id", "since", "until")]
    for ids in _in_batches(ending):
        with db.write() as connection:
            connection.execute(rows.update().where(rows.c.id.in_(ids)).values(until=pending.number))
    for ids in _in_batches(coming):
        copies = sa.select(*(rows.c[name] for name in names), sa.literal(pending.number)).where(rows.c.id.in_(ids))
        with db.write() as connection:
            connection.execute(rows.insert().from_select([*names, "since"], copies))
    both = len(places & places_back)
    return {"added": len(places_back) - both, "removed": len(places) - both, "changed": both}


def _found(db: Database, which: Any, pending: _Pending, count: Any) -> tuple[array[int], set[int]]:
    """Ids and positions of row versions, entered into the totals. Only numbers stay in memory."""
    ids, places = array("q"), set()
    with db.read() as connection:
        query = sa.select(rows.c.id, rows.c.position, rows.c.content_hash, rows.c.split).where(which)
        for row_id, position, content_hash, split in connection.execute(query):
            if pending.is_locked and split == "test":
                raise DataError("error.data.locked_test", field="split")
            ids.append(row_id)
            places.add(position)
            count(position, content_hash, split)
    return ids, places


def _in_batches(ids: array[int]) -> Iterable[list[int]]:
    return (ids[at : at + _COPIED].tolist() for at in range(0, len(ids), _COPIED))
