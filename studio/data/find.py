"""Finding rows: a page of those that match a filter, in some order; all of them; how many there are.

    candidates ──► the rows themselves, a batch at a time ──► `Matcher.accepts` ──► a page
       index: docs in order, and what was changed since it was made, merged
       scan:  every row, where there is no index or it says nothing about the filter

Whichever way, the same rows come out. A page ends with `limit` rows, with the dataset, or with the time that a person waits;
then it tells how far it got. Places are told by keys, never by counting: `(position)`, `(n_chars, position)` or
`(-since, position)`. Of a position, one version holds at a revision.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from studio.data import search_index
from studio.data.filters import Filter, Matcher
from studio.data.holding import alive, is_continued, wrote_rows
from studio.data.index_job import n_unindexed
from studio.data.search_index import Candidate, IndexReader
from studio.data.search_tokens import expression
from studio.data.store import GAP, DatasetInfo, StoredRow
from studio.data.tables import revisions, rows
from studio.db import Database
from studio.errors import DataError
from studio.settings import Settings

__all__ = ["END", "Cursor", "Filter", "Page", "Sort", "count", "known_count", "matching", "page"]

log = logging.getLogger("studio.data")

Sort = Literal["position", "longest", "shortest", "newest"]

#: A place between two rows, in an order: short, safe in a URL, nothing to read.
Cursor = str

#: The place behind the last row; `before=END` is the last page.
END: Cursor = "end"

#: A page that has looked for so long shows what it has (seconds).
_PATIENCE_S = 1.0

#: With more rows changed since the index was made, looking through all of them in order is quicker.
_MAX_TAIL = 50_000

#: Row versions that a scan looks at in one read, and candidates that are looked up in one.
_WINDOW = 5_000
_MOST_IDS = 1_000

#: Revisions with fewer rows are read together and sorted.
_SMALL = 2_000

#: Rows that `matching` holds in memory.
_STREAMED = 1_000

Key = tuple[int, ...]
#: A row that the database's conditions let through, or None, and its place: everything up to there has been looked at.
Seen = tuple[Key, Any]


@dataclass(frozen=True)
class Page:
    """Rows in the order asked for. `is_whole` is False where time ended the search before there were `limit` rows: go on
    from `next` (reading backward: from `previous`). `total` is how many match in all, where that is known anyway.
    """

    rows: list[StoredRow] = field(default_factory=list)
    has_before: bool = False
    has_after: bool = False
    is_whole: bool = True
    next: Cursor | None = None
    previous: Cursor | None = None
    total: int | None = None


def page(
    db: Database,
    settings: Settings,
    info: DatasetInfo,
    wanted: Filter,
    *,
    sort: Sort = "position",
    after: Cursor | None = None,
    before: Cursor | None = None,
    at: int | None = None,
    limit: int = 100,
    revision: int | None = None,
    patience_s: float | None = _PATIENCE_S,
) -> Page:
    """Up to `limit` rows behind `after`, in front of `before`, or from the position `at` on (only in the order of positions).

    Of equally long rows the shortest-first order begins with the first one, the longest-first order with the last one.
    Raises DataError for a pattern that is none or takes too long, and for a cursor of another order.
    """
    search = _Search(db, settings, info.id, info.revision if revision is None else revision, wanted)
    if before is not None:
        start = None if before == END else _key(before, sort)
        hits = search.hits(sort, start, backward=True, n_rows=limit + 1, patience_s=patience_s)
        shown = hits.rows[:limit][::-1]
        has_before, has_after = len(hits.rows) > limit or hits.upto is not None, before != END
        first = hits.upto or (_place(shown[0], sort) if shown else start)
        last = _place(shown[-1], sort) if shown else start
    else:
        start = _key(after, sort) if after is not None else None
        if at is not None and at > GAP and after is None and sort == "position":
            start = (at - 1,)
        hits = search.hits(sort, start, backward=False, n_rows=limit + 1, patience_s=patience_s)
        shown = hits.rows[:limit]
        has_before, has_after = start is not None, len(hits.rows) > limit or hits.upto is not None
        first = _place(shown[0], sort) if shown else start
        last = hits.upto or (_place(shown[-1], sort) if shown else start)
    return Page(
        rows=search.whole(shown),
        has_before=has_before,
        has_after=has_after,
        is_whole=hits.upto is None,
        next=_cursor(last) if has_after else None,
        previous=_cursor(first) if has_before else None,
    )


def matching(db: Database, settings: Settings, dataset_id: str, revision: int, wanted: Filter) -> Iterator[StoredRow]:
    """All rows of a revision that match, in order, however long it takes. No transaction stays open between two rows."""
    search = _Search(db, settings, dataset_id, revision, wanted)
    after: Key | None = None
    while True:
        found = search.hits("position", after, backward=False, n_rows=_STREAMED, patience_s=None).rows
        yield from search.whole(found)
        if len(found) < _STREAMED:
            return
        after = _place(found[-1], "position")


def count(
    db: Database, settings: Settings, dataset_id: str, revision: int, wanted: Filter, budget_s: float
) -> tuple[int, bool]:
    """How many rows of a revision match, and whether that is all: False where the seconds were not enough."""
    if (known := known_count(_counts(db, dataset_id, revision), wanted)) is not None:
        return known, True
    hits = _Search(db, settings, dataset_id, revision, wanted).hits(
        "position", None, backward=False, n_rows=None, patience_s=budget_s
    )
    return len(hits.rows), hits.upto is None


def known_count(counts: dict[str, int], wanted: Filter) -> int | None:
    """How many match by a revision's own counts of rows by split; None where these do not tell."""
    if wanted.is_empty:
        return sum(counts.values())
    return counts.get(str(wanted.split), 0) if wanted.is_split_only else None


def _counts(db: Database, dataset_id: str, revision: int) -> dict[str, int]:
    query = sa.select(revisions.c.counts).where(revisions.c.dataset_id == dataset_id, revisions.c.number == revision)
    with db.read() as connection:
        return connection.execute(query).scalar() or {}


# --- places -----------------------------------------------------------------------------------------------------------


def _place(row: Any, sort: Sort) -> Key:
    if sort == "position":
        return (row.position,)
    return (-row.since, row.position) if sort == "newest" else (row.n_chars, row.position)


def _cursor(key: Key | None) -> Cursor | None:
    return None if key is None else ".".join(str(number) for number in key)


def _key(cursor: Cursor, sort: Sort) -> Key:
    match = _CURSOR.fullmatch(cursor)
    key = tuple(int(number) for number in cursor.split(".")) if match else ()
    if len(key) != (1 if sort == "position" else 2):
        raise DataError("error.find.cursor", field="after")
    return key


_CURSOR = re.compile(r"-?\d{1,18}(\.-?\d{1,18})?", re.ASCII)


# --- looking ----------------------------------------------------------------------------------------------------------


class _Hits(NamedTuple):
    """`upto` is the place where time ended the search; None: it ended with the rows asked for, or with the dataset."""

    rows: list[Any]
    upto: Key | None


class _Search:
    """One filter over one revision. What it reads of a row is little: a place, and what the matcher needs."""

    def __init__(self, db: Database, settings: Settings, dataset_id: str, revision: int, wanted: Filter) -> None:
        self._db, self._settings, self._dataset_id, self._revision = db, settings, dataset_id, revision
        self._wanted = wanted
        self._matcher = Matcher(wanted)
        columns = (rows.c.id, rows.c.position, rows.c.n_chars, rows.c.since, *self._matcher.columns)
        self._little = sa.select(*columns).where(alive(dataset_id, revision), *self._matcher.conditions)

    def hits(self, sort: Sort, start: Key | None, *, backward: bool, n_rows: int | None, patience_s: float | None) -> _Hits:
        """The first `n_rows` behind `start` in reading order, each with its place."""
        if self._wanted.is_impossible:
            return _Hits([], None)
        descending = (sort == "longest") != backward
        span = _Span(None, start, True) if descending else _Span(start, None, False)
        try:
            with search_index.open_index(self._settings, self._dataset_id) as index:
                return self._collect(self._seen(index, sort, span), n_rows, patience_s)
        except sqlite3.DatabaseError as error:  # of the index: the studio's own database has errors of its own
            log.warning("the search index of %s cannot be read: %s", self._dataset_id, error)
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                search_index.drop(self._settings, self._dataset_id)
            return self._collect(self._seen(None, sort, span), n_rows, patience_s)

    def _collect(self, seen: Iterator[Seen], n_rows: int | None, patience_s: float | None) -> _Hits:
        found: list[Any] = []
        last: Key | None = None
        began = 0.0
        for key, row in seen:
            if last is None:
                began = time.monotonic()  # from the first row on: what was waited for is looked at
            # Never between two versions of one position: the search would go on behind both.
            elif key != last and patience_s is not None and time.monotonic() - began > patience_s:
                return _Hits(found, last)
            if row is not None and self._matcher.accepts(row):
                found.append(row)
                if len(found) == n_rows:
                    break
            last = key
        return _Hits(found, None)

    def whole(self, found: Sequence[Any]) -> list[StoredRow]:
        """The rows themselves, in the same order."""
        with self._db.read() as connection:
            by_id = {
                row["id"]: StoredRow(**row)
                for at in range(0, len(found), _MOST_IDS)
                for row in connection.execute(_WHOLE, {"ids": [row.id for row in found[at : at + _MOST_IDS]]}).mappings()
            }
        return [by_id[row.id] for row in found if row.id in by_id]  # a purge may have taken one meanwhile

    # Orders

    def _seen(self, index: IndexReader | None, sort: Sort, span: _Span) -> Iterator[Seen]:
        """Every row of the span that the conditions let through, in the span's direction."""
        if index is not None and not self._is_good(index):
            index = None
        if sort == "position":
            return self._by_position(index, span)
        if sort == "newest":
            return self._by_revision(index, span)
        if index is None:
            return self._scan_by_length(span)
        match = expression(self._wanted)
        found = index.by_length(match, self._wanted, after=_pair(span.low), before=_pair(span.high), descending=span.descending)
        return self._with_tail(index, self._looked_up(index, found, "longest"), "longest", span)

    def _is_good(self, index: IndexReader) -> bool:
        """Whether the index knows nearly all rows of this revision."""
        with self._db.read() as connection:
            tail = n_unindexed(connection, self._dataset_id, index.state.revision, self._revision)
            return tail <= _MAX_TAIL and is_continued(connection, self._dataset_id, index.state.floor, self._revision)

    def _by_position(self, index: IndexReader | None, span: _Span, since: int | None = None) -> Iterator[Seen]:
        of_revision = [] if since is None else [_since == since]
        if index is None or (since is not None and since > index.state.revision):
            return self._scan(span, of_revision)
        match = expression(self._wanted, since)
        if match is None and self._wanted.min_chars is None and self._wanted.max_chars is None:
            return self._scan(span, of_revision)
        low, high = _major(span.low), _major(span.high)
        found = index.in_order(match, self._wanted, after=low, before=high, descending=span.descending)
        seen = self._looked_up(index, found, "position", of_revision)
        return seen if since is not None else self._with_tail(index, seen, "position", span)

    def _by_revision(self, index: IndexReader | None, span: _Span) -> Iterator[Seen]:
        """What came last first; of one revision, in the order of positions. Each run of revisions is an order of its own."""
        runs = _runs(self._sizes())
        for newest, oldest, is_large in reversed(runs) if span.descending else runs:
            if (span.low is not None and -oldest < span.low[0]) or (span.high is not None and -newest > span.high[0]):
                continue
            if is_large:
                inner = _Span(_within(span.low, -newest), _within(span.high, -newest), span.descending)
                for (position,), row in self._by_position(index, inner, since=newest):
                    yield (-newest, position), row
            else:
                yield from _sorted(self._look(rows.c.since.between(oldest, newest)), "newest", span)
            yield (-newest, -1) if span.descending else (-oldest, _BEHIND), None

    def _sizes(self) -> list[tuple[int, int]]:
        """Revisions up to this one, newest first, with the rows that each made; None known: many."""
        query = sa.select(revisions.c.number, revisions.c.changes).where(
            revisions.c.dataset_id == self._dataset_id,
            revisions.c.number <= self._revision,
            revisions.c.state == "committed",
            wrote_rows(),
        )
        with self._db.read() as connection:
            return [
                (number, _SMALL + 1 if changes is None else changes["added"] + changes["changed"])
                for number, changes in connection.execute(query.order_by(revisions.c.number.desc()))
            ]

    # Sources

    def _look(self, *which: sa.ColumnElement[bool], order: Sequence[Any] = (), limit: int | None = None) -> Sequence[Any]:
        """Rows that hold and meet the conditions, with the little that is needed of each."""
        query = self._little.where(rows.c.dataset_id == self._dataset_id, *which)
        with self._db.read() as connection:
            return connection.execute(query.order_by(*order).limit(limit)).all()

    def _look_up(self, index: IndexReader, ids: Sequence[int], *which: sa.ColumnElement[bool]) -> dict[int, Any]:
        """The same by ids. What came after the index's revision is in the tail, even if the index has it already."""
        # Concatenated with nothing, or SQLite would rather go through the dataset than to the ids.
        query = self._little.where(rows.c.dataset_id.concat("") == self._dataset_id, _THESE, *which)
        with self._db.read() as connection:
            found = connection.execute(query.where(rows.c.since <= index.state.revision), {"ids": ids})
            return {row.id: row for row in found}

    def _scan(self, span: _Span, which: Sequence[sa.ColumnElement[bool]] = ()) -> Iterator[Seen]:
        """All rows, a window of positions at a time: however few are let through, each read ends soon."""
        size, low, high = 128, _major(span.low), _major(span.high)
        order = rows.c.position.desc() if span.descending else rows.c.position
        while True:
            inside = []
            if low is not None:
                inside.append(rows.c.position > low)
            if high is not None:
                inside.append(rows.c.position < high)
            # The offset is that of the window's last row in the index of positions: small, and never that of a page.
            places = sa.select(rows.c.position).where(rows.c.dataset_id == self._dataset_id, *inside)
            with self._db.read() as connection:
                edge = connection.execute(places.order_by(order).offset(size - 1).limit(1)).scalar()
            if edge is not None:
                inside.append(rows.c.position >= edge if span.descending else rows.c.position <= edge)
            for row in self._look(*inside, *which, order=(order,)):
                yield (row.position,), row
            if edge is None:
                return
            yield (edge,), None
            low, high = (low, edge) if span.descending else (edge, high)
            size = min(size * 4, _WINDOW)

    def _scan_by_length(self, span: _Span) -> Iterator[Seen]:
        """The database sorts: each read looks at every row, so it brings many."""
        key = sa.tuple_(rows.c.n_chars, rows.c.position)
        order = [column.desc() if span.descending else column for column in (rows.c.n_chars, rows.c.position)]
        low, high = span.low, span.high
        while True:
            inside = [key > low] if low is not None else []
            inside += [key < high] if high is not None else []
            found = self._look(*inside, order=order, limit=_WINDOW)
            for row in found:
                yield (row.n_chars, row.position), row
            if len(found) < _WINDOW:
                return
            edge = (found[-1].n_chars, found[-1].position)
            low, high = (low, edge) if span.descending else (edge, high)

    def _looked_up(
        self, index: IndexReader, found: Iterator[Candidate], sort: Sort, which: Sequence[sa.ColumnElement[bool]] = ()
    ) -> Iterator[Seen]:
        """Candidates with their rows."""
        size = 128
        while batch := list(itertools.islice(found, size)):
            by_id = self._look_up(index, [item.row_id for item in batch], *which)
            for item in batch:
                key = (item.position,) if sort == "position" else (item.n_chars, item.position)
                yield key, by_id.get(item.row_id)
            size = min(size * 2, _MOST_IDS)

    def _with_tail(self, index: IndexReader, seen: Iterator[Seen], sort: Sort, span: _Span) -> Iterator[Seen]:
        """Merged with the rows that came after the index's revision."""
        if self._revision <= index.state.revision:
            return seen
        tail = _sorted(self._look(rows.c.since > index.state.revision), sort, span)
        return heapq.merge(seen, tail, key=_first, reverse=span.descending)


class _Span(NamedTuple):
    """The places between two, both left out, and the direction in which they are looked at."""

    low: Key | None
    high: Key | None
    descending: bool


_since: sa.ColumnElement[int] = rows.c.since + 0

#: Behind every position.
_BEHIND = 2**62

_THESE = rows.c.id.in_(sa.bindparam("ids", expanding=True, literal_execute=True))  # pg8000 is slow with many parameters
_WHOLE = sa.select(*(rows.c[name] for name in StoredRow.__dataclass_fields__)).where(_THESE)


def _major(key: Key | None) -> int | None:
    return None if key is None else key[0]


def _pair(key: Key | None) -> tuple[int, int] | None:
    return None if key is None else (key[0], key[1])


def _first(seen: Seen) -> Key:
    return seen[0]


def _sorted(found: Iterable[Any], sort: Sort, span: _Span) -> list[Seen]:
    placed = ((_place(row, sort), row) for row in found)
    inside = (
        (key, row) for key, row in placed if (span.low is None or key > span.low) and (span.high is None or key < span.high)
    )
    return sorted(inside, key=_first, reverse=span.descending)


def _runs(sizes: Sequence[tuple[int, int]]) -> list[tuple[int, int, bool]]:
    """Revisions as `(newest, oldest, is_large)`: a large one for itself, small ones together."""
    found: list[tuple[int, int, bool]] = []
    in_run = _SMALL
    for number, size in sizes:
        if found and in_run + size <= _SMALL:
            found[-1] = (found[-1][0], number, False)
            in_run += size
        else:
            found.append((number, number, size > _SMALL))
            in_run = size
    return found


def _within(key: Key | None, major: int) -> Key | None:
    """A bound on `(-since, position)` as one on positions, in a revision that it cuts; None where it does not."""
    return key[1:] if key is not None and key[0] == major else None
