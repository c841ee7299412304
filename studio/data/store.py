"""Rows in the database: writing them under a pending revision, reading them at a committed one. No actor, no words."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.data import rows as row_rules
from studio.data.holding import holds
from studio.data.review import is_draft
from studio.data.rows import NewRow
from studio.data.tables import datasets, revisions, rows
from studio.data.totals import Totals
from studio.db import Database
from studio.errors import DataError, NotFoundError
from studio.ids import new_id, now
from studio.text import is_plain

__all__ = [
    "GAP",
    "MAX_NAME",
    "DatasetInfo",
    "StoredRow",
    "check_name",
    "commit_first_revision",
    "create_dataset",
    "iter_rows",
    "read_page",
    "write_rows",
]

#: Characters of a dataset's name; a run that is named after it has room for as many.
MAX_NAME = 120

#: Gap between positions, so that a row can be put between two others without moving any.
GAP = 1024

#: Rows a transaction inserts: of 1 kB each, about 10 ms on SQLite and 20 ms on PostgreSQL; CONTRACTS 3 allows 100 ms.
_BATCH = 500
_BATCH_POSTGRESQL = 100


@dataclass(frozen=True)
class StoredRow:
    """One row version as a reader sees it."""

    id: int
    position: int
    kind: str
    content: dict[str, Any]
    content_hash: str
    prompt_hash: str
    split: str | None
    group_key: str | None
    topic: str | None
    tags: list[str]
    references: list[str]
    rule: dict[str, Any] | None
    origin: dict[str, Any] | None
    extra: dict[str, Any] | None
    flag: str | None
    n_chars: int
    since: int
    author: str

    def as_new(self) -> NewRow:
        """The same row, to be changed with `dataclasses.replace` and written again."""
        return NewRow(
            self.kind,
            self.content,
            split=self.split,
            group_key=self.group_key,
            tags=self.tags,
            topic=self.topic,
            references=self.references,
            rule=self.rule,
            origin=self.origin,
            extra=self.extra,
            flag=self.flag,
        )


_ROW_COLUMNS = [rows.c[name] for name in StoredRow.__dataclass_fields__]


@dataclass(frozen=True)
class DatasetInfo:
    """A dataset at one committed revision. `counts` are rows by split, `"none"` for rows without one."""

    id: str
    name: str
    note: str
    revision: int
    content_hash: str
    counts: dict[str, int]
    report: dict[str, Any]
    created_at: datetime
    committed_at: datetime
    card: dict[str, Any] | None
    locked_at: datetime | None
    locked_by: str | None

    @property
    def n_rows(self) -> int:
        return sum(self.counts.values())


def create_dataset(
    connection: Connection,
    name: str,
    author: str,
    note: str = "",
    *,
    dataset_id: str | None = None,
    job_id: str | None = None,
) -> str:
    """`job_id` is the import that makes it, so that its next attempt finds what this one left.

    Raises DataError when the name cannot be its own.
    """
    check_name(connection, name)
    dataset_id = dataset_id or new_id("ds")
    values = {"id": dataset_id, "name": name, "note": note, "author": author, "created_at": now(), "job_id": job_id}
    connection.execute(datasets.insert().values(**values))
    return dataset_id


def check_name(connection: Connection, name: str) -> None:
    """Raises DataError for a name that is empty, too long, taken, or cannot be shown as it was typed."""
    if not name.strip():
        raise DataError("error.data.no_name", field="name")
    if not is_plain(name):
        raise DataError("error.name.not_plain", field="name")
    if len(name) > MAX_NAME:
        raise DataError("error.data.name_too_long", field="name", n=len(name), limit=MAX_NAME)
    if connection.execute(sa.select(datasets.c.id).where(datasets.c.name == name)).first():
        raise DataError("error.data.name_taken", field="name", name=name)


def dataset_of_job(db: Database, job_id: str) -> tuple[str, bool] | None:
    """What earlier attempts of an import have made: the dataset's id, and whether it is whole."""
    whole = sa.exists().where(revisions.c.dataset_id == datasets.c.id, revisions.c.state == "committed")
    with db.read() as connection:
        row = connection.execute(sa.select(datasets.c.id, whole).where(datasets.c.job_id == job_id)).first()
    return None if row is None else (row[0], bool(row[1]))


def open_first_revision(connection: Connection, dataset_id: str, author: str, summary: dict[str, Any]) -> None:
    """Revision 1 of a new dataset, pending: its rows are written in batches and nobody sees them before it is committed."""
    values = {"dataset_id": dataset_id, "number": 1, "state": "pending", "author": author, "created_at": now()}
    states = {"message": "", "action": "import", "summary": summary, "state_of": 1, "parent": None}
    connection.execute(revisions.insert().values(**values | states))


def write_rows(
    db: Database, dataset_id: str, new: Iterable[NewRow], author: str, *, split_of: Callable[[str], str] | None = None
) -> Totals:
    """Insert the rows of revision 1, a batch a transaction. A row without a split gets what `split_of` says of its prompt's
    hash.
    """
    totals = Totals()
    position = 0
    batches = iter(new)
    while batch := list(itertools.islice(batches, _BATCH if db.is_sqlite else _BATCH_POSTGRESQL)):
        packed = []
        for row in batch:
            position += GAP
            made = packed_row(row, dataset_id, 1, position, author)
            if made.split is None and split_of is not None and not is_draft(row.origin):
                made = made._replace(split=split_of(made.prompt_hash))
            packed.append(made)
            totals.add(position, made.content_hash, made.split)
        with db.write() as connection:
            insert_rows(connection, packed)
    return totals


class PackedRow(NamedTuple):
    """A new row version as the database takes it: the columns of `rows`, JSON as text."""

    dataset_id: str
    position: int
    kind: str
    content: str
    content_hash: str
    prompt_hash: str
    split: str | None
    group_key: str | None
    tags: str
    topic: str | None
    references: str
    rule: str | None
    origin: str | None
    extra: str | None
    flag: str | None
    n_chars: int
    search_text: str
    since: int
    author: str


def packed_row(row: NewRow, dataset_id: str, revision: int, position: int, author: str) -> PackedRow:
    content, content_hash, prompt_hash, words = row_rules.encoded(row.kind, row.content)
    return PackedRow(
        dataset_id,
        position,
        row.kind,
        content,
        content_hash,
        prompt_hash,
        row.split,
        row.group_key,
        _json(list(row.tags)) if row.tags else "[]",
        row.topic,
        _json(list(row.references)) if row.references else "[]",
        None if row.rule is None else _json(row.rule),
        None if row.origin is None else _flat_json(row.origin),
        None if row.extra is None else _json(row.extra),
        row.flag,
        len(words),
        words,
        revision,
        author,
    )


def _flat_json(value: dict[str, Any]) -> str:
    """Compact JSON; quick for the object of a few texts and numbers that says where a row comes from."""
    parts = []
    for name, item in value.items():
        if type(item) is str:
            parts.append(f"{_quoted(name)}:{_quoted(item)}")
        elif type(item) is int:
            parts.append(f"{_quoted(name)}:{item}")
        else:
            return _json(value)
    return "{" + ",".join(parts) + "}"


_quoted = json.encoder.encode_basestring
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_INTO = "INSERT INTO rows ({}) VALUES ".format(", ".join(f'"{name}"' for name in PackedRow._fields))


def insert_rows(connection: Connection, packed: Sequence[PackedRow]) -> None:
    """In the drivers' own words: for a million rows, SQLAlchemy would take longer than the database."""
    width = len(PackedRow._fields)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"{_INTO}({', '.join('?' * width)})", list(packed))
    else:  # one statement: the driver would send row after row and wait for each answer
        one = f"({', '.join(['%s'] * width)})"
        connection.exec_driver_sql(_INTO + ", ".join([one] * len(packed)), tuple(itertools.chain.from_iterable(packed)))


def commit_first_revision(db: Database, dataset_id: str, totals: Totals, report: dict[str, Any]) -> None:
    """Make the pending revision 1 visible by one last update."""
    values = totals.as_values() | {"changes": {"added": totals.counts.total(), "removed": 0, "changed": 0}}
    this = sa.and_(revisions.c.dataset_id == dataset_id, revisions.c.number == 1)
    with db.write() as connection:
        connection.execute(revisions.update().where(this).values(state="committed", committed_at=now(), report=report, **values))


#: Begins the content hash of a revision that is losing rows; no snapshot is made of one.
PURGING = "purging-"


def mark_purging(connection: Connection, dataset_id: str, revision: int) -> bool:
    """Before the first row goes. The mark stays until `count_again`, whatever is killed in between; False: it is there."""
    this = sa.and_(revisions.c.dataset_id == dataset_id, revisions.c.number == revision, revisions.c.state == "committed")
    unmarked = sa.and_(this, ~revisions.c.content_hash.startswith(PURGING))
    return connection.execute(revisions.update().where(unmarked).values(content_hash=PURGING + uuid.uuid4().hex)).rowcount > 0


def check_hash(db: Database, dataset_id: str, revision: int, content_hash: str) -> None:
    """Raises DataError unless the revision still has the rows that it had under this hash."""
    query = sa.select(datasets.c.name, revisions.c.content_hash).join(revisions, revisions.c.dataset_id == datasets.c.id)
    with db.read() as connection:
        found = connection.execute(query.where(datasets.c.id == dataset_id, revisions.c.number == revision)).first()
    if found is None or found.content_hash != content_hash or content_hash.startswith(PURGING):
        raise DataError("error.data.purged", field="dataset", name=dataset_id if found is None else found.name)


def discard_dataset(db: Database, dataset_id: str) -> None:
    """Take back a dataset whose first import failed; nothing refers to it yet."""
    batch = sa.select(rows.c.id).where(rows.c.dataset_id == dataset_id).limit(_BATCH)
    while True:
        with db.write() as connection:  # a batch a transaction, so that nobody waits for a large one
            if connection.execute(rows.delete().where(rows.c.id.in_(batch))).rowcount == 0:
                connection.execute(datasets.delete().where(datasets.c.id == dataset_id))
                return


def select_datasets() -> sa.Select[Any]:
    """Datasets with their newest committed revision."""
    newest = (
        sa.select(revisions.c.dataset_id, sa.func.max(revisions.c.number).label("number"))
        .where(revisions.c.state == "committed")
        .group_by(revisions.c.dataset_id)
        .subquery()
    )
    return (
        sa.select(
            datasets.c.id,
            datasets.c.name,
            datasets.c.note,
            revisions.c.number.label("revision"),
            revisions.c.content_hash,
            revisions.c.counts,
            revisions.c.report,
            datasets.c.created_at,
            revisions.c.committed_at,
            datasets.c.card,
            datasets.c.locked_at,
            datasets.c.locked_by,
        )
        .join(newest, newest.c.dataset_id == datasets.c.id)
        .join(
            revisions, sa.and_(revisions.c.dataset_id == newest.c.dataset_id, revisions.c.number == newest.c.number)
        )
    )


def dataset_info(db: Database, dataset_id: str) -> DatasetInfo:
    """Raises NotFoundError for an unknown dataset, or one without a committed revision."""
    with db.read() as connection:
        row = connection.execute(select_datasets().where(datasets.c.id == dataset_id)).mappings().first()
    if row is None:
        raise NotFoundError("error.data.unknown_dataset", dataset=dataset_id)
    return DatasetInfo(**row)


def read_page(
    db: Database,
    dataset_id: str,
    revision: int,
    *,
    split: str | None = None,
    after: tuple[int, int] | None = None,
    before: tuple[int, int] | None = None,
    limit: int = 50,
) -> list[StoredRow]:
    """Up to `limit` rows in order, behind `after` or in front of `before`, both `(position, id)`: by keyset, never by offset."""
    query = sa.select(*_ROW_COLUMNS).where(holds(dataset_id, revision)).limit(limit)
    if split is not None:
        query = query.where(rows.c.split == split)
    key = sa.tuple_(rows.c.position, rows.c.id)
    if before is not None:
        query = query.where(key < before).order_by(rows.c.position.desc(), rows.c.id.desc())
    else:
        query = query.order_by(rows.c.position, rows.c.id)
        if after is not None:
            query = query.where(key > after)
    with db.read() as connection:
        found = [StoredRow(**row) for row in connection.execute(query).mappings()]
    return found[::-1] if before is not None else found


def count_before(db: Database, dataset_id: str, revision: int, split: str | None, key: tuple[int, int]) -> int:
    """How many rows stand in front of a row, for "rows 51–100 of 320"."""
    query = sa.select(sa.func.count()).select_from(rows).where(holds(dataset_id, revision))
    query = query.where(sa.tuple_(rows.c.position, rows.c.id) < key)
    if split is not None:
        query = query.where(rows.c.split == split)
    with db.read() as connection:
        return int(connection.execute(query).scalar() or 0)


def row_of(db: Database, row_id: int) -> StoredRow:
    with db.read() as connection:
        row = connection.execute(sa.select(*_ROW_COLUMNS).where(rows.c.id == row_id)).mappings().first()
    if row is None:
        raise NotFoundError("error.data.unknown_row", row=row_id)
    return StoredRow(**row)


def iter_rows(db: Database, dataset_id: str, revision: int, split: str | None = None) -> Iterator[StoredRow]:
    """All rows of a revision in order, a page at a time, so that no read transaction stays open for long."""
    after: tuple[int, int] | None = None
    while page := read_page(db, dataset_id, revision, split=split, after=after, limit=_BATCH):
        yield from page
        after = (page[-1].position, page[-1].id)
