"""Revisions: how rows change, and how a change is taken back. Nothing that holds at a committed revision is ever altered.

A change is written in small transactions under a pending revision, which nobody reads; one last update makes it visible. What
ends half-way leaves the revision before it whole, and what it wrote is taken back at once or, if it was killed, by whoever
changes the dataset next. Start at `Editor`; undo, redo and restore are `_move`, which writes no rows.
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
from studio.data.holding import alive, differing, holds
from studio.data.pending import abandon, alone, begin, commit, totals_of
from studio.data.review import is_draft
from studio.data.rows import NewRow
from studio.data.store import GAP, PackedRow, StoredRow, insert_rows, packed_row
from studio.data.tables import ended_again, revisions, rows
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

#: Rows that one statement reads by their ids.
_READ = 400


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
        query = query.where(alive(dataset_id, number))
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
        with self._db.write() as connection:
            if self._ending:
                self._end_these(connection)
            if self._new:
                insert_rows(connection, self._new)
        self._ending, self._new = [], []

    def _end_these(self, connection: Connection) -> None:
        number, base = self._pending.number, self._pending.base
        # The dataset's id, in a way that keeps SQLite from looking for the rows by it.
        mine = rows.c.dataset_id.concat("") == self._dataset_id
        held = sa.and_(sa.text(_by_id(self._ending)), mine, alive(self._dataset_id, base))
        n_ended = connection.execute(rows.update().where(held, rows.c.until.is_(None)).values(until=number)).rowcount
        if n_ended != len(self._ending):  # some were ended before, by a change that is taken back
            is_ended = sa.exists().where(ended_again.c.row_id == rows.c.id, ended_again.c.number == number)
            others = sa.select(rows.c.id, sa.literal(number), rows.c.dataset_id).where(held, rows.c.until <= base, ~is_ended)
            again = ended_again.insert().from_select(["row_id", "number", "dataset_id"], others)
            n_ended += connection.execute(again).rowcount
        if n_ended != len(self._ending):
            raise DataError("error.data.row_changed", field="row")


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
    if new.split is not None and is_draft(new.origin):
        raise DataError("error.data.unreviewed", field="split")
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
    """A new revision with the rows of another one, chosen while nobody else can change them. Writes no rows."""
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
            with db.read() as connection:
                pending.totals = totals_of(connection, dataset_id, wanted.number)
                if not pending.is_locked or _test_sums_differ(connection, dataset_id, pending.base, wanted.number):
                    pending.moves_test = True  # for all that is known; it matters where the test set is locked
                changes = _changes(connection, dataset_id, action, current, wanted)
            if pending.is_locked and pending.moves_test:
                pending.touch_test()
            states = {} if action == "restore" else {"state_of": wanted.state_of, "parent": None}
            commit(db, dataset_id, pending, changes, target=wanted.number, **states)
            is_done = True
        finally:
            if not is_done:
                abandon(db, dataset_id, pending.number)
    return pending.number


def _changes(
    connection: Connection, dataset_id: str, action: str, current: Revision, wanted: Revision
) -> dict[str, int]:
    """Rows that are added, removed and changed from `current` to `wanted`; of one step, what it has said of itself."""
    step = wanted.number if action == "redo" else current.state_of
    said = connection.execute(
        sa.select(revisions.c.changes).where(revisions.c.dataset_id == dataset_id, revisions.c.number == step)
    ).scalar()
    if action == "redo" and said is not None:
        return dict(said)
    if action == "undo" and said is not None:
        return {"added": said["removed"], "removed": said["added"], "changed": said["changed"]}
    going, coming = (
        set(connection.execute(sa.select(rows.c.position).where(which)).scalars())
        for which in (differing(dataset_id, current.number, wanted.number), differing(dataset_id, wanted.number, current.number))
    )
    both = len(going & coming)
    return {"added": len(coming) - both, "removed": len(going) - both, "changed": both}


def _test_sums_differ(connection: Connection, dataset_id: str, one: int, other: int) -> bool:
    """Whether what a locked test set holds on to is another thing at two revisions."""
    sums = [0, 0]
    scored = (sa.type_coerce(rows.c[name], sa.Text) for name in ("references", "rule"))
    query = sa.select(rows.c.content_hash, *scored).where(rows.c.split == "test")
    for at, (here, there) in enumerate(((one, other), (other, one))):
        for words in connection.execute(query.where(differing(dataset_id, here, there))):
            sums[at] += row_term(0, "".join(map(str, words)), "test")
    return sums[0] != sums[1]


def _by_id(ids: Sequence[int]) -> str:
    """Row versions by their ids, written into the statement: as parameters, hundreds are slow with PostgreSQL's driver."""
    return f"rows.id IN ({','.join(map(str, ids))})"


def _in_batches(ids: array[int]) -> Iterable[array[int]]:
    return (ids[at : at + _READ] for at in range(0, len(ids), _READ))
