"""The database: engine, connection, column types, the lock under which it is migrated, and its faults in plain words.

SQLAlchemy Core throughout: tables are declared in the room that owns them, on the one `metadata` below, and every read
and write goes through `Database.read()` and `Database.write()`. No write transaction lasts longer than 100 ms (CONTRACTS 3).
SQLite and PostgreSQL behave alike here: one writer at a time, readers with a snapshot. What makes them so stands below
the class, a function for each moment in a connection's life.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import re
import socket
import sqlite3
import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect, ExceptionContext
from sqlalchemy.types import TypeDecorator

from studio.errors import ConfigError, StorageError
from studio.settings import Settings

__all__ = ["Database", "Json", "StorageError", "UtcDateTime", "check_references", "metadata", "schema_head"]

_MIGRATIONS = Path(__file__).parent / "migrations"

#: A writer waits so long for the one before it, then gives up with error.db.locked.
LOCK_WAIT_S = 30.0

#: A writer of PostgreSQL that says nothing for so long in the middle of its transaction loses it: if its machine has
#: vanished, those who wait get the lock before they give up.
IDLE_WRITER_S = 15.0

#: A server that has not let us in after so long counts as one that does not answer.
CONNECT_WAIT_S = 10.0

# Keys of PostgreSQL's advisory locks; they count within one database. Any number will do that nobody else takes.
_WRITE_LOCK = int.from_bytes(b"studio-w")
_MIGRATE_LOCK = int.from_bytes(b"studio-m")

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
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)  # SQLite keeps no zone


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
    """One engine. Threads and processes may share the database; each connection is used for one `with` block.

    Every method raises StorageError when the database is locked, full or not there. Errors of the statements themselves
    (`sqlalchemy.exc.IntegrityError` and its like) pass unchanged.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        options: dict[str, Any] = {"connect_args": {"timeout": LOCK_WAIT_S, "check_same_thread": False}} if self.is_sqlite else {}
        self.engine = sa.create_engine(url, **options)
        listeners = _SQLITE if self.is_sqlite else _POSTGRESQL
        for event, listener in listeners.items():
            sa.event.listen(self.engine, event, listener)
        sa.event.listen(self.engine, "handle_error", self._in_plain_words)

    @property
    def place(self) -> str:
        """The database as a person knows it: its file, or host, port and name. Never a password."""
        url = self.engine.url
        return str(url.database) if self.is_sqlite else f"{url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot to read from: what is committed while it is open is not seen."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A short transaction that takes the write lock at once: never 'locked' half-way, and writers follow each other.

        SQLite: BEGIN IMMEDIATE. PostgreSQL would let writers run beside each other, and "read, decide, write" would be
        right on one database and a lost update or a double job on the other; there a transaction begins with one advisory
        lock that all writers share. At READ COMMITTED each statement behind the lock sees all that earlier writers did;
        a stricter level would take its snapshot before it got the lock, and work on what was true then.
        """
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
        with self.read() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()

    def check_schema(self) -> None:
        """Refuse to work on a schema that this version of the code does not know.

        Raises ConfigError, naming both revisions.
        """
        found, expected = self.schema_revision(), schema_head()
        if found != expected:
            raise ConfigError("error.db.foreign_schema", found=found or "-", expected=expected)

    def migrate(self, settings: Settings) -> None:
        """Bring the schema to `schema_head()`. Only one process does it at a time, on whatever host it runs; whoever comes
        second waits. Raises ConfigError on a newer schema, and on rows that refer to nothing.
        """
        with self._alone(settings):
            found = self.schema_revision()
            if found == schema_head():
                return
            if found is not None and found > schema_head():
                self.check_schema()  # written by a newer studio: raises
            self.upgrade("head")
            self.check_schema()

    def upgrade(self, revision: str) -> None:
        """Run the migrations up to a revision. Nobody else may be at it: `migrate` sees to that, or the database is new."""
        import alembic.command
        import alembic.config

        config = alembic.config.Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["engine"] = self.engine
        alembic.command.upgrade(config, revision)

    @contextlib.contextmanager
    def _alone(self, settings: Settings) -> Iterator[None]:
        """The home's lock file keeps other processes of this host out, PostgreSQL's lock those of other hosts."""
        with (settings.folder("tmp") / "migrate.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self.engine.connect().execution_options(studio_plain=True) as connection:
                if self.is_sqlite:
                    # A property of the file. Changing it answers "locked" at once to whoever is second: so it is set here,
                    # under the lock, and not by every connection.
                    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                    connection.commit()
                    yield
                    return
                # Of the session, not of the transaction: a transaction open for as long as the migrations run would be in
                # their way. A large migration may take longer than a writer waits.
                connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                connection.exec_driver_sql(f"SELECT pg_advisory_lock({_MIGRATE_LOCK})")
                connection.commit()
                try:
                    yield
                finally:
                    connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_MIGRATE_LOCK})")
                    connection.commit()

    def _in_plain_words(self, context: ExceptionContext) -> StorageError | sa.exc.IntegrityError | None:
        """What SQLAlchemy raises instead of the driver's error; None leaves it as it is."""
        original = context.original_exception
        if self.is_sqlite:
            kind, reason = _sqlite_fault(original), str(original)
        else:
            kind, reason = _postgresql_fault(original, connected=context.connection is not None)
            # pg8000 says so for some errors only; a connection that is not known as broken would be used again.
            context.is_disconnect |= kind == "unreachable"
        match kind:
            case "locked":
                return StorageError("error.db.locked", place=self.place, waited_s=LOCK_WAIT_S)
            case "disk_full":
                return StorageError("error.db.disk_full", place=self.place)
            case "unreachable":
                return StorageError("error.db.unreachable", place=self.place, reason=reason)
            case "integrity":
                return sa.exc.IntegrityError(context.statement, cast("Any", context.parameters), original)
        return None

    def close(self) -> None:
        self.engine.dispose()


def check_references(connection: Connection) -> None:
    """Raises ConfigError when a row of SQLite refers to one that is not there. Foreign keys are not held while a migration
    runs; PostgreSQL holds them always, and is not asked.
    """
    if connection.dialect.name == "sqlite":
        dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if dangling:
            tables = ", ".join(sorted({row[0] for row in dangling}))
            raise ConfigError("error.db.dangling", tables=tables, rows=len(dangling))


# --- SQLite -----------------------------------------------------------------------------------------------------------


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event below starts transactions, not the driver
    wait = f"busy_timeout={LOCK_WAIT_S * 1000:.0f}"
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON", wait, "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("studio_plain"):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("studio_write") else "BEGIN")


def _sqlite_fault(error: BaseException) -> str | None:
    """SQLite's result codes: https://www.sqlite.org/rescode.html; the low byte is the kind."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_BUSY_SNAPSHOT:
        return None  # a read that turned to writing: a mistake of ours
    if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "locked"
    # The file shared by readers cannot grow: that is said as an I/O error, and means a full disk too.
    if code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return "disk_full"
    return "unreachable" if code & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR) else None


_SQLITE: dict[str, Callable[..., Any]] = {"connect": _configure_sqlite, "begin": _begin_sqlite}

# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def _connect_postgresql(dialect: Dialect, _record: Any, _args: Any, params: dict[str, Any]) -> Any:
    """A connection that waits `CONNECT_WAIT_S` for the server to let it in, and as long as they take for statements."""
    driver = dialect.loaded_dbapi
    mode = params.pop("sslmode", "prefer")  # libpq's word, part of most providers' URLs
    params["ssl_context"] = _ssl_context(mode)
    session = {
        "TimeZone": "UTC",
        "lock_timeout": f"{LOCK_WAIT_S * 1000:.0f}",
        "default_transaction_isolation": "read committed",
    }
    options = {"timeout": CONNECT_WAIT_S, "application_name": "finetune-studio", "startup_params": session}
    try:
        try:
            connection = driver.connect(**options | params)
        except driver.InterfaceError as error:
            if "refuses SSL" not in str(error) or mode not in ("allow", "prefer"):
                raise
            connection = driver.connect(**options | params | {"ssl_context": False})
    except OSError as error:  # pg8000 turns only some of them into errors of its own
        raise driver.InterfaceError("network error") from error
    # pg8000 has no wait for connecting alone, and shows its socket to nobody.
    stream: socket.socket = connection._usock
    stream.settimeout(None)
    # The driver sends one request in several pieces; each would wait 40 ms for the answer to the one before it.
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A server whose machine is gone never says so: ask after half a minute of silence, give up after another.
    for name, value in {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}.items():
        if hasattr(socket, name):
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection


def _ssl_context(mode: str) -> ssl.SSLContext | bool:
    """What libpq's `sslmode` asks for, in pg8000's words. Raises ConfigError for an unknown one."""
    known = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
    if mode not in known:
        raise ConfigError("error.db.sslmode", mode=mode, known=", ".join(known))
    if mode == "disable":
        return False
    if mode in ("verify-ca", "verify-full"):
        context = ssl.create_default_context()
        context.check_hostname = mode == "verify-full"
        return context
    # pg8000's own would read all certificates of the machine for each connection, 30 ms, and then not look at them.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _ping_postgresql(connection: Any, _record: Any, _proxy: Any) -> None:
    """Asked of each connection that leaves the pool: one that a restart of the server broke is replaced by a new one.

    SQLAlchemy's own `pool_pre_ping` lets errors of the socket through, which pg8000 gives as they are.
    """
    try:
        connection.autocommit = True  # else the driver begins a transaction
        connection.cursor().execute("SELECT 1")
        connection.autocommit = False
    except Exception as error:  # whatever it is: such a connection is of no use
        raise sa.exc.DisconnectionError("the server closed the connection") from error


def _begin_postgresql(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("studio_plain"):
        return
    if options.get("studio_write"):
        patience = f"set_config('idle_in_transaction_session_timeout', '{IDLE_WRITER_S * 1000:.0f}', true)"
        connection.exec_driver_sql(f"SELECT {patience}, pg_advisory_xact_lock({_WRITE_LOCK})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


#: `VALUES` with nothing but parameters in it, each with the type that SQLAlchemy gives it.
_GIVEN_VALUES = re.compile(r"VALUES \((?:%s::[A-Z ]+(?:\(\d+\))?(?:, )?)+\)")


def _insert_many_postgresql(cursor: Any, statement: str, parameters: Sequence[Sequence[Any]], context: Any) -> bool:
    """INSERT of many rows as one statement with one parameter, the rows as JSON. True when it was done here.

    pg8000 sends rows one by one, with three answers to wait for each; a statement of many VALUES it would read letter by
    letter, in Python. Both are far over 100 ms for a batch. `ON CONFLICT` and the order of the rows hold as they did.
    """
    values = _GIVEN_VALUES.search(statement) if context.isinsert else None
    names = context.compiled.positiontup if values else ()
    if values is None or values[0].count("%s") != len(names):
        return False  # no INSERT, or one whose values are not all given
    quote = context.dialect.identifier_preparer.quote
    columns = ", ".join(f"{quote(name)} {context.compiled.binds[name].type.compile(context.dialect)}" for name in names)
    source = f"SELECT * FROM json_to_recordset(%s::json) AS new_rows({columns})"
    rows = [dict(zip(names, map(_json_value, row), strict=True)) for row in parameters]
    cursor.execute(statement.replace(values[0], source), (json.dumps(rows, ensure_ascii=False),))
    return True


def _json_value(value: Any) -> Any:
    """A value in the spelling that PostgreSQL reads from JSON: moments, and the floats that JSON has not, as text."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _postgresql_fault(error: BaseException, *, connected: bool) -> tuple[str | None, str]:
    """The kind of fault with the server's own reason, by SQLSTATE: PostgreSQL's manual, appendix A."""
    said = error.args[0] if error.args else ""
    if isinstance(said, dict):
        code, reason = said.get("C", ""), said.get("M", "")
        if code in ("55P03", "40P01"):  # lock_not_available, deadlock_detected
            return "locked", reason
        if code == "53100":
            return "disk_full", reason
        if code[:2] == "23":  # pg8000 knows the unique ones only, and calls a foreign key a mistake in the statement
            return "integrity", reason
        # Connection, authentication, no such database, too many connections, shut down, waited in a transaction.
        gone = code[:2] in ("08", "28") or code in ("3D000", "53300", "57P01", "57P02", "57P03", "25P03")
        return ("unreachable" if gone else None), reason
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError):
        return "unreachable", cause.strerror or str(cause)
    is_driver = type(error).__module__.startswith("pg8000")
    closed = is_driver and any(words in str(said) for words in ("network error", "connection is closed"))
    return ("unreachable" if closed or (is_driver and not connected) else None), str(said)


_POSTGRESQL: dict[str, Callable[..., Any]] = {
    "do_connect": _connect_postgresql,
    "checkout": _ping_postgresql,
    "begin": _begin_postgresql,
    "do_executemany": _insert_many_postgresql,
}
