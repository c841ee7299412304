"""The database: engine, connection, column types, the lock under which it is migrated.

SQLAlchemy Core throughout: tables are declared in the room that owns them, on the one `metadata` below, and every read
and write goes through `Database.read()` and `Database.write()`. No write transaction lasts longer than 100 ms (CONTRACTS 3).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.types import TypeDecorator

from studio.errors import ConfigError
from studio.settings import Settings

__all__ = ["Database", "Json", "UtcDateTime", "metadata", "schema_head"]

_MIGRATIONS = Path(__file__).parent / "migrations"

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. Refuses naive values: a time without a zone is a guess."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)  # SQLite keeps no zone


class Json(TypeDecorator[Any]):
    """JSON as text, readable in any database browser; UTF-8, not escaped, so that Chinese stays searchable."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def schema_head() -> str:
    """The newest schema revision, read from the names of the migration files, so that no start pays for Alembic's import."""
    return max(path.name.split("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


class Database:
    """One engine. Threads and processes may share the database; each connection is used for one `with` block."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        options: dict[str, Any] = {"connect_args": {"timeout": 30, "check_same_thread": False}} if self.is_sqlite else {}
        self.engine = sa.create_engine(url, **options)
        if self.is_sqlite:
            sa.event.listen(self.engine, "connect", _configure_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot to read from."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A short transaction that takes the write lock at once (BEGIN IMMEDIATE on SQLite): never 'locked' half-way."""
        with self.engine.connect().execution_options(studio_write=True) as connection, connection.begin():
            yield connection

    def insert_new(self, table: sa.Table, *unique: str) -> Any:
        """An INSERT that leaves a row alone which is there already, by the unique columns named."""
        if self.is_sqlite:
            from sqlalchemy.dialects.sqlite import insert as sqlite_insert

            return sqlite_insert(table).on_conflict_do_nothing(index_elements=list(unique))
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(table).on_conflict_do_nothing(index_elements=list(unique))

    def schema_revision(self) -> str | None:
        """The revision the database is at; None for an empty one."""
        if not sa.inspect(self.engine).has_table("alembic_version"):
            return None
        with self.read() as connection:
            return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()

    def check_schema(self) -> None:
        """Refuse to work on a schema that this version of the code does not know.

        Raises ConfigError, naming both revisions.
        """
        found, expected = self.schema_revision(), schema_head()
        if found != expected:
            raise ConfigError("error.db.foreign_schema", found=found or "-", expected=expected)

    def migrate(self, settings: Settings) -> None:
        """Bring the schema to `schema_head()`. Only one process does it at a time. Raises ConfigError on a newer schema."""
        with (settings.folder("tmp") / "migrate.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.is_sqlite:
                self._keep_wal()
            found = self.schema_revision()
            if found == schema_head():
                return
            if found is not None and found > schema_head():
                self.check_schema()  # written by a newer studio: raises
            import alembic.command
            import alembic.config

            config = alembic.config.Config()
            config.set_main_option("script_location", str(_MIGRATIONS))
            config.attributes["engine"] = self.engine
            alembic.command.upgrade(config, "head")
            self.check_schema()

    def _keep_wal(self) -> None:
        """The journal mode is a property of the file, and changing it answers "locked" at once to whoever is second: it is
        set here, under the lock, and not by every connection.
        """
        connection = self.engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.close()
        finally:
            connection.close()

    def close(self) -> None:
        self.engine.dispose()


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event below starts transactions, not the driver
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("studio_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
