"""Changes of a dataset: whole or not at all, one after the other, and taken back as if they had never been."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from studio.data import pending, revisions, store
from studio.data.revisions import Editor
from studio.data.rows import NewRow
from studio.data.store import GAP, StoredRow
from studio.data.tables import revisions as revision_table
from studio.data.tables import rows
from studio.db import Database
from studio.errors import DataError, NotFoundError
from studio.ids import now
from studio.jobs.queue import insert_job
from studio.jobs.tables import jobs
from studio.settings import ROOT, Settings
from tests.unit.data.edited import at, dataset, from_scratch, kept, lock, now_at, numbers, plain, texts
from tests.unit.test_write_discipline import LIMIT_S, TimedDatabase, conversation, longest_s

pytestmark = pytest.mark.backends("sqlite", "postgresql")


def n_rows(db: Database) -> int:
    with db.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one())


@pytest.fixture
def editor(db: Database, settings: Settings) -> Callable[..., Editor]:
    def make(dataset_id: str, **options: Any) -> Editor:
        return Editor(db, settings, dataset_id, **{"author": "usr_b", "action": "edit"} | options)

    return make


@pytest.fixture
def timed(db: Database) -> Iterator[TimedDatabase]:
    """The migrated database, measured."""
    database = TimedDatabase(db.url)
    yield database
    database.close()


Make = Callable[..., Editor]

# --- one change -------------------------------------------------------------------------------------------------------


def test_a_change_is_seen_when_its_block_has_ended_and_the_revision_before_stays_as_it_was(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain("a"), plain("b"), plain("c")])
    before = now_at(db, dataset_id)
    summary = {"key": "data.revision.edit", "params": {"row": "1"}}
    with editor(dataset_id, summary=summary, message="why") as edit:
        edit.replace(before[0], plain("A", "train"))
        edit.remove(before[1])
        edit.add(plain("d"))
        edit.add(plain("b2"), before[1].position + 5)
        assert edit.base == 1
        assert now_at(db, dataset_id) == before
    assert (edit.revision, edit.changes) == (2, {"added": 2, "removed": 1, "changed": 1})
    assert texts(now_at(db, dataset_id)) == ["A", "b2", "c", "d"]
    assert at(db, dataset_id, 1) == before
    made = revisions.revision_of(db, dataset_id, 2)
    assert (made.action, made.summary, made.message, made.author) == ("edit", summary, "why", "usr_b")
    assert (made.counts, made.changes) == ({"none": 3, "train": 1}, edit.changes)
    assert store.dataset_info(db, dataset_id).report == {"n_good": 3}


def test_a_replaced_row_keeps_its_place_and_gets_a_new_id_and_author(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain("a"), plain("b")])
    old = now_at(db, dataset_id)[0]
    with editor(dataset_id) as edit:
        assert edit.replace(old, replace(old.as_new(), tags=["t"], flag="odd"))
    new = now_at(db, dataset_id)[0]
    assert (new.position, new.tags, new.flag, new.author, new.since) == (old.position, ["t"], "odd", "usr_b", 2)
    assert new.id != old.id
    assert new.content_hash == old.content_hash


def test_a_change_of_thousands_of_rows_is_whole(db: Database, editor: Make) -> None:
    """More than one batch of each kind, and batches that end unevenly."""
    n = 1_100
    dataset_id = dataset(db, [plain(str(i)) for i in range(n)])
    with editor(dataset_id) as edit:
        for i, row in enumerate(now_at(db, dataset_id)):
            if i % 3 == 0:
                edit.remove(row)
            elif i % 3 == 1:
                edit.replace(row, plain(f"{i}!"))
            edit.add(plain(f"{i}+")) if i % 2 else None
    expected = [f"{i}!" if i % 3 == 1 else str(i) for i in range(n) if i % 3] + [f"{i}+" for i in range(1, n, 2)]
    found = now_at(db, dataset_id)
    assert texts(found) == expected
    assert from_scratch(found) == kept(db, dataset_id, 2)
    assert texts(at(db, dataset_id, 1)) == [str(i) for i in range(n)]


def test_a_block_that_changes_nothing_makes_no_revision(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain("a")])
    row = now_at(db, dataset_id)[0]
    with editor(dataset_id) as edit:
        assert not edit.replace(row, row.as_new())
    assert edit.revision is None
    assert numbers(db, dataset_id) == [1]
    with editor(dataset_id) as edit:
        edit.add(plain("b"))
    assert edit.revision == 2


@pytest.mark.parametrize("n_written", [1, 450])  # nothing yet in the database, and several batches
def test_a_change_that_fails_leaves_everything_as_it_was(db: Database, editor: Make, n_written: int) -> None:
    dataset_id = dataset(db, [plain(str(i)) for i in range(500)])
    before, size = now_at(db, dataset_id), n_rows(db)
    with pytest.raises(ZeroDivisionError), editor(dataset_id) as edit:
        for row in before[:n_written]:
            edit.replace(row, plain("x"))
        raise ZeroDivisionError
    assert now_at(db, dataset_id) == before
    assert n_rows(db) == size
    with editor(dataset_id) as edit:
        edit.remove(before[0])
    assert texts(now_at(db, dataset_id)) == [str(i) for i in range(1, 500)]


def test_the_summary_is_what_it_is_at_the_end(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain("a")])
    with editor(dataset_id, summary={"key": "k", "params": {}}) as edit:
        edit.add(plain("b"))
        edit.summary = {"key": "k", "params": {"n": 1}}
    assert revisions.newest(db, dataset_id).summary == {"key": "k", "params": {"n": 1}}


def test_rows_are_added_behind_every_row_that_ever_was(db: Database, editor: Make) -> None:
    """A position is a row's identity: that of a removed row is not given to another one."""
    dataset_id = dataset(db, [plain("a"), plain("b")])
    with editor(dataset_id) as edit:
        edit.remove(now_at(db, dataset_id)[1])
    with editor(dataset_id) as edit:
        assert [edit.add(plain("c")), edit.add(plain("d"))] == [3 * GAP, 4 * GAP]


@pytest.mark.parametrize(
    ("new", "key", "field"),
    [
        (plain(" "), "error.data.empty_text", "text"),
        (plain("a", "dev"), "error.data.unknown_split", "split"),
        (replace(plain("a"), topic="t" * 201), "error.data.label_too_long", "topic"),
        (replace(plain("a"), flag="f" * 201), "error.data.label_too_long", "flag"),
        (replace(plain("a"), group_key="\0"), "error.data.nul_character", "group_key"),
        (replace(plain("a"), tags=["\ud800"]), "error.data.lone_surrogate", "tags[0]"),
    ],
)
def test_what_no_row_may_hold_is_refused(db: Database, editor: Make, new: NewRow, key: str, field: str) -> None:
    dataset_id = dataset(db, [plain("a")])
    for change in (lambda edit: edit.add(new), lambda edit: edit.replace(now_at(db, dataset_id)[0], new)):
        with pytest.raises(DataError) as caught, editor(dataset_id) as edit:
            change(edit)
        assert (caught.value.key, caught.value.field) == (key, field)
    assert numbers(db, dataset_id) == [1]


@pytest.mark.parametrize("dataset_id", ["ds_" + "0" * 26, "../x"])
def test_an_unknown_dataset_cannot_be_changed(db: Database, settings: Settings, editor: Make, dataset_id: str) -> None:
    for change in (
        lambda: editor(dataset_id).__enter__(),
        lambda: revisions.undo(db, settings, dataset_id, "usr_a"),
        lambda: revisions.redo(db, settings, dataset_id, "usr_a"),
    ):
        with pytest.raises(NotFoundError) as caught:
            change()
        assert caught.value.key == "error.data.unknown_dataset"


# --- two changes ------------------------------------------------------------------------------------------------------


def test_a_row_that_was_changed_since_it_was_read_is_not_overwritten(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain("a"), plain("b")])
    old = now_at(db, dataset_id)[0]
    with editor(dataset_id) as edit:
        edit.replace(old, plain("first"))
    for change in (lambda edit: edit.replace(old, plain("second")), lambda edit: edit.remove(old)):
        with pytest.raises(DataError) as caught, editor(dataset_id) as edit:
            change(edit)
        assert caught.value.key == "error.data.row_changed"
    assert texts(now_at(db, dataset_id)) == ["first", "b"]


def test_a_row_of_another_dataset_is_not_touched(db: Database, editor: Make) -> None:
    mine, other = dataset(db, [plain("a")]), dataset(db, [plain("b")])
    with pytest.raises(DataError) as caught, editor(mine) as edit:
        edit.remove(now_at(db, other)[0])
    assert caught.value.key == "error.data.row_changed"
    assert texts(now_at(db, other)) == ["b"]


def test_two_changes_at_the_same_moment_are_both_made(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain(str(i)) for i in range(8)])
    both = threading.Barrier(4)

    def change(row: StoredRow) -> int | None:
        both.wait(10)
        with editor(dataset_id) as edit:
            edit.replace(row, plain(row.content["text"] + "!"))
        return edit.revision

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(change, now_at(db, dataset_id)[:4]))
    assert sorted(made, key=str) == [2, 3, 4, 5]
    assert texts(now_at(db, dataset_id)) == ["0!", "1!", "2!", "3!", "4", "5", "6", "7"]
    assert from_scratch(now_at(db, dataset_id)) == kept(db, dataset_id, 5)


def test_while_a_long_change_is_written_others_are_told_and_then_served(
    db: Database, settings: Settings, editor: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "_WAIT_S", 0.05)
    dataset_id = dataset(db, [plain("a"), plain("b")])
    first, second = now_at(db, dataset_id)
    with editor(dataset_id) as edit:
        edit.replace(first, plain("A"))
        for change in (
            lambda: editor(dataset_id).__enter__(),
            lambda: revisions.undo(db, settings, dataset_id, "usr_a"),
            lambda: revisions.restore(db, settings, dataset_id, 1, "usr_a"),
        ):
            with pytest.raises(DataError) as caught:
                change()
            assert (caught.value.key, caught.value.field) == ("error.data.busy", "dataset")
    with editor(dataset_id) as edit:
        edit.replace(second, plain("B"))
    assert texts(now_at(db, dataset_id)) == ["A", "B"]


def open_elsewhere(db: Database, dataset_id: str, *, age: timedelta, job_id: str | None = None) -> None:
    """A revision that a process of another host writes: no lock of this one tells of it."""
    values = {"dataset_id": dataset_id, "number": 2, "state": "pending", "message": "", "author": "usr_c", "action": "edit"}
    with db.write() as connection:
        connection.execute(revision_table.insert().values(**values, created_at=now() - age, job_id=job_id, state_of=2, parent=1))
        first = sa.select(sa.func.min(rows.c.id)).where(rows.c.dataset_id == dataset_id).scalar_subquery()
        connection.execute(rows.update().where(rows.c.id == first).values(until=2))


def job(db: Database, state: str) -> str:
    with db.write() as connection:
        job_id = insert_job(connection, spec={"kind": "import"}, name="j", author="usr_a")
        connection.execute(jobs.update().where(jobs.c.id == job_id).values(state=state))
    return job_id


def test_what_another_host_writes_is_left_alone_until_it_must_be_dead(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain("a"), plain("b")])
    open_elsewhere(db, dataset_id, age=timedelta(minutes=9))
    with pytest.raises(DataError) as caught:
        editor(dataset_id).__enter__()
    assert caught.value.key == "error.data.busy"
    assert texts(now_at(db, dataset_id)) == ["a", "b"]
    with db.write() as connection:
        old = revision_table.update().where(revision_table.c.number == 2)
        connection.execute(old.values(created_at=now() - timedelta(hours=1)))
    with editor(dataset_id) as edit:
        edit.add(plain("c"))
    assert texts(now_at(db, dataset_id)) == ["a", "b", "c"]


@pytest.mark.parametrize(("state", "is_taken_back"), [("running", False), ("failed", True)])
def test_a_change_that_takes_hours_is_alive_as_long_as_its_job(
    db: Database, editor: Make, state: str, is_taken_back: bool
) -> None:
    dataset_id = dataset(db, [plain("a")])
    open_elsewhere(db, dataset_id, age=timedelta(hours=3), job_id=job(db, state))
    if is_taken_back:
        with editor(dataset_id) as edit:
            edit.add(plain("b"))
        assert texts(now_at(db, dataset_id)) == ["a", "b"]
    else:
        with pytest.raises(DataError):
            editor(dataset_id).__enter__()


def test_a_job_takes_back_what_its_own_earlier_attempt_wrote(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain("a")])
    job_id = job(db, "running")
    open_elsewhere(db, dataset_id, age=timedelta(seconds=1), job_id=job_id)
    with editor(dataset_id, job_id=job_id) as edit:
        edit.replace(now_at(db, dataset_id)[0], plain("b"))
    assert texts(now_at(db, dataset_id)) == ["b"]


def test_a_change_that_was_taken_for_dead_is_not_committed(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain("a")])
    with pytest.raises(DataError) as caught, editor(dataset_id) as edit:
        edit.replace(now_at(db, dataset_id)[0], plain("b"))
        revisions.abandon(db, dataset_id, 2)
    assert caught.value.key == "error.data.busy"
    assert texts(now_at(db, dataset_id)) == ["a"]
    assert n_rows(db) == 1


def test_many_rows_changed_brought_back_and_taken_back_keep_others_waiting_for_less_than_100_ms(
    timed: TimedDatabase, settings: Settings
) -> None:
    """CONTRACTS 3; measured as in test_write_discipline, whose last test sees a batch that is too large."""
    new = [conversation(number) for number in range(2_000)]

    def work() -> None:
        dataset_id = dataset(timed, new)
        with Editor(timed, settings, dataset_id, author="usr_a", action="edit") as edit:
            for row in now_at(timed, dataset_id):
                edit.replace(row, replace(row.as_new(), tags=["t"]))
        revisions.undo(timed, settings, dataset_id, "usr_a")
        with pytest.raises(ZeroDivisionError), Editor(timed, settings, dataset_id, author="usr_a", action="edit") as edit:
            for row in now_at(timed, dataset_id):
                edit.replace(row, replace(row.as_new(), tags=["u"]))
            raise ZeroDivisionError

    assert longest_s(timed, work) < LIMIT_S


# --- killed -----------------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from studio.data import pending, revisions, store
from studio.data.rows import NewRow
from studio.db import Database
from studio.settings import Settings

home, url, dataset_id, moment = sys.argv[1:]
settings = Settings(home=home, database_url=url)
db = Database(settings.url)

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

if moment == "opened":
    pending.totals_of = die
elif moment == "before_commit":
    revisions.commit = die
elif moment == "taking_back":
    revisions.abandon = lambda db, dataset_id, number: (pending.rows.delete(), die())
rows = list(store.iter_rows(db, dataset_id, 1))
with revisions.Editor(db, settings, dataset_id, author="usr_a", action="replace") as edit:
    for number, row in enumerate(rows):
        edit.replace(row, NewRow("text", {"text": "x"}))
        if number == 700 and moment == "half":
            die()
        if number == 700 and moment == "taking_back":
            raise ValueError
"""


@pytest.mark.parametrize("moment", ["opened", "half", "before_commit", "taking_back"])
def test_a_change_that_is_killed_leaves_the_revision_before_it_whole_and_the_next_one_works_at_once(
    db: Database, settings: Settings, editor: Make, moment: str
) -> None:
    dataset_id = dataset(db, [plain(str(i)) for i in range(1_000)])
    before = now_at(db, dataset_id)
    command = [sys.executable, "-c", KILLED, str(settings.home), settings.database_url, dataset_id, moment]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert now_at(db, dataset_id) == before
    with editor(dataset_id) as edit:
        edit.replace(before[500], plain("mine"))
    found = now_at(db, dataset_id)
    assert texts(found) == [*map(str, range(500)), "mine", *map(str, range(501, 1_000))]
    assert from_scratch(found) == kept(db, dataset_id, store.dataset_info(db, dataset_id).revision)
    assert n_rows(db) == 1_001


# --- locked test sets -------------------------------------------------------------------------------------------------


def test_rows_of_a_locked_test_set_cannot_change_come_or_go(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain("a", "test"), plain("b", "train")])
    lock(db, dataset_id)
    tested, trained = now_at(db, dataset_id)
    for change in (
        lambda edit: edit.replace(tested, plain("x", "test")),
        lambda edit: edit.replace(tested, plain("a", "train")),
        lambda edit: edit.replace(tested, replace(tested.as_new(), references=["also right"])),
        lambda edit: edit.replace(trained, plain("b", "test")),
        lambda edit: edit.remove(tested),
        lambda edit: edit.add(plain("c", "test")),
    ):
        with pytest.raises(DataError) as caught, editor(dataset_id) as edit:
            change(edit)
        assert (caught.value.key, caught.value.field) == ("error.data.locked_test", "split")
    assert numbers(db, dataset_id) == [1]


def test_a_locked_test_set_may_be_tagged_and_other_rows_may_change_and_both_be_undone(
    db: Database, settings: Settings, editor: Make
) -> None:
    dataset_id = dataset(db, [plain("a", "test"), plain("b", "train")])
    lock(db, dataset_id)
    tested, trained = now_at(db, dataset_id)
    with editor(dataset_id) as edit:
        edit.replace(tested, replace(tested.as_new(), tags=["t"], topic="x", flag="y"))
        edit.replace(trained, plain("B", "train"))
    assert revisions.undo(db, settings, dataset_id, "usr_a") == 3
    assert [row.tags for row in now_at(db, dataset_id)] == [[], []]


def test_what_was_done_before_the_lock_cannot_be_undone_behind_it(db: Database, settings: Settings, editor: Make) -> None:
    dataset_id = dataset(db, [plain("a", "test")])
    with editor(dataset_id) as edit:
        edit.replace(now_at(db, dataset_id)[0], plain("b", "test"))
    lock(db, dataset_id)
    with pytest.raises(DataError) as caught:
        revisions.undo(db, settings, dataset_id, "usr_a")
    assert caught.value.key == "error.data.locked_test"
    assert texts(now_at(db, dataset_id)) == ["b"]


def test_a_lock_set_while_a_change_is_written_holds_for_it(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain("a", "test")])
    with pytest.raises(DataError) as caught, editor(dataset_id) as edit:
        edit.remove(now_at(db, dataset_id)[0])
        lock(db, dataset_id)
    assert caught.value.key == "error.data.locked_test"
    assert texts(now_at(db, dataset_id)) == ["a"]


# --- totals -----------------------------------------------------------------------------------------------------------


def test_a_dataset_from_before_sums_were_kept_gets_them_with_its_next_change(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain(str(i), "train") for i in range(5)])
    with db.write() as connection:
        connection.execute(revision_table.update().values(row_sum=None, content_hash="of old"))
    with editor(dataset_id) as edit:
        edit.add(plain("new"))
    assert from_scratch(now_at(db, dataset_id)) == kept(db, dataset_id, 2)


def test_a_change_upon_rows_that_a_purge_takes_meanwhile_is_not_committed(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain("a"), plain("b")])
    with pytest.raises(DataError) as caught, editor(dataset_id) as edit:
        edit.add(plain("c"))
        with db.write() as connection:
            store.mark_purging(connection, dataset_id, 1)
    assert caught.value.key == "error.data.busy"
    with db.write() as connection:
        connection.execute(rows.delete().where(rows.c.search_text == "a"))
    with editor(dataset_id) as edit:  # the purge was killed: the sums are of rows that are gone
        edit.add(plain("d"))
    assert from_scratch(now_at(db, dataset_id)) == kept(db, dataset_id, edit.revision or 0)
    revisions.count_again(db, dataset_id, 1)
    assert from_scratch(at(db, dataset_id, 1)) == kept(db, dataset_id, 1)


@pytest.fixture(autouse=True)
def nothing_is_left_pending(db: Database) -> Iterator[None]:
    """After every test: a revision is committed, abandoned with no row of it left, or was open elsewhere on purpose."""
    yield
    abandoned = sa.select(revision_table.c.dataset_id, revision_table.c.number).where(revision_table.c.state == "abandoned")
    with db.read() as connection:
        for dataset_id, number in connection.execute(abandoned):
            mine = sa.or_(rows.c.since == number, rows.c.until == number)
            left = sa.select(rows.c.id).where(rows.c.dataset_id == dataset_id, mine)
            assert connection.execute(left).first() is None
