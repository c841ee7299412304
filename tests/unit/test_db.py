"""Values come back as they went in, and writes neither collide nor get lost: on SQLite as on PostgreSQL."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from studio.data.tables import datasets, revisions
from studio.db import Database, StorageError
from studio.ids import now
from studio.jobs.tables import points
from studio.settings import ROOT

pytestmark = pytest.mark.backends("sqlite", "postgresql")


def dataset(id_: str, **values: object) -> dict[str, object]:
    return {"id": id_, "name": id_, "note": "", "author": "usr_local", "created_at": now()} | values


def names(db: Database) -> list[str]:
    with db.read() as connection:
        return list(connection.execute(sa.select(datasets.c.name).order_by(datasets.c.name)).scalars())


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


def test_a_write_takes_the_lock_before_its_first_statement(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.db.LOCK_WAIT_S", 0.05)
    other = Database(db.url)
    try:
        with db.write(), pytest.raises(StorageError), other.write():
            pass
        with other.write() as connection:  # and gives it back
            connection.execute(datasets.insert().values(**dataset("ds_a")))
    finally:
        other.close()
    assert names(db) == ["ds_a"]


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


def test_many_rows_in_one_statement_are_what_they_would_be_one_by_one(db: Database) -> None:
    """On PostgreSQL they travel as JSON: types, quotes, null and floats without a number must survive that."""
    notes = ['a "quoted" 名', "back\\slash\n", "%s :name $1", "", "\u2028"]
    moment = datetime(2026, 1, 1, 8, 30, 0, 123_456, UTC)
    with db.write() as connection:
        values = [dataset(f"ds_{n}", note=note, created_at=moment) for n, note in enumerate(notes)]
        assert connection.execute(datasets.insert(), values).rowcount == len(notes)
        row = {"dataset_id": "ds_0", "state": "pending", "message": "", "author": "a", "created_at": now()}
        reports = [{"名": [1, None, 0.5]}, None, "text"]
        connection.execute(revisions.insert(), [row | {"number": n, "report": report} for n, report in enumerate(reports)])
    with db.read() as connection:
        stored = connection.execute(sa.select(datasets.c.note, datasets.c.created_at).order_by(datasets.c.id)).all()
        found = list(connection.execute(sa.select(revisions.c.report).order_by(revisions.c.number)).scalars())
    assert [tuple(row) for row in stored] == [(note, moment) for note in notes]
    assert found == reports


def test_many_rows_with_one_that_refers_to_nothing_are_none(db: Database) -> None:
    row = {"state": "pending", "message": "", "author": "a", "created_at": now(), "number": 1}
    with pytest.raises(sa.exc.IntegrityError), db.write() as connection:
        connection.execute(datasets.insert(), [dataset("ds_a")])
        connection.execute(revisions.insert(), [row | {"dataset_id": id_} for id_ in ("ds_a", "ds_none")])
    assert names(db) == []


@pytest.mark.parametrize("value", [float("inf"), -1e308, 5e-324, 0.1, None])
def test_a_float_comes_back_to_the_last_bit(db: Database, value: float | None) -> None:
    table = sa.Table("floats", sa.MetaData(), sa.Column("n", sa.Integer, primary_key=True), sa.Column("x", points.c.value.type))
    with db.write() as connection:
        table.create(connection)
        connection.execute(table.insert(), [{"n": 1, "x": value}, {"n": 2, "x": 1.0}])
        connection.execute(table.insert().values(n=3, x=value))
    with db.read() as connection:
        assert list(connection.execute(sa.select(table.c.x).order_by(table.c.n)).scalars()) == [value, 1.0, value]


# --- several processes ------------------------------------------------------------------------------------------------

COUNT = """
for _ in range(100):
    with db.write() as connection:
        note = int(connection.execute(sa.select(datasets.c.note)).scalar_one())
        connection.execute(datasets.update().values(note=str(note + 1)))
"""

STAY = """
with db.write() as connection:
    connection.execute(datasets.update().values(note="half"))
    rows = [{"id": f"ds_{n}", "name": str(n), "note": "x" * 1000, "author": "a", "created_at": now()} for n in range(5000)]
    connection.execute(datasets.insert(), rows)
    print("in the middle", flush=True)
    sys.stdin.read()
"""


def process(db: Database, work: str) -> subprocess.Popen[str]:
    head = f"""
import sys
import sqlalchemy as sa
from studio.data.tables import datasets
from studio.db import Database
from studio.ids import now
db = Database({db.url!r})
"""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", head + work], cwd=ROOT, stdin=pipe, stdout=pipe, text=True)


def test_two_processes_that_change_one_value_lose_no_change(db: Database) -> None:
    with db.write() as connection:
        connection.execute(datasets.insert().values(**dataset("ds_a", note="0")))
    counting = [process(db, COUNT) for _ in range(2)]
    for each in counting:
        each.communicate(timeout=60)
    assert [each.returncode for each in counting] == [0, 0]
    with db.read() as connection:
        assert connection.execute(sa.select(datasets.c.note)).scalar_one() == "200"


def test_a_process_killed_in_the_middle_of_a_write_leaves_nothing_half_and_no_lock(db: Database) -> None:
    with db.write() as connection:
        connection.execute(datasets.insert().values(**dataset("ds_a", note="whole")))
    writer = process(db, STAY)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "in the middle\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    began = time.monotonic()
    with db.write() as connection:
        connection.execute(datasets.insert().values(**dataset("ds_b")))
    assert time.monotonic() - began < 5  # nobody's lock was waited for
    with db.read() as connection:
        assert connection.execute(sa.select(datasets.c.id, datasets.c.note).order_by(datasets.c.id)).all() == [
            ("ds_a", "whole"),
            ("ds_b", ""),
        ]
