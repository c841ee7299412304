"""Revisions: how rows change, and how a change is taken back. Nothing that holds at a committed revision is ever altered.

A change is written in small transactions under a pending revision, which nobody reads; one last update makes it visible. What
ends half-way leaves the revision before it whole, and what it wrote is taken back at once or, if it was killed, by whoever
changes the dataset next. Start at `Editor`; undo, redo and restore are `_move`.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.data import rows as row_rules
from studio.data.pending import COPIED, Pending, abandon, alone, begin, commit, totals_of
from studio.data.rows import NewRow
from studio.data.store import GAP, PackedRow, StoredRow, holds, insert_rows, packed_row
from studio.data.tables import revisions, rows
from studio.data.totals import row_term
from studio.db import Database
from studio.errors import DataError, NotFoundError
from studio.settings import Settings

__all__ = [
    "Editor",
    "Revision",
    "abandon",
    "count_again",
    "history",
    "moves_test",
    "newest",
    "redo",
    "redo_target",
    "restore",
    "revision_of",
    "rows_at",
    "rows_by_id",
    "undo",
    "undo_target",
]

#: Rows a transaction writes: of 1 kB each, about 10 ms on SQLite and 20 ms on PostgreSQL (CONTRACTS 3: at most 100 ms).
_BATCH = 200
_BATCH_POSTGRESQL = 100


# --- what a revision says about its rows ------------------------------------------------------------------------------


def count_again(db: Database, dataset_id: str, number: int) -> None:
    """Counts and hashes of a committed revision, from the rows that it still has."""
    this = sa.and_(revisions.c.dataset_id == dataset_id, revisions.c.number == number)
    with db.write() as connection:
        connection.execute(revisions.update().where(this).values(row_sum=None))
    with db.read() as connection:
        values = totals_of(connection, dataset_id, number).as_values()
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


# --- single rows of a revision ----------------------------------------------------------------------------------------

_ROW_COLUMNS = [rows.c[name] for name in StoredRow.__dataclass_fields__]


def rows_at(db: Database, dataset_id: str, number: int, positions: Sequence[int]) -> list[StoredRow]:
    """The rows that hold at these positions, in order; for a page of them."""
    query = sa.select(*_ROW_COLUMNS).where(holds(dataset_id, number), rows.c.position.in_(positions))
    with db.read() as connection:
        return [StoredRow(**row) for row in connection.execute(query.order_by(rows.c.position)).mappings()]


def rows_by_id(db: Database, dataset_id: str, ids: Sequence[int], number: int | None = None) -> list[StoredRow]:
    """Row versions of a dataset in order; with a `number`, those that hold at that revision. Others are left out."""
    # The dataset's id, in a way that keeps SQLite from looking for the rows by it.
    query = sa.select(*_ROW_COLUMNS).where(rows.c.dataset_id.concat("") == dataset_id)
    if number is not None:
        query = query.where(rows.c.since <= number, sa.or_(rows.c.until.is_(None), rows.c.until > number))
    found: list[StoredRow] = []
    for some in _in_batches(array("q", ids)):
        with db.read() as connection:
            found += [StoredRow(**row) for row in connection.execute(query.where(sa.text(_by_id(some)))).mappings()]
    return sorted(found, key=lambda row: (row.position, row.id))


# --- writing ----------------------------------------------------------------------------------------------------------


class Editor:
    """One change of a dataset as a `with` block: rows replaced, removed, added; visible when the block ends well.

    Inside, `base` is the revision that it is written upon, and `summary` may be completed. After it, `revision` is the new
    revision's number, or None where nothing changed, and `changes` counts rows {added, removed, changed}. Raises DataError:
    `busy` while another change is written; `row_changed` for a row that somebody has changed since it was read; `locked_test`
    where a row of a locked test set would change.
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
        self.summary = summary
        self.revision: int | None = None
        self.changes = {"added": 0, "removed": 0, "changed": 0}

    @property
    def base(self) -> int:
        return self._pending.base

    @property
    def is_locked(self) -> bool:
        """Whether the dataset's test set is locked."""
        return self._pending.is_locked

    def __enter__(self) -> Editor:
        row_rules.check_storable(self._values["message"], "message")
        with contextlib.ExitStack() as stack:
            lock = stack.enter_context(alone(self._settings, self._dataset_id))
            self._pending = begin(self._db, lock, self._dataset_id, self._values)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        with self._stack:
            try:
                if kind is None and any(self.changes.values()):
                    self._flush()
                    commit(self._db, self._dataset_id, self._pending, self.changes, summary=self.summary)
                    self.revision = self._pending.number
            finally:
                if self.revision is None:
                    abandon(self._db, self._dataset_id, self._pending.number)

    def replace(self, old: StoredRow, new: NewRow) -> bool:
        """Put `new` in the place of `old`. False where both are the same."""
        if new == old.as_new():
            return False
        checked(new)
        if moves_test(old, [new]):
            self._pending.touch_test()
        self._end(old)
        self._put(new, old.position)
        self.changes["changed"] += 1
        return True

    def remove(self, old: StoredRow) -> None:
        if old.split == "test":
            self._pending.touch_test()
        self._end(old)
        self.changes["removed"] += 1
        self._flush_if_full()

    def add(self, new: NewRow, position: int | None = None) -> int:
        """At a free `position`, or behind all rows; returns where."""
        checked(new)
        if new.split == "test":
            self._pending.touch_test()
        where = self._behind_all() if position is None else position
        self._put(new, where)
        self.changes["added"] += 1
        return where

    def move(self, old: StoredRow, position: int) -> None:
        """The same row at another position: for whoever compares, one that goes and one that comes."""
        self._end(old)
        self._put(old.as_new(), position)
        self.changes["removed"] += 1
        self.changes["added"] += 1

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
        if max(len(self._new), len(self._ending)) >= (_BATCH if self._db.is_sqlite else _BATCH_POSTGRESQL):
            self._flush()

    def _flush(self) -> None:
        if not self._ending and not self._new:
            return
        # The dataset's id, in a way that keeps SQLite from looking for the rows by it.
        mine = rows.c.dataset_id.concat("") == self._dataset_id
        still_held = sa.and_(sa.text(_by_id(self._ending)), rows.c.until.is_(None), mine)
        with self._db.write() as connection:
            if self._ending:
                end = rows.update().where(still_held).values(until=self._pending.number)
                if connection.execute(end).rowcount != len(self._ending):
                    raise DataError("error.data.row_changed", field="row")
            if self._new:
                insert_rows(connection, self._new)
        self._ending, self._new = [], []


def moves_test(old: StoredRow, new: Sequence[NewRow]) -> bool:
    """Whether a test set is another one with `new` in the place of `old`. Its rows may be tagged, flagged and grouped."""
    before = [_tested(row) for row in (old.as_new(),) if row.split == "test"]
    return before != [_tested(row) for row in new if row.split == "test"]


def _tested(row: NewRow) -> tuple[object, ...]:
    return row.kind, row.content, list(row.references), row.rule


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


def newest(db: Database, dataset_id: str) -> Revision:
    """Raises NotFoundError for an unknown dataset, or one without a committed revision."""
    found = history(db, dataset_id, limit=1)
    if not found:
        raise NotFoundError("error.data.unknown_dataset", dataset=dataset_id)
    return found[0]


def undo(db: Database, settings: Settings, dataset_id: str, author: str) -> int:
    """Take the newest change back that is not taken back yet; returns the new revision's number.

    Raises DataError where there is none.
    """

    def target(current: Revision) -> int:
        found = undo_target(db, dataset_id, current)
        if found is None:
            raise DataError("error.data.nothing_to_undo", field="dataset")
        return found

    return _move(db, settings, dataset_id, author, "undo", target)


def undo_target(db: Database, dataset_id: str, current: Revision) -> int | None:
    """The revision whose rows `undo` would bring back."""
    return revision_of(db, dataset_id, current.state_of).parent


def redo(db: Database, settings: Settings, dataset_id: str, author: str) -> int:
    """Make the change again that was taken back last. Raises DataError where something else was changed since."""

    def target(current: Revision) -> int:
        found = redo_target(db, dataset_id, current)
        if found is None:
            raise DataError("error.data.nothing_to_redo", field="dataset")
        return found

    return _move(db, settings, dataset_id, author, "redo", target)


def redo_target(db: Database, dataset_id: str, current: Revision) -> int | None:
    """The revision that `redo` would bring back: the newest one made upon the rows that hold now."""
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


def restore(db: Database, settings: Settings, dataset_id: str, number: int, author: str) -> int:
    """The rows of an earlier revision again, as a change of its own, which can be undone; returns its number.

    Raises NotFoundError for an unknown revision, and DataError where its rows are those that hold now.
    """

    def target(current: Revision) -> int:
        if revision_of(db, dataset_id, number).state_of == current.state_of:
            raise DataError("error.data.nothing_to_restore", field="dataset", number=number)
        return number

    return _move(db, settings, dataset_id, author, "restore", target)


def _move(
    db: Database, settings: Settings, dataset_id: str, author: str, action: str, choose: Callable[[Revision], int]
) -> int:
    """A new revision with the rows of another one, chosen while nobody else can change them. Writes what differs only."""
    with alone(settings, dataset_id) as lock:
        current = newest(db, dataset_id)
        wanted = revision_of(db, dataset_id, choose(current))
        # What a person sees: the change that was taken back, the one made again, the revision restored.
        shown = current.state_of if action == "undo" else wanted.number
        summary = {"key": f"data.revision.{action}", "params": {"number": shown}}
        values = {"author": author, "action": action, "summary": summary, "message": "", "job_id": None}
        pending = begin(db, lock, dataset_id, values)
        is_done = False
        try:
            if pending.base != current.number:  # changed from another host, which this lock does not keep out
                raise DataError("error.data.busy", field="dataset")
            changes = _copy_back(db, dataset_id, pending, wanted.number)
            states = {} if action == "restore" else {"state_of": wanted.state_of, "parent": None}
            commit(db, dataset_id, pending, changes, **states)
            is_done = True
        finally:
            if not is_done:
                abandon(db, dataset_id, pending.number)
    return pending.number


def _copy_back(db: Database, dataset_id: str, pending: Pending, target: int) -> dict[str, int]:
    mine = rows.c.dataset_id == dataset_id
    later = sa.and_(mine, rows.c.since > target, rows.c.until.is_(None))
    earlier = sa.and_(mine, rows.c.since <= target, rows.c.until > target, rows.c.until <= pending.base)
    with db.read() as connection:
        going, coming = _Found.of(connection, later), _Found.of(connection, earlier)
        if going.test_sum != coming.test_sum:
            pending.touch_test()
        pending.totals = totals_of(connection, dataset_id, target)
    names = ", ".join(f'"{column.name}"' for column in rows.columns if column.name not in ("id", "since", "until"))
    copy = f"INSERT INTO rows ({names}, since) SELECT {names}, {pending.number} FROM rows"
    # Of numbers only, and in the drivers' own words: SQLAlchemy would take as long for a batch as the database.
    for ids in _in_batches(going.ids):
        with db.write() as connection:
            connection.exec_driver_sql(f"UPDATE rows SET until = {pending.number} WHERE {_by_id(ids)}")
    for ids in _in_batches(coming.ids):
        with db.write() as connection:
            connection.exec_driver_sql(f"{copy} WHERE {_by_id(ids)}")
    both = len(going.places & coming.places)
    return {"added": len(coming.places) - both, "removed": len(going.places) - both, "changed": both}


@dataclass
class _Found:
    """Row versions by id and position; only numbers stay in memory. `test_sum` is over what a locked test set holds on to:
    where two are equal, no row of it differs.
    """

    ids: array[int]
    places: set[int]
    test_sum: int = 0

    @classmethod
    def of(cls, connection: Connection, which: sa.ColumnElement[bool]) -> _Found:
        found, has_test = cls(array("q"), set()), False
        for row_id, position, split in connection.execute(sa.select(rows.c.id, rows.c.position, rows.c.split).where(which)):
            found.ids.append(row_id)
            found.places.add(position)
            has_test |= split == "test"
        if has_test:
            scored = (sa.type_coerce(rows.c[name], sa.Text) for name in ("references", "rule"))
            query = sa.select(rows.c.content_hash, *scored).where(which, rows.c.split == "test")
            for words in connection.execute(query):
                found.test_sum += row_term(0, "".join(map(str, words)), "test")
        return found


def _by_id(ids: Sequence[int]) -> str:
    """Row versions by their ids, written into the statement: as parameters, hundreds are slow with PostgreSQL's driver."""
    return f"rows.id IN ({','.join(map(str, ids))})"


def _in_batches(ids: array[int]) -> Iterable[array[int]]:
    return (ids[at : at + COPIED] for at in range(0, len(ids), COPIED))
