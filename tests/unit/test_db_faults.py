"""What happens to reads and writes when a database has bad luck: locked, full, gone, silent. Real faults, plain words."""

from __future__ import annotations

import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from studio.data.tables import datasets
from studio.db import Database, StorageError
from studio.errors import ConfigError
from studio.ids import now
from studio.settings import Settings
from tests.unit.postgresql import PASSWORD, USER, PostgresServer

BOTH = pytest.mark.backends("sqlite", "postgresql")
POSTGRESQL = pytest.mark.backends("postgresql")

_DISK_BYTES = 8 * 2**20


def add_dataset(db: Database, id_: str, note: str = "") -> None:
    with db.write() as connection:
        connection.execute(datasets.insert().values(id=id_, name=id_, note=note, author="usr_a", created_at=now()))


def ids(db: Database) -> list[str]:
    with db.read() as connection:
        return list(connection.execute(sa.select(datasets.c.id).order_by(datasets.c.id)).scalars())


def fault(work: Callable[[], object], key: str) -> StorageError:
    """The StorageError that `work` ends in: chained from the driver's error, with a place and without a password."""
    with pytest.raises(StorageError) as caught:
        work()
    error = caught.value
    assert error.key == key
    assert error.__cause__ is not None
    assert error.params["place"]
    assert PASSWORD not in str(error.params)
    return error


@pytest.fixture
def impatient(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The same database for somebody who waits 50 ms for a lock."""
    monkeypatch.setattr("studio.db.LOCK_WAIT_S", 0.05)
    database = Database(db.url)
    yield database
    database.close()


# --- locked -----------------------------------------------------------------------------------------------------------


@BOTH
def test_a_write_behind_one_that_never_ends_is_told_so(db: Database, impatient: Database) -> None:
    with db.write():
        error = fault(lambda: add_dataset(impatient, "ds_a"), "error.db.locked")
    assert error.params == {"place": impatient.place, "waited_s": 0.05}
    add_dataset(impatient, "ds_a")
    assert ids(db) == ["ds_a"]


def test_a_read_of_a_file_that_another_program_keeps_to_itself_is_told_so(settings: Settings, impatient: Database) -> None:
    other = sqlite3.connect(settings.home / "studio.db", isolation_level=None)
    try:
        other.execute("PRAGMA journal_mode=DELETE")  # as a backup program may have set it: here readers wait too
        other.execute("BEGIN EXCLUSIVE")
        fault(lambda: ids(impatient), "error.db.locked")
        other.execute("ROLLBACK")
    finally:
        other.close()
    assert ids(impatient) == []


def test_the_wait_for_a_lock_is_half_a_minute(db: Database) -> None:
    with db.read() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


@POSTGRESQL
def test_the_wait_for_a_lock_is_half_a_minute_on_a_server(db: Database) -> None:
    with db.read() as connection:
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "30s"


# --- full -------------------------------------------------------------------------------------------------------------


def write_until_full(db: Database) -> None:
    """32 MB, then some more: what does not fit is refused in the middle of it."""
    for number in range(32):
        with db.write() as connection:
            row = {"note": "note " * 2_000, "author": "a", "created_at": now()}
            values = [row | {"id": f"ds_{number}_{n}", "name": f"{number} {n}"} for n in range(100)]
            connection.execute(datasets.insert(), values)


def whole_batches(db: Database) -> bool:
    with db.read() as connection:
        n_rows = int(connection.execute(sa.select(sa.func.count()).select_from(datasets)).scalar_one())
    return n_rows > 0 and n_rows % 100 == 0


def test_a_full_disk_is_told_and_what_was_written_before_is_whole(
    small_disk: Callable[..., Path], migrated_file: Path
) -> None:
    disk = small_disk(_DISK_BYTES)
    shutil.copyfile(migrated_file, disk / "studio.db")
    db = Database(f"sqlite:///{disk / 'studio.db'}")
    try:
        error = fault(lambda: write_until_full(db), "error.db.disk_full")
        assert error.params == {"place": str(disk / "studio.db")}
        assert whole_batches(db)
    finally:
        db.close()


@POSTGRESQL
def test_a_full_disk_of_the_server_is_told_and_what_was_written_before_is_whole(
    small_disk: Callable[..., Path], db: Database, postgresql: PostgresServer
) -> None:
    disk = small_disk(_DISK_BYTES)
    if postgresql.owner:
        shutil.chown(disk, postgresql.owner["user"], postgresql.owner["group"])
    space = f"small_{disk.name.rsplit('-', 1)[1]}"
    postgresql.ask(f"CREATE TABLESPACE \"{space}\" LOCATION '{disk}'")
    try:
        with db.write() as connection:
            connection.exec_driver_sql(f'ALTER TABLE datasets SET TABLESPACE "{space}"')
            connection.exec_driver_sql("ALTER TABLE datasets ALTER COLUMN note SET STORAGE EXTERNAL")  # as it is, not packed
        fault(lambda: write_until_full(db), "error.db.disk_full")
        assert whole_batches(db)
    finally:
        db.close()
        postgresql.drop(db.url)
        postgresql.ask(f'DROP TABLESPACE "{space}"')


# --- gone -------------------------------------------------------------------------------------------------------------


def test_a_file_in_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'gone' / 'studio.db'}")
    error = fault(lambda: ids(db), "error.db.unreachable")
    assert error.params == {"place": str(tmp_path / "gone" / "studio.db"), "reason": "unable to open database file"}
    db.close()


@pytest.fixture
def port() -> Iterator[int]:
    """A port that is bound, where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_port_where_nobody_listens_is_told(port: int, settings: Settings) -> None:
    db = Database(f"postgresql+pg8000://{USER}:{PASSWORD}@127.0.0.1:{port}/studio")
    for work in (lambda: ids(db), lambda: add_dataset(db, "ds_a"), lambda: db.migrate(settings), db.check_schema):
        error = fault(work, "error.db.unreachable")
        assert error.params == {"place": f"127.0.0.1:{port}/studio", "reason": "Connection refused"}
    db.close()


def test_a_host_that_does_not_exist_is_told() -> None:
    db = Database("postgresql+pg8000://a:b@nowhere.invalid/studio")
    assert fault(lambda: ids(db), "error.db.unreachable").params["place"] == "nowhere.invalid:5432/studio"
    db.close()


def test_a_server_that_takes_the_call_and_stays_silent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.db.CONNECT_WAIT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        db = Database(f"postgresql+pg8000://{USER}:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/studio")
        assert fault(lambda: ids(db), "error.db.unreachable").params["reason"] == "timed out"
        db.close()


@POSTGRESQL
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"password": "wrong"}, f'password authentication failed for user "{USER}"'),
        ({"username": "nobody"}, 'password authentication failed for user "nobody"'),
        ({"database": "none"}, 'database "none" does not exist'),
    ],
)
def test_a_server_that_refuses_is_quoted(db: Database, change: dict[str, str], reason: str) -> None:
    url = db.engine.url.set(**change).render_as_string(hide_password=False)
    refused = Database(url)
    assert fault(lambda: ids(refused), "error.db.unreachable").params["reason"] == reason
    refused.close()


@POSTGRESQL
def test_patience_while_connecting_is_not_patience_with_a_statement(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.db.CONNECT_WAIT_S", 0.2)
    slow = Database(db.url)
    with slow.read() as connection:
        assert connection.exec_driver_sql("SELECT 1 FROM pg_sleep(0.4)").scalar() == 1
    slow.close()


def throw_out(db: Database, postgresql: PostgresServer) -> None:
    """End all connections to a database, as a restart of the server does."""
    name = db.engine.url.database
    postgresql.ask(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")


@POSTGRESQL
def test_connections_that_a_restart_broke_are_made_anew(db: Database, postgresql: PostgresServer) -> None:
    with db.read(), db.read():  # two wait in the pool
        pass
    throw_out(db, postgresql)
    with db.read(), db.read():
        pass
    add_dataset(db, "ds_a")
    assert ids(db) == ["ds_a"]


@POSTGRESQL
def test_a_restart_in_the_middle_of_a_write_is_told_and_leaves_nothing(db: Database, postgresql: PostgresServer) -> None:
    def work() -> None:
        with db.write() as connection:
            connection.execute(datasets.insert().values(id="ds_a", name="a", note="", author="a", created_at=now()))
            throw_out(db, postgresql)
            connection.execute(datasets.update().values(note="b"))

    fault(work, "error.db.unreachable")
    assert ids(db) == []


@POSTGRESQL
def test_a_writer_that_has_fallen_silent_loses_the_lock(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its machine has lost its power: no end of the connection is ever heard of."""
    monkeypatch.setattr("studio.db.IDLE_WRITER_S", 0.1)
    with pytest.raises(StorageError), db.write() as silent:
        silent.execute(datasets.insert().values(id="ds_a", name="a", note="", author="a", created_at=now()))
        add_dataset(db, "ds_b")  # waits for the lock, and gets it
        silent.execute(sa.select(datasets.c.id))
    assert ids(db) == ["ds_b"]


# --- what is no bad luck ----------------------------------------------------------------------------------------------


@BOTH
def test_mistakes_in_statements_stay_what_they_are(db: Database) -> None:
    add_dataset(db, "ds_a")
    with pytest.raises(sa.exc.IntegrityError):
        add_dataset(db, "ds_a")
    for mistake in ("SELECT nothing FROM datasets", "SELEC 1"):
        with pytest.raises(sa.exc.DBAPIError), db.read() as connection:
            connection.exec_driver_sql(mistake)
    with pytest.raises(FileNotFoundError), db.write():
        (Path("nowhere") / "file").read_text()
    assert ids(db) == ["ds_a"]


@POSTGRESQL
def test_a_read_writes_nothing(db: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="read-only"), db.read() as connection:
        connection.execute(datasets.delete())


@POSTGRESQL
@pytest.mark.parametrize(("mode", "reached"), [("disable", True), ("prefer", True), ("require", False)])
def test_sslmode_of_a_providers_url_is_understood(db: Database, mode: str, reached: bool) -> None:
    """The tests' server speaks no TLS."""
    other = Database(f"{db.url}?sslmode={mode}")
    if reached:
        assert ids(other) == []
    else:
        assert fault(lambda: ids(other), "error.db.unreachable").params["reason"] == "Server refuses SSL"
    other.close()


def test_an_unknown_sslmode_is_refused_with_the_known_ones(port: int) -> None:
    db = Database(f"postgresql+pg8000://a:b@127.0.0.1:{port}/studio?sslmode=always")
    with pytest.raises(ConfigError) as caught:
        ids(db)
    known = "disable, allow, prefer, require, verify-ca, verify-full"
    assert (caught.value.key, caught.value.params) == ("error.db.sslmode", {"mode": "always", "known": known})
