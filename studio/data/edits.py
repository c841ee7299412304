"""What people may do with rows: change one, add one, change many, look at what was done, take it back.

A person opens a version of a row and saves upon it: whoever saved meanwhile is never overwritten. Every change is a revision.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from studio.access import Actor, allows
from studio.data import compare, revisions, store
from studio.data.bulk import Applied, BulkPreview, BulkSpec, apply_bulk, is_small, preview_bulk
from studio.data.compare import Comparison, Window, row_number
from studio.data.holding import holds
from studio.data.revisions import Editor, Revision
from studio.data.rows import MAX_LABEL, NewRow, check_storable
from studio.data.store import GAP, StoredRow
from studio.data.tables import revisions as revision_table
from studio.data.tables import rows
from studio.db import Database
from studio.errors import DataError, NotFoundError
from studio.jobs.queue import insert_job
from studio.jobs.tables import jobs
from studio.settings import Settings

__all__ = ["EditService", "NewRowFields", "RowChanges", "RowConflictError"]

#: Comparisons that are kept: pages of one are asked for one after the other.
_KEPT_WINDOWS = 8

#: Rows that are moved at most to make room for a new one between two others.
_MOST_MOVED = 500
#: Room between rows that were moved: for about four new ones at the same place.
_ROOMY = 16


class RowConflictError(DataError):
    """Somebody else has changed the row since it was opened. `theirs` is what holds now; None: they have removed it."""

    def __init__(self, theirs: StoredRow | None) -> None:
        super().__init__("error.data.row_gone" if theirs is None else "error.data.row_changed", field="row")
        self.theirs = theirs


class RowChanges(BaseModel):
    """Fields of a row that are to be another; what is not set stays as it is. None empties a field that may be empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: dict[str, Any] | None = None
    split: str | None = None
    tags: list[str] | None = None
    topic: str | None = None
    flag: str | None = None
    references: list[str] | None = None
    group_key: str | None = None

    def on(self, row: NewRow) -> NewRow:
        given = {name: getattr(self, name) for name in self.model_fields_set & RowChanges.model_fields.keys()}
        always = ("content", "tags", "references")  # a row is never without
        return replace(row, **{name: value for name, value in given.items() if value is not None or name not in always})


class NewRowFields(RowChanges):
    """A row that somebody writes."""

    kind: str


class EditService:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._applying = threading.Lock()
        self._windows: OrderedDict[tuple[object, ...], Window] = OrderedDict()

    # 1 One row

    @allows("dataset.write")
    def save_row(self, actor: Actor, dataset_id: str, row_id: int, changes: RowChanges) -> StoredRow:
        """Change the row version that somebody has opened; returns the one that holds now.

        Saved again, it is the same. Raises RowConflictError where somebody else was faster, in whatever field: the person
        decides. Raises NotFoundError for a row that never was in this dataset, and DataError as `revisions.Editor` does.
        """
        while True:
            opened, current = self._opened(dataset_id, row_id)
            wanted = changes.on(opened.as_new())
            if current is not None and current.as_new() == wanted:
                return current
            if current is None or current.id != row_id:
                raise RowConflictError(current)
            try:
                summary = {"key": "data.revision.edit", "params": {"row": row_number(current.position)}}
                with self._editor(actor, dataset_id, "edit", summary) as edit:
                    edit.replace(current, wanted)
            except DataError as error:
                if error.key != "error.data.row_changed":
                    raise
                continue  # changed between the look and the lock: look again, and tell
            return self._at(dataset_id, current.position)

    def _opened(self, dataset_id: str, row_id: int) -> tuple[StoredRow, StoredRow | None]:
        """The version that a person has before them, and the one that holds in its place now."""
        info = store.dataset_info(self._db, dataset_id)
        found = revisions.rows_by_id(self._db, dataset_id, [row_id])
        if not found:
            raise NotFoundError("error.data.unknown_row", row=row_id)
        now = revisions.rows_at(self._db, dataset_id, info.revision, [found[0].position])
        return found[0], now[0] if now else None

    @allows("dataset.write")
    def add_row(
        self,
        actor: Actor,
        dataset_id: str,
        new: NewRowFields,
        *,
        after_position: int | None = None,
        request_id: str | None = None,
    ) -> StoredRow:
        """Write a new row behind all others, or behind the one at a position; the same request twice is one row.

        Between two rows there is room for some; when it is used up, the rows that follow move a little, which changes their
        numbers (and shows in a comparison as removed and added). Raises DataError where hundreds would have to move.
        """
        row = new.on(NewRow(new.kind, new.content or {}, origin={"type": "edit"}))
        summary = {"key": "data.revision.add", "params": {}}
        with self._applying, self._editor(actor, dataset_id, "add", summary) as edit:
            known = self._added_by(dataset_id, request_id)
            if known is not None:
                return known
            position = edit.add(row, None if after_position is None else self._room(dataset_id, edit, after_position))
            told = {"request": request_id} if request_id else {}
            edit.summary = {"key": summary["key"], "params": {"row": row_number(position)}, "position": position} | told
        return self._at(dataset_id, position)

    def _added_by(self, dataset_id: str, request_id: str | None) -> StoredRow | None:
        if request_id is None:
            return None
        for made in revisions.history(self._db, dataset_id, limit=100):
            summary = made.summary or {}
            if summary.get("request") == request_id:
                return revisions.rows_at(self._db, dataset_id, made.number, [summary["position"]])[0]
        return None

    def _room(self, dataset_id: str, edit: Editor, position: int) -> int:
        """A free position right behind one."""
        held = sa.select(rows.c.position).where(holds(dataset_id, edit.base))
        following = held.where(rows.c.position > position).order_by(rows.c.position).limit(_MOST_MOVED + 1)
        with self._db.read() as connection:
            if connection.execute(held.where(rows.c.position == position)).first() is None:
                raise DataError("error.data.row_gone", field="after_position")
            behind: list[int] = list(connection.execute(following).scalars())
        if not behind:
            return (position // GAP + 1) * GAP
        if behind[0] - position > 1:
            return (position + behind[0]) // 2
        return self._make_room(dataset_id, edit, position, behind)

    def _make_room(self, dataset_id: str, edit: Editor, position: int, behind: list[int]) -> int:
        """Move the rows that follow a little, as few as give each of them room again; returns the first place."""
        whole = [*behind, behind[-1] + GAP * (len(behind) + 1)] if len(behind) <= _MOST_MOVED else behind
        steps = [(whole[n] - position) // (n + 2) for n in range(1, len(whole))]  # where n rows move
        step = next((step for step in steps if step >= _ROOMY), max(steps))
        if step < 2:
            raise DataError("error.data.no_room", field="after_position")
        n = steps.index(step) + 1
        for at, row in enumerate(revisions.rows_at(self._db, dataset_id, edit.base, behind[:n]), start=2):
            edit.move(row, position + step * at)
        return position + step

    # 2 Many rows

    @allows("dataset.read")
    def preview(self, actor: Actor, spec: BulkSpec) -> BulkPreview:
        """What a bulk change would do, within about two seconds."""
        return preview_bulk(self._db, self._settings, spec)

    @allows("dataset.write")
    def apply(self, actor: Actor, spec: BulkSpec, *, request_id: str) -> Applied:
        """Do it: at once for up to 10,000 rows, else as a job. The same request twice is one change."""
        info = store.dataset_info(self._db, spec.dataset)
        with self._db.read() as connection:
            known = connection.execute(sa.select(jobs.c.id).where(jobs.c.request_id == request_id)).scalar()
        if known is not None:
            return Applied(info.id, job_id=known)
        if is_small(self._db, self._settings, spec, info):
            with self._applying:  # a double click arrives as two threads: the second finds what the first has made
                return apply_bulk(self._db, self._settings, spec, actor.user_id, request_id=request_id)
        with self._db.write() as connection:
            job_id = insert_job(
                connection, spec=spec.as_dict(), name=info.name, author=actor.user_id, request_id=request_id
            )
        return Applied(info.id, job_id=job_id)

    # 3 What was done

    @allows("dataset.read")
    def history(self, actor: Actor, dataset_id: str, before: int | None = None, limit: int = 50) -> list[Revision]:
        """Newest first, below the number `before`."""
        return revisions.history(self._db, dataset_id, before=before, limit=limit)

    @allows("dataset.read")
    def can(self, actor: Actor, dataset_id: str) -> tuple[bool, bool]:
        """Whether something can be undone, and redone."""
        current = revisions.newest(self._db, dataset_id)
        targets = (find(self._db, dataset_id, current) for find in (revisions.undo_target, revisions.redo_target))
        can_undo, can_redo = (target is not None for target in targets)
        return can_undo, can_redo

    @allows("dataset.write")
    def undo(self, actor: Actor, dataset_id: str) -> Revision:
        """Take the newest change back. Raises DataError where there is none."""
        return self._revision(dataset_id, revisions.undo(self._db, self._settings, dataset_id, actor.user_id))

    @allows("dataset.write")
    def redo(self, actor: Actor, dataset_id: str) -> Revision:
        """Make the change again that was taken back last. Raises DataError where there is none."""
        return self._revision(dataset_id, revisions.redo(self._db, self._settings, dataset_id, actor.user_id))

    @allows("dataset.write", tells=("number",))
    def restore(self, actor: Actor, dataset_id: str, number: int) -> Revision:
        """The rows of an earlier revision again, as a change that can be undone."""
        return self._revision(dataset_id, revisions.restore(self._db, self._settings, dataset_id, number, actor.user_id))

    @allows("dataset.write", tells=("number",))
    def name_revision(self, actor: Actor, dataset_id: str, number: int, name: str) -> Revision:
        """Give a revision a name, or take it away with an empty one."""
        name = name.strip()
        check_storable(name, "name")
        if len(name) > MAX_LABEL:
            raise DataError("error.data.label_too_long", field="name", where="name", n=len(name), limit=MAX_LABEL)
        self._revision(dataset_id, number)
        this = sa.and_(revision_table.c.dataset_id == dataset_id, revision_table.c.number == number)
        with self._db.write() as connection:
            connection.execute(revision_table.update().where(this).values(name=name or None))
        return self._revision(dataset_id, number)

    @allows("dataset.read")
    def compare(
        self, actor: Actor, dataset_id: str, older: int, newer: int, *, after: int | None = None, limit: int = 50
    ) -> Comparison:
        """Rows that differ between two revisions, in order, behind the position `after`."""
        hashes = [self._hash(dataset_id, number) for number in (older, newer)]
        key = (dataset_id, older, newer, *hashes)  # a purge changes what a revision is
        first = self._window(key, 0)
        window = first if after is None or first.has(after) else self._window(key, after)
        return compare.compare_page(
            self._db, dataset_id, older, newer, first=first, window=window, after=after or 0, limit=limit
        )

    def _window(self, key: tuple[Any, ...], after: int) -> Window:
        for known, window in list(self._windows.items()):
            if known[:-1] == key and window.has(after):
                self._windows.move_to_end(known)
                return window
        window = compare.read_window(self._db, key[0], key[1], key[2], start=after)
        self._windows[*key, after] = window
        if len(self._windows) > _KEPT_WINDOWS:
            self._windows.popitem(last=False)
        return window

    def _hash(self, dataset_id: str, number: int) -> str | None:
        self._revision(dataset_id, number)
        this = sa.and_(revision_table.c.dataset_id == dataset_id, revision_table.c.number == number)
        with self._db.read() as connection:
            found: str | None = connection.execute(sa.select(revision_table.c.content_hash).where(this)).scalar()
            return found

    def _revision(self, dataset_id: str, number: int) -> Revision:
        return revisions.revision_of(self._db, dataset_id, number)

    def _editor(self, actor: Actor, dataset_id: str, action: str, summary: dict[str, Any]) -> Editor:
        return Editor(self._db, self._settings, dataset_id, author=actor.user_id, action=action, summary=summary)

    def _at(self, dataset_id: str, position: int) -> StoredRow:
        """What holds at a position that was written a moment ago. Raises RowConflictError if it is gone again."""
        info = store.dataset_info(self._db, dataset_id)
        found = revisions.rows_at(self._db, dataset_id, info.revision, [position])
        if not found:
            raise RowConflictError(None)
        return found[0]
