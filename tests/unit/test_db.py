"""The schema is what the tables say, is brought up to date once, and writes neither collide nor get lost."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import studio.services  # noqa: F401 - declares every table on the one metadata
from studio.data.tables import datasets, revisions
from studio.db import _MIGRATIONS, Database, metadata, schema_head
from studio.errors import ConfigError
from studio.ids import now
from studio.settings import Settings


@pytest.fixture
def empty(settings: Settings) -> Iterator[Database]:
    database = Database(settings.url)
    yield database
    database.close()


def dataset(id_: str, **values: object) -> dict[str, object]:
    return {"id": id_, "name": id_, "note": "", "author": "usr_local", "created_at": now()} | values


def names(db: Database) -> list[str]:
    with db.read() as connection:
        return list(connection.execute(sa.select(datasets.c.name).order_by(datasets.c.name)).scalars())


# --- schema -----------------------------------------------------------------------------------------------------------


def test_the_migrations_make_exactly_the_tables_that_the_rooms_declare(db: Database) -> None:
    with db.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_a_database_without_a_schema_is_refused_by_whoever_may_not_migrate(empty: Database) -> None:
    with pytest.raises(ConfigError) as caught:
        empty.check_schema()
    assert caught.value.key == "error.db.foreign_schema"
    assert caught.value.params == {"found": "-", "expected": schema_head()}


def test_the_newest_revision_by_file_name_is_alembics_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema_head()]


def test_migrating_twice_changes_nothing(empty: Database, settings: Settings) -> None:
    empty.migrate(settings)
    with empty.write() as connection:
        connection.execute(datasets.insert().values(**dataset("ds_kept")))
    before = (settings.home / "studio.db").read_bytes()
    empty.migrate(settings)
    empty.check_schema()
    assert names(empty) == ["ds_kept"]
    assert (settings.home / "studio.db").read_bytes() == before


def test_two_starts_at_once_migrate_once(settings: Settings) -> None:
    start, problems = threading.Barrier(2), []

    def migrate() -> None:
        database = Database(settings.url)
        try:
            start.wait(10)
            database.migrate(settings)
            database.check_schema()
        except Exception as error:
            problems.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=migrate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert problems == []


def test_the_schema_of_a_newer_studio_is_refused_and_left_alone(db: Database, settings: Settings) -> None:
    with db.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for refused in (db.check_schema, lambda: db.migrate(settings)):
        with pytest.raises(ConfigError) as caught:
            refused()
        assert caught.value.key == "error.db.foreign_schema"
        assert caught.value.params == {"found": "9999", "expected": schema_head()}
    assert db.schema_revision() == "9999"


# --- values -----------------------------------------------------------------------------------------------------------


def test_a_time_without_a_zone_is_refused(db: Database) -> None:
    with pytest.raises(sa.exc.StatementError, match="a time without a zone") as caught, db.write() as connection:
        connection.execute(datasets.insert().values(**dataset("ds_a", created_at=datetime(2026, 1, 1))))
    assert isinstance(caught.value.orig, ValueError)


def test_a_time_comes_back_as_the_same_moment_in_utc(db: Database) -> None:
    moment = datetime(2026, 1, 1, 8, 30, 0, 123_000, timezone(timedelta(hours=8)))
    with db.write() as connection:
        connection.execute(datasets.insert().values(**dataset("ds_a", created_at=moment)))
    with db.read() as connection:
        found = connection.execute(sa.select(datasets.c.created_at)).scalar_one()
    assert found == moment
    assert found.tzinfo == UTC


def test_json_keeps_chinese_readable_in_the_file(db: Database) -> None:
    value = {"名": ["青光眼", 1, None, True, 0.5]}
    with db.write() as connection:
        connection.execute(datasets.insert().values(**dataset("ds_a")))
        row = {"dataset_id": "ds_a", "number": 1, "state": "pending", "message": "", "author": "a", "created_at": now()}
        connection.execute(revisions.insert().values(**row, report=value))
    with db.read() as connection:
        assert connection.execute(sa.select(revisions.c.report)).scalar_one() == value
        stored = connection.execute(sa.text("SELECT report FROM revisions")).scalar_one()
    assert stored == '{"名":["青光眼",1,null,true,0.5]}'


def test_a_row_cannot_refer_to_what_is_not_there(db: Database) -> None:
    row = {"dataset_id": "ds_none", "number": 1, "state": "pending", "message": "", "author": "a", "created_at": now()}
    with pytest.raises(sa.exc.IntegrityError), db.write() as connection:
        connection.execute(revisions.insert().values(**row))


# --- writing ----------------------------------------------------------------------------------------------------------


def test_a_write_takes_the_lock_before_its_first_statement(db: Database, settings: Settings) -> None:
    other = sqlite3.connect(settings.home / "studio.db", timeout=0, isolation_level=None)
    try:
        with db.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")  # and gives it back
        other.execute("ROLLBACK")
    finally:
        other.close()


def test_a_read_takes_no_lock_and_sees_what_was_committed_when_it_began(db: Database) -> None:
    with db.read() as reading:
        assert reading.execute(sa.select(sa.func.count()).select_from(datasets)).scalar() == 0
        with db.write() as connection:
            connection.execute(datasets.insert().values(**dataset("ds_a")))
        assert reading.execute(sa.select(sa.func.count()).select_from(datasets)).scalar() == 0
    assert names(db) == ["ds_a"]


def test_two_threads_that_change_one_value_lose_no_change(db: Database) -> None:
    with db.write() as connection:
        connection.execute(datasets.insert().values(**dataset("ds_a", note="0")))
    start, problems = threading.Barrier(2), []

    def count() -> None:
        try:
            start.wait(10)
            for _ in range(50):
                with db.write() as connection:
                    note = int(connection.execute(sa.select(datasets.c.note)).scalar_one())
                    connection.execute(datasets.update().values(note=str(note + 1)))
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    with db.read() as connection:
        assert connection.execute(sa.select(datasets.c.note)).scalar_one() == "100"


def test_a_write_that_fails_leaves_nothing(db: Database) -> None:
    with pytest.raises(RuntimeError), db.write() as connection:
        connection.execute(datasets.insert().values(**dataset("ds_a")))
        raise RuntimeError
    assert names(db) == []


def test_insert_new_leaves_a_row_alone_that_is_there(db: Database) -> None:
    with db.write() as connection:
        connection.execute(db.insert_new(datasets, "id"), [dataset("ds_a", note="first")])
        connection.execute(db.insert_new(datasets, "id"), [dataset("ds_a", note="second"), dataset("ds_b")])
    with db.read() as connection:
        found = connection.execute(sa.select(datasets.c.id, datasets.c.note).order_by(datasets.c.id)).all()
    assert [tuple(row) for row in found] == [("ds_a", "first"), ("ds_b", "")]
