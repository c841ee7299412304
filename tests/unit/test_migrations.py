"""The schema is what the tables say, is brought up to date by one process at a time, and no row is lost on the way."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import alembic.command
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import studio.services  # noqa: F401 - declares every table on the one metadata
from studio.data.tables import datasets, revisions
from studio.db import _MIGRATE_LOCK, _MIGRATIONS, Database, metadata, schema_head
from studio.errors import ConfigError
from studio.ids import now
from studio.settings import Settings

pytestmark = pytest.mark.backends("sqlite", "postgresql")

#: What a migration leaves behind on purpose: tables, and columns as "table.column".
LEFT_BEHIND = {
    "0002": {"workers", "jobs.pid_created"},  # the living alone, and a clock's time that nothing can be compared with
}


def config_of(db: Database) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["engine"] = db.engine
    return config


def earlier_states() -> list[str]:
    """Every schema revision but the newest, oldest first."""
    return sorted(path.name.split("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))[:-1]


def names(db: Database) -> list[str]:
    with db.read() as connection:
        return list(connection.execute(sa.select(datasets.c.name).order_by(datasets.c.name)).scalars())


def add_dataset(db: Database, id_: str) -> None:
    with db.write() as connection:
        connection.execute(datasets.insert().values(id=id_, name=id_, note="", author="usr_a", created_at=now()))
        row = {"dataset_id": id_, "number": 1, "state": "committed", "message": "", "author": "a", "created_at": now()}
        connection.execute(revisions.insert().values(**row))


# --- the schema -------------------------------------------------------------------------------------------------------


def test_the_migrations_make_exactly_the_tables_that_the_rooms_declare(db: Database) -> None:
    with db.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_a_database_without_a_schema_is_refused_by_whoever_may_not_migrate(empty_db: Database) -> None:
    with pytest.raises(ConfigError) as caught:
        empty_db.check_schema()
    assert caught.value.key == "error.db.foreign_schema"
    assert caught.value.params == {"found": "-", "expected": schema_head()}


def test_the_newest_revision_by_file_name_is_alembics_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema_head()]


def test_the_schema_of_a_newer_studio_is_refused_and_left_alone(db: Database, settings: Settings) -> None:
    with db.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for refused in (db.check_schema, lambda: db.migrate(settings)):
        with pytest.raises(ConfigError) as caught:
            refused()
        assert caught.value.key == "error.db.foreign_schema"
        assert caught.value.params == {"found": "9999", "expected": schema_head()}
    assert db.schema_revision() == "9999"


# --- one at a time ----------------------------------------------------------------------------------------------------


@pytest.mark.backends("sqlite")
def test_migrating_twice_changes_nothing(empty_db: Database, settings: Settings) -> None:
    empty_db.migrate(settings)
    add_dataset(empty_db, "ds_kept")
    before = (settings.home / "studio.db").read_bytes()
    empty_db.migrate(settings)
    empty_db.check_schema()
    assert names(empty_db) == ["ds_kept"]
    assert (settings.home / "studio.db").read_bytes() == before


def test_two_starts_at_once_migrate_once(empty_db: Database, settings: Settings) -> None:
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


@pytest.mark.backends("postgresql")
def test_another_host_waits_until_the_migrations_are_done(
    empty_db: Database, settings: Settings, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    elsewhere = settings.model_copy(update={"home": tmp_path / "elsewhere"}).ready()  # its lock file is another one
    with empty_db.engine.connect().execution_options(studio_plain=True) as migrating:
        migrating.exec_driver_sql(f"SELECT pg_advisory_lock({_MIGRATE_LOCK})")
        migrating.commit()
        other = threading.Thread(target=empty_db.migrate, args=(elsewhere,))
        other.start()
        wait_until(lambda: waits_for_a_lock(empty_db))
        assert empty_db.schema_revision() is None
        migrating.exec_driver_sql(f"SELECT pg_advisory_unlock({_MIGRATE_LOCK})")
        migrating.commit()
    other.join(30)
    empty_db.check_schema()


def waits_for_a_lock(db: Database) -> bool:
    """Whether a session of this database waits for an advisory lock."""
    mine = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    with db.read() as connection:
        query = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND {mine}"
        return bool(connection.execute(sa.text(query)).scalar())


# --- nothing is lost --------------------------------------------------------------------------------------------------


def fill(db: Database) -> dict[str, list[dict[str, Any]]]:
    """One row in every table of the schema as it is, each referring to the others' rows; returns what is stored."""
    tables = sa.MetaData()
    with db.write() as connection:
        tables.reflect(connection)
        for number, table in enumerate(tables.sorted_tables):
            if table.name != "alembic_version":
                connection.execute(table.insert().values({column.name: value_for(column, number) for column in table.columns}))
    return everything(db)


def value_for(column: sa.Column[Any], number: int) -> Any:
    if column.foreign_keys:
        referred = next(iter(column.foreign_keys)).column
        return value_for(referred, [table.name for table in referred.table.metadata.sorted_tables].index(referred.table.name))
    match column.type:
        case sa.Boolean():
            return True
        case sa.DateTime():
            return datetime(2026, 1, 1, 8, 30, tzinfo=UTC)
        case sa.Float():
            return 0.1
        case sa.Integer():
            return 1000 + number
        case sa.String():
            return f'"{column.table.name} {column.name} 名"'[: column.type.length]
    raise NotImplementedError(f"{column}: {column.type}")


def everything(db: Database) -> dict[str, list[dict[str, Any]]]:
    tables = sa.MetaData()
    with db.read() as connection:
        tables.reflect(connection)
        return {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in tables.sorted_tables
            if table.name != "alembic_version"
        }


@pytest.mark.parametrize("state", earlier_states())
def test_a_filled_database_of_every_earlier_state_loses_nothing(empty_db: Database, settings: Settings, state: str) -> None:
    alembic.command.upgrade(config_of(empty_db), state)
    before = fill(empty_db)
    assert all(len(stored) == 1 for stored in before.values())
    assert set(before) >= {"datasets", "revisions", "rows", "runs", "jobs", "events", "points", "checkpoints", "chats"}
    empty_db.migrate(settings)
    after = everything(empty_db)
    left_behind = set().union(*(gone for revision, gone in LEFT_BEHIND.items() if revision > state))
    for table in set(before) - left_behind:
        kept = {name for name in before[table][0] if f"{table}.{name}" not in left_behind}
        assert [{name: row[name] for name in kept} for row in after[table]] == [
            {name: row[name] for name in kept} for row in before[table]
        ]


@pytest.fixture
def next_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """`next_migration(upgrade)` adds one behind the newest, to a copy of the migrations."""
    copy = tmp_path / "migrations"
    shutil.copytree(_MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    head = schema_head()

    def add(upgrade: str) -> None:
        text = f'import sqlalchemy as sa\nfrom alembic import op\n\nrevision = "9000"\ndown_revision = "{head}"\n'
        (copy / "versions" / "9000_next.py").write_text(f"{text}\ndef upgrade():\n    {upgrade}\n")
        monkeypatch.setattr("studio.db._MIGRATIONS", copy)

    return add


RECREATE = 'with op.batch_alter_table("datasets", recreate="always") as batch: batch.add_column(sa.Column("more", sa.Text))'


def test_making_a_table_anew_keeps_the_rows_that_refer_to_it(
    db: Database, settings: Settings, next_migration: Callable[[str], None]
) -> None:
    """On SQLite the old table is dropped, which deletes what refers to it `ON DELETE CASCADE` if foreign keys are held."""
    add_dataset(db, "ds_a")
    next_migration(RECREATE if db.is_sqlite else RECREATE.replace("always", "auto"))
    db.migrate(settings)
    with db.read() as connection:
        assert connection.execute(sa.select(revisions.c.dataset_id)).scalars().all() == ["ds_a"]
    with pytest.raises(sa.exc.IntegrityError), db.write() as connection:  # and they are held again
        connection.execute(revisions.update().values(dataset_id="ds_none"))


@pytest.mark.backends("sqlite")
def test_a_migration_that_leaves_rows_without_what_they_refer_to_is_taken_back(
    db: Database, settings: Settings, next_migration: Callable[[str], None]
) -> None:
    add_dataset(db, "ds_a")
    head = schema_head()
    next_migration("""op.execute("DELETE FROM datasets")""")
    with pytest.raises(ConfigError) as caught:
        db.migrate(settings)
    assert (caught.value.key, caught.value.params) == ("error.db.dangling", {"tables": "revisions", "rows": 1})
    assert (names(db), db.schema_revision()) == (["ds_a"], head)


def test_a_migration_that_breaks_in_the_middle_leaves_all_as_it_was(
    db: Database, settings: Settings, next_migration: Callable[[str], None]
) -> None:
    add_dataset(db, "ds_a")
    head = schema_head()
    next_migration("""op.execute("DROP TABLE revisions"); op.execute("DELETE FROM datasets"); raise RuntimeError("power cut")""")
    with pytest.raises(RuntimeError, match="power cut"):
        db.migrate(settings)
    assert (names(db), db.schema_revision()) == (["ds_a"], head)
    add_dataset(db, "ds_b")
