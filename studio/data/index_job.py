"""Keeping the search index: who needs one (`wanted`), and the job that builds it and follows the changes.

    rows ──► search/<dataset>.<n>.db        first for one revision, in order of positions, unseen until it is complete
      └────► the same file                  then the rows of every later revision
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.data import holding, search_index, store
from studio.data.search_index import IndexWriter, NoRoomError
from studio.data.tables import datasets, revisions, rows
from studio.db import Database
from studio.ids import now
from studio.jobs.context import JobContext
from studio.jobs.queue import ENDED, insert_job
from studio.jobs.spec import Spec, checked
from studio.jobs.tables import jobs
from studio.settings import Settings

__all__ = ["IndexSpec", "n_unindexed", "run_index", "update_index", "wanted"]

log = logging.getLogger("studio.data")

#: A dataset up to this size is looked through as quickly as an index is opened.
MIN_ROWS = 20_000

#: Rows changed since the index was brought up to date: so many are read beside it in about 20 ms.
MAX_TAIL = 5_000

#: An index that could not be built, or that somebody stopped, is not tried again before this.
_PAUSE = timedelta(minutes=10)

#: Rows that one look at the database reads; rows that one transaction of the index adds.
_READ = 2_000
_CHUNK = 20_000

Tell = Callable[[int, int], None]


class IndexSpec(Spec):
    """Build or bring up to date the search index of a dataset."""

    kind: str = "index"
    dataset: str


# --- who needs one ----------------------------------------------------------------------------------------------------


def wanted(db: Database, settings: Settings, dataset_id: str, *, author: str) -> str | None:
    """Queue the job where the dataset needs it, and return its id. Cheap, and as often as you like: call it after rows were
    written. None where there is nothing to do, or where somebody is at it.
    """
    with search_index.open_index(settings, dataset_id) as index:
        state = index.state if index is not None else None
    with db.read() as connection:
        newest: int = connection.execute(_newest(dataset_id)).scalar() or 0
        is_good = state is not None and holding.is_continued(connection, dataset_id, state.floor, newest)
        indexed = state.revision if state is not None and is_good else 0
        n_rows = n_unindexed(connection, dataset_id, indexed)
        if n_rows <= (MAX_TAIL if indexed else MIN_ROWS) or _is_tried(connection, dataset_id):
            return None
    with db.write() as connection:
        name = connection.execute(sa.select(datasets.c.name).where(datasets.c.id == dataset_id)).scalar()
        if name is None or _is_tried(connection, dataset_id):
            return None
        return insert_job(connection, spec=IndexSpec(dataset=dataset_id).as_dict(), name=name, author=author)


def _newest(dataset_id: str) -> sa.Select[Any]:
    mine = sa.and_(revisions.c.dataset_id == dataset_id, revisions.c.state == "committed")
    return sa.select(sa.func.max(revisions.c.number)).where(mine)


def n_unindexed(connection: Connection, dataset_id: str, indexed: int, upto: int | None = None) -> int:
    """Row versions of the committed revisions behind `indexed`, up to the newest or `upto`, by what they say of themselves."""
    query = sa.select(revisions.c.changes, revisions.c.counts).where(
        revisions.c.dataset_id == dataset_id,
        revisions.c.number > indexed,
        revisions.c.state == "committed",
        holding.wrote_rows(),
    )
    if upto is not None:
        query = query.where(revisions.c.number <= upto)
    # A revision from before changes were counted: its rows are more than enough.
    return sum(
        sum((counts or {}).values()) if changes is None else changes["added"] + changes["changed"]
        for changes, counts in connection.execute(query)
    )


def _is_tried(connection: Connection, dataset_id: str) -> bool:
    """A job for the dataset waits or runs, or ended without an index a moment ago."""
    lately = sa.and_(jobs.c.state.in_(set(ENDED) - {"finished"}), jobs.c.ended_at > now() - _PAUSE)
    query = sa.select(jobs.c.spec).where(jobs.c.kind == "index", sa.or_(jobs.c.state.not_in(ENDED), lately))
    return any(spec.get("dataset") == dataset_id for spec in connection.execute(query).scalars())


# --- the job ----------------------------------------------------------------------------------------------------------


def run_index(context: JobContext) -> dict[str, Any]:
    """The job `index`. Stopped or killed, its next attempt goes on behind the last chunk."""
    spec = checked(IndexSpec, context.spec)
    context.phase("indexing")
    began, first = time.monotonic(), -1

    def tell(done: int, total: int) -> None:
        nonlocal first
        first = done if first < 0 else first
        rate = (done - first) / max(time.monotonic() - began, 0.001)
        context.progress(done, total, "rows", eta_s=(total - done) / rate if rate else None)

    _remove_orphans(context.db, context.settings)
    revision = update_index(context.db, context.settings, spec.dataset, tell=tell, check_stop=context.check_stop)
    return {"dataset_id": spec.dataset, "revision": revision}


def update_index(
    db: Database,
    settings: Settings,
    dataset_id: str,
    *,
    tell: Tell = lambda done, total: None,
    check_stop: Callable[[], None] = lambda: None,
) -> int:
    """Make the dataset's index know its newest revision, whatever there is of it; returns that revision's number.

    `check_stop` is called often; what it raises ends the work. Raises NotFoundError for a dataset that is not there.
    """
    info = store.dataset_info(db, dataset_id)
    path = _usable(settings, dataset_id)
    if path is None or not _is_worth_it(db, path, info):
        path = _built(db, settings, info, tell, check_stop)
    try:
        _follow(db, path, info, tell, check_stop)
    except NoRoomError:
        _follow(db, _built(db, settings, info, tell, check_stop), info, tell, check_stop)
    return info.revision


def _usable(settings: Settings, dataset_id: str) -> Path | None:
    """The newest complete file."""
    newest_first = reversed(search_index.files(settings, dataset_id))
    return next((path for path in newest_first if search_index.state_of(path).revision), None)


def _is_worth_it(db: Database, path: Path, info: store.DatasetInfo) -> bool:
    """Whether to go on with a file: a row that it left out may hold again, or most of it be rows that hold no more."""
    state = search_index.state_of(path)
    with db.read() as connection:
        if not holding.is_continued(connection, info.id, state.floor, info.revision):
            return False
        coming = n_unindexed(connection, info.id, state.revision)
    return state.n_docs + coming <= 2 * info.n_rows + MIN_ROWS


def _built(db: Database, settings: Settings, info: store.DatasetInfo, tell: Tell, check_stop: Callable[[], None]) -> Path:
    """A new file with the rows of one revision; the ones before it go when it is complete."""
    earlier = search_index.files(settings, info.id)
    begun = next((path for path in reversed(earlier) if _is_begun(path)), None)
    path = begun or search_index.new_file(settings, info.id)
    writer = IndexWriter(path, None if begun else info.revision)
    try:
        target = writer.state.target
        for chunk, after in _chunks(db, holding.holds(info.id, target), (rows.c.position,), writer.state.after[:1], check_stop):
            writer.build(chunk, (after[0], -1))
            tell(min(writer.state.n_docs, info.n_rows), info.n_rows)
        writer.finish()
    finally:
        writer.close()
    for old in earlier:
        if old != path:
            search_index.remove(old)
    return path


def _is_begun(path: Path) -> bool:
    """A file of this format that was not completed."""
    state = search_index.state_of(path)
    return state.revision == 0 and state.target > 0


def _follow(db: Database, path: Path, info: store.DatasetInfo, tell: Tell, check_stop: Callable[[], None]) -> None:
    """Add the rows of the revisions behind the one that the file knows."""
    writer = IndexWriter(path)
    try:
        while writer.state.revision < info.revision:
            writer.begin(info.revision)
            state = writer.state
            with db.read() as connection:
                total = n_unindexed(connection, info.id, state.revision, state.target)
            of_these = sa.and_(rows.c.dataset_id == info.id, rows.c.since > state.revision, rows.c.since <= state.target)
            done = 0
            for chunk, after in _chunks(db, of_these, (rows.c.since, rows.c.id), state.after, check_stop):
                writer.add(chunk, (after[0], after[1]))
                done += len(chunk)
                tell(min(done, total), total)
            writer.finish()
    finally:
        writer.close()


_COLUMNS = [
    sa.type_coerce(rows.c[name], sa.Text).label(name) if name in ("tags", "origin", "content") else rows.c[name]
    for name in IndexWriter.COLUMNS
]


def _chunks(
    db: Database,
    which: sa.ColumnElement[bool],
    key: tuple[sa.Column[int], ...],
    after: tuple[int, ...],
    check_stop: Callable[[], None],
) -> Iterator[tuple[list[Any], tuple[int, ...]]]:
    """Rows in the order of `key`, behind `after`, with the key of the last one; each look at the database is a short one."""
    chunk: list[Any] = []
    query = sa.select(*_COLUMNS).where(which).order_by(*key).limit(_READ)
    while True:
        check_stop()
        with db.read() as connection:
            found = connection.execute(query.where(sa.tuple_(*key) > after if len(key) > 1 else key[0] > after[0])).all()
        chunk += found
        if found:
            after = tuple(getattr(found[-1], column.name) for column in key)
        if chunk and (len(chunk) >= _CHUNK or len(found) < _READ):
            yield chunk, after
            chunk = []
        if len(found) < _READ:
            return


def _remove_orphans(db: Database, settings: Settings) -> None:
    """Files of datasets that are gone."""
    with db.read() as connection:
        known = set(connection.execute(sa.select(datasets.c.id)).scalars())
    for path in settings.folder("search").glob("*.db"):
        if search_index.dataset_of(path) not in known:
            search_index.remove(path)
            log.info("removed %s: its dataset is gone", path.name)
