"""The search index of a dataset: a file of its own, made from the rows and good for finding them again quickly.

    search/<dataset_id>.<n>.db     docs (doc, row_id, position, n_chars)     grams: FTS5 over what `tokens` says of a row

It may be deleted at any time. Whatever the studio's own database is, the index is an SQLite file: writing it holds up nobody.
What it finds are candidates: a row may have been replaced since, so whoever asks looks at the row itself before believing it.

A `doc` is a row version. Docs are in the order of their rows' positions, so that candidates come in the order in which they
are shown, with gaps in which the versions of later revisions find room. The tokens are every three characters in a row of the
folded text, whatever the characters are (FTS5 keeps an index of their first two as well: two characters are found like a
word), and the row's facets, which are longer than any three characters. One MATCH decides about both.

The index knows every row that holds at a revision from `floor` to `revision`, unless a change from before `floor` was taken
back or made again since (`holding.is_continued`). It is built for one revision first, in a
file that nobody reads before it is complete; rows of later revisions are then added to it, chunk by chunk.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from studio.data.filters import Filter
from studio.data.search_tokens import TOKEN_SIGNS, length_facet, length_range, lengths_like, tokens
from studio.errors import StorageError
from studio.settings import Settings

__all__ = [
    "Candidate",
    "IndexReader",
    "IndexWriter",
    "NoRoomError",
    "State",
    "dataset_of",
    "drop",
    "files",
    "new_file",
    "open_index",
    "remove",
    "state_of",
]

#: Changes with the tables or the tokens: a file of another format is as good as none.
_FORMAT = 1

#: Numbers between the docs of neighbouring rows. A larger gap makes every list of docs longer.
_DOC_GAP = 16

#: So many candidates are gathered and sorted at once; where there are more, the next ones are never far away.
_SPARSE = 4_000

_SCHEMA = f"""
CREATE TABLE state (revision INTEGER NOT NULL, floor INTEGER NOT NULL, target INTEGER NOT NULL,
                    after_major INTEGER NOT NULL, after_minor INTEGER NOT NULL, n_docs INTEGER NOT NULL);
CREATE TABLE docs (doc INTEGER PRIMARY KEY, row_id INTEGER NOT NULL, position INTEGER NOT NULL, n_chars INTEGER NOT NULL);
CREATE INDEX docs_position ON docs (position);
CREATE INDEX docs_length ON docs (n_chars);
CREATE VIRTUAL TABLE grams USING fts5(tokens, content='', columnsize=0, detail=none, prefix='2',
                                      tokenize="ascii tokenchars '{TOKEN_SIGNS}'");
INSERT INTO grams (grams, rank) VALUES ('hashsize', {64 << 20});
"""


class NoRoomError(Exception):
    """Between two docs there is no number left: the index has to be built anew."""


class Candidate(NamedTuple):
    row_id: int
    position: int
    n_chars: int


class State(NamedTuple):
    """All rows that hold between `floor` and `revision` are in the index; 0: it is being built. `target` is the revision that
    is being worked in, and `after` says how far: a position while building, later `(since, id)`.
    """

    revision: int
    floor: int
    target: int
    after_major: int
    after_minor: int
    n_docs: int

    @property
    def after(self) -> tuple[int, int]:
        return self.after_major, self.after_minor


_NOTHING = State(0, 0, 0, 0, 0, 0)


# --- files ------------------------------------------------------------------------------------------------------------


def files(settings: Settings, dataset_id: str) -> list[Path]:
    """The dataset's index files, oldest first."""
    return sorted(settings.folder("search").glob(f"{dataset_id}.*.db"), key=_number)


def new_file(settings: Settings, dataset_id: str) -> Path:
    """A name that no earlier file of the dataset has: who has one of those open keeps it."""
    known = files(settings, dataset_id)
    return settings.folder("search") / f"{dataset_id}.{_number(known[-1]) + 1 if known else 1}.db"


def drop(settings: Settings, dataset_id: str) -> None:
    for path in files(settings, dataset_id):
        remove(path)


def remove(path: Path) -> None:
    """The database first: whoever opens it meanwhile finds nothing, instead of a log without its database."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def dataset_of(path: Path) -> str:
    return path.name.split(".")[0]


def _number(path: Path) -> int:
    number = path.name.split(".")[1]
    return int(number) if number.isdecimal() else 0


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


# --- reading ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def open_index(settings: Settings, dataset_id: str) -> Iterator[IndexReader | None]:
    """The newest complete index, as it is at this moment; None where there is none."""
    found = None
    for path in reversed(files(settings, dataset_id)):
        with contextlib.suppress(sqlite3.DatabaseError):  # gone meanwhile, or broken
            found = IndexReader(path)
            if found.is_complete:
                break
            found.close()
        found = None
    try:
        yield found
    finally:
        if found is not None:
            found.close()


def state_of(path: Path) -> State:
    """What a file knows; nothing where it is broken or of another format."""
    try:
        reader = IndexReader(path)
    except sqlite3.DatabaseError:
        return _NOTHING
    try:
        return reader.state
    finally:
        reader.close()


class IndexReader:
    """One snapshot of an index. Positions are those of rows; all candidates are between `after` and `before`, both left out,
    where these are given.
    """

    def __init__(self, path: Path) -> None:
        self._connection = _connect(path, "rw")  # a reader of SQLite's log writes in the file beside it
        try:
            self._connection.execute("BEGIN")
            is_known = self._connection.execute("PRAGMA user_version").fetchone()[0] == _FORMAT
            self.state = _read_state(self._connection) if is_known else _NOTHING
        except BaseException:
            self._connection.close()
            raise

    @property
    def is_complete(self) -> bool:
        return self.state.revision > 0

    def close(self) -> None:
        self._connection.close()

    def in_order(
        self, match: str | None, wanted: Filter, *, after: int | None, before: int | None, descending: bool
    ) -> Iterator[Candidate]:
        """By position. `match` is an `expression`; without one, the filter's lengths alone."""
        few = match is None and self._few_of_length(wanted)
        where, values = self._between("doc" if match is None else "grams.rowid", after, before)
        if wanted.min_chars is not None or wanted.max_chars is not None:
            where.append("n_chars BETWEEN ? AND ?" if few else "+n_chars BETWEEN ? AND ?")  # plus: not by the index
            values += length_range(wanted)
        if few:
            found = self._all(f"SELECT {_COLUMNS} FROM docs INDEXED BY docs_length WHERE {' AND '.join(where)}", values)
            return iter(sorted(found, key=lambda item: item.position, reverse=descending))
        if match is None:
            query = f"SELECT {_COLUMNS} FROM docs WHERE {' AND '.join(where)} ORDER BY doc"
        else:
            query = f"SELECT {_COLUMNS} FROM {_MATCHED} WHERE {' AND '.join([*where, 'grams MATCH ?'])} ORDER BY grams.rowid"
            values.append(match)
        return self._each(query + (" DESC" if descending else ""), values)

    def by_length(
        self,
        match: str | None,
        wanted: Filter,
        *,
        after: tuple[int, int] | None,
        before: tuple[int, int] | None,
        descending: bool,
    ) -> Iterator[Candidate]:
        """By length, and by position where that is the same; `after` and `before` are `(n_chars, position)`.

        Where few rows match they are gathered and sorted; otherwise rows come by their length, one step of lengths at a time.
        """
        if match is not None and self._is_sparse("SELECT 1 FROM grams WHERE grams MATCH ?", (match,)):
            query = f"SELECT {_COLUMNS} FROM {_MATCHED} WHERE grams MATCH ?"
            yield from (
                item
                for item in sorted(self._all(query, (match,)), key=_by_length, reverse=descending)
                if (after is None or _by_length(item) > after) and (before is None or _by_length(item) < before)
            )
            return
        shortest, longest = length_range(wanted)
        where, values = "n_chars BETWEEN ? AND ?", []
        if after is not None:
            shortest = max(shortest, after[0])
            where += " AND (n_chars, doc) > (?, ?)"
            values += [after[0], self._doc_at(after[1])]
        if before is not None:
            longest = min(longest, before[0])
            where += " AND (n_chars, doc) < (?, ?)"
            values += [before[0], self._doc_behind(before[1] - 1)]
        order = "n_chars DESC, doc DESC" if descending else "n_chars, doc"
        while (step := self._next_step(shortest, longest, descending)) is not None:
            low, high = max(shortest, step.start), min(longest, step.stop - 1)
            query = f"SELECT {_COLUMNS} FROM docs INDEXED BY docs_length WHERE {where}"
            if match is not None:
                query += " AND doc IN (SELECT rowid FROM grams WHERE grams MATCH ?)"
            of_step = () if match is None else (f'{match} AND "{length_facet(low)}"',)
            yield from self._each(f"{query} ORDER BY {order}", (low, high, *values, *of_step))
            shortest, longest = (shortest, low - 1) if descending else (high + 1, longest)

    def _next_step(self, shortest: int, longest: int, descending: bool) -> range | None:
        """The lengths that have the next row's facet: of so many rows the matching ones are kept aside at once."""
        query = f"SELECT {'max' if descending else 'min'}(n_chars) FROM docs WHERE n_chars BETWEEN ? AND ?"
        found = self._connection.execute(query, (shortest, longest)).fetchone()[0]
        return None if found is None else lengths_like(found)

    def _few_of_length(self, wanted: Filter) -> bool:
        if wanted.min_chars is None and wanted.max_chars is None:
            return False
        return self._is_sparse("SELECT 1 FROM docs WHERE n_chars BETWEEN ? AND ?", length_range(wanted))

    def _is_sparse(self, query: str, values: Sequence[Any]) -> bool:
        counted = f"SELECT count(*) FROM ({query} LIMIT {_SPARSE + 1})"
        return bool(self._connection.execute(counted, values).fetchone()[0] <= _SPARSE)

    def _between(self, doc: str, after: int | None, before: int | None) -> tuple[list[str], list[Any]]:
        """Conditions on the column `doc`, at least one, and their values."""
        where, values = [f"{doc} > ?"], [-1 if after is None else self._doc_at(after)]
        if before is not None:
            where.append(f"{doc} < ?")
            values.append(self._doc_behind(before - 1))
        return where, values

    def _doc_at(self, position: int) -> int:
        """The last doc of this position or before it; -1 before the first."""
        query = "SELECT doc FROM docs WHERE position <= ? ORDER BY position DESC, doc DESC LIMIT 1"
        return _first(self._connection.execute(query, (position,)), -1)

    def _doc_behind(self, position: int) -> int:
        """The first doc behind this position."""
        query = "SELECT doc FROM docs WHERE position > ? ORDER BY position, doc LIMIT 1"
        return _first(self._connection.execute(query, (position,)), 2**62)

    def _all(self, query: str, values: Sequence[Any]) -> list[Candidate]:
        return [Candidate(*row) for row in self._connection.execute(query, values)]

    def _each(self, query: str, values: Sequence[Any]) -> Iterator[Candidate]:
        return map(Candidate._make, self._connection.execute(query, values))


_COLUMNS = "row_id, position, n_chars"
_MATCHED = "grams CROSS JOIN docs ON doc = grams.rowid"


def _by_length(item: Candidate) -> tuple[int, int]:
    return item.n_chars, item.position


def _first(cursor: sqlite3.Cursor, otherwise: int) -> int:
    row = cursor.fetchone()
    return otherwise if row is None else int(row[0])


def _read_state(connection: sqlite3.Connection) -> State:
    return State(*connection.execute("SELECT * FROM state").fetchone())


# --- writing ----------------------------------------------------------------------------------------------------------


class IndexWriter:
    """Adds rows to an index file, which is made where it is missing. One writer a file; a chunk is in the file as a whole or
    not at all. Raises StorageError when the disk is full.
    """

    COLUMNS = ("id", "position", "kind", "split", "topic", "tags", "origin", "content", "flag", "n_chars", "search_text", "since")

    def __init__(self, path: Path, target: int | None = None) -> None:
        """`target` is the revision that a new file is built for."""
        self._path = path
        self._connection = _connect(path, "rwc" if target is not None else "rw")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("PRAGMA cache_size=-64000")
        if target is not None:
            self._connection.execute("PRAGMA journal_mode=WAL")
            with self._chunk():
                for statement in _SCHEMA.split(";\n"):
                    self._connection.execute(statement)
                self._connection.execute("INSERT INTO state VALUES (0, 0, ?, -1, -1, 0)", (target,))
                self._connection.execute(f"PRAGMA user_version={_FORMAT}")
        self.state = _read_state(self._connection)

    def close(self) -> None:
        self._connection.close()

    def begin(self, target: int) -> None:
        """Take in the revisions up to `target`; a work that was begun earlier goes on where it was."""
        if self.state.target == self.state.revision:
            self._note(target=target, after_major=-1, after_minor=-1)

    def build(self, rows: Sequence[Any], after: tuple[int, int]) -> None:
        """A chunk of the first rows, in order of their positions."""
        with self._chunk():
            start = self.state.n_docs * _DOC_GAP
            self._insert([(start + number * _DOC_GAP, row) for number, row in enumerate(rows)])
            self._note(n_docs=self.state.n_docs + len(rows), after_major=after[0], after_minor=after[1])

    def add(self, rows: Sequence[Any], after: tuple[int, int]) -> None:
        """A chunk of rows that came later. Raises NoRoomError, and adds none of them."""
        with self._chunk():
            placed = []
            for row in sorted(rows, key=lambda row: (row.position, row.id)):
                doc = self._free_doc(row.position)
                self._connection.execute(_INTO_DOCS, (doc, row.id, row.position, row.n_chars))
                placed.append((doc, row))
            self._connection.executemany(_INTO_GRAMS, ((doc, tokens(row)) for doc, row in placed))
            self._note(n_docs=self.state.n_docs + len(rows), after_major=after[0], after_minor=after[1])

    def finish(self) -> None:
        """The index knows all rows of the revision that it was working in."""
        with self._chunk():
            self._note(revision=self.state.target, floor=self.state.floor or self.state.target)

    def _free_doc(self, position: int) -> int:
        query = "SELECT doc FROM docs WHERE position <= ? ORDER BY position DESC, doc DESC LIMIT 1"
        before = _first(self._connection.execute(query, (position,)), -_DOC_GAP)
        query = "SELECT doc FROM docs WHERE position > ? ORDER BY position, doc LIMIT 1"
        behind = self._connection.execute(query, (position,)).fetchone()
        if behind is None:
            return before + _DOC_GAP
        if before + 1 >= behind[0]:
            raise NoRoomError
        return before + 1

    def _insert(self, placed: Sequence[tuple[int, Any]]) -> None:
        self._connection.executemany(_INTO_DOCS, ((doc, row.id, row.position, row.n_chars) for doc, row in placed))
        self._connection.executemany(_INTO_GRAMS, ((doc, tokens(row)) for doc, row in placed))

    def _note(self, **values: int) -> None:
        self.state = self.state._replace(**values)
        names = ", ".join(f"{name} = ?" for name in values)
        self._connection.execute(f"UPDATE state SET {names}", tuple(values.values()))

    @contextlib.contextmanager
    def _chunk(self) -> Iterator[None]:
        """A transaction. After one that failed, the writer is of no more use."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
                raise StorageError("error.db.disk_full", place=str(self._path)) from error
            raise


_INTO_DOCS = "INSERT INTO docs (doc, row_id, position, n_chars) VALUES (?, ?, ?, ?)"
_INTO_GRAMS = "INSERT INTO grams (rowid, tokens) VALUES (?, ?)"
