"""Rows out of a database and into another one, as lines of JSON, through tables as the database itself describes them.

Reflected tables and not ours, because a backup may be older than the code that restores it.
"""

from __future__ import annotations

import itertools
import json
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.db import Database
from studio.errors import DataError
from studio.ids import parse_time

__all__ = ["Dump", "drop_everything", "dump_tables", "has_tables", "load_table", "number_on", "schema_tables"]

_OWN_TABLE = "alembic_version"

#: Rows that a transaction inserts, and that one look at the database brings.
_BATCH = 1000


class Dump(NamedTuple):
    """All rows of a table in a file that has no name and goes with the process."""

    table: str
    n_rows: int
    n_bytes: int
    file: IO[bytes]


def dump_tables(db: Database, folder: Path, opened: ExitStack) -> tuple[str, list[Dump]]:
    """The schema revision and every table, parents first, from one snapshot.

    Written beside the backup first: a tar wants to know the size of a member before its content, and a read transaction
    that lasted as long as the copying of gigabytes of weights would keep SQLite from tidying its log.
    """
    with db.read() as connection:
        schema = connection.execute(sa.text(f"SELECT version_num FROM {_OWN_TABLE}")).scalar_one()
        return str(schema), [_dump(connection, table, folder, opened) for table in schema_tables(connection)]


def schema_tables(connection: Connection) -> list[sa.Table]:
    """The tables as they are, each behind the ones that it refers to."""
    found = sa.MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != _OWN_TABLE]


def has_tables(db: Database) -> bool:
    with db.read() as connection:
        return bool(sa.inspect(connection).get_table_names())


def _dump(connection: Connection, table: sa.Table, folder: Path, opened: ExitStack) -> Dump:
    file = opened.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 - the caller reads it and closes it
    query = sa.select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_BATCH)
    n_rows = 0
    for row in connection.execute(query).mappings():
        values = {name: _plain(value) for name, value in row.items()}
        file.write(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        n_rows += 1
    size = file.tell()
    file.seek(0)
    return Dump(table.name, n_rows, size, file)


def _plain(value: Any) -> Any:
    """A value as JSON has it: a time with its zone, "nan" and "inf" as strings."""
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def load_table(db: Database, table: sa.Table, lines: Iterable[bytes]) -> int:
    """Insert what `dump_tables` wrote; returns how many rows. Raises DataError with the database's own words."""
    readers = {column.name: _reader(column.type, db.is_sqlite) for column in table.columns}
    n_rows = 0
    try:
        for batch in _batches(lines):
            values = [{name: readers[name](value) for name, value in json.loads(line).items()} for line in batch]
            with db.write() as connection:
                connection.execute(table.insert(), values)
            n_rows += len(values)
    except (sa.exc.SQLAlchemyError, ValueError, KeyError, AttributeError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DataError("error.backup.row_refused", table=table.name, reason=reason) from error
    return n_rows


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    waiting = iter(lines)
    while batch := list(itertools.islice(waiting, _BATCH)):
        yield batch


def _reader(kind: sa.types.TypeEngine[Any], is_sqlite: bool) -> Callable[[Any], Any]:
    """From JSON to what a column of this type takes."""

    def read(value: Any) -> Any:
        if value is None:
            return None
        if isinstance(kind, sa.DateTime):
            return parse_time(value)
        if isinstance(kind, sa.Float) and isinstance(value, str):
            return float(value)
        if isinstance(value, str) and not is_sqlite:
            return value.replace("\0", "\ufffd")  # a character that PostgreSQL's text cannot hold
        return value

    return read


def number_on(db: Database, tables: Iterable[sa.Table]) -> None:
    """Let PostgreSQL's sequences go on behind the ids that were inserted; SQLite counts on by itself."""
    if db.is_sqlite:
        return
    sequence_of = sa.text("SELECT pg_get_serial_sequence(:name, :column)")
    with db.write() as connection:
        for table in tables:
            for column in table.primary_key.columns:
                name = connection.execute(sequence_of, {"name": f'"{table.name}"', "column": column.name}).scalar()
                last = connection.execute(sa.select(sa.func.max(column))).scalar() if name is not None else None
                if last is not None:
                    connection.execute(sa.text("SELECT setval(:name, :last)"), {"name": name, "last": last})


def drop_everything(db: Database) -> None:
    """Take back what a failed restore made in a database that had been empty."""
    with db.write() as connection:
        found = sa.MetaData()
        found.reflect(connection)
        found.drop_all(connection)
